"""Many short runs that differ in one choice each: sweeps of a knob, ablations, the paper's experiments."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from microtutor.environment import report_environment
from microtutor.evaluation import evaluate
from microtutor.files import write_csv, write_json
from microtutor.records import METRICS, current_commit, metrics
from microtutor.training import PRESETS, TrainingConfig, read_log, train

BASE = PRESETS["classroom"].replace(steps=800, validate_every=200, validation_images=256, checkpoint_every=800)
PLAIN = {"gauge": "none", "warm_up": 0.0}

EXPERIMENTS: dict[str, dict[str, dict[str, Any]]] = {
    # the knobs: alpha over five decades, beta over three, the bottleneck
    "alpha": {f"{value:g}": {"alpha": value} for value in (0.2, 2.0, 20.0, 200.0, 2000.0, 20000.0)},
    "beta": {f"{value:g}": {"beta": value} for value in (0.1, 1.0, 10.0, 100.0)},
    "latent": {f"{value}": {"latent_dim": value} for value in (1, 2, 3, 5, 7, 9, 16, 32)},
    # the recipe, one part taken away or changed at a time
    "ablation": {
        "default": {},
        "no warm-up": {"warm_up": 0.0},
        "no amplitude term": {"amplitude": 0.0},
        "plain images": {"gauge": "none"},
        "plain images, no warm-up": PLAIN,
        "data space, canonical images": {"loss": "data"},
        "data space, plain images": {"loss": "data", "gauge": "none"},
        "paper's decoder": {"decoder": "paper"},
    },
    # the paper's three questions, on its own terms: plain images, no warm-up
    "paper": {
        "data space only": PLAIN | {"loss": "data"},
        "statistics only, beta 0": PLAIN | {"beta": 0.0, "amplitude": 0.0},
        **{f"alpha {value:g}": PLAIN | {"alpha": value, "amplitude": 0.0} for value in (20.0, 200.0, 2000.0, 20000.0)},
    },
}


def runs(experiment: str, seeds: int, base: TrainingConfig = BASE) -> Iterator[tuple[str, TrainingConfig]]:
    """The runs of an experiment: the name of the choice, and the configuration.

    >>> [name for name, config in runs("beta", seeds=1)]
    ['0.1', '1', '10', '100']
    """
    if experiment not in EXPERIMENTS:
        raise ValueError(f"expected an experiment out of {', '.join(EXPERIMENTS)}, got {experiment!r}")
    for name, changes in EXPERIMENTS[experiment].items():
        for seed in range(seeds):
            yield name, base.replace(**changes, seed=seed)


def run_experiment(
    experiment: str,
    path: str | os.PathLike,
    *,
    seeds: int = 3,
    images: int = 500,
    base: TrainingConfig = BASE,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Train and evaluate every run of an experiment; write one row each to a CSV file after every run.

    Runs whose row stands in the file already are not repeated, so that an interrupted experiment goes on. Beside the
    CSV a JSON file of the same name holds what the numbers depend on.
    """
    path = Path(path)
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
        "commit": current_commit(),
    }
    write_json(
        path.with_suffix(".json"), description | {"environment": report_environment(show=False), "base": base.as_dict()}
    )
    return rows


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))
