"""VAEs of rock beside the reference methods: reconstructions, samples from the prior, many images of one latent.

    python studies/rock.py berea berea-data berea-noise --crops 200

Each is measured on held-out blocks of its own rock, and on another rock; on its own, also beside principal components
of the statistics followed by a search for a black-and-white image. Writes microtutor/results/rock.json.
"""

from __future__ import annotations

import argparse
import functools
import math
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from microtutor.environment import current_commit, find_device, report_environment
from microtutor.evaluation import (
    CROP_ROWS,
    Baselines,
    CropEvaluation,
    diversity,
    evaluate_crop_reconstructions,
    prior_samples,
    readings,
    trained_with,
)
from microtutor.evaluation.metrics import THRESHOLD
from microtutor.evaluation.rock import chord_counts, earth_movers_distance
from microtutor.files import write_json
from microtutor.losses import StatisticsLoss
from microtutor.microstructures import RockCrops, RockSample
from microtutor.models import VAE
from microtutor.reconstruction import reconstruct
from microtutor.reconstruction.flips import brightest
from microtutor.records import RESULTS
from microtutor.statistics import autocorrelation

OTHER = {"berea": "ketton", "ketton": "berea"}  # the rock that VAEs of one have never seen
TRAINING_CROPS = 2000
COMPONENTS = (9, 32)
SEARCH_STEPS, REFINING_STEPS = 200, 50
NEAR = 4.0  # voxels: shifts up to here are asked for closely where a search asks for the surface, too
GAP = 16  # voxels: crops of slices that lie farther apart have nothing to do with each other
TARGETS, REALISATIONS = 32, 16
Numbers = dict[str, Any]


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="+", help="shipped weights of one rock, or the folders of runs")
    parser.add_argument("--crops", type=int, default=200, help="of each rock, and samples from the prior")
    parser.add_argument("--seed", type=int, default=0, help="of all crops, samples and noise")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--record", type=Path, default=RESULTS / "rock.json", help="JSON file to write")
    chosen, commit = parser.parse_args(words), current_commit()
    rock = rock_of(chosen.weights)
    vaes = {name: VAE.from_pretrained(name, device=find_device(chosen.device)) for name in chosen.weights}
    say = functools.partial(print, file=sys.stderr, flush=True)
    found = rock_report(vaes, rock=rock, crops=chosen.crops, seed=chosen.seed, say=say)
    about = {
        "command": shlex.join(["python", "studies/rock.py", *(sys.argv[1:] if words is None else words)]),
        "seed": chosen.seed,
        "commit": commit,
        "environment": report_environment(show=False),
        "crops": chosen.crops,
    }
    write_json(chosen.record, about | found)


def rock_of(weights: Sequence[str]) -> str:
    """The one rock that all weights were trained on."""
    configs = [trained_with(name) for name in weights]
    seen = {config.material if config else "nothing known" for config in configs}
    if len(seen) > 1 or not seen <= set(OTHER):
        raise ValueError(f"expected weights trained on berea, or on ketton, got some of {' and '.join(sorted(seen))}")
    return seen.pop()


def rock_report(
    vaes: Mapping[str, VAE],
    *,
    rock: str,
    crops: int,
    seed: int = 0,
    say: Callable[[str], None] = print,
) -> dict[str, Numbers]:
    """Measure VAEs of a rock on its held-out blocks and on another rock, beside answers that need no network.

    Args:
        vaes: by name; all for images of one size.
        rock: what they were trained on; its training blocks serve the reference methods.
        crops: how many of each rock, and how many samples from the prior.
        seed: of all crops, samples and noise.
        say: called with a line of text before each step.

    Returns:
        "independent_crops": what the crops of each rock are worth, see `independent_crops`;
        "training_crops": how many the reference methods know;
        "reconstruction": by rock and method, the numbers of a `CropEvaluation`, of the references those that exist;
            "standard_error" is that of the statistics error in black and white, from the independent crops;
        "prior": of originals and of samples from each VAE, mean and spread of `readings`, the distance of their chord
        lengths (all images together) and of their mean statistics from those of the originals;
        "realisations": of each VAE whose decoder takes noise, see `realisation_report`; of the others the statistics
        error of their one image of each of the same targets.
    """
    size, other = _common_size(vaes), OTHER[rock]
    training = RockCrops(rock, size=size).sample(TRAINING_CROPS, seed=seed, split="train").images
    held_out = {
        rock: RockCrops(rock, size=size).sample(crops, seed=seed),
        other: RockCrops(other, size=size).sample(crops, seed=seed, split="all"),
    }
    references = Baselines(training)
    found: dict[str, Any] = {"reconstruction": {}, "prior": {}, "realisations": {}}
    found["training_crops"] = len(training)
    found["independent_crops"] = {name: _five(independent_crops(sample)) for name, sample in held_out.items()}
    for name, sample in held_out.items():
        say(f"{name}: reference methods, from {TRAINING_CROPS} training crops of {rock}")
        worth, images = found["independent_crops"][name], sample.images
        answers = {label: vae.reconstruct(images) for label, vae in vaes.items()}
        answers |= {f"{label}, cut at its own fraction": at_own_fraction(made) for label, made in answers.items()}
        rows = _reference_rows(references, images, crops, worth) | {
            label: _numbers(evaluate_crop_reconstructions(made, images), worth) for label, made in answers.items()
        }
        if name == rock:
            say("searches for images of the statistics that PCA keeps, and refined latents (minutes)")
            rows |= _slower_rows(references, vaes, images, worth)
        found["reconstruction"][name] = rows
    say("samples from the prior")
    originals = held_out[rock].images
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


