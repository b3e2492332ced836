"""Speed of the statistics, of the statistics loss and of the generator, on one thread: python benchmarks/speed.py

Contenders alternate in one process; times are medians, of the clock and of the processor; "plain" is what anyone would
write first: rfftn, square, irfftn (for an open boundary on twice the size), and for the loss the squared difference,
all by autograd, for the reconstruction and for the target. A ratio below 1 is faster than plain.

Large data and peak memory come from `large.py`, other packages from `peers.py`, each in processes of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import large
import torch
from plain import Times, compare, plain_map, plain_statistics

from microtutor.environment import current_commit, report_environment
from microtutor.files import write_json
from microtutor.losses import StatisticsLoss
from microtutor.microstructures import LineImages
from microtutor.statistics import autocorrelation, canonical_form

MAPS = (
    ((64, 224, 224), 2, "periodic"),
    ((2048, 2048), 2, "periodic"),
    ((128, 128, 128), 3, "periodic"),
    ((64, 224, 224), 2, "open"),
)
SMALL = ((1, 64, 64), (32, 64, 64), (1, 224, 224))
SMALL_ROUNDS = 1000  # one call is short beside what disturbs it


def against_plain(title: str, times: Times) -> dict[str, dict[str, float]]:
    """Print one block of the table, and return it."""
    print(f"\n{title}", flush=True)
    wall, processor = times["plain"]
    rows = {}
    for name, (by_clock, of_processor) in times.items():
        rows[name] = {
            "milliseconds": round(1e3 * by_clock, 4),
            "processor milliseconds": round(1e3 * of_processor, 4),
            "ratio": round(by_clock / wall, 3),
            "processor ratio": round(of_processor / processor, 3),
        }
        shares = f"ratio {by_clock / wall:.2f}, of processor time {of_processor / processor:.2f}"
        print(f"  {name:32}{1e3 * by_clock:10.3f} ms   {shares}", flush=True)
    return rows


def maps(chosen: tuple = MAPS, note: str = "") -> dict[str, dict]:
    found = {}
    for shape, ndim, boundary in chosen:
        m = (torch.rand(shape, generator=torch.Generator().manual_seed(0)) < 0.1).float()
        contenders = {
            "plain": lambda m=m, ndim=ndim, boundary=boundary: plain_map(m, ndim, boundary),
            "autocorrelation": lambda m=m, ndim=ndim, boundary=boundary: autocorrelation(
                m, ndim=ndim, boundary=boundary
            ),
        }
        title = f"{' x '.join(map(str, shape))}, {boundary}{note}"
        found[title] = against_plain(f"full map, {title}", compare(contenders))
    return found


def small_maps() -> dict:
    """Small images, where a call costs as much as what it computes; with a date of their own, as they are soon done."""
    begun = here_and_now() | {"load before": round(os.getloadavg()[0], 2)}
    rows = {}
    for shape in SMALL:
        m = (torch.rand(shape, generator=torch.Generator().manual_seed(0)) < 0.1).float()
        contenders = {
            "plain": lambda m=m: plain_map(m, 2, "periodic") / (m.shape[-2] * m.shape[-1]),
            "autocorrelation": lambda m=m: autocorrelation(m),
        }
        title = f"{' x '.join(map(str, shape))}, periodic"
        rows[title] = against_plain(f"small map, {title}", compare(contenders, SMALL_ROUNDS))
    return begun | {"load after": round(os.getloadavg()[0], 2), "rows": rows}


def large_data(gigabytes: float) -> dict:
    """A volume on disk, block by block; with a date of its own, as it takes longer than all others."""
    begun, found = here_and_now(), large.measure(gigabytes)
    print("\nlarge data")
    large.show(found)
    return begun | found


def here_and_now() -> dict:
    """Where a record comes from; asked before the measurement, as the commit may be another one afterwards."""
    return {
        "commit": current_commit(),
        "date": date.today().isoformat(),
        "environment": report_environment(),
        "processor": processor_name(),
    }


def losses() -> dict[str, dict]:
    target = LineImages().sample(32, seed=0).images
    start = torch.rand(target.shape, generator=torch.Generator().manual_seed(0))
    loss = StatisticsLoss()
    spectrum = loss.spectrum(target)

    def with_gradient(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[], None]:
        return lambda: function(start.clone().requires_grad_()).backward()

    contenders = {
        "plain": with_gradient(lambda m: (plain_statistics(m) - plain_statistics(target)).square().mean()),
        "StatisticsLoss": with_gradient(lambda m: loss(m, target)),
        "StatisticsLoss, target cached": with_gradient(lambda m: loss(m, target_spectrum=spectrum)),
    }
    title = "statistics loss, forward and backward, 32 x 224 x 224"
    return {title: against_plain(title, compare(contenders))}


def images_per_second() -> dict[str, int]:
    lines = LineImages()
    sample = lines.sample(256, seed=0).images
    times = compare(
        {"LineImages, 224 px": lambda: lines.sample(256, seed=0), "canonical_form": lambda: canonical_form(sample)}
    )
    found = {name: round(256 / by_clock) for name, (by_clock, _) in times.items()}
    print("\nimages per second")
    for name, count in found.items():
        print(f"  {name:32}{count:8}")
    return found


def precision() -> dict[str, float]:
    """Largest difference of float32 from float64, over volume fractions and sizes odd and even."""
    found = {"periodic": 0.0, "open, up to half the size": 0.0}
    for size in (64, 224, 255):
        for share in (0.1, 0.5, 0.7):
            m = (torch.rand(4, size, size, generator=torch.Generator().manual_seed(size)) < share).double()
            for name, boundary in zip(found, ("periodic", "open"), strict=True):
                exact, f = autocorrelation(m, boundary=boundary), autocorrelation(m.float(), boundary=boundary)
                found[name] = max(found[name], float((exact - f).abs().max()))
    print("\nlargest difference of float32 from float64")
    for name, value in found.items():
        print(f"  {name:32}{value:10.1e}")
    return {name: float(f"{value:.2e}") for name, value in found.items()}


def peers(named: list[str]) -> dict[str, dict]:
    """What `peers.py` measures with the Python of each environment, given as NAME=PYTHON."""
    found = {}
    for one in named:
        name, python = one.split("=", 1)
        script = Path(__file__).with_name("peers.py")
        answer = subprocess.run([python, script, name], check=True, capture_output=True, text=True).stdout
        found[name] = json.loads(answer.splitlines()[-1])
        print(f"\n{name} {found[name]['version']}, against plain scipy.fft in float32 in the same process")
        for title, row in found[name]["rows"].items():
            print(f"  {title:40}{row['milliseconds']:8.1f} ms   ratio {row['ratio']:.1f}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of the statistics beside plain FFT and other packages.")
    parser.add_argument("--gigabytes", type=float, default=8.0, help="size of the volume on disk; 0 leaves it out")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON", help="see benchmarks/README.md")
    parser.add_argument("--record", type=Path, help="JSON file to write the whole table to")
    parser.add_argument(
        "--small", action="store_true", help="only small images and precision; the rest of a record stays as it is"
    )
    parser.add_argument("--large", action="store_true", help="only the volume on disk, in the same way")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.small or options.large:
        before = json.loads(options.record.read_text(encoding="utf-8")) if options.record else {}
        found = {"small maps": small_maps(), "precision": precision()} if options.small else {}
        found |= {"large": large_data(options.gigabytes)} if options.large else {}
        if options.record:
            write_json(options.record, before | found)
        return
    command = " ".join(["python benchmarks/speed.py", *(f"--peer {p.split('=')[0]}=..." for p in options.peer)])
    record: dict = {
        "command": f"{command} --gigabytes {options.gigabytes:g} --record microtutor/results/speed.json",
        **here_and_now(),
        "load before": round(os.getloadavg()[0], 2),
    }
    # The maps first: plain FFT is slow while a new process still has to ask for its memory, and quicker later on.
    record |= {"maps": maps(), "loss": losses(), "precision": precision(), "images per second": images_per_second()}
    record["maps"] |= maps(MAPS[:1], ", memory at hand")
    record["small maps"] = small_maps()
    record["peers"] = peers(options.peer)
    if options.gigabytes:
        record["large"] = large_data(options.gigabytes)
    record["load after"] = round(os.getloadavg()[0], 2)
    if options.record:
        write_json(options.record, record)


def processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    sys.exit(main())
