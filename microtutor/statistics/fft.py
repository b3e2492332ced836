"""Sums of products over all pairs of points a shift apart, by FFT: what every two-point statistic is made of.

All of it acts on the last axes and treats those before them as a batch. Work is cut into parts that stay in a
processor's cache; an autocorrelation, being even, is computed for half of its shifts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from numbers import Integral
from typing import Any, Literal

import torch
from torch import Tensor
from torch.fft import fft, ifft, irfft, irfftn, rfft, rfftn

from microtutor.checks import check_count, check_phase, describe, quote

Boundary = Literal["periodic", "open"]
Reach = tuple[tuple[int, int], ...]  # the least and the greatest shift along each axis
CHUNK = 2**18  # numbers transformed at a time on a CPU: about a megabyte, so that they stay in its cache


def spatial_axes(ndim: int) -> tuple[int, ...]:
    """The last ndim axes, counted from the end: (-2, -1) for images."""
    return tuple(range(-check_count(ndim, name="ndim"), 0))


def full_precision(x: Tensor) -> Tensor:
    """Half-precision numbers as float32, all others as they are."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def fits(shape: torch.Size, image: torch.Size) -> bool:
    """Whether a mask of this shape fits an image: it broadcasts to the image's shape and makes it no larger."""
    return len(shape) <= len(image) and all(n in (1, wanted) for n, wanted in zip(shape[::-1], image[::-1]))


def checked_mask(mask: Tensor, m: Tensor, ndim: int) -> Tensor:
    """The mask of an image on its device, in float64 where there is such a thing."""
    weight = check_phase(mask, ndim=ndim, name="mask", empty=True)
    if weight.shape[-ndim:] != m.shape[-ndim:]:
        raise ValueError(f"expected the mask with spatial shape {tuple(m.shape[-ndim:])}, got {describe(mask)}")
    if not fits(weight.shape, m.shape):
        raise ValueError(f"expected one mask, or one for each image of {describe(m)}, got {describe(mask)}")
    return weight.to(m.device, m.dtype if m.device.type == "mps" else torch.float64)  # mps has no float64


def boundary_of_each_axis(boundary: Boundary | Sequence[Boundary], ndim: int) -> tuple[Boundary, ...]:
    """One boundary for each axis."""
    if isinstance(boundary, str) and boundary in ("periodic", "open"):
        return (boundary,) * ndim
    if (
        isinstance(boundary, str)
        or not isinstance(boundary, Sequence)
        or len(boundary) != ndim
        or any(not isinstance(one, str) or one not in ("periodic", "open") for one in boundary)
    ):
        raise ValueError(
            f"expected boundary to be 'periodic' or 'open', or one of them for each axis, got {quote(boundary)}"
        )
    return tuple(boundary)


def checked_pairs(pairs: Any, phases: int) -> list[tuple[int, int]]:
    """Pairs (i, j) of phases, from whatever lists them."""
    try:
        each = [tuple(pair) for pair in (pairs.tolist() if isinstance(pairs, Tensor) else pairs)]
        if all(
            len(pair) == 2 and all(isinstance(i, Integral) and int(i) in range(phases) for i in pair) for pair in each
        ):
            return [(int(i), int(j)) for i, j in each]
    except TypeError:  # no list of lists
        pass
    raise ValueError(f"expected pairs (i, j) of the phases 0 to {phases - 1}, got {quote(pairs)}")


