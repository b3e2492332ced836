"""Two-point statistics of images and volumes larger than memory, block by block."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.fft import ifft, irfft, rfftn
from tqdm import tqdm

from microtutor.checks import check_count
from microtutor.statistics.correlations import Boundary, _boundaries, _fast_length, _pair_counts

TOGETHER = 8  # blocks added up in float32, before their sum goes to the total in float64: that takes longer
Pads = tuple[tuple[int, int], ...]  # zeros before and after, along each axis


def autocorrelation_of_blocks(
    array: Any,
    max_shift: int,
    *,
    phase: float | None = None,
    mask: Any = None,
    boundary: Boundary | Sequence[Boundary] = "open",
    block: int = 256,
    progress: bool = False,
) -> Tensor:
    """Two-point autocorrelation of an array that need not fit into memory, exact for shifts up to max_shift.

    The array is read in blocks with a border of max_shift; the products of all blocks are added up in float64 and
    divided by the number of pairs. A numpy memory map, a zarr or HDF5 array, or whatever else has a shape and slices,
    is read one block after the other. Of a dask array each block is a task, on whatever scheduler or cluster is in
    charge, and only windows of 2 * max_shift + 1 travel.

    Args:
        array: shape (H, W), (D, H, W) or (n,); values in [0, 1], or labels if `phase` is given.
        max_shift: largest shift along each axis, in pixels.
        phase: the label of the phase of interest.
        mask: confidence in each pixel, in [0, 1], an array of the same shape and kind; as for `autocorrelation`.
        boundary: as for `autocorrelation`, but "open" unless told.
        block: side of a block in pixels, best several times max_shift; a block of a volume takes block^3 * 40 bytes.
        progress: show a progress bar (dask has its own).

    Returns:
        f(r), float64, zero shift in the middle, 2 * max_shift + 1 along each axis: what `autocorrelation` of the whole
        gives with max_shift.

    Raises:
        ValueError: max_shift is too large for the array, a value lies outside [0, 1], the mask has another shape, or
            boundary is unknown.

    >>> autocorrelation_of_blocks(np.eye(6, dtype=np.uint8), 1, boundary="periodic", block=4)[1].round(decimals=4).abs()
    tensor([0.0000, 0.1667, 0.0000], dtype=torch.float64)
    """
    shape = torch.Size(int(n) for n in array.shape)
    reach = check_count(max_shift, name="max_shift", minimum=0)
    if not shape or 2 * reach + 1 > min(shape):
        raise ValueError(f"expected at least 2 * max_shift + 1 = {2 * reach + 1} pixels along each axis, got {shape}")
    if mask is not None and tuple(mask.shape) != tuple(shape):
        raise ValueError(f"expected the mask with shape {tuple(shape)}, got {tuple(mask.shape)}")
    boundaries = _boundaries(boundary, len(shape))
    side = tuple(min(check_count(block, name="block"), n) for n in shape)
    borders = (reach, *[2 * reach] * (len(side) - 1))  # the first axis has one at its end only, as f is even
    lengths = tuple(_fast_length(n + border) for n, border in zip(side, borders, strict=True))
    blocks = [_with_border(shape, corner, side, boundaries, reach) for corner in _corners(shape, side)]

    def none(dtype: torch.dtype) -> Tensor:
        return torch.zeros(1 if mask is None else 2, *lengths[:-1], lengths[-1] // 2 + 1, dtype=dtype)

    def add(total: Tensor, values: np.ndarray, weights: np.ndarray | None, pads: Pads) -> Tensor:
        m = _indicator(values, phase)
        fields = [m] if weights is None else [m * _indicator(weights, None), _indicator(weights, None)]
        for products, field in zip(total, fields, strict=True):
            _add_products(products, field, pads, reach, lengths)
        return total

    if hasattr(array, "dask"):
        import dask.array
        from dask.base import compute
        from dask.delayed import delayed

        @delayed
        def window(values: np.ndarray, weights: np.ndarray | None, pads: Pads) -> Tensor:
            return _window(add(none(torch.complex64), values, weights, pads), reach, lengths).double()

        join = dask.array.concatenate
        tasks = [window(_read(array, at, join), _read(mask, at, join), pads) for at, pads in blocks]
        products = sum(compute(*tasks), start=torch.zeros(()))
    else:
        total, few = none(torch.complex128), none(torch.complex64)
        for count, (at, pads) in enumerate(tqdm(blocks, unit="block", disable=not progress), 1):
            add(few, _read(array, at, np.concatenate), _read(mask, at, np.concatenate), pads)
            if count % TOGETHER == 0 or count == len(blocks):
                total += few
                few.zero_()
        products = _window(total, reach, lengths)
    half = products[0] / _pairs(products, shape, boundaries, reach)
    return torch.cat([half[1:].flip(tuple(range(half.ndim))), half])


def _pairs(products: Tensor, shape: torch.Size, boundaries: Sequence[Boundary], reach: int) -> Tensor:
    """How many pairs each shift has: by counting, or with a mask the sum of the products of its values."""
    if len(products) == 2:
        least = 1e3 * torch.finfo(torch.float32).eps * products[1].max()  # below is nothing but rounding
        return torch.where(products[1] > least, products[1], torch.nan)
    counts = _pair_counts(shape, tuple(boundaries), ((-reach, reach),) * len(shape), products)
    return torch.fft.fftshift(counts)[reach:] if counts.ndim else counts


def _corners(shape: Sequence[int], side: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """The first pixel of each block."""
    return itertools.product(*(range(0, n, step) for n, step in zip(shape, side, strict=True)))


def _with_border(
    shape: Sequence[int], corner: Sequence[int], side: Sequence[int], boundaries: Sequence[Boundary], reach: int
) -> tuple[list[list[slice]], Pads]:
    """What to read for a block and its border: pieces along each axis, and the zeros that complete them."""
    pieces, pads = [], []
    for axis, (n, first, step, boundary) in enumerate(zip(shape, corner, side, boundaries, strict=True)):
        last = min(first + step, n)
        begin, end = first - (reach if axis else 0), last + reach
        if boundary == "open":
            pieces.append([slice(max(begin, 0), min(end, n))])
            pads.append((max(-begin, 0), max(end - n, 0)))
        else:
            cuts = [begin, *(k for k in (0, n) if begin < k < end), end]
            pieces.append([slice(i % n, (j - 1) % n + 1) for i, j in itertools.pairwise(cuts)])
            pads.append((0, 0))
    return pieces, tuple(pads)


def _read(array: Any, pieces: list[list[slice]], concatenate: Callable, chosen: tuple[slice, ...] = ()) -> Any:
    """The pieces of the array, put together along every axis; of no array, none."""
    axis = len(chosen)
    if array is None:
        return None
    if axis == len(pieces):
        return array[chosen]
    return concatenate([_read(array, pieces, concatenate, (*chosen, piece)) for piece in pieces[axis]], axis=axis)


def _indicator(values: np.ndarray, phase: float | None) -> Tensor:
    values = np.asarray(values)
    m = torch.from_numpy(np.ascontiguousarray(values if phase is None else values == phase, dtype=np.float32))
    if phase is None and not bool(((m >= 0) & (m <= 1)).all()):
        raise ValueError(
            f"expected values in [0, 1], got values in [{m.min():.4g}, {m.max():.4g}]; "
            "name the label of the phase of interest with phase=..."
        )
    return m


def _add_products(total: Tensor, m: Tensor, pads: Pads, reach: int, lengths: tuple[int, ...]) -> None:
    """Add the transform of sum_x m(x) m(x + r) over the pixels x of a block, given with its border; r = 0 at index 0
    along the first axis, at index reach along the others."""
    m = torch.nn.functional.pad(m, [zeros for pad in reversed(pads) for zeros in pad])
    block = m[(slice(m.shape[0] - reach), *(slice(reach, n - reach) for n in m.shape[1:]))]
    total.addcmul_(rfftn(block, s=lengths).conj(), rfftn(m, s=lengths))


def _window(spectra: Tensor, reach: int, lengths: tuple[int, ...]) -> Tensor:
    """The sums for r = 0 ... reach along the first axis, -reach ... reach along the others."""
    ndim = len(lengths)
    for axis in range(-ndim, -1):
        spectra = ifft(spectra, dim=axis).narrow(axis, 0, reach + 1 if axis == -ndim else 2 * reach + 1)
    return irfft(spectra, n=lengths[-1]).narrow(-1, 0, 2 * reach + 1 if ndim > 1 else reach + 1)