def independent_crops(sample: RockSample) -> float:
    """What overlapping crops are worth: the number of independent ones whose mean is known as well.

    Two crops of slices normal to the same axis, at most 16 voxels apart, count as alike by the share of their area that
    they have in common; all others as independent. So the variance of a mean is that of one crop times the mean of
    these shares over all pairs.

    >>> there = torch.zeros(2, dtype=torch.long), torch.tensor([[0, 0, 0], [0, 0, 4]])  # they share half of their area
    >>> round(independent_crops(RockSample(torch.zeros(2, 1, 8, 8), *there)), 3)
    1.333
    """
    size = sample.images.shape[-1]
    apart = (sample.corner[:, None] - sample.corner).abs()
    in_plane = torch.arange(3) != sample.axis[:, None]
    shares = torch.where(in_plane[:, None], (1 - apart / size).clamp_min(0), (apart <= GAP).float()).prod(-1)
    return len(sample) / (shares * (sample.axis[:, None] == sample.axis)).mean(0).sum().item()


def _slower_rows(references: Baselines, vaes: Mapping[str, VAE], images: Tensor, worth: float) -> dict[str, Numbers]:
    """Answers that take a search for each crop: in pixels, for statistics of few numbers, and in latents."""
    distance = torch.fft.fftfreq(images.shape[-1], 1 / images.shape[-1])
    distance = torch.hypot(distance[:, None], distance)
    wanted = {f"PCA of the statistics, {k} numbers": references.pca_statistics(images, k) for k in COMPONENTS}
    closely = references.pca_statistics(images, COMPONENTS[-1], weight=1 + 10 * torch.exp(-distance / 1.5))
    near = distance <= NEAR

    def far_from_near_shifts(made: Tensor) -> Tensor:
        target = closely.flatten(0, 1)[:, near]
        return (autocorrelation(made)[:, near] - target).square().sum(-1) / target.square().sum(-1)

    ways: dict[str, Callable[[], Tensor]] = {
        f"{name}, then search": functools.partial(reconstruct, f, steps=SEARCH_STEPS, binary=True)
        for name, f in wanted.items()
    }
    ways[f"PCA of the statistics, {COMPONENTS[-1]} numbers, near shifts asked for closely"] = lambda: at_own_fraction(
        reconstruct(closely, steps=SEARCH_STEPS, extra_terms=far_from_near_shifts)
    )
    for label, vae in vaes.items():
        if not vae.noise_dim:
            ways[f"{label}, refined ({REFINING_STEPS})"] = functools.partial(
                vae.reconstruct, images, steps=REFINING_STEPS
            )
    rows = {}
    for name, way in ways.items():
        begun = time.perf_counter()
        made = way()
        seconds = (time.perf_counter() - begun) / len(images)
        rows[name] = _numbers(evaluate_crop_reconstructions(made, images), worth) | {
            "seconds_per_image": _five(seconds)
        }
    return rows


def _common_size(vaes: Mapping[str, VAE]) -> int:
    """The side of the images of all VAEs."""
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
    return brightest(images, images.flatten(1).sum(1, keepdim=True).round())


def realisation_report(vae: VAE, images: Tensor, unrelated: Tensor, *, n: int = REALISATIONS) -> Numbers:
    """How different n images of one latent vector are, and how well they keep the statistics: means over targets.

    Distances are those of `diversity`, of images cut at 0.5. "ratio" is the median distance over all targets and pairs
    divided by that of unrelated crops. Statistics errors are those of all realisations, and of the image that the
    decoder makes of noise zero.
    """
    loss, unrelated = StatisticsLoss("none"), (unrelated > THRESHOLD).float()
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


def _reference_rows(references: Baselines, images: Tensor, crops: int, worth: float) -> dict[str, Numbers]:
    rows = {"mean statistics of the training crops": _errors(references.mean_errors(images))}
    for k in COMPONENTS:
        rows[f"PCA of the statistics, {k} numbers"] = _errors(references.pca_errors(images, k))
    nearest = evaluate_crop_reconstructions(references.nearest_images(images), images)
    chance = evaluate_crop_reconstructions(references.images[:crops], images)
    return rows | {"nearest training crop": _numbers(nearest, worth), "any training crop": _numbers(chance, worth)}


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


def _numbers(evaluation: CropEvaluation, worth: float) -> Numbers:
    errors = evaluation.per_image["thresholded_statistics_error"]
    numbers = {name: _five(getattr(evaluation, name)) for name in CROP_ROWS}
    return numbers | {"standard_error": _five(errors.std() / worth**0.5)}


def _errors(errors: Tensor) -> Numbers:
    return {"statistics_error_mean": _five(errors.mean()), "statistics_error_median": _five(errors.median())}


def _five(value: Tensor | float) -> Any:
    """A float of five significant digits; None, which JSON knows, for NaN."""
    return None if math.isnan(value) else float(f"{float(value):.5g}")


if __name__ == "__main__":
    main()
