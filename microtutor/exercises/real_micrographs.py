"""Exercises of the chapter Real micrographs: the seam, noise, the integral range, discs, and three phases."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from microtutor.exercises.checking import Case, Exercise
from microtutor.exercises.small_images import some_pixels
from microtutor.microstructures import GaussianFields, OverlappingDiscs
from microtutor.statistics import autocorrelation, cross_correlation
from microtutor.streams import seeded_generator


def _seam(down: int, right: int, height: int, width: int) -> float:
    return 1 - (1 - abs(down) / height) * (1 - abs(right) / width)


# --- noise ------------------------------------------------------------------------------------------------------------
def _spoiled(p: float, *, seed: int = 1) -> Tensor:
    """Discs of which a share p of the pixels is wrong, (256, 256)."""
    m = OverlappingDiscs(fraction=0.4, radius=16, size=256).sample(1, seed=seed).images[0, 0].double()
    wrong = torch.rand(m.shape, generator=seeded_generator(seed)) < p
    return torch.where(wrong, 1 - m, m)


def _spike(m: Tensor) -> float:
    f = autocorrelation(m, boundary="open", max_shift=2)[2, 2:]
    return max(0.0, float(f[0] - (2 * f[1] - f[2])))


def _noise(m: Tensor) -> float:
    return (1 - math.sqrt(max(0.0, 1 - 4 * _spike(m)))) / 2


def _noise_of_step(m: Tensor) -> float:
    f = autocorrelation(m, boundary="open", max_shift=1)[1, 1:]
    return (1 - math.sqrt(max(0.0, 1 - 4 * float(f[0] - f[1])))) / 2


# --- the integral range -----------------------------------------------------------------------------------------------
def _map(length: float, fraction: float) -> Tensor:
    """Open f of a random field up to 20 px, zero shift in the middle."""
    m = GaussianFields(fraction, length, size=128).sample(1, seed=2).images[0, 0].double()
    return autocorrelation(m, boundary="open", max_shift=20)


def _within(f: Tensor, reach: int) -> Tensor:
    middle = len(f) // 2
    window = slice(middle - reach, middle + reach + 1)
    return f[window, window]


def _range(f: Tensor, phi: float, reach: int) -> Tensor:
    return (_within(f, reach) - phi**2).sum() / (phi - phi**2)


def _range_of_row(f: Tensor, phi: float, reach: int) -> Tensor:
    middle = len(f) // 2
    return (f[middle, middle - reach : middle + reach + 1] - phi**2).sum() / (phi - phi**2)


# --- discs ------------------------------------------------------------------------------------------------------------
def _outside(r: Tensor, a: float, density: float, *, lens: bool = True) -> Tensor:
    """The chance that two points a distance r apart both lie outside all discs."""
    near = r.clamp(max=2 * a)
    common = 2 * a**2 * torch.acos(near / (2 * a)) - near / 2 * (4 * a**2 - near**2).clamp(min=0).sqrt()
    return torch.exp(-density * (2 * math.pi * a**2 - common * lens))


def _discs(r: Tensor, a: float, density: float, *, lens: bool = True) -> Tensor:
    return 1 - 2 * math.exp(-density * math.pi * a**2) + _outside(r, a, density, lens=lens)


def _distances(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


# --- three phases -----------------------------------------------------------------------------------------------------
def _three(height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Three periodic maps of phases 1 and 2 of an image of three phases: f11, f22, f12."""
    one = some_pixels(height, width)
    two = (1 - one) * some_pixels(width, height).T
    return autocorrelation(one), autocorrelation(two), cross_correlation(one, two)


def _turned(f: Tensor) -> Tensor:
    return f.flip((0, 1)).roll((1, 1), (0, 1))


def _ground(f11: Tensor, f22: Tensor, f12: Tensor) -> Tensor:
    return 1 - 2 * f11[0, 0] - 2 * f22[0, 0] + f11 + f22 + f12 + _turned(f12)


