"""Beyond two points: whole segments in a phase, chords of it; and the differences between neighbours.

Images are phase indicators of shape (..., H, W), as for `autocorrelation`, and boundaries and masks mean what they mean
there.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from microtutor.checks import check_bool, check_choice, check_count, check_phase, check_spacing, quote
from microtutor.statistics.fft import Boundary, boundary_of_each_axis, checked_mask, full_precision, spatial_axes


def lineal_path(
    m: Tensor,
    *,
    axis: int = -1,
    boundary: Boundary | Sequence[Boundary] = "periodic",
    mask: Tensor | None = None,
    ndim: int = 2,
    max_shift: int | None = None,
) -> Tensor:
    """Lineal path: the chance that a whole segment along an axis lies in the phase.

    Entry r is the mean over x of m(x) m(x + 1) ... m(x + r), r + 1 pixels in a row: differentiable, though gradients
    take memory for r + 1 copies of m. It starts at the volume fraction and never lies above the autocorrelation, which
    asks of the two ends alone.

    Args:
        m: phase indicator in [0, 1], shape (..., H, W).
        axis: along which, -1 for the width, -2 for the height.
        boundary: "periodic" lets segments run on at the other side; "open" takes those that lie inside; or one for
            each spatial axis.
        mask: confidence in each pixel, in [0, 1], shape (H, W) or that of m; segments count by the product of theirs.
        ndim: number of spatial axes.
        max_shift: greatest r, in pixels along the axis, however large these are; by default one less than the side.

    Returns:
        Shape (..., max_shift + 1), dimensionless, in [0, 1]. NaN where no segment has any confidence.

    Raises:
        TypeError, ValueError: as `autocorrelation`; axis is not a spatial one.

    Source: Lu & Torquato (1992).

    >>> lineal_path(torch.tensor([[1., 1., 0., 1.]]))
    tensor([0.7500, 0.5000, 0.2500, 0.0000])
    """
    m, weight, boundaries = prepared_phase(m, mask, boundary, ndim)
    _check_axis(axis, ndim)
    side, wrapped = m.shape[axis], boundaries[axis] == "periodic"
    most = side - 1 if max_shift is None else check_count(max_shift, name="max_shift", minimum=0)
    if most >= side:
        raise ValueError(f"expected max_shift of at most {side - 1} for a side of {side} pixels, got {most}")
    chances = []
    weighted = m if weight is None else m * weight
    path, weights = weighted, weight
    for r in range(most + 1):
        if r:
            path = _longer(path, weighted, r, axis, wrapped)
        if r and weight is not None and weights is not None:
            weights = _longer(weights, weight, r, axis, wrapped)
        chances.append(weighted_mean(path, weights, ndim))
    return torch.stack(chances, -1).to(m.dtype)


def chord_length_distribution(
    m: Tensor,
    *,
    axis: int = -1,
    boundary: Boundary | Sequence[Boundary] = "periodic",
    mask: Tensor | None = None,
    ndim: int = 2,
    cut: Literal["drop", "keep"] = "drop",
    counts: bool = False,
) -> Tensor:
    """Chord lengths: the shares of chords of 1, 2, 3, ... pixels, a chord being a longest run of phase along an axis.

    Not differentiable. Chords end where the phase ends. Those that end at an open border, or at a pixel of no
    confidence, may go on beyond it: their true length is not known. "drop" leaves them out; long chords are
    cut more often than short ones, so too few long ones remain. "keep" counts them with the length that is seen, which
    is too short. Both errors are small in an image much longer than its chords. Periodic boundaries cut none.

    Args:
        m: two-valued phase, 0 or 1, shape (..., H, W).
        axis: along which, -1 for the width, -2 for the height.
        boundary: as for `lineal_path`; with "periodic" a line that is all phase counts as one chord of n pixels.
        mask: confidence in each pixel, shape (H, W) or that of m; pixels with none are not looked at, all others are.
        ndim: number of spatial axes.
        cut: what to do with chords that are cut.
        counts: return how many chords there are of each length instead of their shares, to add up over images.

    Returns:
        Shape (..., n + 1) for a side of n pixels; entry l belongs to chords of l pixels, however large these are along
        the axis; entry 0 is 0. Shares sum to 1; they are NaN if there is no chord.

    Raises:
        TypeError, ValueError: as `lineal_path`; m has other values than 0 and 1, cut is unknown.

    >>> chord_length_distribution(torch.tensor([[1., 1., 0., 1., 0.]]))
    tensor([0.0000, 0.5000, 0.5000, 0.0000, 0.0000, 0.0000])
    """
    check_choice(cut, ("drop", "keep"), name="cut")
    check_bool(counts, name="counts")
    m, weight, boundaries = prepared_phase(m.detach() if isinstance(m, Tensor) else m, mask, boundary, ndim)
    _check_axis(axis, ndim)
    if not ((m == 0) | (m == 1)).all():
        raise ValueError(
            "expected a two-valued phase image, 0 or 1, got values between; threshold it: (m > 0.5).float()"
        )
    known = torch.ones_like(m, dtype=torch.bool) if weight is None else (weight > 0).expand(m.shape)
    batch, side, images = m.shape[:-ndim], m.shape[axis], m.shape[:-ndim].numel()
    lines = (images, m.shape[-ndim:].numel() // side, side)
    phase, known = (((m == 1) & known).movedim(axis, -1).reshape(lines), known.movedim(axis, -1).reshape(lines))
    image, length = _chords(phase, known, boundaries[axis] == "periodic", cut == "drop")
    found = torch.bincount(image * (side + 1) + length, minlength=images * (side + 1))
    found = found.reshape(*batch, side + 1).to(m.dtype)
    total = found.sum(-1, keepdim=True)
    return found if counts else torch.where(total > 0, found / total.clamp_min(1), torch.nan)


def variation(
    m: Tensor,
    *,
    axis: int | None = None,
    boundary: Boundary | Sequence[Boundary] = "periodic",
    mask: Tensor | None = None,
    ndim: int = 2,
    spacing: float | Sequence[float] = 1.0,
) -> Tensor:
    """Total variation: the mean absolute difference of neighbouring pixels, summed over the axes.

    Of a two-valued image these are the faces between phase and rest, per pixel: twice the fall of the autocorrelation
    over the first pixel, whatever the boundary; see `specific_surface`. Noise makes it large.

    Args:
        m: phase indicator in [0, 1], shape (..., H, W).
        axis: one axis only, -1 for neighbours along the width, -2 along the height.
        boundary: "periodic" takes the first and the last pixel for neighbours, "open" does not; or one for each axis.
        mask: confidence in each pixel, in [0, 1], shape (H, W) or that of m; neighbours count by the product of theirs.
        ndim: number of spatial axes.
        spacing: size of a pixel, or one for each axis, in a unit of your own.

    Returns:
        In one over the unit of spacing, 1/px by default, shape m.shape[:-ndim]. NaN where a mask leaves no neighbours
        along an axis. An open axis of one pixel has none and adds nothing.

    Raises:
        TypeError, ValueError: as `autocorrelation`; axis is not a spatial one.

    >>> m = torch.tensor([[1., 1., 0., 0., 0.]])
    >>> variation(m), variation(m, boundary="open")
    (tensor(0.4000), tensor(0.2500))
    """
    m, weight, boundaries = prepared_phase(m, mask, boundary, ndim)
    size = check_spacing(spacing, ndim)
    chosen = spatial_axes(ndim) if axis is None else (_check_axis(axis, ndim),)
    total = m.new_zeros(m.shape[:-ndim])
    for one in chosen:
        wrapped = boundaries[one] == "periodic"
        if wrapped or m.shape[one] > 1:
            here, there = _neighbours(m, one, wrapped)
            weights = None if weight is None else torch.mul(*_neighbours(weight, one, wrapped))
            differences = (there - here).abs()
            mean = weighted_mean(differences if weights is None else differences * weights, weights, ndim)
            total = total + mean / size[one]
    return total.to(m.dtype)


def prepared_phase(
    m: Tensor, mask: Tensor | None, boundary: Boundary | Sequence[Boundary], ndim: int
) -> tuple[Tensor, Tensor | None, tuple[Boundary, ...]]:
    """The image in full precision, its mask (in float64, where there is such a thing), a boundary for each axis.

    Args:
        m: phase indicator in [0, 1], shape (..., H, W).
        mask: confidence in each pixel, or None, as for `lineal_path`.
        boundary: one for all spatial axes, or one for each.
        ndim: number of spatial axes.

    Raises:
        TypeError, ValueError: as `lineal_path`.

    >>> m, mask, boundaries = prepared_phase(torch.ones(2, 3), None, "open", 2)
    >>> boundaries
    ('open', 'open')
    """
    m = full_precision(check_phase(m, ndim=ndim, empty=True))
    boundaries = boundary_of_each_axis(boundary, len(spatial_axes(ndim)))
    if mask is None:
        return m, None, boundaries
    return m, checked_mask(mask, m, ndim), boundaries


def _check_axis(axis: int, ndim: int) -> int:
    if not isinstance(axis, Integral) or axis not in spatial_axes(ndim):
        raise ValueError(f"expected axis as one of {spatial_axes(ndim)}, counted from the end, got {quote(axis)}")
    return axis


def weighted_mean(products: Tensor, weights: Tensor | None, ndim: int) -> Tensor:
    """Mean over the spatial axes of products that hold their weights, NaN where there are none.

    Args:
        products: shape (..., H, W), each already multiplied by its weight.
        weights: these weights, in a shape that broadcasts to that of products, or None where all are 1.
        ndim: number of spatial axes.

    >>> weighted_mean(torch.tensor([[1., 0., 0.]]), torch.tensor([[1., 1., 0.]]), 2)
    tensor(0.5000)
    """
    if weights is None:
        return products.mean(spatial_axes(ndim))
    shares = weights.sum(spatial_axes(ndim))
    return torch.where(shares > 0, products.sum(spatial_axes(ndim)) / torch.where(shares > 0, shares, 1), torch.nan)


def _longer(path: Tensor, m: Tensor, r: int, axis: int, wrapped: bool) -> Tensor:
    """Products of r + 1 pixels in a row from those of r."""
    if wrapped:
        return path * m.roll(-r, axis)
    n = m.shape[axis] - r
    return path.narrow(axis, 0, n) * m.narrow(axis, r, n)


def _neighbours(x: Tensor, axis: int, wrapped: bool) -> tuple[Tensor, Tensor]:
    """Pixels along an axis, and the next of each."""
    if wrapped:
        return x, x.roll(-1, axis)
    return x.narrow(axis, 0, x.shape[axis] - 1), x.narrow(axis, 1, x.shape[axis] - 1)


def _chords(phase: Tensor, known: Tensor, wrapped: bool, drop: bool) -> tuple[Tensor, Tensor]:
    """Image and length of each chord of lines (images, lines, n), found at the pixel where it ends."""
    n = phase.shape[-1]
    around = [torch.cat([x, x, x[..., :1]], -1) if wrapped else pad(x, (1, 1)) for x in (phase, known)]
    first = n if wrapped else 1  # chords that end in the second turn begin in the first at the earliest
    inside, seen = around
    places = torch.arange(inside.shape[-1], device=phase.device)
    before = torch.where(inside, -1, places).cummax(-1).values  # the last place that is no phase
    ends = inside & ~inside.roll(-1, -1) & (before >= 0)
    if drop:
        ends = ends & seen.gather(-1, before.clamp_min(0)) & seen.roll(-1, -1)
    ends[..., :first], ends[..., first + n :] = False, False
    image, _, _ = found = ends.nonzero(as_tuple=True)
    length = (places - before)[found]
    if not wrapped:
        return image, length
    whole, _ = phase.all(-1).nonzero(as_tuple=True)
    return torch.cat([image, whole]), torch.cat([length, torch.full_like(whole, n)])
