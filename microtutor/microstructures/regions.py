"""Which pixels of a picture count: a crop of it, a mask, boxes that are left out, and the info bar of a microscope."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from microtutor.checks import check_array, describe, quote
from microtutor.microstructures.grey import as_image, read_image

INFO_BAR = "info-bar"
AXES = {2: "rows,columns", 3: "slices,rows,columns"}
ONE_GREY = 0.04  # of the range of grey values: how far pixels of one background may lie from it
FULL_WIDTH, MIXED = 0.97, 0.9  # share of a row: in the first row of a bar at least, in the picture beside it at most
BAR_AT_MOST, BLUR = 1 / 3, 4  # of the height; rows over which JPEG smears an edge


def slices_of(text: Any, shape: tuple[int, ...], *, name: str = "crop") -> tuple[slice, ...]:
    """A box of pixels from text as numpy writes slices, or from a tuple of slices.

    Args:
        text: such as "0:884,:" (rows, columns; in a volume slices, rows, columns). Ends may be negative or empty.
        shape: what it is taken from.
        name: what the box is for, said in errors.

    Raises:
        TypeError: it is neither text nor slices.
        ValueError: it has another number of axes, has steps, leaves nothing, or lies partly outside.

    >>> slices_of("0:-2,5:", (10, 20))
    (slice(0, 8, None), slice(5, 20, None))
    """
    example = ",".join(f"0:{max(n // 2, 1)}" for n in shape)
    wanted = f"expected {name} as {AXES[len(shape)]}, for example {example!r}"
    if isinstance(text, str):
        parts = [_slice(part) for part in text.split(",")]
    elif isinstance(text, tuple) and all(isinstance(part, slice) for part in text):
        parts = list(text)
    else:
        raise TypeError(f"{wanted}, got {describe(text)}")
    ends = [end for part in parts if part is not None for end in (part.start, part.stop)]
    whole = all(end is None or (isinstance(end, int) and not isinstance(end, bool)) for end in ends)
    if len(parts) != len(shape) or not whole or any(part is None or part.step not in (None, 1) for part in parts):
        raise ValueError(f"{wanted}, got {quote(text)}")
    found = []
    for part, n in zip(parts, shape):
        assert part is not None
        first, last = (0 if part.start is None else part.start), (n if part.stop is None else part.stop)
        if not (-n <= first <= n and -n <= last <= n):
            raise ValueError(
                f"expected {name} within the picture of {' x '.join(map(str, shape))} pixels, got {quote(text)}; leave "
                "an end empty to go to the edge"
            )
        first, last, _ = part.indices(n)
        if first >= last:
            raise ValueError(
                f"expected {name} to hold pixels, got {quote(text)} of {n}, which leaves none; see {example!r}"
            )
        found.append(slice(first, last))
    return tuple(found)


def _slice(text: str) -> slice | None:
    found = re.fullmatch(r"\s*([+-]?\d+)?\s*:\s*([+-]?\d+)?\s*", text)
    return slice(*(None if end is None else int(end) for end in found.groups())) if found else None


def mask_of(mask: Any, shape: tuple[int, ...]) -> np.ndarray:
    """How well each pixel is known, in [0, 1], from a picture of a mask, an array, or boxes that are left out.

    Args:
        mask: the path of a picture, 0 where pixels are left out; an array, bool or in [0, 1]; or text such as
            "850:,:;0:40,900:", one box or several.
        shape: of the picture, which the mask must have.

    Raises:
        TypeError, ValueError, FileNotFoundError: it is none of these, or has another shape.

    >>> mask_of("1:,0:1", (2, 3))
    array([[1., 1., 1.],
           [0., 1., 1.]])
    """
    if isinstance(mask, str) and re.fullmatch(r"[\s\d:,;+-]+", mask):
        known = np.ones(shape)
        for box in mask.split(";"):
            known[slices_of(box, shape, name="a box of the mask")] = 0
        return known
    if isinstance(mask, (str, os.PathLike)):
        if not Path(mask).is_file():
            raise ValueError(
                f"expected mask as a file that is there, boxes such as '850:,:' or {INFO_BAR!r}, got {quote(str(mask))}"
            )
        values = (read_image(mask, labels=True)[0] != 0).astype(np.float64)
    elif isinstance(mask, (np.ndarray, Tensor, list)):
        values = as_image(check_array(mask, name="mask"), "the mask").astype(np.float64)
    else:
        raise TypeError(
            f"expected mask as a path, an array or text such as '850:,:' or {INFO_BAR!r}, got {describe(mask)}"
        )
    if values.shape != shape:
        raise ValueError(
            f"expected the mask with the shape of the whole picture before the crop, {shape}, got {values.shape}"
        )
    if not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(
            f"expected the mask with values in [0, 1], got values in [{values.min():g}, {values.max():g}]; compare it, "
            "mask=(array > 0)"
        )
    return values


def find_info_bar(grey: np.ndarray, name: str = "the picture") -> slice:
    """The rows of the info bar that microscopes write below or above a picture.

    The rule, in which two greys are called the same if they differ by less than 4 % of the range of grey values:

    - A bar is a strip of whole rows at the bottom or top edge, at least four rows and at most a third of the height.
    - It is set off by a straight edge: its first row, seen from the picture, has one grey in at least 97 % of its
      width (a frame or the background of the bar), and among the four rows of the picture next to it one has not, in
      90 % (four, as JPEG smears the edge).
    - It has a background: in at least nine of ten of its rows, at least half of the pixels are of the strip's grey (the
      median of the medians of its rows). Text, logo and scale bar are the rest.

    Of all such strips the largest is taken.

    Args:
        grey: grey values (height, width).
        name: of the picture, said in errors.

    Raises:
        ValueError: there is no such strip, or it is no picture.

    >>> picture = np.random.default_rng(0).random((40, 40))
    >>> picture[34:] = 0
    >>> find_info_bar(picture)
    slice(34, 40, None)
    """
    if grey.ndim != 2:
        raise ValueError(f"expected one picture to look for an info bar in, got {describe(grey)}; leave boxes out")
    if (rows := info_bar(grey)) is None:
        raise ValueError(
            f"expected an info bar in {name}, got no strip of whole rows at its bottom or top that a straight edge "
            "sets off; leave its rows out by their numbers, as mask='850:,:', or take crop="
        )
    return rows


def info_bar(grey: np.ndarray) -> slice | None:
    """The rows that `find_info_bar` finds in grey values (height, width), or None where there is no such strip.

    >>> info_bar(np.random.default_rng(0).random((40, 40))) is None
    True
    """
    finite = np.isfinite(grey)
    grey = np.where(finite, grey, np.median(grey[finite]) if finite.any() else 0)
    height = len(grey)
    strips = [height - _first_row_of_bar(grey), height - _first_row_of_bar(grey[::-1])]
    if not max(strips):
        return None
    return slice(height - strips[0], height) if strips[0] >= strips[1] else slice(0, strips[1])


def _first_row_of_bar(grey: np.ndarray) -> int:
    """The first row of the largest bar at the bottom, or the height if there is none."""
    height, tolerance = len(grey), ONE_GREY * float(np.ptp(grey))
    start = max(int(np.ceil(height * (1 - BAR_AT_MOST))), 1)
    near = max(start - BLUR, 0)
    rows = grey[near:].astype(np.float64)
    medians = np.median(rows, axis=1)
    alike = np.zeros(height)
    alike[near:] = (np.abs(rows - medians[:, None]) < tolerance).mean(axis=1)
    for first in range(start, height - 3):
        if alike[first] < FULL_WIDTH or alike[max(first - BLUR, 0) : first].min() > MIXED:
            continue
        strip = rows[first - near :]
        share = (np.abs(strip - np.median(medians[first - near :])) < tolerance).mean(axis=1)
        if (share >= 0.5).mean() >= 0.9:
            return first
    return height
