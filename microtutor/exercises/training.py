"""Exercises of the chapter Training on a GPU: steps, weights of a loss, gradients, and numbers of 16 bits."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from microtutor.exercises.checking import Case, Exercise


def _data_share(step: float, steps: float, warm_up: float, final: float) -> float:
    return max(final, 1 - step / (warm_up * steps))


def _clipped(gradient: Tensor, limit: float) -> Tensor:
    return gradient * min(1.0, limit / gradient.norm().item())


def _adam(
    gradients: Tensor, rate: float, *, first: float = 0.9, second: float = 0.999, corrected: bool = True
) -> float:
    place = mean = square = 0.0
    for step, gradient in enumerate(gradients.tolist(), start=1):
        mean = first * mean + (1 - first) * gradient
        square = second * square + (1 - second) * gradient**2
        by = (1 - first**step, 1 - second**step) if corrected else (1.0, 1.0)
        place -= rate * (mean / by[0]) / (math.sqrt(square / by[1]) + 1e-8)
    return place


def _cosine(step: float, steps: float, rate: float) -> float:
    rise = 0.1 * steps
    if step < rise:
        return rate * step / rise
    return rate * (1 + math.cos(math.pi * (step - rise) / (steps - rise))) / 2


def _numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


EXERCISES: dict[str, Exercise] = {
    "steps-of-a-run": Exercise(
        asks="a function of the number of images, the batch size and the number of epochs that gives the steps",
        solution=lambda images, batch, epochs: epochs * (images // batch),
        cases=(
            Case("batches that come out even", lambda: (64, 32, 1)),
            Case("three epochs", lambda: (64, 32, 3)),
            Case("images left over", lambda: (100, 32, 2)),
            Case("the paper's run", lambda: (7000, 32, 1500)),
        ),
        mistakes={
            "the batch that is not full was counted as a step; here it is left out": lambda images, batch, epochs: (
                epochs * math.ceil(images / batch)
            ),
            "these are the steps of one epoch only": lambda images, batch, epochs: images // batch,
            "these are images, and a step takes a whole batch of them": lambda images, batch, epochs: images * epochs,
            "the images left over of all epochs were put together; each epoch begins anew": lambda images, batch, n: (
                images * n // batch
            ),
        },
        hints=(
            "how many full batches are there in one epoch?",
            "images // batch, and that as often as there are epochs",
        ),
    ),
    "data-share": Exercise(
        asks="a function of step, steps, warm_up and final that gives the share g of data space at this step",
        solution=_data_share,
        cases=(
            Case("the first step", lambda: (0, 2000, 0.6, 0.5)),
            Case("early in the warm-up", lambda: (300, 2000, 0.6, 0.5)),
            Case("after g has come down to its last value", lambda: (1500, 2000, 0.6, 0.5)),
            Case("no data space at the end", lambda: (900, 1000, 0.6, 0.0)),
            Case("another warm-up", lambda: (100, 1000, 0.2, 0.3)),
        ),
        mistakes={
            "g goes on falling below its last value": lambda step, steps, warm_up, final: 1 - step / (warm_up * steps),
            "g falls over all steps; its warm-up is a part of them": lambda step, steps, warm_up, final: max(
                final, 1 - step / steps
            ),
            "that is the share of the statistics, 1 - g": lambda *of: 1 - _data_share(*of),
            "g falls to its last value only at the end of the warm-up; it falls towards 0 and stops on the way": (
                lambda step, steps, warm_up, final: 1 - (1 - final) * min(1, step / (warm_up * steps))
            ),
        },
        hints=(
            "the warm-up has warm_up * steps steps; over them a straight line falls from 1 to 0",
            "1 - step / (warm_up * steps) is that line; when it is below final, final counts",
            "max(final, 1 - step / (warm_up * steps))",
        ),
    ),
    "clip-by-length": Exercise(
        asks="a function of a gradient (n,) and a limit that gives the gradient, cut to this length if it is longer",
        solution=_clipped,
        cases=(
            Case("a long gradient", lambda: (_numbers(3, 4), 1.0)),
            Case("a short gradient", lambda: (_numbers(0.3, 0.4), 1.0)),
            Case("one large number among small ones", lambda: (_numbers(0.1, -0.2, 50), 10.0)),
            Case("many numbers, each below the limit", lambda: (torch.full((400,), 0.9, dtype=torch.float64), 10.0)),
        ),
        mistakes={
            "each number is cut by itself, which turns the gradient; its length is to be cut": lambda g, limit: g.clamp(
                -limit, limit
            ),
            "short gradients are made longer; they should stay as they are": lambda g, limit: g * limit / g.norm(),
            "the length is the root of the sum of squares; the root is missing": lambda g, limit: (
                g * min(1.0, limit / g.square().sum().item())
            ),
            "the length is that of the root of the mean square; it is the root of the sum of squares": (
                lambda g, limit: g * min(1.0, limit / g.square().mean().sqrt().item())
            ),
        },
        hints=(
            "the direction must stay, so all numbers are multiplied by one factor",
            "the factor is limit / gradient.norm(), but never more than 1",
        ),
    ),
    "pixels-in-half-precision": Exercise(
        asks="a number of pixels",
        solution=lambda: 255,
        cases=(Case("the most phase pixels whose |F(0)|² float16 can hold"),),
        mistakes={
            "65,504 is the largest number of float16, and |F(0)|² is the square of the number of pixels": (
                lambda: 65_504
            ),
            "256² is 65,536, which is above 65,504": lambda: 256,
            "that is the root itself; a number of pixels is whole, and it is cut down": lambda: math.sqrt(65_504),
        },
        hints=(
            "F(0) is the sum of the pixels, and its power is the square of that",
            "the square of which whole numbers is at most 65,504?",
        ),
    ),
    "warm-up-and-cosine": Exercise(
        asks="a function of step, steps and rate that gives the learning rate at this step",
        solution=_cosine,
        cases=(
            Case("the first step", lambda: (0, 1000, 2e-3)),
            Case("half-way up", lambda: (50, 1000, 2e-3)),
            Case("the top", lambda: (100, 1000, 2e-3)),
            Case("half-way down", lambda: (550, 1000, 2e-3)),
            Case("near the end", lambda: (900, 1000, 2e-3)),
            Case("the end of another run", lambda: (200, 200, 1e-2)),
        ),
        mistakes={
            "it falls in a straight line; it should fall along a cosine": lambda step, steps, rate: (
                _cosine(step, steps, rate) if step < 0.1 * steps else rate * (1 - step / steps) / 0.9
            ),
            "half a wave of the cosine falls from 1 to -1: add 1 and divide by 2. This is a quarter of it": (
                lambda step, steps, rate: (
                    _cosine(step, steps, rate)
                    if step < 0.1 * steps
                    else rate * math.cos(math.pi / 2 * (step - 0.1 * steps) / (0.9 * steps))
                )
            ),
            "the rise at the beginning is missing": lambda step, steps, rate: (
                rate * (1 + math.cos(math.pi * step / steps)) / 2
            ),
            "the cosine begins with the run; it should begin where the rise ends": lambda step, steps, rate: (
                _cosine(step, steps, rate) if step < 0.1 * steps else rate * (1 + math.cos(math.pi * step / steps)) / 2
            ),
        },
        hints=(
            "two branches: before 0.1 * steps a straight line from 0 to rate, and after it a cosine",
            "let x go from 0 at the top to 1 at the end: x = (step - 0.1 * steps) / (0.9 * steps)",
            "after the top: rate * (1 + cos(pi * x)) / 2",
        ),
        tolerance=1e-6,
    ),
    "adam-by-hand": Exercise(
        asks="a function of gradients (t,) and rate that gives where a weight that begins at 0 has got to",
        solution=_adam,
        cases=(
            Case("one step", lambda: (_numbers(0.5), 0.1)),
            Case("a gradient a thousand times as long", lambda: (_numbers(500), 0.1)),
            Case("three equal gradients", lambda: (_numbers(2, 2, 2), 0.1)),
            Case("a sign that changes", lambda: (_numbers(1, -1, 1, -1), 0.1)),
            Case("gradients that shrink", lambda: (_numbers(1, 0.5, 0.25), 0.01)),
        ),
        mistakes={
            "that is plain gradient descent, without the division by the recent size": lambda g, rate: (
                -rate * g.sum().item()
            ),
            "the correction of the first steps is missing: both means begin at 0, so divide by 1 - 0.9**t and "
            "1 - 0.999**t": lambda g, rate: _adam(g, rate, corrected=False),
            "the step goes uphill; a weight moves against its gradient": lambda g, rate: -_adam(g, rate),
            "that is only the sign of each gradient; the mean of the last ones is missing": lambda g, rate: (
                -rate * g.sign().sum().item()
            ),
        },
        hints=(
            "keep two running means, of the gradient and of its square, with the factors 0.9 and 0.999",
            "mean = 0.9 * mean + 0.1 * g and square = 0.999 * square + 0.001 * g**2, both from 0",
            "place -= rate * (mean / (1 - 0.9**t)) / ((square / (1 - 0.999**t)) ** 0.5 + 1e-8), with t from 1",
        ),
    ),
}
