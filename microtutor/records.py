"""Recorded runs: what a training run did and how good its model is, as JSON that a table or a figure is drawn from."""

from __future__ import annotations

import csv
import functools
import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from microtutor.checks import (
    check_bool,
    check_choice,
    check_count,
    check_instance,
    check_path,
    check_text,
    describe,
    quote,
)
from microtutor.environment import report_environment
from microtutor.evaluation import CropEvaluation, Evaluation, evaluate, evaluate_crops, rock_report
from microtutor.evaluation.metrics import check_vae
from microtutor.files import check_outputs, write_json
from microtutor.microstructures import LineImages, LineSample, RockCrops
from microtutor.microstructures.rock import PORES_ARE_DARK
from microtutor.microstructures.samples import ask, check_images
from microtutor.models import VAE, shipped_weights
from microtutor.models.vae import WEIGHTS
from microtutor.training import TrainingConfig, read_log
from microtutor.training.config import ImageSource

_PACKAGE = Path(__file__).parent
_PLACES = (_PACKAGE / "results", _PACKAGE.parent / "results")  # in a wheel, in a checkout
RESULTS = next((folder for folder in _PLACES if folder.is_dir()), _PLACES[0])
TEXT = ("choice", "data_set", "commit", "ran")  # columns of a recorded experiment that are no numbers
RUN, CARD = "training.json", "card.json"  # what stands beside weights, and says what they were trained on
METRICS = tuple(f.name for f in fields(Evaluation) if f.type == "float")  # those that are numbers


def metrics(evaluation: Evaluation | CropEvaluation) -> dict[str, Any]:
    """The numbers of an evaluation, without those of single images, to five significant digits; None for NaN.

    Raises:
        TypeError: it is no evaluation.
    """
    if not isinstance(evaluation, (Evaluation, CropEvaluation)):
        raise TypeError(f"expected what evaluate or evaluate_crops gives, got {describe(evaluation)}")
    values = {f.name: getattr(evaluation, f.name) for f in fields(evaluation) if f.name != "per_image"}
    return {name: _number(value) if isinstance(value, float) else value for name, value in values.items()}


def _number(value: float) -> float | None:
    """Five significant digits; None, which JSON knows, for NaN and infinity, which it does not."""
    return float(f"{value:.5g}") if math.isfinite(value) else None


def evaluate_on(vae: VAE, source: ImageSource, images: int = 1000, seed: int = 0) -> Evaluation | CropEvaluation:
    """Evaluate on held-out images of a source: as lines if they are lines, otherwise as crops of random material.

    Images that the metrics cannot do without a phase of, empty ones and crops of one phase, are left out; how many is
    said on the error stream, and the evaluation's `images` counts those that were measured.

    Raises:
        TypeError, ValueError: vae is no VAE, or the source does not give images for it; see `checked_images`. Or none
            of them has both phases.
    """
    check_vae(vae)
    sample = ask(source, images, seed=seed)
    found = check_images(sample, images, vae.size)
    usable = found.flatten(1).amax(1) > 0
    if not isinstance(sample, LineSample):
        usable &= found.flatten(1).amin(1) < 1
    left_out = int((~usable).sum())
    if left_out == images:
        raise ValueError(f"expected images with both phases in them, got {images} with one phase only")
    if left_out:
        print(f"left out {left_out} of {images} images, which have one phase only", file=sys.stderr)
    if isinstance(sample, LineSample):
        return evaluate(vae, sample[usable] if left_out else sample)
    rock = getattr(source, "rock", "")
    return evaluate_crops(vae, found[usable], data_set=rock if isinstance(rock, str) else "")


def trained_with(name: str | os.PathLike) -> TrainingConfig | None:
    """The configuration that weights were trained with, as the run or the card beside them says; None if neither does.

    Args:
        name: as for `VAE.from_pretrained`; of a hub id nothing is known.

    Raises:
        TypeError: name is no name.
        ValueError: the file beside them is damaged.

    >>> trained_with("lines-3-6").count
    (3, 6)
    """
    if not isinstance(name, (str, os.PathLike)):
        raise TypeError(f"expected the name of weights or of their folder, got {quote(name)}")
    folder = WEIGHTS / str(name) if str(name) in shipped_weights() else Path(name)
    said = _read_json(folder / RUN) or (_read_json(folder / CARD) or {}).get("configuration")
    if not said:
        return None
    known = {field.name for field in fields(TrainingConfig)}
    try:
        return TrainingConfig(**{key: value for key, value in said.items() if key in known})
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"what stands beside the weights in {folder} is the configuration of no run: {error}"
        ) from error


