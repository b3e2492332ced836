"""What every public function asks of its input, and the sentences it answers with."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import torch
from torch import Tensor


def describe(x: Any) -> str:
    """Say in a few words what a value is, for error messages."""
    if isinstance(x, Tensor):
        return f"a tensor of shape {tuple(x.shape)} and dtype {x.dtype}"
    shape = getattr(x, "shape", None)
    if shape is not None:
        return f"a {type(x).__name__} of shape {tuple(shape)}"
    return f"{x!r} ({type(x).__name__})" if isinstance(x, (int, float, str, bool)) else f"a {type(x).__name__}"


def check_field(x: Any, *, ndim: int = 2, name: str = "image", empty: bool = False) -> Tensor:
    """Return x if it is a finite, non-empty float tensor with at least ndim axes.

    With empty=True a batch may hold no images, but every image must hold pixels.

    Raises:
        TypeError: x is no tensor, or its dtype is not a float.
        ValueError: x has too few axes, is empty, or holds NaN or infinity.
    """
    if not isinstance(x, Tensor):
        raise TypeError(
            f"expected the {name} as a torch tensor, got {describe(x)}; convert it with torch.as_tensor(...).float()"
        )
    if not x.is_floating_point():
        advice = "take its .real or .abs()" if x.is_complex() else "convert it with .float()"
        raise TypeError(f"expected the {name} as a float tensor, got {describe(x)}; {advice}")
    if x.ndim < ndim:
        raise ValueError(f"expected the {name} with at least {ndim} axes (..., height, width), got {describe(x)}")
    if 0 in (x.shape[-ndim:] if empty else x.shape):
        raise ValueError(f"expected the {name} with at least one pixel, got {describe(x)}")
    if not bool(torch.isfinite(x.detach().sum())) and not bool(torch.isfinite(x.detach()).all()):
        raise ValueError(f"expected finite values in the {name}, got NaN or infinity; find them with torch.isfinite")
    return x


def check_phase(
    m: Any, *, ndim: int = 2, name: str = "phase image", tolerance: float = 1e-4, empty: bool = False
) -> Tensor:
    """Return m if it is a phase indicator: a float tensor with values in [0, 1].

    Raises:
        TypeError: m is no tensor, or neither float nor bool.
        ValueError: as `check_field`, or values outside [0, 1].
    """
    if isinstance(m, Tensor) and m.dtype == torch.bool:
        m = m.float()
    if isinstance(m, Tensor) and not (m.is_floating_point() or m.is_complex()) and m.numel():
        low, high = m.min().item(), m.max().item()
        raise TypeError(
            f"expected a {name} with float values in [0, 1], got {describe(m)} with values in [{low}, {high}]; "
            "divide by 255 or threshold it first, for example (image > 127).float()"
        )
    check_field(m, ndim=ndim, name=name, empty=empty)
    if not m.numel():
        return m
    low, high = m.detach().aminmax()
    if low < -tolerance or high > 1 + tolerance:
        raise ValueError(
            f"expected a {name} with values in [0, 1], got values in [{low.item():.4g}, {high.item():.4g}]; "
            "divide by 255 or threshold it first"
        )
    return m


def check_same_shape(a: Tensor, b: Tensor, names: tuple[str, str]) -> None:
    """Raise TypeError unless a and b are tensors, ValueError unless they have equal shapes."""
    for x, name in zip((a, b), names):
        if not isinstance(x, Tensor):
            raise TypeError(f"expected {name} as a torch tensor, got {describe(x)}; convert it with torch.as_tensor")
    if a.shape != b.shape:
        raise ValueError(
            f"expected {names[0]} and {names[1]} of the same shape, got {tuple(a.shape)} and {tuple(b.shape)}"
        )


def check_count(value: Any, *, name: str, minimum: int = 1) -> int:
    """Return value as an int if it is a whole number of at least `minimum`."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"expected {name} as a whole number, got {describe(value)}")
    if value < minimum:
        raise ValueError(f"expected {name} of at least {minimum}, got {int(value)}")
    return int(value)
