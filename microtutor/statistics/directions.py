"""Which way a structure runs, and how strongly, read off its two-point statistics."""

from __future__ import annotations

import torch
from torch import Tensor

from microtutor.checks import check_count
from microtutor.statistics.products import spatial_axes
from microtutor.statistics.readings import _reach, _steps, _zero_first


def anisotropy(f: Tensor, *, radius: float | None = None, ndim: int = 2, centred: bool = False) -> Tensor:
    """How much a structure prefers a direction: 0 if none, towards 1 for layers and fibres.

    The tensor T, the sum over shifts of the products of the slopes of f along the axes, has its largest eigenvalue
    across the structure and its smallest along it. Stretching a structure with no preferred direction a-fold divides
    the one by the other a² times, so that 1 - sqrt(smallest / largest) gives 1 - 1/a.

    Args:
        f: autocorrelation, shape (..., H, W), zero shift at index 0.
        radius: greatest length of shifts to sum over, in pixels; one less than those with all directions unless told.
            A small one tells more of the shape of interfaces, and less of lengths.
        ndim, centred: as for `radial_average`.

    Returns:
        In [0, 1], shape f.shape[:-ndim]. NaN where f is flat. A sample without preferred direction has some by chance.

    Raises:
        TypeError, ValueError: as `radial_average`; ndim is 1.

    >>> from microtutor.statistics import autocorrelation
    >>> rows = torch.arange(8)[:, None] // 2 % 2 * torch.ones(8)
    >>> anisotropy(autocorrelation(rows))
    tensor(1.)
    """
    tensor, floor = _gradient_tensor(f, radius, ndim, centred)
    values = torch.linalg.eigvalsh(tensor)
    low, high = values[..., 0].clamp_min(0), values[..., -1]
    flat = high <= floor
    ratio = low / torch.where(flat, 1, high)
    some = ratio > 0  # the root has no slope at 0
    root = torch.where(some, torch.where(some, ratio, 1).sqrt(), 0)
    return torch.where(flat, torch.nan, 1 - root)


def orientation(f: Tensor, *, radius: float | None = None, ndim: int = 2, centred: bool = False) -> Tensor:
    """The direction in which a structure is longest: the principal axis along which its statistics change least.

    Arguments are those of `anisotropy`, and so is the tensor whose axis it is.

    Returns:
        In two dimensions degrees in [0, 180) from the width, anticlockwise: 0 lies along the rows, 90 along the
        columns, 45 rises to the right. Shape f.shape[:-2]. With ndim=3, a unit vector (deeper, down, right), shape
        (..., 3), its largest component positive. NaN where no direction is preferred.

    Raises:
        TypeError, ValueError: as `anisotropy`.

    >>> from microtutor.statistics import autocorrelation
    >>> orientation(autocorrelation(torch.eye(8).fliplr())).round()
    tensor(45.)
    """
    tensor, floor = _gradient_tensor(f, radius, ndim, centred)
    least = (1e3 * torch.finfo(tensor.dtype).eps * tensor.diagonal(dim1=-2, dim2=-1).sum(-1)).maximum(floor)
    if ndim == 2:
        even, odd = tensor[..., 0, 0] - tensor[..., 1, 1], 2 * tensor[..., 0, 1]  # rows point down: odd is positive
        angle = torch.rad2deg(0.5 * torch.atan2(odd, even)) % 180
        angle = torch.where(angle >= 180, 0, angle)  # what rounding makes of just below 0
        return torch.where(torch.hypot(even, odd) > least, angle, torch.nan)
    values, vectors = torch.linalg.eigh(tensor)
    vector = vectors[..., 0]
    sign = vector.gather(-1, vector.abs().argmax(-1, keepdim=True)).sign()
    unique = values[..., 1] - values[..., 0] > least
    return torch.where(unique[..., None], sign * vector, torch.nan)


def _gradient_tensor(f: Tensor, radius: float | None, ndim: int, centred: bool) -> tuple[Tensor, Tensor]:
    """Sum over shifts up to a radius of the products of the slopes of f along the axes, (..., ndim, ndim).

    With it comes what slopes of one rounding of f(0) at each shift would sum up to, (...): less is flat.
    """
    if check_count(ndim, name="ndim") < 2:
        raise ValueError(f"expected at least 2 spatial axes, as one has no directions, got ndim={ndim}")
    f = _zero_first(f, ndim, centred)
    most = _reach(f, ndim) - 1
    length = _steps(f, ndim).square().sum(0).sqrt()
    near = (length <= (most if radius is None else min(radius, most))).to(f.device)
    slopes = torch.stack([(f.roll(-1, axis) - f.roll(1, axis)) / 2 for axis in spatial_axes(ndim)], -ndim - 1)
    slopes = torch.where(near & ~slopes.isnan(), slopes, 0).flatten(-ndim)
    rounding = torch.finfo(f.dtype).eps * f.detach()[(..., *(0,) * ndim)].nan_to_num()
    with torch.autocast(f.device.type, enabled=False):
        return slopes @ slopes.mT, rounding.square() * near.sum()