def shifts_in_reach(shape: torch.Size, max_shift: int | None) -> Reach:
    """The least and the greatest shift along each axis: those of the whole image, or of at most max_shift."""
    if max_shift is None:
        return tuple((-(n // 2), (n - 1) // 2) for n in shape)
    reach = check_count(max_shift, name="max_shift", minimum=0)
    for n in shape:
        if 2 * reach + 1 > n:
            raise ValueError(f"expected max_shift of at most {(n - 1) // 2} for a side of {n} pixels, got {reach}")
    return ((-reach, reach),) * len(shape)


def pair_means(a: Tensor, b: Tensor, boundaries: tuple[Boundary, ...], mask: Tensor | None, reach: Reach) -> Tensor:
    """mean_x a(x) b(x + r) over the pairs that the boundary and the mask allow, for images of any size.

    Shifts come in the order 0, 1, ... and then ..., -1 along each axis; under a mask those that no pair has are NaN.
    """
    ndim = len(boundaries)
    if mask is not None:
        return _means_under_mask(a, b, checked_mask(mask, a, ndim), boundaries, reach)
    if "open" in boundaries:
        return sums_of_products(a, b, boundaries, reach).div_(pair_counts(a.shape[-ndim:], boundaries, reach, a))
    return _periodic_means(a, b, boundaries, reach)


def _means_under_mask(a: Tensor, b: Tensor, weight: Tensor, boundaries: tuple[Boundary, ...], reach: Reach) -> Tensor:
    pairs = sums_of_products(weight, weight, boundaries, reach)
    noise = 1e3 * torch.finfo(weight.dtype).eps * weight.square().sum(spatial_axes(len(reach)), keepdim=True)
    weighted = a * weight
    f = sums_of_products(weighted, weighted if b is a else b * weight, boundaries, reach)
    f = f / torch.where(pairs > noise, pairs, 1)  # dividing by NaN would spoil gradients everywhere
    return f.masked_fill(pairs <= noise, torch.nan).to(a.dtype)


def _periodic_means(a: Tensor, b: Tensor, boundaries: tuple[Boundary, ...], reach: Reach) -> Tensor:
    """mean_x a(x) b(x + r) around the whole image.

    The transform back rounds by a share of the largest frequency, which is that of the mean: so the mean is taken off
    first, and its square added again. Where sides have small prime factors alone, `sums_of_products` need not round.
    """
    ndim, count = len(reach), math.prod(a.shape[-len(reach) :])
    if is_fast(a.shape[-ndim:]):
        return sums_of_products(a, b, boundaries, reach, count)
    mean_a, mean_b = (exact_mean(m, ndim) for m in (a, b))
    first = a - mean_a.to(a.dtype)
    second = first if b is a else b - mean_b.to(b.dtype)
    return sums_of_products(first, second, boundaries, reach, count) + (mean_a * mean_b).to(a.dtype)


def spectrum_of(m: Tensor, ndim: int) -> Tensor:
    """rfftn(m) over the last axes; for sides that are not fast the mean is taken off first, as they round more."""
    axes, shape = spatial_axes(ndim), m.shape[-ndim:]
    if is_fast(shape):
        return rfftn(m.contiguous(), dim=axes)  # torch 2.6 refuses what was expanded
    mean = m.mean(axes, keepdim=True)
    spectrum = rfftn(m - mean, dim=axes)
    spectrum[(..., *(slice(1),) * ndim)] += mean * math.prod(shape)  # what the mean was short of is in there already
    return spectrum


def power_of(m: Tensor, ndim: int) -> Tensor:
    """|rfftn(m)|^2 / N over the last axes, whatever m holds; see `power_spectrum`."""
    m = full_precision(m)
    if not m.numel():  # FFT libraries refuse a batch of nothing
        return m.new_empty(*m.shape[:-1], m.shape[-1] // 2 + 1)
    return squared_modulus(spectrum_of(m, ndim)).div_(math.prod(m.shape[-ndim:]))


def image_of(spectrum: Tensor, shape: torch.Size) -> Tensor:
    """The image of a spectrum from `spectrum_of`: irfftn(spectrum). It may overwrite its argument."""
    axes = spatial_axes(len(shape))
    if is_fast(shape):
        return irfftn(spectrum, s=shape, dim=axes)
    zero = (..., *(slice(1),) * len(shape))
    level = spectrum[zero].real / math.prod(shape)
    spectrum[zero] = 0
    return irfftn(spectrum, s=shape, dim=axes) + level


@cache
def is_fast(shape: tuple[int, ...]) -> bool:
    """Whether every side has small prime factors only: FFTs of other sides are slower and round more."""
    return all(n == fast_length(n) for n in shape)


def exact_mean(m: Tensor, ndim: int) -> Tensor:
    """The mean of each image, with its axes kept, in float64 where there is such a thing."""
    return m.mean(spatial_axes(ndim), keepdim=True, dtype=m.dtype if m.device.type == "mps" else torch.float64)


def sums_of_products(a: Tensor, b: Tensor, boundaries: tuple[Boundary, ...], reach: Reach, count: int = 1) -> Tensor:
    """sum_x a(x) b(x + r) / count for every shift r in reach, by FFT: 0, 1, ... and then ..., -1 along each axis.

    An open axis is padded with as many zeros as the greatest shift needs, not more.
    """
    ndim = len(reach)
    shape, batch = a.shape[-ndim:], a.shape[:-ndim]
    if not a.numel():  # FFT libraries refuse a batch of nothing
        return a.new_empty(*batch, *(high - low + 1 for low, high in reach))
    lengths = tuple(
        n if boundary == "periodic" else fast_length(n + max(-low, high))
        for n, boundary, (low, high) in zip(shape, boundaries, reach, strict=True)
    )
    correlate = _even_products if b is a else _all_products
    first, second = a.reshape(-1, *shape), b.reshape(-1, *shape)
    f = a.new_empty(len(first), *(high - low + 1 for low, high in reach))
    for part in parts_for_cache(len(first), math.prod(lengths), b if b.requires_grad else a):
        correlate(first[part], second[part], lengths, reach, math.prod(lengths) * count, f[part])
    return f.reshape(*batch, *f.shape[1:])


def _all_products(a: Tensor, b: Tensor, lengths: tuple[int, ...], reach: Reach, scale: int, out: Tensor) -> None:
    """Write the sum for every shift into out, multiplied by the number of frequencies and divided by scale."""
    axes = spatial_axes(len(lengths))
    product = rfftn(a.contiguous(), s=lengths, dim=axes).conj() * rfftn(b.contiguous(), s=lengths, dim=axes)
    level = take_zero_frequency(product.div_(scale)).real
    f = irfftn(product, s=lengths, dim=axes, norm="forward").add_(level)
    out.copy_(window(f, reach))


def _even_products(a: Tensor, _: Tensor, lengths: tuple[int, ...], reach: Reach, scale: int, out: Tensor) -> None:
    """What `_all_products(a, a)` does, with half the work: f(-r) = f(r), so one half of the shifts gives the other.

    What is too large for a processor's cache is worked on in parts: columns along the first axis, then rows.
    """
    if len(lengths) == 1:
        a, lengths, reach, out = a[:, None], (1, *lengths), ((0, 0), *reach), out[:, None]
    first, others, low = lengths[0], lengths[1:], reach[0][0]
    rows = rfftn(a.contiguous(), s=others, dim=spatial_axes(len(others)))  # torch 2.6 refuses what was expanded
    columns = rows.flatten(2)
    half = columns.new_empty(len(a), 1 - low, columns.shape[-1])  # of shifts 0, -1, ..., low along the first axis
    for part in parts_for_cache(columns.shape[-1], len(a) * first, a):
        power = squared_modulus(fft(columns[..., part], n=first, dim=1)).div_(scale)
        if part.start == 0:
            level = take_zero_frequency(power)
        back = rfft(power, dim=1)[:, : 1 - low]  # the power is real and even: a forward transform will do
        if back.shape == half.shape:  # a small image is in one part, and stays where it is
            half = back
        else:
            half[..., part] = back
    both_halves(half.unflatten(2, rows.shape[2:]), level, others, reach, out)


def both_halves(half: Tensor, level: Tensor, lengths: tuple[int, ...], reach: Reach, out: Tensor) -> None:
    """Transform all axes back but the first, whose shifts are 0, -1, ..., low; f(r) = f(-r) gives those above 0."""
    axes, (low, high) = tuple(range(2, half.ndim)), reach[0]
    for part in parts_for_cache(1 - low, len(half) * math.prod(lengths), half):
        below = half[:, part]
        for axis in axes[:-1]:
            below = ifft(below, dim=axis, norm="forward")
        below = irfft(below, n=lengths[-1], norm="forward").add_(level.view(-1, *[1] * (below.ndim - 1)))
        above = below.flip(axes).roll((1,) * len(axes), axes)
        for axis, shifts in zip(axes, reach[1:], strict=True):
            above, below = keep_shifts(above, axis, shifts), keep_shifts(below, axis, shifts)
        begin, end = max(part.start, 1), min(part.stop, high + 1)  # shift 0 is only in above, -low may be only in below
        out[:, part.start : end] = above[:, : end - part.start]
        out[:, out.shape[1] + 1 - part.stop : out.shape[1] + 1 - begin] = below[:, begin - part.start :].flip(1)


def squared_modulus(spectrum: Tensor) -> Tensor:
    """|F|^2 of complex numbers F, as real numbers."""
    return torch.addcmul(spectrum.real.square(), spectrum.imag, spectrum.imag)


def take_zero_frequency(spectrum: Tensor) -> Tensor:
    """Put 0 at frequency zero and return what stood there: without it the transform back rounds a third as much."""
    zero = (slice(None), *[slice(1)] * (spectrum.ndim - 1))
    level = spectrum[zero].clone()
    spectrum[zero] = 0
    return level


def parts_for_cache(count: int, size: int, like: Tensor) -> Iterator[slice]:
    """Slices of 0 ... count - 1: of so many things of that size as fit a processor's cache; on a GPU, one for all."""
    step = max(1, CHUNK // size) if like.device.type == "cpu" and not like.requires_grad else max(1, count)
    return (slice(i, min(i + step, count)) for i in range(0, count, step))


def window(f: Tensor, reach: Reach) -> Tensor:
    """The part of a map of all shifts that is in reach."""
    for axis, shifts in zip(range(-len(reach), 0), reach, strict=True):
        f = keep_shifts(f, axis, shifts)
    return f


def keep_shifts(f: Tensor, axis: int, shifts: tuple[int, int]) -> Tensor:
    """Those of the shifts 0, 1, ..., -1 along an axis that lie between shifts[0] and shifts[1], in the same order."""
    n, (low, high) = f.shape[axis], shifts
    if high + 1 - low == n:
        return f
    return torch.cat([f.narrow(axis, 0, high + 1), f.narrow(axis, n + low, -low)], axis)


def pair_counts(shape: torch.Size, boundaries: tuple[Boundary, ...], reach: Reach, like: Tensor) -> Tensor:
    """How many pairs of pixels each shift has: whole numbers, exact."""
    if "open" not in boundaries:
        return torch.tensor(math.prod(shape), dtype=like.dtype, device=like.device)
    count = torch.ones((), dtype=torch.float64)
    for n, boundary, (low, high) in zip(shape, boundaries, reach, strict=True):
        shift = torch.cat([torch.arange(high + 1), torch.arange(low, 0)])
        count = count[..., None] * (n - shift.abs() if boundary == "open" else torch.full_like(shift, n))
    return count.to(like)


@cache
def fast_length(n: int) -> int:
    """The least length of at least n with no prime factor above 7, for which FFTs are quick."""
    while True:
        rest = n
        for prime in (2, 3, 5, 7):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 1
