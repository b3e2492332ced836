"""Exercises of the chapter Variational autoencoders from scratch."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from microtutor.exercises.checking import Case, Exercise
from microtutor.exercises.small_images import image_of
from microtutor.streams import seeded_generator


# --- clouds to try answers on -----------------------------------------------------------------------------------------
def _clouds(*rows: tuple[float, float], latents: int = 1) -> tuple[Tensor, Tensor]:
    """Means and log-variances, (images, latents) each, from pairs that are read image by image."""
    both = torch.tensor(rows, dtype=torch.float64).reshape(-1, latents, 2)
    return both[..., 0], both[..., 1]


def _many(seed: int, spread: float) -> tuple[Tensor, Tensor]:
    """Clouds of 30 images in three latents, away from the origin."""
    draws = torch.randn(2, 30, 3, generator=seeded_generator(seed), dtype=torch.float64)
    return 0.5 + spread * draws[0], -3 + 0.5 * draws[1]


def _noise(seed: int, n: int, latents: int) -> Tensor:
    return torch.randn(n, latents, generator=seeded_generator(seed), dtype=torch.float64)


def _three(*sigmas: float) -> tuple[Tensor, Tensor]:
    """Means and widths of three clouds in one latent."""
    return torch.tensor([0.0, 1.0, 3.0], dtype=torch.float64), torch.tensor(sigmas, dtype=torch.float64)


def _pictures() -> Tensor:
    return torch.stack([image_of("###", "..."), image_of("#..", "#.."), image_of("...", ".##")])


# --- answers, right and wrong -----------------------------------------------------------------------------------------
def _kl(mean: Tensor, log_variance: Tensor, *, one: float = 1.0) -> Tensor:
    return 0.5 * (mean.square() + log_variance.exp() - one - log_variance).sum(-1)


def _whitened(
    mean: Tensor, log_variance: Tensor, *, own: bool = True, centred: bool = True, correction: int = 0
) -> Tensor:
    spread = mean.var(0, correction=correction) if centred else mean.square().mean(0)
    total = spread + log_variance.exp().mean(0) if own else spread
    return 0.5 * (total.log() - log_variance.mean(0)).sum()


def _weights(z: float, mean: Tensor, sigma: Tensor, *, half: float = 0.5, tall: bool = True) -> Tensor:
    """What each picture counts, before the division by the sum."""
    density = (-half * ((z - mean) / sigma).square()).exp()
    return density / sigma if tall else density


def _mixed(weights: Tensor, pictures: Tensor) -> Tensor:
    return (weights[:, None, None] * pictures).sum(0)


def _mean_picture(
    z: float, mean: Tensor, sigma: Tensor, pictures: Tensor, *, half: float = 0.5, tall: bool = True
) -> Tensor:
    weights = _weights(z, mean, sigma, half=half, tall=tall)
    return _mixed(weights / weights.sum(), pictures)


def _columns_weighted(weights: Tensor, pictures: Tensor) -> Tensor:
    return (weights / weights.sum() * pictures).sum(0)  # runs, as there are as many pictures as columns


def _nearest(z: float, mean: Tensor, pictures: Tensor) -> Tensor:
    return pictures[int((z - mean).abs().argmin())]


CLOUDS = (
    Case("N(0, 1) itself", lambda: _clouds((0, 0))),
    Case("one that is moved", lambda: _clouds((1, 0), (-2, 0))),
    Case("one that is narrow", lambda: _clouds((0, -4))),
    Case("two latents", lambda: _clouds((0.5, -1), (-1, 0.7), (2, -3), (0, 0), latents=2)),
)

EXERCISES: dict[str, Exercise] = {
    "half-as-wide": Exercise(
        asks="a number of bits",
        solution=lambda: 1.0,
        cases=(Case("by how many bits KL grows"),),
        mistakes={
            "that is right in nats; a nat is 1.44 bits": lambda: math.log(2),
            "twice as many clouds fit, but a bit is the logarithm to base 2 of that": lambda: 2.0,
            "KL grows with narrower clouds; it does not fall": lambda: -1.0,
        },
        hints=(
            "for a small σ the only term of KL that changes much is -log σ",
            "log 2 nats; and what is a nat in bits?",
        ),
        tolerance=1e-2,
    ),
    "kl-of-clouds": Exercise(
        asks="a function of means and log-variances, both (images, latents), that gives the KL of each image",
        solution=_kl,
        cases=CLOUDS,
        mistakes={
            "the second argument is log σ², and its exponential is σ² already: no square": (
                lambda mean, log_variance: 0.5 * (mean.square() + (2 * log_variance).exp() - 1 - log_variance).sum(-1)
            ),
            "the factor 1/2 is missing": lambda mean, log_variance: 2 * _kl(mean, log_variance),
            "-1 is missing: the cloud N(0, 1) must cost nothing": (
                lambda mean, log_variance: _kl(mean, log_variance, one=0.0)
            ),
            "that is the mean over the latents; each of them has its price, so sum": (
                lambda mean, log_variance: _kl(mean, log_variance) / mean.shape[-1]
            ),
            "μ is not squared": (
                lambda mean, log_variance: 0.5 * (mean + log_variance.exp() - 1 - log_variance).sum(-1)
            ),
        },
        hints=(
            "half of μ² + σ² - 1 - log σ², summed over the latents",
            "σ² is log_variance.exp()",
            "0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(-1)",
        ),
    ),
    "draw-from-cloud": Exercise(
        asks="a function of means, log-variances and noise, all (images, latents), that gives z, (images, latents)",
        solution=lambda mean, log_variance, noise: mean + (0.5 * log_variance).exp() * noise,
        cases=tuple(
            Case(case.name, lambda case=case, k=k: (*case.arguments(), _noise(k, *case.arguments()[0].shape)))
            for k, case in enumerate(CLOUDS)
        ),
        mistakes={
            "the noise is multiplied by the variance; its width is σ, the root of it": (
                lambda mean, log_variance, noise: mean + log_variance.exp() * noise
            ),
            "the noise is multiplied by log σ²": lambda mean, log_variance, noise: mean + log_variance * noise,
            "the mean is missing": lambda mean, log_variance, noise: (0.5 * log_variance).exp() * noise,
            "the noise is not scaled: every cloud has σ = 1": lambda mean, log_variance, noise: mean + noise,
        },
        hints=(
            "z = μ + σ ε, with the noise ε",
            "σ is the root of exp(log σ²), that is, exp of half of it",
            "mean + (0.5 * log_variance).exp() * noise",
        ),
    ),
    "worth-one-nat": Exercise(
        asks="a function of α, β and the side of a square image that gives the statistics error worth one nat",
        solution=lambda alpha, beta, size: beta / (alpha * size**2),
        cases=(
            Case("the default at 64 px", lambda: (2000.0, 1.0, 64)),
            Case("the default at 224 px", lambda: (2000.0, 1.0, 224)),
            Case("a smaller β", lambda: (2000.0, 0.2, 224)),
            Case("a smaller α", lambda: (50.0, 1.0, 64)),
        ),
        mistakes={
            "that is the sum over shifts; the statistics error is their mean": lambda alpha, beta, size: beta / alpha,
            "an image of side n has n² shifts": lambda alpha, beta, size: beta / (alpha * size),
            "upside down: a larger α makes a smaller error worth a nat": (
                lambda alpha, beta, size: alpha / (beta * size**2)
            ),
            "the sum over shifts is N times the mean, so divide by N": lambda alpha, beta, size: beta * size**2 / alpha,
        },
        hints=(
            "a nat costs β; a squared error S, summed over shifts, costs α S",
            "the statistics error is S / N, with N pixels",
        ),
    ),
    "mean-of-clouds": Exercise(
        asks="a function of z, means (n,), sigmas (n,) and pictures (n, H, W) that gives their weighted mean, (H, W)",
        solution=_mean_picture,
        cases=(
            Case("on one of three clouds", lambda: (0.0, *_three(0.1, 0.1, 0.1), _pictures())),
            Case("half-way between two", lambda: (0.5, *_three(0.4, 0.4, 0.4), _pictures())),
            Case("clouds of unequal width", lambda: (0.5, *_three(0.2, 0.8, 0.5), _pictures())),
            Case("far outside", lambda: (4.0, *_three(1.0, 0.9, 1.5), _pictures())),
        ),
        mistakes={
            "all pictures have the same weight, wherever z is": lambda z, mean, sigma, pictures: pictures.mean(0),
            "that is the picture of the nearest cloud": lambda z, mean, sigma, pictures: _nearest(z, mean, pictures),
            "a narrow cloud is tall: the density has the factor 1/σ": (
                lambda z, mean, sigma, pictures: _mean_picture(z, mean, sigma, pictures, tall=False)
            ),
            "the factor 1/2 in the exponent is missing": (
                lambda z, mean, sigma, pictures: _mean_picture(z, mean, sigma, pictures, half=1.0)
            ),
            "the weights are not yet divided by their sum": (
                lambda z, mean, sigma, pictures: _mixed(_weights(z, mean, sigma), pictures)
            ),
            "the densities are not yet divided by their sum": (
                lambda z, mean, sigma, pictures: _mixed(_weights(z, mean, sigma), pictures) / math.sqrt(2 * math.pi)
            ),
            "the weighted pictures are summed; their mean would divide by the number of pictures once more": (
                lambda z, mean, sigma, pictures: _mean_picture(z, mean, sigma, pictures) / len(pictures)
            ),
            "the weights go along the columns of the pictures; weights[:, None, None] gives one to each picture": (
                lambda z, mean, sigma, pictures: _columns_weighted(_weights(z, mean, sigma), pictures)
            ),
        },
        hints=(
            "the weight of a picture is the density of its cloud at z, divided by the sum of all densities",
            "exp(-(z - μ)² / (2 σ²)) / σ, up to a constant that is the same for all",
            "torch.distributions.Normal(mean, sigma).log_prob(torch.tensor(z)).softmax(0) gives the weights",
        ),
    ),
    "whitened-kl": Exercise(
        asks="a function of means and log-variances, both (images, latents), that gives one number",
        solution=_whitened,
        cases=(
            Case("one latent", lambda: _clouds((1, -2), (-1, -2), (2, -4))),
            Case("30 images, three latents", lambda: _many(1, 1.0)),
            Case("the same, four times as wide", lambda: (4 * _many(1, 1.0)[0], _many(1, 1.0)[1] + 2 * math.log(4))),
            Case("collapsed, or nearly so", lambda: _clouds((0.1, -0.02), (-0.1, 0), (0.1, 0.01))),
        ),
        mistakes={
            "that is the mean KL, which depends on the scale": lambda mean, log_variance: _kl(
                mean, log_variance
            ).mean(),
            "the variance of all clouds together is that of their means and the mean of their own": (
                lambda mean, log_variance: _whitened(mean, log_variance, own=False)
            ),
            "the variance is taken about 0 and not about the mean": (
                lambda mean, log_variance: _whitened(mean, log_variance, centred=False)
            ),
            "the factor 1/2 is missing": lambda mean, log_variance: 2 * _whitened(mean, log_variance),
            "C is a mean over the images that are there, and var(0) divides by one less than their number": (
                lambda mean, log_variance: _whitened(mean, log_variance, correction=1)
            ),
        },
        hints=(
            "first C of each latent: the variance of its means over the images, plus the mean of its σ²",
            "then half of log C minus the mean of log σ², summed over the latents",
            "C = mean.var(0, correction=0) + log_variance.exp().mean(0)",
        ),
    ),
}
