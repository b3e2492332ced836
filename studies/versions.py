"""Which headline numbers depend on the versions of the libraries: measure them with those that run this.

    make versions                  # once with each environment that is there, then the page book/what_changed.md
    python studies/versions.py     # with this Python alone

All on one thread of the CPU, in float32. Writes a row of microtutor/results/versions.json, in place of an earlier row
of the same versions.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from microtutor.environment import current_commit, report_environment
from microtutor.evaluation import evaluate
from microtutor.files import WEIGHT_FILE, write_json
from microtutor.losses import StatisticsLoss
from microtutor.microstructures import GaussianFields, LineImages
from microtutor.models import VAE
from microtutor.models.weights import WEIGHTS
from microtutor.properties import effective_conductivity
from microtutor.reconstruction import reconstruct
from microtutor.records import RESULTS, metrics
from microtutor.statistics import autocorrelation, canonical_form
from microtutor.training import PRESETS, read_log, train

COMMAND = "python studies/versions.py"
SHIPPED = {"lines-1-4": (1, 4), "lines-3-6": (3, 6)}  # weights, and the numbers of lines that they know
HELD_OUT = 300
METRICS = ("statistics_error_mean", "statistics_error_median", "count_accuracy", "volume_fraction_difference")
TRAINING = PRESETS["classroom"].replace(
    steps=300, validate_every=100, validation_images=200, precision="no", device="cpu"
)


def main() -> None:
    commit, path = current_commit(), RESULTS / "versions.json"
    torch.set_num_threads(1)
    start = time.perf_counter()
    weights = {name: hash_of((WEIGHTS / name / WEIGHT_FILE).read_bytes()) for name in SHIPPED}
    row = {
        "command": COMMAND,
        "commit": commit,
        "date": datetime.date.today().isoformat(),
        "environment": report_environment(show=False),
        "weights": weights,
        "images": images_drawn(),
        "numbers": measured(),
        "wall_time_seconds": round(time.perf_counter() - start, 1),
    }
    earlier = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    write_json(path, with_row(earlier, row))
    json.dump(row, sys.stdout, indent=2)


def with_row(record: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """The record with one more row, in the order of the versions; rows of other weights go, as they compare nothing."""
    rows = {name: old for name, old in record.get("rows", {}).items() if old["weights"] == row["weights"]}
    for name in record.get("rows", {}).keys() - rows.keys():
        print(f"{name} was measured with other weights, and is left out; run it again", file=sys.stderr)
    rows |= {name_of(row["environment"]): row}
    about = {name: row[name] for name in ("command", "commit", "environment")}
    return about | {"rows": dict(sorted(rows.items(), key=lambda pair: order(pair[1]["environment"])))}


def name_of(environment: dict[str, str]) -> str:
    """What a row is called: the versions of torch, numpy and Python.

    >>> name_of({"torch": "2.11.0", "numpy": "2.1.3", "python": "3.13.0"})
    'torch 2.11.0, numpy 2.1.3, Python 3.13.0'
    """
    return "torch {torch}, numpy {numpy}, Python {python}".format(**environment)


def order(environment: dict[str, str]) -> list[list[int]]:
    """2.6 comes before 2.11.

    >>> order({"torch": "2.6.0+cpu", "numpy": "1.26.0", "python": "3.11.7"})
    [[2, 6, 0], [1, 26, 0], [3, 11, 7]]
    """
    versions = (environment[name].partition("+")[0] for name in ("torch", "numpy", "python"))
    return [[int("".join(filter(str.isdigit, part)) or 0) for part in version.split(".")] for version in versions]


# --- what is measured ---------------------------------------------------------------------------------------------
def measured() -> dict[str, float]:
    """All numbers by name, to five significant digits."""
    found = {f"{name}: {metric}": value for name in SHIPPED for metric, value in of_shipped_weights(name).items()}
    found |= {
        "autocorrelation: largest difference of float32 from float64": precision_of_statistics(),
        "training: validation error after 300 steps": training_error(),
        "conductivity: contrast 10": conductivity(),
        "reconstruction: statistics error after 200 steps": reconstruction_error(),
    }
    return {name: float(f"{value:.5g}") for name, value in found.items()}


def of_shipped_weights(name: str, images: int = HELD_OUT) -> dict[str, float]:
    """Metrics of weights on held-out images, and the mean volume fraction of these images."""
    sample = LineImages(count=SHIPPED[name]).sample(images, seed=0)
    found = metrics(evaluate(VAE.from_pretrained(name), sample))
    return {"mean volume fraction": sample.images.mean().item()} | {metric: found[metric] for metric in METRICS}


def images_drawn() -> dict[str, str]:
    """A hash of the first batch that the training run sees: as it is drawn, and in the canonical form."""
    batch = TRAINING.source().sample(TRAINING.batch_size, seed=TRAINING.seed, split="train", index=0).images
    return {"as drawn": hash_of_images(batch), "in canonical form": hash_of_images(canonical_form(batch))}


def hash_of_images(images: Tensor) -> str:
    return hash_of(images.contiguous().numpy().tobytes())


def hash_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def precision_of_statistics() -> float:
    images = LineImages().sample(32, seed=0).images
    return (autocorrelation(images).double() - autocorrelation(images.double())).abs().max().item()


def training_error() -> float:
    """Statistics error on held-out images at the end of a short run."""
    with tempfile.TemporaryDirectory() as folder:
        train(TRAINING, Path(folder, "run"), progress=False)
        return read_log(Path(folder, "run"))["validation_statistics_error"][-1]


def conductivity() -> float:
    """K_xx of one image of smooth blobs that conduct ten times as well as what is between them."""
    image = GaussianFields(size=64).sample(1, seed=0).images[0, 0]
    return effective_conductivity(image, (1.0, 10.0))[0, 0].item()


def reconstruction_error() -> float:
    """Statistics error of one image found from noise."""
    image = LineImages(size=64).sample(1, seed=0).images[0, 0]
    return StatisticsLoss()(reconstruct(autocorrelation(image), seed=0, steps=200), image).item()


if __name__ == "__main__":
    main()
