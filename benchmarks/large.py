"""Statistics of volumes larger than memory: python benchmarks/large.py [--gigabytes 8]

A memory-mapped volume of labels is written under the temporary folder, and removed afterwards. Each measurement is a
process of its own, on one thread, so that its peak memory is its own: the volume block by block, then an array that
fits into memory the plain and the usual way, then a dask array with one worker and with two.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REACH = 32
IN_MEMORY = 384  # side of the array that fits
DASK = (512, 384, 384)
DASK_CALLS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=8.0, help="size of the volume on disk")
    parser.add_argument("--step", nargs="*", default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(STEPS[options.step[0]](*options.step[1:])))
    else:
        show(measure(options.gigabytes))


def measure(gigabytes: float) -> dict:
    """Every number of this page: seconds and processor seconds, gigabytes at the peak."""
    found: dict = {"max_shift": REACH, "load before": os.getloadavg()[0]}
    for step in ("memory plain", "memory open"):
        found[step] = run(step)
    found["in memory"] = run("in memory")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "volume.npy"
        found["volume"] = write(path, gigabytes)
        found["blocks"] = run("blocks", str(path))
        path.unlink()
        for workers in (1, 2):
            found[f"dask, {workers} at work"] = run("dask", str(workers))
    found["blocks per voxel against in memory"] = ratio(found["blocks"], found["in memory"], "nanoseconds per voxel")
    found["blocks per voxel against in memory, processor"] = ratio(
        found["blocks"], found["in memory"], "processor nanoseconds per voxel"
    )
    found["memory, open against plain"] = ratio(found["memory open"], found["memory plain"], "peak gigabytes more")
    found["two at work against one"] = ratio(found["dask, 1 at work"], found["dask, 2 at work"], "seconds")
    return found


def show(found: dict) -> None:
    for name, value in found.items():
        print(f"{name:48}{value}")


def ratio(one: dict, other: dict, name: str) -> float:
    return round(one[name] / other[name], 3)


def run(*step: str) -> dict:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--step", *step]
    return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def write(path: Path, gigabytes: float) -> dict:
    """A volume of labels 0 and 1, in slabs of independent noise: nothing but its size matters here."""
    import numpy as np

    side = int((gigabytes * 1e9) ** (1 / 3))
    volume = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(side, side, side))
    generator = np.random.default_rng(0)
    for first in range(0, side, 16):
        slab = volume[first : first + 16]
        slab[:] = generator.integers(0, 256, slab.shape, dtype=np.uint8) < 77
    volume.flush()
    return {"side": side, "gigabytes": round(path.stat().st_size / 1e9, 3)}


def peak() -> float:
    """Gigabytes of memory that this process had in use at its peak, pages of files included."""
    return int(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))[0]) * 1024 / 1e9


def timed(call, voxels: int) -> dict:
    before, wall, processor = peak(), time.perf_counter(), time.process_time()
    call()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return {
        "seconds": round(wall, 3),
        "processor seconds": round(processor, 3),
        "nanoseconds per voxel": round(1e9 * wall / voxels, 2),
        "processor nanoseconds per voxel": round(1e9 * processor / voxels, 2),
        "peak gigabytes": round(peak(), 3),
        "peak gigabytes more": round(peak() - before, 3),
    }


def noise(*shape: int):
    import torch

    return (torch.rand(shape, generator=torch.Generator().manual_seed(0)) < 0.3).float()


def memory_plain() -> dict:
    from plain import plain_map

    m = noise(256, 256, 256)
    return timed(lambda: plain_map(m, 3, "open"), 256**3)


def memory_open() -> dict:
    from microtutor.statistics import autocorrelation

    m = noise(256, 256, 256)
    return timed(lambda: autocorrelation(m, ndim=3, boundary="open"), 256**3)


def in_memory() -> dict:
    from microtutor.statistics import autocorrelation

    m = noise(IN_MEMORY, IN_MEMORY, IN_MEMORY)
    call = lambda: autocorrelation(m, ndim=3, boundary="open", max_shift=REACH)  # noqa: E731
    call()
    return timed(call, IN_MEMORY**3)


def blocks(path: str) -> dict:
    import numpy as np

    from microtutor.statistics import autocorrelation_of_blocks

    volume = np.load(path, mmap_mode="r")
    return timed(lambda: autocorrelation_of_blocks(volume, REACH), volume.size)


def dask(workers: str) -> dict:
    import dask
    import dask.array
    import torch

    from microtutor.statistics import autocorrelation_of_blocks

    torch.set_num_threads(1)
    m = noise(*DASK).byte().numpy()
    volume = dask.array.from_array(m, chunks=128)
    call = lambda: autocorrelation_of_blocks(volume, REACH, block=128)  # noqa: E731
    with dask.config.set(scheduler="threads", num_workers=int(workers)):
        call()
        return timed(lambda: [call() for _ in range(DASK_CALLS)], DASK_CALLS * m.size)


STEPS = {
    "memory plain": memory_plain,
    "memory open": memory_open,
    "in memory": in_memory,
    "blocks": blocks,
    "dask": dask,
}

if __name__ == "__main__":
    main()
