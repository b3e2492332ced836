"""Harm on purpose: training runs that are killed, stopped, starved of disk, damaged or doubled, at random moments.

    python benchmarks/faults.py --trials 100 --record microtutor/results/faults.json

Each kind is tried many times, on a tiny run whose weights are known from an undisturbed one. After every trial: what
stands in the folder loads or is refused in one sentence, no more than the last interval is lost, no part file stays
behind once the run has gone on, and the run that is gone on with ends at the same weights, bit by bit. The first trial
that does not hold stops the script with what it found.

The full disk and the one that becomes read-only need Linux and root: a small memory disk is mounted, and the run
gives up its rights.
"""

import argparse
import hashlib
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from microtutor.environment import current_commit, report_environment
from microtutor.files import write_json
from microtutor.models import VAE
from microtutor.training import CHECKPOINT, TrainingConfig, read_log, train
from microtutor.training import loop as training_loop

CONFIG = TrainingConfig(
    size=32, channels=4, latent_dim=3, steps=120, batch_size=4, validate_every=20, validation_images=6,
    checkpoint_every=5, device="cpu",
)  # fmt: skip
NOBODY = 65534
FINISHED, REFUSED, INTERRUPTED = 0, 3, 4
processes: Any = multiprocessing.get_context("forkserver")


def run(folder: Path, done: Any, told: Any, wait: float = 0.0, user: int | None = None) -> None:
    """One run in a process of its own; counts its steps in `done` and says into `told` why it was refused."""
    plain = training_loop._Run.train_step

    def train_step(self, images):
        terms = plain(self, images)
        done.value = self.step + 1
        return terms

    training_loop._Run.train_step = train_step
    torch.set_num_threads(1)
    if user is not None:
        os.setuid(user)
    time.sleep(wait)
    try:
        train(CONFIG, folder, resume=True, progress=False)
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)
    except (OSError, ValueError) as error:
        told.send(str(error))
        os._exit(REFUSED)


class Child:
    def __init__(self, folder: Path, **more: Any):
        self.done, (self.says, told) = processes.Value("i", 0), processes.Pipe(duplex=False)
        self.process = processes.Process(target=run, args=(folder, self.done, told), kwargs=more)
        self.process.start()
        told.close()

    def after_some_steps(self, chance: random.Random) -> None:
        """Wait until the run is at work, and a random moment longer."""
        while self.process.is_alive() and not self.done.value:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.4))

    def end(self) -> int:
        self.process.join()
        return self.process.exitcode

    def sentence(self) -> str:
        try:
            return self.says.recv()
        except EOFError:
            return ""


def digest(folder: Path) -> str:
    weights = VAE.from_pretrained(folder).state_dict()
    return hashlib.sha256(b"".join(value.numpy().tobytes() for value in weights.values())).hexdigest()


def step_of(folder: Path) -> int:
    """The step of the checkpoint in a folder, which must load; 0 if there is none."""
    path = folder / CHECKPOINT
    return torch.load(path, weights_only=True)["step"] if path.exists() else 0


def check(holds: bool, what: str) -> None:
    if not holds:
        raise SystemExit(f"does not hold: {what}")


def check_lost(child: Child, folder: Path, most: int) -> None:
    lost = child.done.value - step_of(folder)
    check(lost <= most, f"at most {most} steps are lost, not {lost}")


def check_refused(child: Child, folder: Path, words: str) -> None:
    """Wait for the end: the run has finished before its disk failed, or says so in one sentence."""
    code, said = child.end(), child.sentence()
    if code != FINISHED:
        check(code == REFUSED and words in said and "\n" not in said, f"it says {words!r}, not {code}, {said!r}")
        check_lost(child, folder, most=CONFIG.checkpoint_every)


def check_end(folder: Path, whole: Path, kind: str) -> None:
    """Go on with the run, whatever befell it, and compare where it ends."""
    child = Child(folder)
    check(child.end() == FINISHED, f"{kind}: the run goes on ({child.sentence()})")
    check(digest(folder) == digest(whole), f"{kind}: the weights are those of an undisturbed run")
    check(not list(folder.glob("*.part")) + list(folder.glob(".*.part")), f"{kind}: no part file is left")
    check(read_log(folder)["step"][-1] == CONFIG.steps, f"{kind}: the log is whole")


@contextmanager
def new_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        yield Path(place) / "run"


def killed(chance: random.Random, whole: Path) -> None:
    stopped(chance, whole, signal.SIGKILL)


def terminated(chance: random.Random, whole: Path) -> None:
    stopped(chance, whole, signal.SIGTERM)


