"""Speed of the effective properties, on one thread: python benchmarks/properties.py

Contenders alternate in one process; times are medians, of the clock and of the processor. The yardstick is the same
scheme in plain numpy: the projection on compatible fields by FFT, in real arrays, with conjugate gradients; it takes
one load at a time. Every contender stops at the same residual, 1e-6 of the first one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.fft
import torch
from plain import compare

from microtutor import report_environment
from microtutor.microstructures import GaussianFields
from microtutor.properties import conductivity_fields, effective_conductivity, effective_stiffness, stiffness_fields

ROUNDS = 7
SIZE = 224
TOLERANCE = 1e-6


def textures(n: int = 1) -> torch.Tensor:
    """Two-phase images with structures of several pixels, (n, SIZE, SIZE)."""
    return GaussianFields(fraction=0.5, length=7.0, size=SIZE).sample(n).images[:, 0].double()


def rotated_waves(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    a, b = 2 * np.pi * np.fft.fftfreq(height)[:, None], 2 * np.pi * np.fft.rfftfreq(width)[None]
    down, right = (np.exp(1j * a) - 1) * (np.exp(1j * b) + 1) / 2, (np.exp(1j * a) + 1) * (np.exp(1j * b) - 1) / 2
    return right, down


def numpy_conductivity(k: np.ndarray, load: int) -> tuple[float, int]:
    """K_xx or K_yy of a field of conductivities, and the number of iterations."""
    waves = np.stack(rotated_waves(*k.shape))
    squared = (abs(waves) ** 2).sum(0)
    inverse = np.where(squared > 1e-20, 1 / np.where(squared > 1e-20, squared, 1), 0)

    def compatible(field: np.ndarray) -> np.ndarray:
        along = (waves.conj() * scipy.fft.rfft2(field)).sum(0) * inverse
        return scipy.fft.irfft2(waves * along, s=k.shape)

    mean = np.zeros((2, 1, 1))
    mean[load] = 1
    e = np.zeros((2, *k.shape))
    r = -compatible(k * mean)
    p, rr = r.copy(), (r * r).sum()
    first, iterations = rr, 0
    while rr > TOLERANCE**2 * first:
        q = compatible(k * p)
        step = rr / (p * q).sum()
        e += step * p
        r -= step * q
        before, rr = rr, (r * r).sum()
        p = r + rr / before * p
        iterations += 1
    return (k * (mean + e)).mean((1, 2))[load], iterations


def measure_conductivity(contrast: float) -> dict[str, dict[str, float]]:
    """Milliseconds per image and load; one image, and sixteen."""
    image, batch = textures(), textures(16)
    k = 1 + (contrast - 1) * image[0].numpy()
    pair = (1.0, contrast)
    contenders: dict[str, tuple[int, Callable[[], object]]] = {
        "numpy, one load": (1, lambda: numpy_conductivity(k, 0)),
        "float64, one image": (2, lambda: effective_conductivity(image, pair, tolerance=TOLERANCE)),
        "float64, batch of 16": (32, lambda: effective_conductivity(batch, pair, tolerance=TOLERANCE)),
        "float32, one image": (2, lambda: effective_conductivity(image.float(), pair, tolerance=TOLERANCE)),
        "float32, batch of 16": (32, lambda: effective_conductivity(batch.float(), pair, tolerance=TOLERANCE)),
    }
    times = compare({name: call for name, (_, call) in contenders.items()}, ROUNDS)
    iterations = int(conductivity_fields(image, pair, tolerance=TOLERANCE).convergence.iterations)
    rows: dict[str, dict[str, float]] = {}
    print(f"\nconductivity, contrast {contrast:g}, {SIZE} x {SIZE}, per image and load; {iterations} iterations")
    for name, (wall, processor) in times.items():
        loads = contenders[name][0]
        rows[name] = {"wall_ms": round(1e3 * wall / loads, 1), "processor_ms": round(1e3 * processor / loads, 1)}
        ratio = processor / loads / times["numpy, one load"][1]
        print(f"  {name:24}{1e3 * wall / loads:8.1f} ms, processor {1e3 * processor / loads:6.1f}, ratio {ratio:.2f}")
    value, steps = numpy_conductivity(k, 0)
    ours = effective_conductivity(image, pair, tolerance=TOLERANCE)[0, 0, 0].item()
    print(f"  K_xx {ours:.10f}, numpy {value:.10f} after {steps} iterations")
    return rows


def measure_stiffness(contrast: float) -> dict[str, float]:
    image = textures()
    moduli = (1.0, contrast)
    times = compare(
        {
            "float64": lambda: effective_stiffness(image, moduli, tolerance=TOLERANCE),
            "float32": lambda: effective_stiffness(image.float(), moduli, tolerance=TOLERANCE),
        },
        rounds=3,
    )
    iterations = int(stiffness_fields(image, moduli, tolerance=TOLERANCE).convergence.iterations)
    print(f"\nstiffness, contrast {contrast:g}, {SIZE} x {SIZE}, all three loads; {iterations} iterations")
    for name, (wall, processor) in times.items():
        print(f"  {name:24}{1e3 * wall:8.1f} ms, processor {1e3 * processor:6.1f}")
    return {name: round(1e3 * processor, 1) for name, (_, processor) in times.items()}


def measure_convergence() -> list[dict[str, float | str]]:
    """Iterations at great contrasts, of an image in which one phase percolates and of one in which none does."""
    print("\niterations to a residual of 1e-6, float64")
    rows: list[dict[str, float | str]] = []
    images = {"texture": textures()[0], "16 x 16 discs": _discs()}
    for name, image in images.items():
        for pair in ((1.0, 10.0), (1.0, 1e2), (1.0, 1e3), (1.0, 1e4), (1e4, 1.0), (1.0, 0.0), (0.0, 1.0)):
            fields = conductivity_fields(image, pair, tolerance=TOLERANCE)
            k = fields.flux[0, 0].mean().item()
            iterations = int(fields.convergence.iterations)
            rows.append({"image": name, "matrix": pair[0], "phase": pair[1], "iterations": iterations, "K_xx": k})
            print(f"  {name:16} conductivities {pair[0]:7g} {pair[1]:7g}  {iterations:5d}  K_xx {k:.4g}")
    return rows


def _discs(per_side: int = 16) -> torch.Tensor:
    place = (torch.arange(SIZE, dtype=torch.float64) % (SIZE / per_side)) - (SIZE / per_side - 1) / 2
    return (place[:, None] ** 2 + place**2 < (0.4 * SIZE / per_side) ** 2).double()


def main() -> None:
    torch.set_num_threads(1)
    report_environment()
    for contrast in (10.0, 100.0):
        measure_conductivity(contrast)
    measure_stiffness(10.0)
    measure_convergence()


if __name__ == "__main__":
    main()
