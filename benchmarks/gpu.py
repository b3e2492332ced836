"""Bandwidth of the statistics on a GPU, and images per second: python benchmarks/gpu.py

On a GPU a Fourier transform waits for memory, so its speed is told in GB/s beside that of a plain copy. Counted are the
bytes that each pass over the images cannot do without, in float32, per pixel:

    autocorrelation   two passes forward (8 + 8), power (4 + 2), two passes back over half (4 + 4), both halves (2 + 4)
    statistics loss   two passes forward (8 + 8), the difference of power (4 + 2 + 4), two passes back (8 + 8), with
                      the target cached, and the gradient scaled (8)

Without a CUDA device it says so and stops; `--device cpu` runs everything at a tiny size, to see that it works, and
`--device cpu --full --part precision` tells what precisions cost on this processor. To see what one without units for
bfloat16 makes of it, set ONEDNN_MAX_CPU_ISA=AVX512_CORE_VNNI, or AVX2 and ATEN_CPU_CAPABILITY=avx2 for an older one.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import torch

from microtutor import report_environment
from microtutor.losses import StatisticsLoss
from microtutor.microstructures import LineImages
from microtutor.statistics import autocorrelation, canonical_form
from microtutor.training import PRESETS, TrainingConfig, estimate_minutes

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


def precisions(device: torch.device, tiny: bool, rounds: int) -> None:
    """Steps of training in each precision, side by side; what "auto" would take stands in the report above."""
    kinds: dict[str, torch.dtype | None] = {"no": None, "bf16": torch.bfloat16}
    if device.type == "cuda":
        kinds["fp16"] = torch.float16
    print(f"\na step in each precision, ms{'' if device.type == 'cuda' else ' of the processor'} (times of float32)")
    for name in ("classroom", "rock", "laptop"):
        config = small(PRESETS[name]) if tiny else PRESETS[name]
        step = stepper(config, device)
        times: dict[str, list[float]] = {kind: [] for kind in kinds}
        for _ in range(rounds + 1):
            for kind, dtype in kinds.items():
                times[kind].append(clock(lambda step=step, dtype=dtype: step(dtype), device))
        taken = {kind: 1e3 * median(each[1:]) for kind, each in times.items()}
        told = "".join(f"  {kind} {ms:8.1f} ({ms / taken['no']:4.2f})" for kind, ms in taken.items())
        print(f"  {name:10}{config.size:4} px, batches of {config.batch_size}{told}")


def stepper(config: TrainingConfig, device: torch.device) -> Callable[[torch.dtype | None], None]:
    """One step of training on the same images again and again, without gradient scaling, whose cost is nothing."""
    vae = config.model().to(device).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(vae.parameters(), lr=1e-4)
    images = canonical_form(LineImages(size=config.size).sample(config.batch_size, seed=0, device=device).images)
    loss = config.loss_at(config.steps // 2)

    def step(dtype: torch.dtype | None) -> None:
        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
            output = vae(images.contiguous(memory_format=torch.channels_last))
        optimizer.zero_grad()
        loss(output, images)[0].backward()
        optimizer.step()

    return step


def clock(call: Callable[[], object], device: torch.device) -> float:
    """Seconds of a call: of the clock on a GPU; of the processor on the CPU, where other programs run too."""
    if device.type != "cuda":
        begun = time.process_time()
        call()
        return time.process_time() - begun
    torch.cuda.synchronize(device)
    begun = time.perf_counter()
    call()
    torch.cuda.synchronize(device)
    return time.perf_counter() - begun


def training(device: torch.device, tiny: bool, compiled: bool) -> None:
    """Images per second of the training loop itself, by preset, batch size and precision."""
    print("\ntraining, images per second" + (", with torch.compile" if compiled else ""))
    every = ("auto", "no", "bf16") if device.type == "cpu" else ("auto", "no", "bf16", "fp16")
    for name in ("classroom", "laptop"):
        for batch_size in (4,) if tiny else (32, 128, 512):
            for precision in ("auto",) if compiled else every:
                config = small(PRESETS[name]) if tiny else replace(PRESETS[name], batch_size=batch_size)
                config = replace(config, device=str(device), precision=precision, validation_images=1)
                print(f"  {name:12}{precision:6}batches of {config.batch_size:4}{speed(config, tiny):>26}")


def speed(config: TrainingConfig, tiny: bool) -> str:
    try:
        minutes = estimate_minutes(config, steps=2 if tiny else 50)
    except RuntimeError as error:  # out of memory, or no such convolution in this precision
        return f"{type(error).__name__}: {str(error).splitlines()[0][:80]}"
    return f"{config.steps * config.batch_size / (60 * minutes):.0f}" if minutes > 0 else "too short to tell"


def small(config: TrainingConfig) -> TrainingConfig:
    return replace(config, material="lines", size=32, channels=4, batch_size=4)


PARTS = ("bandwidth", "generator", "precision", "training", "compiled")


def main() -> int:
    parser = argparse.ArgumentParser(description="Bandwidth of the statistics on a GPU, and images per second.")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"], help="cpu: a trial at a tiny size")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part; may be given several times")
    parser.add_argument("--full", action="store_true", help="real sizes on the CPU as well")
    given = parser.parse_args()
    device, parts = torch.device(given.device), given.part or PARTS
    if device.type == "cuda" and not torch.cuda.is_available():
        print("There is no CUDA device here, so nothing was measured. `--device cpu` tries the script at a tiny size.")
        return 1
    warnings.filterwarnings("ignore", "precision='bf16' is slow here")  # that is what is measured
    report_environment()
    tiny = device.type == "cpu" and not given.full
    if device.type == "cpu":
        print("\nOn the CPU" + (", at a tiny size" if tiny else "") + ": these numbers say nothing about a GPU.")
    images, size, rounds = (8, 32, 3) if tiny else (4096, 224, ROUNDS)
    if "bandwidth" in parts:
        bandwidth(device, images, size, rounds)
    if "generator" in parts:
        generator(device, images, size, rounds)
    if "precision" in parts:
        precisions(device, tiny, rounds=3 if tiny else 12)
    if "training" in parts:
        training(device, tiny, compiled=False)
    if "compiled" in parts and (device.type == "cuda" or given.part):
        os.environ["ACCELERATE_DYNAMO_BACKEND"] = "inductor"  # this is how accelerate is told to compile
        training(device, tiny, compiled=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
