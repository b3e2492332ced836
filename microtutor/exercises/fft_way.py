"""Exercises of the chapter The FFT way: waves, the theorem and its code."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.fft import fft, fft2, fftshift, irfft2, rfft2

from microtutor.exercises.checking import Case, Exercise
from microtutor.exercises.small_images import PICTURES, image_of, some_pixels
from microtutor.statistics import autocorrelation


def _power(m: Tensor) -> Tensor:
    return rfft2(m).abs().square()


def _hands(row: Tensor) -> Tensor:
    return fft(row)


def _turned(spectrum: Tensor, s: int, *, sign: float = 1.0, period: int | None = None) -> Tensor:
    """The transform of m(x + s), from that of m(x)."""
    n = len(spectrum)
    return spectrum * torch.exp(sign * 2j * math.pi * torch.arange(n, dtype=torch.float64) * s / (period or n))


def _wave(m: Tensor, ky: int, kx: int) -> Tensor:
    return fft2(m)[ky, kx]


def _opposite(m: Tensor, sign: int = 1) -> Tensor:
    """The mean over x of m(x) m(r - x), at every r."""
    return irfft2(rfft2(m) ** 2 if sign > 0 else _power(m), s=m.shape) / m.numel()


def _spectrum_of(*row: float) -> Tensor:
    return fft(torch.tensor(row, dtype=torch.float64))


MOVED = (
    Case("no shift", lambda: (_spectrum_of(1, 1, 0, 0), 0)),
    Case("a quarter of the row", lambda: (_spectrum_of(1, 1, 0, 0), 1)),
    Case("the other way", lambda: (_spectrum_of(1, 0, 0, 1, 1, 0), -2)),
    Case("an odd row", lambda: (_spectrum_of(1, 1, 0, 1, 0, 0, 0), 3)),
)
WAVES = (
    Case("wave 0", lambda: (some_pixels(6, 4), 0, 0)),
    Case("a wave along the width", lambda: (image_of("#...", "#...", "...."), 0, 1)),
    Case("a wave along the height", lambda: (some_pixels(6, 4), 2, 0)),
    Case("a slanted wave", lambda: (some_pixels(5, 8), 1, 3)),
)
OPPOSITE = (
    Case("a single pixel at [0, 0]", lambda: (image_of("#...", "....", "...."),)),
    Case("a single pixel elsewhere", lambda: (image_of("....", ".#..", "...."),)),
    Case("two pixels in a row", lambda: (image_of("##..", "....", "...."),)),
    Case("random pixels, higher than wide", lambda: (some_pixels(6, 4),)),
)
EXERCISES = {
    "hands": Exercise(
        asks="the four numbers F(0), F(1), F(2), F(3) of the row 1, 0, 1, 0",
        solution=lambda: _hands(torch.tensor([1.0, 0, 1, 0], dtype=torch.float64)).real,
        cases=(Case("the row 1, 0, 1, 0"),),
        mistakes={
            "these are divided by the number of pixels, but F(k) is the sum of the steps": lambda: torch.tensor(
                [0.5, 0, 0.5, 0]
            ),
            "these are the squares |F|²": lambda: torch.tensor([4.0, 0, 4, 0]),
            "the second step turns by k half turns: for k = 2 it points where the first did": lambda: torch.tensor(
                [2.0, 0, 0, 0]
            ),
        },
        hints=(
            "F(k) is the sum of one step for each pixel of the phase, turned by k x / 4 of a full turn",
            "here the phase is at x = 0 and x = 2, so the second step turns by k half turns",
            "for even k both steps point the same way, for odd k they cancel",
        ),
    ),
    "moved-spectrum": Exercise(
        asks="a function of the transform F of a row m(x) and a shift s that gives the transform of m(x + s)",
        solution=_turned,
        cases=MOVED,
        mistakes={
            "the hands turn the other way: that is the transform of m(x - s)": lambda F, s: _turned(F, s, sign=-1.0),
            "the transform itself was rolled, which multiplies the row by a wave": lambda F, s: F.roll(-s),
            "every hand is turned by the same angle; wave k turns k times as far": lambda F, s: (
                F * torch.exp(torch.tensor(2j * math.pi * s / len(F), dtype=torch.complex128))
            ),
            "the angle is counted in radians; s/N of a turn is 2 π s/N": lambda F, s: _turned(
                F, s, sign=1 / (2 * math.pi)
            ),
        },
        hints=(
            "no transform back is needed: the length of each hand stays, and only its angle changes",
            "the hand of wave k turns by k s / N of a full turn",
            "F * torch.exp(2j * math.pi * torch.arange(N) * s / N), with N = len(F)",
        ),
    ),
    "one-wave": Exercise(
        asks="a function of an image (H, W) and of ky and kx that gives the one number F(ky, kx)",
        solution=_wave,
        cases=WAVES,
        mistakes={
            "ky and kx are exchanged: the first counts waves along the height": lambda m, ky, kx: (
                m * torch.exp(-2j * math.pi * _turns(m, kx, ky))
            ).sum(),
            "the hands turn the other way; the transform has a minus sign in the exponent": lambda m, ky, kx: _wave(
                m, ky, kx
            ).conj(),
            "it is divided by the number of pixels; the transform only adds": lambda m, ky, kx: (
                _wave(m, ky, kx) / m.numel()
            ),
            "both directions are counted along one side; y has to be divided by H and x by W": lambda m, ky, kx: (
                m * torch.exp(-2j * math.pi * _turns(m, ky * m.shape[0] / m.shape[1], kx))
            ).sum(),
        },
        hints=(
            "make the number of turns at every pixel first, an array (H, W): ky y / H + kx x / W",
            "y is torch.arange(H)[:, None] and x is torch.arange(W)",
            "(m * torch.exp(-2j * math.pi * turns)).sum()",
        ),
    ),
    "fft-autocorrelation": Exercise(
        asks="a function of an image (H, W) that gives f at every shift, by the FFT",
        solution=autocorrelation,
        cases=(*PICTURES, Case("an odd width", lambda: (some_pixels(4, 5),))),
        mistakes={
            "the square is taken without the modulus: F² in place of |F|², a convolution of the image with "
            "itself": lambda m: irfft2(rfft2(m) ** 2, s=m.shape) / m.numel(),
            "the sum over pairs is not divided by the number of pixels": lambda m: irfft2(_power(m), s=m.shape),
            "the modulus is not squared": lambda m: irfft2(_power(m).sqrt(), s=m.shape) / m.numel(),
            "it is divided by N once too often: irfft2 divides by N itself, and f needs one more division": lambda m: (
                irfft2(_power(m), s=m.shape) / m.numel() ** 2
            ),
            "zero shift stands in the middle; it belongs at [0, 0]": lambda m: fftshift(autocorrelation(m)),
            "an odd width is lost: irfft2 takes every width as even unless it is told s=m.shape": lambda m: (
                irfft2(_power(m)) / m.numel()
            ),
        },
        hints=(
            "three steps: rfft2 of the image, the square of the modulus, irfft2",
            "an odd width is lost on the way unless irfft2 is told the shape: s=m.shape",
            "irfft2(rfft2(m).abs() ** 2, s=m.shape) / m.numel()",
        ),
    ),
    "opposite-pairs": Exercise(
        asks="a function of an image (H, W) that gives, at every r, the sum over pixels that irfft2(rfft2(m)**2) is, "
        "divided by their number",
        solution=_opposite,
        cases=OPPOSITE,
        mistakes={
            "that is f itself, the mean of m(x) m(x + r), which is that of m(x) m(x - r), too": lambda m: _opposite(
                m, sign=-1
            ),
            "a flip alone gives m(-1 - x); one pixel more along both axes makes m(-x) of it": lambda m: _opposite(
                m
            ).roll((1, 1), (0, 1)),
            "the pairs whose sum is -r are counted, in place of r": lambda m: (
                _opposite(m).flip((0, 1)).roll((1, 1), (0, 1))
            ),
            "the sum is not divided by the number of pixels": lambda m: _opposite(m) * m.numel(),
        },
        hints=(
            "go through the four lines of the theorem, but leave out the bar: both exponents are -2 π i k",
            "the factor e^(-2 π i k (x + y) / N) asks for pairs whose sum x + y is r",
            "at each r: the mean of m times m(r - x), which is m.flip((0, 1)).roll((ry + 1, rx + 1), (0, 1))",
        ),
    ),
}


def _turns(m: Tensor, ky: float, kx: float) -> Tensor:
    """The turns of a wave at each pixel."""
    y, x = (torch.arange(n, dtype=torch.float64) for n in m.shape)
    return ky * y[:, None] / m.shape[0] + kx * x / m.shape[1]
