"""One image for each statistics: two-point statistics do not see cyclic shifts and point inversions, so fix both."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, partial

import torch
from torch import Tensor
from torch.fft import irfftn, rfft, rfft2

from microtutor.checks import check_field
from microtutor.streams import named_generator

ODD_PART = 0.25  # weight of the odd part of the template, which decides the inversion, against the bump
NOISE = 1e-4  # weight of the fixed random part, which settles what bump and odd part leave open
TIE = 1e-9  # overlaps closer than this, relative to the largest possible, are a tie


def canonical_form(images: Tensor) -> Tensor:
    """Bring images to one fixed representative of all images with their statistics: shifted cyclically, maybe inverted.

    An image, its cyclic shifts and its point inversions have equal two-point statistics; we call them equivalent. Of
    all equivalent images the one is taken that overlaps most with a fixed template: a bump that pulls the phase to the
    middle, with a small odd part that decides the inversion. All of them therefore give the same result, and the result
    is its own canonical form.

    Args:
        images: float, shape (..., H, W); every leading axis is batch.

    Returns:
        Same shape and dtype; pixels are only moved, never changed.

    Raises:
        TypeError, ValueError: images is no float tensor, has fewer than two axes, a side of 0 pixels, or is not finite.

    >>> m = torch.zeros(4, 4); m[0, 0] = 1
    >>> equivalent = m.roll((1, 2), (0, 1)).flip((0, 1))
    >>> torch.equal(canonical_form(m), canonical_form(equivalent))
    True
    """
    return _in_canonical_form(check_field(images, empty=True), ask=True)


def canonical_batch(images: Tensor) -> Tensor:
    """The same as `canonical_form`, for a training batch whose images are finite: the program never waits for a GPU.

    Which images have a tie is not asked, as the answer would have to come from the GPU. So all are looked at twice,
    which takes more memory, and on a processor more time.
    """
    return _in_canonical_form(images, ask=images.device.type in ("cpu", "mps"))


def _in_canonical_form(images: Tensor, *, ask: bool) -> Tensor:
    if not images.numel():  # FFT libraries refuse a batch of nothing
        return images.clone()
    shape = images.shape
    flat = images.reshape(-1, *shape[-2:])
    look = flat.detach().cpu() if flat.device.type == "mps" else flat.detach()  # mps has no float64
    return _move(flat, _match_profiles(look, ask).to(flat.device)).reshape(shape)


def _match_profiles(flat: Tensor, ask: bool) -> Tensor:
    """The move, see `_move`, to the equivalent image that overlaps most with the template: (n, 3).

    It is found from row and column sums. The template is a function of the row plus a function of the column, so the
    overlap needs only the sums along each axis. Where they leave two different images equally good, `_match_images`
    decides.
    """
    overlaps, shifts = [], []
    tied = torch.zeros(len(flat), dtype=torch.bool, device=flat.device)
    scale = flat.abs().sum((-2, -1), dtype=torch.float64).clamp_min(1e-300) * TIE
    for axis, summed_axis in enumerate((-1, -2)):
        profile = flat.sum(summed_axis, dtype=torch.float64)
        side = profile.shape[-1]
        overlaps.append(_overlap(rfft(profile), _template_spectrum(side, axis, flat.device), (side,)))
        best, shift = overlaps[-1].topk(min(2, side), dim=-1)
        shifts.append(shift[..., 0])
        if side > 1:
            tied = tied | (best[..., 0] - best[..., 1] < scale[:, None]).any(1)
    total = overlaps[0].amax(-1) + overlaps[1].amax(-1)  # (n, 2): upright, inverted
    shift = torch.stack(shifts, -1)  # (n, 2, 2)
    upright, inverted = (_as_move(torch.full_like(tied, k), shift[:, k]) for k in (0, 1))
    equal = (total[:, 0] - total[:, 1]).abs() < scale
    tied = tied | _of_some(ask, equal, equal, _differ, flat, upright, inverted)
    move = torch.where(total.argmax(1)[:, None] == 1, inverted, upright)
    match = partial(_match_images, torch.float64 if ask else torch.float32)
    return _of_some(ask, tied, move, match, flat, *overlaps)


def _of_some(ask: bool, chosen: Tensor, otherwise: Tensor, function: Callable[..., Tensor], *given: Tensor) -> Tensor:
    """The function of those that are chosen, (n,) bool, and what stands for the others; of all, if not to ask."""
    if not ask:
        found = function(*given)
        return torch.where(chosen.view(-1, *[1] * (found.ndim - 1)), found, otherwise)
    if bool(chosen.any()):
        otherwise = otherwise.clone()
        otherwise[chosen] = function(*(x[chosen] for x in given))
    return otherwise


def _differ(flat: Tensor, move: Tensor, other: Tensor) -> Tensor:
    """Whether two moves make different images of one, (n,) bool."""
    return (_move(flat, move) != _move(flat, other)).flatten(1).any(1)


def _match_images(dtype: torch.dtype, flat: Tensor, of_rows: Tensor, of_columns: Tensor) -> Tensor:
    """As `_match_profiles`, with a random part in the template, on which no two different equivalent images can tie.

    The overlaps with the other parts are given, (n, 2, H) and (n, 2, W). That with the random part, whose weight is
    small, may be found in float32, which is quick on every GPU.
    """
    height, width = flat.shape[-2:]
    spectrum, noise = rfft2(flat.to(dtype).contiguous()), _noise_spectrum(height, width, dtype, flat.device)
    overlap = of_rows[..., :, None] + of_columns[..., None, :]  # (n, 2, H, W)
    overlap = overlap.add_(_overlap(spectrum, noise, (height, width)), alpha=NOISE)
    best = overlap.flatten(1).argmax(1)
    shift = torch.stack([best % (height * width) // width, best % width], -1)
    return _as_move(best >= height * width, shift)


def _overlap(spectrum: Tensor, template: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Of images, upright and inverted, with a template at every shift, given the spectra of both: (n, 2, *shape)."""
    both = torch.stack([spectrum, spectrum.conj()], 1) * template
    return irfftn(both, s=shape, dim=tuple(range(-len(shape), 0)))


