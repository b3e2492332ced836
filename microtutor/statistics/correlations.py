"""Two-point statistics by the fast Fourier transform.

Every function acts on the last `ndim` axes and treats all axes before them as a batch. Statistics are computed in
float32 or float64; half-precision input is raised to float32, because the squared spectrum of an image overflows
float16.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fft import fftshift, irfftn, rfftn

from microtutor.checks import check_bool, check_count, check_field, check_phase, check_same_shape, describe
from microtutor.statistics import fft
from microtutor.statistics.fft import (
    Boundary,
    boundary_of_each_axis,
    checked_pairs,
    full_precision,
    pair_means,
    power_of,
    shifts_in_reach,
    spatial_axes,
    window,
)


def volume_fraction(m: Tensor, *, ndim: int = 2) -> Tensor:
    """The share of the image that belongs to the phase: the mean of the indicator, shape m.shape[:-ndim].

    >>> volume_fraction(torch.tensor([[1., 0.], [0., 0.]]))
    tensor(0.2500)
    """
    return full_precision(check_phase(m, ndim=ndim, empty=True)).mean(spatial_axes(ndim))


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
    return power_of(check_field(m, ndim=ndim, empty=True), ndim)


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
    >>> autocorrelation(torch.tensor([[0., 255.], [255., 0.]]))
    Traceback (most recent call last):
    ValueError: expected a phase image with values in [0, 1], got values in [0, 255]; divide by 255 or threshold
    it first
    """
    m = full_precision(check_phase(m, ndim=ndim, empty=True)).contiguous()  # torch 2.6 transforms no expanded tensor
    axes, shape = tuple(range(-check_count(ndim, name="ndim"), 0)), m.shape[-ndim:]
    boundaries, reach = boundary_of_each_axis(boundary, ndim), shifts_in_reach(shape, max_shift)
    centred = check_bool(centred, name="centred") or max_shift is not None
    if mask is None and "open" not in boundaries and 0 < m.numel() <= fft.CHUNK:
        # The mean goes round those FFTs that would round by a share of it.
        mean = None if fft.is_fast(tuple(shape)) else m.mean(axes, keepdim=True)
        spectrum = rfftn(m if mean is None else m - mean, dim=axes)
        power = spectrum * spectrum.conj()  # |rfftn(m)|^2
        f = irfftn(power, s=shape, dim=axes).div_(math.prod(shape))
        f = f if mean is None else f.addcmul_(mean, mean)
        f = f if max_shift is None else window(f, reach)
    else:  # the same in parts that fit a processor's cache, and what open boundaries and masks need
        f = pair_means(m, m, boundaries, mask, reach)
    return fftshift(f, dim=axes) if centred else f


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
    a = full_precision(check_phase(a, ndim=ndim, name="first phase", empty=True))
    b = full_precision(check_phase(b, ndim=ndim, name="second phase", empty=True))
    check_same_shape(a, b, ("the first phase", "the second"))
    axes = spatial_axes(ndim)
    boundaries, reach = boundary_of_each_axis(boundary, ndim), shifts_in_reach(a.shape[-ndim:], max_shift)
    centred = check_bool(centred, name="centred") or max_shift is not None
    f = pair_means(a, b, boundaries, mask, reach)
    return fftshift(f, dim=axes) if centred else f


def two_point_statistics(
    m: Tensor,
    *,
    pairs: Sequence[tuple[int, int]] | None = None,
    boundary: Boundary | Sequence[Boundary] = "periodic",
    mask: Tensor | None = None,
    ndim: int = 2,
    centred: bool = False,
    max_shift: int | None = None,
) -> Tensor:
    """All pairs of correlations of an n-phase structure, or some of them.

    Args:
        m: phase indicators, one channel per phase, shape (..., n, H, W).
        pairs: the pairs (i, j) wanted, such as `independent_pairs(n)`; by default all n * n.
        mask: as for `cross_correlation`; shape (H, W) or (..., 1, H, W), as it holds for all phases.
        boundary, ndim, centred, max_shift: as for `cross_correlation`.

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
    m = check_phase(m, ndim=len(spatial_axes(ndim)) + 1, empty=True)
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
        chosen = torch.tensor(checked_pairs(pairs, phases), dtype=torch.long, device=m.device).reshape(-1, 2)
        first, second = (m.index_select(-ndim - 1, one) for one in chosen.T)
    options: dict[str, Any] = {"boundary": boundary, "centred": centred, "max_shift": max_shift}
    return cross_correlation(first, second, mask=mask, ndim=ndim, **options)
