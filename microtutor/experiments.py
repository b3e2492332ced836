"""Many short runs that differ in one choice each: sweeps of a knob, ablations, the paper's experiments."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

from tqdm import tqdm

from microtutor.environment import report_environment
from microtutor.evaluation import evaluate
from microtutor.files import write_csv, write_json
from microtutor.records import METRICS, current_commit, metrics
from microtutor.training import PRESETS, TrainingConfig, read_log, train

PLAIN = {"gauge": "none", "warm_up": 0.0}
FULL = PRESETS["classroom"].replace(steps=1500, validate_every=500, checkpoint_every=1500)
BASE = FULL.replace(steps=800, validate_every=400)
LARGE = PRESETS["laptop"].replace(steps=1000, validate_every=500, checkpoint_every=1000)

EXPERIMENTS: dict[str, dict[str, dict[str, Any]]] = {
    # the knobs: alpha over five decades, beta over four, the bottleneck
    "alpha": {f"{value:g}": {"alpha": value} for value in (0.2, 2.0, 20.0, 200.0, 2000.0, 20000.0)},
    "beta": {f"{value:g}": {"beta": value} for value in (0.01, 0.1, 1.0, 10.0, 100.0)},
    "latent": {f"{value}": {"latent_dim": value} for value in (1, 2, 3, 5, 7, 9, 16, 32)},
    # the recipe, one part taken away or changed at a time
    "ablation": {
        "default": {},
        "no warm-up": {"warm_up": 0.0},
        "shorter warm-up, 30 %": {"warm_up": 0.3},
        "longer warm-up, 90 %": {"warm_up": 0.9},
        "10 % data space to the end": {"final_data_share": 0.1},
        "50 % data space to the end": {"final_data_share": 0.5},
        "data space, canonical images": {"loss": "data"},
        "data space, plain images": {"loss": "data", "gauge": "none"},
        "plain images": {"gauge": "none"},
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
        "data space, plain images": {"loss": "data", "gauge": "none"},
        "plain images, no warm-up": PLAIN,
    },
    # the recipe of the harder set: 3 to 6 lines
    "harder": {
        "default": {},
        "less KL, beta 0.2": {"beta": 0.2},
        "  and longer warm-up, 90 %": {"beta": 0.2, "warm_up": 0.9},
        "  and alpha 500, amplitude 4": {"beta": 0.2, "warm_up": 0.9, "alpha": 500.0, "amplitude": 4.0},
        "data space, canonical images": {"loss": "data"},
    },
    # what it does to let grey values cost something, where ghosts of lines are counted as lines
    "grey": {f"price {value:g}": {"greyness": value} for value in (0.0, 1.0, 4.0, 16.0)},
    # the paper's three questions, on its own terms: plain images, no warm-up
    "paper": {
        "data space only": PLAIN | {"loss": "data"},
        "statistics only, beta 0": PLAIN | {"beta": 0.0, "amplitude": 0.0},
        **{f"alpha {value:g}": PLAIN | {"alpha": value, "amplitude": 0.0} for value in (20.0, 200.0, 2000.0, 20000.0)},
    },
}
HARDER = FULL.replace(count=(3, 6))
BASES = {"ablation": FULL, "harder": HARDER, "grey": HARDER, "full-size": LARGE}  # the others run on BASE


def runs(experiment: str, seeds: int, base: TrainingConfig | None = None) -> Iterator[tuple[str, TrainingConfig]]:
    """The runs of an experiment, one seed after the other: the name of the choice, and the configuration.

    >>> [name for name, config in runs("beta", seeds=1)]
    ['0.01', '0.1', '1', '10', '100']
    """
    if experiment not in EXPERIMENTS:
        raise ValueError(f"expected an experiment out of {', '.join(EXPERIMENTS)}, got {experiment!r}")
    base = base or BASES.get(experiment, BASE)
    for seed in range(seeds):
        for name, changes in EXPERIMENTS[experiment].items():
            yield name, base.replace(**changes, seed=seed)


def run_experiment(
    experiment: str,
    path: str | os.PathLike,
    *,
    seeds: int = 3,
    images: int = 500,
    base: TrainingConfig | None = None,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Train and evaluate every run of an experiment; write one row each to a CSV file after every run.

    Runs whose row stands in the file already are not repeated, so that an interrupted experiment goes on. Beside the
    CSV a JSON file of the same name holds what the numbers depend on.
    """
    path, commit = Path(path), current_commit()
    rows = _read(path)
    done = {(row["choice"], int(row["seed"])) for row in rows}
    missing = [(name, config) for name, config in runs(experiment, seeds, base) if (name, config.seed) not in done]
    for name, config in tqdm(missing, desc=experiment, unit="run", disable=not progress):
        with tempfile.TemporaryDirectory() as folder:
            vae = train(config, folder, progress=False)
            log = read_log(folder)
        row = {"choice": name, "seed": config.seed, "seconds": log["seconds"][-1], "kl": round(log["kl"][-1], 3)}
        rows.append(
            row
            | {k: v for k, v in metrics(evaluate(vae, config.lines().sample(images, seed=0))).items() if k in METRICS}
        )
        write_csv(path, rows)
    description = {
        "experiment": experiment,
        "command": f"microtutor experiment {experiment} --seeds {seeds}",
        "commit": commit,
        "environment": report_environment(show=False),
        "base": (base or BASES.get(experiment, BASE)).as_dict(),
        "changes": EXPERIMENTS[experiment],
        "evaluation": f"{images} images of the test split, seed 0",
        "mean over seeds": summary(rows),
    }
    write_json(path.with_suffix(".json"), description)
    return rows


def summary(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """The mean of every measure over the seeds of a choice, by choice.

    >>> rows = [{"choice": "a", "count_accuracy": value} for value in ("0.5", "0.7")]
    >>> summary(rows)
    {'a': {'count_accuracy': 0.6}}
    """
    found: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        for name in (*METRICS, "kl"):
            if name in row:
                found.setdefault(row["choice"], {}).setdefault(name, []).append(float(row[name]))
    return {choice: {name: float(f"{fmean(v):.5g}") for name, v in of.items()} for choice, of in found.items()}


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
