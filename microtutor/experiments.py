"""Many short runs that differ in one choice each: sweeps of a knob, ablations, the paper's experiments."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from tqdm import tqdm

from microtutor.checks import check_bool, check_choice, check_count, check_each, check_instance, quote
from microtutor.environment import PRECISIONS, current_commit, find_precision, report_environment
from microtutor.evaluation import evaluate
from microtutor.files import check_outputs, only_writer, write_csv, write_json
from microtutor.records import METRICS, metrics
from microtutor.training import PRESETS, TrainingConfig, read_log, train
from microtutor.workers import check_workers, spread

PLAIN = {"canonical": False, "data_warm_up": 0.0}
# They were begun with a recipe that ends on the statistics alone; "share" asks what keeping data space buys.
FULL = PRESETS["classroom"].replace(final_data_share=0.0, steps=1500, validate_every=500, checkpoint_every=1500)
BASE = FULL.replace(steps=800, validate_every=400)
LARGE = PRESETS["laptop"].replace(final_data_share=0.0, steps=1000, validate_every=500, checkpoint_every=1000)

EXPERIMENTS: dict[str, dict[str, dict[str, Any]]] = {
    # the knobs: alpha over five decades, beta over four, the bottleneck
    "alpha": {f"{value:g}": {"alpha": value} for value in (0.2, 2.0, 20.0, 200.0, 2000.0, 20000.0)},
    "beta": {f"{value:g}": {"beta": value} for value in (0.01, 0.1, 1.0, 10.0, 100.0)},
    "latent": {f"{value}": {"latent_dim": value} for value in (1, 2, 3, 5, 7, 9, 16, 32)},
    # the recipe, one part taken away or changed at a time
    "ablation": {
        "default": {},
        "no warm-up": {"data_warm_up": 0.0},
        "shorter warm-up, 30 %": {"data_warm_up": 0.3},
        "longer warm-up, 90 %": {"data_warm_up": 0.9},
        "10 % data space to the end": {"final_data_share": 0.1},
        "50 % data space to the end": {"final_data_share": 0.5},
        "data space, canonical images": {"loss": "data"},
        "data space, plain images": {"loss": "data", "canonical": False},
        "plain images": {"canonical": False},
        "plain images, no warm-up": PLAIN,
        "no amplitude term": {"amplitude": 0.0},
        "batches of 64, half the steps": {"batch_size": 64, "steps": FULL.steps // 2},
        "twice the learning rate": {"learning_rate": 2 * FULL.learning_rate},
        "paper's decoder": {"decoder": "paper"},
    },
    # what the loss and the gauge buy at the paper's size: one network, equally many images, several losses
    "full-size": {
        "default": {},
        "50 % data space to the end": {"final_data_share": 0.5},
        "data space, canonical images": {"loss": "data"},
        "data space, plain images": {"loss": "data", "canonical": False},
        "plain images, no warm-up": PLAIN,
    },
    # the recipe of the harder set: 3 to 6 lines
    "harder": {
        "default": {},
        "less KL, beta 0.2": {"beta": 0.2},
        "  and longer warm-up, 90 %": {"beta": 0.2, "data_warm_up": 0.9},
        "  and alpha 500, amplitude 4": {"beta": 0.2, "data_warm_up": 0.9, "alpha": 500.0, "amplitude": 4.0},
        "data space, canonical images": {"loss": "data"},
    },
    # what it does to let grey values cost something, where ghosts of lines are counted as lines
    "grey": {f"penalty {value:g}": {"grey_penalty": value} for value in (0.0, 1.0, 4.0, 16.0)},
    # how much of data space to keep to the end, in the preset of a lesson
    "share": {f"{share:.0%} data space to the end": {"final_data_share": share} for share in (0.0, 0.3, 0.5)}
    | {"data space": {"loss": "data"}},
    # the paper's three questions, on its own terms: plain images, no warm-up
    "paper": {
        "data space only": PLAIN | {"loss": "data"},
        "statistics only, beta 0": PLAIN | {"beta": 0.0, "amplitude": 0.0},
        **{f"alpha {value:g}": PLAIN | {"alpha": value, "amplitude": 0.0} for value in (20.0, 200.0, 2000.0, 20000.0)},
    },
}
HARDER = FULL.replace(count=(3, 6))
LATER = "valid_share"  # a measure that rows of older files do not have
BASES = {
    "ablation": FULL,
    "harder": HARDER,
    "grey": HARDER,
    "full-size": LARGE,
    "share": PRESETS["classroom"],
}  # the others run on BASE


def runs(experiment: str, seeds: int, base: TrainingConfig | None = None) -> Iterator[tuple[str, TrainingConfig]]:
    """The runs of an experiment, one seed after the other: the name of the choice, and the configuration.

    Raises:
        TypeError, ValueError: no such experiment, fewer than one seed, or a base that is no configuration, or one of
            another material than the lines that an experiment is evaluated on.

    >>> [name for name, config in runs("beta", seeds=1)]
    ['0.01', '0.1', '1', '10', '100']
    """
    check_choice(experiment, EXPERIMENTS, name="the experiment")
    check_count(seeds, name="seeds")
    base = _base(experiment, base)
    return (
        (name, base.replace(**changes, seed=seed))
        for seed in range(seeds)
        for name, changes in EXPERIMENTS[experiment].items()
    )


def _base(experiment: str, base: TrainingConfig | None) -> TrainingConfig:
    if base is None:
        return BASES.get(experiment, BASE)
    check_instance(base, TrainingConfig, name="base")
    if base.material != "lines":
        raise ValueError(f"expected a base with material='lines', which is evaluated on, got {base.material!r}")
    return base


def run_experiment(
    experiment: str,
    path: str | os.PathLike,
    *,
    seeds: int = 3,
    images: int = 500,
    base: TrainingConfig | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Train and evaluate every run of an experiment; write one row each to a CSV file after every run.

    Runs whose row stands in the file already are not repeated, so that an interrupted experiment goes on. Each row
    says which commit it ran at, and in "ran" a checksum of all that its numbers depend on: rows of other runs are
    refused before any work. Beside the CSV a JSON file of the same name describes the rows that are in it.

    Args:
        experiment: a name in `EXPERIMENTS`.
        path: the .csv file.
        seeds: how many runs of each choice.
        images: of the test split, to evaluate each run on.
        base: what the choices change; by default that of the experiment. Where its precision is "auto", a file that
            is there goes on in the precision it was begun in, and a new one takes the fastest here.
        workers, scheduler: processes, or a dask cluster, that share the runs, as for `spread`.
        progress: show a progress bar.

    Raises:
        TypeError, ValueError: as `runs` and `spread`; or the file holds other runs, or is no file of this experiment,
            or damaged.
        FileExistsError: another process is running an experiment into it.
        OSError: it cannot be written.
    """
    check_count(images, name="images")
    check_bool(progress, name="progress")
    check_workers(workers, scheduler)
    runs(experiment, seeds, base)  # is asked for once more when it is known what is there
    base, path = _base(experiment, base), _csv(path)
    description = path.with_suffix(".json")
    check_outputs({"the rows": path, "their description": description}, overwrite=True)
    _there(path, experiment, base, images)  # refuses what is wrong with it before anything is written, the lock too
    with only_writer(path.parent, path.name):
        said, base, rows = _there(path, experiment, base, images)
        commit = current_commit()
        if rows and said.get("mean over seeds") != summary(rows):  # killed between the two files
            write_json(description, _description(experiment, base, images, rows))
        done = {(row["choice"], int(row["seed"])) for row in rows}
        wanted = runs(experiment, seeds, base)
        missing = [(name, config) for name, config in wanted if (name, config.seed) not in done]
        found = spread(partial(_measured, images=images), missing, workers=workers, scheduler=scheduler)
        for (name, config), row in tqdm(found, total=len(missing), desc=experiment, unit="run", disable=not progress):
            rows.append({"choice": name, "seed": config.seed, "commit": commit} | row)
            write_csv(path, rows)
            write_json(description, _description(experiment, base, images, rows))
    return rows


