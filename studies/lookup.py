"""How good is a look-up, if its library is large? python studies/lookup.py

A look-up answers an image with the one of its library whose two-point statistics are nearest. Its libraries are drawn
as training images are, and each holds the smaller ones. Beside it stands the network that ships as lines-1-4, as
encoded, on the same test images. Writes microtutor/results/lookup.json.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from microtutor.environment import current_commit, report_environment
from microtutor.files import write_json
from microtutor.losses import StatisticsLoss
from microtutor.microstructures import LineImages
from microtutor.models import VAE
from microtutor.records import RESULTS, read_record

MODEL, SEED, PART = "lines-1-4", 0, 500
SIZES = (2_000, 20_000, 40_000, 200_000)
Numbers = dict[str, Any]


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200, help="of the test split, that are looked up")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="of the libraries, in rising order")
    parser.add_argument("--record", type=Path, default=RESULTS / "lookup.json", help="JSON file to write")
    chosen, commit, began = parser.parse_args(words), current_commit(), time.perf_counter()
    command = shlex.join(["python", "studies/lookup.py", *(sys.argv[1:] if words is None else words)])
    torch.set_num_threads(1)
    lines = LineImages(count=(1, 4), size=224)
    test = lines.sample(chosen.images, seed=SEED)
    made = VAE.from_pretrained(MODEL).reconstruct(test.images)
    network = StatisticsLoss("none")(made, test.images)[:, 0]
    libraries = {}
    for size, (errors, count) in zip(chosen.sizes, look_up(lines, test.images, chosen.sizes)):
        seconds = round(time.perf_counter() - began, 1)
        libraries[str(size)] = {
            **summary(errors, test.count),
            "network_better": _four((network < errors).float().mean()),
            "count_accuracy": _four((count == test.count).float().mean()),
            "seconds_so_far": seconds,
        }
        print(f"{size:,} images, {seconds:.0f} s", file=sys.stderr, flush=True)
    about = {
        "command": command,
        "commit": commit,
        "environment": report_environment(show=False),
        "threads": 1,
        "seeds": {"test": SEED, "library": SEED},
        "wall_time_seconds": round(time.perf_counter() - began, 1),
    }
    results = {
        "test_images": chosen.images,
        "network": {"name": MODEL, "images_seen": images_seen(MODEL), **summary(network, test.count)},
        "libraries": libraries,
    }
    write_json(chosen.record, about | results)


def look_up(lines: LineImages, images: Tensor, sizes: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
    """For each size of the library: the statistics error of the nearest image, and how many lines it has, (n,) each."""
    asked = _rows(images)
    squares = asked.square().sum(1)
    errors, count = torch.full((len(images),), torch.inf), torch.zeros(len(images), dtype=torch.int64)
    for size, done in zip(sizes, (0, *sizes)):
        for begin in range(done, size, PART):
            part = lines.sample(min(PART, size - begin), seed=SEED, split="train", index=begin // PART)
            rows = _rows(part.images)
            distance = squares[:, None] + rows.square().sum(1) - 2 * asked @ rows.T
            nearest = distance.argmin(1)
            found = (asked - rows[nearest]).square().sum(1)  # without the rounding of the large numbers above
            better = found < errors
            errors, count = torch.where(better, found, errors), torch.where(better, part.count[nearest], count)
        yield errors, count


def _rows(images: Tensor) -> Tensor:
    """One row for each image, (n, H * (W // 2 + 1)): the squared distance of two rows is the statistics error."""
    height, width = images.shape[-2:]
    power = StatisticsLoss().spectrum(images)[:, 0]
    twice = torch.full((width // 2 + 1,), 2.0)  # half of the frequencies stand for those at the other side, too
    twice[0] = 1
    if width % 2 == 0:
        twice[-1] = 1
    return (power * twice.sqrt() / (height * width)).flatten(1)


def summary(errors: Tensor, count: Tensor) -> Numbers:
    """Mean and median of statistics errors, and their means by the number of lines."""
    by_lines = {str(k): _four(errors[count == k].mean()) for k in sorted(set(count.tolist()))}
    return {"mean": _four(errors.mean()), "median": _four(errors.median()), "mean_by_lines": by_lines}


def images_seen(name: str) -> int:
    """In all runs that led to these weights."""
    record = read_record(name)
    before = record["configuration"].get("initial_weights")
    return record["images_seen"] + (images_seen(Path(before).name) if before else 0)


def _four(value: Any) -> float:
    return float(f"{float(value):.4g}")


if __name__ == "__main__":
    main()
