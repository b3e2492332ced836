"""Recorded runs: what a training run did and how good its model is, as JSON that a table or a figure is drawn from."""

from __future__ import annotations

import csv
import functools
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from microtutor.environment import report_environment
from microtutor.evaluation import CropEvaluation, Evaluation, evaluate, evaluate_crops, rock_report
from microtutor.files import write_json
from microtutor.microstructures import LineSample
from microtutor.models import VAE
from microtutor.training import TrainingConfig, read_log
from microtutor.training.config import ImageSource

_PACKAGE = Path(__file__).parent
RESULTS = next(folder for folder in (_PACKAGE / "results", _PACKAGE.parent / "results") if folder.is_dir())
METRICS = tuple(f.name for f in fields(Evaluation) if f.type == "float")  # those that are numbers


def metrics(evaluation: Evaluation | CropEvaluation) -> dict[str, Any]:
    """The numbers of an evaluation, without those of single images, to five significant digits."""
    values = {f.name: getattr(evaluation, f.name) for f in fields(evaluation) if f.name != "per_image"}
    return {name: float(f"{value:.5g}") if isinstance(value, float) else value for name, value in values.items()}


def evaluate_on(vae: VAE, source: ImageSource, images: int = 1000, seed: int = 0) -> Evaluation | CropEvaluation:
    """Evaluate on held-out images of a source: as lines if they are lines, otherwise as crops of random material.

    Images that the metrics cannot do without a phase of, empty ones and crops of one phase, are left out; how many is
    said on the error stream, and the evaluation's `images` counts those that were measured.
    """
    sample = source.sample(images, seed=seed)
    usable = sample.images.flatten(1).amax(1) > 0
    if not isinstance(sample, LineSample):
        usable &= sample.images.flatten(1).amin(1) < 1
    left_out = int((~usable).sum())
    if left_out:
        print(f"left out {left_out} of {images} images, which have one phase only", file=sys.stderr)
    if isinstance(sample, LineSample):
        return evaluate(vae, sample[usable] if left_out else sample)
    rock = getattr(source, "rock", "")
    return evaluate_crops(vae, sample.images[usable], data_set=rock if isinstance(rock, str) else "")


def evaluate_on_seeds(vae: VAE, source: ImageSource, images: int = 1000) -> dict[int, Evaluation | CropEvaluation]:
    """Evaluate on three sets of held-out images; by their seed."""
    return {seed: evaluate_on(vae, source, images, seed) for seed in (0, 1, 2)}


def metrics_by_seed(evaluations: Mapping[int, Evaluation | CropEvaluation]) -> dict[str, dict[str, Any]]:
    """The numbers of evaluations as records and cards hold them."""
    return {f"evaluation seed {seed}": metrics(evaluation) for seed, evaluation in evaluations.items()}


def write_record(
    path: str | os.PathLike,
    *,
    command: str,
    commit: str,
    config: TrainingConfig,
    vae: VAE,
    run_folder: str | os.PathLike,
    evaluations: Mapping[int, Evaluation | CropEvaluation],
) -> dict[str, Any]:
    """Write a recorded run and return what was written.

    Args:
        path: the JSON file.
        command: what to type to repeat the run.
        commit: `current_commit()`, asked before the run began.
        config: its configuration.
        vae: the trained model.
        run_folder: the run's output folder, with log.csv.
        evaluations: of the trained model, by the seed of the held-out images.
    """
    log = read_log(run_folder)
    record = {
        "command": command,
        "seed": config.seed,
        "commit": commit,
        "environment": report_environment(show=False),
        "wall_time_seconds": log["seconds"][-1],
        "images_seen": int(log["images"][-1]),
        "trainable_parameters": sum(p.numel() for p in vae.parameters() if p.requires_grad),
        "processes": int(os.environ.get("WORLD_SIZE", 1)),
        "configuration": config.as_dict(),
        "metrics": metrics_by_seed(evaluations),
        "curve": {
            name: [float(f"{v:.5g}") for v in log[name]]
            for name in ("images", "seconds", "validation_statistics_error")
        },
    }
    write_json(path, record)
    return record


def other_rock(rock: str) -> str:
    """The rock that a record of VAEs of this one measures them on too.

    Raises:
        ValueError: rock is "lines".
    """
    other = {"berea": "ketton", "ketton": "berea"}
    if rock not in other:
        raise ValueError(f"expected a record of {' or '.join(other)}, got {rock!r}; lines have `microtutor reproduce`")
    return other[rock]


def write_rock_report(
    path: str | os.PathLike, *, command: str, vaes: Mapping[str, VAE], rock: str, crops: int, seed: int = 0
) -> dict[str, Any]:
    """Measure VAEs of a rock beside the reference methods, write it as JSON, and return what was written.

    Raises:
        ValueError: rock is "lines".
    """
    other, commit = other_rock(rock), current_commit()
    say = functools.partial(print, file=sys.stderr, flush=True)
    found = rock_report(vaes, rock=rock, other=other, crops=crops, seed=seed, say=say)
    record = {"command": command, "seed": seed, "commit": commit, "environment": report_environment(show=False)}
    record |= {"crops": crops} | found
    write_json(path, record)
    return record


def read_record(name: str) -> dict[str, Any]:
    """A recorded run that comes with the package, by the name of its file.

    Raises:
        FileNotFoundError: there is no such record; the message lists those there are.

    >>> read_record("lines-1-4")["trainable_parameters"] < 8_000_000
    True
    """
    return json.loads(_result(f"{name}.json").read_text(encoding="utf-8"))


def read_runs(name: str) -> list[dict[str, Any]]:
    """The runs of a recorded experiment that comes with the package: one row each, with numbers as floats.

    >>> {row["choice"] for row in read_runs("latent")} >= {"1", "9"}
    True
    """
    with open(_result(f"{name}.csv"), newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{k: v if k in ("choice", "data_set") else float(v) for k, v in row.items()} for row in rows]


def recorded_configuration(name: str) -> TrainingConfig:
    """The configuration of a recorded training run, such as that of shipped weights, as one process repeats it.

    >>> recorded_configuration("lines-1-4").latent_dim
    9
    """
    record = read_record(name)
    config = TrainingConfig(**record["configuration"])
    return config.replace(batch_size=config.batch_size * record.get("processes", 1))


def _result(file_name: str) -> Path:
    path = RESULTS / file_name
    if not path.is_file():
        known = ", ".join(sorted(p.name for p in RESULTS.glob(f"*{path.suffix}")))
        raise FileNotFoundError(f"expected one of the recorded results {known}; got {file_name!r}")
    return path


def current_commit() -> str:
    """The commit of the working tree this package lies in, or "unknown" outside one."""
    folder = Path(__file__).parent
    options: dict[str, Any] = {"cwd": folder, "capture_output": True, "timeout": 10}
    try:
        found = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], **options)
        changed = subprocess.run(["git", "status", "--porcelain", "."], **options)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    if found.returncode:
        return "unknown"
    return found.stdout.decode().strip() + (" with changes" if changed.stdout.strip() else "")
