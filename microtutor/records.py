"""Recorded runs: what a training run did and how good its model is, as JSON that a table or a figure is drawn from."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from microtutor.checks import check_count, check_instance, check_path, check_text, describe, quote
from microtutor.environment import report_environment
from microtutor.evaluation import CropEvaluation, Evaluation
from microtutor.evaluation.metrics import check_vae
from microtutor.files import LOG, RUN_FILE, read_json, write_json
from microtutor.models import VAE
from microtutor.training import TrainingConfig, read_log

RESULTS = Path(__file__).parent / "results"
TEXT = ("choice", "data_set", "commit", "ran")  # columns of a recorded experiment that are no numbers
METRICS = tuple(f.name for f in fields(Evaluation) if f.type == "float")  # those that are numbers


def metrics(evaluation: Evaluation | CropEvaluation) -> dict[str, Any]:
    """The numbers of an evaluation, without those of single images, to five significant digits; None for NaN.

    Raises:
        TypeError: it is no evaluation.
    """
    if not isinstance(evaluation, (Evaluation, CropEvaluation)):
        raise TypeError(f"expected what evaluate or evaluate_crops gives, got {describe(evaluation)}")
    values = {f.name: getattr(evaluation, f.name) for f in fields(evaluation) if f.name != "per_image"}
    return {name: _number(value) for name, value in values.items() if value is not None}


def _number(value: Any) -> Any:
    """Floats to five significant digits, and None, which JSON knows, for NaN and infinity; anything else as it is."""
    if isinstance(value, dict):
        return {name: _number(one) for name, one in value.items()}
    if not isinstance(value, float):
        return value
    return float(f"{value:.5g}") if math.isfinite(value) else None


def metrics_by_seed(evaluations: Mapping[int, Evaluation | CropEvaluation]) -> dict[str, dict[str, Any]]:
    """The numbers of evaluations as records and cards hold them.

    Raises:
        TypeError, ValueError: they are no evaluations by the seed of their images.

    >>> metrics_by_seed({})
    {}
    """
    if not isinstance(evaluations, Mapping):
        wanted = "evaluations by the seed of their images, as {0: evaluation}"
        raise TypeError(f"expected {wanted}, got {quote(evaluations)}")
    for seed in evaluations:
        check_count(seed, name="the seed of an evaluation", minimum=0)
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
        commit: `environment.current_commit()`, asked before the run began.
        config: its configuration; recorded with the precision that "auto" took, as the run's training.json says it.
        vae: the trained model.
        run_folder: the run's output folder, with log.csv.
        evaluations: of the trained model, by the seed of the held-out images.

    Raises:
        TypeError: an argument is of another type.
        ValueError: there are no evaluations, log.csv holds no rows, or training.json is damaged.
        FileNotFoundError: there is no log.csv.
    """
    path, run_folder = check_path(path, name="path"), check_path(run_folder, name="run_folder")
    for name, text in (("command", command), ("commit", commit)):
        check_text(text, name=name)
    check_instance(config, TrainingConfig, name="config")
    check_vae(vae)
    if not (measured := metrics_by_seed(evaluations)):
        raise ValueError("expected at least one evaluation by the seed of its images, as {0: evaluation}, got none")
    log, ran = read_log(run_folder), read_json(run_folder / RUN_FILE) or {}
    if not log.get("seconds"):
        raise ValueError(f"expected rows in {run_folder / LOG}, got none; train again, or resume the run")
    record = {
        "command": command,
        "seed": config.seed,
        "commit": commit,
        "environment": report_environment(show=False),
        "wall_time_seconds": log["seconds"][-1],
        "images_seen": int(log["images"][-1]),
        "trainable_parameters": sum(p.numel() for p in vae.parameters() if p.requires_grad),
        "processes": int(ran.get("processes") or os.environ.get("WORLD_SIZE", 1)),
        "configuration": config.replace(precision=ran.get("precision", config.precision)).as_dict(),
        "metrics": measured,
        "curve": {
            name: [_number(v) for v in log[name]] for name in ("images", "seconds", "validation_statistics_error")
        },
    }
    write_json(path, record)
    return record


def read_record(name: str) -> dict[str, Any]:
    """A recorded run that comes with the package, by the name of its file.

    Raises:
        TypeError: name is no text.
        FileNotFoundError: there is no such record; the message lists those there are.

    >>> read_record("lines-1-4")["trainable_parameters"] < 8_000_000
    True
    """
    return json.loads(_result(name, ".json").read_text(encoding="utf-8"))


def read_runs(name: str) -> list[dict[str, Any]]:
    """The runs of a recorded experiment that comes with the package: one row each, with numbers as floats.

    Raises:
        TypeError, FileNotFoundError: as `read_record`.

    >>> {row["choice"] for row in read_runs("latent")} >= {"1", "9"}
    True
    """
    with open(_result(name, ".csv"), newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{k: v if k in TEXT else float(v or "nan") for k, v in row.items()} for row in rows]


def recorded_configuration(name: str) -> TrainingConfig:
    """The configuration of a recorded training run, such as that of shipped weights, as one process repeats it.

    Raises:
        TypeError, FileNotFoundError: as `read_record`.

    >>> recorded_configuration("lines-1-4").latent_dim
    9
    """
    record = read_record(name)
    config = TrainingConfig(**record["configuration"])
    return config.replace(batch_size=config.batch_size * record.get("processes", 1))


def _result(name: str, suffix: str) -> Path:
    path = RESULTS / f"{check_text(name, name='the name of a result')}{suffix}"
    if not RESULTS.is_dir():
        raise FileNotFoundError(
            f"expected the recorded results in {RESULTS}, and there is no such folder; install microtutor again"
        )
    if not path.is_file():
        known = ", ".join(sorted(p.name for p in RESULTS.glob(f"*{suffix}")))
        raise FileNotFoundError(f"expected one of the recorded results {known}; got {path.name!r}")
    return path
