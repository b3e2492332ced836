"""Exercises of the chapter Borders, masks and phases."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.fft import irfft2, rfft2

from microtutor.exercises.checking import Case, Exercise
from microtutor.exercises.small_images import image_of, some_pixels
from microtutor.statistics import autocorrelation, cross_correlation, two_point_statistics


def _weight(height: int, width: int) -> Tensor:
    weight = torch.ones(height, width, dtype=torch.float64)
    weight[: height // 2, : width // 2] = 0
    return weight


def _masked(m: Tensor, w: Tensor) -> Tensor:
    return autocorrelation(m, mask=w)


def _inside(height: int, width: int, down: int, right: int) -> int:
    return (height - abs(down)) * (width - abs(right))


def _window(f: Tensor, *, drop: bool = True, flip: bool = False) -> Tensor:
    """A map with zero shift in the middle, without the row and the column of -n/2."""
    middle = torch.fft.fftshift(f)
    rows, columns = (1 - n % 2 for n in f.shape)
    if not drop:
        return middle
    return middle[: -rows or None, : -columns or None] if flip else middle[rows:, columns:]


def _three_phases(height: int, width: int) -> Tensor:
    first = some_pixels(height, width)
    second = (1 - first) * some_pixels(width, height).T
    return torch.stack([first, second, 1 - first - second])


def _maps(height: int, width: int) -> tuple[Tensor, ...]:
    f = two_point_statistics(_three_phases(height, width))
    return f[0, 0], f[0, 1], f[1, 1]


def _opposite(f: Tensor) -> Tensor:
    """The map at -r."""
    return f.flip((0, 1)).roll((1, 1), (0, 1))


def _third(f00: Tensor, f01: Tensor, f11: Tensor, *, turn: bool = True, other: float = 1.0) -> Tensor:
    f10 = _opposite(f01) if turn else f01
    return 1 - 2 * f00[0, 0] - 2 * f11[0, 0] + f00 + other * (f01 + f10) + f11


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
    Case("an odd width", lambda: (some_pixels(4, 5), 1 - some_pixels(4, 5).roll(1, 0))),
)
MASKED = (
    Case("nothing is hidden", lambda: (some_pixels(4, 6), torch.ones(4, 6, dtype=torch.float64))),
    Case("a quarter is hidden", lambda: (some_pixels(6, 4), _weight(6, 4))),
    Case("what is hidden is all phase", lambda: (1 - _weight(4, 4) * (1 - some_pixels(4, 4)), _weight(4, 4))),
)
EVEN = (
    Case("an odd image", lambda: (autocorrelation(some_pixels(5, 7)),)),
    Case("an even image", lambda: (autocorrelation(some_pixels(6, 4)),)),
    Case("even height, odd width", lambda: (autocorrelation(some_pixels(4, 5)),)),
)
INSIDE = (
    Case("no shift", lambda: (5, 6, 0, 0)),
    Case("to the right", lambda: (5, 6, 0, 2)),
    Case("down and to the right", lambda: (5, 6, 1, 2)),
    Case("up and to the left", lambda: (30, 41, -14, -20)),
)
EXERCISES = {
    "pairs-inside": Exercise(
        asks="a function of height, width and a shift down and right that gives the number of pairs inside the image",
        solution=_inside,
        cases=INSIDE,
        mistakes={
            "a shift up or to the left is negative, and takes out as many pixels as one down or to the "
            "right": lambda h, w, i, j: (h - i) * (w - j),
            "rows and columns are subtracted in turn, and the corner, which is in both, twice": lambda h, w, i, j: (
                h * w - abs(i) * w - abs(j) * h
            ),
            "with a periodic boundary this would be right: every pixel has its partner": lambda h, w, i, j: h * w,
        },
        hints=(
            "draw the image and a copy that is moved: which part do both cover?",
            "the overlap is a rectangle; a shift of i leaves H - |i| of its rows",
            "(height - abs(down)) * (width - abs(right))",
        ),
    ),
    "odd-window": Exercise(
        asks="a function of a map f with zero shift at [0, 0] that gives it with zero shift in the middle, and equally "
        "many shifts on both sides",
        solution=_window,
        cases=EVEN,
        mistakes={
            "an even side still has its shift of -n/2, with no partner at +n/2": lambda f: _window(f, drop=False),
            "the last row and column are cut off; -n/2 stands first": lambda f: _window(f, flip=True),
            "an odd side has no shift of -n/2, and nothing to be cut off": lambda f: torch.fft.fftshift(f)[1:, 1:],
        },
        hints=(
            "torch.fft.fftshift brings zero shift to [H // 2, W // 2]",
            "for an even side n the shifts are then -n/2, ..., n/2 - 1; write them down for n = 4 and n = 5",
            "cut off 1 - H % 2 rows at the top and 1 - W % 2 columns at the left",
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
            "rfft2(m, s=(2 * H, 2 * W)) adds zeros below and to the right, up to twice the size; that is enough",
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
            "it is divided by the share of known pixels; but both points of a pair have to be known": lambda m, w: (
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
    "cross-correlation": Exercise(
        asks="a function of two images a and b that gives the chance to find a at a point and b at the shift from it",
        solution=cross_correlation,
        cases=TWO,
        mistakes={
            "the other factor is conjugated, so that shifts run backwards: that is f of b and a": lambda a, b: (
                cross_correlation(b, a)
            ),
            "an odd width is lost: irfft2 takes every width as even unless it is told s=a.shape": lambda a, b: (
                irfft2(rfft2(a).conj() * rfft2(b)) / a.numel()
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
    "third-phase": Exercise(
        asks="a function of the maps f00, f01 and f11 of three phases, numbered 0, 1, 2, that gives f22",
        solution=_third,
        cases=(
            Case("higher than wide", lambda: _maps(6, 4)),
            Case("odd sides", lambda: _maps(5, 7)),
            Case("one row", lambda: _maps(1, 9)),
        ),
        mistakes={
            "f10 is not f01, but f01 at the opposite shift": lambda a, b, c: _third(a, b, c, turn=False),
            "f01 is flipped, but not rolled by one along both axes: its zero shift is not at [0, 0]": lambda a, b, c: (
                _third(a, b, c) - _opposite(b) + b.flip((0, 1))
            ),
            "f01 and f10 are missing: the third phase is what is in neither of the others": lambda a, b, c: _third(
                a, b, c, other=0.0
            ),
            "that is what is left of 1 when two of the eight other maps are taken away": lambda a, b, c: 1 - a - c,
            "each volume fraction has to be taken away twice, once for each end of the pair": lambda a, b, c: (
                _third(a, b, c) + a[0, 0] + c[0, 0]
            ),
        },
        hints=(
            "the third phase has the indicator 1 - a - b; multiply out (1 - a - b) at x times (1 - a - b) at x + r",
            "four terms hold one indicator alone, and their means are volume fractions: f00[0, 0] and f11[0, 0]",
            "1 - 2 f00[0, 0] - 2 f11[0, 0] + f00 + f01 + f10 + f11, where f10 is f01 flipped, and rolled by one along "
            "both axes",
        ),
    ),
}


def _pairs(m: Tensor) -> Tensor:
    """Numbers of pairs inside an image at each shift."""
    each = [n - torch.fft.fftfreq(n, 1 / n, dtype=torch.float64).round().abs() for n in m.shape]
    return each[0][:, None] * each[1]
