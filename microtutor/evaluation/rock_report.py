"""VAEs of rock beside the reference methods: reconstructions, samples from the prior, many images of one latent."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from microtutor.checks import check_callable, check_choice, check_count, check_phase, quote
from microtutor.evaluation.baselines import Baselines
from microtutor.evaluation.diversity import diversity
from microtutor.evaluation.metrics import THRESHOLD, check_vae
from microtutor.evaluation.rock import (
    CROP_ROWS,
    CropEvaluation,
    chord_counts,
    earth_movers_distance,
    evaluate_crop_reconstructions,
    readings,
)
from microtutor.losses import StatisticsLoss
from microtutor.microstructures import RockCrops
from microtutor.microstructures.rock import PORES_ARE_DARK
from microtutor.models import VAE
from microtutor.models.vae import evaluation_mode
from microtutor.reconstruction.flips import brightest
from microtutor.statistics import autocorrelation
from microtutor.streams import named_generator

TRAINING_CROPS = 2000
COMPONENTS = (9, 32)
TARGETS, REALISATIONS = 32, 16
Numbers = dict[str, Any]


def rock_report(
    vaes: Mapping[str, VAE],
    *,
    rock: str = "berea",
    other: str = "ketton",
    crops: int = 500,
    seed: int = 0,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Numbers]:
    """Measure VAEs of a rock on its held-out blocks and on another rock, beside answers that need no network.

    Args:
        vaes: by name; all for images of one size.
        rock: what they were trained on; its training blocks serve the reference methods.
        other: a rock they have never seen, measured whole.
        crops: how many of each rock, and how many samples from the prior.
        seed: of all crops, samples and noise.
        say: called with a line of text before each step.

    Returns:
        "reconstruction": by rock and method, the numbers of a `CropEvaluation`, of the references those that exist;
        "prior": of originals and of samples from each VAE, mean and spread of `readings`, the distance of their chord
        lengths (all images together) and of their mean statistics from those of the originals;
        "realisations": of each VAE whose decoder takes noise, see `realisation_report`; of the others the statistics
        error of their one image of each of the same targets.

    Raises:
        TypeError, ValueError: no VAEs, or of several sizes; no such rock, or twice the same; fewer than two crops.
    """
    size = _common_size(vaes)
    for name in (rock, other):
        check_choice(name, PORES_ARE_DARK, name="the rock")
    if other == rock:
        raise ValueError(f"expected other as another rock than {rock!r}, got the same one")
    check_count(crops, name="crops", minimum=2)
    check_callable(say, name="say")
    training = RockCrops(rock, size=size).sample(TRAINING_CROPS, seed=seed, split="train").images
    held_out = {
        rock: RockCrops(rock, size=size).sample(crops, seed=seed).images,
        other: RockCrops(other, size=size).sample(crops, seed=seed, split="all").images,
    }
    references, found = Baselines(training), {"reconstruction": {}, "prior": {}, "realisations": {}}
    for name, images in held_out.items():
        say(f"{name}: reference methods, from {TRAINING_CROPS} training crops of {rock}")
        answers = {label: vae.reconstruct(images) for label, vae in vaes.items()}
        answers |= {f"{label}, cut at its own fraction": at_own_fraction(made) for label, made in answers.items()}
        found["reconstruction"][name] = _reference_rows(references, images, crops) | {
            label: _numbers(evaluate_crop_reconstructions(made, images)) for label, made in answers.items()
        }
    say("samples from the prior")
    originals = held_out[rock]
    found["prior"]["originals"] = _summary(originals, originals)
    found["prior"]["training crops"] = _summary(training[:crops], originals)
    for label, vae in vaes.items():
        found["prior"][label] = _summary(prior_samples(vae, crops, seed=seed), originals)
    targets, loss = originals[:TARGETS], StatisticsLoss()
    for label, vae in vaes.items():
        if vae.noise_dim:
            say(f"{REALISATIONS} realisations each of {TARGETS} latent vectors: {label}")
            found["realisations"][label] = realisation_report(vae, targets, training[:TARGETS])
        else:
            error = _five(loss(vae.reconstruct(targets), targets))
            found["realisations"][label] = {"targets": len(targets), "realisations": 1, "statistics_error_mean": error}
    return found


def _common_size(vaes: Mapping[str, VAE]) -> int:
    """The side of the images of all VAEs."""
    if not isinstance(vaes, Mapping) or not vaes:
        raise TypeError(f"expected at least one VAE by its name, as {{'mine': vae}}, got {quote(vaes)}")
    for name, vae in vaes.items():
        check_vae(vae, name=f"vaes[{name!r}]")
    sizes = {vae.size for vae in vaes.values()}
    if len(sizes) > 1:
        raise ValueError(f"expected VAEs for images of one size, got sizes {', '.join(map(str, sorted(sizes)))}")
    return sizes.pop()


def at_own_fraction(images: Tensor) -> Tensor:
    """Grey images made black and white so that each keeps its mean: the largest values become the phase, (n, 1, H, W).

    Kinder to a blurred image than a cut at 0.5, which can leave it empty.

    >>> at_own_fraction(torch.tensor([[[[0.1, 0.2], [0.3, 0.4]]]]))  # the mean is a quarter: one pixel of four
    tensor([[[[0., 0.],
              [0., 1.]]]])
    """
    images = check_phase(images)
    return brightest(images, images.flatten(1).sum(1, keepdim=True).round())


@torch.no_grad()
def prior_samples(vae: VAE, n: int, *, seed: int = 0) -> Tensor:
    """New images from standard normal latents, and standard normal noise if the decoder takes it: (n, 1, size, size).

    They are decoded in evaluation mode, and are on the CPU.

    >>> prior_samples(VAE(latent_dim=2, size=32, channels=8), 3).shape
    torch.Size([3, 1, 32, 32])
    """
    check_vae(vae)
    check_count(n, name="n")
    check_count(seed, name="seed", minimum=0)
    numbers = vae.latent_dim + vae.noise_dim
    drawn = torch.randn(n, numbers, generator=named_generator("prior", seed), dtype=torch.float32)
    latents, noise = drawn.to(next(vae.parameters())).split([vae.latent_dim, vae.noise_dim], 1)
    with evaluation_mode(vae):
        return torch.cat([vae.decode(z, e).cpu() for z, e in zip(latents.split(64), noise.split(64))])


def realisation_report(vae: VAE, images: Tensor, unrelated: Tensor, *, n: int = REALISATIONS) -> Numbers:
    """How different n images of one latent vector are, and how well they keep the statistics: means over targets.

    Distances are those of `diversity`, of images cut at 0.5. "ratio" is the median distance over all targets and pairs
    divided by that of unrelated crops. Statistics errors are those of all realisations, and of the image that the
    decoder makes of noise zero.
    """
    check_vae(vae)
    check_count(n, name="n", minimum=2)
    loss, unrelated = StatisticsLoss("none"), (check_phase(unrelated, name="unrelated crops") > THRESHOLD).float()
    made = vae.realisations(images, n)
    distances, between = [], None
    for some in made:
        measured = diversity((some > THRESHOLD).float(), unrelated[: len(unrelated) if between is None else 2])
        distances.append(measured.distances)
        between = measured.unrelated_distances if between is None else between
    distance, apart = torch.cat(distances), between.median()  # type: ignore[union-attr]
    targets = images[:, None].expand_as(made)
    return {
        "targets": len(images),
        "realisations": n,
        "median_distance": _five(distance.median()),
        "lowest_tenth_distance": _five(distance.quantile(0.1)),
        "unrelated_median_distance": _five(apart),
        "ratio": _five(distance.median() / apart),
        "statistics_error_mean": _five(loss(made, targets).mean()),
        "thresholded_statistics_error_mean": _five(loss((made > THRESHOLD).float(), targets).mean()),
        "statistics_error_mean_at_zero_noise": _five(loss(_at_zero_noise(vae, images), images).mean()),
    }


@torch.no_grad()
def _at_zero_noise(vae: VAE, images: Tensor) -> Tensor:
    return vae.decode_means(images, torch.zeros(1, vae.noise_dim), 64)[:, 0]


def _reference_rows(references: Baselines, images: Tensor, crops: int) -> dict[str, Numbers]:
    rows = {"mean statistics of the training crops": _errors(references.mean_errors(images))}
    for k in COMPONENTS:
        rows[f"PCA of the statistics, {k} numbers"] = _errors(references.pca_errors(images, k))
    nearest = evaluate_crop_reconstructions(references.nearest_images(images), images)
    chance = evaluate_crop_reconstructions(references.images[:crops], images)
    return rows | {"nearest training crop": _numbers(nearest), "any training crop": _numbers(chance)}


def _summary(images: Tensor, originals: Tensor) -> Numbers:
    """Mean and spread of the readings of samples, cut at 0.5, and how far they are from the originals as a whole."""
    binary = (images > THRESHOLD).float()
    numbers = {}
    for name, values in readings(binary).items():
        values = values[values.isfinite()]  # of those that have chords
        numbers[name] = {"mean": _five(values.mean()), "spread": _five((values - values.mean()).square().mean().sqrt())}
    together = [chord_counts(m).sum(0) for m in (binary, originals)]
    difference = autocorrelation(images).mean(0) - autocorrelation(originals).mean(0)
    return numbers | {
        "chord_length_distance": _five(earth_movers_distance(*together)),
        "mean_statistics_error": _five(difference.square().mean()),
    }


def _numbers(evaluation: CropEvaluation) -> Numbers:
    return {name: _five(getattr(evaluation, name)) for name in CROP_ROWS}


def _errors(errors: Tensor) -> Numbers:
    return {"statistics_error_mean": _five(errors.mean()), "statistics_error_median": _five(errors.median())}


def _five(value: Tensor | float) -> float | None:
    """Five significant digits; None, which JSON knows, for NaN."""
    return None if math.isnan(value) else float(f"{float(value):.5g}")
