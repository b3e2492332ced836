"""Bandwidth of the statistics on a GPU, and images per second: python benchmarks/gpu.py

On a GPU a Fourier transform waits for memory, so its speed is told in GB/s beside that of a plain copy. Counted are the
bytes that each pass over the images cannot do without, in float32, per pixel:

    autocorrelation   two passes forward (8 + 8), power (4 + 2), two passes back over half (4 + 4), both halves (2 + 4)
    statistics loss   two passes forward (8 + 8), the difference of power (4 + 2 + 4), two passes back (8 + 8), with
                      the target cached, and the gradient scaled (8)

Without a CUDA device it says so and stops; `--device cpu` runs everything at a tiny size, to see that it works.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import torch

from microtutor import report_environment
from microtutor.losses import StatisticsLoss
from microtutor.microstructures import LineImages
from microtutor.statistics import autocorrelation
from microtutor.training import PRESETS, train

BYTES = {"autocorrelation": 36, "statistics loss, forward and backward": 50}
ROUNDS = 20


def seconds(call: Callable[[], object], device: torch.device, rounds: int) -> float:
    times = []
    for turn in range(rounds + 3):
        begun = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if turn >= 3:
            times.append(time.perf_counter() - begun)
    return median(times)


def bandwidth(device: torch.device, images: int, size: int, rounds: int) -> None:
    m = LineImages(size=size).sample(images, seed=0, device=device).images
    other, loss = torch.empty_like(m), StatisticsLoss()
    target = loss.spectrum(m)
    grey = torch.rand_like(m)

    def step() -> None:
        loss(grey.detach().requires_grad_(), target_spectrum=target).backward()

    copy = 8 * m.numel() / seconds(lambda: other.copy_(m), device, rounds)
    print(f"\n{images} images of {size} x {size}\n  {'copy on the device':40}{copy / 1e9:9.1f} GB/s")
    calls = dict(zip(BYTES, (lambda: autocorrelation(m), step), strict=True))
    for name, call in calls.items():
        speed = BYTES[name] * m.numel() / seconds(call, device, rounds)
        print(f"  {name:40}{speed / 1e9:9.1f} GB/s   {speed / copy:6.1%} of a copy")


def generator(device: torch.device, images: int, size: int, rounds: int) -> None:
    taken = seconds(lambda: LineImages(size=size).sample(images, seed=0, device=device), device, rounds)
    print(f"\nline images of {size} x {size}: {images / taken:.0f} per second")


def training(device: torch.device, tiny: bool) -> None:
    """Images per second from two runs, one longer by `steps`: what a start costs drops out."""
    steps = 2 if tiny else 100
    print("\ntraining, images per second")
    for name in ("classroom", "laptop", "gpu"):
        for precision in ("no", "bf16") if tiny else ("no", "bf16", "fp16"):
            config = replace(PRESETS[name], device=str(device), precision=precision, validation_images=8)
            if tiny:
                config = replace(config, size=32, channels=4, batch_size=4)
            taken = []
            for length in (steps, 2 * steps):
                begun = time.perf_counter()
                with tempfile.TemporaryDirectory() as folder:
                    train(replace(config, steps=length, validate_every=length), folder, progress=False)
                taken.append(time.perf_counter() - begun)
            longer = taken[1] - taken[0]
            speed = f"{steps * config.batch_size / longer:10.0f}" if longer > 0 else "  too short to tell"
            print(f"  {name:12}{precision:6}batches of {config.batch_size:4}{speed}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Bandwidth of the statistics on a GPU, and images per second.")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"], help="cpu: a trial at a tiny size")
    device = torch.device(parser.parse_args().device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("There is no CUDA device here, so nothing was measured. `--device cpu` tries the script at a tiny size.")
        return 1
    report_environment()
    tiny = device.type == "cpu"
    if tiny:
        print("\nA trial on the CPU at a tiny size: these numbers say nothing about a GPU.")
    images, size, rounds = (8, 32, 3) if tiny else (4096, 224, ROUNDS)
    bandwidth(device, images, size, rounds)
    generator(device, images, size, rounds)
    training(device, tiny)
    return 0


if __name__ == "__main__":
    sys.exit(main())
