"""Exercises of the chapter The FFT way: the theorem, borders, masks and two phases."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.fft import fftshift, irfft2, rfft2

from microtutor.exercises.checking import Case, Exercise
from microtutor.exercises.small_images import PICTURES, image_of, some_pixels
from microtutor.statistics import autocorrelation, cross_correlation


def _power(m: Tensor) -> Tensor:
    return rfft2(m).abs().square()


def _hands(row: Tensor) -> Tensor:
    return torch.fft.fft(row)


def _weight(height: int, width: int) -> Tensor:
    weight = torch.ones(height, width, dtype=torch.float64)
    weight[: height // 2, : width // 2] = 0
    return weight


def _masked(m: Tensor, w: Tensor) -> Tensor:
    return autocorrelation(m, mask=w)


OPEN = (
    Case("a phase that fills the image", lambda: (torch.ones(4, 6, dtype=torch.float64),)),
    Case("a pixel in a corner", lambda: (image_of("#...", "....", "...."),)),
    Case("two opposite borders", lambda: (image_of("#..#", "#..#", "#..#"),)),
    Case("random pixels, higher than wide", lambda: (some_pixels(6, 4),)),
)
TWO = (
    Case("one pixel each, in a row", lambda: (image_of("#...", "...."), image_of("..#.", "...."))),
    Case("one pixel each, in a column", lambda: (image_of("#.", "..", ".."), image_of("..", "#.", ".."))),
    Case("random pixels", lambda: (some_pixels(5, 4), 1 - some_pixels(5, 4).roll(1, 0))),
)
MASKED = (
    Case("nothing is hidden", lambda: (some_pixels(4, 6), torch.ones(4, 6, dtype=torch.float64))),
    Case("a quarter is hidden", lambda: (some_pixels(6, 4), _weight(6, 4))),
    Case("what is hidden is all phase", lambda: (1 - _weight(4, 4) * (1 - some_pixels(4, 4)), _weight(4, 4))),
)
EXERCISES = {
    "hands": Exercise(
        asks="the four numbers F(0), F(1), F(2), F(3) of the row 1, 0, 1, 0",
        solution=lambda: _hands(torch.tensor([1.0, 0, 1, 0], dtype=torch.float64)).real,
        cases=(Case("the row 1, 0, 1, 0"),),
        mistakes={
            "these are divided by the number of pixels; the walk of the hands only adds": lambda: torch.tensor(
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
    "fft-autocorrelation": Exercise(
        asks="a function of an image (H, W) that gives f at every shift, by the FFT",
        solution=autocorrelation,
        cases=PICTURES,
        mistakes={
            "the square is taken without the modulus: F² in place of |F|², a convolution of the image with "
            "itself": lambda m: irfft2(rfft2(m) ** 2, s=m.shape) / m.numel(),
            "the sum over pairs is not divided by the number of pixels": lambda m: irfft2(_power(m), s=m.shape),
            "the modulus is not squared": lambda m: irfft2(_power(m).sqrt(), s=m.shape) / m.numel(),
            "it is divided by the number of pixels twice: irfft2 divides by it once, and f once more": lambda m: (
                irfft2(_power(m), s=m.shape) / m.numel() ** 2
            ),
            "zero shift stands in the middle; it belongs at [0, 0]": lambda m: fftshift(autocorrelation(m)),
        },
        hints=(
            "three steps: rfft2 of the image, the square of the modulus, irfft2",
            "an odd width is lost on the way unless irfft2 is told the shape: s=m.shape",
            "irfft2(rfft2(m).abs() ** 2, s=m.shape) / m.numel()",
        ),
    ),
    "cross-correlation": Exercise(
        asks="a function of two images a and b that gives the chance to find a at a point and b at the shift from it",
        solution=cross_correlation,
        cases=TWO,
        mistakes={
            "the other factor is conjugated, so that shifts run backwards: that is f of b and a": lambda a, b: (
                cross_correlation(b, a)
            ),
            "nothing is conjugated, which gives a convolution": lambda a, b: (
                irfft2(rfft2(a) * rfft2(b), s=a.shape) / a.numel()
            ),
            "the sum over pairs is not divided by the number of pixels": lambda a, b: (
                cross_correlation(a, b) * a.numel()
            ),
        },
        hints=(
            "as for one phase, but |F|² becomes the product of one spectrum and the conjugate of the other",
            "to see which of the two is conjugated, try it with one pixel each: where is b, seen from a?",
            "irfft2(rfft2(a).conj() * rfft2(b), s=a.shape) / a.numel()",
        ),
    ),
    "open-boundary": Exercise(
        asks="a function of an image (H, W) that gives f of pairs inside the image, zero shift at [0, 0], shifts "
        "0, 1, ..., -2, -1 along each axis",
        solution=lambda m: autocorrelation(m, boundary="open"),
        cases=OPEN,
        mistakes={
            "pairs across the border are still counted: the image needs a border of zeros before the "
            "transform": lambda m: autocorrelation(m),
            "the sums are divided by the number of pixels; at a shift there are fewer pairs inside the "
            "image": lambda m: autocorrelation(m, boundary="open") * _pairs(m) / m.numel(),
            "the numbers of pairs are right, but pairs across the border are counted, too": lambda m: (
                autocorrelation(m) * m.numel() / _pairs(m)
            ),
        },
        hints=(
            "rfft2(m, s=(2 * H, 2 * W)) puts a border of zeros around the image",
            "at the shift (down, right) there are (H - |down|) (W - |right|) pairs inside the image",
            "keep the shifts fftfreq(H, 1 / H) and fftfreq(W, 1 / W) of the padded result, and divide by the pairs",
        ),
    ),
    "mask": Exercise(
        asks="a function of an image and a weight (1 known, 0 hidden) that gives f of pairs of known pixels, periodic",
        solution=_masked,
        cases=MASKED,
        mistakes={
            "hidden pixels are counted as pixels without the phase: divide by the pairs of known pixels, not by all "
            "pixels": lambda m, w: autocorrelation(m * w),
            "the mask is left out of the sums above the line: hidden pixels take part as they are": lambda m, w: (
                autocorrelation(m) / autocorrelation(w)
            ),
            "the pairs are taken as the share of known pixels; two points have to be known": lambda m, w: (
                autocorrelation(m * w) / w.mean()
            ),
            "hidden pixels are filled with the mean of the known ones, and count as if they were known": lambda m, w: (
                autocorrelation(torch.where(w > 0, m, (m * w).sum() / w.sum()))
            ),
        },
        hints=(
            "above the line stand the pairs of known phase pixels, below it the pairs of known pixels",
            "both are autocorrelations: of m times w, and of w",
            "autocorrelation(m * w) / autocorrelation(w)",
        ),
    ),
}


def _pairs(m: Tensor) -> Tensor:
    """Numbers of pairs inside an image at each shift."""
    each = [n - torch.fft.fftfreq(n, 1 / n, dtype=torch.float64).round().abs() for n in m.shape]
    return each[0][:, None] * each[1]
