"""The paper's table, recomputed: trained weights beside the paper's numbers and beside the reference methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from microtutor.checks import check_callable, check_choice, check_count, check_each, check_instance, check_path
from microtutor.environment import find_device
from microtutor.evaluation.baselines import Baselines
from microtutor.evaluation.metrics import PAPER, ROWS, Evaluation, evaluate, evaluate_reconstructions
from microtutor.microstructures import LineImages, LineSample
from microtutor.models import VAE, shipped_weights
from microtutor.reconstruction import reconstruct
from microtutor.statistics import autocorrelation

COLUMNS = {
    "statistics_error_mean": "error, mean",
    "statistics_error_median": "median",
    "orientation_accuracy": "orientation",
    "count_accuracy": "line count",
    "valid_share": "valid",
    "volume_fraction_difference": "volume fr.",
}
SETS = {"1-4 lines": (1, 4), "3-6 lines": (3, 6)}
WEIGHTS = {"1-4 lines": ("lines-1-4", "lines-1-4-data", "lines-1-4-z32"), "3-6 lines": ("lines-3-6",)}
SEARCHED = 8  # images; a search takes seconds each
TRAINING_IMAGES = 2000
STEPS = 50  # of refinement


@dataclass(frozen=True)
class Row:
    """One method in the report: its name, and those of its metrics that exist."""

    name: str
    metrics: dict[str, float]


def report(
    data_set: str,
    *,
    images: int = 1000,
    seed: int = 0,
    size: int = 224,
    refined: int = 0,
    folder: Path | None = None,
    device: str | torch.device = "cpu",
    say: Callable[[str], None] = lambda text: None,
) -> list[Row]:
    """The paper's numbers, the reference methods and the shipped weights on one of the paper's sets.

    Args:
        data_set: "1-4 lines" or "3-6 lines".
        images: number of held-out images.
        seed: of the held-out images.
        size: of the images; the shipped weights need 224, others leave them out.
        refined: of this many of the images, also show each of the weights refined by 50 steps on its latents.
        folder: take weights of the same names from here instead of the shipped ones.
        device: where the weights compute.
        say: called with a line of text before each step.

    Raises:
        TypeError, ValueError: unknown data_set or device; or another argument of another type, or below its limits.

    >>> [row.name for row in report("3-6 lines", images=20, size=32)][:3]
    ['the paper', 'empty image', 'mean statistics of 2000 images']
    """
    check_choice(data_set, SETS, name="data_set")
    check_count(images, name="images")
    refined = min(check_count(refined, name="refined", minimum=0), images)
    check_callable(say, name="say")
    folder = None if folder is None else check_path(folder, name="folder")
    device = find_device(device)
    lines = LineImages(SETS[data_set], size)
    sample = lines.sample(images, seed=seed)
    rows = [Row("the paper", PAPER[data_set])]
    say(f"{data_set}: reference methods, from {TRAINING_IMAGES} training images")
    rows += _reference_rows(lines, sample)
    for name in WEIGHTS[data_set]:
        there = name in shipped_weights() if folder is None else (folder / name).is_dir()
        if (
            there
            and size == (vae := VAE.from_pretrained(name if folder is None else folder / name, device=device)).size
        ):
            say(f"{data_set}: weights {name}")
            rows.append(Row(f"{name}, {vae.latent_dim} latents", _metrics(evaluate(vae, sample))))
            if refined:
                found = evaluate(vae, sample[:refined], steps=STEPS)
                rows.append(Row(f"  refined ({STEPS}), {refined} images", _metrics(found)))
    return rows


def table(rows: list[Row]) -> str:
    """Rows of a report as text.

    Raises:
        TypeError: rows is no list of them.

    >>> print(table([Row("mine", {"count_accuracy": 0.5})]).splitlines()[1].split())
    ['mine', '-', '-', '-', '50.0%', '-', '-']
    """
    check_each(rows, check_instance, name="rows", kind=Row)
    width = max((len(row.name) for row in rows), default=0) + 2
    lines = [f"{'':{width}}" + "".join(f"{label:>13}" for label in COLUMNS.values())]
    for row in rows:
        cells = [ROWS[k][1].format(row.metrics[k]) if k in row.metrics else "-" for k in COLUMNS]
        lines.append(f"{row.name:{width}}" + "".join(f"{cell:>13}" for cell in cells))
    return "\n".join(lines)


def _reference_rows(lines: LineImages, sample: LineSample) -> list[Row]:
    references = Baselines(lines.sample(TRAINING_IMAGES, split="train").images)
    n = TRAINING_IMAGES
    empty = evaluate_reconstructions(torch.zeros_like(sample.images), sample)
    nearest = evaluate_reconstructions(references.nearest_images(sample.images), sample)
    some = sample[:SEARCHED]
    searched = evaluate_reconstructions(reconstruct(autocorrelation(some.images), steps=600), some)
    return [
        Row("empty image", {k: v for k, v in _metrics(empty).items() if k.startswith("statistics")}),
        Row(f"mean statistics of {n} images", _error_metrics(references.mean_errors(sample.images))),
        Row("PCA of the statistics, 9 numbers", _error_metrics(references.pca_errors(sample.images, 9))),
        Row("PCA of the statistics, 32 numbers", _error_metrics(references.pca_errors(sample.images, 32))),
        Row(f"nearest of {n} images", _metrics(nearest)),
        Row(f"search on the pixels, {len(some)} images", _metrics(searched)),
    ]


def _metrics(evaluation: Evaluation) -> dict[str, float]:
    return {name: getattr(evaluation, name) for name in COLUMNS}


def _error_metrics(errors: Tensor) -> dict[str, float]:
    return {"statistics_error_mean": errors.mean().item(), "statistics_error_median": errors.median().item()}
