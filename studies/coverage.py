"""How often the intervals of one picture hold the truth: python studies/coverage.py

Pictures of materials whose statistics are known are cut from larger periodic ones. Counted is in how many of them the
interval of 95 % holds the volume fraction of the material (`representativity`), and in how many those of the closing
table hold its lengths, surface, chords and direction (`summarise`). Writes microtutor/results/coverage.json.
"""

from __future__ import annotations

import argparse
import math
import shlex
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from microtutor.environment import current_commit, report_environment
from microtutor.files import read_json, write_json
from microtutor.microstructures.closed_form import GaussianFields, IndependentPixels, OverlappingDiscs, RandomMosaic
from microtutor.records import RESULTS
from microtutor.statistics import anisotropy, correlation_length, integral_range, representativity, summarise
from microtutor.statistics.fft import keep_shifts

MATERIALS: dict[str, Any] = {  # all of them are made again at the size wanted
    "Gaussian fields, fraction 0.5, length 3": lambda size: GaussianFields(fraction=0.5, length=3, size=size),
    "Gaussian fields, fraction 0.3, length 6": lambda size: GaussianFields(fraction=0.3, length=6, size=size),
    "Gaussian fields, fraction 0.1, length 2": lambda size: GaussianFields(fraction=0.1, length=2, size=size),
    "Gaussian fields, fraction 0.4, lengths 2 and 4": lambda size: GaussianFields(
        fraction=0.4, length=(2.0, 4.0), size=size
    ),
    "discs, fraction 0.3, radius 4": lambda size: OverlappingDiscs(fraction=0.3, radius=4, size=size),
    "mosaic, fraction 0.3, length 3": lambda size: RandomMosaic(fraction=0.3, length=3, size=size),
    "mosaic, fraction 0.5, length 6": lambda size: RandomMosaic(fraction=0.5, length=6, size=size),
    "independent pixels, fraction 0.2": lambda size: IndependentPixels(fraction=0.2, size=size),
}
TABLE = [name for name in MATERIALS if "length 6" not in name]  # for the closing table, at 128 px
WINDOWS, GAP, SEED = (1.5, 2.0, 2.5, 3.0), 32, 0
Numbers = dict[str, Any]


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1000, help="of each material, for the volume fraction")
    parser.add_argument("--tables", type=int, default=200, help="of each material, for the closing table")
    parser.add_argument("--sides", type=int, nargs="+", default=[64, 128], help="of the pictures, in pixels")
    parser.add_argument("--record", type=Path, default=RESULTS / "coverage.json", help="JSON file to write")
    chosen, commit, began = parser.parse_args(words), current_commit(), time.perf_counter()
    command = shlex.join(["python", "studies/coverage.py", *(sys.argv[1:] if words is None else words)])
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", UserWarning)  # of pictures that are too small: they are counted
    fractions = {}
    for side in chosen.sides:
        for name in MATERIALS:
            print(side, name, file=sys.stderr, flush=True)
            fractions.setdefault(name, {})[str(side)] = fraction_coverage(name, side, chosen.pictures)
    tables = {}
    for name in TABLE:
        print("table of", name, file=sys.stderr, flush=True)
        tables[name] = table_coverage(name, 128, chosen.tables)
    about = {
        "command": command,
        "commit": commit,
        "environment": report_environment(show=False),
        "threads": 1,
        "seed": SEED,
        "confidence": 0.95,
        "wall_time_seconds": round(time.perf_counter() - began, 1),
    }
    windows = window_coverage("Gaussian fields, fraction 0.5, length 3", 64, chosen.tables)
    windows = {"Gaussian fields, fraction 0.5, length 3": windows} | {
        "mosaic, fraction 0.3, length 3": window_coverage("mosaic, fraction 0.3, length 3", 64, chosen.tables)
    }
    found = {"volume fraction": fractions, "windows": windows, "closing table": {"side": 128} | tables}
    write_json(chosen.record, (read_json(chosen.record) or {}) | about | found)


