"""Exercises of the chapter What the statistics know, and what they do not."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from microtutor.exercises.checking import Case, Exercise
from microtutor.exercises.small_images import image_of, some_pixels
from microtutor.statistics import autocorrelation, lineal_path


def _numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _estimates(side: float) -> Tensor:
    """The perimeter of a square from pixel faces: as they are, for all directions alike, for layers."""
    return side * _numbers(4, math.pi, 2 * math.sqrt(2))


def _crossing(rho: Tensor, level: float, *, last: bool = False) -> float:
    below = rho <= level
    if last:
        below = below.flip(0).long().cummin(0).values.flip(0).bool()  # from where on it stays below
    after = int(below.long().argmax())
    high, low = rho[after - 1], rho[after]
    return after - 1 + float((high - level) / (high - low))


def _principal(table: Tensor, *, large: bool = False, up: float = -1.0, root: bool = True) -> Tensor:
    """The angle of an axis in degrees and the anisotropy, from the table of slopes along y (down) and x."""
    values, vectors = torch.linalg.eigh(table)
    y, x = vectors[:, int(large)].tolist()
    ratio = float(values[0] / values[1])
    angle = math.degrees(math.atan2(up * y, x)) % 180
    return _numbers(angle, 1 - (math.sqrt(ratio) if root else ratio))


def _table(angle: float, along: float, across: float) -> Tensor:
    """A table of slopes whose axis runs at an angle (degrees, anticlockwise, rows count downwards)."""
    y, x = -math.sin(math.radians(angle)), math.cos(math.radians(angle))
    return along * torch.outer(_numbers(y, x), _numbers(y, x)) + across * torch.outer(_numbers(x, -y), _numbers(x, -y))


def _chords(path: Tensor) -> Tensor:
    return path[:-2] - 2 * path[1:-1] + path[2:]


def _path(*rows: str) -> Tensor:
    return lineal_path(image_of(*rows))


def _families(places: int, marks: int, *, reflect: bool = True, turn: bool = True) -> int:
    """How many kinds of sets share their distances around a ring with another kind."""
    families: dict[tuple[int, ...], set[tuple[int, ...]]] = {}
    for chosen in itertools.combinations(range(places), marks):
        steps = sorted((b - a) % places for a, b in itertools.permutations(chosen, 2))
        families.setdefault(tuple(steps), set()).add(_representative(chosen, places, reflect=reflect, turn=turn))
    return sum(len(family) > 1 for family in families.values())


def _representative(chosen: Sequence[int], places: int, *, reflect: bool, turn: bool) -> tuple[int, ...]:
    signs, turns = (1, -1) if reflect else (1,), range(places) if turn else (0,)
    return min(tuple(sorted((sign * x + by) % places for x in chosen)) for sign in signs for by in turns)


def _faces(f: Tensor) -> Tensor:
    return 2 * (f[0, 0] - f[0, 1])


EXERCISES: dict[str, Exercise] = {
    "faces": Exercise(
        asks="a function of the map f of an image that gives the faces between the phases across the width, per pixel",
        solution=_faces,
        cases=(
            Case("a single pixel", lambda: (autocorrelation(image_of("#...", "....", "....")),)),
            Case("a stripe along the width", lambda: (autocorrelation(image_of("....", "####", "....")),)),
            Case("random pixels, higher than wide", lambda: (autocorrelation(some_pixels(6, 4)),)),
        ),
        mistakes={
            "the phase begins as often as it ends: two faces belong to each phase pixel whose right neighbour is of "
            "the other phase": lambda f: _faces(f) / 2,
            "f[1, 0] is one pixel down, and counts the faces across the height": lambda f: _faces(f.T),
            "it is divided by the volume fraction, which gives faces per pixel of the phase": lambda f: (
                _faces(f) / f[0, 0]
            ),
        },
        hints=(
            "f[0, 0] counts phase pixels, f[0, 1] those whose right neighbour is in the phase as well",
            "the difference counts the places where a run of phase pixels ends; every run has a beginning, too",
        ),
    ),
    "square-perimeter": Exercise(
        asks='a function of the side a of a square, in px, that gives three estimates of its perimeter: "pixels", '
        '"isotropic" and "layers"',
        solution=_estimates,
        cases=(Case("a side of 20 px", lambda: (20.0,)), Case("a side of 1 px", lambda: (1.0,))),
        mistakes={
            "each axis sees two sides of the square, so there are 2 a faces along each axis, not a": lambda a: (
                _estimates(a) / 2
            ),
            'the last two are exchanged: "isotropic" is π/4 of the sum, "layers" the hypotenuse': lambda a: _estimates(
                a
            )[[0, 2, 1]],
            "the projections for layers were added; they are the legs of a right triangle": lambda a: _estimates(a)[
                [0, 1, 0]
            ],
        },
        hints=(
            "how many pixel faces does the square have across the width, and how many across the height?",
            "with 2 a faces along each axis: their sum, π/4 of it, and the root of the sum of their squares",
        ),
    ),
    "decay-length": Exercise(
        asks="a function of a curve ρ(0), ρ(1), ρ(2), ... that gives the first distance at which it is 1/e, with a "
        "straight line between two pixels",
        solution=lambda rho: _crossing(rho, 1 / math.e),
        cases=(
            Case("an exponential", lambda: (torch.exp(-torch.arange(12, dtype=torch.float64) / 3.3),)),
            Case("a steep start", lambda: (_numbers(1, 0.1, 0, 0),)),
            Case("a curve that rises again", lambda: (_numbers(1, 0.7, 0.3, 0.5, 0.2, 0.0),)),
        ),
        mistakes={
            "that is the first pixel below 1/e; the curve crosses it before": lambda rho: float(
                (rho <= 1 / math.e).long().argmax()
            ),
            "that is the last pixel above 1/e; the curve crosses it after": lambda rho: float(
                (rho <= 1 / math.e).long().argmax() - 1
            ),
            "that is where the curve has come down to 1/2": lambda rho: _crossing(rho, 0.5),
            "that is where the curve comes below 1/e for good; the first crossing is asked": lambda rho: _crossing(
                rho, 1 / math.e, last=True
            ),
        },
        hints=(
            "find the first pixel b at which ρ is at most 1/e: (rho <= 1 / math.e).long().argmax()",
            "the crossing lies between b - 1 and b",
            "b - 1 + (rho[b - 1] - 1 / math.e) / (rho[b - 1] - rho[b])",
        ),
    ),
    "principal-axis": Exercise(
        asks="a function of the table T, [[yy, yx], [yx, xx]], that gives the angle of the structure in degrees "
        "(anticlockwise from the width, 0 to 180) and the anisotropy",
        solution=_principal,
        cases=(
            Case("along 30 degrees", lambda: (_table(30, 1, 9),)),
            Case("along 110 degrees", lambda: (_table(110, 0.5, 2),)),
            Case("nearly isotropic", lambda: (_table(75, 1, 1.1),)),
        ),
        mistakes={
            "that is the axis across the structure: the slopes are small along it, so take the smaller "
            "eigenvalue": lambda t: _principal(t, large=True),
            "rows count downwards, so the angle needs a minus before y": lambda t: _principal(t, up=1.0),
            "the angle is in radians; math.degrees makes degrees of it": lambda t: (
                _principal(t) * _numbers(math.pi / 180, 1)
            ),
            "the eigenvalues are squares of slopes; the stretch is the root of their ratio": lambda t: _principal(
                t, root=False
            ),
        },
        hints=(
            "torch.linalg.eigh(T) gives the eigenvalues from the smallest on, and the eigenvectors as columns",
            "y, x = vectors[:, 0] points along the structure; math.atan2(-y, x) is its angle in radians",
            "math.degrees(math.atan2(-y, x)) % 180 and 1 - (values[0] / values[1]) ** 0.5",
        ),
        tolerance=1e-6,
    ),
    "chords-from-path": Exercise(
        asks="a function of L(0), ..., L(n) that gives the numbers of chords of length 1, ..., n - 1, per pixel",
        solution=_chords,
        cases=(
            Case("one chord of one pixel", lambda: (_path("#......."),)),
            Case("chords of one, two and three pixels", lambda: (_path("#.##.###..", ".#..##...."),)),
            Case("random pixels", lambda: (lineal_path(some_pixels(9, 12)),)),
        ),
        mistakes={
            "that is the first difference, which counts all chords of more than r pixels": lambda p: p[:-2] - p[1:-1],
            "that is one place off: L(r) asks for r + 1 pixels, so chords of length 1 begin with L(0)": lambda p: (
                torch.cat([_chords(p)[1:], torch.zeros(1, dtype=torch.float64)])
            ),
            "a second difference is taken, but with the other sign": lambda p: -_chords(p),
        },
        hints=(
            "a chord of l pixels holds l - r segments of r + 1 pixels, so L(r) is the sum of (l - r) n(l) over l > r",
            "L(r) - L(r + 1) is the number of chords with l > r",
            "the difference of two such numbers leaves one length: n(l) = L(l - 1) - 2 L(l) + L(l + 1)",
        ),
    ),
    "homometric-families": Exercise(
        asks="a function of the number of places and of marks that gives in how many families different sets share all "
        "distances around the ring",
        solution=_families,
        cases=(
            Case("4 marks on 8 places", lambda: (8, 4)),
            Case("4 marks on 9 places", lambda: (9, 4)),
            Case("3 marks on 7 places", lambda: (7, 3)),
            Case("4 marks on 12 places", lambda: (12, 4)),
        ),
        mistakes={
            "a set and its reflection are counted as different; they share their distances without being "
            "another set": lambda p, k: _families(p, k, reflect=False),
            "a set and the same set turned around the ring are counted as different": lambda p, k: _families(
                p, k, turn=False
            ),
        },
        hints=(
            "collect the sets in a dictionary, under the sorted list of their distances (b - a) % places",
            "of a set keep one representative: the smallest of all its turns and reflections",
            "a family counts if it has two or more representatives",
        ),
        tolerance=1e-9,
    ),
}
