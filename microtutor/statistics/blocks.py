"""Two-point statistics of images and volumes larger than memory, block by block."""

from __future__ import annotations

import itertools
import math
import mmap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.fft import fft, rfft, rfftn
from tqdm import tqdm

from microtutor.checks import check_bool, check_count, check_number, split_mask
from microtutor.statistics.fft import (
    Boundary,
    both_halves,
    boundary_of_each_axis,
    fast_length,
    pair_counts,
    parts_for_cache,
    squared_modulus,
    take_zero_frequency,
)

POINTS = 576**3  # of a block with its border and padding, by default: about a gigabyte
IN_A_ROW = 64  # blocks whose power spectra are added up in float32, before float64 takes over
TOGETHER = 8  # windows that one task adds up
Interval = tuple[int, int, int]  # first pixel, the one after the last, and +1 or -1
Kind = tuple[list[tuple[Interval, ...]], tuple[int, ...]]  # boxes, and the lengths to which they are padded


def autocorrelation_of_blocks(
    array: Any,
    max_shift: int,
    *,
    phase: float | None = None,
    mask: Any = None,
    boundary: Boundary | Sequence[Boundary] = "open",
    block: int | None = None,
    progress: bool = False,
) -> Tensor:
    """Two-point autocorrelation of an array that need not fit into memory, exact for shifts up to max_shift.

    The array is read in blocks that reach over into the next by max_shift; what two blocks share is subtracted again.
    The power spectra of all blocks are added up, and the sums divided by the number of pairs. A numpy
    memory map, a zarr or HDF5 array, or whatever else has a shape and slices, is read one block after the other. Of a
    dask array each block is a task, on whatever scheduler or cluster is in charge, and only windows of
    2 * max_shift + 1 travel.

    Args:
        array: shape (H, W), (D, H, W) or (n,); values in [0, 1], or labels if `phase` is given. What a masked array of
            numpy or dask hides is left out, as if the mask said so.
        max_shift: largest shift along each axis, in pixels.
        phase: the label of the phase of interest.
        mask: confidence in each pixel, in [0, 1], an array of the same shape and kind; as for `autocorrelation`. Sums
            are then taken in float64, and blocks have a quarter of the pixels. Values may be NaN where the mask is 0.
        boundary: as for `autocorrelation`, but by default "open".
        block: side of a block in pixels, best many times max_shift. A block of n pixels with its border takes about
            6 n bytes, with a mask four times as much; by default a gigabyte.
        progress: show a progress bar (dask has its own).

    Returns:
        f(r), float64, zero shift in the middle, 2 * max_shift + 1 along each axis: what `autocorrelation` of the whole
        gives with max_shift.

    Raises:
        TypeError: array or mask has no shape, or does not hold real numbers.
        ValueError: max_shift is too large for the array, a value lies outside [0, 1] or is not finite, the mask has
            another shape, the shape is not known, or boundary is unknown.

    >>> autocorrelation_of_blocks(np.eye(6, dtype=np.uint8), 1, boundary="periodic", block=4)[1].round(decimals=4).abs()
    tensor([0.0000, 0.1667, 0.0000], dtype=torch.float64)
    """
    array, mask = split_mask(array, mask)
    check_number(phase, name="phase", optional=True)
    shape = torch.Size(int(n) for n in array.shape)
    reach = check_count(max_shift, name="max_shift", minimum=0)
    if not shape or 2 * reach + 1 > min(shape):
        raise ValueError(
            f"expected at least 2 * max_shift + 1 = {2 * reach + 1} pixels along each axis, got {tuple(shape)}"
        )
    boundaries = boundary_of_each_axis(boundary, len(shape))
    points = POINTS if mask is None else POINTS // 4
    side = max(1, int(points ** (1 / len(shape))) - 2 * reach) if block is None else check_count(block, name="block")
    axes = [_intervals(n, side, reach, along) for n, along in zip(shape, boundaries, strict=True)]
    # Boxes of one kind have one size to transform: with as many zeros as keep both ends apart, or none on a circle.
    kinds = [
        (
            list(itertools.product(*pieces)),
            tuple(
                n if len(all_of) == 1 and how == "periodic" else _length(max(reach, *map(_width, some)) + reach)
                for some, all_of, n, how in zip(pieces, axes, shape, boundaries, strict=True)
            ),
        )
        for pieces in itertools.product(*map(_by_sign, axes))
    ]
    add_up = _by_tasks if hasattr(array, "dask") else _one_by_one
    products = add_up(array, mask, phase, kinds, reach, check_bool(progress, name="progress"))
    return torch.fft.fftshift(products[0] / _pairs(products, shape, boundaries, reach))


