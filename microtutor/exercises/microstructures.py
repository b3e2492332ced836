"""Exercises of the chapter Microstructures as data: files, phases, pixels that differ, discs, errors of a mean."""

from __future__ import annotations

import torch
from torch import Tensor

from microtutor.exercises.checking import Case, Exercise


def _grey(*rows: tuple[int, ...]) -> tuple[Tensor]:
    """The argument of a case: a grey image as a file gives it."""
    return (torch.tensor(rows, dtype=torch.uint8),)


def _differing(thickness: int, shift: int) -> float:
    return 2 * min(shift, thickness) / thickness


def _three_phases(grey: Tensor) -> Tensor:
    return torch.stack([grey < 80, (grey >= 80) & (grey < 160), grey >= 160]).double()[None]


def _disc(row: int, column: int, radius: float, size: int, *, wraps: bool = True, border: bool = True) -> Tensor:
    pixel = torch.arange(size)
    down, right = (pixel - row).abs(), (pixel - column).abs()
    if wraps:
        down, right = torch.minimum(down, size - down), torch.minimum(right, size - right)
    squared = down[:, None] ** 2 + right**2
    return (squared <= radius**2 if border else squared < radius**2).double()


def _covered(a: float, N: float, n: int) -> float:
    return 1 - (1 - a / N) ** n


def _needed(phi: Tensor, share: float) -> float:
    return float((phi.std() / (share * phi.mean())) ** 2)