EXERCISES: dict[str, Exercise] = {
    "seam-share": Exercise(
        asks="a function of a shift down and right and of height and width of an image that gives the share of the "
        "pairs that cross the seam",
        solution=_seam,
        cases=(
            Case("no shift", lambda: (0, 0, 100, 117)),
            Case("to the right alone", lambda: (0, 30, 100, 120)),
            Case("down and right", lambda: (50, 60, 100, 120)),
            Case("up and left", lambda: (-30, -20, 100, 117)),
        ),
        mistakes={
            "that is the share of the pairs inside the image; the rest crosses": lambda d, r, h, w: (
                1 - _seam(d, r, h, w)
            ),
            "pairs that cross both seams are counted twice": lambda d, r, h, w: abs(d) / h + abs(r) / w,
            "those are the pairs that cross both seams; one is enough": lambda d, r, h, w: abs(d * r) / (h * w),
            "a shift up crosses as many pairs as one down; take absolute values": lambda d, r, h, w: (
                1 - (1 - d / h) * (1 - r / w)
            ),
        },
        hints=(
            "what share of the pairs lies inside the image? The formula is in the section on the border",
            "inside: (1 - |down| / height) (1 - |right| / width)",
            "1 - (1 - abs(down) / height) * (1 - abs(right) / width)",
        ),
    ),
    "noise-in-picture": Exercise(
        asks="a function of an image (H, W) that gives the share p of its pixels that are wrong",
        solution=_noise,
        cases=(
            Case("a clean image", lambda: (_spoiled(0.0),)),
            Case("1 % of the pixels wrong", lambda: (_spoiled(0.01),)),
            Case("5 % of the pixels wrong", lambda: (_spoiled(0.05),)),
            Case("15 % of the pixels wrong", lambda: (_spoiled(0.15, seed=2),)),
        ),
        mistakes={
            "that is the height of the spike, p (1 - p); solve it for p": _spike,
            "that is the larger root of p (1 - p); fewer than half of the pixels are wrong": lambda m: 1 - _noise(m),
            "f(0) - f(1) holds the fall of the clean image as well; compare with the straight line": _noise_of_step,
        },
        hints=(
            'take f along a row: autocorrelation(m, boundary="open", max_shift=2)[2, 2:] are f(0), f(1), f(2)',
            "a straight line through f(1) and f(2) meets zero shift at 2 f(1) - f(2); f(0) lies above it by the spike",
            "p (1 - p) = spike gives p = (1 - (1 - 4 spike) ** 0.5) / 2; take a negative spike for 0",
        ),
        tolerance=1e-3,
    ),
    "integral-range": Exercise(
        asks="a function of a map f (zero shift in the middle), of φ and of a reach that gives the integral range",
        solution=_range,
        cases=(
            Case("the whole map", lambda: (_map(3, 0.3), 0.3, 20)),
            Case("a shorter reach", lambda: (_map(3, 0.3), 0.3, 8)),
            Case("larger features", lambda: (_map(6, 0.2), 0.2, 16)),
            Case("reach 1", lambda: (_map(3, 0.5), 0.5, 1)),
        ),
        mistakes={
            "that is the sum of f - φ²; divide it by φ - φ²": lambda f, phi, reach: (_within(f, reach) - phi**2).sum(),
            "φ² is not taken off, so far shifts count as much as near ones": lambda f, phi, reach: (
                _within(f, reach).sum() / phi
            ),
            "that is the sum along one row; all shifts of the square count": _range_of_row,
            "the reach is not used": lambda f, phi, reach: _range(f, phi, len(f) // 2),
            "φ is taken from the map; the given one is that of the material": lambda f, phi, reach: _range(
                f, float(f[len(f) // 2, len(f) // 2]), reach
            ),
        },
        hints=(
            "zero shift stands at [n, n] with n = len(f) // 2",
            "cut out the shifts from -reach to reach: f[n - reach : n + reach + 1, n - reach : n + reach + 1]",
            "sum ρ = (f - φ²) / (φ - φ²) over that square",
        ),
    ),
    "overlapping-discs": Exercise(
        asks="a function of distances r, the radius a and the density of discs that gives f of the discs",
        solution=_discs,
        cases=(
            Case("distance 0", lambda: (_distances(0), 6.0, 0.004)),
            Case("within a diameter", lambda: (_distances(1, 4, 9), 6.0, 0.004)),
            Case("beyond a diameter", lambda: (_distances(12, 20), 6.0, 0.004)),
            Case("small discs, many of them", lambda: (_distances(0, 1, 2.5, 5), 2.0, 0.08)),
        ),
        mistakes={
            "that is f of the ground, the chance that both points lie outside": _outside,
            "the two discs are taken as if they never overlapped": lambda r, a, n: _discs(r, a, n, lens=False),
            "1 minus the chance that both lie outside is the chance that one of them lies inside": lambda r, a, n: (
                1 - _outside(r, a, n)
            ),
            "the ground has to be taken off twice, once for each point": lambda r, a, n: (
                _discs(r, a, n) + math.exp(-n * math.pi * a**2)
            ),
        },
        hints=(
            "an area B holds no centre with the chance exp(-density B)",
            "both points lie outside with the chance exp(-density U(r)), and one point with exp(-density π a²)",
            "f = 1 - 2 exp(-density π a²) + exp(-density U(r)), U = 2 π a² minus the lens; there is none from 2 a on",
        ),
    ),
    "ground-of-three": Exercise(
        asks="a function of the periodic maps f11, f22 and f12 of three phases 0, 1, 2 that gives the map f00",
        solution=_ground,
        cases=(
            Case("an image of 5 x 7 pixels", lambda: _three(5, 7)),
            Case("an even image", lambda: _three(6, 4)),
            Case("a small image", lambda: _three(3, 3)),
        ),
        mistakes={
            "f21 is not f12 but f12 turned by half a turn": lambda f11, f22, f12: (
                1 - 2 * f11[0, 0] - 2 * f22[0, 0] + f11 + f22 + 2 * f12
            ),
            "f12 is there once; f21 is missing": lambda f11, f22, f12: _ground(f11, f22, f12) - _turned(f12),
            "the half turn moves zero shift away from [0, 0]; roll it back by one": lambda f11, f22, f12: (
                _ground(f11, f22, f12) - _turned(f12) + f12.flip((0, 1))
            ),
            "each volume fraction has to be taken off twice, once for each point": lambda f11, f22, f12: (
                _ground(f11, f22, f12) + f11[0, 0] + f22[0, 0]
            ),
        },
        hints=(
            "phase 0 has the indicator 1 - m1 - m2; multiply out (1 - m1(x) - m2(x)) (1 - m1(x + r) - m2(x + r))",
            "f00 = 1 - 2 φ1 - 2 φ2 + f11 + f22 + f12 + f21, where φ1 is f11 at zero shift",
            "f21(r) = f12(-r), in code f12.flip((0, 1)).roll((1, 1), (0, 1))",
        ),
    ),
}