def stopped(chance: random.Random, whole: Path, number: int) -> None:
    with new_folder() as folder:
        for _ in range(chance.randint(1, 3)):
            child = Child(folder)
            child.after_some_steps(chance)
            os.kill(child.process.pid, number)
            code = child.end()
            if code == FINISHED:
                break
            if number == signal.SIGKILL:
                check(code == -number, "killed: it was the kill that ended it")
            else:
                check(code in (INTERRUPTED, -number), f"SIGTERM: it stops, not {code} ({child.sentence()})")
            check_lost(child, folder, most=0 if code == INTERRUPTED else CONFIG.checkpoint_every)
        check_end(folder, whole, "stopped")


def full_disk(chance: random.Random, whole: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], check=True)
        try:
            folder, filler = Path(place) / "run", Path(place) / "filler"
            child = Child(folder)
            child.after_some_steps(chance)
            free = shutil.disk_usage(place).free
            with suppress(OSError):  # the run has written meanwhile: then the disk is full
                filler.write_bytes(bytes(max(0, free - chance.randrange(0, 200_000))))
            check_refused(child, folder, "No space left")
            filler.unlink()
            check_end(folder, whole, "full disk")
        finally:
            subprocess.run(["umount", place], check=True)


def read_only_disk(chance: random.Random, whole: Path) -> None:
    with new_folder() as folder:
        folder.mkdir()
        os.chown(folder, NOBODY, NOBODY)
        child = Child(folder, user=NOBODY)
        child.after_some_steps(chance)
        os.chown(folder, 0, 0)
        os.chmod(folder, 0o555)
        check_refused(child, folder, "cannot write")
        os.chmod(folder, 0o755)
        check_end(folder, whole, "read-only disk")


def flipped_bytes(chance: random.Random, whole: Path) -> None:
    """Of checkpoint and weights: what is damaged is refused, or the damage lies where nothing is kept."""
    for name in (CHECKPOINT, "model.safetensors", "config.json"):
        with new_folder() as folder:
            shutil.copytree(whole, folder)
            damaged = bytearray((folder / name).read_bytes())
            for place in chance.sample(range(len(damaged)), chance.choice((1, 2, 8))):
                damaged[place] ^= chance.randrange(1, 256)
            (folder / name).write_bytes(damaged)
            try:
                if name == CHECKPOINT:
                    train(CONFIG, folder, resume=True, progress=False)
                check(digest(folder) == digest(whole), f"flipped bytes: {name} is refused, or the same as before")
            except ValueError as error:
                check("\n" not in str(error) and len(str(error)) < 500, f"flipped bytes: one sentence, not {error}")


def two_writers(chance: random.Random, whole: Path) -> None:
    with new_folder() as folder:
        both = [Child(folder, wait=chance.uniform(0, 0.05)) for _ in range(2)]
        codes = [child.end() for child in both]
        said = "".join(child.sentence() for child in both)
        check(sorted(codes) == [FINISHED, REFUSED] and "another run" in said, f"two writers: {codes}, {said}")
        check(digest(folder) == digest(whole), "two writers: the weights are those of one undisturbed run")
        check_end(folder, whole, "two writers")


KINDS: dict[str, Callable[[random.Random, Path], None]] = {
    "kill -9": killed,
    "SIGTERM": terminated,
    "full disk": full_disk,
    "read-only disk": read_only_disk,
    "flipped bytes": flipped_bytes,
    "two writers": two_writers,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=list(KINDS))
    parser.add_argument("--record", help="write what was tried to this JSON file")
    choices, commit = parser.parse_args(), current_commit()
    torch.set_num_threads(1)
    processes.set_forkserver_preload(["microtutor.training", "torch._dynamo"])  # what takes long to import
    seconds = {}
    with new_folder() as whole:
        check(Child(whole).end() == FINISHED, "an undisturbed run")
        for kind in choices.kinds:
            begun = time.perf_counter()
            for trial in range(choices.trials):
                KINDS[kind](random.Random(f"{kind} {trial}"), whole)
            seconds[kind] = round(time.perf_counter() - begun)
            print(f"{kind:16} {choices.trials} trials, all hold ({seconds[kind]} s)", flush=True)
    if choices.record:
        record = {
            "command": f"python benchmarks/faults.py --trials {choices.trials}",
            "commit": commit,
            "environment": report_environment(show=False),
            "trials": dict.fromkeys(choices.kinds, choices.trials),
            "seconds": seconds,
        }
        write_json(choices.record, record)


if __name__ == "__main__":
    main()
