"""Two ways downhill for a batch in which each image goes its own way: Adam, and L-BFGS with a line search for each."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

MEMORY = 10  # pairs of steps and gradient differences that L-BFGS keeps
SUFFICIENT = 1e-4  # share of the decrease foretold by the slope that a step must bring (Armijo)
SHORTEST = 1e-6  # a line search that got this short has met the rounding of the numbers

Gradient = Callable[[Tensor], Tensor]
Evaluate = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


def adam(gradient: Gradient, x: Tensor, steps: int, learning_rate: float, each: Callable[[], object]) -> Tensor:
    """Adam with a learning rate that falls to 0 along a cosine.

    Args:
        gradient: of the loss at x.
        x: start, any shape.
        each: called after each step.

    Source: Kingma & Ba (2015), algorithm 1.
    """
    first, second = torch.zeros_like(x), torch.zeros_like(x)
    for step in range(steps):
        slope = gradient(x)
        first = first.lerp(slope, 0.1)
        second = second.lerp(slope.square(), 0.001)
        rate = learning_rate * (1 + math.cos(math.pi * step / steps)) / 2
        x = x - rate * first / (1 - 0.9 ** (step + 1)) / ((second / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8)
        each()
    return x


class LBFGS:
    """Limited-memory BFGS for a batch: each row has its own history, step length and end.

    torch.optim.LBFGS knows one step length for all its parameters, so in a batch the most difficult image would slow
    down the others. Here each evaluation of the batch is, for each row, either accepted or makes its next step shorter.

    Args:
        evaluate: x (batch, D) and the rows of the whole batch they are -> loss (batch,), its gradient (batch, D), and
            the error (batch,) that is compared with the tolerance.
        x: start, (batch, D).
        tolerance: a row ends when its error is at most this.

    Source: Nocedal & Wright (2006), algorithms 7.4 and 7.5.
    """

    def __init__(self, evaluate: Evaluate, x: Tensor, tolerance: float):
        self.evaluate, self.tolerance = evaluate, tolerance
        self.result = x.clone()
        self.rows = torch.arange(len(x), device=x.device)
        self.x = x
        self.value, self.slope, self.error = evaluate(x, self.rows)
        steepest = self.slope.norm(dim=1, keepdim=True).clamp_min(1e-30)
        self.direction = -self.slope / steepest * x.shape[1] ** 0.5 * 0.01  # a first step of 0.01 per pixel
        self.length = torch.ones_like(self.value)
        self.curvature = torch.ones_like(self.value)
        self.history: list[tuple[Tensor, Tensor, Tensor]] = []
        self._leave_out(self.error <= tolerance)

    def run(self, steps: int, each: Callable[[Tensor], None]) -> Tensor:
        """Take at most this many steps; `each` is called with the errors of the rows under way after each."""
        for _ in range(steps):
            if not len(self.rows):
                break
            self._step()
            each(self.error)
            self._leave_out((self.error <= self.tolerance) | (self.length < SHORTEST))
        self.result[self.rows] = self.x
        return self.result

    def _step(self) -> None:
        foretold = self.length * (self.slope * self.direction).sum(1)
        tried = self.x + self.length[:, None] * self.direction
        value, slope, error = self.evaluate(tried, self.rows)
        better = value <= self.value + SUFFICIENT * foretold
        self._remember(better, tried - self.x, slope - self.slope)
        excess = (2 * (value - self.value - foretold)).clamp_min(1e-30)
        shorter = (-foretold / excess).nan_to_num(0.1).clamp(0.1, 0.5)  # the lowest point of a parabola through both
        self.length = torch.where(better, 1.0, self.length * shorter)
        self.value, self.error = torch.where(better, value, self.value), torch.where(better, error, self.error)
        self.x = torch.where(better[:, None], tried, self.x)
        self.slope = torch.where(better[:, None], slope, self.slope)
        self.direction = torch.where(better[:, None], self._downhill(), self.direction)

    def _remember(self, better: Tensor, step: Tensor, change: Tensor) -> None:
        """Keep step and change of gradient where the step was taken and the loss curves upward along it."""
        product = (step * change).sum(1)
        useful = better & (product > 1e-10 * step.norm(dim=1) * change.norm(dim=1))
        inverse = torch.where(useful, 1 / product, 0.0)
        square = change.square().sum(1)
        self.curvature = torch.where(useful, product / square, self.curvature)
        keep = useful[:, None]
        self.history = [*self.history, (torch.where(keep, step, 0.0), torch.where(keep, change, 0.0), inverse)]
        self.history = self.history[-MEMORY:]

    def _downhill(self) -> Tensor:
        """Minus the approximate inverse Hessian times the gradient, by the two-loop recursion."""
        direction, shares = -self.slope, []
        for step, change, inverse in reversed(self.history):
            shares.append(inverse * (step * direction).sum(1))
            direction = direction - shares[-1][:, None] * change
        direction = direction * self.curvature[:, None]
        for (step, change, inverse), share in zip(self.history, reversed(shares), strict=True):
            direction = direction + (share - inverse * (change * direction).sum(1))[:, None] * step
        uphill = (direction * self.slope).sum(1) >= 0
        return torch.where(uphill[:, None], -self.curvature[:, None] * self.slope, direction)

    def _leave_out(self, ended: Tensor) -> None:
        """Put the rows that have ended into the result, and go on without them."""
        if not bool(ended.any()):
            return
        self.result[self.rows[ended]] = self.x[ended]
        on = ~ended
        for name in ("rows", "x", "value", "slope", "error", "direction", "length", "curvature"):
            setattr(self, name, getattr(self, name)[on])
        self.history = [(step[on], change[on], inverse[on]) for step, change, inverse in self.history]
