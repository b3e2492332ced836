"""Speed of the statistics, of the statistics loss and of the generator, on one thread: python benchmarks/speed.py

Contenders alternate in one process; times are medians; "plain" is what anyone would write first:
rfftn, square, irfftn (for an open boundary on twice the size), and for the loss the squared difference, all by
autograd, for the reconstruction and for the target. A ratio below 1 is faster than plain.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from torch.fft import irfft2, irfftn, rfft2, rfftn

from microtutor import report_environment
from microtutor.losses import StatisticsLoss
from microtutor.microstructures import LineImages
from microtutor.statistics import autocorrelation, canonical_form

ROUNDS = 15


def compare(contenders: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median seconds of each contender, called in turns after one call to warm up."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(ROUNDS + 1):
        for name, call in contenders.items():
            begun = time.perf_counter()
            call()
            if turn:
                times[name].append(time.perf_counter() - begun)
    return {name: median(values) for name, values in times.items()}


def plain_statistics(m: torch.Tensor) -> torch.Tensor:
    return irfft2(rfft2(m).abs().square(), s=m.shape[-2:]) / (m.shape[-1] * m.shape[-2])


def plain_map(m: torch.Tensor, ndim: int, boundary: str) -> torch.Tensor:
    """As plain as can be while still quick: float32, batched, no complex absolute value."""
    axes = tuple(range(-ndim, 0))
    size = tuple(n if boundary == "periodic" else 2 * n for n in m.shape[-ndim:])
    spectrum = rfftn(m, s=size, dim=axes)
    return irfftn(spectrum.real.square() + spectrum.imag.square(), s=size, dim=axes)


def show(title: str, times: dict[str, float]) -> None:
    print(f"\n{title}")
    for name, seconds in times.items():
        print(f"  {name:32}{1e3 * seconds:8.1f} ms   ratio {seconds / times['plain']:.2f}")


def compare_statistics(shape: tuple[int, ...], ndim: int, boundary: str) -> None:
    m = (torch.rand(shape, generator=torch.Generator().manual_seed(0)) < 0.1).float()
    times = compare(
        {
            "plain": lambda: plain_map(m, ndim, boundary),
            "autocorrelation": lambda: autocorrelation(m, ndim=ndim, boundary=boundary),
        }
    )
    show(f"full map, {boundary}, {' x '.join(map(str, shape))}", times)


def main() -> None:
    torch.set_num_threads(1)
    report_environment()
    target = LineImages().sample(32, seed=0).images
    start = torch.rand(target.shape, generator=torch.Generator().manual_seed(0))
    loss = StatisticsLoss()
    spectrum = loss.spectrum(target)

    def with_gradient(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[], None]:
        return lambda: function(start.clone().requires_grad_()).backward()

    times = compare(
        {
            "plain": with_gradient(lambda m: (plain_statistics(m) - plain_statistics(target)).square().mean()),
            "StatisticsLoss": with_gradient(lambda m: loss(m, target)),
            "StatisticsLoss, target cached": with_gradient(lambda m: loss(m, target_spectrum=spectrum)),
        }
    )
    show(f"statistics loss, forward and backward, {tuple(target.shape)}", times)
    for shape, ndim in (((64, 224, 224), 2), ((2048, 2048), 2), ((128, 128, 128), 3)):
        compare_statistics(shape, ndim, "periodic")
    compare_statistics((64, 224, 224), 2, "open")

    print("\nimages per second")
    lines = LineImages()
    sample = lines.sample(256, seed=0).images
    times = compare(
        {"LineImages, 224 px": lambda: lines.sample(256, seed=0), "canonical_form": lambda: canonical_form(sample)}
    )
    for name, seconds in times.items():
        print(f"  {name:32}{256 / seconds:8.0f}")


if __name__ == "__main__":
    main()
