"""Exercises of the chapter A differentiable FFT loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.fft import fftfreq, irfft2, rfft2

from microtutor.exercises.checking import Case, Exercise
from microtutor.exercises.small_images import image_of, some_pixels
from microtutor.statistics import autocorrelation
from microtutor.streams import seeded_generator


# --- images to try answers on -----------------------------------------------------------------------------------------
def _grey(height: int, width: int, seed: int) -> Tensor:
    return torch.rand(height, width, generator=seeded_generator(seed), dtype=torch.float64)


def _corner() -> Tensor:
    return image_of("###.", "#...", "....", "....", "....", "....")


PAIRS = (
    Case("an image and a shifted copy", lambda: (_corner(), _corner().roll((2, 1), (0, 1)))),
    Case("an image and an empty one", lambda: (_corner(), torch.zeros(6, 4, dtype=torch.float64))),
    Case("grey pixels", lambda: (_grey(6, 8, 1), _grey(6, 8, 2))),
    Case("an odd width", lambda: (_grey(4, 5, 3), some_pixels(4, 5))),
)


# --- the loss and its gradient, right and wrong -----------------------------------------------------------------------
def _power(m: Tensor) -> Tensor:
    return rfft2(m).abs().square()


def _statistics(m: Tensor, *, divide: bool = True) -> Tensor:
    f = irfft2(_power(m), s=m.shape)
    return f / m.numel() if divide else f


def _differences(m: Tensor, target: Tensor, *, divide: bool = True) -> Tensor:
    return (_statistics(m, divide=divide) - _statistics(target, divide=divide)).square()


def _gradient(m: Tensor, target: Tensor, *, turned: bool = False) -> Tensor:
    F = rfft2(m)
    return 4 / m.numel() ** 2 * irfft2((_power(m) - _power(target)) * (F.conj() if turned else F), s=m.shape)


def _weights(width: int) -> Tensor:
    near = fftfreq(width, 1 / width).int().abs()
    return torch.tensor([float((near == k).sum()) for k in range(width // 2 + 1)], dtype=torch.float64)


def _twice_but(width: int, *single: int) -> Tensor:
    weights = torch.full((width // 2 + 1,), 2.0, dtype=torch.float64)
    weights[list(single)] = 1
    return weights


def _window(m: Tensor, target: Tensor, most: int, *, both_sides: bool = True, short: int = 0) -> Tensor:
    squares = torch.fft.fftshift(_differences(m, target))
    middle = [side // 2 for side in m.shape]
    rows, columns = (slice(c - most if both_sides else c, c + most + 1 - short) for c in middle)
    return squares[rows, columns].sum()


def _is_grey(f: Tensor) -> Tensor:
    return f.mean().sqrt() - f[0, 0]


EXERCISES: dict[str, Exercise] = {
    "shifted-copy": Exercise(
        asks="a function of the map f and of a shift down and right that gives the pixel error of the shifted copy",
        solution=lambda f, down, right: 2 * (f[0, 0] - f[down, right]),
        cases=(
            Case("no shift", lambda: (autocorrelation(_corner()), 0, 0)),
            Case("a short shift", lambda: (autocorrelation(_corner()), 0, 1)),
            Case("a shift beyond all overlap", lambda: (autocorrelation(_corner()), 3, 2)),
            Case("random pixels", lambda: (autocorrelation(some_pixels(6, 8)), 2, 5)),
        ),
        mistakes={
            "the factor 2 is missing: a pixel differs where the image has the phase and where the copy has it": (
                lambda f, down, right: f[0, 0] - f[down, right]
            ),
            "that is 2 (1 - f(r)), as if f began at 1; it begins at the volume fraction": (
                lambda f, down, right: 2 * (1 - f[down, right])
            ),
            "that is twice the overlap, which is large where the pixel error is small": (
                lambda f, down, right: 2 * f[down, right]
            ),
        },
        hints=(
            "multiply out the square, and use that m² = m for zeros and ones",
            "the mean of m(x) is f(0), that of m(x + r) too, and that of their product is f(r)",
        ),
    ),
    "statistics-loss": Exercise(
        asks="a function of two images (H, W) that gives the sum over all shifts of the squared difference of f",
        solution=lambda m, target: _differences(m, target).sum(),
        cases=PAIRS,
        mistakes={
            "that is the mean over the shifts, which is the statistics error; the loss is the sum": (
                lambda m, target: _differences(m, target).mean()
            ),
            "f is not divided by the number of pixels": lambda m, target: _differences(m, target, divide=False).sum(),
            "that is the square root of the sum, a norm; the loss is the sum itself": (
                lambda m, target: _differences(m, target).sum().sqrt()
            ),
            "that compares pixels, not statistics": lambda m, target: (m - target).square().sum(),
        },
        hints=(
            "autocorrelation(m) gives f at every shift",
            "subtract the two maps, square, and sum over all shifts",
        ),
    ),
    "statistics-gradient": Exercise(
        asks="a function of two images (H, W) that gives the derivative of the loss by each pixel of the first, (H, W)",
        solution=_gradient,
        cases=PAIRS,
        mistakes={
            "the factor is 2 instead of 4: each pixel is the first point of some pairs and the second of others": (
                lambda m, target: _gradient(m, target) / 2
            ),
            "that is the gradient of the mean over shifts; the loss is the sum": (
                lambda m, target: _gradient(m, target) / m.numel()
            ),
            "F stands there conjugated, which turns the gradient by half a turn": (
                lambda m, target: _gradient(m, target, turned=True)
            ),
            "that is the way downhill; the gradient has the other sign": lambda m, target: -_gradient(m, target),
            "that is 4 times the filtered image; it is still to be divided by N²": (
                lambda m, target: _gradient(m, target) * m.numel() ** 2
            ),
        },
        hints=(
            "the gradient is the image, filtered by the error in its statistics",
            "in Fourier space: (|F|² - |F of the target|²) F",
            "4 / m.numel()**2 * irfft2((power(m) - power(target)) * rfft2(m), s=m.shape)",
        ),
    ),
    "half-spectrum": Exercise(
        asks="a function of the width W that gives the weight of each of the W // 2 + 1 columns of rfft2",
        solution=_weights,
        cases=tuple(Case(f"W = {width}", lambda width=width: (width,)) for width in (6, 5, 4, 9, 224)),
        mistakes={
            "the first column, of frequency 0, has no partner; it counts once": lambda width: _twice_but(width),
            "the last column counts once only if the width is even": lambda width: _twice_but(width, 0, width // 2),
            "if the width is even, the last column is its own partner and counts once": (
                lambda width: _twice_but(width, 0)
            ),
        },
        hints=(
            "write down fftfreq(W, 1 / W) for W = 6 and for W = 5, and count how often each absolute value occurs",
            "all weights are 2, except that of column 0 and, for an even width, that of column W / 2",
        ),
    ),
    "black-or-grey": Exercise(
        asks="a function of the map f alone, (H, W), that gives the mean of m minus the mean of m²",
        solution=_is_grey,
        cases=(
            Case("black and white", lambda: (_statistics(_corner()),)),
            Case("an even grey of 0.3", lambda: (_statistics(torch.full((6, 4), 0.3, dtype=torch.float64)),)),
            Case("random greys", lambda: (_statistics(_grey(6, 8, 4)),)),
            Case("faint black and white", lambda: (_statistics(0.5 * _corner()),)),
        ),
        mistakes={
            "the mean of f is the square of the mean of m: a root is missing": lambda f: f.mean() - f[0, 0],
            "the sum of f is N times the square of the mean of m: divide by N before the root": (
                lambda f: f.sum().sqrt() - f[0, 0]
            ),
            "the sign is wrong: the mean of m² is the smaller one": lambda f: -_is_grey(f),
            "f(0) is the mean of m² already; no root there": lambda f: f.mean().sqrt() - f[0, 0].sqrt(),
        },
        hints=(
            "one of the two means is f(0)",
            "the sum of f over all shifts is N times the square of the mean of m",
            "f.mean().sqrt() - f[0, 0]",
        ),
    ),
    "short-shifts": Exercise(
        asks="a function of two images (H, W) and the largest shift that gives the loss over the shifts from -largest "
        "to +largest along both axes",
        solution=_window,
        cases=(
            Case("no shift at all", lambda: (_grey(7, 8, 5), _grey(7, 8, 6), 0)),
            Case("one pixel", lambda: (_grey(7, 8, 5), _grey(7, 8, 6), 1)),
            Case("two pixels", lambda: (_corner(), some_pixels(6, 4)[:, [1, 2, 3, 0]], 1)),
            Case("three pixels", lambda: (_grey(8, 9, 7), some_pixels(8, 9), 3)),
        ),
        mistakes={
            "the negative shifts are missing; f[: largest + 1, : largest + 1] holds a quarter of the window": (
                lambda m, target, most: _window(m, target, most, both_sides=False)
            ),
            "the last shift, +largest, is left out": lambda m, target, most: _window(m, target, most, short=1),
            "all shifts are compared": lambda m, target, most: _differences(m, target).sum(),
            "that is the mean over the window, not the sum": (
                lambda m, target, most: _window(m, target, most) / (2 * most + 1) ** 2
            ),
        },
        hints=(
            "Parseval's theorem does not help here: come back to f(r), and cut it",
            "negative shifts stand at the end of f; move zero shift to the middle with fftshift, or use max_shift",
            "(autocorrelation(m, max_shift=s) - autocorrelation(target, max_shift=s)).square().sum()",
        ),
    ),
}
