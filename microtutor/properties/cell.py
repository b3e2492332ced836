"""A periodic cell under load: gradients on a grid of pixels, and their inverse for a homogeneous material by FFT.

Every pixel has one value of the material, and the potential (or displacement) lives on the corners of the pixels. The
gradient in a pixel is the mean of the differences along its two pairs of sides. In Fourier space this is the "rotated
scheme"; in real space, finite elements with one point of integration. Images may have any size, 1 x n included.

Source: Moulinec & Suquet (1998), periodic cell by FFT; Willot (2015), the rotated scheme; Zeman et al. (2010),
conjugate gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.fft import irfft2, rfft2

from microtutor.properties.phases import unit_of
from microtutor.properties.solver import Convergence, Settings, conjugate_gradients

CHUNK = 2**17  # pixels of all load cases at a time on a CPU, so that the handful of arrays stays in its cache


class DiagonalDifferences:
    """Differences of corner fields along the two diagonals of each pixel, and their transpose, in memory of its own.

    Corner [i, j] is the upper left one of pixel [i, j]. With d the difference down-right and a the one up-right, the
    gradient in the pixel is ((d + a) / 2, (d - a) / 2), to the right and down.

    Args:
        shape: of the corner fields, (..., H, W).
        like: a tensor of their dtype and device.

    >>> differences = DiagonalDifferences((2, 2), torch.ones(1))
    >>> d, a = differences.of(torch.tensor([[0., 1.], [0., 1.]]))
    >>> d[0].tolist(), a[0].tolist()  # up to the right, and down again around the border
    ([1.0, -1.0], [1.0, -1.0])
    """

    def __init__(self, shape: Sequence[int], like: Tensor):
        height, width = shape[-2:]
        wrapped = like.new_zeros(3, *shape[:-2], height + 1, width + 1)
        self._corners, self._d, self._a = wrapped
        self._sums = like.new_empty(shape)

    def of(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """d and a; they are overwritten by the next call."""
        w = self._corners
        w[..., :-1, :-1] = u
        w[..., -1, :-1] = u[..., 0, :]
        w[..., -1] = w[..., 0]
        d, a = self._d[..., 1:, 1:], self._a[..., 1:, 1:]
        return torch.sub(w[..., 1:, 1:], w[..., :-1, :-1], out=d), torch.sub(w[..., :-1, 1:], w[..., 1:, :-1], out=a)

    def transposed(self, d: Tensor, a: Tensor) -> Tensor:
        """What flows into each corner from the pixels around it; it is overwritten by the next call."""
        for own, flow in ((self._d, d), (self._a, a)):
            if flow.data_ptr() != own[..., 1:, 1:].data_ptr():
                own[..., 1:, 1:] = flow
            own[..., 0, 1:] = own[..., -1, 1:]
            own[..., 0] = own[..., -1]
        d, a = self._d, self._a
        sums = torch.sub(d[..., :-1, :-1], d[..., 1:, 1:], out=self._sums)
        return sums.add_(a[..., 1:, :-1]).sub_(a[..., :-1, 1:])


@lru_cache(maxsize=4)
def wave_vector(height: int, width: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """The gradient in Fourier space, up to a phase factor: right, down, and 1 / (right^2 + down^2), (H, W // 2 + 1).

    The inverse is 0 where the gradient is: for the mean, and on even x even images for the checkerboard of corners,
    which no pixel sees.
    """
    down = math.pi * torch.fft.fftfreq(height, dtype=torch.float64)[:, None]
    right = math.pi * torch.fft.rfftfreq(width, dtype=torch.float64)
    x, y = 2 * right.sin() * down.cos(), 2 * down.sin() * right.cos()
    squared = x.square() + y.square()
    inverse = torch.where(squared > 1e-20, 1 / squared, 0.0)
    return x.to(device, dtype), y.to(device, dtype), inverse.to(device, dtype)


class Cell:
    """Images under unit loads: what conduction and elasticity have in common.

    A local state (gradient, or strain) and its response (flux, or stress) have `components` numbers in each pixel; the
    loads are mean states of which one component is 1. The unknown has `unknowns` numbers at each corner.

    Args:
        local: properties of each pixel, (images, properties, H, W).
    """

    components: ClassVar[int]
    unknowns: ClassVar[int]

    def __init__(self, local: Tensor):
        self.local = local
        self.size = height, width = tuple(local.shape[-2:])
        self.waves = wave_vector(height, width, local.dtype, local.device)
        self.differences = DiagonalDifferences((len(local), self.components, self.unknowns, *self.size), local)

    def of_images(self, chosen: Tensor) -> Cell:
        """The same for the chosen images alone."""
        return type(self)(self.local[chosen])

    def state(self, u: Tensor) -> Tensor:
        """State in each pixel, (images, loads, components, H, W), from u at the corners, (..., unknowns, H, W)."""
        raise NotImplementedError

    def response(self, state: Tensor) -> Tensor:
        """The material's answer to a state, of the same shape."""
        raise NotImplementedError

    def balance(self, response: Tensor) -> Tensor:
        """The transpose of `state`: what a response sums up to at the corners; 0 in equilibrium."""
        raise NotImplementedError

    @staticmethod
    def sensitivity(weights: Tensor, state: Tensor, properties: int) -> Tensor:
        """Derivative of sum_ij weights_ij s_i . response(s_j) with respect to the local properties of each pixel."""
        raise NotImplementedError

    def inverse(self, spectrum: Tensor) -> Tensor:
        """Solve for a homogeneous material, in Fourier space; may overwrite its argument."""
        return spectrum.mul_(self.waves[2])

    def apply(self, u: Tensor) -> Tensor:
        """The forces at the corners that displacements u cause: the operator A of `conjugate_gradients`."""
        return self.balance(self.response(self.state(u)))

    def precondition(self, r: Tensor) -> Tensor:
        """Solve for a homogeneous material instead: the approximate inverse of A."""
        return irfft2(self.inverse(rfft2(r)), s=self.size)

    def rounding(self) -> Tensor:
        """r M^-1 r of a residual that is nothing but rounding, (images, 1)."""
        number = torch.finfo(self.local.dtype)
        size = 4 * number.eps * self.local.abs().flatten(1).amax(1, keepdim=True)
        return size.square() * math.prod(self.size) + number.tiny

    def solve(self, settings: Settings) -> tuple[Tensor, Convergence]:
        """States in equilibrium whose means are the unit loads."""
        eye = torch.eye(self.components, dtype=self.local.dtype, device=self.local.device)
        mean = eye[..., None, None].expand(len(self.local), self.components, self.components, *self.size)
        load = self.balance(self.response(mean)).neg()
        u, convergence = conjugate_gradients(self, load, floor=self.rounding(), settings=settings)
        return self.state(u).add_(mean), convergence


class Fields(NamedTuple):
    """What happens inside images under unit loads. The axis of loads comes before that of components."""

    state: Tensor  # (..., loads, components, H, W)
    response: Tensor  # likewise
    convergence: Convergence


def _solved(make: type[Cell], local: Tensor, settings: Settings) -> Iterator[tuple[Cell, Tensor, Tensor, Convergence]]:
    """Solve a batch in parts that fit a processor's cache; on a GPU all at once.

    Each image is solved in a unit in which its properties are of the order of 1: cell, unit, states, convergence.
    """
    per_image = make.components * make.unknowns * math.prod(local.shape[-2:])
    step = max(1, CHUNK // per_image) if local.device.type == "cpu" else max(1, len(local))
    for part in local.split(step):
        unit = unit_of(part)
        cell = make(part / unit[:, None, None, None])
        yield cell, unit, *cell.solve(settings)


def cell_fields(make: type[Cell], local: Tensor, settings: Settings, reason: Callable[[Tensor], str]) -> Fields:
    """Fields of images whose local properties are (..., properties, H, W), without derivatives."""
    leading, flat = local.shape[:-3], local.detach().flatten(0, -4) if local.ndim > 3 else local.detach()[None]
    with torch.autocast(flat.device.type, enabled=False):
        solved = [
            (state, cell.response(state) * unit[:, None, None, None, None], steps)
            for cell, unit, state, steps in _solved(make, flat, settings)
        ]
    states, responses, convergences = zip(*solved)
    convergence = Convergence.join(convergences)
    convergence.check(settings, lambda failed: reason(flat[failed]))
    state, response = (torch.cat(x).reshape(*leading, *x[0].shape[1:]) for x in (states, responses))
    convergence = Convergence(convergence.iterations.reshape(leading), convergence.residual.reshape(leading))
    return Fields(state, response, convergence)


def effective_property(make: type[Cell], local: Tensor, settings: Settings, reason: Callable[[Tensor], str]) -> Tensor:
    """Effective property (..., components, components) of images with local properties (..., properties, H, W)."""
    leading = local.shape[:-3]
    flat = local.reshape(-1, *local.shape[-3:])
    return _Effective.apply(flat, make, settings, reason).reshape(*leading, make.components, make.components)


class _Effective(torch.autograd.Function):
    """P_ij = mean of s_i . response(s_j).

    The states s make this quadratic form stationary, so to first order they may stay as they are when the material
    changes: the derivative with respect to a pixel's properties is what that pixel contributes.
    """

    @staticmethod
    def forward(ctx, local: Tensor, make: type[Cell], settings: Settings, reason: Callable[[Tensor], str]) -> Tensor:
        pixels = math.prod(local.shape[-2:])
        results, states, convergences = [], [], []
        with torch.autocast(local.device.type, enabled=False):
            for cell, unit, state, convergence in _solved(make, local, settings):
                result = state.flatten(2) @ cell.response(state).flatten(2).mT / pixels
                results.append((result + result.mT) / 2 * unit[:, None, None])
                convergences.append(convergence)
                if ctx.needs_input_grad[0]:
                    states.append(state)
        Convergence.join(convergences).check(settings, lambda failed: reason(local[failed]))
        ctx.make = make
        ctx.save_for_backward(local, *states)
        return torch.cat(results)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream: Tensor):
        local, *states = ctx.saved_tensors
        weights = (upstream + upstream.mT) / (2 * math.prod(local.shape[-2:]))
        parts = [len(state) for state in states]
        with torch.autocast(local.device.type, enabled=False):
            slopes = [
                ctx.make.sensitivity(w, state, part.shape[1])
                for w, state, part in zip(weights.split(parts), states, local.split(parts))
            ]
        return torch.cat(slopes), None, None, None
