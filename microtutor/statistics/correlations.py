"""Two-point statistics by the fast Fourier transform, and what can be read off them.

Every function acts on the last `ndim` axes and treats all axes before them as a batch. Statistics are computed in
float32 or float64; half-precision input is raised to float32, because the squared spectrum of an image overflows
float16.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.fft import irfftn, rfftn

from microtutor.checks import check_count, check_field, check_phase, check_same_shape, describe

Boundary = Literal["periodic", "open"]


def volume_fraction(m: Tensor, *, ndim: int = 2) -> Tensor:
    """The share of the image that belongs to the phase: the mean of the indicator, shape m.shape[:-ndim].

    >>> volume_fraction(torch.tensor([[1., 0.], [0., 0.]]))
    tensor(0.2500)
    """
    return _full_precision(check_phase(m, ndim=ndim)).mean(_axes(ndim))


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
    return _power(rfftn(_full_precision(check_field(m, ndim=ndim)), dim=_axes(ndim)), math.prod(m.shape[-ndim:]))


def autocorrelation(
    m: Tensor,
    *,
    boundary: Boundary = "periodic",
    mask: Tensor | None = None,
    ndim: int = 2,
    centred: bool = False,
    max_shift: int | None = None,
) -> Tensor:
    """Two-point autocorrelation of a phase: the chance that a point of it, shifted by r, is in it again.

    Args:
        m: phase indicator in [0, 1], shape (..., H, W) (with ndim=3: (..., D, H, W)).
        boundary: "periodic" wraps shifts around; "open" counts only pairs inside the image.
        mask: confidence in each pixel, in [0, 1], shape (H, W) or that of m; pairs count by the product of both ends.
        ndim: number of spatial axes.
        centred: move zero shift from index 0 to the middle, [H//2, W//2].
        max_shift: keep only shifts of at most this many pixels along each axis (the result is then always centred).

    Returns:
        f(r), shape of m (with max_shift: 2 * max_shift + 1 along each spatial axis). Dimensionless, in [0, 1]; at zero
        shift it is the volume fraction of a two-valued m. With "open" or a mask, shifts no pair has are NaN.

    Raises:
        TypeError: m is no float tensor.
        ValueError: m has fewer than ndim axes, is empty, or holds values outside [0, 1]; boundary is unknown.

    Source: Wiener-Khinchin theorem; Cecen, Fast & Kalidindi (2016), eq. 7.

    >>> autocorrelation(torch.tensor([[1., 0.], [0., 1.]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.5000]])
    """
    m = _full_precision(check_phase(m, ndim=ndim))
    return _correlate(m, m, boundary, mask, ndim, centred, max_shift)


def cross_correlation(
    a: Tensor,
    b: Tensor,
    *,
    boundary: Boundary = "periodic",
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
    a = _full_precision(check_phase(a, ndim=ndim, name="first phase"))
    b = _full_precision(check_phase(b, ndim=ndim, name="second phase"))
    check_same_shape(a, b, ("the first phase", "the second"))
    return _correlate(a, b, boundary, mask, ndim, centred, max_shift)


def two_point_statistics(m: Tensor, *, ndim: int = 2, **options) -> Tensor:
    """All pairs of correlations of an n-phase structure.

    Args:
        m: phase indicators, one channel per phase, shape (..., n, H, W).
        options: as for `cross_correlation`.

    Returns:
        f[..., i, j, :, :], the cross-correlation of phase i with phase j, shape (..., n, n, H, W).

    >>> m = torch.tensor([[[1., 0.], [0., 1.]], [[0., 1.], [1., 0.]]])  # a checkerboard of two phases
    >>> two_point_statistics(m)[0, 1]
    tensor([[0.0000, 0.5000],
            [0.5000, 0.0000]])
    """
    check_phase(m, ndim=ndim + 1)
    first, second = m.unsqueeze(-ndim - 1), m.unsqueeze(-ndim - 2)
    first, second = torch.broadcast_tensors(first, second)
    return cross_correlation(first, second, ndim=ndim, **options)


def radial_average(f: Tensor, *, ndim: int = 2, centred: bool = False) -> Tensor:
    """Average statistics over directions: entry r is the mean of f over shifts whose length rounds to r pixels.

    Args:
        f: statistics, shape (..., H, W), zero shift at index 0 (centred=True: at [H//2, W//2]).

    Returns:
        Shape (..., R + 1) for r = 0, 1, ..., R, R = half the smallest side. Entry 0 is zero shift alone.

    >>> radial_average(autocorrelation(torch.eye(4)))
    tensor([0.2500, 0.0625, 0.0000])
    """
    f = _full_precision(check_field(f, ndim=ndim, name="statistics"))
    if centred:
        f = torch.fft.ifftshift(f, dim=_axes(ndim))
    shape = f.shape[-ndim:]
    steps = [torch.fft.fftfreq(n, 1 / n, device=f.device) for n in shape]  # 0, 1, ..., -2, -1
    radius = torch.stack(torch.meshgrid(*steps, indexing="ij")).square().sum(0).sqrt().round().long().flatten()
    kept = radius <= min(shape) // 2
    total = f.new_zeros(*f.shape[:-ndim], min(shape) // 2 + 1)
    total = total.index_add(-1, radius[kept], f.flatten(-ndim)[..., kept])
    return total / torch.bincount(radius[kept])


def _axes(ndim: int) -> tuple[int, ...]:
    return tuple(range(-check_count(ndim, name="ndim"), 0))


def _full_precision(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _power(spectrum: Tensor, pixels: int) -> Tensor:
    return (spectrum.real.square() + spectrum.imag.square()) / pixels


def _correlate(
    a: Tensor, b: Tensor, boundary: str, mask: Tensor | None, ndim: int, centred: bool, max_shift: int | None
) -> Tensor:
    """mean_x a(x) b(x + r) over the pairs that the boundary and the mask allow."""
    if boundary not in ("periodic", "open"):
        raise ValueError(f"expected boundary to be 'periodic' or 'open', got {boundary!r}")
    shape = a.shape[-ndim:]
    if mask is None:
        f = _products(a, b, boundary, ndim) / _pair_counts(shape, boundary, a)
    else:
        weight = _full_precision(check_phase(mask, ndim=ndim, name="mask")).to(a)
        if weight.shape[-ndim:] != shape:
            raise ValueError(f"expected the mask with spatial shape {tuple(shape)}, got {describe(mask)}")
        pairs = _products(weight, weight, boundary, ndim)
        noise = 1e3 * torch.finfo(weight.dtype).eps * weight.square().sum(_axes(ndim), keepdim=True)
        f = _products(a * weight, b * weight, boundary, ndim) / torch.where(pairs > noise, pairs, torch.nan)
    if max_shift is not None:
        return _window(f, check_count(max_shift, name="max_shift", minimum=0), ndim)
    return torch.fft.fftshift(f, dim=_axes(ndim)) if centred else f


def _products(a: Tensor, b: Tensor, boundary: str, ndim: int) -> Tensor:
    """sum_x a(x) b(x + r) for every shift r, by FFT; zero shift at index 0, shape of a."""
    axes, shape = _axes(ndim), a.shape[-ndim:]
    padded = tuple(_fast_length(2 * n - 1) for n in shape) if boundary == "open" else tuple(shape)
    spectrum = rfftn(a, s=padded, dim=axes)
    product = spectrum.conj() * (spectrum if b is a else rfftn(b, s=padded, dim=axes))
    f = irfftn(product, s=padded, dim=axes)
    for axis, n in zip(axes, shape, strict=True):
        if f.shape[axis] != n:  # keep the shifts 0 .. and .. -1, in the order of fftfreq
            f = torch.cat([f.narrow(axis, 0, (n + 1) // 2), f.narrow(axis, f.shape[axis] - n // 2, n // 2)], axis)
    return f


def _pair_counts(shape: torch.Size, boundary: str, like: Tensor) -> Tensor:
    """How many pairs of pixels each shift has: whole numbers, exact."""
    if boundary == "periodic":
        return torch.tensor(math.prod(shape), dtype=like.dtype, device=like.device)
    count = torch.ones((), dtype=torch.float64)
    for n in shape:
        count = count[..., None] * (n - torch.fft.fftfreq(n, 1 / n, dtype=torch.float64).round().abs())
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


def _window(f: Tensor, reach: int, ndim: int) -> Tensor:
    for axis in _axes(ndim):
        n = f.shape[axis]
        if 2 * reach + 1 > n:
            raise ValueError(f"expected max_shift of at most {(n - 1) // 2} for a side of {n} pixels, got {reach}")
        f = torch.cat([f.narrow(axis, n - reach, reach), f.narrow(axis, 0, reach + 1)], axis)
    return f
