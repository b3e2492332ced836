"""Textures to practise on, whose two-point statistics are known: random fields and overlapping discs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from microtutor.checks import check_count, check_field, check_number, quote
from microtutor.environment import find_device
from microtutor.microstructures.samples import Images, Sample, sent, stream

NODES = 64  # of the quadrature: exact to rounding for every fraction


@dataclass(frozen=True)
class FieldSample(Sample):
    """Random fields cut at a level.

    Attributes:
        images: (n, 1, size, size) float32; 1 where the field lies above the level.
        field: (n, 1, size, size) float32; the field itself, of mean 0 and variance 1: grey images to threshold.
    """

    field: Tensor


@dataclass(frozen=True)
class GaussianFields(Images[FieldSample]):
    """Smooth Gaussian random fields cut at a level: blobs without a shape of their own, periodic.

    White noise is smoothed by FFT so that the correlation of the field falls off as exp(-r^2 / (2 length^2)). Where it
    exceeds a level, the image is 1. The level is the same for all images: each has its own volume fraction, and
    `fraction` is the mean over many.

    Args:
        fraction: mean volume fraction.
        length: correlation length in pixels, or a pair (along the height, along the width).
        size: height and width in pixels.

    Source: Teubner, Europhys. Lett. 14, 403 (1991); Roberts & Teubner, Phys. Rev. E 51, 4141 (1995).

    >>> fields = GaussianFields(fraction=0.3, length=4, size=64)
    >>> fields.sample(5, seed=0).images.shape, round(fields.statistics()[0, 0].item(), 6)
    (torch.Size([5, 1, 64, 64]), 0.3)
    """

    fraction: float = 0.5
    length: float | tuple[float, float] = 6.0
    size: int = 128

    def __post_init__(self) -> None:
        _check_fraction(self.fraction)
        check_count(self.size, name="size", minimum=4)
        lengths = self.length if isinstance(self.length, (tuple, list)) else (self.length, self.length)
        if len(lengths) != 2:
            raise ValueError(f"expected length as one number above 0, or two, got {quote(self.length)}")
        for length in lengths:
            check_number(length, name="length", above=0)

    def sample(
        self, n: int, *, seed: int = 0, device: str | torch.device = "cpu", split: str = "test", index: int = 0
    ) -> FieldSample:
        generator, device = stream(n, seed, split, index), find_device(device)
        noise = torch.randn(n, 1, self.size, self.size, generator=generator, dtype=torch.float64)
        field = torch.fft.irfft2(torch.fft.rfft2(noise) * self._spectrum().sqrt(), s=noise.shape[-2:])
        images = (field > self._level()).float()
        return FieldSample(sent(images, device), sent(field.float(), device))

    def correlation(self) -> Tensor:
        """Correlation of the field with itself at all shifts, (size, size) float64; 1 at shift 0, which is [0, 0]."""
        return torch.fft.irfft2(self._spectrum(), s=(self.size, self.size))

    def statistics(self) -> Tensor:
        """The two-point statistics that the images have on average, (size, size) float64, shift 0 at [0, 0]."""
        return level_cut_statistics(self.correlation(), self.fraction)

    def _level(self) -> float:
        return -torch.special.ndtri(torch.tensor(self.fraction, dtype=torch.float64)).item()

    def _spectrum(self) -> Tensor:
        """Power of the field at each frequency of rfft2; its mean over all of fft2 is 1."""
        down, right = self.length if isinstance(self.length, (tuple, list)) else (self.length, self.length)
        rows = torch.fft.fftfreq(self.size, dtype=torch.float64)[:, None]
        columns = torch.fft.rfftfreq(self.size, dtype=torch.float64)
        power = torch.exp(-2 * math.pi**2 * ((down * rows) ** 2 + (right * columns) ** 2))
        return power / torch.fft.irfft2(power, s=(self.size, self.size))[0, 0]


def level_cut_statistics(correlation: Tensor, fraction: float) -> Tensor:
    """Two-point statistics of a Gaussian field cut at a level, from the correlation of the field.

    Two values of the field, correlated by c, both exceed the level u with the probability
    fraction^2 + 1/(2 pi) * integral over t from 0 to asin(c) of exp(-u^2 / (1 + sin t)).

    Args:
        correlation: c, in [-1, 1], of any shape.
        fraction: share of the field above the level, in (0, 1).

    Returns:
        f, same shape, float64.

    Source: Teubner (1991); for fraction 1/2 the classical 1/4 + asin(c) / (2 pi).

    >>> level_cut_statistics(torch.tensor([1.0, 0.0, -1.0]), 0.5)
    tensor([0.5000, 0.2500, 0.0000], dtype=torch.float64)
    """
    _check_fraction(fraction)
    check_field(correlation, ndim=0, name="correlation")
    if bool((correlation.abs() > 1 + 1e-4).any()):
        raise ValueError(f"expected the correlation in [-1, 1], got values up to {correlation.abs().max():.4g} in size")
    nodes, weights = (torch.from_numpy(x) for x in np.polynomial.legendre.leggauss(NODES))
    level = torch.special.ndtri(torch.tensor(fraction, dtype=torch.float64))
    angle = torch.asin(correlation.double().clamp(-1, 1))  # rounding may carry it past 1
    total = torch.zeros_like(angle)
    for node, weight in zip((nodes + 1) / 2, weights / 2):
        total += weight * torch.exp(-(level**2) / (1 + torch.sin(angle * node)))
    return (fraction**2 + angle * total / (2 * math.pi)).clamp(min=0)


@dataclass(frozen=True)
class OverlappingDiscs(Images[Sample]):
    """Discs thrown at random, one over the other: the Boolean model, periodic.

    Centres fall anywhere, independently; their number is a Poisson number. A pixel is 1 if its middle lies in a disc.

    Args:
        fraction: mean volume fraction of the discs' union.
        radius: of each disc, in pixels, at most a quarter of the size.
        size: height and width in pixels.

    Source: Torquato, Random Heterogeneous Materials (2002), section 5.1.

    >>> discs = OverlappingDiscs(fraction=0.3, radius=5, size=64)
    >>> discs.sample(5, seed=0).images.shape, round(discs.statistics()[0, 0].item(), 6)
    (torch.Size([5, 1, 64, 64]), 0.3)
    """

    fraction: float = 0.5
    radius: float = 8.0
    size: int = 128

    def __post_init__(self) -> None:
        _check_fraction(self.fraction)
        check_count(self.size, name="size", minimum=4)
        check_number(self.radius, name="radius", above=0, maximum=self.size / 4)

    @property
    def density(self) -> float:
        """Mean number of centres per pixel."""
        return -math.log1p(-self.fraction) / (math.pi * self.radius**2)

    def sample(
        self, n: int, *, seed: int = 0, device: str | torch.device = "cpu", split: str = "test", index: int = 0
    ) -> Sample:
        generator, device = stream(n, seed, split, index), find_device(device)
        mean = torch.full((n,), self.density * self.size**2, dtype=torch.float32)
        number = torch.poisson(mean, generator=generator).long()
        images = torch.zeros(n, self.size, self.size, dtype=torch.bool)
        for k in range(int(number.max())):
            centre = torch.rand(n, 2, generator=generator, dtype=torch.float64) * self.size
            images |= (_squared_distance(centre, self.size) < self.radius**2) & (number > k)[:, None, None]
        return Sample(sent(images[:, None].float(), device))

    def statistics(self) -> Tensor:
        """The two-point statistics that the images have on average, (size, size) float64, shift 0 at [0, 0].

        Neither of two points lies in a disc if no centre falls into the union of two discs around them, which has the
        probability exp(-density * area of the union).
        """
        distance = _squared_distance(torch.zeros(1, 2, dtype=torch.float64), self.size)[0].sqrt()
        empty = 1 - self.fraction
        return 1 - 2 * empty + torch.exp(-self.density * area_of_two_discs(distance, self.radius))


def area_of_two_discs(distance: Tensor, radius: float) -> Tensor:
    """Area of the union of two discs of one radius, by the distance of their centres.

    >>> area_of_two_discs(torch.tensor([0.0, 2.0]), 1.0) / torch.pi
    tensor([1., 2.])
    """
    check_number(radius, name="radius", above=0)
    check_field(distance, ndim=0, name="distance")
    if bool((distance < 0).any()):
        raise ValueError(f"expected distances of at least 0, got {distance.min():.4g}")
    half = (distance / (2 * radius)).clamp(max=1)
    return 2 * radius**2 * (math.pi - torch.acos(half) + half * (1 - half**2).sqrt())


def _squared_distance(points: Tensor, size: int) -> Tensor:
    """Squared distance on the torus from points (n, 2) to all pixels, (n, size, size)."""
    pixel = torch.arange(size, dtype=points.dtype)
    apart = (points[:, :, None] - pixel).abs()  # (n, 2, size)
    rows, columns = torch.minimum(apart, size - apart).square().unbind(1)
    return rows[:, :, None] + columns[:, None, :]


def _check_fraction(fraction: float) -> None:
    check_number(fraction, name="fraction", above=0, below=1)
