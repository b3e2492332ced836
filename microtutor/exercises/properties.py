"""Exercises of the chapter Equal statistics, equal properties?: values by hand, bounds, duality, derivatives."""

from __future__ import annotations

import torch
from torch import Tensor

from microtutor.exercises.checking import Case, Exercise
from microtutor.exercises.small_images import image_of
from microtutor.properties import conductivity_fields, effective_conductivity, effective_stiffness
from microtutor.streams import seeded_generator


def _layers(phi: float, first: float, second: float) -> tuple[float, float]:
    return (1 - phi) * first + phi * second, 1 / ((1 - phi) / first + phi / second)


def _bound(phi: float, first: float, second: float, k0: float) -> float:
    return 1 / ((1 - phi) / (first + k0) + phi / (second + k0)) - k0


def _hashin(phi: float, first: float, second: float, *, dimensions: int = 2) -> tuple[float, float]:
    low, high = sorted((first, second))
    lower, upper = (_bound(phi, first, second, (dimensions - 1) * k0) for k0 in (low, high))
    return lower, upper


def _without_the_last_step(phi: float, first: float, second: float) -> tuple[float, float]:
    low, high = _hashin(phi, first, second)
    return low + min(first, second), high + max(first, second)


def _second(phi: float, first: float, second: float, *, share: float = 0.5) -> float:
    mean = first + phi * (second - first)
    return mean - share * phi * (1 - phi) * (second - first) ** 2 / mean


TURN = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)


def _negative(k: Tensor, first: float, second: float) -> Tensor:
    return first * second * TURN @ torch.linalg.inv(k) @ TURN.T


def _random_image(side: int, seed: int) -> Tensor:
    return (torch.rand(side, side, generator=seeded_generator(seed), dtype=torch.float64) < 0.4).double()


def _matrix_case(name: str, image: Tensor, second: float) -> Case:
    return Case(name, lambda: (effective_conductivity(image, (1.0, second), tolerance=1e-9), 1.0, second))


def _gradient(image: Tensor, second: float = 10.0) -> Tensor:
    return conductivity_fields(image, (1.0, second)).gradient[0].double()


LAYERS = image_of("..##", "..##", "..##", "..##")

