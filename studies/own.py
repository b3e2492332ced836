"""From a folder of pictures to a network: how many pictures it takes, beside answers that need no network.

    python studies/own.py

Pictures of 64 x 64 pixels are cut from the training block of Berea sandstone and stored in a folder: 40, 400 or 4,000.
The run is that of `microtutor train rock --images FOLDER`, on one thread of the CPU. Everything is measured on the same
crops of Berea's test blocks, which no folder holds. Writes microtutor/results/own.json, the part of each folder as soon
as it is measured; the parts of other folders stay.
"""

from __future__ import annotations

import argparse
import math
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from microtutor.cli.beforehand import on_images
from microtutor.environment import current_commit, report_environment
from microtutor.evaluation import (
    CROP_ROWS,
    Baselines,
    CropEvaluation,
    evaluate_crop_reconstructions,
    evaluate_crops,
)
from microtutor.files import read_json, write_json
from microtutor.microstructures import ImageFolder, RockCrops
from microtutor.reconstruction import reconstruct
from microtutor.records import RESULTS
from microtutor.training import PRESETS, TrainingConfig, read_log, train

SIZE, COMPONENTS, SEARCH_STEPS = 64, (16, 32), 200
AUGMENTED_UP_TO = 400  # pictures: of more, augmentation is not tried
Numbers = dict[str, Any]


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, nargs="+", default=[400, 4000, 40], help="in each folder")
    parser.add_argument("--crops", type=int, default=200, help="of the test blocks")
    parser.add_argument("--steps", type=int, help="of each run; by default as many as the command chooses")
    parser.add_argument("--seed", type=int, default=0, help="of the runs, and of the crops they are measured on")
    parser.add_argument("--record", type=Path, default=RESULTS / "own.json", help="JSON file to write")
    chosen, commit = parser.parse_args(words), current_commit()
    torch.set_num_threads(1)
    held_out = RockCrops("berea", size=SIZE).sample(chosen.crops, seed=chosen.seed).images
    about = {
        "command": shlex.join(["python", "studies/own.py", *(sys.argv[1:] if words is None else words)]),
        "seed": chosen.seed,
        "commit": commit,
        "environment": report_environment(show=False),
        "threads": 1,
        "size": SIZE,
        "crops": len(held_out),
    }
    for n in chosen.pictures:
        measured = folder_report(n, held_out, steps=chosen.steps, seed=chosen.seed, say=say)
        others = (read_json(chosen.record) or {}).get("folders", {})
        write_json(chosen.record, about | {"folders": others | {str(n): measured | {"commit": commit}}})


def say(text: str) -> None:
    """One line on the error stream."""
    print(text, file=sys.stderr, flush=True)


def side_by_side(n: int, size: int = SIZE) -> Tensor:
    """n crops of Berea's training block, (n, size, size) bool, in random order; in a slice none overlaps another.

    They fill slices normal to each axis, as far apart as n allows: 34 voxels for 400 crops, but 3.6 for 4,000.
    """
    crops = RockCrops("berea", size=size)
    ((_, box),) = crops.blocks("train")
    block = crops.volume[tuple(slice(*extent) for extent in box)]
    side, places = len(block), len(block) // size
    slices = math.ceil(n / (3 * places**2))  # normal to each axis
    found = []
    for axis in range(3):
        for k in range(slices):
            whole = block.select(axis, int((k + 0.5) * side / slices))[: places * size, : places * size]
            found.append(whole.unfold(0, size, size).unfold(1, size, size).reshape(-1, size, size))
    order = torch.randperm(len(found) * places**2, generator=torch.Generator().manual_seed(0))
    return torch.cat(found)[order[:n]]


def save_pictures(pictures: Tensor, folder: Path) -> None:
    """Write pictures, (n, H, W) bool, as 0000.png, 0001.png, ... with the phase in white."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture.byte().mul(255).numpy()).save(folder / f"{number:04}.png")


def folder_report(n: int, held_out: Tensor, *, steps: int | None, seed: int, say: Callable[[str], None]) -> Numbers:
    """What n pictures in a folder give: numbers by method, each with the errors on the held-out crops.

    "network" and "network, turned and flipped" hold the seconds of training, by the clock and of the processor, the
    learning curve, and the errors on the pictures that were learned from, too. The others know the same training
    pictures; "nearest picture, turned and flipped" knows each in eight positions.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "pictures")
        save_pictures(side_by_side(n), folder)
        source = ImageFolder(folder, SIZE)
        training = source.sample(source.crops("train"), seed=seed, split="train").images
        say(f"{n} pictures, {len(training)} of them to learn from: reference methods")
        methods = reference_rows(training, held_out)
        for augment in (False, True) if n <= AUGMENTED_UP_TO else (False,):
            name = "network, turned and flipped" if augment else "network"
            config = _as_the_command(folder, steps, seed, augment)
            say(f"{n} pictures: {name}, {config.steps} steps")
            methods[name] = _network_row(config, Path(place, name), training, held_out)
    return {"pictures": n, "training_pictures": len(training), "methods": methods}