def _measured(run: tuple[str, TrainingConfig], images: int) -> dict[str, Any]:
    """Train one run, and measure it."""
    _, config = run
    with tempfile.TemporaryDirectory() as folder:
        vae = train(config, folder, progress=False)
        log = read_log(folder)
    row = {"ran": _checksum(config, images), "seconds": log["seconds"][-1], "kl": round(log["kl"][-1], 3)}
    measured = metrics(evaluate(vae, config.lines().sample(images, seed=0)))
    return row | {name: value for name, value in measured.items() if name in METRICS}


def _description(experiment: str, base: TrainingConfig, images: int, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What the rows in a file are, whoever asked for them and when."""
    commits = dict.fromkeys(str(row["commit"]) for row in rows)
    return {
        "experiment": experiment,
        "command": f"microtutor experiment {experiment} --seeds {1 + max(int(row['seed']) for row in rows)}",
        "commit": ", ".join(commits),
        "environment": report_environment(show=False),
        "base": base.as_dict(),
        "changes": EXPERIMENTS[experiment],
        "evaluation": f"{images} images of the test split, seed 0",
        "mean over seeds": summary(rows),
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """The mean of every measure over the seeds of a choice, by choice.

    Raises:
        TypeError: rows is no list of rows, as `run_experiment` and `read_runs` give them.

    >>> rows = [{"choice": "a", "count_accuracy": value} for value in ("0.5", "0.7")]
    >>> summary(rows)
    {'a': {'count_accuracy': 0.6}}
    """
    check_each(rows, check_instance, name="rows", kind=dict)
    found: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        for name in (*METRICS, "kl"):
            if row.get(name) not in (None, ""):  # a measure that was not a number
                found.setdefault(row["choice"], {}).setdefault(name, []).append(float(row[name]))
    return {choice: {name: float(f"{fmean(v):.5g}") for name, v in of.items()} for choice, of in found.items()}


# --- what stands in the files already ---------------------------------------------------------------------------------
def _csv(path: str | os.PathLike) -> Path:
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"expected the name of a .csv file, got {quote(path)}")
    if Path(path).suffix.lower() != ".csv":
        raise ValueError(f"expected the name of a .csv file, got {path}; the description goes into a .json beside it")
    return Path(path)


def _checksum(config: TrainingConfig, images: int) -> str:
    """Of everything that the numbers of a run depend on and that is not as by default."""
    plain, asked = TrainingConfig().as_dict(), config.as_dict()
    chosen = {name: value for name, value in asked.items() if value != plain[name]}
    return hashlib.sha256(json.dumps([chosen, images], sort_keys=True).encode()).hexdigest()[:12]


def _there(
    path: Path, experiment: str, base: TrainingConfig, images: int
) -> tuple[dict[str, Any], TrainingConfig, list[dict[str, Any]]]:
    """The description and the rows that there are, and between them the base to go on with."""
    said = _said(path.with_suffix(".json"), experiment)
    base = _in_one_precision(base, said if path.exists() else {})
    return said, base, _kept(path, said, experiment, base, images)


def _in_one_precision(base: TrainingConfig, said: dict[str, Any]) -> TrainingConfig:
    """The base with one precision in place of "auto": that of the rows that are there, or else the fastest here."""
    if base.precision != "auto":
        return base
    before = _base_of(said).get("precision")
    return base.replace(precision=find_precision(before if before in PRECISIONS else "auto", base.device))


def _base_of(said: dict[str, Any]) -> dict[str, Any]:
    base = said.get("base")
    return base if isinstance(base, dict) else {}


def _kept(path: Path, said: dict[str, Any], experiment: str, base: TrainingConfig, images: int) -> list[dict[str, Any]]:
    """The rows in a file, if they are runs of just this experiment on this base, evaluated on as many images."""
    if not path.exists():
        return []
    rows = _read(path)
    configs = {name: base.replace(**changes) for name, changes in EXPERIMENTS[experiment].items()}
    for row in rows:
        if row["choice"] not in configs:
            raise ValueError(f"{path} holds a run {row['choice']!r}, which {experiment} has not; choose another file")
        if "ran" not in row:  # from before rows said it: the description does
            row |= {"commit": said.get("commit", "unknown"), "ran": _checksum_of(row, said)}
        if row["ran"] != _checksum(configs[row["choice"]].replace(seed=int(row["seed"])), images):
            raise ValueError(
                f"{path} holds the run {row['choice']!r}, seed {row['seed']}, of another base, or evaluated on other "
                f"images, than asked for{_differences(said, base)}; choose another file, or ask for the same"
            )
    return rows


def _differences(said: dict[str, Any], base: TrainingConfig) -> str:
    """In brackets, where the base of what is there differs from the one asked for, if the description tells."""
    there, asked = _base_of(said), json.loads(json.dumps(base.as_dict()))
    found = [f"{k}={v!r} there, {asked[k]!r} asked for" for k, v in there.items() if k in asked and v != asked[k]]
    return f" ({'; '.join(found)})" if found else ""


def _checksum_of(row: dict[str, Any], said: dict[str, Any]) -> str:
    """The checksum of a row without one, by the description beside it; empty if that does not tell."""
    try:
        config = TrainingConfig(**said["base"]).replace(**said["changes"][row["choice"]], seed=int(row["seed"]))
        return _checksum(config, int(said["evaluation"].split()[0]))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return ""


def _said(described: Path, experiment: str) -> dict[str, Any]:
    """The description in a file, which is written over if it is one of this experiment, and only then."""
    if not described.exists():
        return {}
    try:
        said = json.loads(described.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or said.get("experiment") != experiment:
        raise ValueError(
            f"{described} is no description of {experiment}, and would be written over; choose another name"
        )
    return said


def _read(path: Path) -> list[dict[str, Any]]:
    """The rows of a CSV file, all of them whole."""
    needed = {"choice", "seed", "seconds", "kl", *METRICS} - {LATER}
    foreign = f"{path} holds no runs of an experiment"
    try:
        header, *lines = io.StringIO(path.read_text(encoding="utf-8") or "\n")
        columns = next(csv.reader([header], strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{foreign} ({error}); choose another file") from error
    if missing := sorted(needed - set(columns)):
        raise ValueError(f"{foreign}: it has no column {missing[0]}; choose another file")
    rows = []
    for number, line in enumerate(lines, 2):
        if not line.strip():
            continue
        try:
            values = next(csv.reader([line], strict=True))
            if len(values) != len(columns) or not line.endswith("\n"):
                raise ValueError("it is cut")
            rows.append(row := dict(zip(columns, values)))
            row.setdefault(LATER, "")
            int(row["seed"])
            [float(row[name] or "nan") for name in needed - {"choice"}]
        except (ValueError, csv.Error) as error:
            advice = "remove that line, and its run is repeated"
            raise ValueError(f"{path} is damaged in line {number} ({error}); {advice}") from error
    return rows
