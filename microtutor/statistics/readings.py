"""What can be read off two-point statistics: averages over directions, lengths, and surface.

All of it is differentiable, and acts on maps of any layout that `autocorrelation` returns: whole or windows of
max_shift, periodic or open. Shifts where f is NaN, because a mask leaves them no pair, are left out of averages.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral
from typing import Any, Literal

import torch
from torch import Tensor

from microtutor.checks import (
    check_bool,
    check_choice,
    check_count,
    check_number,
    check_phase,
    check_spacing,
    describe,
    quote,
)
from microtutor.statistics.fft import fits, full_precision, spatial_axes

Directions = int | Sequence[Sequence[float]]


def radial_average(
    f: Tensor,
    *,
    ndim: int = 2,
    centred: bool = False,
    weight: Tensor | None = None,
    spacing: float | Sequence[float] = 1.0,
) -> Tensor:
    """Average statistics over directions: entry r is the mean of f over shifts whose length rounds to r pixels.

    Args:
        f: statistics, shape (..., H, W), zero shift at index 0.
        ndim: number of spatial axes.
        centred: zero shift of f is at [H//2, W//2] instead, as in windows of max_shift.
        weight: how much each shift counts, not negative, laid out like f and broadcast to it, such as its number of
            pairs under a mask; by default all shifts count alike.
        spacing: size of a pixel, or one for each axis, (down, right) or (deeper, down, right), in a unit of your own,
            if pixels are not square. Lengths are counted in the largest of them: entry r belongs to r * max(spacing).

    Returns:
        Shape (..., R + 1) for r = 0, 1, ..., R, with R half the smallest side (sides of 1 pixel do not count, as they
        have no shift). Entry 0 is zero shift alone. NaN where f has no value at any shift of that length.

    Raises:
        TypeError: f is no float tensor.
        ValueError: f has fewer than ndim axes, a side of 0 pixels, or infinite values; weight does not fit f, or is
            negative; spacing is not above 0.

    >>> from microtutor.statistics import autocorrelation
    >>> radial_average(autocorrelation(torch.eye(4)))
    tensor([0.2500, 0.0625, 0.0000])
    """
    f = zero_shift_first(f, ndim, centred)
    weight = None if weight is None else _checked_weight(weight, f, ndim, centred)
    steps, reach, _ = _measured(f, ndim, spacing)
    radius = _length(steps)
    return _mean_over_bins(f, torch.where(radius <= reach, radius, -1), reach + 1, ndim, weight)


def directional_average(
    f: Tensor,
    directions: Directions | None = None,
    *,
    ndim: int = 2,
    centred: bool = False,
    weight: Tensor | None = None,
    spacing: float | Sequence[float] = 1.0,
) -> Tensor:
    """Average statistics over sectors of directions: as `radial_average`, but for each direction on its own.

    A shift belongs to the direction it makes the smallest angle with, forwards or backwards; one halfway between two
    belongs to both.

    Args:
        f: statistics, shape (..., H, W), zero shift at index 0.
        directions: a number n, of angles 0, 180/n, 2 * 180/n, ... degrees (in two dimensions only), counted from the
            width, to the right, anticlockwise, so that 90 points up; or a list of vectors (down, right), with ndim=3
            (deeper, down, right). By default 4 angles in two dimensions, and otherwise the axes, in their order.
        ndim, centred, weight, spacing: as for `radial_average`; angles and vectors are those of the material, not of
            the grid.

    Returns:
        Shape (..., directions, R + 1). Entry 0 is zero shift, the same for all. NaN where no shift of that length
        lies in the sector.

    Raises:
        TypeError, ValueError: as `radial_average`; a direction is zero, or has not ndim components.

    >>> from microtutor.statistics import autocorrelation
    >>> rows = torch.tensor([[1., 1.], [0., 0.]]).repeat(2, 2)
    >>> directional_average(autocorrelation(rows))[:, :2]  # one pixel along the rows, rising, up, and falling
    tensor([[0.5000, 0.5000],
            [0.5000, 0.0000],
            [0.5000, 0.0000],
            [0.5000, 0.0000]])
    """
    f = zero_shift_first(f, ndim, centred)
    weight = None if weight is None else _checked_weight(weight, f, ndim, centred)
    steps, reach, _ = _measured(f, ndim, spacing)
    radius = _length(steps)
    along = torch.tensordot(_units(directions, ndim), steps, 1).abs()  # one map per direction
    nearest = along >= along.amax(0) - 1e-9
    bins = torch.where(nearest & (radius <= reach), radius, -1)
    return torch.stack([_mean_over_bins(f, sector, reach + 1, ndim, weight) for sector in bins], -2)


def correlation_length(
    f: Tensor,
    *,
    method: Literal["decay", "integral"] = "decay",
    directions: Directions | None = None,
    fraction: Tensor | float | None = None,
    ndim: int = 2,
    centred: bool = False,
    weight: Tensor | None = None,
    spacing: float | Sequence[float] = 1.0,
) -> Tensor:
    """The distance over which points are correlated: where the covariance, averaged over directions, has decayed.

    The covariance f - φ² is divided by its value at zero shift, φ - φ² for a two-valued phase. "decay" is the distance
    at which it first comes down to 1/e, "integral" its integral over distance up to where it first comes down to 0,
    both by linear interpolation between whole pixels.

    Args:
        f: autocorrelation, shape (..., H, W), zero shift at index 0.
        method: which of the two; for an exponential decay they agree.
        directions: as for `directional_average`, for one length along each direction instead of their mean.
        fraction: the volume fraction φ, shape f.shape[:-ndim]; by default f at zero shift, right for two-valued
            phases. For grey values it is their mean.
        ndim, centred, weight, spacing: as for `radial_average`.

    Returns:
        Lengths in the unit of spacing (pixels by default), shape f.shape[:-ndim], with directions (..., directions).
        NaN where the covariance does not come down so far within the shifts of f, and for a phase that fills all or
        nothing.

    Raises:
        TypeError, ValueError: as `directional_average`; method is unknown.

    >>> from microtutor.statistics import autocorrelation
    >>> layers = torch.arange(32) // 8 % 2.
    >>> correlation_length(autocorrelation(layers, ndim=1), ndim=1, method="integral")  # down to φ² = 1/4 in 4 pixels
    tensor(2.)
    """
    check_choice(method, ("decay", "integral"), name="method")
    options: dict[str, Any] = {"ndim": ndim, "centred": centred, "weight": weight, "spacing": spacing}
    if directions is None:
        curve = radial_average(f, **options)[..., None, :]
    else:
        curve = directional_average(f, directions, **options)
    phi = curve[..., :1] if fraction is None else _checked_fraction(fraction, curve)[..., None, None]
    variance = curve[..., :1] - phi.square()
    varies = variance > 4 * torch.finfo(curve.dtype).eps
    rho = torch.where(varies, (curve - phi.square()) / torch.where(varies, variance, 1), torch.nan)
    lengths = _fall(rho, 1 / math.e) if method == "decay" else _integral(rho)
    _, _, pixel = _measured(f, ndim, spacing)
    lengths = pixel * lengths
    return lengths if directions is not None else lengths[..., 0]


def specific_surface(
    f: Tensor,
    *,
    method: Literal["isotropic", "layers", "pixels"] = "isotropic",
    ndim: int = 2,
    centred: bool = False,
    spacing: float | Sequence[float] = 1.0,
) -> Tensor:
    """Interface of a two-valued phase per area (per volume with ndim=3), from the slope of f at the origin.

    One pixel along axis k, f falls by half the number of pixel faces across k between phase and rest, per pixel. So
    s_k = 2 (f(0) - f(e_k)), divided by the size of a pixel along k, is, exactly, the interface projected along axis k.
    A smooth interface that was drawn in pixels has another area than their faces. It lies between the root of the sum
    of squares of s_k and their sum, and where depends on its shape. Hence three methods:

    * "isotropic": an interface that faces all directions alike: the sum times pi/4 in two dimensions, 2/3 in three.
      A disc or ball comes out right, up to the error of its pixels; flat layers along the axes come out 21 % (33 %) too
      small.
    * "layers": flat parallel layers, at whatever angle: the root of the sum of squares.
    * "pixels": the faces of the pixels themselves, as `variation` counts them: the sum.

    Args:
        f: periodic autocorrelation, shape (..., H, W), zero shift at index 0. With an open boundary f(0) is a mean over
            other pixels than f(e_k), and their difference may be off by as much as the result: take `variation` of
            the image instead, which counts faces whatever the boundary.
        ndim, centred, spacing: as for `radial_average`.

    Returns:
        In one over the unit of spacing, 1/px by default (length per area, area per volume), shape f.shape[:-ndim]. NaN
        where a mask leaves neighbours no pair.

    Raises:
        TypeError, ValueError: as `radial_average`; method is unknown; f has zero shift alone.

    Source: Debye, Anderson & Brumberger (1957), for the slope; Cauchy's formula, for the constants.

    >>> from microtutor.statistics import autocorrelation
    >>> m = torch.zeros(4, 4); m[1:3, 1:3] = 1  # a square of 2 x 2: eight faces on 16 pixels
    >>> specific_surface(autocorrelation(m), method="pixels")
    tensor(0.5000)
    """
    check_choice(method, ("isotropic", "layers", "pixels"), name="method")
    f, size = zero_shift_first(f, ndim, centred), check_spacing(spacing, ndim)
    if max(f.shape[-ndim:]) == 1:
        raise ValueError(f"expected statistics with a shift of one pixel (max_shift of at least 1), got {describe(f)}")
    first = (0,) * ndim
    neighbours = [tuple(int(k == axis) % f.shape[axis - ndim] for k in range(ndim)) for axis in range(ndim)]
    falls = [f[(..., *first)] - f[(..., *place)] for place in neighbours]
    projected = torch.stack([2 * fall / one for fall, one in zip(falls, size, strict=True)])
    if method == "layers":
        return torch.linalg.vector_norm(projected, dim=0)
    # The mean of |cos| between a direction and an axis is Γ(n/2) / (√π Γ((n+1)/2)): 1, 2/π, 1/2 for n = 1, 2, 3.
    cosine = math.gamma(ndim / 2) / (math.sqrt(math.pi) * math.gamma((ndim + 1) / 2))
    return projected.sum(0) / (ndim * cosine if method == "isotropic" else 1)


def zero_shift_first(f: Tensor, ndim: int, centred: bool, name: str = "statistics") -> Tensor:
    """f in full precision with zero shift at index 0, after a check that it is laid out like statistics.

    Args:
        f: a map of statistics, shape (..., H, W).
        ndim: number of spatial axes.
        centred: whether zero shift is in the middle of f.
        name: what an error calls it.

    Raises:
        TypeError, ValueError: no float tensor, fewer axes than ndim, no shift along one of them, or infinite values.

    >>> zero_shift_first(torch.tensor([[0.1, 0.5, 0.2]]), 2, True)
    tensor([[0.5000, 0.2000, 0.1000]])
    """
    if not isinstance(f, Tensor) or not f.is_floating_point():
        raise TypeError(f"expected the {name} as a float tensor, got {describe(f)}")
    if f.ndim < check_count(ndim, name="ndim") or 0 in f.shape[-ndim:]:
        raise ValueError(f"expected the {name} with {ndim} spatial axes of at least one shift, got {describe(f)}")
    if f.isinf().any():
        raise ValueError(f"expected finite values, or NaN where there is no pair, in the {name}, got infinity")
    f = full_precision(f)
    return torch.fft.ifftshift(f, dim=spatial_axes(ndim)) if check_bool(centred, name="centred") else f


def _checked_weight(weight: Tensor, f: Tensor, ndim: int, centred: bool) -> Tensor:
    """The weight of each shift, laid out like f."""
    weight = zero_shift_first(weight, ndim, centred, "weight")
    if not fits(weight.shape, f.shape):
        raise ValueError(f"expected a weight that broadcasts to the statistics, {describe(f)}, got {describe(weight)}")
    if (weight < 0).any():
        raise ValueError(f"expected weights of at least 0, got {weight.nan_to_num().min().item():.4g}")
    return weight


def _checked_fraction(fraction: Tensor | float, curve: Tensor) -> Tensor:
    """The volume fraction of each map, which curves (..., directions, R + 1) were read off."""
    if not isinstance(fraction, Tensor):
        return torch.tensor(check_number(fraction, name="fraction", minimum=0, maximum=1)).to(curve)
    if fraction.shape != curve.shape[:-2] and fraction.ndim:
        raise ValueError(f"expected a fraction for each of {tuple(curve.shape[:-2])} maps, got {describe(fraction)}")
    return check_phase(fraction, ndim=0, name="fraction", empty=True).to(curve)


def shifts_of_places(f: Tensor, ndim: int) -> Tensor:
    """The shift of each place of a map, (ndim, H, W), on the CPU: 0, 1, ..., -2, -1 along each axis.

    >>> shifts_of_places(torch.zeros(1, 4), 2)[1]
    tensor([[ 0.,  1., -2., -1.]], dtype=torch.float64)
    """
    each = [torch.fft.fftfreq(n, 1 / n, dtype=torch.float64).round() for n in f.shape[-ndim:]]
    return torch.stack(torch.meshgrid(*each, indexing="ij"))


def _measured(f: Tensor, ndim: int, spacing: float | Sequence[float]) -> tuple[Tensor, int, float]:
    """The shift of each place (ndim, H, W), and the greatest length that has shifts in every direction.

    Both are in the longest side of a pixel, which comes last: so there is a shift of each length in each direction.
    Sides of 1 pixel have no shifts and do not count.
    """
    size = check_spacing(spacing, ndim)
    long = [(n, one) for n, one in zip(f.shape[-ndim:], size, strict=True) if n > 1]
    pixel = max((one for _, one in long), default=max(size))
    scale = torch.tensor([one / pixel for one in size], dtype=torch.float64).reshape(-1, *(1,) * ndim)
    reach = min((int(n // 2 * one / pixel + 1e-9) for n, one in long), default=0)
    return shifts_of_places(f, ndim) * scale, reach, pixel


def _length(steps: Tensor) -> Tensor:
    """Lengths of shifts in whole pixels."""
    return steps.square().sum(0).sqrt().round().long()


def _mean_over_bins(f: Tensor, bins: Tensor, count: int, ndim: int, weight: Tensor | None) -> Tensor:
    """Mean of f over the shifts of each bin 0 ... count - 1, (..., count); NaN does not count, nor does bin -1."""
    bins = bins.to(f.device)
    kept, flat = bins.flatten() >= 0, f.flatten(-ndim)
    weights = torch.ones_like(f) if weight is None else weight.to(f).expand(f.shape)
    index, flat, weights = bins.flatten()[kept], flat[..., kept], weights.flatten(-ndim)[..., kept]
    known = ~flat.isnan()
    weights = weights * known
    total = f.new_zeros(*f.shape[:-ndim], count)
    sums = total.index_add(-1, index, weights * torch.where(known, flat, 0))
    shares = total.index_add(-1, index, weights)
    return torch.where(shares > 0, sums / torch.where(shares > 0, shares, 1), torch.nan)


def _units(directions: Directions | None, ndim: int) -> Tensor:
    """Unit vectors of directions, (directions, ndim), float64."""
    if directions is None:
        directions = 4 if ndim == 2 else torch.eye(ndim).tolist()
    if isinstance(directions, Integral) and not isinstance(directions, bool):
        if ndim != 2:
            raise ValueError(f"expected directions as a list of vectors in {ndim} dimensions, got {directions!r}")
        count = check_count(directions, name="directions")
        angle = math.pi * torch.arange(count, dtype=torch.float64) / count
        return torch.stack([-angle.sin(), angle.cos()], -1)
    try:
        vectors = torch.as_tensor(directions, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):  # no numbers, or lists of different lengths
        vectors = torch.empty(0)
    length = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True) if vectors.ndim else vectors
    if vectors.ndim != 2 or vectors.shape[1] != ndim or not len(vectors) or not bool((length > 0).all()):
        raise ValueError(
            f"expected directions as vectors of {ndim} components, not all zero"
            f"{', or as the number of directions' if ndim == 2 else ''}, got {quote(directions)}"
        )
    return vectors / length


def _first_below(rho: Tensor, level: float) -> tuple[Tensor, Tensor]:
    """Where curves first come down to a level, as the place after it, and whether they do."""
    below = rho <= level
    return (below.cumsum(-1) == 0).sum(-1).clamp(1, max(1, rho.shape[-1] - 1)), below.any(-1)


def _fall(rho: Tensor, level: float) -> Tensor:
    """The distance at which curves (..., R + 1) first come down to a level, NaN if they do not."""
    if rho.shape[-1] == 1:
        return torch.full_like(rho[..., 0], torch.nan)
    after, found = _first_below(rho, level)
    high = rho.gather(-1, after[..., None] - 1)[..., 0]
    low = rho.gather(-1, after[..., None])[..., 0]
    drop = torch.where(found, high - low, 1)
    return torch.where(found, after - 1 + (high - level) / drop, torch.nan)


def _integral(rho: Tensor) -> Tensor:
    """The integral of curves (..., R + 1) up to where they first come down to 0, NaN if they do not."""
    end = _fall(rho, 0.0)
    if rho.shape[-1] == 1:
        return end
    after, _ = _first_below(rho, 0.0)
    inside = torch.arange(rho.shape[-1], device=rho.device) < after[..., None]
    last = rho.gather(-1, after[..., None] - 1)[..., 0]
    return torch.where(inside, rho, 0).sum(-1) - (rho[..., 0] + last) / 2 + last * (end - after + 1) / 2
