"""Fields in a periodic cell: the discrete gradient, its inverse by FFT, and conjugate gradients for a batch of images.

Every pixel has one value of the material, and the potential (or displacement) lives on the corners of the pixels. The
gradient in a pixel is the mean of the differences along its two pairs of sides. In Fourier space this is the "rotated
scheme"; in real space, finite elements with one point of integration. Images may have any size, 1 x n included.

Source: Moulinec & Suquet (1998), periodic cell by FFT; Willot (2015), the rotated scheme; Zeman et al. (2010),
conjugate gradients.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from microtutor.checks import check_count

CHUNK = 2**17  # pixels of all load cases at a time on a CPU, so that the handful of arrays stays in its cache
TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-4}
MAX_ITERATIONS = 2000


class ConvergenceWarning(UserWarning):
    """The iteration stopped before the fields were as accurate as asked for; the message says how far and why."""


@dataclass(frozen=True)
class Settings:
    """When an iteration ends."""

    tolerance: float
    max_iterations: int

    @classmethod
    def of(cls, local: Tensor, tolerance: float | None, max_iterations: int | None) -> Settings:
        """The settings asked for, or those that suit the precision."""
        if tolerance is None:
            tolerance = TOLERANCE[local.dtype]
        if not 0 < tolerance < 1:
            raise ValueError(f"expected tolerance between 0 and 1, got {tolerance!r}")
        if max_iterations is None:
            max_iterations = MAX_ITERATIONS
        return cls(float(tolerance), check_count(max_iterations, name="max_iterations"))


@dataclass(frozen=True)
class Convergence:
    """How the iteration went, for each image: steps taken and the residual reached, relative to the first one."""

    iterations: Tensor
    residual: Tensor

    @classmethod
    def join(cls, parts: Sequence[Convergence]) -> Convergence:
        return cls(torch.cat([part.iterations for part in parts]), torch.cat([part.residual for part in parts]))

    def check(self, settings: Settings, reason: Callable[[Tensor], str]) -> None:
        """Warn if images stopped short of the tolerance; reason(mask of these images) says what is special in them."""
        failed = self.residual > settings.tolerance
        if bool(failed.any()):
            warnings.warn(
                f"{int(failed.sum())} of {failed.numel()} images stopped after {settings.max_iterations} iterations "
                f"with a relative residual of {float(self.residual.max()):.1e}, above the tolerance "
                f"{settings.tolerance:.1e}: {reason(failed)}. Raise max_iterations or tolerance",
                ConvergenceWarning,
                stacklevel=5,
            )


def chunks(local: Tensor, *, values_per_pixel: int) -> Iterator[slice]:
    """Slices of a batch of local properties that fit a processor's cache; on a GPU all of it at once."""
    if local.device.type != "cpu":
        return iter([slice(None)])
    step = max(1, CHUNK // (values_per_pixel * math.prod(local.shape[-2:])))
    return (slice(i, i + step) for i in range(0, len(local), step))


def rounding(local: Tensor) -> Tensor:
    """r M^-1 r of a residual that is nothing but rounding, for local properties (images, ...): (images, 1)."""
    size = 10 * torch.finfo(local.dtype).eps * local.abs().flatten(1).amax(1, keepdim=True)
    return size.square() * math.prod(local.shape[-2:]) + torch.finfo(local.dtype).tiny


def diagonal_differences(u: Tensor) -> tuple[Tensor, Tensor]:
    """Differences of a corner field along the two diagonals of each pixel: down-right, and up-right.

    Corner [i, j] is the upper left one of pixel [i, j]. With d and a the two differences, the gradient in the pixel
    is ((d + a) / 2, (d - a) / 2), to the right and down.

    >>> d, a = diagonal_differences(torch.tensor([[0., 1.], [0., 1.]]))
    >>> d[0].tolist(), a[0].tolist()  # up to the right, and down again around the border
    ([1.0, -1.0], [1.0, -1.0])
    """
    height, width = u.shape[-2:]
    wrapped = u.new_empty(*u.shape[:-2], height + 1, width + 1)
    wrapped[..., :height, :width] = u
    wrapped[..., height, :width] = u[..., 0, :]
    wrapped[..., width] = wrapped[..., 0]
    return wrapped[..., 1:, 1:] - wrapped[..., :-1, :-1], wrapped[..., :-1, 1:] - wrapped[..., 1:, :-1]


def diagonal_sums(d: Tensor, a: Tensor) -> Tensor:
    """The transpose of `diagonal_differences`: what flows into each corner from the four pixels around it."""
    height, width = d.shape[-2:]
    wrapped = d.new_empty(2, *d.shape[:-2], height + 1, width + 1)
    for padded, flow in zip(wrapped, (d, a)):
        padded[..., 1:, 1:] = flow
        padded[..., 0, 1:] = flow[..., -1, :]
        padded[..., 0] = padded[..., -1]
    d, a = wrapped
    inflow = d[..., :-1, :-1] - d[..., 1:, 1:]
    return inflow.add_(a[..., 1:, :-1]).sub_(a[..., :-1, 1:])


def wave_vector(height: int, width: int, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The gradient in Fourier space without its common phase: right, down, and 1 / |.|^2, for rfft2, (H, W // 2 + 1).

    The inverse is 0 where the gradient is: for the mean, and on even x even images for the checkerboard of corners,
    which no pixel sees.
    """
    down = math.pi * torch.fft.fftfreq(height, dtype=torch.float64)[:, None]
    right = math.pi * torch.fft.rfftfreq(width, dtype=torch.float64)
    x, y = 2 * right.sin() * down.cos(), 2 * down.sin() * right.cos()
    squared = x.square() + y.square()
    inverse = torch.where(squared > 1e-20, 1 / squared, 0.0)
    return x.to(like), y.to(like), inverse.to(like)


def conjugate_gradients(
    apply: Callable[[Tensor, Tensor], Tensor],
    precondition: Callable[[Tensor, Tensor], Tensor],
    right_side: Tensor,
    *,
    floor: Tensor,
    settings: Settings,
) -> tuple[Tensor, Convergence]:
    """Solve A u = b for every image and load case at once, each with its own steps.

    An image that has converged takes no further part; its numbers do not depend on the others.

    Args:
        apply: A(u, images): the operator on some of the images.
        precondition: M^-1(r, images), likewise.
        right_side: b, shape (images, loads, components, H, W).
        floor: r M^-1 r of a residual that is nothing but rounding, (images, 1).
        settings: the tolerance is for sqrt(r M^-1 r), relative to its first value.
    """
    solution = torch.zeros_like(right_side)
    residual = right_side.new_zeros(len(right_side))
    iterations = torch.zeros_like(residual, dtype=torch.int64)
    images = torch.arange(len(right_side), device=right_side.device)
    u, r = torch.zeros_like(right_side), right_side.clone()
    p = precondition(r, images)
    rz = _dot(r, p)
    scale = torch.maximum(rz, floor)
    for step in range(settings.max_iterations + 1):
        relative = (rz / scale).clamp_min(0).sqrt()
        running = relative > settings.tolerance
        working = running.any(1)
        count = int(working.sum())
        if 2 * count <= len(images) or step == settings.max_iterations:  # write down what is done, go on with the rest
            solution[images], residual[images] = u, relative.amax(1)
            if not count or step == settings.max_iterations:
                break
            images, u, r, p, rz, scale, running = (t[working] for t in (images, u, r, p, rz, scale, running))
            working = working[working]
        iterations[images] += working
        ap = apply(p, images)
        length = torch.where(running, rz / _dot(p, ap), 0.0).nan_to_num_(0, 0, 0)[..., None, None, None]
        u.addcmul_(p, length)
        r.addcmul_(ap, length, value=-1)
        z = precondition(r, images)
        before, rz = rz, torch.where(running, _dot(r, z), rz)
        p.mul_((rz / before).nan_to_num_(0, 0, 0)[..., None, None, None]).add_(z)
    return solution, Convergence(iterations, residual)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return torch.linalg.vecdot(a.flatten(2), b.flatten(2))
