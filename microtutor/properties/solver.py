"""Conjugate gradients for a whole batch of images; each image takes only the steps that it needs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from microtutor.checks import ConvergenceWarning, check_count, check_number, level_of_the_user

TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-4}
MAX_ITERATIONS = 2000


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
        if max_iterations is None:
            max_iterations = MAX_ITERATIONS
        return cls(
            check_number(tolerance, name="tolerance", above=0, below=1),
            check_count(max_iterations, name="max_iterations"),
        )


@dataclass(frozen=True)
class Convergence:
    """How the iteration went, for each image: steps taken and the residual reached, relative to the first one."""

    iterations: Tensor
    residual: Tensor

    @classmethod
    def join(cls, parts: Sequence[Convergence]) -> Convergence:
        """One report for several batches of images, in their order."""
        return cls(torch.cat([part.iterations for part in parts]), torch.cat([part.residual for part in parts]))

    def check(self, settings: Settings, reason: Callable[[Tensor], str]) -> None:
        """Warn if images stopped short of the tolerance; reason(mask of these images) says what is special in them."""
        failed = ~(self.residual <= settings.tolerance)  # NaN has not converged either
        if bool(failed.any()):
            steps, advice = int(self.iterations[failed].max()), "Raise max_iterations or tolerance"
            if steps < settings.max_iterations:
                advice = "Rounding allows no more: use float64, or phases that differ less"
            warnings.warn(
                f"{int(failed.sum())} of {failed.numel()} images stopped after {steps} iterations "
                f"with a relative residual of {float(self.residual[failed].max()):.1e}, above the tolerance "
                f"{settings.tolerance:.1e}: {reason(failed)}. {advice}",
                ConvergenceWarning,
                stacklevel=level_of_the_user(),
            )


class Operator(Protocol):
    """A symmetric operator A on corner fields (images, loads, components, H, W), and an approximate inverse M^-1."""

    def apply(self, u: Tensor) -> Tensor:
        """A u."""
        ...

    def precondition(self, r: Tensor) -> Tensor:
        """M^-1 r."""
        ...

    def of_images(self, chosen: Tensor) -> Operator:
        """The same for the chosen images alone."""
        ...


def conjugate_gradients(
    operator: Operator, right_side: Tensor, *, floor: Tensor, settings: Settings
) -> tuple[Tensor, Convergence]:
    """Solve A u = b for every image and load case at once, each with steps of its own.

    An image that has converged takes no further part, and its numbers do not depend on the others. A load case that
    breaks down, because rounding leaves no positive curvature to divide by, stays with the residual that it had, which
    is written down as below 0 meanwhile.

    Args:
        operator: A and M^-1.
        right_side: b, shape (images, loads, components, H, W).
        floor: r M^-1 r of a residual that is nothing but rounding, (images, 1).
        settings: the tolerance is for sqrt(r M^-1 r), relative to its first value.
    """
    solution = torch.zeros_like(right_side)
    residual = right_side.new_zeros(len(right_side))
    iterations = torch.zeros_like(residual, dtype=torch.int64)
    images = torch.arange(len(right_side), device=right_side.device)
    taken = torch.zeros_like(iterations)
    u, r = torch.zeros_like(right_side), right_side.clone()
    p = operator.precondition(r)
    rz = _dot(r, p)
    limit = torch.maximum(rz * settings.tolerance**2, floor)
    for step in range(settings.max_iterations + 1):
        running = rz > limit
        working = running.any(1)
        count = int(working.sum())
        last = not count or step == settings.max_iterations
        if last or 2 * count <= len(images):  # write down what is done, go on with the rest
            solution[images], iterations[images] = u, taken
            residual[images] = settings.tolerance * (rz / limit).abs().amax(1).sqrt()
            if last:
                break
            images, taken, u, r, p, rz, limit, running = (
                x[working] for x in (images, taken, u, r, p, rz, limit, running)
            )
            working, operator = working[working], operator.of_images(working)
        taken += working
        ap = operator.apply(p)
        curvature = _dot(p, ap)
        going_on = running & (curvature > 0)
        length = torch.where(going_on, rz / curvature, 0.0)[..., None, None, None]
        u.addcmul_(p, length)
        r.addcmul_(ap, length, value=-1)
        z = operator.precondition(r)
        before, rz = rz, torch.where(going_on, _dot(r, z), torch.where(running, -rz, rz))
        p.mul_(torch.where(going_on, rz / before, 0.0)[..., None, None, None]).add_(z)
    return solution, Convergence(iterations, residual)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return torch.linalg.vecdot(a.flatten(2), b.flatten(2))
