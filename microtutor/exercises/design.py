"""Exercises of the chapter From a wanted property to a structure: hits, intervals, steps in the latents, limits."""

from __future__ import annotations

import torch
from torch import Tensor

from microtutor.exercises.checking import Case, Exercise
from microtutor.exercises.small_images import image_of
from microtutor.properties import effective_conductivity
from microtutor.streams import seeded_generator


def _numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _random(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=seeded_generator(seed), dtype=torch.float64)


def _share(values: Tensor) -> Tensor:
    return values.double().mean()


def _inside(mean: Tensor, spread: Tensor, true: Tensor, *, width: float = 1.645) -> Tensor:
    return _share((true - mean).abs() < width * spread)


def _predictions(seed: int, wrong: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """Means, standard deviations and true values of 1,000 predictions; the true errors are wrong times as large."""
    mean, spread, noise = _random(3, 1000, seed=seed)
    spread = 0.1 + spread.square()
    return mean, spread, mean + wrong * spread * noise


def _least(g: Tensor, covariance: Tensor, missing: float) -> Tensor:
    along = covariance @ g
    return missing / (g @ along) * along


def _covariance(size: int) -> Tensor:
    root = _random(size, size, seed=size)
    return root @ root.T + torch.eye(size, dtype=torch.float64)


def _smooth(m: Tensor) -> Tensor:
    return torch.sigmoid(10 * (m - 0.5))


def _mean_conductivity(images: Tensor, phases: tuple[float, float]) -> Tensor:
    return effective_conductivity(images, phases).diagonal(dim1=-2, dim2=-1).mean(-1)


def _pictures() -> tuple[Tensor]:
    return (torch.stack([image_of("##..", "##..", "....", "...."), image_of("##..", "##..", "##..", "##..")]),)


EXERCISES = {
    "share-of-hits": Exercise(
        asks="a function of found values (n,), a target and a tolerance that gives the share of hits, a number",
        solution=lambda values, target, tolerance: _share((values / target - 1).abs() <= tolerance),
        cases=(
            Case("target 2 within 5 %", lambda: (_numbers(1.96, 2.03, 2.11, 1.7), 2.0, 0.05)),
            Case("target 7 within 1 %", lambda: (_numbers(7.04, 6.95, 7.2, 6.0, 7.0), 7.0, 0.01)),
            Case("target 0.5 within 2 %", lambda: (_numbers(0.515, 0.505, 0.49), 0.5, 0.02)),
        ),
        mistakes={
            "the error has to be relative to the target": lambda values, target, tolerance: _share(
                (values - target).abs() <= tolerance
            ),
            "the sign is still there, so that each smaller value counts as a hit": lambda values, target, off: _share(
                values / target - 1 <= off
            ),
            "that is how many hits there are; divide by the number of values": lambda values, target, tolerance: (
                (values / target - 1).abs() <= tolerance
            ).sum(),
        },
        hints=(
            "the relative error is |value - target| / target",
            "((values / target - 1).abs() <= tolerance).float().mean()",
        ),
    ),
    "inside-90": Exercise(
        asks="a function of means, standard deviations and true values, all (n,), that gives the share inside 90 % "
        "intervals",
        solution=_inside,
        cases=(
            Case("error bars that are right", lambda: _predictions(1)),
            Case("error bars that are too short", lambda: _predictions(2, wrong=2.0)),
            Case("error bars that are too long", lambda: _predictions(3, wrong=0.5)),
        ),
        mistakes={
            "an interval of one standard deviation to each side holds 68 %": lambda mean, spread, true: _inside(
                mean, spread, true, width=1.0
            ),
            "1.96 standard deviations to each side hold 95 %": lambda mean, spread, true: _inside(
                mean, spread, true, width=1.96
            ),
            "1.282 standard deviations leave 10 % out on each side, 20 % together": lambda mean, spread, true: _inside(
                mean, spread, true, width=1.282
            ),
            "values far below their interval are counted as inside": lambda mean, spread, true: _share(
                true - mean < 1.645 * spread
            ),
        },
        hints=(
            "5 % of a normal distribution lie further than 1.645 standard deviations on each side",
            "((true - mean).abs() < 1.645 * spread).float().mean()",
        ),
        tolerance=1e-3,
    ),
    "smooth-cut": Exercise(
        asks="a function of grey values m that gives the derivative of the smooth cut σ(10 (m - 1/2)) at each of them",
        solution=lambda m: 10 * _smooth(m) * (1 - _smooth(m)),
        cases=(
            Case("at the level of the cut", lambda: (_numbers(0.5),)),
            Case("black, white and between", lambda: (_numbers(0.0, 0.2, 0.45, 0.6, 1.0),)),
        ),
        mistakes={
            "the inner derivative, 10, is missing": lambda m: _smooth(m) * (1 - _smooth(m)),
            "that is the smooth cut itself": _smooth,
            "1 - σ is missing: σ' = σ (1 - σ)": lambda m: 10 * _smooth(m),
        },
        hints=(
            "the derivative of σ(u) is σ(u) (1 - σ(u))",
            "by the chain rule, multiply by the derivative of 10 (m - 1/2)",
            "s = torch.sigmoid(10 * (m - 0.5)); 10 * s * (1 - s)",
        ),
    ),
    "least-step": Exercise(
        asks="a function of a slope g (d,), a covariance C (d, d) and the missing amount that gives the step s (d,)",
        solution=_least,
        cases=(
            Case("all latents vary alike", lambda: (_numbers(3, 4), torch.eye(2, dtype=torch.float64), 5.0)),
            Case("one latent varies more", lambda: (_numbers(1, 1), _numbers(4, 1).diag(), 0.5)),
            Case("latents that depend on each other", lambda: (_random(5), _covariance(5), -0.3)),
        ),
        mistakes={
            "the covariance is missing: that is the shortest step if all latents varied alike": lambda g, c, missing: (
                missing / (g @ g) * g
            ),
            "the step is scaled as one along C g, but goes along g": lambda g, c, missing: missing / (g @ c @ g) * g,
            "the inverse of the covariance was taken: it goes where latents hardly vary": lambda g, c, missing: _least(
                g, torch.linalg.inv(c), missing
            ),
            "it is divided by the root of g · C g; divide by g · C g itself": lambda g, c, m: (
                m / (g @ c @ g).sqrt() * (c @ g)
            ),
        },
        hints=(
            "the direction is C g, which is covariance @ g",
            "along it the property rises by g · C g; scale the direction so that it rises by the missing amount",
            "along = covariance @ g; missing / (g @ along) * along",
        ),
    ),
    "secant": Exercise(
        asks="a function of two counts of pixels, their two values and the target that gives the next count, a whole "
        "number",
        solution=lambda n0, n1, p0, p1, target: round(n1 + (target - p1) * (n1 - n0) / (p1 - p0)),
        cases=(
            Case("not far enough", lambda: (4000, 4080, 1.690, 1.694, 1.700)),
            Case("too far", lambda: (4000, 4080, 1.690, 1.704, 1.700)),
            Case("downwards", lambda: (3000, 2940, 1.520, 1.511, 1.500)),
        ),
        mistakes={
            "the step begins at the second count, whose value is the nearer one": lambda n0, n1, p0, p1, target: round(
                n0 + (target - p1) * (n1 - n0) / (p1 - p0)
            ),
            "the sign is wrong: it goes away from the target": lambda n0, n1, p0, p1, target: round(
                n1 - (target - p1) * (n1 - n0) / (p1 - p0)
            ),
            "the slope is turned upside down: divide by the rise per pixel": lambda n0, n1, p0, p1, target: round(
                n1 + (target - p1) * (p1 - p0) / (n1 - n0)
            ),
            "that is the middle of the two counts": lambda n0, n1, p0, p1, target: round((n0 + n1) / 2),
        },
        hints=(
            "the property rises by (p1 - p0) / (n1 - n0) for each pixel",
            "what is missing at the second count is target - p1",
            "round(n1 + (target - p1) * (n1 - n0) / (p1 - p0))",
        ),
        tolerance=1e-9,
    ),
    "most-anisotropic": Exercise(
        asks="a function of the contrast c of the phases that gives the largest K_xx / K_yy of all structures",
        solution=lambda c: (1 + c) ** 2 / (4 * c),
        cases=(
            Case("contrast 10", lambda: (10.0,)),
            Case("contrast 1: both phases conduct alike", lambda: (1.0,)),
            Case("contrast 100", lambda: (100.0,)),
        ),
        mistakes={
            "the two phases cannot be in one place: along the layers K is the mean, not the greater value": lambda c: c,
            "that is the least ratio": lambda c: 4 * c / (1 + c) ** 2,
            "that is Voigt's mean; divide it by Reuss's": lambda c: (1 + c) / 2,
        },
        hints=(
            "layers are the extreme: Voigt's mean along them, Reuss's across, with the volume fraction still free",
            "(1 - φ + φ c) (1 - φ + φ / c) has its maximum at φ = 1/2",
            "((1 + c) / 2) ((1 + 1 / c) / 2)",
        ),
    ),
    "typicality": Exercise(
        asks="a function of the log-densities of draws (n,) and of structures (k,) that gives the typicality of each "
        "structure, (k,)",
        solution=lambda draws, found: (draws < found[:, None]).double().mean(1),
        cases=(
            Case("one structure in the middle", lambda: (_numbers(-3, -1, -2, -4), _numbers(-2.5))),
            Case("in the middle, outside, at the summit", lambda: (_random(1000), _numbers(-0.4, -9, 9))),
        ),
        mistakes={
            "that is the share of draws that are more probable": lambda draws, found: (
                (draws > found[:, None]).double().mean(1)
            ),
            "that is how many draws are less probable; divide by their number": lambda draws, found: (
                draws < found[:, None]
            ).sum(1),
            "a density is no probability: it has to be compared with those of the draws": lambda draws, found: (
                found.exp()
            ),
        },
        hints=(
            "for each structure, count the draws whose log-density is less",
            "(draws < found[:, None]) is a table of k rows and n columns",
            "(draws < found[:, None]).float().mean(1)",
        ),
    ),
    "insulating-pores": Exercise(
        asks="a function of images (n, H, W) whose pores conduct 1 and whose grains 10 that gives their mean "
        "conductivity, (n,)",
        solution=lambda images: _mean_conductivity(images, (10.0, 1.0)),
        cases=(
            Case("a square pore and a layer", _pictures),
            Case("no pores", lambda: (torch.zeros(1, 4, 4, dtype=torch.float64),)),
        ),
        mistakes={
            "the pores are 1 in the image, so that the second conductivity is theirs": lambda images: (
                _mean_conductivity(images, (1.0, 10.0))
            ),
            "that is K_xx; take the mean of K_xx and K_yy": lambda images: effective_conductivity(images, (10.0, 1.0))[
                :, 0, 0
            ],
            "that is the sum of K_xx and K_yy; take their mean": lambda images: (
                2 * _mean_conductivity(images, (10.0, 1.0))
            ),
            "that is the mean of the local conductivities; a solve is needed": lambda images: (
                10 - 9 * images.mean((1, 2))
            ),
        },
        hints=(
            "effective_conductivity(images, (grains, pores)) gives matrices (n, 2, 2)",
            ".diagonal(dim1=-2, dim2=-1) takes K_xx and K_yy of each",
            "effective_conductivity(images, (10.0, 1.0)).diagonal(dim1=-2, dim2=-1).mean(-1)",
        ),
        tolerance=1e-3,
    ),
}