@lru_cache(maxsize=16)
def _template_spectrum(side: int, axis: int, device: torch.device) -> Tensor:
    """Kept where it is used, as a GPU would be waited for to be sent it."""
    return rfft(_template(side, axis)).conj().resolve_conj().to(device)


@lru_cache(maxsize=8)
def _noise_spectrum(height: int, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Of the random part, less its mean, which is the same for all shifts and would take digits from what is not."""
    noise = torch.rand(height, width, generator=named_generator("canonical form", 2), dtype=torch.float64)
    return rfft2((noise - noise.mean()).to(dtype)).conj().resolve_conj().to(device)


def _template(side: int, axis: int) -> Tensor:
    """The template along one axis, highest in the middle."""
    angle = 2 * math.pi * (torch.arange(side, dtype=torch.float64) - side // 2) / side
    noise = torch.rand(side, generator=named_generator("canonical form", axis), dtype=torch.float64)
    return angle.cos() + ODD_PART * (2 * angle).sin() + NOISE * noise


def _as_move(inverted: Tensor, shift: Tensor) -> Tensor:
    """A move: the sign, and the shift along both axes, (n, 3)."""
    return torch.cat([1 - 2 * inverted.long()[:, None], shift], 1)


def _move(flat: Tensor, move: Tensor) -> Tensor:
    """Pixel (y, x) of the result is pixel +-(y + shift[0], x + shift[1]) of the image; minus where inverted."""
    sign = move[:, :1]
    source = [
        sign * (torch.arange(side, device=flat.device) + move[:, axis, None]) % side
        for axis, side in enumerate(flat.shape[-2:], 1)
    ]
    n = torch.arange(len(flat), device=flat.device)
    return flat[n[:, None, None], source[0][:, :, None], source[1][:, None, :]]