def pictures(name: str, side: int, count: int) -> Tensor:
    """Pictures (count, side, side), four of them cut from each periodic image, at a distance from one another."""
    source = MATERIALS[name](2 * (side + GAP))
    step = side + GAP
    images = source.sample(math.ceil(count / 4), seed=SEED).images[:, 0]
    parts = [images[:, i : i + side, j : j + side] for i in (0, step) for j in (0, step)]
    return torch.stack(parts, 1).flatten(0, 1)[:count]


def fraction_coverage(name: str, side: int, count: int) -> Numbers:
    """How often the interval of the volume fraction holds the truth: in all pictures, and where it says it is valid."""
    truth = MATERIALS[name](64).fraction
    found = [representativity(m) for m in pictures(name, side, count)]
    held = np.array([one.low <= truth <= one.high for one in found])
    valid = np.array([one.valid for one in found])
    errors = np.array([one.fraction - truth for one in found])
    said = np.nanmean([one.standard_error**2 for one in found])
    return {
        "pictures": count,
        "valid": _five(valid.mean()),
        "coverage": _five(held.mean()),
        "coverage_where_valid": _five(held[valid].mean()) if valid.any() else None,
        "true_standard_error": _five(math.sqrt(np.square(errors).mean())),
        "mean_standard_error": _five(math.sqrt(said)),
        "median_reach": _five(np.nanmedian([one.reach for one in found])),
        "median_regions": _five(np.nanmedian([one.regions for one in found])),
    }


def window_coverage(name: str, side: int, count: int) -> Numbers:
    """Coverage with other rules for the reach: at least so many times the root of the integral range."""
    used, rows = integral_range.WINDOW, {}
    try:
        for window in WINDOWS:
            integral_range.WINDOW = window
            rows[str(window)] = fraction_coverage(name, side, count)
    finally:
        integral_range.WINDOW = used
    return rows


def truths(name: str) -> dict[str, float]:
    """What the closing table should say, from the statistics in closed form."""
    source = MATERIALS[name](256)
    f, phi = source.statistics(), source.fraction
    faces = 2 * (2 * f[0, 0] - f[0, 1] - f[1, 0]).item()  # per pixel
    near = keep_shifts(keep_shifts(f, -1, (-30, 30)), -2, (-30, 30))
    found = {
        "volume fraction": phi,
        "correlation length": correlation_length(near).item(),
        "correlation length along the height": correlation_length(near[:, 0], ndim=1).item(),
        "correlation length along the width": correlation_length(near[0], ndim=1).item(),
        "surface per area": math.pi / 4 * faces,
        "mean chord of the phase": 4 * phi / faces,
        "mean chord of the rest": 4 * (1 - phi) / faces,
    }
    if "lengths" not in name:
        return found | {"anisotropy": 0.0}
    radius = 0.35 * np.median([representativity(m).reach for m in pictures(name, 128, 20)])
    return found | {"anisotropy": anisotropy(near, radius=radius).item(), "direction": 0.0}


def table_coverage(name: str, side: int, count: int) -> Numbers:
    """How often each interval of the closing table holds the truth, and how far the readings lie off on average."""
    found = [summarise(m).as_dict() for m in pictures(name, side, count)]
    rows: Numbers = {"pictures": count}
    for reading, truth in truths(name).items():
        turn = 180 if reading == "direction" else math.inf
        known = [one[reading] for one in found if one[reading]["value"] is not None]
        held = [(truth - row["low"]) % turn <= row["high"] - row["low"] for row in known]
        rows[reading] = {
            "truth": _five(truth),
            "coverage": _five(sum(held) / count),
            "mean": _five(np.mean([row["value"] for row in known])),
            "median_width": _five(np.median([row["high"] - row["low"] for row in known])),
        }
    return rows


def _five(value: Any) -> float:
    return float(f"{float(value):.5g}")


if __name__ == "__main__":
    main()
