"""Which way a structure runs, and how strongly, read off the waves its two-point statistics are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.fft import fftfreq, irfftn, rfftfreq, rfftn

from microtutor.checks import check_count, check_number, check_spacing
from microtutor.statistics.fft import keep_shifts, spatial_axes, squared_modulus
from microtutor.statistics.readings import shifts_of_places, zero_shift_first

SHORT = 4.0  # pixels: the slopes of shorter waves count no more than theirs, for edges cut in pixels fold into them
RIM = 6.0  # pixels over which shifts fade out at the rim of a map that does not go on at its other side


def anisotropy(
    f: Tensor,
    *,
    radius: float | None = None,
    ndim: int = 2,
    centred: bool = False,
    spacing: float | Sequence[float] = 1.0,
) -> Tensor:
    """How much a structure prefers a direction: 0 if none, towards 1 for layers and fibres.

    The tensor T, the sum over shifts of the products of the slopes of f along the axes, has its largest eigenvalue
    across the structure and its smallest along it. Stretch a structure without preferred direction by a factor a:
    the largest is then a² times the smallest, so that 1 - sqrt(smallest / largest) gives 1 - 1/a. By Parseval's theorem
    T is a sum over waves, the second moment of the power spectrum P, in which waves shorter than four pixels count
    alike:

        T = sum_k k k^T P_k² / (1 + (4 px |k|)²), with k in cycles per length.

    It is exact for every wave the grid can hold. A map that does not go on at its other side, such as an open one or a
    window of max_shift, has no such spectrum (one that is nowhere negative): its shifts fade out over the last six
    pixels of the greatest circle, and waves should not be shorter than 2.2 pixels there.

    Args:
        f: autocorrelation, shape (..., H, W), zero shift at index 0.
        radius: greatest length of shifts to look at, in the unit of spacing, beyond which they fade out likewise; all
            of f by default. A small one tells more of the shape of interfaces, and less of lengths.
        ndim, centred, spacing: as for `radial_average`.

    Returns:
        In [0, 1], shape f.shape[:-ndim]. NaN where f is flat. A sample without preferred direction has some by chance.

    Raises:
        TypeError, ValueError: as `radial_average`; ndim is 1, radius is negative.

    >>> from microtutor.statistics import autocorrelation
    >>> rows = torch.arange(8)[:, None] // 2 % 2 * torch.ones(8)
    >>> anisotropy(autocorrelation(rows))
    tensor(1.)
    """
    tensor, floor = _slope_tensor(f, radius, ndim, centred, spacing)
    values = torch.linalg.eigvalsh(tensor)
    low, high = values[..., 0].clamp_min(0), values[..., -1]
    flat = high <= floor
    ratio = low / torch.where(flat, 1, high)
    some = ratio > 0  # the root has no slope at 0
    root = torch.where(some, torch.where(some, ratio, 1).sqrt(), 0)
    return torch.where(flat, torch.nan, 1 - root)


def orientation(
    f: Tensor,
    *,
    radius: float | None = None,
    ndim: int = 2,
    centred: bool = False,
    spacing: float | Sequence[float] = 1.0,
) -> Tensor:
    """The direction in which a structure is longest: the principal axis along which its statistics change least.

    Arguments are those of `anisotropy`, and so is the tensor whose axis it is.

    Returns:
        In two dimensions degrees in [0, 180) from the width, anticlockwise: 0 lies along the rows, 90 along the
        columns, 45 rises to the right (by as much in the unit of spacing as it goes to the right). Shape f.shape[:-2].
        With ndim=3, a unit vector (deeper, down, right), shape (..., 3), its largest component positive. NaN where no
        direction is preferred.

    Raises:
        TypeError, ValueError: as `anisotropy`.

    >>> from microtutor.statistics import autocorrelation
    >>> orientation(autocorrelation(torch.eye(8).fliplr())).round()
    tensor(45.)
    """
    tensor, floor = _slope_tensor(f, radius, ndim, centred, spacing)
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


def _slope_tensor(
    f: Tensor, radius: float | None, ndim: int, centred: bool, spacing: float | Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Sum over shifts of the products of the slopes of f along the axes, (..., ndim, ndim), in units of their own.

    With it comes what slopes of a few roundings of f(0) at each shift would sum up to, (...): less is flat.
    """
    if check_count(ndim, name="ndim") < 2:
        raise ValueError(f"expected at least 2 spatial axes, as one has no directions, got ndim={ndim}")
    f, size = zero_shift_first(f, ndim, centred), check_spacing(spacing, ndim)
    radius = None if radius is None else check_number(radius, name="radius", minimum=0) / max(size)
    size = [one / max(size) for one in size]  # from here on, lengths are in the longest side of a pixel
    axes = spatial_axes(ndim)
    if not f.numel():  # FFT libraries refuse a batch of nothing
        return f.new_zeros(*f.shape[:-ndim], ndim, ndim), f.new_zeros(f.shape[:-ndim])
    if radius is not None:
        for axis, one in zip(axes, size, strict=True):
            reach = min(math.ceil((radius + 1) / one), (f.shape[axis] - 1) // 2)
            f = keep_shifts(f, axis, (-reach, reach))
    with torch.autocast(f.device.type, enabled=False):
        seen, gaps = _fading(f, radius, size), f.isnan()
        level = torch.where(gaps, 0, f * seen).sum(axes, True) / seen.sum(axes, True).clamp_min(1e-9)
        spectrum = rfftn(torch.where(gaps, 0, f - level), dim=axes)
        if radius is None:
            seen = torch.where(_goes_on(f, spectrum, ndim), 1, seen)
        waves = _waves(f, size)
        long = 1 / (1 + waves.diagonal().sum(-1)).sqrt()
        tensor = _second_moment(spectrum * long, seen, waves)
    rounding = 4 * torch.finfo(f.dtype).eps * f.detach()[(..., *(0,) * ndim)].nan_to_num()
    return tensor, rounding.square() * f.shape[-ndim:].numel()


def _second_moment(spectrum: Tensor, seen: Tensor, waves: Tensor) -> Tensor:
    """Sum of the products of the slopes of a map, given by its spectrum, over the shifts seen, (..., ndim, ndim).

    Its weight being v², sum v² ∂f ∂f = sum ∂(v f) ∂(v f) + sum f² v ∂∂v: what fades out can be taken wave by wave.
    """
    ndim, shape = len(waves), seen.shape[2 - waves.ndim :]
    axes, rest = spatial_axes(ndim), 0.0
    if not bool((seen == 1).all()):
        f = irfftn(spectrum, s=shape, dim=axes)
        spectrum = rfftn(seen * f, dim=axes)
        inside = (..., None, None, *(slice(None),) * ndim)
        bends = irfftn(-waves * rfftn(seen, dim=axes)[inside], s=shape, dim=axes)
        rest = ((seen * f.square())[inside] * bends).sum(axes)
    power = squared_modulus(spectrum) / shape.numel()
    power[..., 1 : (shape[-1] + 1) // 2] *= 2  # the half of the waves that rfftn leaves out
    return torch.einsum("...n,ijn->...ij", power.flatten(-ndim), waves.flatten(2)) + rest


def _waves(f: Tensor, size: Sequence[float]) -> Tensor:
    """Products of the wave numbers of rfftn along the axes, each times SHORT, (ndim, ndim, H, W//2 + 1).

    The shortest wave of an even side runs up as much as down: its product with another number is 0.
    """
    *sides, last = f.shape[-len(size) :]
    each = [fftfreq(n, dtype=torch.float64) for n in sides] + [rfftfreq(last, dtype=torch.float64)]
    each = [SHORT * k / one for k, one in zip(each, size, strict=True)]
    signed = [torch.where(k.abs() * one == SHORT / 2, 0, k) for k, one in zip(each, size, strict=True)]
    k, both = (torch.stack(torch.meshgrid(*some, indexing="ij")) for some in (each, signed))
    products = both[:, None] * both
    products.diagonal().copy_(k.square().movedim(0, -1))
    return products.to(f)


def _fading(f: Tensor, radius: float | None, size: Sequence[float]) -> Tensor:
    """The root of how much each shift counts, (..., H, W): from 1 down to 0 at the rim of a circle without gaps."""
    ndim = len(size)
    steps = shifts_of_places(f, ndim) * torch.tensor(size, dtype=torch.float64).reshape(-1, *(1,) * ndim)
    length = steps.square().sum(0).sqrt().to(f)
    end = min((n // 2 * one for n, one in zip(f.shape[-ndim:], size) if n > 1), default=0.0)
    end = end if radius is None else min(radius + 1, end)
    gap = torch.where(f.isnan(), length, end).amin(spatial_axes(ndim), keepdim=True).clamp(1e-9, end or 1e-9)
    return (math.pi / 2 * ((gap - length) / gap.clamp_max(RIM)).clamp(0, 1)).sin().square()


def _goes_on(f: Tensor, spectrum: Tensor, ndim: int) -> Tensor:
    """Whether a map goes on at its other side, (..., 1, 1): that of an image has a real spectrum, nowhere negative."""
    zero, each = (..., *(slice(1),) * ndim), (..., *(None,) * ndim)
    wrong = torch.maximum(-spectrum.real, spectrum.imag.abs()).detach()
    wrong[zero] = 0  # the mean, which may have been taken off
    noise = 30 * torch.finfo(f.dtype).eps * f.shape[-ndim:].numel() ** 0.5 * f.detach()[zero].abs()
    return (wrong.amax(spatial_axes(ndim), keepdim=True) <= noise) & ~f.isnan().flatten(-ndim).any(-1)[each]
