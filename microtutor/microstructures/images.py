"""Your own images, read from files as phases."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from microtutor.checks import describe

MOST_LABELS = 64  # an image of more distinct values is taken for a grey one unless its labels are listed


def load_phase(path: str | os.PathLike, *, threshold: float | None = None, dark: bool = False) -> Tensor:
    """Read a grey or black-and-white image file as a phase indicator, 1 where the grey value is above the threshold.

    Args:
        path, threshold, dark: as for `load_phases`.

    Returns:
        float32 in {0, 1}, shape (height, width).

    Raises:
        FileNotFoundError, ValueError: as `load_phases`.
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
            reads, or a two-dimensional .npy array.
        threshold: in grey values of the file; pixels above it are bright. By default Otsu's: see `otsu_threshold`.
        labels: True if every value of the file names a phase (lowest first); or the values that do, in the order of
            the phases.
        dark: the phase of interest, which comes second, is the dark one instead of the bright one.

    Returns:
        float32 in {0, 1}, shape (phases, height, width); each pixel is 1 in one phase. By a threshold there are two:
        the ground and the phase of interest.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no image, a colour image, one with transparency or of several frames; by a threshold, an image of
            one grey value or a threshold outside its grey values; by labels, values that are none.
    """
    path = Path(path)
    grey = _read_grey(path)
    if labels is None or labels is False:
        bright = torch.from_numpy(grey > grey_level(grey, threshold, path.name))
        phase = ~bright if dark else bright
        return torch.stack([~phase, phase]).float()
    if threshold is not None or dark:
        raise ValueError("expected either labels or a threshold (with dark or not), got both")
    return torch.from_numpy(grey == _label_values(grey, labels, path.name)[:, None, None]).float()


def otsu_threshold(values: Any) -> float:
    """The grey value that splits an image best in two: the means of both classes lie as far apart as can be.

    Of all ways to cut the grey values in two, the one with the greatest variance between the classes (equally, the
    least within them) is taken; the first one if several are equally good. All distinct values are tried, so the
    result does not depend on a choice of bins.

    Args:
        values: grey values, an array or tensor of any shape, with at least two different ones.

    Returns:
        The greatest value of the darker class: values > otsu_threshold(values) are the brighter one.

    Raises:
        TypeError: values are no real numbers.
        ValueError: values are empty, not finite, or all the same.

    Source: Otsu, IEEE Trans. Syst. Man Cybern. 9, 62-66 (1979).

    >>> otsu_threshold([0, 1, 8, 9])
    1.0
    """
    array = np.asarray(values)
    if array.dtype.kind not in "buif":
        raise TypeError(f"expected grey values as real numbers, got {describe(values)}")
    grey, counts = np.unique(array, return_counts=True)
    grey = grey.astype(np.float64)
    if not len(grey) or not np.isfinite(grey).all():
        raise ValueError(f"expected at least one grey value, all of them finite, got {describe(values)}")
    if len(grey) == 1:
        raise ValueError(f"expected at least two grey values, got only {grey[0]:g}: Otsu's threshold is undefined")
    darker, mean = np.cumsum(counts)[:-1], np.average(grey, weights=counts)
    difference = np.cumsum(counts * (grey - mean))[:-1]
    between = difference**2 / (darker * (array.size - darker).astype(np.float64))
    return float(grey[between.argmax()])


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


def _label_values(grey: np.ndarray, labels: bool | Sequence[float], name: str) -> np.ndarray:
    """The values that name phases: all of the image, or those listed."""
    found = np.unique(grey)
    if labels is True:
        if len(found) > MOST_LABELS or (found != found.round()).any():
            raise ValueError(
                f"expected at most {MOST_LABELS} labels, all of them whole numbers, in {name}, got {len(found)} values "
                f"from {found[0]:g} to {found[-1]:g}; take a threshold, or list the labels"
            )
        return found
    values = np.asarray(labels)
    if values.ndim != 1 or values.dtype.kind not in "uif" or not len(values) or len(np.unique(values)) < len(values):
        raise ValueError(f"expected labels=True or different values such as [0, 128, 255], got {labels!r}")
    others = found[~np.isin(found, values)]
    if len(others):
        listed = ", ".join(f"{value:g}" for value in values)
        raise ValueError(f"expected nothing but the labels {listed} in {name}, got also {others[0]:g}")
    return values


def _read_grey(path: Path) -> np.ndarray:
    """The grey values of an image file, (height, width), in float64."""
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    array = _read_array(path) if path.suffix == ".npy" else _read_picture(path)
    if array.ndim != 2 or not array.size or array.dtype.kind not in "buif" or not np.isfinite(array).all():
        raise ValueError(f"expected a finite array (height, width) in {path.name}, got {array.dtype} {array.shape}")
    return array.astype(np.float64)


def _read_array(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path.name} is no array of numbers that can be read") from error


def _read_picture(path: Path) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(path) as image:
            frames, mode = getattr(image, "n_frames", 1), image.mode
            if frames == 1 and (mode in ("1", "L", "F") or mode.startswith("I")):
                return np.asarray(image)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path.name} is no image that can be read; use .png, .tif or .npy") from error
    if frames > 1:
        raise ValueError(f"expected one picture in {path.name}, got {frames} frames; save the one you want by itself")
    if mode in ("LA", "La"):
        raise ValueError(f"expected a grey image in {path.name}, got transparency (mode {mode}); save it without alpha")
    raise ValueError(
        f"expected a grey image in {path.name}, got colour mode {mode}; save one channel as grey, for example with "
        'PIL.Image.open(...).convert("L").save(...)'
    )
