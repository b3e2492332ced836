"""Exercises of the chapter Counting pairs: two-point statistics by loop and by thought."""

from __future__ import annotations

import torch
from torch import Tensor

from microtutor.exercises.checking import Case, Exercise
from microtutor.exercises.small_images import PICTURES, image_of, lines_apart
from microtutor.statistics import autocorrelation, cross_correlation


def _loops(m: Tensor, *, wrap: bool = True, divide: bool = True) -> Tensor:
    height, width = m.shape
    sums = torch.zeros_like(m)
    for down in range(height):
        for right in range(width):
            moved = m.roll((-down, -right), (0, 1)).clone()
            if not wrap:
                moved[height - down :], moved[:, width - right :] = 0, 0
            sums[down, right] = (m * moved).sum()
    return sums / m.numel() if divide else sums


def _laminate(d: Tensor, period: float) -> Tensor:
    return (period / 2 - d % period).abs() / period


def _checkerboard(down: Tensor, right: Tensor, c: int, *, half: int | None = None) -> Tensor:
    def wave(d: Tensor) -> Tensor:
        return ((d % (2 * (half or c))) - (half or c)).abs() * 2 / (half or c) - 1

    return (1 + wave(down) * wave(right)) / 4


def _distances(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _three_counts(*, wrap: bool = True) -> Tensor:
    """Pairs at the shifts (0, 1), (1, 0) and (1, 1) in the image of the warm-up."""
    f = _loops(image_of("##.#", ".#..", "...."), wrap=wrap, divide=False)
    return torch.stack([f[0, 1], f[1, 0], f[1, 1]])


def _from_correlation(c: Tensor, phi: float) -> Tensor:
    return phi**2 + phi * (1 - phi) * c


def _seen_from(down: int, right: int) -> tuple[Tensor]:
    """The argument of a case: the map from a few pixels to the same pixels, moved down and to the right: (9, 12)."""
    a = image_of("#...........", "..#.........", "......#.....", ".#.........#", *["." * 12] * 5)
    return (cross_correlation(a, a.roll((down, right), (0, 1))),)


def _brightest(f: Tensor, *, signed: bool = True) -> Tensor:
    height, width = f.shape
    down, right = divmod(int(f.argmax()), width)
    if signed:
        down, right = (n - size if n > (size - 1) // 2 else n for n, size in ((down, height), (right, width)))
    return torch.tensor([down, right])


def _spacing(image: Tensor, first: int = 8, last: int = 64) -> float:
    return float(first + autocorrelation(image)[0, first:last].argmax())


EXERCISES = {
    "three-counts": Exercise(
        asks="three numbers in a list: the pairs at the shifts (0, 1), (1, 0) and (1, 1), down first",
        solution=_three_counts,
        cases=(Case("pairs at the shifts (0, 1), (1, 0) and (1, 1)"),),
        mistakes={
            "a pair that crosses the border is missing; what leaves on the right comes in again on the left": lambda: (
                _three_counts(wrap=False)
            ),
            "these are probabilities; leave the counts as they are, or multiply by the 12 pixels": lambda: (
                _three_counts() / 12
            ),
            "down and right are exchanged; (0, 1) is one to the right": lambda: _three_counts()[[1, 0, 2]],
            "each pair was counted from both of its ends; count it once, at the pixel where the step begins": lambda: (
                2 * _three_counts()
            ),
        },
        hints=(
            "visit the four black pixels one by one, and look at the pixel one step further",
            "three of them lie in row 0; the row repeats, so the last one looks at the first",
            "the first number is 2",
        ),
    ),
    "counting-pairs": Exercise(
        asks="a function of an image (H, W) that gives f at every shift down and right, (H, W), with wrapping",
        solution=_loops,
        cases=PICTURES,
        mistakes={
            "pairs that cross the border are missing; a shift that leaves the image comes in again at the other "
            "side": lambda m: _loops(m, wrap=False),
            "the pairs are counted, but not divided by the number of pixels": lambda m: _loops(m, divide=False),
            "the pairs are divided by the number of pixels of the phase, which gives the chance for a point that lies "
            "in the phase already": lambda m: _loops(m) / m.mean(),
            "zero shift stands in the middle; it belongs at [0, 0]": lambda m: torch.fft.fftshift(_loops(m)),
            "rows and columns are exchanged": lambda m: _loops(m).T,
        },
        hints=(
            "a loop over all shifts down, and in it one over all shifts right",
            "m.roll((-down, -right), (0, 1)) moves the image so that the pixel at a shift comes to lie on the pixel",
            "f[down, right] = (m * m.roll((-down, -right), (0, 1))).mean()",
        ),
    ),
    "laminate": Exercise(
        asks="a function of shifts d (any number of them) and the period p that gives f(0, d) of a laminate",
        solution=_laminate,
        cases=(
            Case("zero shift", lambda: (_distances(0), 16.0)),
            Case("within half a period", lambda: (_distances(1, 4, 8), 16.0)),
            Case("within the second half", lambda: (_distances(9, 12, 16), 16.0)),
            Case("beyond one period", lambda: (_distances(18, 29, 40), 16.0)),
            Case("another period", lambda: (_distances(1, 4, 7), 10.0)),
        ),
        mistakes={
            "it does not repeat beyond one period": lambda d, p: (p / 2 - d).abs() / p,
            "it falls and stays at 0 after half a period; the next stripe is missing": lambda d, p: (
                (p / 2 - d).clamp_min(0) / p
            ),
            "it starts at 1, which is the chance for a point that lies in the phase already": lambda d, p: (
                2 * _laminate(d, p)
            ),
            "the overlap is not divided by the period": lambda d, p: p * _laminate(d, p),
        },
        hints=(
            "within one period: on how many pixels does a stripe of width p/2 overlap itself, moved by d?",
            "from d = p/2 on it begins to overlap the next stripe",
            "both overlaps are |p/2 - d|, with d taken modulo p; divide by p",
        ),
    ),
    "checkerboard": Exercise(
        asks="a function of shifts down and right and the cell c that gives f of a checkerboard",
        solution=_checkerboard,
        cases=(
            Case("zero shift", lambda: (_distances(0), _distances(0), 4)),
            Case("one cell to the right", lambda: (_distances(0), _distances(4), 4)),
            Case("one cell along the diagonal", lambda: (_distances(4), _distances(4), 4)),
            Case("parts of a cell", lambda: (_distances(1, 2, 3), _distances(2, 2, 1), 4)),
            Case("many cells away", lambda: (_distances(9, 17), _distances(21, 30), 4)),
            Case("another cell", lambda: (_distances(1, 2), _distances(2, 5), 3)),
        ),
        mistakes={
            "the waves repeat every c pixels; black lies on black again only after 2 c": lambda down, right, c: (
                _checkerboard(down, right, c, half=c / 2)
            ),
            "the mean of the product of s was taken for f; m is (1 + s s) / 2": lambda down, right, c: (
                4 * _checkerboard(down, right, c) - 1
            ),
            "m holds a factor 1/2, which comes twice in the product, so f has 1/4": lambda down, right, c: (
                2 * _checkerboard(down, right, c)
            ),
        },
        hints=(
            "write the board as m = (1 + s(y) s(x)) / 2 with s = +1 and -1 in turn, and multiply out",
            "the single factors have mean 0, so f = (1 + T(down) T(right)) / 4",
            "T falls in a straight line from +1 at 0 to -1 at c, and rises again to +1 at 2 c",
        ),
    ),
    "from-correlation": Exercise(
        asks="a function of a curve of correlation coefficients and of the volume fraction that gives the curve of f",
        solution=_from_correlation,
        cases=(
            Case("without a shift", lambda: (_distances(1), 0.3)),
            Case("far away", lambda: (_distances(0), 0.3)),
            Case("a whole curve", lambda: (_distances(1, 0.6, 0.25, -0.05), 0.2)),
            Case("another volume fraction", lambda: (_distances(0.5, 0.1), 0.7)),
        ),
        mistakes={
            "that is the autocovariance; far away f does not end at 0 but at φ²": lambda c, phi: phi * (1 - phi) * c,
            "a correlation coefficient of 1 belongs to f = φ; scale it by φ - φ² before you add φ²": lambda c, phi: (
                phi**2 + c
            ),
            "f / φ ends at φ far away, but a correlation coefficient ends at 0": lambda c, phi: phi * c,
            "it has to end at φ², where both points are independent, and not at φ": lambda c, phi: (
                phi + phi * (1 - phi) * c
            ),
        },
        hints=(
            "in the table, the correlation coefficient is (f - φ²) / (φ - φ²)",
            "solve this for f; without a shift f has to be φ, and far away φ²",
            "phi**2 + (phi - phi**2) * c",
        ),
    ),
    "seen-from": Exercise(
        asks="a function of a map (H, W) with zero shift at [0, 0] that gives the shift (down, right) of its largest "
        "value, negative for up and for left",
        solution=_brightest,
        cases=(
            Case("to the right", lambda: _seen_from(0, 3)),
            Case("down", lambda: _seen_from(2, 0)),
            Case("up and to the left", lambda: _seen_from(-1, -4)),
            Case("down and to the left", lambda: _seen_from(3, -2)),
            Case("no shift", lambda: _seen_from(0, 0)),
        ),
        mistakes={
            "the second half of each axis holds the negative shifts: the last index is -1": lambda f: _brightest(
                f, signed=False
            ),
            "down and right are exchanged": lambda f: _brightest(f).flip(0),
            "the direction is reversed; the map is bright where the second phase lies, as seen from the "
            "first": lambda f: -_brightest(f),
        },
        hints=(
            "divmod(int(f.argmax()), f.shape[1]) gives the row and the column of the largest value",
            "an index in the second half of an axis of n stands for a negative shift: take off n",
            "down - H if down > (H - 1) // 2 else down, and the same for right",
        ),
        tolerance=1e-9,
    ),
    "other-phase": Exercise(
        asks="a function of the map f of a phase that gives the map of the other phase",
        solution=lambda f: 1 - 2 * f[0, 0] + f,
        cases=tuple(Case(case.name, lambda case=case: (_loops(*case.arguments()),)) for case in PICTURES[1:]),
        mistakes={
            "1 - f is the chance that not both points lie in the phase; one of them still may": lambda f: 1 - f,
            "two maps of different phases differ by a constant, 1 - 2 φ": lambda f: f.clone(),
            "the volume fraction has to be taken off twice, once for each point": lambda f: 1 - f[0, 0] + f,
            "both points lie in the other phase with the chance (1 - φ)² only if they know nothing of each "
            "other": lambda f: (1 - f[0, 0]).square().expand_as(f),
        },
        hints=(
            "the other phase has the indicator 1 - m",
            "multiply out (1 - m(x)) (1 - m(x + r)) and take the mean over x",
            "the mean of m(x) is φ = f[0, 0], and so is that of m(x + r)",
        ),
    ),
    "hidden-spacing": Exercise(
        asks="a function of an image that estimates the spacing of its lines in pixels",
        solution=_spacing,
        cases=tuple(
            Case(f"lines {spacing} pixels apart", lambda spacing=spacing, seed=seed: (lines_apart(spacing, seed),))
            for seed, spacing in enumerate((17, 23, 31, 40))
        ),
        mistakes={
            "that is the place of zero shift, where every line lies on itself; leave the central streak "
            "out": lambda m: _spacing(m, 0),
            "that is still in the central streak, which is as wide as a line is thick": lambda m: _spacing(m, 1),
            "that is twice the spacing": lambda m: 2 * _spacing(m),
        },
        hints=(
            "look at one row of the map: f at shift (0, d)",
            "neighbouring lines are the most frequent pair: f has its largest value there, but for the central streak",
            "8 + f[0, 8:64].argmax()",
        ),
        tolerance=1e-9,
    ),
}
