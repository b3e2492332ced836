"""From phases to local properties: which pixel is made of what, and what grey pixels count as."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from microtutor.checks import check_bool, describe, is_masked, quote

PhaseValues = Sequence[float] | Tensor


def phase_values(values: PhaseValues, image: Tensor, *, name: str) -> Tensor:
    """Properties of the phases on the device of the image, one for each phase along axis 0.

    Numbers take the precision of the image, and a tensor keeps its own if that is higher; half precision is raised.

    Raises:
        TypeError: values are no numbers.
        ValueError: a single number, NaN or infinity.
    """
    dtype = image.dtype if image.dtype in (torch.float32, torch.float64) else torch.float32
    if is_masked(values) or (isinstance(values, Tensor) and values.is_complex()):
        raise TypeError(f"expected {name} as one real number for each phase, got {describe(values)}")
    if isinstance(values, Tensor):
        if image.device.type == "mps":  # it has no float64
            values = values.to(dtype)
        values = values.to(torch.promote_types(dtype, values.dtype)).to(image.device)
    else:
        try:
            values = torch.tensor(values, dtype=dtype, device=image.device)
        except (TypeError, ValueError, RuntimeError):
            raise TypeError(f"expected {name} as one number for each phase, got {quote(values)}") from None
    if not values.numel():
        raise ValueError(f"expected {name} as one number for each phase, got none")
    if values.ndim == 0:
        raise ValueError(f"expected {name} as one number for each phase, got the single number {values.item():g}")
    if not bool(torch.isfinite(values.detach()).all()):
        raise ValueError(
            f"expected finite numbers as {name}, got {quote(values.tolist())}; use a large number for infinity"
        )
    return values


def check_lowest(values: Tensor, lowest: float, *, name: str) -> None:
    """Raise ValueError if a value is below the lowest one allowed."""
    if bool((values.detach() < lowest).any()):
        raise ValueError(f"expected {name} of at least {lowest:g}, got {quote(values.tolist())}")


def unit_of(values: Tensor) -> Tensor:
    """The power of two next below the largest absolute value of each row, (n,); 1 where all are 0.

    What is divided by it has the same digits and is of the order of 1, so that no square of it leaves the range of its
    dtype: a property in one unit is, digit by digit, what it is in another that is a power of two larger.

    >>> unit_of(torch.tensor([[3e-20, 0.0], [-5.0, 1.0], [0.0, 0.0]])) / torch.tensor([2.0**-65, 4.0, 1.0])
    tensor([1., 1., 1.])
    """
    peak = values.detach().abs().flatten(1).amax(1).cpu()  # mps cannot tell mantissas from exponents
    unit = torch.ldexp(torch.ones_like(peak), torch.frexp(peak).exponent - 1)
    return torch.where(peak > 0, unit, 1).to(values.device)


def mix(image: Tensor, values: Tensor, *, one_hot: bool | None = None) -> Tensor:
    """Local properties of an image: the mean of the phases' properties, weighted with each pixel's share of them.

    Args:
        image: indicator of the second of two phases, (..., H, W), or one channel for each of n phases, (..., n, H, W).
        values: (n, components).
        one_hot: which of the two it is; None: channels if n > 2.

    Returns:
        Shape (..., components, H, W), in the dtype of values.

    >>> mix(torch.tensor([[0.0, 0.5, 1.0]]), torch.tensor([[1.0], [3.0]]))
    tensor([[[1., 2., 3.]]])
    """
    image = image.to(values.dtype)
    phases = len(values)
    if one_hot is not None:
        check_bool(one_hot, name="one_hot")
    else:
        one_hot = phases > 2
        if phases == 2 and image.ndim > 2 and image.shape[-3] == 2 and _sums_to_one(image):
            raise ValueError(
                f"expected to know whether axis -3 of the image of shape {tuple(image.shape)} holds two phases, which "
                "sum to 1, or two images; say one_hot=True or one_hot=False"
            )
    if not one_hot:
        if phases != 2:
            raise ValueError(f"expected the properties of two phases, matrix and phase, got {phases}; or one_hot=True")
        first, second = values[..., None, None]
        return first + image[..., None, :, :] * (second - first)
    if image.ndim < 3 or image.shape[-3] != phases:
        raise ValueError(
            f"expected an image with one channel for each of {phases} phases, (..., {phases}, height, width), "
            f"got shape {tuple(image.shape)}"
        )
    if not _sums_to_one(image):
        raise ValueError(f"expected the {phases} channels of each pixel to sum to 1, got other sums; divide by the sum")
    with torch.autocast(image.device.type, enabled=False):
        return torch.einsum("...nhw,nc->...chw", image, values)


def _sums_to_one(image: Tensor) -> bool:
    return bool(((image.detach().sum(-3) - 1).abs() < 1e-3).all())
