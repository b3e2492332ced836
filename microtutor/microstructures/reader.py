"""One way from any file, or array, to phases, mask and pixel size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from microtutor.checks import (
    check_array,
    check_bool,
    check_count,
    check_each,
    check_number,
    check_spacing,
    check_text,
    describe,
    is_masked,
    quote,
)
from microtutor.microstructures.ebsd import EBSD, read_ebsd
from microtutor.microstructures.grey import as_image, read_image, read_raw
from microtutor.microstructures.images import (
    ask_about_labels,
    check_labels,
    grey_level,
    label_values,
    otsu_thresholds,
)
from microtutor.microstructures.regions import INFO_BAR, find_info_bar, info_bar, mask_of, slices_of
from microtutor.microstructures.tiff import METRES, unit_of

RAW = (".raw", ".bin", ".dat", ".vol")
MOST_PHASES = 6
PIXEL = "px"
FEWEST_GREYS = 16  # of a micrograph; pictures of phases have fewer


@dataclass(frozen=True, eq=False)
class Micrograph:
    """A picture or volume as phases, with the pixels that are known and the size of a pixel.

    Attributes:
        phases: (n, H, W) or (n, D, H, W) float32 in {0, 1}; a pixel is 1 in one phase, or in none if it is not known.
        mask: (H, W) or (D, H, W) float32, 1 where a pixel is known and 0 where not; None if all are.
        spacing: the size of a pixel (down, right) or (deeper, down, right), in the unit.
        unit: of the spacing; "px" if nobody says one.
        grey: the values that were read, cropped, as a numpy array.
        thresholds: the grey values that separate the phases, rising; empty for labels.
        labels: the values that name the phases, in their order; empty for thresholds.
        phase_names: their names, if the file has them.
        name: of the file.
        notes: what was done to the picture, a sentence each.

    >>> found = Micrograph(torch.eye(2).repeat(2, 1, 1), None, (1.0, 1.0), "px", np.eye(2), (0.0,), (), (), "a.png")
    >>> found.phase.shape, found.ndim, found.known
    (torch.Size([2, 2]), 2, 1.0)
    """

    phases: Tensor = field(repr=False)
    mask: Tensor | None = field(repr=False)
    spacing: tuple[float, ...]
    unit: str
    grey: np.ndarray = field(repr=False)
    thresholds: tuple[float, ...]
    labels: tuple[float, ...]
    phase_names: tuple[str, ...]
    name: str
    notes: tuple[str, ...] = ()

    @property
    def phase(self) -> Tensor:
        """The phase of interest, which is the last one: (H, W) or (D, H, W)."""
        return self.phases[-1]

    @property
    def ndim(self) -> int:
        """2 for a picture, 3 for a volume."""
        return self.phases.ndim - 1

    @property
    def known(self) -> float:
        """The share of the pixels that are known."""
        return 1.0 if self.mask is None else float(self.mask.double().mean())


@dataclass(frozen=True)
class _Read:
    """What a file or an array holds, before anything is done to it."""

    values: np.ndarray
    known: np.ndarray | None
    size: tuple[tuple[float | None, ...], str] | None
    name: str
    phase_names: dict[int, str] | None = None  # of an EBSD map; None for everything else


def read_micrograph(
    source: Any,
    *,
    crop: str | tuple[slice, ...] | None = None,
    mask: Any = None,
    threshold: float | Sequence[float] | None = None,
    phases: int | None = None,
    labels: bool | Sequence[float] | None = None,
    dark: bool = False,
    spacing: float | Sequence[float] | None = None,
    unit: str | None = None,
    shape: Sequence[int] | None = None,
    dtype: str | None = None,
) -> Micrograph:
    """Read a micrograph or a volume of any kind as phases, with the pixels that are known and the size of a pixel.

    Args:
        source: a grey or black-and-white picture (.png, .tif and all else that Pillow reads), a .tif of several frames
            or a .npy of three axes (volumes), a .zip of one of them, bare numbers (.raw, .bin, .dat, .vol), an EBSD
            map (.ang, .ctf), or an array of numpy, numpy.ma or torch. A last or first axis of one is dropped.
        crop: the part to take, as "0:884,:" (rows, columns; in volumes slices, rows, columns) or a tuple of slices.
        mask: what is left out: a picture of the whole size that is 0 there; an array, bool or in [0, 1]; boxes of rows
            and columns of the whole picture, such as "850:,:" or several, joined by ";"; or "info-bar", which looks
            for the bar of a microscope in what the crop leaves, see `find_info_bar`. NaN, infinity and what numpy.ma
            hides are left out anyway.
        threshold: a grey value, or several rising ones; pixels above a value are brighter. By default Otsu's, of the
            known pixels.
        phases: the number of phases, 2 to 6, dark to bright, which `otsu_thresholds` separates.
        labels: as for `load_phases`; in an EBSD map the phase numbers, in the order wanted.
        dark: of two phases, the dark one is that of interest, which comes last.
        spacing: the size of a pixel, one for all axes or one for each; goes before what the file says.
        unit: of the spacing, as text; without a spacing, the one to convert what the file says to.
        shape, dtype: of bare numbers, such as (100, 512, 512) and "uint16", or ">u2" for high byte first.

    The size of a pixel is read from an EBSD map and from a TIFF (what microscopes of Zeiss and FEI write, ImageJ's and
    OME's description, or a resolution per cm or inch that is none of a printer: 72, 96, 150 or 300 per inch).
    What other pictures, such as PNG, say of their resolution is for printers, and not read.

    Raises:
        FileNotFoundError: no such file.
        TypeError: an argument is of another type.
        ValueError: the file cannot be read, holds colours or channels, or an argument does not fit to it; the
            sentence names the way on.

    >>> found = read_micrograph(np.array([[10, 12, np.nan], [200, 11, 210]]), spacing=0.5, unit="µm")
    >>> found.phase.tolist(), found.thresholds, round(found.known, 2)
    ([[0.0, 0.0, 0.0], [1.0, 0.0, 1.0]], (12.0,), 0.83)
    """
    listed = _check_choices(threshold, phases, labels, dark)
    check_text("" if unit is None else unit, name="unit")
    read = _read(source, shape, dtype, labels=labels is not None and labels is not False)
    ndim = read.values.ndim
    size, text, notes = _size(read, ndim, spacing, unit)
    box = (slice(None),) * ndim if crop is None else slices_of(crop, read.values.shape)
    grey = np.ascontiguousarray(read.values[box])
    known, more = _known(read, mask, box, grey)
    cut = _by_labels if labels is True or listed is not None or read.phase_names is not None else _by_thresholds
    found = cut(grey, known > 0, read, threshold=threshold, phases=phases, listed=listed, dark=dark, labels=labels)
    return replace(
        found,
        mask=None if (known == 1).all() else torch.from_numpy(known),
        spacing=size,
        unit=text,
        grey=grey,
        notes=(*notes, *more),
    )


# --- arguments --------------------------------------------------------------------------------------------------------
def _check_choices(threshold: Any, phases: Any, labels: Any, dark: Any) -> np.ndarray | None:
    """Refuse choices that are none or do not go together; return the labels if they are listed."""
    check_bool(dark, name="dark")
    if threshold is not None:
        several = isinstance(threshold, (Sequence, np.ndarray)) and not isinstance(threshold, str)
        levels = check_each(threshold if several else [threshold], check_number, name="threshold")
        if not 1 <= len(levels) < MOST_PHASES or any(a >= b for a, b in pairwise(levels)):
            raise ValueError(f"expected threshold as one number, or up to 5 that rise, got {quote(threshold)}")
    count = None if phases is None else check_count(phases, name="phases", minimum=2, below=MOST_PHASES + 1)
    if threshold is not None and count is not None:
        raise ValueError("expected either a threshold or a number of phases, got both")
    number = count or (2 if threshold is None or isinstance(threshold, (int, float, np.number)) else len(levels) + 1)
    if dark and number > 2:
        raise ValueError(f"expected dark=True for two phases, got {number}; they go from dark to bright: phases[0]")
    if labels is None or labels is False:
        return None
    if threshold is not None or phases is not None or dark:
        raise ValueError("expected either labels or a threshold or phases (with dark or not), got both")
    return None if labels is True else check_labels(labels)


def _size(read: _Read, ndim: int, spacing: Any, unit: str | None) -> tuple[tuple[float, ...], str, list[str]]:
    """The size of a pixel: what is given, or what the file says, or 1."""
    if spacing is not None:
        each = spacing.tolist() if hasattr(spacing, "tolist") else spacing
        return check_spacing(each, ndim), PIXEL if unit is None else unit, []
    if read.size is None or unit == PIXEL:
        if unit not in (None, PIXEL):
            raise ValueError(
                f"expected the size of a pixel beside its unit, as {read.name} does not say it, got unit={unit!r} "
                "alone; add spacing="
            )
        return (1.0,) * ndim, PIXEL, []
    sizes, said = read.size
    notes = [f"the size of a pixel is that in {read.name}"]
    if ndim == 3 and sizes[0] is None:
        sizes = (sizes[1], *sizes[1:])
        notes = [f"{read.name} does not say how far its slices are apart: taken to be as far as its rows"]
    factor, other = 1.0, said if unit is None else unit_of(unit)
    if other is None:
        raise ValueError(f"expected unit to be one of {', '.join(METRES)}, as {read.name} is in {said}, got {unit!r}")
    if other != said:
        factor = METRES[said] / METRES[other]
    return tuple(float(one or 0) * factor for one in sizes[-ndim:]), said if unit is None else unit, notes


# --- sources ----------------------------------------------------------------------------------------------------------
def _read(source: Any, shape: Any, dtype: Any, *, labels: bool) -> _Read:
    if not isinstance(source, (str, os.PathLike)):
        if shape is not None or dtype is not None:
            raise ValueError(
                "expected shape and dtype for a file of bare numbers, got them with an array; leave them out"
            )
        return _from_array(source)
    path = Path(source)
    suffix = path.suffix.lower()
    if path.is_dir():
        raise ValueError(
            f"expected one file, got the folder {quote(str(source))}; if its pictures are the slices of a volume, hand "
            "over numpy.stack([...]) of them or save them as one .tif; to train on them, take ImageFolder"
        )
    if not path.exists():
        raise FileNotFoundError(
            f"no file {path}: expected the path of one that is there, or an array, got another name"
        )
    if suffix in RAW:
        return _Read(read_raw(path, shape, dtype), None, None, path.name)
    if shape is not None or dtype is not None:
        raise ValueError(
            f"expected shape and dtype for a file of bare numbers ({', '.join(RAW)}), got them with {path.name}, which "
            "says its own; leave them out"
        )
    if suffix in EBSD:
        found = read_ebsd(path)
        return _Read(found.labels, found.indexed, ((None, *found.step), "µm"), path.name, found.names)
    values, size = read_image(path, labels=labels)
    return _Read(values, None, size, path.name)


def _from_array(array: Any) -> _Read:
    known = None
    if is_masked(array) and isinstance(array, np.ma.MaskedArray):
        known = as_image(~np.ma.getmaskarray(array), "the mask of the array")
        array = np.ma.getdata(array)
    if not hasattr(array, "shape") and not isinstance(array, list):
        raise TypeError(f"expected a path or an array, got {describe(array)}")
    return _Read(as_image(check_array(array, name="micrograph"), "the array"), known, None, "array")


def _known(read: _Read, mask: Any, box: tuple[slice, ...], grey: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """How well each pixel is known, in [0, 1], and what is to be said of it."""
    known, notes = np.ones(grey.shape, np.float32), []
    if read.known is not None:
        known *= read.known[box]
        notes += _left_out(known, "without a value" if read.phase_names is None else "not indexed")
    if grey.dtype.kind == "f":
        finite = np.isfinite(grey)
        known *= finite
        notes += _left_out(finite, "NaN or infinite")
    if isinstance(mask, str) and mask == INFO_BAR:
        rows = find_info_bar(grey, read.name)
        known[rows] = 0
        notes.append(f"info bar: {_named(rows, box)} are left out")
    elif mask is not None:
        given = mask_of(mask, read.values.shape)[box]
        known *= given
        notes += _left_out(given > 0, "masked")
    elif read.phase_names is None and _is_grey(grey) and (rows := info_bar(grey)):
        notes.append(
            f"{_named(rows, box)} look like an info bar and count as material; the mask {INFO_BAR} leaves them out"
        )
    if not known.any():
        raise ValueError(f"expected pixels that are known in {read.name}, got none: all are masked or without a value; "
                         "look at crop and mask")  # fmt: skip
    return known, notes


def _is_grey(grey: np.ndarray) -> bool:
    """Whether it is one picture of many grey values; one of few may end in a strip of one of them by chance."""
    return grey.ndim == 2 and len(np.unique(grey[::8, ::8])) >= FEWEST_GREYS


def _named(rows: slice, box: tuple[slice, ...]) -> str:
    """Rows of what a crop leaves, by their numbers in the whole picture."""
    offset = box[0].start or 0
    return f"rows {rows.start + offset} to {rows.stop + offset - 1}"


def _left_out(known: np.ndarray, why: str) -> list[str]:
    number = int((known == 0).sum())
    return [f"{number} of {known.size} pixels are left out: {why}"] if number else []


# --- phases -----------------------------------------------------------------------------------------------------------
def _micrograph(which: list[np.ndarray], read: _Read, **more: Any) -> Micrograph:
    phases = torch.from_numpy(np.stack(which)).float()
    arguments = {"thresholds": (), "labels": (), "phase_names": ()} | more
    return Micrograph(phases, None, (), PIXEL, read.values, name=read.name, **arguments)


def _by_labels(
    grey: np.ndarray, known: np.ndarray, read: _Read, *, threshold: Any, phases: Any, listed: Any, dark: bool, **_: Any
) -> Micrograph:
    if threshold is not None or phases is not None or dark:
        raise ValueError(
            f"expected no threshold, phases or dark for {read.name}, a map of phases, got one; choose the order with "
            "labels="
        )
    values = label_values(grey[known].astype(np.float64), listed, read.name)
    names = {} if read.phase_names is None else read.phase_names
    return _micrograph(
        [(grey == value) & known for value in values],
        read,
        labels=tuple(values.tolist()),
        phase_names=tuple(names.get(int(v), f"{v:g}") for v in values) if names else (),
    )


def _by_thresholds(
    grey: np.ndarray, known: np.ndarray, read: _Read, *, threshold: Any, phases: Any, dark: bool, labels: Any, **_: Any
) -> Micrograph:
    seen = grey[known]
    if labels is None and threshold is None and (phases is None or len(np.unique(seen)) != phases):
        ask_about_labels(seen, read.name, "labels=True for one channel each, labels=False to cut grey values, or ")
    if threshold is not None and not isinstance(threshold, (int, float, np.number)):
        levels = tuple(grey_level(seen, float(one), read.name) for one in threshold)
    elif phases is not None and phases > 2:
        levels = otsu_thresholds(seen, phases)
    else:
        levels = (grey_level(seen, None if threshold is None else float(threshold), read.name),)
    number = np.zeros(grey.shape, np.uint8)  # of thresholds that a value is above
    for level in levels:
        number += grey > np.float64(level)
    order = range(len(levels), -1, -1) if dark else range(len(levels) + 1)
    return _micrograph([(number == k) & known for k in order], read, thresholds=tuple(map(float, levels)))
