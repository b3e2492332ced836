"""Structures whose two-point statistics are known in closed form: to learn on, and to test against.

Each class has `statistics()`, f at all shifts, (size, size) float64, shift 0 at [0, 0]. What is drawn once and for all
has `image()`, of which they are the statistics exactly; what is drawn at random has `sample(n)`, and they are the mean
over all images that can come. Both hold on the grid of pixels, not just as pixels get small. Every image is periodic.
`specific_surface` is the length of the interface per area, in 1/px: of the faces of pixels where the structure is made
of squares; of the smooth curve where it is one, and that alone holds only in the limit of small pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import ellipe
from torch import Tensor

from microtutor.checks import check_bool, check_count, check_field, check_number, quote
from microtutor.environment import find_device
from microtutor.microstructures.samples import Images, Sample, sent, stream

NODES = 64  # of the quadrature: exact to rounding for every fraction


# --- drawn once and for all ---
@dataclass(frozen=True)
class Laminate:
    """Straight layers that repeat: f is a row of triangles across the layers, and the same for every shift along them.

    Its effective properties are known: `laminate_conductivity` and `laminate_stiffness` of `microtutor.properties`.

    Args:
        thickness: of a layer, in pixels.
        period: from one layer to the next, in pixels, more than the thickness.
        size: height and width in pixels, a multiple of the period.
        vertical: whether the layers stand upright, one beside the other; else they lie one above the other.

    >>> laminate = Laminate(thickness=1, period=4, size=4)
    >>> laminate.image()[0], laminate.statistics()[0]
    (tensor([1., 0., 0., 0.]), tensor([0.2500, 0.0000, 0.0000, 0.0000], dtype=torch.float64))
    """

    thickness: int = 4
    period: int = 16
    size: int = 64
    vertical: bool = True

    def __post_init__(self) -> None:
        check_count(self.period, name="period", minimum=2)
        check_count(self.thickness, name="thickness", below=self.period)
        _check_repeats(self.size, self.period, "the period")
        check_bool(self.vertical, name="vertical")

    @property
    def fraction(self) -> float:
        """Volume fraction."""
        return self.thickness / self.period

    @property
    def specific_surface(self) -> float:
        """Length of the interface per area, in 1/px."""
        return 2 / self.period

    def image(self) -> Tensor:
        """The image, (size, size) float32."""
        layer = (torch.arange(self.size) % self.period < self.thickness).float()
        return self._turned(layer)

    def statistics(self) -> Tensor:
        """The two-point statistics at all shifts, (size, size) float64, shift 0 at [0, 0]."""
        return self._turned(_overlap(self.thickness, self.period, self.size))

    def _turned(self, row: Tensor) -> Tensor:
        rows = row.repeat(self.size, 1)
        return rows if self.vertical else rows.T.contiguous()


@dataclass(frozen=True)
class Checkerboard:
    """Squares of two colours in turn: f = (1 + T(down) T(right)) / 4, with a triangle wave T from 1 to -1.

    Args:
        cell: side of a square, in pixels.
        size: height and width in pixels, a multiple of two squares.

    >>> board = Checkerboard(cell=1, size=2)
    >>> board.image(), board.statistics()
    (tensor([[1., 0.],
            [0., 1.]]), tensor([[0.5000, 0.0000],
            [0.0000, 0.5000]], dtype=torch.float64))
    """

    cell: int = 8
    size: int = 64

    def __post_init__(self) -> None:
        check_count(self.cell, name="cell")
        _check_repeats(self.size, 2 * self.cell, "two squares")

    @property
    def fraction(self) -> float:
        """Volume fraction."""
        return 0.5

    @property
    def specific_surface(self) -> float:
        """Length of the interface per area, in 1/px."""
        return 2 / self.cell

    def image(self) -> Tensor:
        """The image, (size, size) float32; black in its first pixel."""
        stripe = torch.arange(self.size) // self.cell % 2
        return (stripe[:, None] == stripe).float()

    def statistics(self) -> Tensor:
        """The two-point statistics at all shifts, (size, size) float64, shift 0 at [0, 0]."""
        wave = 4 * _overlap(self.cell, 2 * self.cell, self.size) - 1  # of stripes of +1 and -1 with themselves
        return (1 + wave[:, None] * wave) / 4


@dataclass(frozen=True)
class Rectangle:
    """One rectangle, or a line if it is thin: f is the product of two triangles.

    Args:
        height, width: of the rectangle, in pixels, at most the size.
        size: height and width of the image in pixels.

    >>> Rectangle(height=1, width=2, size=4).statistics()[0] * 16
    tensor([2., 1., 0., 1.], dtype=torch.float64)
    """

    height: int = 24
    width: int = 5
    size: int = 64

    def __post_init__(self) -> None:
        check_count(self.size, name="size")
        check_count(self.height, name="height", below=self.size + 1)
        check_count(self.width, name="width", below=self.size + 1)

    @property
    def fraction(self) -> float:
        """Volume fraction."""
        return self.height * self.width / self.size**2

    @property
    def specific_surface(self) -> float:
        """Length of the interface per area, in 1/px; a side as long as the image has no ends."""
        ends = 2 * self.width * (self.height < self.size) + 2 * self.height * (self.width < self.size)
        return ends / self.size**2

    def image(self) -> Tensor:
        """The image, (size, size) float32; the rectangle fills its upper left corner."""
        place = torch.arange(self.size)
        return ((place < self.height)[:, None] & (place < self.width)).float()

    def statistics(self) -> Tensor:
        """The two-point statistics at all shifts, (size, size) float64, shift 0 at [0, 0]."""
        down, right = (_overlap(side, self.size, self.size) for side in (self.height, self.width))
        return down[:, None] * right


def _overlap(thickness: int, period: int, size: int) -> Tensor:
    """Share of the places on a line that lie in a layer and, moved by 0, 1, ..., size - 1, in a layer again.

    Moved by d < period, a layer still overlaps itself on thickness - d pixels, and the next one on
    thickness - (period - d), where these are above 0.
    """
    d = torch.arange(size, dtype=torch.float64) % period
    return ((thickness - d).clamp(min=0) + (thickness - (period - d)).clamp(min=0)) / period


# --- drawn at random, pixel by pixel or cell by cell ---
@dataclass(frozen=True)
class IndependentPixels(Images[Sample]):
    """Noise: every pixel is in the phase with the same chance, whatever the others are.

    So f is the fraction at shift 0 and its square at every other shift.

    Args:
        fraction: mean volume fraction.
        size: height and width in pixels.

    >>> IndependentPixels(fraction=0.5, size=4).statistics()[0]
    tensor([0.5000, 0.2500, 0.2500, 0.2500], dtype=torch.float64)
    """

    fraction: float = 0.5
    size: int = 64

    def __post_init__(self) -> None:
        _check_fraction(self.fraction)
        check_count(self.size, name="size", minimum=4)

    @property
    def specific_surface(self) -> float:
        """Mean length of the interface per area, in 1/px."""
        return 4 * self.fraction * (1 - self.fraction)

    def sample(
        self, n: int, *, seed: int = 0, device: str | torch.device = "cpu", split: str = "test", index: int = 0
    ) -> Sample:
        """Draw n images; the arguments are those of `Images.sample`."""
        generator, device = stream(n, seed, split, index), find_device(device)
        noise = torch.rand(n, 1, self.size, self.size, generator=generator, dtype=torch.float64)
        return Sample(sent((noise < self.fraction).float(), device))

    def statistics(self) -> Tensor:
        """The two-point statistics that the images have on average, (size, size) float64, shift 0 at [0, 0]."""
        f = torch.full((self.size, self.size), self.fraction**2, dtype=torch.float64)
        f[0, 0] = self.fraction
        return f


@dataclass(frozen=True)
class RandomMosaic(Images[Sample]):
    """Rectangular cells of random sides, each in the phase or not by chance: f falls off exponentially.

    Between any two neighbouring columns there is a cut with the chance 1 - exp(-1 / length), and likewise between rows.
    Pixels with a cut between them are of independent colours, others are of one. Around the ring of N columns there
    are two ways from a pixel to another, and so none is cut between them with the chance
    S(d) = exp(-d / length) + exp(-(N - d) / length) - exp(-N / length), and
    f = fraction^2 + fraction (1 - fraction) S(down) S(right).

    Args:
        fraction: mean volume fraction.
        length: over which f falls off to 1/e along an axis, in pixels.
        size: height and width in pixels.

    Source: Debye, Anderson & Brumberger (1957), for media with an exponential; Torquato (2002), chapter 8, for cells.

    >>> RandomMosaic(fraction=0.5, length=1, size=64).statistics()[0, :3] - 0.25  # 1/4 of 1, 1/e, 1/e^2
    tensor([0.2500, 0.0920, 0.0338], dtype=torch.float64)
    """

    fraction: float = 0.5
    length: float = 8.0
    size: int = 128

    def __post_init__(self) -> None:
        _check_fraction(self.fraction)
        check_number(self.length, name="length", above=0)
        check_count(self.size, name="size", minimum=4)

    @property
    def specific_surface(self) -> float:
        """Mean length of the interface per area, in 1/px."""
        return 4 * self.fraction * (1 - self.fraction) * (1 - self._uncut()[1].item())

    def sample(
        self, n: int, *, seed: int = 0, device: str | torch.device = "cpu", split: str = "test", index: int = 0
    ) -> Sample:
        """Draw n images; the arguments are those of `Images.sample`."""
        generator, device = stream(n, seed, split, index), find_device(device)
        cuts = torch.rand(2, n, self.size, generator=generator, dtype=torch.float64) >= math.exp(-1 / self.length)
        number = cuts.cumsum(-1) % cuts.sum(-1, keepdim=True).clamp(min=1)  # the last cell is the first one, wrapped
        colours = torch.rand(n, self.size, self.size, generator=generator, dtype=torch.float64) < self.fraction
        images = colours[torch.arange(n)[:, None, None], number[0, :, :, None], number[1, :, None, :]]
        return Sample(sent(images[:, None].float(), device))

    def statistics(self) -> Tensor:
        """The two-point statistics that the images have on average, (size, size) float64, shift 0 at [0, 0]."""
        uncut = self._uncut()
        return self.fraction**2 + self.fraction * (1 - self.fraction) * uncut[:, None] * uncut

    def _uncut(self) -> Tensor:
        """The chance that one of the two ways to a pixel d further along a ring has no cut, (size,)."""
        d = torch.arange(self.size, dtype=torch.float64)
        one, other = torch.exp(-d / self.length), torch.exp(-(self.size - d) / self.length)
        return one + other - one * other


# --- smooth textures ---
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
        lengths = self._lengths()
        if len(lengths) != 2:
            raise ValueError(f"expected length as one number above 0, or two, got {quote(self.length)}")
        for length in lengths:
            check_number(length, name="length", above=0)

    def sample(
        self, n: int, *, seed: int = 0, device: str | torch.device = "cpu", split: str = "test", index: int = 0
    ) -> FieldSample:
        """Draw n images and the fields they are cut from; the arguments are those of `Images.sample`."""
        generator, device = stream(n, seed, split, index), find_device(device)
        noise = torch.randn(n, 1, self.size, self.size, generator=generator, dtype=torch.float64)
        field = torch.fft.irfft2(torch.fft.rfft2(noise) * self._spectrum().sqrt(), s=noise.shape[-2:])
        images = (field > self._level()).float()
        return FieldSample(sent(images, device), sent(field.float(), device))

    def correlation(self) -> Tensor:
        """Correlation of the field with itself at all shifts, (size, size) float64; 1 at shift 0, which is [0, 0]."""
        return torch.fft.irfft2(self._spectrum(), s=(self.size, self.size))

    @property
    def specific_surface(self) -> float:
        """Mean length of the smooth interface per area, in 1/px: exp(-u^2 / 2) / (2 length) at the level u.

        With two lengths, a complete elliptic integral takes the place of pi / 2. Source: Rice's formula in the plane.
        """
        short, long = sorted(self._lengths())
        return math.exp(-(self._level() ** 2) / 2) / (math.pi * short) * float(ellipe(1 - (short / long) ** 2))

    def statistics(self) -> Tensor:
        """The two-point statistics that the images have on average, (size, size) float64, shift 0 at [0, 0]."""
        return level_cut_statistics(self.correlation(), self.fraction)

    def _lengths(self) -> Sequence[float]:
        return self.length if isinstance(self.length, (tuple, list)) else (self.length, self.length)

    def _level(self) -> float:
        return -torch.special.ndtri(torch.tensor(self.fraction, dtype=torch.float64)).item()

    def _spectrum(self) -> Tensor:
        """Power of the field at each frequency of rfft2; its mean over all of fft2 is 1."""
        down, right = self._lengths()
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

    @property
    def specific_surface(self) -> float:
        """Mean length of the smooth interface per area, in 1/px: of each rim the part that no other disc covers."""
        return self.density * 2 * math.pi * self.radius * (1 - self.fraction)

    def sample(
        self, n: int, *, seed: int = 0, device: str | torch.device = "cpu", split: str = "test", index: int = 0
    ) -> Sample:
        """Draw n images; the arguments are those of `Images.sample`."""
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
        half = (distance / (2 * self.radius)).clamp(max=1)  # 1 where the two discs are apart
        union = 2 * self.radius**2 * (math.pi - torch.acos(half) + half * (1 - half**2).sqrt())
        return 1 - 2 * (1 - self.fraction) + torch.exp(-self.density * union)


def _squared_distance(points: Tensor, size: int) -> Tensor:
    """Squared distance on the torus from points (n, 2) to all pixels, (n, size, size)."""
    pixel = torch.arange(size, dtype=points.dtype)
    apart = (points[:, :, None] - pixel).abs()  # (n, 2, size)
    rows, columns = torch.minimum(apart, size - apart).square().unbind(1)
    return rows[:, :, None] + columns[:, None, :]


def _check_fraction(fraction: float) -> None:
    check_number(fraction, name="fraction", above=0, below=1)


def _check_repeats(size: int, step: int, of: str) -> None:
    if check_count(size, name="size", minimum=step) % step:
        raise ValueError(f"expected size as a multiple of {of}, {step} px, so that the image repeats, got {size}")