def _fractions(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


EXERCISES = {
    "file-to-phase": Exercise(
        asks="a function of a grey image (H, W) with whole numbers, 0 on the lines and 255 on the ground, that gives "
        "the phase image (1, H, W) in floats, 1 on the lines",
        solution=lambda grey: 1 - grey[None].double() / 255,
        cases=(
            Case("one black pixel", lambda: _grey((0, 255, 255), (255, 255, 255))),
            Case("an empty page", lambda: _grey((255, 255), (255, 255))),
            Case("a page that is full", lambda: _grey((0, 0), (0, 0))),
            Case("a vertical line", lambda: _grey((255, 0, 255), (255, 0, 255), (255, 0, 255))),
        ),
        mistakes={
            "the ground became the phase; black is 0 in the file and has to become 1": lambda grey: (
                grey[None].double() / 255
            ),
            "the values go up to 255; divide by 255": lambda grey: 255 - grey[None].double(),
            "1 - grey was computed in whole numbers from 0 to 255, where 1 - 255 comes round to 2; make floats "
            "first": lambda grey: (1 - grey)[None],
            "the axis of the channel is missing: add it with [None]": lambda grey: 1 - grey.double() / 255,
        },
        hints=(
            "turn the whole numbers into floats before you compute with them: grey.float()",
            "divide by 255, so that black is 0 and white is 1, and then exchange the two",
            "1 - grey[None].float() / 255",
        ),
    ),
    "differing-pixels": Exercise(
        asks="a function of the thickness of a line and of a shift across it, in pixels, that gives the number of "
        "differing pixels divided by the number of pixels of the line",
        solution=_differing,
        cases=(
            Case("no shift", lambda: (6, 0)),
            Case("half the thickness", lambda: (6, 3)),
            Case("a third of the thickness", lambda: (9, 3)),
            Case("the whole thickness", lambda: (5, 5)),
            Case("far away", lambda: (5, 40)),
        ),
        mistakes={
            "a shifted line leaves pixels on one side and enters as many on the other; both differ": lambda t, d: (
                min(d, t) / t
            ),
            "once the copy has left the line, nothing changes any more: at most the line and its copy "
            "differ": lambda t, d: 2 * d / t,
            "that is the overlap, which says how many pixels are equal": lambda t, d: max(t - d, 0) / t,
            "the columns that differ are counted, but not divided by the thickness": lambda t, d: 2 * min(d, t),
        },
        hints=(
            "draw a line 4 pixels thick and its copy 1 pixel further to the right: which columns differ?",
            "for a shift d of at most the thickness t, d columns differ on each side",
            "2 * min(d, t) / t",
        ),
    ),
    "three-phases": Exercise(
        asks="a function of a grey image (H, W) that gives the one-hot image (1, 3, H, W) of pores (below 80), matrix "
        "(80 to 159) and particles (160 and above)",
        solution=_three_phases,
        cases=(
            Case("one pixel of each phase", lambda: _grey((40, 120, 200))),
            Case("grey values at the thresholds", lambda: _grey((79, 80), (159, 160))),
            Case("no pore", lambda: _grey((120, 200), (200, 120))),
            Case("a column", lambda: _grey((10,), (100,), (250,), (90,))),
        ),
        mistakes={
            "a particle is brighter than both thresholds, so it is counted as matrix as well; a pixel belongs to one "
            "phase": lambda grey: torch.stack([grey < 80, grey >= 80, grey >= 160]).double()[None],
            "the phases run from bright to dark; pores come first": lambda grey: _three_phases(grey).flip(1),
            "the phases are the last axis, as torch's one_hot has it; they belong before the height": lambda grey: (
                _three_phases(grey).movedim(1, -1)
            ),
            "these are labels in one channel; each phase needs a channel of its own": lambda grey: _three_phases(
                grey
            ).argmax(1, keepdim=True),
        },
        hints=(
            "ask each pixel three questions, one for each phase; each answer is an image of zeros and ones",
            "the matrix is (grey >= 80) & (grey < 160)",
            "torch.stack([...]) puts the three answers in front; .float() makes numbers of them; [None] adds the batch",
        ),
    ),
    "periodic-disc": Exercise(
        asks="a function of row, column, radius and size that gives an image (size, size), 1 where the distance to the "
        "centre is at most the radius, and periodic on all sides",
        solution=_disc,
        cases=(
            Case("in the middle", lambda: (4, 4, 2, 9)),
            Case("not on the diagonal", lambda: (3, 6, 2, 10)),
            Case("across the upper border", lambda: (0, 5, 3, 10)),
            Case("in a corner", lambda: (11, 11, 3, 12)),
            Case("a radius that is no whole number", lambda: (5, 4, 2.5, 11)),
        ),
        mistakes={
            "the disc is cut off at the border; what leaves on one side has to come back on the other": lambda *case: (
                _disc(*case, wraps=False)
            ),
            "row and column are exchanged": lambda row, column, *rest: _disc(column, row, *rest),
            "the pixels at exactly the radius are missing: at most means <=": lambda *case: _disc(*case, border=False),
            "the distance is compared with the radius before its square root is taken": lambda row, column, r, size: (
                _disc(row, column, r**0.5, size)
            ),
        },
        hints=(
            "down = (torch.arange(size) - row).abs() are the distances of all rows; do the same for the columns",
            "on an image that repeats, the way round the other side may be shorter: torch.minimum(down, size - down)",
            "(down[:, None] ** 2 + right**2 <= radius**2).float()",
        ),
    ),
    "covered-by-discs": Exercise(
        asks="a function of the pixels a of a disc, the pixels N of the image and the number n of discs that gives the "
        "expected volume fraction",
        solution=_covered,
        cases=(
            Case("one disc", lambda: (25.0, 100.0, 1)),
            Case("two discs", lambda: (25.0, 100.0, 2)),
            Case("many discs", lambda: (113.0, 4096.0, 12)),
            Case("no disc", lambda: (25.0, 100.0, 0)),
        ),
        mistakes={
            "where two discs overlap, their common pixels are counted twice": lambda a, N, n: n * a / N,
            "that is the share of pixels that stay empty": lambda a, N, n: (1 - a / N) ** n,
            "that is the chance that all the discs cover a pixel; one of them is enough": lambda a, N, n: (a / N) ** n,
            "1 - exp(-n a / N) is the limit of many small discs, not the value for these": lambda a, N, n: (
                1 - float(torch.exp(torch.tensor(-n * a / N, dtype=torch.float64)))
            ),
        },
        hints=(
            "ask first with what chance a given pixel stays empty",
            "one disc leaves it empty with the chance 1 - a / N, and the discs are independent of each other",
            "1 - (1 - a / N) ** n",
        ),
    ),
    "images-for-a-mean": Exercise(
        asks="a function of volume fractions (n,) and a share, for example 0.01, that gives the number of images whose "
        "mean has a standard error of that share of the mean",
        solution=_needed,
        cases=(
            Case("two values", lambda: (_fractions(0.04, 0.06), 0.01)),
            Case("five values", lambda: (_fractions(0.02, 0.05, 0.06, 0.08, 0.11), 0.01)),
            Case("a coarser answer", lambda: (_fractions(0.02, 0.05, 0.06, 0.08, 0.11), 0.1)),
            Case("another mean", lambda: (_fractions(0.3, 0.35, 0.4, 0.5), 0.05)),
        ),
        mistakes={
            "the error falls with the square root of the number, so the number is a square": lambda phi, share: (
                phi.std() / (share * phi.mean())
            ),
            "the share is one of the mean; multiply it by the mean first": lambda phi, share: (phi.std() / share) ** 2,
            "the variance was taken for the standard deviation": lambda phi, share: (
                (phi.var() / (share * phi.mean())) ** 2
            ),
            "the spread was divided by n, which makes it too small; the mean comes from the same values, so divide by "
            "n - 1": lambda phi, share: (phi.std(correction=0) / (share * phi.mean())) ** 2,
        },
        hints=(
            "the standard error of a mean of n images is phi.std() / n ** 0.5",
            "set it equal to share * phi.mean() and solve for n",
            "(phi.std() / (share * phi.mean())) ** 2; do not round",
        ),
    ),
}
