"""Training on two threads with and without a competitor, for some settings of the threads that wait.

    python benchmarks/threads.py --record microtutor/results/threads.json

PyTorch's threads on Linux are those of GNU OpenMP. A thread that waits for the others spins, by default for 300,000
turns; if another program holds a core, the spinning takes time from the thread that is waited for. Each setting trains
the classroom preset for some steps alone, beside a busy loop, and beside a second run of itself. The settings
alternate; the table holds medians, the longest run, and the ratios of the medians to the default's run alone.
"""

import argparse
import os
import statistics
import subprocess
import sys
from contextlib import contextmanager

from microtutor.environment import current_commit, report_environment
from microtutor.files import write_json

SETTINGS = {
    "default": {},
    "GOMP_SPINCOUNT=5000": {"GOMP_SPINCOUNT": "5000"},
    "GOMP_SPINCOUNT=1000": {"GOMP_SPINCOUNT": "1000"},
}
RUN = """
import sys, tempfile, time
from microtutor.training import PRESETS, train
steps = int(sys.argv[1])
config = PRESETS["classroom"].replace(steps=steps, validate_every=steps, checkpoint_every=steps, validation_images=64)
with tempfile.TemporaryDirectory() as folder:
    begun = time.perf_counter()
    train(config, folder, progress=False)
    print(time.perf_counter() - begun)
"""
BUSY = "while True: pass"


def started(setting: dict[str, str], code: str, *arguments: str) -> subprocess.Popen:
    clean = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, env=clean | {"OMP_NUM_THREADS": "2"} | setting, stdout=subprocess.PIPE, text=True)


@contextmanager
def competitor(kind: str, setting: dict[str, str], steps: int):
    """Another program that runs meanwhile: none, a busy loop, or the same training."""
    if kind == "alone":
        yield
        return
    other = started(setting, BUSY) if kind == "beside a busy loop" else started(setting, RUN, str(3 * steps))
    try:
        yield
    finally:
        other.kill()
        other.communicate()


def seconds(kind: str, setting: dict[str, str], steps: int) -> float:
    with competitor(kind, setting, steps):
        output, _ = started(setting, RUN, str(steps)).communicate()
    return float(output)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--record", help="write the table to this JSON file")
    choices, commit = parser.parse_args(), current_commit()
    kinds = ("alone", "beside a busy loop", "beside a second run")
    times: dict[str, dict[str, list[float]]] = {name: {kind: [] for kind in kinds} for name in SETTINGS}
    for _ in range(choices.repeats):
        for kind in kinds:
            for name, setting in SETTINGS.items():
                times[name][kind].append(seconds(kind, setting, choices.steps))
    reference = statistics.median(times["default"]["alone"])
    table = {
        name: {
            kind: {
                "seconds": round(statistics.median(taken), 2),
                "most": round(max(taken), 2),
                "ratio": round(statistics.median(taken) / reference, 2),
            }
            for kind, taken in row.items()
        }
        for name, row in times.items()
    }
    for name, row in table.items():
        cells = (
            f"{kind} {cell['seconds']:.1f} s, at most {cell['most']:.1f} ({cell['ratio']:.2f})"
            for kind, cell in row.items()
        )
        print(f"{name:24} {'; '.join(cells)}")
    if choices.record:
        record = {
            "command": f"python benchmarks/threads.py --steps {choices.steps} --repeats {choices.repeats}",
            "commit": commit,
            "environment": report_environment(show=False),
            "table": table,
        }
        write_json(choices.record, record)


if __name__ == "__main__":
    main()
