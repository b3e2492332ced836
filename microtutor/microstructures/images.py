"""Your own images, read from files as phases."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from microtutor.checks import check_array, check_bool, check_count, check_number, describe, quote
from microtutor.microstructures.grey import check_file, read_grey

MOST_LABELS = 64  # an image of more distinct values is taken for a grey one unless its labels are listed
MOST_BINS = 1024  # of grey values that are cut into more than two phases
FEW_LABELS = 16  # so few whole numbers may be labels wherever they lie; more of them only if they count from 0 or 1
PIXELS_OF_A_LABEL = 4  # at least, on average, where values are taken for labels


def load_phase(path: str | os.PathLike, *, threshold: float | None = None, dark: bool = False) -> Tensor:
    """Read a grey or black-and-white image file as a phase indicator, 1 where the grey value is above the threshold.

    Args:
        path, threshold, dark: as for `load_phases`.

    Returns:
        float32 in {0, 1}, shape (height, width).

    Raises:
        FileNotFoundError, TypeError, ValueError: as `load_phases`.

    >>> load_phase("no_such_picture.png")
    Traceback (most recent call last):
    FileNotFoundError: no file no_such_picture.png
    """
    return load_phases(path, threshold=threshold, dark=dark)[1]


def load_phases(
    path: str | os.PathLike,
    *,
    threshold: float | None = None,
    labels: bool | Sequence[float] | None = None,
    dark: bool = False,
) -> Tensor:
    """Read an image file as phases, one channel each: two by a threshold, or one for each label.

    Args:
        path: a grey image of 1, 8, 16 or 32 bits, whole numbers or floats: .png, .tif or another format that Pillow
            reads, or a two-dimensional .npy array. It is turned as its file says, and its values are those that it
            means, also where 0 stands for white.
        threshold: in grey values of the file; pixels above it are bright. By default Otsu's: see `otsu_threshold`.
        labels: True if every value of the file names a phase (lowest first); or the values that do, in the order of
            the phases. In a palette picture they are the numbers of its colours. False for an image of few grey values
            that is to be cut in two; by default a file that looks like a map of labels is asked about.
        dark: the phase of interest, which comes second, is the dark one instead of the bright one.

    Returns:
        float32 in {0, 1}, shape (phases, height, width); each pixel is 1 in one phase. By a threshold there are two:
        the ground and the phase of interest.

    Raises:
        FileNotFoundError: no such file.
        TypeError: an argument is of another type.
        ValueError: no image, a colour image, one with transparency, with NaN or of several frames; by a threshold, an
            image of one grey value, or of few that may be labels, or a threshold outside its grey values; by labels,
            values that are none.
    """
    cut = labels is None or labels is False
    check_bool(dark, name="dark")
    if threshold is not None:
        check_number(threshold, name="threshold")
    if not cut and (threshold is not None or dark):
        raise ValueError("expected either labels or a threshold (with dark or not), got both")
    values = None if cut or labels is True else check_labels(labels)
    name, grey = check_file(path).name, read_grey(path, labels=not cut).astype(np.float64)
    if cut:
        if labels is None and threshold is None:
            ask_about_labels(grey, name, "load_phases(..., labels=True) for one channel each, or ")
        bright = torch.from_numpy(grey > grey_level(grey, threshold, name))
        phase = ~bright if dark else bright
        return torch.stack([~phase, phase]).float()
    return torch.from_numpy(grey == label_values(grey, values, name)[:, None, None]).float()


def otsu_threshold(values: Any) -> float:
    """The grey value that splits an image best into dark and bright pixels, by Otsu's method.

    Of all ways to cut the grey values in two, the one with the greatest variance between the classes is taken, which
    is also the one with the least variance within them; the first one if several are equally good. All distinct values
    are tried, so the result does not depend on a choice of bins.

    Args:
        values: grey values, an array or tensor of any shape, with at least two different ones. Those that a masked
            array hides do not count.

    Returns:
        The greatest value of the darker class: values > otsu_threshold(values) are the brighter one.

    Raises:
        TypeError: values are no real numbers.
        ValueError: values are empty, not finite, or all the same.

    Source: Otsu, IEEE Trans. Syst. Man Cybern. 9, 62-66 (1979).

    >>> otsu_threshold([0, 1, 8, 9])
    1.0
    """
    array = check_array(values.compressed() if isinstance(values, np.ma.MaskedArray) else values, name="grey values")
    grey, counts = np.unique(array, return_counts=True)
    grey = grey.astype(np.float64)
    if not len(grey) or not np.isfinite(grey).all():
        raise ValueError(
            f"expected at least one grey value, all of them finite, got {describe(values)}; leave NaN out with "
            "values[numpy.isfinite(values)]"
        )
    if len(grey) == 1:
        raise ValueError(f"expected at least two grey values, got only {grey[0]:g}: Otsu's threshold is undefined")
    darker, mean = np.cumsum(counts)[:-1], np.average(grey, weights=counts)
    difference = np.cumsum(counts * (grey - mean))[:-1]
    between = difference**2 / (darker * (array.size - darker).astype(np.float64))
    return float(grey[between.argmax()])


def otsu_thresholds(values: Any, phases: int = 3) -> tuple[float, ...]:
    """The grey values that split an image best into several phases, by Otsu's method for more than two classes.

    Of all ways to cut the grey values, the one with the greatest variance between the classes is taken; it is found
    exactly, by dynamic programming. For more than two phases, more than 1024 distinct values are first gathered in 1024
    equally wide bins.

    Args:
        values: as for `otsu_threshold`, with at least as many different ones as phases.
        phases: number of classes, from 2.

    Returns:
        Rising thresholds, one fewer than phases: the greatest value of each class but the brightest.

    Raises:
        TypeError, ValueError: as `otsu_threshold`, or there are fewer distinct values than phases.

    Source: Otsu (1979), as `otsu_threshold`; Liao, Chen & Chung, J. Inf. Sci. Eng. 17, 713-727 (2001).

    >>> otsu_thresholds([0, 1, 5, 6, 20, 21])
    (1.0, 6.0)
    """
    phases = check_count(phases, name="phases", minimum=2)
    first = otsu_threshold(values)  # checks the values
    if phases == 2:
        return (first,)
    array = np.asarray(values.compressed() if isinstance(values, np.ma.MaskedArray) else check_array(values, name="x"))
    grey, counts = np.unique(array, return_counts=True)
    grey = grey.astype(np.float64)
    if len(grey) < phases:
        raise ValueError(f"expected at least {phases} grey values for {phases} phases, got {len(grey)}; take fewer")
    tops, means, counts = _in_bins(grey, counts.astype(np.float64))
    if len(tops) < phases:
        raise ValueError(
            f"expected grey values that lie apart for {phases} phases, got nearly all of them close together beside a "
            "few far away; leave the far ones out, or take threshold= with the values to cut at"
        )
    return tuple(float(tops[k]) for k in _best_cuts(means, counts, phases))


def _in_bins(grey: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Greatest value, mean and number of pixels of each bin that is not empty; the mean scaled to [0, 1]."""
    low, high = grey[0], grey[-1]
    scaled = (grey / 2 - low / 2) / (high / 2 - low / 2)  # halves, as the difference may not be representable
    bins = np.arange(len(grey))
    if len(grey) > MOST_BINS:
        bins = np.minimum((scaled * MOST_BINS).astype(int), MOST_BINS - 1)
    last = np.flatnonzero(np.append(np.diff(bins), 1))
    starts = np.append(0, last[:-1] + 1)
    total = np.add.reduceat(counts, starts)
    return grey[last], np.add.reduceat(counts * scaled, starts) / total, total


