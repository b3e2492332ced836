"""Effective conductivity of an image: heat, charge or a diffusing substance driven through a periodic cell."""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.fft import irfft2, rfft2

from microtutor.checks import check_phase
from microtutor.properties.percolation import percolates
from microtutor.properties.phases import PhaseValues, check_lowest, mix, phase_values
from microtutor.properties.solver import (
    Convergence,
    Settings,
    chunks,
    conjugate_gradients,
    diagonal_differences,
    diagonal_sums,
    rounding,
    wave_vector,
)


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
    is the adjoint one, and costs next to nothing: dK_ij / dk(x) = e_i(x) e_j(x) / N.

    Args:
        image: phase indicator in [0, 1], shape (..., H, W); or one channel for each phase, (..., n, H, W), summing
            to 1. The dtype, float32 or float64, sets the accuracy.
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
    k, shape, settings = _local(image, conductivity, one_hot, tolerance, max_iterations)
    return _Effective.apply(k, settings).reshape(*shape, 2, 2)


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
    with torch.no_grad():
        k, shape, settings = _local(image, conductivity, one_hot, tolerance, max_iterations)
        gradient, convergence = _solve(k, settings)
        flux = _flux(k[:, None], gradient)
        iterations, residual = (x.reshape(shape) for x in (convergence.iterations, convergence.residual))
    unflatten = partial(torch.reshape, shape=(*shape, *gradient.shape[1:]))
    return ConductivityFields(unflatten(gradient), unflatten(flux), Convergence(iterations, residual))


def _local(image, conductivity, one_hot, tolerance, max_iterations) -> tuple[Tensor, tuple[int, ...], Settings]:
    """Conductivity of each pixel as (images, 1 or 3, H, W), the leading shape of the images, and the settings."""
    image = check_phase(image)
    values = phase_values(conductivity, image, name="conductivity")
    if values.ndim not in (1, 3) or (values.ndim == 3 and values.shape[1:] != (2, 2)):
        raise ValueError(
            "expected conductivity as one number for each phase, (n,), or one 2 x 2 tensor for each, (n, 2, 2); "
            f"got shape {tuple(values.shape)}"
        )
    if values.ndim == 3:
        if not torch.equal(values, values.mT):
            raise ValueError("expected symmetric conductivity tensors, got unequal xy and yx entries")
        check_lowest(torch.linalg.eigvalsh(values.detach()), 0, name="conductivity in every direction")
        values = torch.stack([values[:, 0, 0], values[:, 1, 1], values[:, 0, 1]], 1)
    else:
        check_lowest(values, 0, name="conductivity")
        values = values[:, None]
    k = mix(image, values, one_hot=one_hot)
    shape = tuple(k.shape[:-3])
    return k.reshape(-1, *k.shape[-3:]), shape, Settings.of(k, tolerance, max_iterations)


def _flux(k: Tensor, gradient: Tensor) -> Tensor:
    """Conductivity times gradient, in each pixel; k has one component if it is the same in all directions."""
    if k.shape[-3] == 1:
        return k * gradient
    (xx, yy, xy), (x, y) = k.unbind(-3), gradient.unbind(-3)
    return torch.stack([xx * x + xy * y, xy * x + yy * y], -3)


def _apply(k: Tensor, u: Tensor) -> Tensor:
    """Net outflow at the corners for a potential u there; its gradient is ((d + a) / 2, (d - a) / 2)."""
    d, a = diagonal_differences(u)
    if k.shape[-3] == 1:
        return diagonal_sums(d.mul_(k / 2), a.mul_(k / 2))
    x, y = _flux(k, torch.cat([d + a, d - a], -3) / 2).split(1, -3)
    return diagonal_sums((x + y) / 2, (x - y) / 2)


def _solve(k: Tensor, settings: Settings) -> tuple[Tensor, Convergence]:
    """Gradients (images, 2 loads, 2 components, H, W) that minimise the dissipation, for unit mean gradients."""
    size = k.shape[-2:]
    inverse = wave_vector(k.shape[-2], k.shape[-1], k)[2]
    mean = torch.eye(2, dtype=k.dtype, device=k.device)[..., None, None]
    gradients, convergences = [], []
    for part in chunks(k, values_per_pixel=2):
        some = k[part, None]
        x, y = _flux(some, mean.expand(len(some), 2, 2, *size)).split(1, -3)
        u, convergence = conjugate_gradients(
            lambda u, images, some=some: _apply(some[images], u),
            lambda r, images: irfft2(rfft2(r).mul_(inverse), s=size),
            diagonal_sums((x + y) / 2, (x - y) / 2).neg_(),
            floor=rounding(some),
            settings=settings,
        )
        d, a = diagonal_differences(u)
        gradients.append(torch.cat([d + a, d - a], -3).div_(2).add_(mean))
        convergences.append(convergence)
    convergence = Convergence.join(convergences)
    convergence.check(settings, lambda failed: _reason(k[failed]))
    return torch.cat(gradients), convergence


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


class _Effective(torch.autograd.Function):
    """K_ij = mean of e_i k e_j. The fields e minimise it, so they may stay as they are when k changes a little."""

    @staticmethod
    def forward(ctx, k: Tensor, settings: Settings) -> Tensor:
        e, _ = _solve(k, settings)
        ctx.save_for_backward(e)
        ctx.components = k.shape[1]
        pixels = math.prod(k.shape[-2:])
        return e.flatten(2) @ _flux(k[:, None], e).flatten(2).mT / pixels

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream: Tensor):
        (e,) = ctx.saved_tensors
        pixels = math.prod(e.shape[-2:])
        upstream = (upstream + upstream.mT) / 2
        response = torch.einsum("bij,bichw,bjdhw->bcdhw", upstream, e, e) / pixels
        xx, yy, xy = response[:, 0, 0], response[:, 1, 1], response[:, 0, 1] + response[:, 1, 0]
        return torch.stack([xx + yy] if ctx.components == 1 else [xx, yy, xy], 1), None