def _one_by_one(array: Any, mask: Any, phase: float | None, kinds: list[Kind], reach: int, progress: bool) -> Tensor:
    products = torch.zeros((), dtype=torch.float64)
    rows = [(boxes[i : i + IN_A_ROW], lengths) for boxes, lengths in kinds for i in range(0, len(boxes), IN_A_ROW)]
    with tqdm(total=sum(len(boxes) for boxes, _ in kinds), unit="block", disable=not progress) as bar:
        for boxes, lengths in rows:
            total = _no_power(mask, lengths)
            for box in boxes:
                values, weights = (_read(one, box, np.concatenate) for one in (array, mask))
                _add_power(total, phase, values, weights, lengths)
                _let_go(array, mask)
                bar.update()
            products = products + _sign(boxes[0]) * _window(total, lengths, reach)
    return products


def _by_tasks(array: Any, mask: Any, phase: float | None, kinds: list[Kind], reach: int, _: bool) -> Tensor:
    from dask.array import concatenate
    from dask.base import compute
    from dask.delayed import delayed

    @delayed
    def window(values: np.ndarray, weights: np.ndarray | None, lengths: tuple[int, ...], sign: int) -> Tensor:
        total = _no_power(weights, lengths)
        _add_power(total, phase, values, weights, lengths)
        return sign * _window(total, lengths, reach)

    tasks = [
        window(_read(array, box, concatenate), _read(mask, box, concatenate), lengths, _sign(box))
        for boxes, lengths in kinds
        for box in boxes
    ]
    while len(tasks) > 1:  # added up where they are made, a few at a time: no scheduler has to hold all windows
        tasks = [delayed(sum)(tasks[i : i + TOGETHER]) for i in range(0, len(tasks), TOGETHER)]
    return compute(tasks[0])[0]


def _pairs(products: Tensor, shape: torch.Size, boundaries: Sequence[Boundary], reach: int) -> Tensor:
    """How many pairs each shift has: by counting, or with a mask the sum of the products of its values."""
    if len(products) == 2:
        least = 1e3 * torch.finfo(products.dtype).eps * products[1].max()  # below is nothing but rounding
        return torch.where(products[1] > least, products[1], torch.nan)
    return pair_counts(shape, tuple(boundaries), ((-reach, reach),) * len(shape), products)


def _intervals(n: int, side: int, reach: int, boundary: Boundary) -> list[Interval]:
    """Pieces of an axis, with signs, such that two pixels at most `reach` apart lie together in just one piece, in sum.

    Each block reaches over into the next, and what two blocks share is taken off again.
    """
    count = math.ceil(n / side)
    side = math.ceil(n / count)  # blocks of one size, as far as possible
    if count == 1 or (boundary == "periodic" and side + reach > n):
        return [(0, n, 1)]
    end = n if boundary == "open" else n + reach
    ends = [min(first + side, n) for first in range(0, n, side)]
    blocks = [(first, min(last + reach, end), 1) for first, last in zip(range(0, n, side), ends, strict=True)]
    shared = [(last, min(last + reach, end), -1) for last in ends if reach and (last < n or boundary == "periodic")]
    return blocks + shared


def _by_sign(along: list[Interval]) -> list[list[Interval]]:
    return [kind for sign in (1, -1) if (kind := [piece for piece in along if piece[2] == sign])]


def _width(interval: Interval) -> int:
    return interval[1] - interval[0]


def _length(n: int) -> int:
    """A length of at least n for the transform: of large cubes those of whole sixteens are done sooner than others."""
    return 16 * fast_length(math.ceil(n / 16))


def _sign(box: Sequence[Interval]) -> int:
    return math.prod(sign for _, _, sign in box)


