"""What every benchmark measures beside the package, and how: the plain FFT, and contenders called in turns."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from torch.fft import irfft2, irfftn, rfft2, rfftn

ROUNDS = 15
Times = dict[str, tuple[float, float]]


def compare(contenders: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> Times:
    """Median seconds of each contender, by the clock and of the processor, called in turns after one to warm up."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, call in contenders.items():
            begun = time.perf_counter(), time.process_time()
            call()
            if turn:
                times[name].append((time.perf_counter() - begun[0], time.process_time() - begun[1]))
    return {name: (median(w for w, _ in pairs), median(p for _, p in pairs)) for name, pairs in times.items()}


def plain_statistics(m: torch.Tensor) -> torch.Tensor:
    return irfft2(rfft2(m).abs().square(), s=m.shape[-2:]) / (m.shape[-1] * m.shape[-2])


def plain_map(m: torch.Tensor, ndim: int, boundary: str) -> torch.Tensor:
    """As plain as can be while still quick: float32, batched, no complex absolute value."""
    axes = tuple(range(-ndim, 0))
    size = tuple(n if boundary == "periodic" else 2 * n for n in m.shape[-ndim:])
    spectrum = rfftn(m, s=size, dim=axes)
    return irfftn(spectrum.real.square() + spectrum.imag.square(), s=size, dim=axes)
