"""What can be read off two-point statistics: averages over directions, lengths, surface, and direction."""

from __future__ import annotations

import torch
from torch import Tensor

from microtutor.checks import check_count, describe
from microtutor.statistics.correlations import _axes, _full_precision


def radial_average(f: Tensor, *, ndim: int = 2, centred: bool = False, weight: Tensor | None = None) -> Tensor:
    """Average statistics over directions: entry r is the mean of f over shifts whose length rounds to r pixels.

    Shifts where f is NaN, because a mask leaves them no pair, are left out; a radius without any other is NaN.

    Args:
        f: statistics, shape (..., H, W), zero shift at index 0.
        ndim: number of spatial axes.
        centred: zero shift of f is at [H//2, W//2] instead, as in windows of max_shift.
        weight: how much each shift counts, not negative, laid out like f and broadcast to it, such as its number of
            pairs under a mask; all shifts alike unless told.

    Returns:
        Shape (..., R + 1) for r = 0, 1, ..., R, with R half the smallest side (sides of 1 pixel do not count, as they
        have no shift). Entry 0 is zero shift alone.

    Raises:
        TypeError: f is no float tensor.
        ValueError: f has fewer than ndim axes, a side of 0 pixels, or infinite values; weight does not fit f.

    >>> from microtutor.statistics import autocorrelation
    >>> radial_average(autocorrelation(torch.eye(4)))
    tensor([0.2500, 0.0625, 0.0000])
    """
    f = _zero_first(f, ndim, centred, "statistics")
    weight = None if weight is None else _zero_first(weight, ndim, centred, "weight")
    radius, reach = _length(_steps(f, ndim)), _reach(f, ndim)
    return _mean_over_bins(f, torch.where(radius <= reach, radius, -1), reach + 1, ndim, weight)


def _zero_first(f: Tensor, ndim: int, centred: bool, name: str) -> Tensor:
    """f in full precision with zero shift at index 0, after a check that it is laid out like statistics."""
    if not isinstance(f, Tensor) or not f.is_floating_point():
        raise TypeError(f"expected the {name} as a float tensor, got {describe(f)}")
    if f.ndim < check_count(ndim, name="ndim") or 0 in f.shape[-ndim:]:
        raise ValueError(f"expected the {name} with {ndim} spatial axes of at least one shift, got {describe(f)}")
    if f.isinf().any():
        raise ValueError(f"expected finite values, or NaN where there is no pair, in the {name}, got infinity")
    f = _full_precision(f)
    return torch.fft.ifftshift(f, dim=_axes(ndim)) if centred else f


def _steps(f: Tensor, ndim: int) -> Tensor:
    """The shift of each place of a map, (ndim, H, W): 0, 1, ..., -2, -1 along each axis."""
    each = [torch.fft.fftfreq(n, 1 / n, device=f.device).round() for n in f.shape[-ndim:]]
    return torch.stack(torch.meshgrid(*each, indexing="ij"))


def _length(steps: Tensor) -> Tensor:
    """Lengths of shifts in whole pixels."""
    return steps.square().sum(0).sqrt().round().long()


def _reach(f: Tensor, ndim: int) -> int:
    """The greatest length that has shifts in every direction."""
    return min((n for n in f.shape[-ndim:] if n > 1), default=1) // 2


def _mean_over_bins(f: Tensor, bins: Tensor, count: int, ndim: int, weight: Tensor | None) -> Tensor:
    """Mean of f over the shifts of each bin 0 ... count - 1, (..., count); NaN does not count, nor does bin -1."""
    kept, flat = bins.flatten() >= 0, f.flatten(-ndim)
    weights = torch.ones_like(f) if weight is None else weight.to(f).expand(f.shape)
    index, flat, weights = bins.flatten()[kept], flat[..., kept], weights.flatten(-ndim)[..., kept]
    known = ~flat.isnan()
    weights = weights * known
    total = f.new_zeros(*f.shape[:-ndim], count)
    sums = total.index_add(-1, index, weights * torch.where(known, flat, 0))
    shares = total.index_add(-1, index, weights)
    return torch.where(shares > 0, sums / torch.where(shares > 0, shares, 1), torch.nan)