def _best_cuts(means: np.ndarray, counts: np.ndarray, phases: int) -> list[int]:
    """The last bin of each class but the last one, where the variance between classes is greatest."""
    mean = np.average(means, weights=counts)
    number, total = (np.append(0, np.cumsum(x)) for x in (counts, counts * (means - mean)))
    n = len(means)
    first, end = np.ogrid[:n, : n + 1]
    inside = np.maximum(number[end] - number[first], 1)  # 1 stands for classes of no bins, which do not count
    gain = np.where(first < end, (total[end] - total[first]) ** 2 / inside, -np.inf)
    best, choices = gain[0], []
    for _ in range(phases - 1):  # best[e]: of the bins before e, cut into as many classes as there were steps
        sums = best[:n, None] + gain
        choices.append(sums.argmax(axis=0))
        best = sums.max(axis=0)
    cuts, end = [], n
    for choice in reversed(choices):
        end = int(choice[end])
        cuts.append(end - 1)
    return cuts[::-1]


def grey_level(grey: np.ndarray, threshold: float | None, name: str) -> float:
    """The threshold given, if it splits the image in two, or else Otsu's."""
    low, high = float(grey.min()), float(grey.max())
    if not low < high:
        raise ValueError(f"expected at least two grey values in {name}, got only {low:g}: no threshold splits it")
    if threshold is None:  # two values need no search, which takes long in a volume
        threshold = low if ((grey == low) | (grey == high)).all() else otsu_threshold(grey)
    if not low <= threshold < high:
        raise ValueError(f"expected a threshold in [{low:g}, {high:g}), the grey values of {name}, got {threshold:g}")
    return threshold


