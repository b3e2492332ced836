"""Exercises of the chapter Bring your own micrograph: pixel size, mask, threshold, and how sure one picture is."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from microtutor.exercises.checking import Case, Exercise
from microtutor.exercises.small_images import some_pixels
from microtutor.streams import seeded_generator


def _area(length: float, pixels: int, height: int, width: int) -> float:
    return height * width * (length / pixels) ** 2


def _with_bar(phase: float) -> tuple[Tensor, Tensor]:
    """Random pixels with a bar in the lower right corner, which holds the phase or none of it, and the mask of it."""
    m, mask = some_pixels(8, 10).clone(), torch.ones(8, 10, dtype=torch.float64)
    m[6:, 5:], mask[6:, 5:] = phase, 0
    return m, mask


def _masked(m: Tensor, mask: Tensor) -> Tensor:
    return (m * mask).sum() / mask.sum()


def _greys(share: float, dark: float, bright: float, noise: float) -> Tensor:
    """Grey values of a picture of two phases with noise, (60, 80)."""
    generator = seeded_generator(3)
    phase = torch.rand(60, 80, generator=generator, dtype=torch.float64) < share
    return torch.where(phase, bright, dark) + noise * torch.randn(60, 80, generator=generator, dtype=torch.float64)


def _step(grey: Tensor, level: Tensor) -> Tensor:
    return (grey[grey <= level].mean() + grey[grey > level].mean()) / 2


def _halfway(grey: Tensor) -> Tensor:
    level, new = grey.mean(), _step(grey, grey.mean())
    while new != level:
        level, new = new, _step(grey, new)
    return level


def _side(phi: float, integral_range: float, error: float) -> float:
    return math.sqrt(phi * (1 - phi) * integral_range) / error


def _apart(phi_1: float, error_1: float, phi_2: float, error_2: float) -> float:
    return abs(phi_1 - phi_2) / math.hypot(error_1, error_2)


EXERCISES: dict[str, Exercise] = {
    "picture-area": Exercise(
        asks="a function of the length of a scale bar in µm, its pixels, and height and width of the picture in pixels "
        "that gives the area of the picture in µm²",
        solution=_area,
        cases=(
            Case("the page's picture", lambda: (2.0, 100, 300, 400)),
            Case("a bar of 50 µm", lambda: (50.0, 240, 768, 1024)),
            Case("a bar of 0.5 µm", lambda: (0.5, 125, 884, 1024)),
        ),
        mistakes={
            "the size of a pixel is used once; its area is the square of the size": lambda length, pixels, h, w: (
                h * w * length / pixels
            ),
            "pixels per µm is used where µm per pixel is asked": lambda length, pixels, h, w: (
                h * w * (pixels / length) ** 2
            ),
            "that is the number of pixels, not yet an area": lambda length, pixels, h, w: h * w,
            "that is the area of one pixel": lambda length, pixels, h, w: (length / pixels) ** 2,
        },
        hints=(
            "how many µm is one pixel wide?",
            "a pixel has the size length / pixels, and an area that is the square of it",
            "height * width * (length / pixels) ** 2",
        ),
    ),
    "known-fraction": Exercise(
        asks="a function of a phase (H, W) and a mask (H, W), 1 where a pixel is known, that gives the volume fraction "
        "of the known pixels",
        solution=_masked,
        cases=(
            Case("nothing is masked", lambda: (some_pixels(5, 7), torch.ones(5, 7, dtype=torch.float64))),
            Case("a bar that is taken for ground", lambda: _with_bar(0.0)),
            Case("a bar that is taken for phase", lambda: _with_bar(1.0)),
        ),
        mistakes={
            "the sum is divided by all pixels, so what is masked counts as ground": lambda m, mask: (m * mask).mean(),
            "the mask is not used": lambda m, mask: m.mean(),
            "what is masked counts as phase": lambda m, mask: torch.where(mask > 0, m, 1.0).mean(),
        },
        hints=(
            "m * mask keeps the phase of the known pixels",
            "how many pixels are known? It is not the number of all pixels",
            "(m * mask).sum() / mask.sum()",
        ),
    ),
    "halfway-threshold": Exercise(
        asks="a function of grey values (H, W) that gives the threshold halfway between the means of its two sides",
        solution=_halfway,
        cases=(
            Case("two phases of equal share", lambda: (_greys(0.5, 60.0, 180.0, 15.0),)),
            Case("a rare bright phase", lambda: (_greys(0.05, 60.0, 180.0, 15.0),)),
            Case("overlapping grey values", lambda: (_greys(0.3, 80.0, 120.0, 18.0),)),
            Case("a flattened picture, with negative values", lambda: (_greys(0.35, -6000.0, 11000.0, 2000.0),)),
        ),
        mistakes={
            "that is the mean of all grey values, where the search begins": lambda grey: grey.mean(),
            "that is one step from the mean; go on until the threshold stays": lambda grey: _step(grey, grey.mean()),
            "that is halfway between the darkest and the brightest pixel, which noise decides": lambda grey: (
                (grey.min() + grey.max()) / 2
            ),
            "that is the median, which leaves as many pixels on one side as on the other": lambda grey: grey.median(),
        },
        hints=(
            "begin at grey.mean(), and split the grey values there",
            "the mean of those up to the threshold, the mean of those above it: the new threshold is halfway between",
            "repeat this until the new threshold equals the old one",
        ),
    ),
    "side-needed": Exercise(
        asks="a function of φ, the integral range A and a standard error that gives the side of a square picture",
        solution=_side,
        cases=(
            Case("0.02 for the page's material", lambda: (0.354, 0.1205, 0.02)),
            Case("half the standard error", lambda: (0.354, 0.1205, 0.01)),
            Case("a rare phase of small features", lambda: (0.05, 0.003, 0.005)),
            Case("A in pixels", lambda: (0.2, 230.0, 0.01)),
        ),
        mistakes={
            "that is the area; the side is its square root": lambda phi, a, e: _side(phi, a, e) ** 2,
            "the standard error is not squared before the root is taken": lambda phi, a, e: math.sqrt(
                phi * (1 - phi) * a / e
            ),
            "φ (1 - φ) is missing": lambda phi, a, e: math.sqrt(a) / e,
            "that is for a picture of independent pixels; A is missing": lambda phi, a, e: (
                math.sqrt(phi * (1 - phi)) / e
            ),
        },
        hints=(
            "set the variance φ (1 - φ) A / V equal to the square of the standard error",
            "solve it for the area V of the picture",
            "the side is (φ (1 - φ) A) ** 0.5 / error",
        ),
    ),
    "standard-errors-apart": Exercise(
        asks="a function of φ and standard error of one picture, and of another, that gives by how many standard "
        "errors they differ, without a sign",
        solution=_apart,
        cases=(
            Case("equal standard errors", lambda: (0.30, 0.02, 0.36, 0.02)),
            Case("one picture much larger", lambda: (0.40, 0.03, 0.35, 0.004)),
            Case("no difference", lambda: (0.25, 0.01, 0.25, 0.02)),
            Case("the second has less", lambda: (0.354, 0.024, 0.250, 0.021)),
        ),
        mistakes={
            "the standard errors are added; their squares are": lambda p, a, q, b: abs(p - q) / (a + b),
            "that is divided by a variance; take its root": lambda p, a, q, b: abs(p - q) / (a**2 + b**2),
            "only the standard error of the first picture is used": lambda p, a, q, b: abs(p - q) / a,
            "that has a sign; take the absolute value": lambda p, a, q, b: (q - p) / math.hypot(a, b),
        },
        hints=(
            "the variance of a difference of two independent numbers is the sum of their variances",
            "its standard error is the root of error_1 ** 2 + error_2 ** 2",
            "abs(phi_1 - phi_2) / (error_1 ** 2 + error_2 ** 2) ** 0.5",
        ),
    ),
}
