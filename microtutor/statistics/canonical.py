"""One image for each statistics: two-point statistics do not see cyclic shifts and point inversions, so fix both."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.fft import irfft, irfft2, rfft, rfft2

from microtutor.checks import check_field
from microtutor.streams import named_generator

ODD_PART = 0.25  # weight of the odd part of the template, which decides the inversion, against the bump
NOISE = 1e-4  # weight of the fixed random part, which settles what bump and odd part leave open
TIE = 1e-9  # overlaps closer than this, relative to the largest possible, are a tie


def canonical_form(images: Tensor) -> Tensor:
    """Bring images to one fixed representative of all images with their statistics: shifted cyclically, maybe inverted.

    An image, its cyclic shifts and its point inversions have equal two-point statistics. Of all these twins the one is
    taken that overlaps most with a fixed template: a bump that pulls the phase to the middle, with a small odd part
    that decides the inversion. Every twin therefore gives the same result, and the result is its own canonical form.

    Args:
        images: float, shape (..., H, W); every leading axis is batch.

    Returns:
        Same shape and dtype; pixels are only moved, never changed.

    Raises:
        TypeError, ValueError: images is no float tensor, has fewer than two axes, a side of 0 pixels, or is not finite.

    >>> m = torch.zeros(4, 4); m[0, 0] = 1
    >>> twin = m.roll((1, 2), (0, 1)).flip((0, 1))
    >>> torch.equal(canonical_form(m), canonical_form(twin))
    True
    """
    check_field(images, empty=True)
    if not images.numel():  # FFT libraries refuse a batch of nothing
        return images.clone()
    shape = images.shape
    flat = images.reshape(-1, *shape[-2:])
    look = flat.detach().cpu() if flat.device.type == "mps" else flat.detach()  # mps has no float64
    inverted, shift = _match_profiles(look)
    return _move(flat, inverted.to(flat.device), shift.to(flat.device)).reshape(shape)


def _match_profiles(flat: Tensor) -> tuple[Tensor, Tensor]:
    """The twin that overlaps most with the template, found from row and column sums: inverted (n,), shift (n, 2).

    The template is a function of the row plus a function of the column, so the overlap needs only the sums along
    each axis. Where they leave two different images equally good, `_match_images` decides.
    """
    total, shifts = torch.zeros(2, len(flat), dtype=torch.float64, device=flat.device), []
    tied = torch.zeros(len(flat), dtype=torch.bool, device=flat.device)
    scale = flat.abs().sum((-2, -1), dtype=torch.float64).clamp_min(1e-300) * TIE
    for axis, summed_axis in enumerate((-1, -2)):
        profile = flat.sum(summed_axis, dtype=torch.float64)
        side = profile.shape[-1]
        template = rfft(_template(side, axis).to(flat.device)).conj()
        spectrum = rfft(profile)
        overlap = irfft(torch.stack([spectrum, spectrum.conj()]) * template, n=side)  # (2, n, side): upright, inverted
        best, shift = overlap.topk(min(2, side), dim=-1)
        total = total + best[..., 0]
        shifts.append(shift[..., 0])
        if side > 1:
            tied = tied | (best[..., 0] - best[..., 1] < scale).any(0)
    shift = torch.stack(shifts, -1)  # (2, n, 2)
    inverted = total.argmax(0)
    tied = tied | _differ_though_tied(flat, total, shift, scale)
    shift = torch.where(inverted[:, None].bool(), shift[1], shift[0])
    if bool(tied.any()):
        inverted[tied], shift[tied] = _match_images(flat[tied])
    return inverted, shift


def _differ_though_tied(flat: Tensor, total: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Where upright and inverted overlap equally well and yet are different images, (n,) bool."""
    tied = (total[0] - total[1]).abs() < scale
    if bool(tied.any()):
        some, n = flat[tied], int(tied.sum())
        upright = _move(some, torch.zeros(n, dtype=torch.long, device=flat.device), shift[0, tied])
        inverted = _move(some, torch.ones(n, dtype=torch.long, device=flat.device), shift[1, tied])
        tied[tied.clone()] = (upright != inverted).flatten(1).any(1)
    return tied


def _match_images(flat: Tensor) -> tuple[Tensor, Tensor]:
    """As `_match_profiles`, from the whole images, with a template no two different twins can tie on."""
    height, width = flat.shape[-2:]
    noise = torch.rand(height, width, generator=named_generator("canonical form", 2), dtype=torch.float64)
    template = _template(height, 0)[:, None] + _template(width, 1) + NOISE * noise
    template = rfft2(template.to(flat.device)).conj()
    spectrum = rfft2(flat.double().contiguous())
    overlap = irfft2(torch.stack([spectrum, spectrum.conj()], 1) * template, s=(height, width))  # (n, 2, H, W)
    best = overlap.flatten(1).argmax(1)
    row, column = best % (height * width) // width, best % width
    return best // (height * width), torch.stack([row, column], -1)


def _template(side: int, axis: int) -> Tensor:
    """The template along one axis, highest in the middle."""
    angle = 2 * math.pi * (torch.arange(side, dtype=torch.float64) - side // 2) / side
    noise = torch.rand(side, generator=named_generator("canonical form", axis), dtype=torch.float64)
    return angle.cos() + ODD_PART * (2 * angle).sin() + NOISE * noise


def _move(flat: Tensor, inverted: Tensor, shift: Tensor) -> Tensor:
    """Pixel (y, x) of the result is pixel +-(y + shift[0], x + shift[1]) of the image; minus where inverted."""
    sign = 1 - 2 * inverted
    source = [
        (sign[:, None] * (torch.arange(side, device=flat.device) + shift[:, axis, None])) % side
        for axis, side in enumerate(flat.shape[-2:])
    ]
    n = torch.arange(len(flat), device=flat.device)
    return flat[n[:, None, None], source[0][:, :, None], source[1][:, None, :]]
