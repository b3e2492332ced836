"""Exercises of the chapter Turning the knobs: weights of a loss, nats, and logs that say what is wrong."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from microtutor.exercises.checking import Case, Exercise
from microtutor.streams import seeded_generator

LEARNING, COLLAPSE, BLANK, DIVERGED = range(4)


def _numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _codes(scale: float, latents: int, width: float = 0.3) -> tuple[Tensor, Tensor]:
    """Means and log-variances (200, latents) of clouds whose widths differ from image to image."""
    draws = torch.randn(2, 200, latents, generator=seeded_generator(latents), dtype=torch.float64)
    return scale * draws[0] + 1, draws[1] + 2 * math.log(width * scale)


def _nats(mean: Tensor, log_variance: Tensor, *, correction: int = 0) -> Tensor:
    variance = mean.var(0, correction=correction) + log_variance.exp().mean(0)
    return 0.5 * (variance.log() - log_variance.mean(0))


def _kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean(0)


def _diagnosis(error: float, kl: float, blank: float) -> int:
    if not math.isfinite(kl) or kl > 1e6:
        return DIVERGED
    if error > 0.9 * blank:
        return BLANK
    return COLLAPSE if kl < 0.5 else LEARNING


def _collapse_first(error: float, kl: float, blank: float) -> int:
    if not math.isfinite(kl) or kl > 1e6:
        return DIVERGED
    if kl < 0.5:
        return COLLAPSE
    return BLANK if error > 0.9 * blank else LEARNING


def _forgets_nan(error: float, kl: float, blank: float) -> int:
    if kl > 1e6:
        return DIVERGED
    if error > 0.9 * blank:
        return BLANK
    return COLLAPSE if kl < 0.5 else LEARNING


def _saved(errors: Tensor, nats: Tensor, alpha: float, pixels: float) -> Tensor:
    return -alpha * pixels * errors.diff() / nats.diff()


EXERCISES: dict[str, Exercise] = {
    "same-lowest-point": Exercise(
        asks="a function of alpha, beta and a new alpha that gives the new beta",
        solution=lambda alpha, beta, new: beta * new / alpha,
        cases=(
            Case("alpha ten times larger", lambda: (200.0, 0.1, 2000.0)),
            Case("alpha smaller", lambda: (2000.0, 1.0, 20.0)),
            Case("the same alpha", lambda: (2000.0, 3.0, 2000.0)),
        ),
        mistakes={
            "that is the wrong way round: both weights grow together": lambda alpha, beta, new: beta * alpha / new,
            "beta cannot stay as it is while alpha changes; their ratio decides": lambda alpha, beta, new: beta,
            "the ratio has to stay, not the difference": lambda alpha, beta, new: beta + new - alpha,
        },
        hints=("what stays the same is alpha / beta", "new alpha / new beta = alpha / beta"),
    ),
    "a-faint-image": Exercise(
        asks="a function of the grey c that gives two numbers: pixel error and statistics error, relative to those of "
        "a blank page",
        solution=lambda c: _numbers((1 - c) ** 2, (1 - c**2) ** 2),
        cases=(
            Case("nearly black, c = 0.8", lambda: (0.8,)),
            Case("half, c = 0.5", lambda: (0.5,)),
            Case("blank, c = 0", lambda: (0.0,)),
            Case("perfect, c = 1", lambda: (1.0,)),
        ),
        mistakes={
            "the statistics are quadratic: f' = c² f": lambda c: _numbers((1 - c) ** 2, (1 - c) ** 2),
            "both errors are squares": lambda c: _numbers(1 - c, 1 - c**2),
            "the two are exchanged": lambda c: _numbers((1 - c**2) ** 2, (1 - c) ** 2),
            "that is what is left, not what is wrong": lambda c: _numbers(c**2, c**4),
        },
        hints=(
            "the image misses (1 - c) m; and what do its statistics miss?",
            "m' = c m gives f' = c² f, so the statistics miss (1 - c²) f",
        ),
    ),
    "saved-per-nat": Exercise(
        asks="a function of errors (k,), nats (k,), alpha and the number of pixels that gives k - 1 savings",
        solution=_saved,
        cases=(
            Case("two settings", lambda: (_numbers(4e-5, 2e-5), _numbers(5.0, 10.0), 2000.0, 4096)),
            Case("three settings", lambda: (_numbers(6e-5, 4e-5, 3e-5), _numbers(1.0, 9.0, 24.0), 2000.0, 4096)),
            Case("a nat that saves nothing", lambda: (_numbers(2.6e-5, 2.8e-5), _numbers(24.0, 50.0), 2000.0, 4096)),
            Case("other images and another alpha", lambda: (_numbers(5e-6, 2e-6), _numbers(9.0, 12.0), 500.0, 50176)),
        ),
        mistakes={
            "S is a sum over all shifts, the error a mean: multiply by the number of pixels": lambda e, n, alpha, _: (
                _saved(e, n, alpha, 1)
            ),
            "the error is not yet weighted with alpha": lambda e, n, alpha, pixels: _saved(e, n, 1, pixels),
            "the sign is wrong: an error that falls is a saving": lambda *of: -_saved(*of),
            "that is nats per saving; it should be the inverse": lambda *of: 1 / _saved(*of),
            "the saving is for all nats together; divide by their number": lambda e, n, alpha, pixels: (
                -alpha * pixels * e.diff()
            ),
        },
        hints=(
            "the loss falls by alpha times the fall of S, and S is the error times the number of pixels",
            "errors.diff() and nats.diff() give the steps from each setting to the next",
            "-alpha * pixels * errors.diff() / nats.diff()",
        ),
    ),
    "nats-at-scale-one": Exercise(
        asks="a function of mean and log_variance, (n, d) each, that gives d numbers of nats",
        solution=_nats,
        cases=(
            Case("latents of scale 1", lambda: _codes(1.0, 3)),
            Case("the same, stretched by 3", lambda: _codes(3.0, 3)),
            Case("clouds as wide as all images together", lambda: _codes(1.0, 4, width=2.0)),
            Case("one latent", lambda: _codes(0.5, 1)),
        ),
        mistakes={
            "that is KL itself, which changes with the scale": _kl,
            "the variance over all images is that of the means and that of the clouds; the clouds are missing": (
                lambda mean, log_variance: 0.5 * (mean.var(0, correction=0).log() - log_variance.mean(0))
            ),
            "take the mean of the logarithms, not the logarithm of the mean": lambda mean, log_variance: (
                0.5
                * ((mean.var(0, correction=0) + log_variance.exp().mean(0)).log() - log_variance.exp().mean(0).log())
            ),
            "the factor one half is missing": lambda mean, log_variance: 2 * _nats(mean, log_variance),
            "the variance of the means is the sum of squares divided by n, and var(0) divides by n - 1": (
                lambda mean, log_variance: _nats(mean, log_variance, correction=1)
            ),
            "that is one sum; the latents are asked for one by one": lambda mean, log_variance: _nats(
                mean, log_variance
            ).sum(),
        },
        hints=(
            "the variance of a latent over all images together: the variance of the means, plus the mean variance of "
            "the clouds",
            "half its logarithm, minus half the mean of log_variance",
            "0.5 * ((mean.var(0, correction=0) + log_variance.exp().mean(0)).log() - log_variance.mean(0))",
        ),
    ),
    "doctor-for-logs": Exercise(
        asks="a function of error, kl and blank that gives 0, 1, 2 or 3",
        solution=_diagnosis,
        cases=(
            Case("a network that learns", lambda: (6e-5, 14.0, 2e-4)),
            Case("one picture for all", lambda: (1.3e-4, 0.0, 2e-4)),
            Case("a blank page, KL of hundreds", lambda: (2e-4, 345.0, 2e-4)),
            Case("a blank page, KL of 0", lambda: (2e-4, 0.0, 2e-4)),
            Case("a KL of many digits", lambda: (2e-4, 2e17, 2e-4)),
            Case("a KL that is no number", lambda: (2e-4, math.nan, 2e-4)),
            Case("the blank page of another set", lambda: (6e-5, 14.0, 6e-5)),
        ),
        mistakes={
            "a blank page can have a KL of 0, too; ask for the error before you say collapse": _collapse_first,
            "every comparison with NaN is false, so kl > 1e6 does not find it: ask math.isfinite": _forgets_nan,
            "a blank page has the error of a blank page, not just a large one": lambda error, kl, blank: _diagnosis(
                error, kl, 2e-4
            ),
            "the blank page is never found": lambda error, kl, blank: (
                DIVERGED if not kl <= 1e6 else COLLAPSE if kl < 0.5 else LEARNING
            ),
        },
        hints=(
            "ask in this order: diverged, blank page, collapse",
            "diverged: not math.isfinite(kl) or kl > 1e6. Blank page: error > 0.9 * blank",
            "of what is left, kl < 0.5 is a collapse, and all else is learning",
        ),
        tolerance=1e-9,
    ),
}