def source_for(
    name: str | os.PathLike,
    size: int,
    *,
    material: str | None = None,
    count: tuple[int, int] | None = None,
    unseen: bool = False,
) -> ImageSource:
    """What to measure weights on: the material that they were trained on, unless another one is asked for.

    Args:
        name: as for `VAE.from_pretrained`.
        size: side of the images, as the network has it.
        material: lines, berea or ketton; by default their own.
        count: fewest and most lines; by default their own. Of rock there is no such choice.
        unseen: whether another material than their own, or other numbers of lines, are meant to be.

    Raises:
        TypeError: an argument is of another type.
        ValueError: nothing says what they were trained on and material is None; they were trained on images of the
            user's own; or the material or the numbers of lines are others, and unseen is False.

    >>> source_for("lines-3-6", 224)
    LineImages(count=(3, 6), size=224)
    >>> source_for("berea", 128, material="lines")
    Traceback (most recent call last):
    ValueError: expected the material that 'berea' saw in training, berea, got lines; take unseen=True to measure there
    """
    if material is not None:
        check_choice(material, ("lines", *PORES_ARE_DARK), name="material")
    count = None if count is None else LineImages(count).count
    check_bool(unseen, name="unseen")
    config, named = trained_with(name), quote(str(name))
    if config is None and material is None:
        raise ValueError(
            f"expected a material, lines, berea or ketton, as nothing beside the weights {named} says what they saw"
        )
    if config is not None and config.material == "own" and not (material and unseen):
        raise ValueError(
            f"the weights {named} were trained with a source of the user's own (material='own'), which is not stored; "
            "measure them in Python: evaluate_on(vae, source)"
        )
    if config is not None:
        material, count = _seen(config, named, material, count, unseen=unseen)
    if material == "lines":
        return LineImages(count or (1, 4), size)
    if count is not None:
        raise ValueError(f"expected count, a number of lines, with line images only, got it with {material}")
    return RockCrops(str(material), size=size)


def _seen(
    config: TrainingConfig, named: str, material: str | None, count: tuple[int, int] | None, *, unseen: bool
) -> tuple[str, tuple[int, int] | None]:
    """The material and the numbers of lines to measure on, once they are those of training, or meant to be others."""
    material = material or config.material
    if material != config.material:
        other = (config.material, material)
    elif material == "lines":
        count = count or config.count
        other = None if count == config.count else tuple("{}-{} lines".format(*c) for c in (config.count, count))
    else:
        other = None
    if other and not unseen:
        raise ValueError(
            f"expected the material that {named} saw in training, {other[0]}, got {other[1]}; take unseen=True to "
            "measure there"
        )
    return material, count


def _read_json(path: Path) -> dict[str, Any] | None:
    """What a JSON file holds, if there is one; it must be a table of names."""
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({error}); remove it, or copy it again") from error
    if not isinstance(content, dict):
        raise ValueError(f"expected names and values in {path}, got {quote(content)}")
    return content


def evaluate_on_seeds(vae: VAE, source: ImageSource, images: int = 1000) -> dict[int, Evaluation | CropEvaluation]:
    """Evaluate on three sets of held-out images; by their seed."""
    return {seed: evaluate_on(vae, source, images, seed) for seed in (0, 1, 2)}


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
        commit: `current_commit()`, asked before the run began.
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
    log, ran = read_log(run_folder), _read_json(run_folder / RUN) or {}
    if not log.get("seconds"):
        raise ValueError(f"expected rows in {run_folder / 'log.csv'}, got none; train again, or resume the run")
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


def other_rock(rock: str) -> str:
    """The rock that a record of VAEs of this one measures them on too.

    Raises:
        ValueError: rock is "lines".
    """
    other = {"berea": "ketton", "ketton": "berea"}
    if not isinstance(rock, str) or rock not in other:
        raise ValueError(
            f"expected a record of {' or '.join(other)}, got {quote(rock)}; lines have `microtutor reproduce`"
        )
    return other[rock]


def write_rock_report(
    path: str | os.PathLike, *, command: str, vaes: Mapping[str, VAE], rock: str, crops: int, seed: int = 0
) -> dict[str, Any]:
    """Measure VAEs of a rock beside the reference methods, write it as JSON, and return what was written.

    Raises:
        TypeError: an argument is of another type.
        ValueError: rock is "lines"; or as `rock_report`.
        OSError: the file cannot be written.
    """
    other, path = other_rock(rock), check_path(path, name="path")
    check_text(command, name="command")
    check_outputs({"the record": path}, overwrite=True)
    commit = current_commit()
    say = functools.partial(print, file=sys.stderr, flush=True)
    found = rock_report(vaes, rock=rock, other=other, crops=crops, seed=seed, say=say)
    record = {"command": command, "seed": seed, "commit": commit, "environment": report_environment(show=False)}
    record |= {"crops": crops} | found
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
            f"expected the recorded results in {' or '.join(map(str, _PLACES))}, and neither folder is there; install "
            "microtutor again"
        )
    if not path.is_file():
        known = ", ".join(sorted(p.name for p in RESULTS.glob(f"*{suffix}")))
        raise FileNotFoundError(f"expected one of the recorded results {known}; got {path.name!r}")
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
