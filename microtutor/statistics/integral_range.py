"""Is a picture large enough? How well one picture tells the volume fraction of the material that it was cut from.

The variance of a mean over a picture is the sum of the covariance over all shifts. That sum is the integral range; it
is read off the same picture here, and so is the interval that the picture leaves for the material.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from scipy.special import expit, logit, ndtri, stdtrit
from torch import Tensor

from microtutor.checks import check_bool, check_number, check_phase, check_spacing, describe, level_of_the_user, quote
from microtutor.statistics.fft import (
    Boundary,
    Reach,
    boundary_of_each_axis,
    checked_mask,
    full_precision,
    keep_shifts,
    pair_counts,
    spatial_axes,
    sums_of_products,
)
from microtutor.statistics.readings import zero_shift_first

WINDOW = 2.0  # the reach is the least radius of at least so many times the root of the integral range within it
FIRST_REACH = 32  # pixels looked at first; twice as many as long as the rule asks for more
LEAST_LENGTHS = 8.0  # correlation lengths along the smallest side, for an interval to be valid
LEAST_EACH = 5.0  # independent regions that lie in the phase, and in the rest


@dataclass(frozen=True)
class Representativity:
    """What one picture, or several of one material, tell about the material's volume fraction.

    Attributes:
        fraction: volume fraction of the picture.
        low, high: interval for that of the material; NaN for a flat picture.
        confidence: of the interval.
        standard_error: of the fraction.
        integral_range: area (volume) within which the material says the same thing, in unit^ndim.
        reach: greatest length of the shifts that were summed over, in the unit.
        extent: area (volume) of all that was looked at, in unit^ndim.
        regions: number of independent regions, extent / integral_range.
        degrees: of freedom of Student's factor.
        ndim: number of spatial axes.
        valid: whether the stated rule trusts the interval.
        reason: why not; empty where it does.
        precision: wanted half-width of the interval, or None.
        side_needed: side of one square (cubic) picture that would have it, in the unit, or None.
    """

    fraction: float
    low: float
    high: float
    confidence: float
    standard_error: float
    integral_range: float
    reach: float
    extent: float
    regions: float
    degrees: float
    ndim: int
    valid: bool
    reason: str
    precision: float | None = None
    side_needed: float | None = None

    def side_for(self, precision: float) -> float:
        """Side of one square (cubic) picture whose interval would be the fraction ± precision, in the unit.

        Raises:
            TypeError, ValueError: precision is no number above 0 and below 1.

        >>> known = representativity(torch.eye(2).repeat(32, 32), precision=0.01)
        >>> known.side_for(0.01) == known.side_needed
        True
        """
        precision = check_number(precision, name="precision", above=0, below=1)
        variance = self.fraction * (1 - self.fraction) * self.integral_range
        return (float(ndtri(0.5 + self.confidence / 2)) ** 2 * variance / precision**2) ** (1 / self.ndim)

    def table(self, *, unit: str = "px") -> str:
        """The result as text, one reading a line.

        >>> print(representativity(torch.eye(2).repeat(32, 32)).table().splitlines()[0])
        volume fraction           0.5
        """
        power = "" if self.ndim == 1 else str(self.ndim)
        lines = {
            "volume fraction": f"{self.fraction:.4g}",
            f"{100 * self.confidence:g} % interval": f"{self.low:.4g} to {self.high:.4g}",
            "standard error": f"{self.standard_error:.3g}",
            "integral range": f"{self.integral_range:.4g} {unit}{power}",
            "reach": f"{self.reach:.4g} {unit}",
            "independent regions": f"{self.regions:.4g}",
            "large enough": "yes" if self.valid else f"no: {self.reason}",
        }
        if self.precision is not None:
            lines[f"side for ± {self.precision:g}"] = f"{self.side_needed:.4g} {unit}"
        return "\n".join(f"{name:<25} {text}" for name, text in lines.items())


def representativity(
    m: Tensor,
    *,
    statistics: bool = False,
    fraction: float | None = None,
    mask: Tensor | None = None,
    boundary: Boundary | Sequence[Boundary] = "open",
    ndim: int = 2,
    spacing: float | Sequence[float] = 1.0,
    precision: float | None = None,
    confidence: float = 0.95,
) -> Representativity:
    """Is a picture large enough: the interval that it leaves for the volume fraction of its material.

    Each pixel of the picture says something of its own only once within the integral range A, an area (a volume):
    A = sum over shifts of (f - φ²) / (φ - φ²), times the size of a pixel. Then φ of a picture of area V has the
    standard error sqrt(φ (1 - φ) A / V). Three things are done to read it off one picture:

    * The reach. Far shifts add noise alone, so the sum goes over shifts up to the least radius that is at least twice
      A(radius)^(1/ndim), A being the largest sum so far; at most half the smallest side.
    * The bias. f - φ² sums to 0 over all shifts, for φ is that of the same picture: it lies too low by the variance
      that is asked for. So this variance v is added back: v = S / (V² - N), with N pairs and the sum S of their
      products in reach.
    * The interval. It is φ ± t s on the scale of the logit, so that it stays in [0, 1], with Student's t for V² / N
      degrees of freedom.

    It is valid where the smallest side has at least 8 correlation lengths (over which the covariance falls to
    1/e), the reach is found within half of it, and there are 5 independent regions V / A in the phase and 5 in the
    rest; else a UserWarning says what is missing. (To ask for a number of regions alone would pick those pictures whose
    A is too small by chance. At the edge of the rule, where only a few pictures of a size pass, it still does.)
    Of 1,000 pictures of each of eight known materials, with 64 and with 128 pixels a side, 94 to 97 % of the valid
    intervals of 95 % hold the truth: `coverage.json`.

    Args:
        m: two-valued phase, 0 or 1, shape (H, W), or (n, H, W) for n pictures of one material; with ndim=3 (D, H, W).
        statistics: m is the map f of a picture instead, of the picture's shape, zero shift at index 0. A map knows less
            than its picture: its interval is less sure.
        fraction: the volume fraction of the material, if it is known: then nothing is added back.
        mask: confidence in each pixel, in [0, 1], shape (H, W) or that of m; what has none is left out.
        boundary: "open" for a picture cut from a material, "periodic" for one that goes on at its other side.
        ndim: number of spatial axes.
        spacing: size of a pixel, or one for each axis, in a unit of your own.
        precision: wanted half-width of the interval, for which to tell the side needed.
        confidence: of the interval.

    Raises:
        TypeError, ValueError: as `autocorrelation`; m has other values than 0 and 1; a map has a mask.

    Source: Lantuéjoul (1991); Kanit et al. (2003); the way to one picture alone was opened by Dahari et al. (2024).
    Windows that grow with the sum are due to Sokal, the degrees of freedom to the theory of spectra.

    >>> found = representativity(torch.eye(2).repeat(32, 32))
    >>> found.fraction, found.valid
    (0.5, True)
    """
    confidence = check_number(confidence, name="confidence", above=0, below=1)
    precision = None if precision is None else check_number(precision, name="precision", above=0, below=1)
    known = None if fraction is None else check_number(fraction, name="fraction", above=0, below=1)
    boundaries, size = boundary_of_each_axis(boundary, len(spatial_axes(ndim))), check_spacing(spacing, ndim)
    if check_bool(statistics, name="statistics"):
        phi, extent, found = _of_map(m, known, mask, boundaries, size)
    else:
        phi, extent, found = _of_pictures(m, known, mask, boundaries, size)
    result = _result(phi, extent, found, confidence, math.prod(size), len(size), precision)
    if not result.valid:
        warnings.warn(f"do not trust the interval of the volume fraction: {result.reason}", UserWarning,
                      stacklevel=level_of_the_user())  # fmt: skip
    return result


class MeanOfField(NamedTuple):
    """How sure the mean of a field over a picture is; see `variance_of_mean`."""

    variance: float
    reach: float
    degrees: float
    found: bool
    lengths: float  # correlation lengths along the smallest side


def variance_of_mean(
    field: Tensor,
    weight: Tensor | None,
    boundaries: tuple[Boundary, ...],
    size: Sequence[float],
    *,
    known: bool = False,
    least: float = 0.0,
) -> MeanOfField:
    """The variance of the mean of a field over pictures, from its covariance in them, as `representativity` says.

    Args:
        field: shape (n, H, W), less its mean, times its weight.
        weight: of each pixel, or None where all are 1.
        boundaries: one for each axis.
        size: of a pixel along each axis.
        known: the mean was not taken from these pictures.
        least: the reach is at least so long.

    >>> field = torch.eye(2).repeat(32, 32)[None] - 0.5
    >>> round(variance_of_mean(field, None, ("open", "open"), (1.0, 1.0)).variance * 64**2, 2)
    0.25
    """
    pictures, shape = len(field), field.shape[1:]
    total = float(weight.sum(dtype=torch.float64)) if weight is not None else float(field.numel())

    def sums(reach: Reach) -> tuple[Tensor, Tensor]:
        products = sums_of_products(field, field, boundaries, reach).sum(0)
        if weight is None:
            return products, pair_counts(shape, boundaries, reach, products).expand_as(products) * pictures
        return products, sums_of_products(weight, weight, boundaries, reach).sum(0)

    return _windowed(sums, shape, total, size, known, least)


def _windowed(
    sums: Callable[[Reach], tuple[Tensor, Tensor]],
    shape: torch.Size,
    total: float,
    size: Sequence[float],
    known: bool,
    least: float = 0.0,
) -> MeanOfField:
    """Sum products over growing windows of shifts, until one is as long as the rule asks."""
    pixel, sides = max(size), [n * one for n, one in zip(shape, size, strict=True)]
    limit = min((n - 1) // 2 * one for n, one in zip(shape, size, strict=True))
    longest = min(max(FIRST_REACH * pixel, least), limit)
    while True:
        products, pairs = _within(sums, longest, size, pixel)
        variance = products / (total**2 - (0 if known else pairs.clamp_max(total**2 / 2)))
        alone = float(products[0]) / total**2  # as if pixels were independent: the least there can be
        ranges = variance.clamp_min(alone) / max(alone, 1e-300) * math.prod(size)
        wanted = (WINDOW * ranges.cummax(0).values ** (1 / len(size))).clamp_min(least)
        enough = pixel * torch.arange(len(wanted)) >= wanted
        found = bool(enough.any())
        if found or longest >= limit:
            at = int(enough.int().argmax()) if found else len(wanted) - 1
            result = float(variance[at].clamp_min(alone))
            length = pixel * _decay(products, pairs, 0 if known else result)
            return MeanOfField(result, at * pixel, total**2 / float(pairs[at].clamp_min(1)), found, min(sides) / length)
        longest = min(2 * longest, limit)


def _within(
    sums: Callable[[Reach], tuple[Tensor, Tensor]], longest: float, size: Sequence[float], pixel: float
) -> tuple[Tensor, Tensor]:
    """Products and pairs, each summed over the shifts of at most 0, 1, 2, ... pixels of the longest side."""
    reach = tuple((-math.floor(longest / one + 1e-9), math.floor(longest / one + 1e-9)) for one in size)
    rings, count = _rings(reach, size, pixel), int(longest / pixel + 1e-9) + 1
    inside = rings < count
    empty = torch.zeros(count, dtype=torch.float64)
    products, pairs = (empty.index_add(0, rings[inside], x.double().cpu()[inside]).cumsum(0) for x in sums(reach))
    return products, pairs


def _decay(products: Tensor, pairs: Tensor, variance: float) -> float:
    """Where the covariance, averaged over rings, first comes down to 1/e, in rings; infinity if nowhere."""
    sums, counts = (torch.cat([x[:1], x.diff()]) for x in (products, pairs))
    rho = sums / counts.clamp_min(1e-300) + variance
    level = float(rho[0]) / math.e
    below = rho <= level
    if level <= 0 or not below.any():
        return math.inf
    after = int(below.int().argmax())
    high, low = float(rho[after - 1]), float(rho[after])
    return max(1.0, after - 1 + (high - level) / (high - low))


def _rings(reach: Reach, size: Sequence[float], pixel: float) -> Tensor:
    """The length of each shift of a window, in the longest side of a pixel, rounded up."""
    each = [one / pixel * torch.cat([torch.arange(high + 1), torch.arange(low, 0)]).double()
            for (low, high), one in zip(reach, size, strict=True)]  # fmt: skip
    squares = torch.stack(torch.meshgrid(*each, indexing="ij")).square().sum(0)
    return (squares.sqrt() - 1e-9).ceil().long()


def _of_pictures(
    m: Tensor, known: float | None, mask: Tensor | None, boundaries: tuple[Boundary, ...], size: Sequence[float]
) -> tuple[float, float, MeanOfField]:
    """Volume fraction and extent of pictures, and how sure the fraction is."""
    m = two_valued(m, len(size))
    weight = None if mask is None else checked_mask(mask, m, len(size)).to(m.dtype).expand(m.shape)
    total = float(m.numel() if weight is None else weight.sum(dtype=torch.float64))
    if not total:
        raise ValueError("expected a mask that leaves some pixels, got one that leaves none")
    phi = float((m if weight is None else m * weight).sum(dtype=torch.float64)) / total
    field = m - (phi if known is None else known)
    field = field if weight is None else field * weight
    return phi, total, variance_of_mean(field, weight, boundaries, size, known=known is not None)


def two_valued(m: Tensor, ndim: int) -> Tensor:
    """Pictures of 0 and 1 as (n, H, W), in full precision.

    Raises:
        TypeError, ValueError: other shapes, other values.

    >>> two_valued(torch.eye(2), 2).shape
    torch.Size([1, 2, 2])
    """
    m = full_precision(check_phase(m, ndim=ndim))
    if m.ndim > ndim + 1:
        m = m.flatten(0, -ndim - 1)
    if not ((m == 0) | (m == 1)).all():
        raise ValueError("expected a two-valued phase, 0 or 1, got values between; threshold it: (m > 0.5).float()")
    return m if m.ndim > ndim else m[None]


def _of_map(
    f: Tensor, known: float | None, mask: Tensor | None, boundaries: tuple[Boundary, ...], size: Sequence[float]
) -> tuple[float, float, MeanOfField]:
    """The same from the map of one picture."""
    ndim = len(size)
    f = zero_shift_first(f, ndim, False)
    if mask is not None:
        raise ValueError("expected no mask beside a map, which does not say what was masked; give the picture instead")
    if f.ndim != ndim:
        raise ValueError(f"expected the map of one picture with {ndim} axes, got {describe(f)}")
    phi = float(f[(0,) * ndim])
    if not 0 <= phi <= 1 or f.max() > phi + 1e-5:
        raise ValueError(f"expected a map with its largest value, at most 1, at shift 0, got {quote(phi)} there")
    covariance, shape = f.double() - (phi if known is None else known) ** 2, f.shape

    def sums(reach: Reach) -> tuple[Tensor, Tensor]:
        part = covariance
        for axis, shifts in zip(spatial_axes(ndim), reach, strict=True):
            part = keep_shifts(part, axis, shifts)
        pairs = pair_counts(shape, boundaries, reach, part).expand_as(part)
        return part * pairs, pairs

    return phi, float(f.numel()), _windowed(sums, shape, float(f.numel()), size, known is not None)


def _result(
    phi: float, total: float, found: MeanOfField, confidence: float, cell: float, ndim: int, precision: float | None
) -> Representativity:
    """The interval, and whether it is to be trusted."""
    spread = phi * (1 - phi)
    if spread < 1e-12:
        nan = math.nan
        reason = "the picture is all of one phase"
        return Representativity(phi, nan, nan, confidence, nan, nan, nan, total * cell, nan, nan, ndim, False, reason,
                                precision, None if precision is None else nan)  # fmt: skip
    error = math.sqrt(found.variance)
    integral_range = found.variance * total * cell / spread
    regions = total * cell / integral_range
    low, high = (float(expit(logit(phi) + sign * factor(found.degrees, confidence) * error / spread))
                 for sign in (-1, 1))  # fmt: skip
    reason = ""
    if not found.found:
        reason = f"its structure reaches further than half of its smallest side, {found.reach:g}"
    elif found.lengths < LEAST_LENGTHS:
        reason = f"its smallest side has {found.lengths:.3g} correlation lengths, and {LEAST_LENGTHS:g} are needed"
    elif regions * min(phi, 1 - phi) < LEAST_EACH:
        reason = f"of its {regions:.3g} independent regions fewer than {LEAST_EACH:g} lie in the rarer phase"
    result = Representativity(phi, low, high, confidence, error, integral_range, found.reach, total * cell, regions,
                              found.degrees, ndim, not reason, reason, precision)  # fmt: skip
    return result if precision is None else replace(result, side_needed=result.side_for(precision))


def factor(degrees: float, confidence: float) -> float:
    """Student's factor of a two-sided interval.

    >>> round(factor(9.0, 0.95), 2)
    2.26
    """
    return float(stdtrit(max(1.0, degrees), 0.5 + confidence / 2))
