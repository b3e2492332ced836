"""Exercises of the chapter Why position does not matter: fixing the gauge."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from microtutor.evaluation import aligned_data_error
from microtutor.exercises.checking import Case, Exercise
from microtutor.exercises.small_images import image_of, some_pixels
from microtutor.statistics import autocorrelation
from microtutor.streams import seeded_generator


# --- images and profiles to try answers on ----------------------------------------------------------------------------
def _letter() -> Tensor:
    return image_of("###.....", "#.......", "#..#....", "........", "........", "........")


def _homometric() -> tuple[Tensor, Tensor]:
    """Two images with equal statistics that are not equivalent: lines at 0, 1, 3, 4 and at 0, 1, 2, 5 of eight."""
    pair = torch.zeros(2, 8, 8, dtype=torch.float64)
    pair[0, 2:6, [0, 1, 3, 4]] = 1
    pair[1, 2:6, [0, 1, 2, 5]] = 1
    return pair[0], pair[1]


def _profile(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _random(n: int, seed: int) -> Tensor:
    return torch.rand(n, generator=seeded_generator(seed), dtype=torch.float64)


# --- answers, right and wrong -----------------------------------------------------------------------------------------
def _turned(m: Tensor) -> Tensor:
    return m.flip((0, 1)).roll((1, 1), (0, 1))


def _equal_statistics(a: Tensor, b: Tensor) -> bool:
    return bool((autocorrelation(a) - autocorrelation(b)).abs().max() < 1e-9)


def _copies(m: Tensor, *, mirrored: bool = False) -> list[Tensor]:
    shifts = [(down, right) for down in range(m.shape[0]) for right in range(m.shape[1])]
    return [x.roll(shift, (0, 1)) for x in ((m, m.flip(1)) if mirrored else (m,)) for shift in shifts]


def _equivalent(a: Tensor, b: Tensor) -> bool:
    return bool(aligned_data_error(a, b) < 1e-9)


def _length(profile: Tensor, *, wave: int = 1) -> Tensor:
    return torch.fft.fft(profile)[wave].abs() / profile.sum()


def _circle(profile: Tensor, *, sign: int = -1) -> float:
    return sign * float(torch.fft.fft(profile)[1].angle()) * len(profile) / (2 * math.pi)


def _row(row: Tensor, template: Tensor, *, direction: int = 1, worst: bool = False) -> Tensor:
    overlaps = torch.stack([(row.roll(s) * template).sum() for s in range(len(row))])
    return row.roll(direction * int(overlaps.argmin() if worst else overlaps.argmax()))


ROWS = (
    Case("one pixel", lambda: (_profile(1, 0, 0, 0, 0), _profile(0.1, 0.3, 1, 0.2, 0))),
    Case("two pixels", lambda: (_profile(1, 0, 1, 0, 0, 0), _profile(0, 0.2, 0.6, 1, 0.5, 0.1))),
    Case("a pair across the border", lambda: (_profile(1, 0, 0, 0, 0, 1, 1), _profile(0, 0.3, 0.8, 1, 0.7, 0.2, 0.1))),
    Case("random greys", lambda: (_random(12, 1), _random(12, 2))),
)
PROFILES = (
    Case("all in one place", lambda: (_profile(0, 0, 2, 0, 0, 0, 0, 0),)),
    Case("two places beside the border", lambda: (_profile(3, 0, 0, 0, 0, 0, 0, 3),)),
    Case("evenly spread", lambda: (_profile(1, 0, 1, 0, 1, 0, 1, 0),)),
    Case("random", lambda: (_random(20, 3),)),
)

EXERCISES: dict[str, Exercise] = {
    "how-many-equivalents": Exercise(
        asks="a function of height and width that gives the largest number of images with one and the same f that "
        "shifts and half turns make",
        solution=lambda height, width: 2 * height * width,
        cases=(
            Case("8 x 8", lambda: (8, 8)),
            Case("224 x 224", lambda: (224, 224)),
            Case("higher than wide", lambda: (40, 30)),
        ),
        mistakes={
            "those are the shifts; each of them comes upright and turned by half a turn": (
                lambda height, width: height * width
            ),
            "a mirror image is not equivalent, so there are no four ways to lay the image": (
                lambda height, width: 4 * height * width
            ),
            "a shift down and a shift to the right are chosen independently: multiply": (
                lambda height, width: 2 * (height + width)
            ),
        },
        hints=("how many shifts are there along each axis?", "each shifted image may also be turned by half a turn"),
    ),
    "half-turn": Exercise(
        asks="a function of an image (H, W) that gives m(-x), (H, W): the pixel [0, 0] stays where it is",
        solution=_turned,
        cases=(
            Case("the pixel [0, 0]", lambda: (image_of("#...", "....", "...."),)),
            Case("a pixel beside it", lambda: (image_of(".#..", "....", "...."),)),
            Case("a letter", lambda: (_letter(),)),
            Case("random pixels", lambda: (some_pixels(5, 6),)),
        ),
        mistakes={
            "flip alone takes the pixel 0 to the last place; -0 is 0, so roll by one pixel afterwards": (
                lambda m: m.flip((0, 1))
            ),
            "that is a mirror: one axis only": lambda m: m.flip(1).roll(1, 1),
            "rolled to the wrong side": lambda m: m.flip((0, 1)).roll((-1, -1), (0, 1)),
            "the other mirror: one axis only": lambda m: m.flip(0).roll(1, 0),
        },
        hints=(
            "on a row of N pixels, the pixel k goes to -k, counted around the circle: 0 stays, 1 goes to N - 1",
            "flip takes k to N - 1 - k, which is one pixel short of N - k",
            "m.flip((0, 1)).roll((1, 1), (0, 1))",
        ),
    ),
    "equivalent-or-not": Exercise(
        asks="a function of two images (H, W) that says True if they are equivalent and False if not",
        solution=_equivalent,
        cases=(
            Case("a shifted copy", lambda: (_letter(), _letter().roll((2, 3), (0, 1)))),
            Case("half a turn and a shift", lambda: (_letter(), _letter().flip((0, 1)).roll((1, 5), (0, 1)))),
            Case("a mirror image", lambda: (_letter(), _letter().flip(1))),
            Case("a homometric pair", _homometric),
            Case("another image", lambda: (some_pixels(6, 8), some_pixels(6, 8).flip(1))),
        ),
        mistakes={
            "equal statistics are necessary but not sufficient: a homometric pair has them as well": _equal_statistics,
            "half turns are missing": lambda a, b: any(bool((x == b).all()) for x in _copies(a)),
            "the images are compared as they lie, without moving one of them": lambda a, b: bool((a == b).all()),
            "mirror images count as equal; a mirror changes f": (
                lambda a, b: any(bool((x == b).all()) for x in _copies(a, mirrored=True) + _copies(a.flip((0, 1))))
            ),
        },
        hints=(
            "is there a shift, or a half turn and a shift, after which they agree in every pixel?",
            "two images are equivalent if their canonical forms are equal, or if their data error after the best "
            "alignment is 0",
            "aligned_data_error(a, b) < 1e-6",
        ),
    ),
    "centre-on-a-circle": Exercise(
        asks="a function of a profile (N,) that gives its centre on the circle in pixels, from -N/2 to N/2",
        solution=_circle,
        cases=(
            Case("one pixel", lambda: (_profile(0, 0, 0, 1, 0, 0, 0, 0),)),
            Case("across the border", lambda: (_profile(3, 1, 0, 0, 0, 0, 0, 2),)),
            Case("two pixels", lambda: (_profile(0, 1, 0, 2, 0, 0, 0, 0),)),
            Case("a random profile", lambda: (_random(20, 5),)),
        ),
        mistakes={
            "that is the mean on a line; a profile across the border has its mean far from where it lies": (
                lambda p: (p * torch.arange(len(p))).sum() / p.sum()
            ),
            "the sign is wrong: F(1) has the angle -2πx/N for a pixel at x": lambda p: _circle(p, sign=1),
            "that is the angle in radians; a full circle is N pixels": lambda p: _circle(p) * 2 * math.pi / len(p),
            "that is counted from 0 to N; a centre beyond N/2 lies N lower, below 0": lambda p: _circle(p) % len(p),
            "sine and cosine are exchanged: atan2 takes the sum of p sin first": lambda p: (
                (0.75 * len(p) - _circle(p)) % len(p) - len(p) / 2
            ),
            "the arctangent of a quotient knows only half of the circle; atan2 knows all of it": lambda p: (
                (_circle(p) + len(p) / 4) % (len(p) / 2) - len(p) / 4
            ),
        },
        hints=(
            "give the pixel x the angle 2πx/N, and average the unit vectors (cos, sin) with the profile as weights",
            "torch.atan2(sum of p sin, sum of p cos) is the angle of the mean vector",
            "multiply the angle by N / (2π)",
        ),
    ),
    "lost-centre": Exercise(
        asks="a function of a profile (N,) that gives the length of the mean vector, 0 for evenly spread, 1 for one "
        "place",
        solution=_length,
        cases=PROFILES,
        mistakes={
            "the vector is not divided by the sum of the profile": lambda p: torch.fft.fft(p)[1].abs(),
            "that is the square of the length": lambda p: _length(p).square(),
            "F(0) is the sum of the profile, so that is 1 always; the circle is F(1)": lambda p: _length(p, wave=0),
            "that is the wave with two periods; the circle is F(1)": lambda p: _length(p, wave=2),
        },
        hints=(
            "the sum of the unit vectors, weighted with the profile, is F(1) up to a mirror",
            "torch.fft.fft(p)[1].abs() / p.sum()",
        ),
        tolerance=1e-6,
    ),
    "canonical-row": Exercise(
        asks="a function of a row (N,) and a template (N,) that gives the shifted row, (N,), of the largest overlap",
        solution=_row,
        cases=ROWS,
        mistakes={
            "shifted in the other direction": lambda row, t: _row(row, t, direction=-1),
            "that is the shift of the smallest overlap": lambda row, t: _row(row, t, worst=True),
            "the row is not shifted": lambda row, t: row.clone(),
            "that gives the overlaps, not the row": (
                lambda row, t: torch.stack([(row.roll(s) * t).sum() for s in range(len(row))])
            ),
        },
        hints=(
            "try all N shifts, and keep the overlap of each: (row.roll(s) * template).sum()",
            "the place of the largest one is the shift: argmax",
            "row.roll(int(torch.stack(overlaps).argmax()))",
        ),
    ),
}