def reference_rows(training: Tensor, held_out: Tensor) -> dict[str, Numbers]:
    """Answers that need no network, from the same training pictures."""
    references = Baselines(training)
    turned = torch.cat([m.rot90(k, (-2, -1)) for m in (training, training.flip(-1)) for k in range(4)])
    rows: dict[str, Numbers] = {"mean statistics": {"statistics_error_mean": _mean(references.mean_errors(held_out))}}
    ways: dict[str, Callable[[], Tensor]] = {
        "nearest picture": lambda: references.nearest_images(held_out),
        "nearest picture, turned and flipped": lambda: Baselines(turned).nearest_images(held_out),
    }
    for wanted in COMPONENTS:
        k = min(wanted, len(training) - 1)

        def search(k: int = k) -> Tensor:
            f = raised(references.pca_statistics(held_out, k))
            return reconstruct(f, steps=SEARCH_STEPS, binary=True)

        ways[f"PCA of the statistics, {k} numbers, then search"] = search
    for name, way in ways.items():
        begun = time.perf_counter()
        made = way()
        seconds = (time.perf_counter() - begun) / len(held_out)
        rows[name] = _numbers(evaluate_crop_reconstructions(made, held_out)) | {"seconds_per_image": _five(seconds)}
    return rows


def raised(f: Tensor) -> Tensor:
    """Maps (..., H, W), raised by a constant where f(0) is above the root of their mean, as that of no image is.

    A few principal components can give such a map. The constant makes the two equal.

    >>> raised(torch.tensor([[0.3, 0.0], [0.0, 0.0]]))[0, 0]  # its square is 0.09, but the mean is only 0.075
    tensor(0.3419)
    """
    zero, mean = f[..., 0, 0], f.mean((-2, -1))
    over, slope = (zero**2 - mean).clamp_min(0), 1 - 2 * zero
    return f + ((slope - (slope**2 - 4 * over).clamp_min(0).sqrt()) / 2)[..., None, None]


def _as_the_command(folder: Path, steps: int | None, seed: int, augment: bool) -> TrainingConfig:
    """The run of `microtutor train rock --images FOLDER`, on the CPU."""
    chosen: Numbers = {"seed": seed, "device": "cpu"} | ({} if steps is None else {"steps": steps})
    config = PRESETS["rock"].replace(material="images", folder=str(folder), augment=augment, **chosen)
    return on_images(config.replace(size=SIZE), folder, {"size", *chosen})[0]


def _network_row(config: TrainingConfig, output: Path, training: Tensor, held_out: Tensor) -> Numbers:
    begun, computed = time.perf_counter(), time.process_time()
    vae = train(config, output, progress=False)
    seconds, computed = time.perf_counter() - begun, time.process_time() - computed
    log, found = read_log(output), evaluate_crops(vae, held_out)
    seen = evaluate_crops(vae, training[:200])
    return _numbers(found) | {
        "seconds_per_image": _five(found.seconds_per_image or math.nan),
        "training_seconds": round(seconds, 1),
        "training_processor_seconds": round(computed, 1),  # what it takes on a core that nothing else uses
        "steps": config.steps,
        "latent_dim": config.latent_dim,
        "augment": config.augment,
        "seen": _numbers(seen),
        "curve": {
            name: [_five(value) for value in log[name]]
            for name in ("step", "statistics_error", "validation_statistics_error")
        },
    }


def _numbers(evaluation: CropEvaluation) -> Numbers:
    return {name: _five(getattr(evaluation, name)) for name in CROP_ROWS}


def _mean(values: Tensor) -> float | None:
    return _five(values.mean().item())


def _five(value: float) -> float | None:
    """Five significant digits; None, which JSON knows, for NaN."""
    return None if math.isnan(value) else float(f"{value:.5g}")


if __name__ == "__main__":
    main()
