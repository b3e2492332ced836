"""What can be said of an effective property without looking at the image: bounds, and the laminates that reach them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from microtutor.checks import quote
from microtutor.properties.phases import PhaseValues, check_lowest, phase_values, unit_of
from microtutor.properties.stiffness import check_one_each, lame_constants


class Bounds(NamedTuple):
    """The least and the greatest value that a property can have."""

    lower: Tensor
    upper: Tensor


class StiffnessBounds(NamedTuple):
    """Bounds of the two moduli of an isotropic material in plane strain: bulk, lambda + mu, and shear, mu."""

    bulk: Bounds
    shear: Bounds


def voigt_reuss_bounds(fractions: PhaseValues, conductivity: PhaseValues) -> Bounds:
    """Bounds for any arrangement of the phases: the harmonic mean (Reuss) and the arithmetic one (Voigt).

    Args:
        fractions: volume fractions of n phases, summing to 1, shape (..., n).
        conductivity: of each phase, (n,), at least 0. Any other property that is averaged likewise will do.

    Returns:
        Two tensors of shape (...). A laminate has one across its layers, the other along them.

    >>> lower, upper = voigt_reuss_bounds((0.5, 0.5), (1.0, 10.0))
    >>> round(lower.item(), 4), upper.item()
    (1.8182, 5.5)
    """
    fractions, k, unit = _checked(fractions, conductivity, "conductivity")
    return Bounds(_shifted_mean(fractions, k, torch.zeros_like(k[0])) * unit, (fractions * k).sum(-1) * unit)


def hashin_shtrikman_bounds(fractions: PhaseValues, conductivity: PhaseValues) -> Bounds:
    """Bounds for the conductivity of a material that is isotropic in the plane.

    With k_0 the least of the conductivities, or the greatest: 1 / (K + k_0) = mean of 1 / (k + k_0). Each is reached by
    discs of all sizes that fill the plane, every one with a core of one phase and a coat of the other.

    Args and returns as `voigt_reuss_bounds`.

    Source: Hashin & Shtrikman (1962); in two dimensions, Hashin (1970).

    >>> lower, upper = hashin_shtrikman_bounds((0.5, 0.5), (1.0, 10.0))
    >>> round(lower.item(), 4), round(upper.item(), 4)
    (2.3846, 4.1935)
    """
    fractions, k, unit = _checked(fractions, conductivity, "conductivity")
    return Bounds(*(_shifted_mean(fractions, k, reference) * unit for reference in (k.amin(), k.amax())))


def hashin_shtrikman_stiffness_bounds(
    fractions: PhaseValues, youngs_modulus: PhaseValues, poissons_ratio: PhaseValues
) -> StiffnessBounds:
    """Bounds for the bulk and shear modulus, in plane strain, of a material that is isotropic in the plane.

    Args:
        fractions: volume fractions of n phases, summing to 1, shape (..., n).
        youngs_modulus: of each phase, (n,), at least 0.
        poissons_ratio: of each phase, (n,), above -1 and below 0.5.

    Source: Hashin (1965), Walpole (1969): transverse moduli of fibre composites.

    >>> bounds = hashin_shtrikman_stiffness_bounds((1.0, 0.0), (10.0, 20.0), (0.25, 0.25))
    >>> bounds.bulk.lower.item(), bounds.shear.upper.item()  # lambda + mu and mu of the first phase
    (8.0, 4.0)
    """
    fractions, modulus, unit = _checked(fractions, youngs_modulus, "youngs_modulus")
    ratio = phase_values(poissons_ratio, fractions, name="poissons_ratio")
    check_one_each(modulus, ratio)
    first, shear = lame_constants(modulus, ratio)
    bulk = first + shear
    bulk_bounds, shear_bounds = [], []
    for k, mu in ((bulk.amin(), shear.amin()), (bulk.amax(), shear.amax())):
        bulk_bounds.append(_shifted_mean(fractions, bulk, mu) * unit)
        shift = k * mu / (k + 2 * mu) if k + 2 * mu > 0 else mu
        shear_bounds.append(_shifted_mean(fractions, shear, shift) * unit)
    return StiffnessBounds(Bounds(*bulk_bounds), Bounds(*shear_bounds))


def laminate_conductivity(fractions: PhaseValues, conductivity: PhaseValues) -> Tensor:
    """Conductivity of layers stacked along x: harmonic mean across them, arithmetic mean along them, (..., 2, 2).

    >>> laminate_conductivity((0.5, 0.5), (1.0, 10.0))
    tensor([[1.8182, 0.0000],
            [0.0000, 5.5000]])
    """
    return torch.stack(voigt_reuss_bounds(fractions, conductivity), -1).diag_embed()


def laminate_stiffness(fractions: PhaseValues, youngs_modulus: PhaseValues, poissons_ratio: PhaseValues) -> Tensor:
    """Stiffness of layers stacked along x, in plane strain and the notation of `effective_stiffness`, (..., 3, 3).

    The stresses s_xx and s_xy and the strain e_yy are the same in all layers; the rest is averaged with these fixed.

    Source: Backus (1962).

    >>> laminate_stiffness((0.5, 0.5), (10.0, 10.0), (0.25, 0.25))[0]
    tensor([12.,  4.,  0.])
    """
    fractions, modulus, unit = _checked(fractions, youngs_modulus, "youngs_modulus")
    ratio = phase_values(poissons_ratio, fractions, name="poissons_ratio")
    check_one_each(modulus, ratio)
    first, shear = lame_constants(modulus, ratio)
    axial = first + 2 * shear
    xx = 1 / _ratio(fractions, axial).sum(-1)
    xy = xx * _ratio(fractions * first, axial).sum(-1)
    yy = (fractions * (axial - _ratio(first.square(), axial))).sum(-1) + _ratio(xy.square(), xx)
    nothing = torch.zeros_like(xx)
    across = 1 / _ratio(fractions, shear).sum(-1)
    rows = [(xx, xy, nothing), (xy, yy, nothing), (nothing, nothing, across)]
    return torch.stack([torch.stack(row, -1) for row in rows], -2) * unit


def _shifted_mean(fractions: Tensor, values: Tensor, shift: Tensor) -> Tensor:
    """The harmonic mean of values that are all raised by a shift, taken down again."""
    return 1 / _ratio(fractions, values + shift).sum(-1) - shift


def _ratio(a: Tensor, b: Tensor) -> Tensor:
    """a / b, but 0 / 0 is 0: a phase that is absent adds nothing, even if it is a hole."""
    return a / torch.where((a == 0) & (b == 0), 1, b)


def _checked(fractions: PhaseValues, values: PhaseValues, name: str) -> tuple[Tensor, Tensor, Tensor]:
    """Fractions (..., n), values (n,) of the order of 1, and the unit by which to multiply what comes of them."""
    like = next((x for x in (values, fractions) if isinstance(x, Tensor)), torch.zeros(()))
    fractions = phase_values(fractions, like, name="fractions")
    values = phase_values(values, fractions, name=name)
    fractions = fractions.to(values.dtype)
    if values.ndim != 1 or fractions.shape[-1] != len(values):
        raise ValueError(
            f"expected fractions and {name} with one number for each phase, "
            f"got shapes {tuple(fractions.shape)} and {tuple(values.shape)}"
        )
    check_lowest(values, 0, name=name)
    check_lowest(fractions, 0, name="fractions")
    if not bool(((fractions.detach().sum(-1) - 1).abs() < 1e-4).all()):
        raise ValueError(f"expected fractions that sum to 1, got {quote(fractions.tolist())}")
    unit = unit_of(values[None])[0]
    return fractions, values / unit, unit
