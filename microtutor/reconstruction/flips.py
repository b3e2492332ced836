"""From nearly two-valued images to two-valued ones: a threshold at the right volume fraction, then single pixels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.fft import irfft2, rfft2

from microtutor.reconstruction.targets import Target


def two_valued(images: Tensor, target: Target) -> Tensor:
    """Two-valued images made from nearly two-valued ones, shape (batch, H, W) or (batch, n, H, W).

    For one phase, the brightest pixels become 1, as many as the volume fraction asks for; with a periodic boundary,
    `flip_pixels` then lowers the statistics error. With several phases each pixel goes to its largest share.
    """
    if target.phases is not None:
        return torch.zeros_like(images).scatter(1, images.argmax(1, keepdim=True), 1.0)
    binary = brightest(images, (target.fractions * images[0].numel()).round())
    return flip_pixels(binary, target.statistics) if target.is_periodic else binary


def brightest(images: Tensor, number: Tensor) -> Tensor:
    """1 in the brightest pixels of each image (batch, ...), as many as `number` (batch, 1) says; 0 in the others."""
    rank = images.flatten(1).argsort(1, descending=True).argsort(1)
    return (rank < number).to(images).reshape(images.shape)


def flip_pixels(images: Tensor, f: Tensor) -> Tensor:
    """Flip the pixel that lowers the statistics error most, one at a time in each image, until none does.

    To flip pixel p by d = 1 - 2 m(p) changes f(r) by (d (m(p + r) + m(p - r)) + [r = 0]) / N. With e the difference to
    the wanted statistics, the error summed over shifts changes by

        2 / N (2 d (e * m)(p) + e(0)) + (2 sum_x m(x)^2 + 2 (m * m)(2 p) + 4 d m(p) + 1) / N^2,

    with * a convolution: two inverse FFTs tell it for all pixels at once.

    Args:
        images: two-valued, (batch, H, W).
        f: wanted periodic autocorrelations, (batch, H, W).

    >>> from microtutor.statistics import autocorrelation
    >>> bar = torch.tensor([[[1., 1., 1., 0., 0., 0.]]])
    >>> flip_pixels(torch.tensor([[[1., 1., 1., 0., 1., 0.]]]), autocorrelation(bar))
    tensor([[[1., 1., 1., 0., 0., 0.]]])
    """
    device = torch.device("cpu") if images.device.type == "mps" else images.device  # mps has no float64
    m, result, shape = images.to(device).double(), images.clone(), images.shape[-2:]
    pixels, rows = shape[0] * shape[1], torch.arange(len(images), device=device)
    twice = [(2 * torch.arange(n, device=device)) % n for n in shape]
    wanted = rfft2(f.to(device).double())
    while len(rows):
        spectrum = rfft2(m)
        difference = spectrum.abs().square() / pixels - wanted[rows]
        along = irfft2(difference * spectrum, s=shape)
        doubled = irfft2(spectrum.square(), s=shape)[:, twice[0]][:, :, twice[1]]
        at_zero = irfft2(difference, s=shape)[:, :1, :1]
        flip, black = 1 - 2 * m, m.sum((-2, -1), keepdim=True)
        change = 2 * pixels * (2 * flip * along + at_zero) + 2 * (black + doubled) + 4 * flip * m + 1
        lowest, place = change.flatten(1).min(1)
        better = lowest < -1e-6  # in units of 1 / N^2, the least that a flip can bring
        result[rows[~better]] = m[~better].to(result)
        m, rows, place = m[better], rows[better], place[better]
        m.flatten(1).scatter_(1, place[:, None], 1 - m.flatten(1).gather(1, place[:, None]))
    return result