def ask_about_labels(grey: np.ndarray, name: str, advice: str = "") -> None:
    """Refuse to cut in two what looks like a map of labels: few whole numbers, each of them often.

    Raises:
        ValueError: as it does; it says what to write in either case.
    """
    flat = grey.reshape(-1)
    if len(np.unique(flat[:: 1 + flat.size // 2**20])) > MOST_LABELS:  # a look at some, as volumes are large
        return
    low, high = float(flat.min()), float(flat.max())
    if grey.dtype.kind == "b" or bool(((flat == low) | (flat == high)).all()):
        return
    found = np.unique(flat).astype(np.float64)
    counting = found[0] in (0, 1) and found[-1] - found[0] == len(found) - 1
    few = len(found) <= (MOST_LABELS if counting else FEW_LABELS) and flat.size >= PIXELS_OF_A_LABEL * len(found)
    if few and (found == found.round()).all():
        raise ValueError(
            f"expected grey values or two phases in {name}, got {len(found)} whole numbers from {low:g} to {high:g}, "
            f"which may be labels of phases: take {advice}a threshold, such as threshold={otsu_threshold(grey):g}, "
            "to cut them in two"
        )


def check_labels(labels: Any) -> np.ndarray:
    """The values that are listed as labels, as an array of one axis.

    Raises:
        ValueError: they are no list of different numbers.

    >>> check_labels([0, 128, 255])
    array([  0, 128, 255])
    """
    try:
        values = np.asarray(labels)
    except (TypeError, ValueError):  # lists in a list
        values = np.empty(0)
    if values.ndim != 1 or values.dtype.kind not in "uif" or not len(values) or len(np.unique(values)) < len(values):
        raise ValueError(f"expected labels=True or different values such as [0, 128, 255], got {quote(labels)}")
    return values


def label_values(grey: np.ndarray, values: np.ndarray | None, name: str) -> np.ndarray:
    """The values that name phases: those listed, or else all of the image.

    Raises:
        ValueError: the image has values besides those listed, or too many for labels.

    >>> label_values(np.array([[2, 0], [0, 2]]), None, "map.png")
    array([0, 2])
    """
    found = np.unique(grey)
    if values is None:
        if len(found) > MOST_LABELS or (found != found.round()).any():
            raise ValueError(
                f"expected at most {MOST_LABELS} labels, all of them whole numbers, in {name}, got {len(found)} values "
                f"from {found[0]:g} to {found[-1]:g}; take a threshold, or list the labels"
            )
        return found
    others = found[~np.isin(found, values)]
    if len(others):
        listed = quote(values.tolist())[1:-1]
        raise ValueError(f"expected nothing but the labels {listed} in {name}, got also {others[0]:g}")
    return values
