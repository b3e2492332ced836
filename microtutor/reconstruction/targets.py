"""What a search goes for: how far the statistics of images are from the wanted ones, image by image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.fft import rfft2

from microtutor.checks import check_count, check_field, describe
from microtutor.losses import spectral_error, sum_over_frequencies
from microtutor.statistics import Boundary, autocorrelation, two_point_statistics
from microtutor.statistics.fft import boundary_of_each_axis, full_precision

ROUNDING = 1e-6  # of statistics in single precision


@dataclass(frozen=True)
class Target:
    """Wanted statistics of a batch of images.

    Attributes:
        statistics: f(r), zero shift at index 0, shape (batch, H, W), or with phases (batch, n, n, H, W).
        spectrum: its Fourier transform, half the frequencies: real for one phase, complex for several.
        boundary: "periodic" or "open", or one for each axis.
        phases: number of phases whose correlations are wanted, or None: the autocorrelation of one.
    """

    statistics: Tensor
    spectrum: Tensor
    boundary: Boundary | Sequence[Boundary] = "periodic"
    phases: int | None = None

    def __getitem__(self, rows: Tensor) -> Target:
        return replace(self, statistics=self.statistics[rows], spectrum=self.spectrum[rows])

    @property
    def is_periodic(self) -> bool:
        """Whether pairs go on at the opposite side along every axis."""
        return _is_periodic(self.boundary)

    @property
    def fractions(self) -> Tensor:
        """Volume fraction of each phase, shape (batch, 1 or n)."""
        zero = self.statistics[..., 0, 0]
        return zero[:, None] if self.phases is None else zero.diagonal(dim1=-2, dim2=-1)

    @property
    def scale(self) -> Tensor:
        """Mean square of the statistics, by which errors are divided to be relative; an empty image has none."""
        return self.statistics.square().flatten(1).mean(1).clamp_min(1e-12)

    def error(self, images: Tensor) -> Tensor:
        """Statistics error of each image: mean over all shifts (and pairs of phases) of the squared difference.

        Args:
            images: shape (batch, H, W), or with phases (batch, n, H, W).
        """
        if self.is_periodic:
            if self.phases is None:
                return spectral_error(images, self.spectrum, statistics=1.0)[0]
            spectrum, pixels = rfft2(images), math.prod(images.shape[-2:])
            pairs = spectrum.conj().unsqueeze(-3) * spectrum.unsqueeze(-4) / pixels
            difference = torch.view_as_real(pairs - self.spectrum).square().sum(-1)
            return sum_over_frequencies(difference, images.shape[-1]).mean((-2, -1)) / pixels**2
        compute = autocorrelation if self.phases is None else two_point_statistics
        return (compute(images, boundary=self.boundary) - self.statistics).square().flatten(1).mean(1)

    def amplitude_error(self, images: Tensor) -> Tensor:
        """Squared difference of spectral amplitudes, relative to those wanted, of each image.

        Its gradient does not vanish where images are nearly constant, as that of `error` does, so it is what a search
        begins with. Statistics with an open boundary have no spectrum of their own. They are treated as
        periodic here, which is near enough for a beginning.
        """
        wanted = self.spectrum
        if self.phases is not None:
            wanted = wanted.diagonal(dim1=-4, dim2=-3).movedim(-1, -3).real
        pixels = math.prod(images.shape[-2:])
        error = spectral_error(images, wanted.clamp_min(0), amplitude=1.0)[0].reshape(len(images), -1)
        return error.sum(1) / (pixels * self.fractions.sum(1)).clamp_min(1)


def check_target(
    statistics: Tensor, boundary: Boundary | Sequence[Boundary], phases: int | None
) -> tuple[Target, tuple[int, ...]]:
    """The target, flattened to one batch axis, and the shape (..., H, W) or (..., n, H, W) of its images.

    Raises:
        TypeError, ValueError: no float tensor, wrong shape, not finite, zero shift in the middle, or what no image can
            have, however little one asks for.
    """
    name = "target statistics"
    if isinstance(statistics, Tensor) and statistics.is_floating_point() and bool(statistics.isnan().any()):
        raise ValueError(
            f"expected finite values in the {name}, got NaN: a mask or an open boundary leaves shifts without a pair "
            "of pixels; statistics with a mask cannot be searched for"
        )
    f = full_precision(check_field(statistics, name=name)).detach()
    side, middle = f.shape[-2:], tuple(n // 2 for n in f.shape[-2:])
    if phases is not None:
        check_count(phases, name="phases", minimum=2)
        if f.ndim < 4 or f.shape[-4:-2] != (phases, phases):
            raise ValueError(
                f"expected the {name} of {phases} phases with shape (..., {phases}, {phases}, height, width), as from "
                f"two_point_statistics, got {describe(statistics)}"
            )
    if phases is None:
        _check_no_volume(f)
    first = f if phases is None else f.diagonal(dim1=-4, dim2=-3).movedim(-1, -3)
    _check_size(first, boundary)
    low = first[..., 0, 0] < first[(..., *middle)] - ROUNDING
    # periodic statistics are never larger than at zero shift; open ones can be, where few pairs of pixels are counted
    if bool(low.any() if _is_periodic(boundary) else low.all()):
        raise ValueError(
            f"expected the {name} with zero shift at index [0, 0], got values that are largest in the middle; "
            "apply torch.fft.ifftshift(f, dim=(-2, -1))"
        )
    _check_even(f, phases, boundary)
    lead = f.shape[:-2] if phases is None else f.shape[:-4]
    flat = f.reshape(-1, *f.shape[len(lead) :])
    spectrum = rfft2(flat.contiguous())
    target = Target(flat, spectrum.real if phases is None else spectrum, boundary, phases)
    return target, (*lead, *side) if phases is None else (*lead, phases, *side)


def _check_no_volume(f: Tensor) -> None:
    """Raise ValueError if f(z, y, x) = f(-z, -y, -x), and largest at 0: maps of a batch are even one by one."""
    if f.ndim < 3 or f.shape[-3] < 3:
        return
    zero = f[..., 0, 0, 0]
    is_largest = (zero > f[..., 1:, 0, 0].amax(-1)).all()
    if bool(is_largest & ((f - _inverted(f, 3)).abs().amax((-3, -2, -1)) <= 1e-5 * zero).all()):
        raise ValueError(
            f"expected the target statistics of images, (..., height, width), got those of a volume, {describe(f)}; "
            "should they be a batch of maps that only looks so, give it one axis more, f[..., None, :, :]"
        )


def _check_size(f: Tensor, boundary: Boundary | Sequence[Boundary]) -> None:
    """Raise ValueError unless f(0) may be a volume fraction, and its mean about the square of it.

    What only comes near to statistics, such as a few principal components, may be far from that. It has negative power.
    """
    zero, low, high = f[..., 0, 0], f.amin(), f.amax()
    if low < -0.1 or high > 1.1 or bool((zero < -ROUNDING).any()):
        raise ValueError(
            f"expected the target statistics of a phase, chances in [0, 1], got values in [{low:.4g}, {high:.4g}]; "
            "covariances and scaled maps have to be taken back to f"
        )
    root = f.mean((-2, -1)).clamp_min(0).sqrt()
    far = zero > 1.5 * root + 1e-4  # equal for a two-valued image, below for a grey one
    if _is_periodic(boundary) and bool(far.any()):
        power = rfft2(f).real
        far &= power.amin((-2, -1)) >= -1e-4 * power.amax((-2, -1))  # some multiple of it is that of an image
    if _is_periodic(boundary) and bool(far.any()):
        raise ValueError(
            f"expected the target statistics of a phase, whose mean is at least the square of f(0), got f(0) = "
            f"{zero[far][0]:.4g} and a mean of {f.mean((-2, -1))[far][0]:.4g}; covariances and scaled maps have to be "
            "taken back to f"
        )


def _check_even(f: Tensor, phases: int | None, boundary: Boundary | Sequence[Boundary]) -> None:
    """Raise ValueError unless f(-r) = f(r), or for several phases f_ij(-r) = f_ji(r)."""
    mirrored = _inverted(f if phases is None else f.transpose(-4, -3), 2)
    off = (f - mirrored).abs()
    for axis, how in zip((-2, -1), boundary_of_each_axis(boundary, 2), strict=True):
        n = f.shape[axis]
        if how == "open" and n % 2 == 0:  # the shift by n/2 to the right has none to the left beside it
            off = off.index_fill(axis, torch.tensor([n // 2], device=f.device), 0)
    if bool((off.amax((-2, -1)) > 0.02 * f[..., 0, 0].amax() + ROUNDING).any()):
        raise ValueError(
            f"expected the target statistics to be even, f(-r) = f(r), as those of every image are, got values that "
            f"differ by up to {off.max():.2g} between r and -r"
        )


def _inverted(f: Tensor, ndim: int) -> Tensor:
    """f(-r) for f with zero shift at index 0."""
    axes = tuple(range(-ndim, 0))
    return f.flip(axes).roll((1,) * ndim, axes)


def _is_periodic(boundary: Boundary | Sequence[Boundary]) -> bool:
    return set(boundary_of_each_axis(boundary, 2)) == {"periodic"}
