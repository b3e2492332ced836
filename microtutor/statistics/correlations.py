"""Two-point statistics by the fast Fourier transform.

Every function acts on the last `ndim` axes and treats all axes before them as a batch. Statistics are computed in
float32 or float64; half-precision input is raised to float32, because the squared spectrum of an image overflows
float16.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.fft import fft, ifft, irfft, irfftn, rfft, rfftn

from microtutor.checks import check_count, check_field, check_phase, check_same_shape, describe

Boundary = Literal["periodic", "open"]
Reach = tuple[tuple[int, int], ...]  # the least and the greatest shift along each axis
CHUNK = 2**18  # numbers transformed at a time on a CPU: about a megabyte, so that they stay in its cache


def volume_fraction(m: Tensor, *, ndim: int = 2) -> Tensor:
    """The share of the image that belongs to the phase: the mean of the indicator, shape m.shape[:-ndim].

    >>> volume_fraction(torch.tensor([[1., 0.], [0., 0.]]))
    tensor(0.2500)
    """
    return _full_precision(check_phase(m, ndim=ndim, empty=True)).mean(_axes(ndim))


def power_spectrum(m: Tensor, *, ndim: int = 2) -> Tensor:
    """The Fourier transform of the periodic autocorrelation: |rfftn(m)|^2 / N, with N the number of pixels.

    Args:
        m: real field, shape (..., H, W).

    Returns:
        Real and not negative, shape (..., H, W//2 + 1): half the frequencies, as `torch.fft.rfftn` returns them.
        Its first entry is N times the squared mean of m.

    Source: Wiener-Khinchin theorem.

    >>> power_spectrum(torch.ones(2, 2))
    tensor([[4., 0.],
            [0., 0.]])
    """
    m = m.float() if isinstance(m, Tensor) and m.dtype == torch.bool else m
    m = _full_precision(check_field(m, ndim=ndim, empty=True))
    if not m.numel():  # FFT libraries refuse a batch of nothing
        return m.new_empty(*m.shape[:-1], m.shape[-1] // 2 + 1)
    return _power(rfftn(m, dim=_axes(ndim))).div_(math.prod(m.shape[-ndim:]))


def autocorrelation(
    m: Tensor,
    *,
    boundary: Boundary | Sequence[Boundary] = "periodic",
    mask: Tensor | None = None,
    ndim: int = 2,
    centred: bool = False,
    max_shift: int | None = None,
) -> Tensor:
    """Two-point autocorrelation of a phase: the chance that a point of it, shifted by r, is in it again.

    Args:
        m: phase indicator in [0, 1], shape (..., H, W) (with ndim=3: (..., D, H, W)).
        boundary: "periodic" wraps shifts around; "open" counts only pairs inside the image; or one for each spatial
            axis, such as ("open", "periodic").
        mask: confidence in each pixel, in [0, 1], shape (H, W) or that of m; pairs count by the product of both ends.
            Under a mask sums are taken in float64, as shifts at its rim have few pairs.
        ndim: number of spatial axes.
        centred: move zero shift from index 0 to the middle, [H//2, W//2].
        max_shift: keep only shifts of at most this many pixels along each axis (the result is then always centred).

    Returns:
        f(r), shape of m (with max_shift: 2 * max_shift + 1 along each spatial axis). Dimensionless, in [0, 1] up to
        rounding; at zero shift it is the volume fraction of a two-valued m. Under a mask, shifts no pair has are NaN.
        Shifts reach half of each side, so that an open shift has at least a quarter of all pairs.

    Raises:
        TypeError: m is no float tensor.
        ValueError: m has fewer than ndim axes, a side of 0 pixels, or values outside [0, 1]; boundary is unknown.

    Source: Wiener-Khinchin theorem; Cecen, Fast & Kalidindi (2016), eq. 7.

    >>> autocorrelation(torch.tensor([[1., 0.], [0., 1.]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.5000]])
    """
    m = _full_precision(check_phase(m, ndim=ndim, empty=True))
    return _correlate(m, m, boundary, mask, ndim, centred, max_shift)


def cross_correlation(
    a: Tensor,
    b: Tensor,
    *,
    boundary: Boundary | Sequence[Boundary] = "periodic",
    mask: Tensor | None = None,
    ndim: int = 2,
    centred: bool = False,
    max_shift: int | None = None,
) -> Tensor:
    """Two-point cross-correlation: the chance that a point x is in phase a and x + r is in phase b.

    Arguments, result and errors are those of `autocorrelation`; a and b have the same shape.

    >>> a, b = torch.tensor([[1., 0., 0.]]), torch.tensor([[0., 1., 0.]])
    >>> cross_correlation(a, b).round(decimals=4).abs()  # b lies one pixel further along the last axis
    tensor([[0.0000, 0.3333, 0.0000]])
    """
    a = _full_precision(check_phase(a, ndim=ndim, name="first phase", empty=True))
    b = _full_precision(check_phase(b, ndim=ndim, name="second phase", empty=True))
    check_same_shape(a, b, ("the first phase", "the second"))
    return _correlate(a, b, boundary, mask, ndim, centred, max_shift)


def two_point_statistics(
    m: Tensor, *, pairs: Sequence[tuple[int, int]] | None = None, mask: Tensor | None = None, ndim: int = 2, **options
) -> Tensor:
    """All pairs of correlations of an n-phase structure, or some of them.

    Args:
        m: phase indicators, one channel per phase, shape (..., n, H, W).
        pairs: the pairs (i, j) wanted, such as `independent_pairs(n)`; all n * n unless told.
        mask: as for `cross_correlation`; shape (H, W) or (..., 1, H, W), as it holds for all phases.
        options: as for `cross_correlation`.

    Returns:
        f[..., i, j, :, :], the cross-correlation of phase i with phase j, shape (..., n, n, H, W); with pairs
        shape (..., len(pairs), H, W), in their order.

    Raises:
        ValueError: a pair names a phase that m does not have; otherwise as `cross_correlation`.

    >>> m = torch.tensor([[[1., 0.], [0., 1.]], [[0., 1.], [1., 0.]]])  # a checkerboard of two phases
    >>> two_point_statistics(m)[0, 1]
    tensor([[0.0000, 0.5000],
            [0.5000, 0.0000]])
    """
    m = check_phase(m, ndim=ndim + 1, empty=True)
    phases = m.shape[-ndim - 1]
    each = mask if isinstance(mask, Tensor) and mask.ndim > ndim else None  # a mask of its own for each image
    if each is not None and each.shape[-ndim - 1] != 1:
        raise ValueError(
            f"expected a mask for all phases, shape (height, width) or (..., 1, ...), got {describe(mask)}"
        )
    if pairs is None:
        first, second = torch.broadcast_tensors(m.unsqueeze(-ndim - 1), m.unsqueeze(-ndim - 2))
        mask = mask if each is None else each.unsqueeze(-ndim - 1)
    else:
        if any(len(pair) != 2 or not all(0 <= i < phases for i in pair) for pair in pairs):
            raise ValueError(f"expected pairs (i, j) of the phases 0 to {phases - 1}, got {pairs!r}")
        chosen = torch.tensor([tuple(pair) for pair in pairs], dtype=torch.long, device=m.device).reshape(-1, 2)
        first, second = (m.index_select(-ndim - 1, one) for one in chosen.T)
    return cross_correlation(first, second, mask=mask, ndim=ndim, **options)


def _axes(ndim: int) -> tuple[int, ...]:
    return tuple(range(-check_count(ndim, name="ndim"), 0))


def _full_precision(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _power(spectrum: Tensor) -> Tensor:
    return torch.addcmul(spectrum.real.square(), spectrum.imag, spectrum.imag)


def _correlate(
    a: Tensor,
    b: Tensor,
    boundary: Boundary | Sequence[Boundary],
    mask: Tensor | None,
    ndim: int,
    centred: bool,
    max_shift: int | None,
) -> Tensor:
    """mean_x a(x) b(x + r) over the pairs that the boundary and the mask allow."""
    shape = a.shape[-len(_axes(ndim)) :]
    boundaries, reach = _boundaries(boundary, ndim), _reach(shape, max_shift)
    if mask is None and "open" not in boundaries:
        f = _periodic(a, b, boundaries, reach)
    elif mask is None:
        f = _products(a, b, boundaries, reach).div_(_pair_counts(shape, boundaries, reach, a))
    else:
        exact = a.dtype if a.device.type == "mps" else torch.float64  # mps has no float64
        weight = check_phase(mask, ndim=ndim, name="mask", empty=True).to(a.device, exact)
        if weight.shape[-ndim:] != shape:
            raise ValueError(f"expected the mask with spatial shape {tuple(shape)}, got {describe(mask)}")
        if torch.broadcast_shapes(weight.shape, a.shape) != a.shape:
            raise ValueError(f"expected one mask, or one for each image of {describe(a)}, got {describe(mask)}")
        pairs = _products(weight, weight, boundaries, reach)
        noise = 1e3 * torch.finfo(exact).eps * weight.square().sum(_axes(ndim), keepdim=True)
        weighted = a * weight
        f = _products(weighted, weighted if b is a else b * weight, boundaries, reach)
        f = f / torch.where(pairs > noise, pairs, 1)  # dividing by NaN would spoil gradients everywhere
        f = f.masked_fill(pairs <= noise, torch.nan).to(a.dtype)
    return torch.fft.fftshift(f, dim=_axes(ndim)) if centred or max_shift is not None else f


def _boundaries(boundary: Boundary | Sequence[Boundary], ndim: int) -> tuple[Boundary, ...]:
    """One boundary for each axis."""
    each = (boundary,) * ndim if isinstance(boundary, str) else tuple(boundary)
    if len(each) != ndim or any(one not in ("periodic", "open") for one in each):
        raise ValueError(
            f"expected boundary to be 'periodic' or 'open', or one of them for each axis, got {boundary!r}"
        )
    return each


def _reach(shape: torch.Size, max_shift: int | None) -> Reach:
    """The least and the greatest shift wanted along each axis: all of an image's, or those up to max_shift."""
    if max_shift is None:
        return tuple((-(n // 2), (n - 1) // 2) for n in shape)
    reach = check_count(max_shift, name="max_shift", minimum=0)
    for n in shape:
        if 2 * reach + 1 > n:
            raise ValueError(f"expected max_shift of at most {(n - 1) // 2} for a side of {n} pixels, got {reach}")
    return ((-reach, reach),) * len(shape)


def _periodic(a: Tensor, b: Tensor, boundaries: tuple[Boundary, ...], reach: Reach) -> Tensor:
    """mean_x a(x) b(x + r) around the whole image.

    Transforms of sides with large prime factors round by a share of the largest frequency, which is that of the mean:
    there the mean is taken off first, and its square added again.
    """
    axes, shape = _axes(len(reach)), a.shape[-len(reach) :]
    if all(n == _fast_length(n) for n in shape):
        return _products(a, b, boundaries, reach, math.prod(shape))
    exact = a.dtype if a.device.type == "mps" else torch.float64  # mps has no float64
    mean_a, mean_b = (m.mean(axes, keepdim=True, dtype=exact) for m in (a, b))
    first = a - mean_a.to(a.dtype)
    second = first if b is a else b - mean_b.to(b.dtype)
    return _products(first, second, boundaries, reach, math.prod(shape)) + (mean_a * mean_b).to(a.dtype)


def _products(a: Tensor, b: Tensor, boundaries: tuple[Boundary, ...], reach: Reach, count: int = 1) -> Tensor:
    """sum_x a(x) b(x + r) / count for every shift r in reach, by FFT: 0, 1, ... and then ..., -1 along each axis.

    An open axis is padded with as many zeros as the greatest shift needs, not more.
    """
    ndim = len(reach)
    shape, batch = a.shape[-ndim:], a.shape[:-ndim]
    if not a.numel():  # FFT libraries refuse a batch of nothing
        return a.new_empty(*batch, *(high - low + 1 for low, high in reach))
    lengths = tuple(
        n if boundary == "periodic" else _fast_length(n + max(-low, high))
        for n, boundary, (low, high) in zip(shape, boundaries, reach, strict=True)
    )
    correlate = _even_products if b is a else _all_products
    first, second = a.reshape(-1, *shape), b.reshape(-1, *shape)
    f = a.new_empty(len(first), *(high - low + 1 for low, high in reach))
    for part in _parts(len(first), math.prod(lengths), b if b.requires_grad else a):
        correlate(first[part], second[part], lengths, reach, math.prod(lengths) * count, f[part])
    return f.reshape(*batch, *f.shape[1:])


def _all_products(a: Tensor, b: Tensor, lengths: tuple[int, ...], reach: Reach, scale: int, out: Tensor) -> None:
    """Write into out the sum for every shift, times the number of frequencies and over scale."""
    axes = _axes(len(lengths))
    product = rfftn(a, s=lengths, dim=axes).conj() * rfftn(b, s=lengths, dim=axes)
    level = _take_level(product.div_(scale)).real
    f = irfftn(product, s=lengths, dim=axes, norm="forward").add_(level)
    for axis, shifts in zip(axes, reach, strict=True):
        f = _keep(f, axis, shifts)
    out.copy_(f)


def _even_products(a: Tensor, _: Tensor, lengths: tuple[int, ...], reach: Reach, scale: int, out: Tensor) -> None:
    """As `_all_products` of a with itself: real and even, like its transform, so half of it gives the other half.

    What is too large for a processor's cache is worked on in parts: columns along the first axis, then rows.
    """
    if len(lengths) == 1:
        a, lengths, reach, out = a[:, None], (1, *lengths), ((0, 0), *reach), out[:, None]
    first, others, low = lengths[0], lengths[1:], reach[0][0]
    rows = rfftn(a, s=others, dim=_axes(len(others)))
    columns = rows.flatten(2)
    half = columns.new_empty(len(a), 1 - low, columns.shape[-1])  # of shifts 0, -1, ..., low along the first axis
    for part in _parts(columns.shape[-1], len(a) * first, a):
        power = _power(fft(columns[..., part], n=first, dim=1)).div_(scale)
        if part.start == 0:
            level = _take_level(power)
        back = rfft(power, dim=1)[:, : 1 - low]  # the power is real and even: a forward transform will do
        if back.shape == half.shape:  # a small image is in one part, and stays where it is
            half = back
        else:
            half[..., part] = back
    _both_halves(half.unflatten(2, rows.shape[2:]), level, others, reach, out)


def _both_halves(half: Tensor, level: Tensor, lengths: tuple[int, ...], reach: Reach, out: Tensor) -> None:
    """Transform all axes back but the first, whose shifts are 0, -1, ..., low; f(r) = f(-r) gives those above 0."""
    axes, (low, high) = tuple(range(2, half.ndim)), reach[0]
    for part in _parts(1 - low, len(half) * math.prod(lengths), half):
        below = half[:, part]
        for axis in axes[:-1]:
            below = ifft(below, dim=axis, norm="forward")
        below = irfft(below, n=lengths[-1], norm="forward").add_(level.view(-1, *[1] * (below.ndim - 1)))
        above = below.flip(axes).roll((1,) * len(axes), axes)
        for axis, shifts in zip(axes, reach[1:], strict=True):
            above, below = _keep(above, axis, shifts), _keep(below, axis, shifts)
        begin, end = max(part.start, 1), min(part.stop, high + 1)  # 0 is above alone; -low may be below alone
        out[:, part.start : end] = above[:, : end - part.start]
        out[:, out.shape[1] + 1 - part.stop : out.shape[1] + 1 - begin] = below[:, begin - part.start :].flip(1)


def _take_level(spectrum: Tensor) -> Tensor:
    """The entry of frequency zero, and 0 in its place: the transform back rounds a third as much without it."""
    zero = (slice(None), *[slice(1)] * (spectrum.ndim - 1))
    level = spectrum[zero].clone()
    spectrum[zero] = 0
    return level


def _parts(count: int, size: int, like: Tensor) -> Iterator[slice]:
    """Slices of count things of that size that fit a processor's cache; on a GPU, or for autograd, all at once."""
    step = max(1, CHUNK // size) if like.device.type == "cpu" and not like.requires_grad else max(1, count)
    return (slice(i, min(i + step, count)) for i in range(0, count, step))


def _keep(f: Tensor, axis: int, shifts: tuple[int, int]) -> Tensor:
    """Of shifts 0, 1, ..., -1 along an axis, those from shifts[0] to shifts[1], in the same order."""
    n, (low, high) = f.shape[axis], shifts
    if high + 1 - low == n:
        return f
    return torch.cat([f.narrow(axis, 0, high + 1), f.narrow(axis, n + low, -low)], axis)


def _pair_counts(shape: torch.Size, boundaries: tuple[Boundary, ...], reach: Reach, like: Tensor) -> Tensor:
    """How many pairs of pixels each shift has: whole numbers, exact."""
    if "open" not in boundaries:
        return torch.tensor(math.prod(shape), dtype=like.dtype, device=like.device)
    count = torch.ones((), dtype=torch.float64)
    for n, boundary, (low, high) in zip(shape, boundaries, reach, strict=True):
        shift = torch.cat([torch.arange(high + 1), torch.arange(low, 0)])
        count = count[..., None] * (n - shift.abs() if boundary == "open" else torch.full_like(shift, n))
    return count.to(like)


def _fast_length(n: int) -> int:
    """The least length of at least n with no prime factor above 7, for which FFTs are quick."""
    while True:
        rest = n
        for prime in (2, 3, 5, 7):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 1
