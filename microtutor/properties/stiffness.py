"""Effective stiffness of an image: an elastic body that is stretched and sheared in its plane, and thick across it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from microtutor.checks import check_broadcast, check_field, check_phase, quote
from microtutor.properties.cell import Cell, cell_fields, effective_property
from microtutor.properties.percolation import percolates
from microtutor.properties.phases import PhaseValues, check_lowest, mix, phase_values
from microtutor.properties.solver import Convergence, Settings


class StiffnessFields(NamedTuple):
    """Strain and stress inside an image under unit mean strains.

    The axis of loads comes before that of components; both run over xx, yy and xy. The third strain is the engineering
    shear, 2 e_xy.
    """

    strain: Tensor  # (..., 3 loads, 3 components, H, W), its mean is the identity
    stress: Tensor  # likewise
    convergence: Convergence


def lame_constants(youngs_modulus: Tensor, poissons_ratio: Tensor) -> tuple[Tensor, Tensor]:
    """Lame constants of an isotropic material: lambda = E nu / ((1 + nu)(1 - 2 nu)), mu = E / (2 (1 + nu)).

    Raises:
        TypeError, ValueError: no float tensors of shapes that broadcast, youngs_modulus below 0, or poissons_ratio
            not above -1 and below 0.5.

    >>> lame_constants(torch.tensor(10.0), torch.tensor(0.25))
    (tensor(4.), tensor(4.))
    """
    check_field(youngs_modulus, ndim=0, name="youngs_modulus")
    check_field(poissons_ratio, ndim=0, name="poissons_ratio")
    check_lowest(youngs_modulus, 0, name="youngs_modulus")
    if not bool(((poissons_ratio > -1) & (poissons_ratio < 0.5)).all()):
        raise ValueError(f"expected poissons_ratio above -1 and below 0.5, got {quote(poissons_ratio.tolist())}")
    check_broadcast(youngs_modulus, poissons_ratio, ("youngs_modulus", "poissons_ratio"))
    return (
        youngs_modulus * poissons_ratio / ((1 + poissons_ratio) * (1 - 2 * poissons_ratio)),
        youngs_modulus / (2 * (1 + poissons_ratio)),
    )


def effective_stiffness(
    image: Tensor,
    youngs_modulus: PhaseValues = (1.0, 10.0),
    poissons_ratio: PhaseValues = (0.3, 0.3),
    *,
    one_hot: bool | None = None,
    tolerance: float | None = None,
    max_iterations: int | None = None,
) -> Tensor:
    """Effective stiffness of a periodic microstructure in plane strain: mean stress over mean strain, 3 x 3.

    In Voigt's notation with the engineering shear, (s_xx, s_yy, s_xy) = C (e_xx, e_yy, 2 e_xy): no factors of 2 or
    sqrt(2) are hidden in C, and a homogeneous material has

        C = [[lambda + 2 mu, lambda, 0], [lambda, lambda + 2 mu, 0], [0, 0, mu]].

    x is to the right (along the width), y is down (along the height). Grey pixels have the arithmetic mean of the
    phases' stiffnesses (of their Lame constants), weighted with their shares. Derivatives are the adjoint ones.

    Args:
        image: phase indicator in [0, 1], shape (..., H, W); or one channel for each phase, (..., n, H, W), summing
            to 1. The dtype, float32 or float64, sets the accuracy. Pixels are taken as square.
        youngs_modulus: of matrix and phase, or of each of n phases, shape (n,). At least 0; 0 is a hole.
        poissons_ratio: likewise, above -1 and below 0.5.
        one_hot: whether axis -3 holds the phases; None: if there are more than two.
        tolerance: residual, relative to its first value, at which the fields are good enough; the error of the result
            falls with its square. None: 1e-6 in float64, 1e-4 in float32.
        max_iterations: after which a `ConvergenceWarning` says how far it got, and why; None: 2000.

    Returns:
        C, shape (..., 3, 3), symmetric, in the units of youngs_modulus.

    Raises:
        TypeError, ValueError: image is no phase image, or the properties do not fit it or are out of range.

    Source: Willot (2015), rotated scheme; on laminates of whole pixels it is exact.

    >>> effective_stiffness(torch.zeros(4, 4), (10.0, 1.0), (0.25, 0.25))
    tensor([[12.,  4.,  0.],
            [ 4., 12.,  0.],
            [ 0.,  0.,  4.]])
    """
    local = _local(image, youngs_modulus, poissons_ratio, one_hot)
    return effective_property(_Elasticity, local, Settings.of(local, tolerance, max_iterations), _reason)


def stiffness_fields(
    image: Tensor,
    youngs_modulus: PhaseValues = (1.0, 10.0),
    poissons_ratio: PhaseValues = (0.3, 0.3),
    *,
    one_hot: bool | None = None,
    tolerance: float | None = None,
    max_iterations: int | None = None,
) -> StiffnessFields:
    """The local strain and stress of `effective_stiffness`, for unit mean strains e_xx, e_yy and 2 e_xy.

    Takes what `effective_stiffness` takes; without derivatives.

    >>> stiffness_fields(torch.zeros(1, 1), (10.0, 1.0), (0.25, 0.25)).stress[0, :, 0, 0]  # of the load e_xx
    tensor([12.,  4.,  0.])
    """
    local = _local(image, youngs_modulus, poissons_ratio, one_hot)
    return StiffnessFields(*cell_fields(_Elasticity, local, Settings.of(local, tolerance, max_iterations), _reason))


def _local(image: Tensor, youngs_modulus: PhaseValues, poissons_ratio: PhaseValues, one_hot: bool | None) -> Tensor:
    """Lame constants of each pixel, (..., 2, H, W)."""
    image = check_phase(image)
    youngs_modulus = phase_values(youngs_modulus, image, name="youngs_modulus")
    poissons_ratio = phase_values(poissons_ratio, image, name="poissons_ratio")
    check_one_each(youngs_modulus, poissons_ratio)
    return mix(image, torch.stack(lame_constants(youngs_modulus, poissons_ratio), 1), one_hot=one_hot)


def check_one_each(youngs_modulus: Tensor, poissons_ratio: Tensor) -> None:
    """Raise ValueError unless there is one Poisson's ratio for each Young's modulus."""
    if youngs_modulus.ndim != 1 or youngs_modulus.shape != poissons_ratio.shape:
        raise ValueError(
            "expected youngs_modulus and poissons_ratio as one number for each phase, "
            f"got shapes {tuple(youngs_modulus.shape)} and {tuple(poissons_ratio.shape)}"
        )


class _Elasticity(Cell):
    """Displacements (right, down) at the corners; state: strain (xx, yy, 2 xy); response: stress (xx, yy, xy)."""

    components, unknowns = 3, 2

    def __init__(self, local: Tensor):
        super().__init__(local)
        lame = (local.amax((-2, -1)) + local.amin((-2, -1))) / 2  # of a material in the middle
        first, shear = lame[:, 0], lame[:, 1]
        coupling = torch.where(shear > 0, (first + shear) / (first + 2 * shear), 0.5)
        right, down, inverse = self.waves
        # (1 - coupling n n^T) / |k|^2 with n = k / |k|: the inverse for a homogeneous material of shear modulus 1
        shared = -coupling[:, None, None, None] * inverse.square()
        self.inverse_xx = inverse + shared * right.square()
        self.inverse_xy = shared * right * down
        self.inverse_yy = inverse + shared * down.square()

    def state(self, u: Tensor) -> Tensor:
        (d_right, d_down), (a_right, a_down) = (x.unbind(-3) for x in self.differences.of(u))
        return torch.stack([d_right + a_right, d_down - a_down, d_right - a_right + d_down + a_down], -3).div_(2)

    def response(self, state: Tensor) -> Tensor:
        first, shear = self.local[:, None].unbind(-3)
        xx, yy, xy = state.unbind(-3)
        pressure = first * (xx + yy)
        return torch.stack([pressure + 2 * shear * xx, pressure + 2 * shear * yy, shear * xy], -3)

    def balance(self, response: Tensor) -> Tensor:
        xx, yy, xy = response.unbind(-3)
        d = torch.stack([xx + xy, xy + yy], -3).div_(2)
        a = torch.stack([xx - xy, xy - yy], -3).div_(2)
        return self.differences.transposed(d, a)

    def apply(self, u: Tensor) -> Tensor:
        """State, response and balance one after the other, in place; their two factors 1/2 are taken as 1/4."""
        d, a = self.differences.of(u)
        (d_right, d_down), (a_right, a_down) = d.unbind(-3), a.unbind(-3)
        first, shear = (self.local / 4)[:, None].unbind(-3)
        xx, yy = d_right + a_right, d_down - a_down
        xy = (d_right - a_right).add_(d_down).add_(a_down).mul_(shear)
        pressure = (xx + yy).mul_(first)
        xx = torch.addcmul(pressure, xx, shear, value=2)
        yy = torch.addcmul(pressure, yy, shear, value=2)
        for sums, differences, x, y in ((d_right, a_right, xx, xy), (d_down, a_down, xy, yy)):
            torch.add(x, y, out=sums)
            torch.sub(x, y, out=differences)
        return self.differences.transposed(d, a)

    def inverse(self, spectrum: Tensor) -> Tensor:
        right, down = spectrum.unbind(-3)
        turned = self.inverse_xy * right
        right.mul_(self.inverse_xx).add_(self.inverse_xy * down)
        down.mul_(self.inverse_yy).add_(turned)
        return spectrum

    @staticmethod
    def sensitivity(weights: Tensor, state: Tensor, properties: int) -> Tensor:
        products = torch.einsum("bij,bichw,bjdhw->bcdhw", weights, state, state)
        xx, yy, xy = products[:, 0, 0], products[:, 1, 1], products[:, 2, 2]
        trace = xx + yy + products[:, 0, 1] + products[:, 1, 0]
        return torch.stack([trace, 2 * xx + 2 * yy + xy], 1)


def _reason(local: Tensor) -> str:
    """What is special about images (n, 2, H, W) that did not converge."""
    shear = local[:, 1]
    low, high = shear.min().item(), shear.max().item()
    if low > 1e-3 * high:
        return f"the stiffnesses in them differ by a factor of {high / low:.0f}, or a Poisson's ratio is close to 0.5"
    blocked = (~percolates((shear > 1e-3 * high).to(local))).any(-1)
    if bool(blocked.any()):
        return f"in {int(blocked.sum())} of them no path of stiff pixels leads through in both directions"
    return f"the shear moduli in them range from {low:.1e} to {high:.1e}"