def _read(array: Any, box: Sequence[Interval], concatenate: Callable, chosen: tuple[slice, ...] = ()) -> Any:
    """A box of the array, put together where it goes on at the other end; of no array, none."""
    axis = len(chosen)
    if array is None:
        return None
    if axis == len(box):
        return array[chosen]
    (first, last, _), n = box[axis], int(array.shape[axis])
    pieces = [
        slice(max(first - start, 0), min(last - start, n)) for start in (0, n) if first - start < n < last - start + n
    ]
    parts = [_read(array, box, concatenate, (*chosen, piece)) for piece in pieces]
    return parts[0] if len(parts) == 1 else concatenate(parts, axis=axis)


def _let_go(*arrays: Any) -> None:
    """Hand pages of memory maps that were read back to the system: they would count as memory in use."""
    for array in arrays:
        if isinstance(array, np.memmap) and array.mode in ("r", "r+") and hasattr(mmap, "MADV_DONTNEED"):
            array._mmap.madvise(mmap.MADV_DONTNEED)  # pyright: ignore[reportAttributeAccessIssue]


def _no_power(mask: Any, lengths: tuple[int, ...]) -> Tensor:
    """One power spectrum to add to; with a mask two, in float64, as shifts at its rim have few pairs."""
    count, dtype = (1, torch.float32) if mask is None else (2, torch.float64)
    return torch.zeros(count, *lengths[:-1], lengths[-1] // 2 + 1, dtype=dtype)


def _add_power(total: Tensor, phase: float | None, values: Any, weights: Any, lengths: tuple[int, ...]) -> None:
    """Add |rfftn|^2 of a box, padded with zeros; in parts that stay in a processor's cache, as in `autocorrelation`."""
    if len(lengths) == 1:
        values, weights, lengths = values[None], None if weights is None else weights[None], (1, *lengths)
    first, *others = lengths
    total = total.view(len(total), first, -1)
    columns = torch.empty(len(total), len(values), total.shape[-1], dtype=total.dtype.to_complex())
    for part in parts_for_cache(len(values), math.prod(others), columns):
        weight = None if weights is None else _indicator(weights[part], None, total.dtype, mask=True)
        m = _indicator(_known(values[part], weight), phase, total.dtype)
        fields = m[None] if weight is None else torch.stack([m * weight, weight])
        columns[:, part] = rfftn(fields, s=others, dim=tuple(range(2, fields.ndim))).flatten(2)
        _let_go(values, weights)
    for part in parts_for_cache(columns.shape[-1], len(total) * first, columns):
        total[..., part] += squared_modulus(fft(columns[..., part], n=first, dim=1))


def _known(values: Any, weight: Tensor | None) -> np.ndarray:
    """Values with 0 where they are NaN and of no weight."""
    values = np.asarray(values)
    if values.dtype.kind != "f" or np.isfinite(values.sum()):
        return values
    finite = np.isfinite(values)
    if not finite.all() and (weight is None or bool((weight[torch.from_numpy(~finite)] > 0).any())):
        raise ValueError("expected finite values, got NaN or infinity; leave them out with a mask that is 0 there")
    return np.where(finite, values, 0)


def _indicator(values: np.ndarray, phase: float | None, dtype: torch.dtype, *, mask: bool = False) -> Tensor:
    values = np.asarray(values)
    if phase is None and not (values.min() >= 0 and values.max() <= 1):
        name, advice = (
            ("a mask with ", "") if mask else ("", "; name the label of the phase of interest with phase=...")
        )
        raise ValueError(
            f"expected {name}values in [0, 1], got values in [{values.min():.4g}, {values.max():.4g}]{advice}"
        )
    exact = np.float64 if dtype == torch.float64 else np.float32
    return torch.from_numpy(np.ascontiguousarray(values if phase is None else values == phase, dtype=exact))


def _window(power: Tensor, lengths: tuple[int, ...], reach: int) -> Tensor:
    """The sums for shifts 0 ... reach, -reach ... -1 along each axis, in float64."""
    f = power.new_empty(len(power), *[2 * reach + 1] * len(lengths))
    out, within = f, ((-reach, reach),) * len(lengths)
    if len(lengths) == 1:
        power, out, lengths, within = power[:, None], f[:, None], (1, *lengths), ((0, 0), *within)
    level = take_zero_frequency(power.div_(math.prod(lengths)))
    half = rfft(power, dim=1)[:, : 1 - within[0][0]]
    both_halves(half, level, lengths[1:], within, out)
    return f.double()
