"""How well and how fast `reconstruct` finds images, how different they are, and the same task given to MCRpy.

    python studies/reconstruction.py --record microtutor/results/reconstruction.json
    python studies/reconstruction.py --mcrpy PYTHON ...    # a Python with mcrpy 0.2.0 and numpy<2, for the last part

All on one thread. "cpu" is processor time, which other work on the machine changes little; "wall" is the clock.
The statistics error is the mean over all shifts of the squared difference of the periodic two-point autocorrelation.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from microtutor.environment import current_commit, report_environment
from microtutor.evaluation import diversity
from microtutor.files import write_json
from microtutor.losses import greyness
from microtutor.microstructures import LineImages, RockCrops, load_li2018
from microtutor.microstructures.micrographs import LI2018
from microtutor.reconstruction import reconstruct
from microtutor.statistics import autocorrelation, two_point_statistics

BAR_LINES = 2e-7
SIZE = 128  # of the micrographs: their first quarter
TOLERANCES = (1e-5, 1e-6, 1e-7)
REALISATIONS = 16

# Run by the other Python: characterise an image and search for another one with MCRpy's own settings, but for those
# named. Prints nothing but the two times; importing TensorFlow and describing the image are not in them.
PEER = """
import sys, time
import numpy as np
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
import mcrpy
source, found, limit = sys.argv[1:]
options = dict(descriptor_types=["FFTCorrelations"], limit_to=int(limit))
image = mcrpy.Microstructure(np.load(source).astype(int))
descriptor = mcrpy.characterize(image, mcrpy.CharacterizationSettings(**options))
settings = mcrpy.ReconstructionSettings(**options, optimizer_type="LBFGSB", target_folder=None)
wall, cpu = time.perf_counter(), time.process_time()
_, last = mcrpy.reconstruct(descriptor, image.spatial_shape, settings=settings)
print("times", time.perf_counter() - wall, time.process_time() - cpu)
np.save(found, np.squeeze(last.x[0].numpy()))
"""


def short(value: float) -> float:
    return float(f"{value:.3g}")


def timed(call: Callable[[], Tensor]) -> tuple[Tensor, dict[str, float]]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    return result, {"wall_s": short(time.perf_counter() - wall), "cpu_s": short(time.process_time() - cpu)}


def statistics_error(images: Tensor, f: Tensor) -> Tensor:
    return (autocorrelation(images) - f).square().mean((-2, -1)).flatten()


def near_error(image: Tensor, f: Tensor, reach: int = 15) -> float:
    """Statistics error over shifts of at most `reach` pixels along each axis: those MCRpy looks at by default."""
    kept = [*range(reach + 1), *range(-reach, 0)]
    return (autocorrelation(image) - f)[kept][:, kept].square().mean().item()


def two_valued_error(image: Tensor, f: Tensor) -> float:
    return statistics_error((image > 0.5).float(), f).item()


def quarters(image: Tensor) -> Tensor:
    """The four quarters of an image of 2 SIZE pixels a side, which do not overlap."""
    return image.unfold(-2, SIZE, SIZE).unfold(-2, SIZE, SIZE).reshape(-1, SIZE, SIZE)


def lines(starts: int) -> dict[str, Any]:
    """Eight images of 1-4 lines, 224 px, each from several noises, with the defaults."""
    f = autocorrelation(LineImages().sample(8, seed=0).images)
    batches = []
    for seed in range(starts // 8):
        found, times = timed(lambda seed=seed: reconstruct(f, seed=seed))
        batches.append(times | {"errors": [short(e) for e in statistics_error(found, f).tolist()]})
    errors = torch.tensor([error for batch in batches for error in batch["errors"]])
    share = (errors <= BAR_LINES).float().mean().item()
    row = {"starts": len(errors), "share within 2e-7": share, "mean error": short(errors.mean().item())}
    slowest = {"slowest batch of 8, " + key: max(batch[key] for batch in batches) for key in ("wall_s", "cpu_s")}
    print(row | slowest)
    return row | slowest | {"batches": batches}


def realisations() -> list[dict[str, Any]]:
    """Diversity of 16 realisations of each target, at several tolerances."""
    sample = LineImages().sample(64, seed=1)
    targets = {}
    for count in (1, 2, 3, 4):
        same = sample.images[sample.count == count][:, 0]
        targets[f"{count} lines"] = ("other images with as many lines", same[:9])
    for name in LI2018:
        targets[name] = ("other quarters of the micrograph", quarters(load_li2018(name)[1]))
    crops = RockCrops("berea").sample(24, seed=0).images[:, 0]
    for i in range(3):
        targets[f"berea {i + 1}"] = ("other crops of the test blocks", torch.cat([crops[i : i + 1], crops[3:11]]))
    rows = []
    for name, (unrelated, images) in targets.items():
        f = autocorrelation(images[0])
        for tolerance in TOLERANCES:
            found, times = timed(lambda f=f, t=tolerance: reconstruct(f, realisations=REALISATIONS, tolerance=t))
            made = diversity(found, images, target_statistics=f)
            black_and_white = (found > 0.5).float()
            row = {
                "target": name,
                "volume_fraction": short(f[0, 0].item()),
                "unrelated": unrelated,
                "tolerance": tolerance,
                "error_max": short(statistics_error(found, f).max().item()),
                "thresholded_error_mean": short(statistics_error(black_and_white, f).mean().item()),
                "greyness": short(greyness(found).mean().item()),
                "distance": short(made.median),
                "unrelated_distance": short(made.unrelated_median),
                "ratio": short(made.ratio),
            }
            if tolerance == TOLERANCES[-1]:
                two_valued = reconstruct(f, realisations=REALISATIONS, tolerance=tolerance, binary=True)
                made = diversity(two_valued, images, target_statistics=f)
                row |= {"binary_error_max": short(statistics_error(two_valued, f).max().item())}
                row |= {
                    "binary_ratio": short(made.ratio),
                    "binary_distances": [short(d) for d in made.distances.tolist()],
                }
            rows.append(row | times)
            print({key: row[key] for key in ("target", "tolerance", "error_max", "ratio")}, times["cpu_s"])
    return rows


def micrographs() -> list[dict[str, Any]]:
    """One image of each micrograph with the defaults; of the composite also all three phases at once."""
    rows = []
    for name in LI2018:
        image = quarters(load_li2018(name)[1])[0]
        f = autocorrelation(image)
        found, times = timed(lambda f=f: reconstruct(f))
        binary = {"binary_error": short(statistics_error(reconstruct(f, binary=True), f).item())}
        rows.append({"target": name, "microtutor": measured(found, f) | binary | times})
    phases = load_li2018("composite")[:, :SIZE, :SIZE]
    f = two_point_statistics(phases)
    found, times = timed(lambda: reconstruct(f, phases=3))
    error = (two_point_statistics(found) - f).square().mean().item()
    rows.append({"target": "composite, 3 phases", "microtutor": {"error": short(error)} | times})
    return rows


def measured(image: Tensor, f: Tensor) -> dict[str, float]:
    """What is quoted of a search: all shifts, near shifts, thresholded at 0.5."""
    clipped = image.clamp(0, 1)  # the peer's pixels may leave [0, 1] a little
    errors = (statistics_error(clipped, f).item(), near_error(clipped, f), two_valued_error(clipped, f))
    return dict(zip(("error", "near_error", "thresholded_error"), map(short, errors), strict=True))


def ask_peer(python: str, rows: list[dict[str, Any]]) -> None:
    """Add what MCRpy finds to the rows, with its own reach of 16 pixels and with 64, nearly all shifts.

    Beside each stands what `reconstruct` finds with as many steps as fit into the same processor time.
    """
    for row in rows:
        if row["target"] not in LI2018:
            continue
        image = quarters(load_li2018(row["target"])[1])[0]
        f = autocorrelation(image)
        for limit in (16, 64):
            with tempfile.TemporaryDirectory() as folder:
                source, found = Path(folder, "image.npy"), Path(folder, "found.npy")
                np.save(source, image.numpy())
                said = subprocess.run(
                    [python, "-c", PEER, str(source), str(found), str(limit)],
                    cwd=folder,
                    capture_output=True,
                    text=True,
                    env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1"},
                )
                if said.returncode:
                    sys.exit(f"mcrpy failed on {row['target']}:\n{said.stderr[-2000:]}")
                wall, cpu = (
                    float(t) for line in said.stdout.splitlines() if line[:5] == "times" for t in line.split()[1:]
                )
                result = torch.from_numpy(np.load(found)).float()
            times = {"wall_s": short(wall), "cpu_s": short(cpu)}
            row[f"mcrpy, limit_to={limit}"] = measured(result, f) | times
            steps = round(600 * cpu / row["microtutor"]["cpu_s"])
            found, times = timed(lambda f=f, steps=steps: reconstruct(f, steps=steps, tolerance=0.0))
            row[f"microtutor, as long as limit_to={limit}"] = measured(found, f) | times | {"steps": steps}
        print(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mcrpy", metavar="PYTHON", help="a Python that has mcrpy 0.2.0")
    parser.add_argument("--starts", type=int, default=32, help="searches for line images, a multiple of 8")
    parser.add_argument("--record", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    commit, load, begun = current_commit(), [os.getloadavg()[0]], time.perf_counter()
    torch.set_num_threads(1)
    parts: dict[str, Any] = {"lines": lines(arguments.starts), "micrographs": micrographs()}
    load.append(os.getloadavg()[0])
    parts["realisations"] = realisations()
    load.append(os.getloadavg()[0])
    if arguments.mcrpy:
        ask_peer(arguments.mcrpy, parts["micrographs"])
        load.append(os.getloadavg()[0])
    print("ratio of medians at a tolerance of 1e-6:", median_ratios(parts["realisations"]))
    if arguments.record:
        command = shlex.join(["python", "studies/reconstruction.py", *sys.argv[1:]])
        about = {
            "command": command.replace(arguments.mcrpy, "PYTHON") if arguments.mcrpy else command,
            "seed": 0,
            "commit": commit,
            "environment": report_environment(show=False),
            "wall_time_seconds": short(time.perf_counter() - begun),
            "load_average": [short(value) for value in load],
            "peer": "mcrpy 0.2.0 (its release; numpy<2), FFTCorrelations, L-BFGS-B, 500 iterations",
        }
        write_json(arguments.record, about | parts)


def median_ratios(rows: list[dict[str, Any]]) -> dict[str, float]:
    at = [row for row in rows if row["tolerance"] == 1e-6]
    kinds = {"lines": [r for r in at if "lines" in r["target"]], "berea": [r for r in at if "berea" in r["target"]]}
    kinds["li2018"] = [row for row in at if row["target"] in LI2018]
    return {kind: median(row["ratio"] for row in some) for kind, some in kinds.items()}


if __name__ == "__main__":
    main()