EXERCISES = {
    "layers-by-hand": Exercise(
        asks="a function of the volume fraction phi of the second phase and of both conductivities that gives two "
        "numbers, along and across the layers",
        solution=_layers,
        cases=(
            Case("half of each, 1 and 10", lambda: (0.5, 1.0, 10.0)),
            Case("a quarter conducts 5", lambda: (0.25, 1.0, 5.0)),
            Case("the first phase is the good one", lambda: (0.3, 4.0, 2.0)),
        ),
        mistakes={
            "along and across are exchanged": lambda phi, a, b: _layers(phi, a, b)[::-1],
            "phi is the fraction of the second phase, and was taken for that of the first": lambda phi, a, b: _layers(
                1 - phi, a, b
            ),
            "across the layers, 1/K is the mean of 1/k; its inverse is missing": lambda phi, a, b: (
                _layers(phi, a, b)[0],
                1 / _layers(phi, a, b)[1],
            ),
        },
        hints=(
            "along the layers both phases have the same gradient, and their fluxes add up: the mean of k",
            "across the layers both have the same flux, and their gradients add up: 1 over the mean of 1/k",
        ),
    ),
    "hashin-shtrikman": Exercise(
        asks="a function of phi and of both conductivities that gives two numbers, the lower and the upper bound",
        solution=_hashin,
        cases=(
            Case("half of each, 1 and 10", lambda: (0.5, 1.0, 10.0)),
            Case("a fifth of the good conductor", lambda: (0.2, 1.0, 100.0)),
            Case("the first phase is the good one", lambda: (0.3, 8.0, 2.0)),
            Case("one phase alone", lambda: (0.0, 3.0, 7.0)),
        ),
        mistakes={
            "k0 was not subtracted at the end: one over the mean is K + k0": _without_the_last_step,
            "the two bounds are exchanged: the smaller conductivity as k0 gives the lower one": lambda phi, a, b: (
                _hashin(phi, a, b)[::-1]
            ),
            "phi was taken for the fraction of the first phase": lambda phi, a, b: _hashin(1 - phi, a, b),
            "these are the bounds in three dimensions, with 2 k0": lambda phi, a, b: _hashin(phi, a, b, dimensions=3),
            "these are the bounds of Voigt and Reuss, which hold for layers, too": lambda phi, a, b: _layers(phi, a, b)[
                ::-1
            ],
        },
        hints=(
            "the mean of 1 / (k + k0) over the phases is (1 - phi) / (k1 + k0) + phi / (k2 + k0)",
            "K is one over that mean, less k0",
            "k0 = min(k1, k2) gives the lower bound, k0 = max(k1, k2) the upper one",
        ),
    ),
    "slowest-error": Exercise(
        asks="a function of the least and the greatest conductivity and of k0 that gives by how much the slowest error "
        "is multiplied in one step",
        solution=lambda least, greatest, k0: max(abs(1 - least / k0), abs(1 - greatest / k0)),
        cases=(
            Case("k0 halfway", lambda: (1.0, 10.0, 5.5)),
            Case("k0 below halfway", lambda: (1.0, 10.0, 5.1)),
            Case("k0 too small, it diverges", lambda: (1.0, 10.0, 4.0)),
            Case("k0 is the greatest", lambda: (1.0, 10.0, 10.0)),
            Case("contrast 2", lambda: (1.0, 2.0, 1.02)),
        ),
        mistakes={
            "only the poor conductor was looked at; a long step makes the good one overshoot": lambda least, most, k0: (
                abs(1 - least / k0)
            ),
            "only the good conductor was looked at; a short step leaves the poor one behind": lambda least, most, k0: (
                abs(1 - most / k0)
            ),
            "that is the factor for k0 halfway between the two, whatever k0 is": lambda least, most, k0: (
                (most - least) / (most + least)
            ),
        },
        hints=(
            "an error whose flux runs in a phase that conducts k is multiplied by 1 - k/k0",
            "the slowest one has the largest |1 - k/k0|, and that is at one of the two ends",
        ),
    ),
    "second-order-by-hand": Exercise(
        asks="a function of phi and of both conductivities that gives K of a structure without a direction, up to the "
        "second order",
        solution=_second,
        cases=(
            Case("half of each, 1 and 1.2", lambda: (0.5, 1.0, 1.2)),
            Case("a fifth, 1 and 2", lambda: (0.2, 1.0, 2.0)),
            Case("the second phase is the poor one", lambda: (0.3, 2.0, 1.5)),
            Case("one phase alone", lambda: (1.0, 1.0, 3.0)),
        ),
        mistakes={
            "the mean over two directions is missing: without it, that is K across layers": lambda phi, a, b: _second(
                phi, a, b, share=1.0
            ),
            "the second order is missing; that is Voigt's mean": lambda phi, a, b: _second(phi, a, b, share=0.0),
            "the sum over |F|²/N² leaves out ξ = 0, so it is φ - φ² and not φ": lambda phi, a, b: (
                _second(phi, a, b, share=0.0) - phi * (b - a) ** 2 / (2 * (a + phi * (b - a)))
            ),
            "the second order is subtracted, not added": lambda phi, a, b: _second(phi, a, b, share=-0.5),
        },
        hints=(
            "take the mean of K_xx and K_yy: the trace of ξ ξ* / |ξ|² is 1, whatever ξ is",
            "by Parseval's theorem the sum of |F|²/N² over all ξ is φ; leave out ξ = 0, where it is φ²",
            "K = k̄ - δ² φ (1 - φ) / (2 k̄) with k̄ = k1 + φ δ and δ = k2 - k1",
        ),
    ),
    "keller": Exercise(
        asks="a function of the conductivity K (2, 2) of an image and of both phases that gives K of its negative",
        solution=_negative,
        cases=(
            _matrix_case("oblique lines", torch.eye(9, dtype=torch.float64).add(torch.eye(9).roll(1, 0)), 10.0),
            _matrix_case("random pixels", _random_image(15, 2), 10.0),
            _matrix_case("another contrast", _random_image(9, 3), 4.0),
        ),
        mistakes={
            "the quarter turn is missing": lambda k, a, b: a * b * torch.linalg.inv(k),
            "the factor k1 k2 is missing": lambda k, a, b: _negative(k, 1.0, 1.0),
            "1 / k inverts number by number; the inverse of the matrix is needed": lambda k, a, b: (
                a * b * TURN @ (1 / k) @ TURN.T
            ),
            "the inverse is missing": lambda k, a, b: a * b * TURN @ k @ TURN.T,
        },
        hints=(
            "torch.linalg.inv(k) is K⁻¹",
            "turn = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=k.dtype) turns by a quarter",
            "k1 * k2 * turn @ torch.linalg.inv(k) @ turn.T",
        ),
        tolerance=1e-4,
    ),
    "bulk-modulus": Exercise(
        asks="a function of a stiffness C (3, 3) that gives the bulk modulus in the plane, a number",
        solution=lambda c: c[:2, :2].sum() / 4,
        cases=(
            Case("steel alone", lambda: (effective_stiffness(image_of("#"), (1.0, 200.0), (0.3, 0.3)),)),
            Case("layers", lambda: (effective_stiffness(LAYERS, (1.0, 100.0), (0.3, 0.2), tolerance=1e-9),)),
        ),
        mistakes={
            "C12 and C21 are missing: pulled in both directions, each stress has two parts": lambda c: (
                (c[0, 0] + c[1, 1]) / 2
            ),
            "the shear modulus C33 does not belong to it": lambda c: c.diagonal().sum() / 3,
            "the pressure is the mean of two stresses, and the area grows by two strains: divide by 4": lambda c: (
                c[:2, :2].sum() / 2
            ),
        },
        hints=(
            "stretch both directions by ε, without shear: σ_xx = (C11 + C12) ε and σ_yy = (C21 + C22) ε",
            "the bulk modulus is the mean of the two stresses over the relative growth of the area, 2 ε",
            "c[:2, :2].sum() / 4",
        ),
        tolerance=1e-4,
    ),
    "one-more-pixel": Exercise(
        asks="a function of the gradient field g (2, H, W) of a mean gradient of one to the right that gives the "
        "derivative of K_xx by the conductivity of each pixel, (H, W)",
        solution=lambda g: g.square().sum(0) / g[0].numel(),
        cases=(
            Case(
                "the same gradient everywhere",
                lambda: (torch.eye(2, dtype=torch.float64)[0].repeat(3, 4, 1).permute(2, 0, 1),),
            ),
            Case("layers across", lambda: (_gradient(LAYERS),)),
            Case("random pixels", lambda: (_gradient(_random_image(8, 4)),)),
        ),
        mistakes={
            "it is not divided by the number of pixels": lambda g: g.square().sum(0),
            "that is the length of g; its square is needed": lambda g: g.norm(dim=0) / g[0].numel(),
            "the gradient has a component down as well, even where its mean points to the right": lambda g: (
                g[0].square() / g[0].numel()
            ),
            "the two components are added before they are squared": lambda g: g.sum(0).square() / g[0].numel(),
        },
        hints=(
            "the power K_xx is the mean of k |g|² over the pixels, and to first order g may stay as it is",
            "its derivative by the k of one pixel is |g|² of that pixel over the number of pixels",
            "g.square().sum(0) / g[0].numel()",
        ),
    ),
}
