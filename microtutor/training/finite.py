"""Numbers that are not finite: which step made the first of them, found out without waiting for the device."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


class FirstNotFinite:
    """Remembers, on the device, the first step that made NaN or infinity.

    To read a number off a GPU is to wait until it has computed everything before; a training loop that does so at
    every step leaves the GPU idle in between. Noting costs no wait, only `step` does.

    >>> seen = FirstNotFinite("cpu")
    >>> for step, loss in enumerate((0.5, float("nan"), 0.5), start=1):
    ...     seen.note(step, torch.tensor(loss))
    >>> seen.step()
    2
    """

    def __init__(self, device: str | torch.device):
        self._first = torch.zeros((), dtype=torch.long, device=device)  # 0: none so far

    def note(self, step: int, value: Tensor) -> None:
        """Remember step, counted from 1, if value is not finite and no step is remembered."""
        known = is_finite(value) | (self._first > 0)
        self._first = torch.where(known, self._first, step)

    def step(self) -> int | None:
        """The step remembered, or None; waits for the device."""
        return int(self._first) or None


def is_finite(value: Tensor) -> Tensor:
    """Whether all numbers of a tensor are finite: one bool, on the device of the tensor."""
    return torch.isfinite(value.detach().sum(dtype=torch.float32))


def all_finite(values: Iterable[Tensor]) -> bool:
    """Whether all numbers of several tensors of one device are finite; waits for the device once.

    >>> all_finite([torch.ones(2), torch.tensor(float("inf"))])
    False
    """
    return bool(torch.stack([is_finite(value) for value in values]).all())
