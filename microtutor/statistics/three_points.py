"""Three-point statistics for chosen shifts: the next thing to ask when two points do not tell images apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from microtutor.checks import check_array, check_bool, quote
from microtutor.statistics.correlations import cross_correlation
from microtutor.statistics.descriptors import prepared_phase, weighted_mean
from microtutor.statistics.fft import Boundary, shifts_in_reach, spatial_axes

Shift = Sequence[int]


def three_point_statistics(
    m: Tensor,
    first: Shift | Sequence[Shift],
    second: Shift | Sequence[Shift] | None = None,
    *,
    boundary: Boundary | Sequence[Boundary] = "periodic",
    mask: Tensor | None = None,
    ndim: int = 2,
    centred: bool = False,
    max_shift: int | None = None,
) -> Tensor:
    """Three-point statistics: the chance that x, x + r1 and x + r2 all lie in the phase, for chosen shifts.

    Given r1 and r2 the product is averaged over x; given r1 alone, one FFT gives it for every r2.

    Args:
        m: phase indicator in [0, 1], shape (..., H, W).
        first: r1 in pixels, such as (0, 3), or a list of such.
        second: r2, one for each r1; all r2 by default.
        boundary: "periodic" wraps shifts around; "open" takes triples inside the image; or one for each axis.
        mask: confidence in each pixel, in [0, 1], shape (H, W) or that of m; triples count by the product of theirs.
        ndim: number of spatial axes.
        centred, max_shift: as for `autocorrelation`, for the map of all r2.

    Returns:
        With r2, shape m.shape[:-ndim]; without, the map f(r2) for this r1, shape of m (zero shift at index 0). A list
        of shifts adds an axis before the spatial ones. Dimensionless, in [0, 1]; NaN where there is no triple.

    Raises:
        TypeError, ValueError: as `autocorrelation`; shifts are no whole numbers, one for each axis.

    Source: Jiao, Stillinger & Torquato (2010), for what three points add to two.

    >>> m = torch.tensor([[1., 1., 0., 1., 0.]])
    >>> three_point_statistics(m, (0, 1), (0, 2)), three_point_statistics(m, (0, 1), (0, 3))
    (tensor(0.), tensor(0.2000))
    """
    m, weight, boundaries = prepared_phase(m, mask, boundary, ndim)
    ones, alone = _shifts(first, ndim, "first")
    check_bool(centred, name="centred")
    shifts_in_reach(m.shape[-ndim:], max_shift)
    if weight is None and "open" in boundaries:
        weight = m.new_ones(m.shape[-ndim:], dtype=torch.float64 if m.device.type != "mps" else m.dtype)
    weighted = m if weight is None else m * weight
    if second is None:
        options = {"boundary": boundaries, "ndim": ndim, "centred": centred, "max_shift": max_shift}
        maps = [_third_point(weighted, weight, shift, boundaries, ndim, options) for shift in ones]
        return (maps[0] if alone else torch.stack(maps, -ndim - 1)).to(m.dtype)
    twos, single = _shifts(second, ndim, "second")
    if (len(ones), alone) != (len(twos), single):
        raise ValueError(f"expected one second shift for each first, got {quote(first)} and {quote(second)}")
    chances = []
    for one, two in zip(ones, twos, strict=True):
        products = weighted * _moved(weighted, one, boundaries) * _moved(weighted, two, boundaries)
        weights = None
        if weight is not None:
            weights = weight * _moved(weight, one, boundaries) * _moved(weight, two, boundaries)
        chances.append(weighted_mean(products, weights, ndim))
    return (chances[0] if alone else torch.stack(chances, -1)).to(m.dtype)


def _shifts(shifts: Any, ndim: int, name: str) -> tuple[list[tuple[int, ...]], bool]:
    """A list of shifts, and whether it was one shift alone."""
    try:
        each = check_array(shifts, name=f"{name} shift")
    except TypeError:  # a mask, or lists of different lengths
        each = np.empty(0)
    if each.dtype.kind not in "iu" or each.ndim not in (1, 2) or each.size == 0 or each.shape[-1] != ndim:
        raise ValueError(f"expected the {name} shift as {ndim} whole numbers, or a list of such, got {quote(shifts)}")
    return [tuple(one) for one in np.atleast_2d(each).tolist()], each.ndim == 1


def _moved(x: Tensor, shift: tuple[int, ...], boundaries: tuple[Boundary, ...]) -> Tensor:
    """x(x + r), with zeros for what lies outside an open boundary."""
    for axis, step, boundary in zip(spatial_axes(len(shift)), shift, boundaries, strict=True):
        n = x.shape[axis]
        x = x.roll(-step, axis)
        if boundary == "open" and step:
            place = torch.arange(n, device=x.device).reshape(-1, *(1,) * (-1 - axis)) + step
            x = x * ((place >= 0) & (place < n))
    return x


def _third_point(
    weighted: Tensor,
    weight: Tensor | None,
    shift: tuple[int, ...],
    boundaries: tuple[Boundary, ...],
    ndim: int,
    options: dict,
) -> Tensor:
    """The map over all r2 for one r1; what the correlations divide by cancels in the ratio."""
    products = cross_correlation(weighted * _moved(weighted, shift, boundaries), weighted, **options)
    if weight is None:
        return products
    triples = cross_correlation(weight * _moved(weight, shift, boundaries), weight, **options)
    some = triples > 1e3 * torch.finfo(triples.dtype).eps * weight.square().mean(spatial_axes(ndim), keepdim=True)
    return torch.where(some, products / torch.where(some, triples, 1), torch.nan)
