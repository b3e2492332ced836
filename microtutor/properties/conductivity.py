"""Effective conductivity of an image: heat, charge or a diffusing substance driven through a periodic cell."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from microtutor.checks import check_phase
from microtutor.properties.cell import Cell, cell_fields, effective_property
from microtutor.properties.percolation import percolates
from microtutor.properties.phases import PhaseValues, check_lowest, mix, phase_values
from microtutor.properties.solver import Convergence, Settings


class ConductivityFields(NamedTuple):
    """What happens inside an image while a mean gradient of one drives a flux through it.

    The axis of loads comes before that of components: 0 for a gradient to the right (x), 1 for one down (y).
    """

    gradient: Tensor  # (..., 2 loads, 2 components, H, W), its mean is the identity
    flux: Tensor  # likewise: conductivity times gradient, from low to high potential
    convergence: Convergence


def effective_conductivity(
    image: Tensor,
    conductivity: PhaseValues = (1.0, 10.0),
    *,
    one_hot: bool | None = None,
    tolerance: float | None = None,
    max_iterations: int | None = None,
) -> Tensor:
    """Effective conductivity of a periodic microstructure: mean flux over mean gradient, a symmetric 2 x 2 tensor.

    Index 0 is x, to the right (along the width); index 1 is y, down (along the height). Grey pixels conduct as the
    arithmetic mean of the phases, weighted with their shares. The gradient with respect to image and conductivities
    needs no second solution: with the fields e already found, dK_ij / dk(x) = e_i(x) e_j(x) / N.

    Args:
        image: phase indicator in [0, 1], shape (..., H, W); or one channel for each phase, (..., n, H, W), summing
            to 1. The dtype, float32 or float64, sets the accuracy. Pixels are taken as square.
        conductivity: of the matrix (where the image is 0) and of the phase (where it is 1); or of each of n phases,
            shape (n,), or as symmetric tensors (n, 2, 2). At least 0.
        one_hot: whether axis -3 holds the phases; None: if there are more than two conductivities.
        tolerance: residual, relative to its first value, at which the fields are good enough; the error of the result
            falls with its square. None: 1e-6 in float64, 1e-4 in float32.
        max_iterations: after which a `ConvergenceWarning` says how far it got, and why; None: 2000.

    Returns:
        K, shape (..., 2, 2), in the units of conductivity.

    Raises:
        TypeError, ValueError: image is no phase image, or the conductivities do not fit it or are negative.

    Source: Willot (2015), rotated scheme; on laminates of whole pixels it is exact.

    >>> laminate = torch.tensor([[0.0, 1.0]])  # layers stacked along x: 2 / (1/1 + 1/10) across, 5.5 along
    >>> effective_conductivity(laminate, (1.0, 10.0))
    tensor([[1.8182, 0.0000],
            [0.0000, 5.5000]])
    """
    k = _local(image, conductivity, one_hot)
    return effective_property(_Conduction, k, Settings.of(k, tolerance, max_iterations), _reason)


def conductivity_fields(
    image: Tensor,
    conductivity: PhaseValues = (1.0, 10.0),
    *,
    one_hot: bool | None = None,
    tolerance: float | None = None,
    max_iterations: int | None = None,
) -> ConductivityFields:
    """The local gradient and flux of `effective_conductivity`, for a mean gradient to the right and one down.

    Takes what `effective_conductivity` takes; without derivatives.

    >>> fields = conductivity_fields(torch.tensor([[0.0, 1.0]]), (1.0, 10.0))
    >>> fields.flux[0, 0]  # across the layers, the flux is the same in both
    tensor([[1.8182, 1.8182]])
    """
    k = _local(image, conductivity, one_hot)
    return ConductivityFields(*cell_fields(_Conduction, k, Settings.of(k, tolerance, max_iterations), _reason))


def _local(image: Tensor, conductivity: PhaseValues, one_hot: bool | None) -> Tensor:
    """Conductivity of each pixel, (..., 1, H, W) if it is the same in all directions, else xx, yy and xy of it."""
    image = check_phase(image)
    values = phase_values(conductivity, image, name="conductivity")
    if values.ndim not in (1, 3) or (values.ndim == 3 and values.shape[1:] != (2, 2)):
        raise ValueError(
            "expected conductivity as one number for each phase, (n,), or one 2 x 2 tensor for each, (n, 2, 2); "
            f"got shape {tuple(values.shape)}"
        )
    if values.ndim == 1:
        check_lowest(values, 0, name="conductivity")
        return mix(image, values[:, None], one_hot=one_hot)
    slack = 1e-6 * values.detach().abs().max()  # for rounding: of xy against yx, of 0 in a direction that is blocked
    if bool(((values - values.mT).detach().abs() > slack).any()):
        raise ValueError("expected symmetric conductivity tensors, got unequal xy and yx entries")
    values = (values + values.mT) / 2
    check_lowest(torch.linalg.eigvalsh(values.detach()) + slack, 0, name="conductivity in every direction")
    return mix(image, torch.stack([values[:, 0, 0], values[:, 1, 1], values[:, 0, 1]], 1), one_hot=one_hot)


class _Conduction(Cell):
    """Potentials at the corners; state: gradient; response: conductivity times gradient."""

    components, unknowns = 2, 1

    def __init__(self, local: Tensor):
        super().__init__(local)
        self.half = local[:, None] / 2

    def state(self, u: Tensor) -> Tensor:
        d, a = self.differences.of(u)
        return torch.cat([d + a, d - a], -3).div_(2)

    def response(self, state: Tensor) -> Tensor:
        k = self.local[:, None]
        if k.shape[-3] == 1:
            return k * state
        (xx, yy, xy), (x, y) = k.unbind(-3), state.unbind(-3)
        return torch.stack([xx * x + xy * y, xy * x + yy * y], -3)

    def balance(self, response: Tensor) -> Tensor:
        x, y = response.split(1, -3)
        return self.differences.transposed((x + y) / 2, (x - y) / 2)

    def apply(self, u: Tensor) -> Tensor:
        if self.local.shape[-3] > 1:
            return super().apply(u)
        d, a = self.differences.of(u)  # a short cut: turned by 45 degrees, an isotropic material is what it was
        return self.differences.transposed(d.mul_(self.half), a.mul_(self.half))

    @staticmethod
    def sensitivity(weights: Tensor, state: Tensor, properties: int) -> Tensor:
        products = torch.einsum("bij,bichw,bjdhw->bcdhw", weights, state, state)
        xx, yy, xy = products[:, 0, 0], products[:, 1, 1], products[:, 0, 1] + products[:, 1, 0]
        return torch.stack([xx + yy] if properties == 1 else [xx, yy, xy], 1)


def _reason(k: Tensor) -> str:
    """What is special about images (n, 1 or 3, H, W) that did not converge."""
    least = k[:, :2].amin(1)
    low, high = least.min().item(), k[:, :2].max().item()
    if low > 1e-3 * high:
        return f"the conductivities in them differ by a factor of {high / low:.0f}"
    blocked = (~percolates((least > 1e-3 * high).to(k))).any(-1)
    if bool(blocked.any()):
        return f"in {int(blocked.sum())} of them no path of well-conducting pixels leads through in both directions"
    return f"the conductivities in them range from {low:.1e} to {high:.1e}"
