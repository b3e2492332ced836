"""The closing table: what one picture says of its material in the user's unit, each number with its interval.

Every reading is a smooth function of means over the picture, of products m(x) m(x + r) or of faces between pixels. To
first order it errs as the mean of a field over the picture does: the reading's derivative by each of these means, times
the products at x. So one formula, that of `representativity`, tells how sure each reading is.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from scipy.special import fdtri
from torch import Tensor
from torch.fft import irfftn, rfftn

from microtutor.checks import check_number, check_spacing, check_text, level_of_the_user
from microtutor.statistics.directions import anisotropy, orientation
from microtutor.statistics.fft import (
    Boundary,
    Reach,
    boundary_of_each_axis,
    checked_mask,
    fast_length,
    pair_counts,
    shifts_in_reach,
    spatial_axes,
    sums_of_products,
)
from microtutor.statistics.integral_range import (
    Representativity,
    factor,
    representativity,
    two_valued,
    variance_of_mean,
)
from microtutor.statistics.readings import correlation_length

RADIUS = 0.35  # of the anisotropy, in reaches of the phase: far shifts add chance
AXES = ("depth", "height", "width")


@dataclass(frozen=True)
class Reading:
    """One row of the table.

    Attributes:
        name: what was read.
        value: NaN where it cannot be read.
        low, high: its interval; None where it has none, NaN where it is not known.
        unit: of all three; empty for a pure number.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    unit: str = ""


@dataclass(frozen=True)
class Summary:
    """What a picture says of its material, as a table.

    Attributes:
        readings: the rows, in order.
        representativity: whether the picture is large enough, and its integral range.
    """

    readings: tuple[Reading, ...]
    representativity: Representativity

    def rows(self) -> list[dict[str, Any]]:
        """The rows as dictionaries of name, value, low, high and unit, for a CSV file or JSON.

        >>> summarise(torch.eye(2).repeat(32, 32)).rows()[0]["value"]
        0.5
        """
        return [asdict(reading) for reading in self.readings]

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """The rows by their names, with None in place of NaN and infinity, which JSON does not know.

        >>> summarise(torch.eye(2).repeat(32, 32)).as_dict()["volume fraction"]["unit"]
        ''
        """
        known = [{k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
                 for row in self.rows()]  # fmt: skip
        return {str(row.pop("name")): row for row in known}

    def table(self) -> str:
        """The rows as text, with a last line that says whether the picture is large enough.

        >>> summarise(torch.eye(2).repeat(32, 32)).table().splitlines()[1].split()[:4]
        ['volume', 'fraction', '0.5', '0.4843']
        """
        percent = f"{100 * self.representativity.confidence:g} % interval"
        lines = [f"{'':<36} {'value':>7}  {percent}"]
        for one in self.readings:
            interval = "" if one.low is None else f"{one.low:.4g} to {one.high:.4g}"
            lines.append(f"{one.name:<36} {one.value:>7.4g}  {interval:<20} {one.unit}".rstrip())
        reason = self.representativity.reason
        return "\n".join([*lines, f"large enough: {'no, ' + reason if reason else 'yes'}"])


def summarise(
    m: Tensor,
    *,
    mask: Tensor | None = None,
    spacing: float | Sequence[float] = 1.0,
    unit: str = "px",
    boundary: Boundary | Sequence[Boundary] = "open",
    max_shift: int | None = None,
    ndim: int = 2,
    confidence: float = 0.95,
) -> Summary:
    """The closing table of a picture: volume fraction, lengths, surface, chords and direction, each with its interval.

    * Volume fraction, with the interval of `representativity`.
    * Correlation length: where the covariance comes down to 1/e, averaged over directions, and along each axis alone.
    * Surface per area (volume), from the faces between pixels of an interface that faces all directions alike, as
      "isotropic" of `specific_surface`.
    * Mean chord of the phase and of the rest: the mean length of the runs of pixels along the axes, 2 φ and 2 (1 - φ)
      over the faces per length. Chords that the border cuts do not make it too short.
    * Anisotropy, and the direction in which the structure is longest (in two dimensions). A sample without preferred
      direction has some anisotropy by chance; then the interval begins at 0, and that of the direction is all angles.
      In three dimensions they have no interval.

    Then, without interval, the size of the picture, the share that is masked, the greatest shift and the spacing.
    How many of 200 pictures of known materials have the truth in their intervals of 95 % is recorded in
    `coverage.json`: 94 to 97 % for volume fraction and 95 to 98 % for surface, but 90 to 99 % for correlation lengths,
    92 to 100 % for chords and 89 to 98 % for anisotropy. Of mosaics, whose cuts run through the whole picture, all but
    the volume fraction come out too sure, with 69 to 81 %: their far parts are not independent, as the formula takes
    for granted.

    Args:
        m: two-valued phase, 0 or 1, shape (H, W), or (n, H, W) for n pictures of one material; with ndim=3 (D, H, W).
        mask: confidence in each pixel, in [0, 1], shape (H, W) or that of m; what has none is left out everywhere.
        spacing: size of a pixel, or one for each axis, in the unit.
        unit: what to call it in the table.
        boundary: "open" for a picture cut from a material, "periodic" for one that goes on at its other side.
        max_shift: greatest shift to look at, in pixels; by default the reach of `representativity`.
        ndim: number of spatial axes.
        confidence: of the intervals.

    Returns:
        A Summary. Readings are NaN, with one warning, for a picture that is all of one phase.

    Raises:
        TypeError, ValueError: as `representativity`; max_shift is more than half a side.

    >>> found = summarise(torch.eye(2).repeat(32, 32), unit="µm", spacing=0.5)
    >>> found.as_dict()["mean chord of the phase"]["value"]
    0.5
    """
    unit, size = check_text(unit, name="unit"), check_spacing(spacing, len(spatial_axes(ndim)))
    boundaries = boundary_of_each_axis(boundary, ndim)
    confidence = check_number(confidence, name="confidence", above=0, below=1)
    m = two_valued(m, ndim)
    if max_shift is not None:
        shifts_in_reach(m.shape[1:], max_shift)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = representativity(m, mask=mask, boundary=boundaries, ndim=ndim, spacing=size, confidence=confidence)
    for one in caught:
        warnings.warn(str(one.message), one.category, stacklevel=level_of_the_user())
    weight = None if mask is None else checked_mask(mask, m, ndim).to(m.dtype).expand(m.shape)
    if max_shift is None:
        reach = math.ceil(found.reach / min(size)) if math.isfinite(found.reach) else 1
        max_shift = min(max(reach, 1), *((n - 1) // 2 for n in m.shape[1:]))
    picture = _Picture(m, weight, boundaries, size, max_shift, confidence, found)
    readings = [
        Reading("volume fraction", found.fraction, found.low, found.high),
        *picture.lengths(unit),
        *picture.faces(unit),
        *picture.directions(),
        *picture.about(unit),
    ]
    return Summary(tuple(readings), found)


class _Picture:
    """A picture with its statistics, and what is needed to tell how sure readings of them are."""

    def __init__(
        self,
        m: Tensor,
        weight: Tensor | None,
        boundaries: tuple[Boundary, ...],
        size: Sequence[float],
        max_shift: int,
        confidence: float,
        found: Representativity,
    ):
        self.m, self.weight, self.boundaries, self.size, self.found = m, weight, boundaries, size, found
        self.max_shift, self.confidence, self.ndim = max_shift, confidence, len(size)
        self.flat = math.isnan(found.low)
        self.seen = m if weight is None else m * weight
        self.total = float(m.numel() if weight is None else weight.sum(dtype=torch.float64))
        reach: Reach = ((-max_shift, max_shift),) * self.ndim
        products = sums_of_products(self.seen, self.seen, boundaries, reach).sum(0).double()
        if weight is None:
            self.pairs = pair_counts(m.shape[1:], boundaries, reach, products).expand_as(products) * len(m)
        else:
            self.pairs = sums_of_products(weight, weight, boundaries, reach).sum(0).double()
        self.f = torch.where(self.pairs > 0.5, products / self.pairs.clamp_min(0.5), torch.nan)
        self.spectra: dict[int, Tensor] = {}

    # --- readings ---
    def lengths(self, unit: str) -> list[Reading]:
        """Correlation lengths, averaged over directions and along each axis."""

        def level(f: Tensor) -> Tensor:
            # φ², less the variance of φ: else the covariance would lie too low, as φ is that of the same picture.
            phi = f[(0,) * self.ndim]
            return (phi.square() - self.found.standard_error**2).clamp_min(0).sqrt()

        def mean(f: Tensor) -> Tensor:
            return correlation_length(f, fraction=level(f), ndim=self.ndim, spacing=self.size)

        def along(axis: int) -> Callable[[Tensor], Tensor]:
            place = tuple(slice(None) if k == axis else 0 for k in range(self.ndim))
            return lambda f: correlation_length(f[place], fraction=level(f), ndim=1, spacing=self.size[axis])

        names = AXES[-self.ndim :]
        readings = {"correlation length": mean}
        readings |= {f"correlation length along the {name}": along(axis) for axis, name in enumerate(names)}
        return [self._positive(name, *self._read(reading), unit) for name, reading in readings.items()]

    def faces(self, unit: str) -> list[Reading]:
        """Surface per area or volume, and mean chords."""
        phi, total = self.found.fraction, 0.0
        field = torch.zeros_like(self.m)
        for axis, (one, boundary) in enumerate(zip(self.size, self.boundaries, strict=True), 1):
            n = self.m.shape[axis] if boundary == "periodic" else self.m.shape[axis] - 1
            here, there = (x.narrow(axis, 0, n) for x in (self.m, self.m.roll(-1, axis)))
            faces = (here - there).abs()
            both = torch.ones_like(faces)
            if self.weight is not None:
                both = self.weight.narrow(axis, 0, n) * self.weight.roll(-1, axis).narrow(axis, 0, n)
            pairs = float(both.sum(dtype=torch.float64)) if n else 0.0
            if pairs:
                density = float((faces * both).sum(dtype=torch.float64)) / pairs
                field.narrow(axis, 0, n).add_((faces - density) * both, alpha=self.total / pairs / one)
                total += density / one
        share = self.seen - (phi if self.weight is None else phi * self.weight)
        cosine = math.gamma(self.ndim / 2) / (math.sqrt(math.pi) * math.gamma((self.ndim + 1) / 2))
        scale = 1 / (self.ndim * cosine)
        word = {1: "length", 2: "area", 3: "volume"}.get(self.ndim, "volume")
        rows = [self._positive(f"surface per {word}", scale * total, scale * field, f"1/{unit}")]
        for name, part, sign in (("of the phase", phi, 1), ("of the rest", 1 - phi, -1)):
            chord = 2 * part * self.ndim / total if total else math.nan
            relative = sign * share / (part or 1) - field / (total or 1)
            rows.append(self._positive(f"mean chord {name}", chord, chord * relative, unit))
        return rows

    def directions(self) -> list[Reading]:
        """Anisotropy, and in two dimensions its direction."""
        if self.ndim == 1:
            return []
        options: dict[str, Any] = {"ndim": self.ndim, "spacing": self.size, "radius": RADIUS * self.found.reach}
        if self.flat or self.ndim > 2:
            value = math.nan if self.flat else float(anisotropy(self.f, **options))
            return [Reading("anisotropy", value), *([Reading("direction", value, unit="degrees")] * (self.ndim == 2))]
        value, error, degrees = self._error(*self._read(lambda f: anisotropy(f, **options)))
        half = factor(degrees, self.confidence) * error
        # An anisotropy is the length of a vector of two errors: near 0 it is that length which must exceed chance.
        some = value > math.sqrt(2 * float(fdtri(2, max(1.0, degrees), self.confidence))) * error
        rows = [Reading("anisotropy", value, max(0.0, value - half) if some else 0.0, min(1.0, value + half))]
        angle, error, degrees = self._error(*self._read(lambda f: orientation(f, **options)))
        half = min(90.0, factor(degrees, self.confidence) * error) if some else 90.0
        return [*rows, Reading("direction", angle, angle - half, angle + half, "degrees")]

    def about(self, unit: str) -> list[Reading]:
        """What was looked at: no intervals."""
        names, shape = AXES[-self.ndim :], self.m.shape[1:]
        rows = [Reading(f"image {name}", n * one, unit=unit) for name, n, one in zip(names, shape, self.size)]
        rows += [Reading(f"spacing along the {name}", one, unit=unit) for name, one in zip(names, self.size)]
        masked = 1 - self.total / self.m.numel()
        return [*rows, Reading("share masked", masked), Reading("reach", self.max_shift * max(self.size), unit=unit)]

    # --- how sure they are ---
    def _read(self, reading: Callable[[Tensor], Tensor]) -> tuple[float, Tensor]:
        """A reading of the statistics, and the field whose mean over the picture errs as the reading does."""
        if self.flat:
            return math.nan, self.m
        with torch.inference_mode(False), torch.enable_grad():  # the derivative is needed, whatever the caller asks for
            f = self.f.clone().requires_grad_()
            value = reading(f)
            if not bool(value.isfinite()):
                return math.nan, self.m
            (slope,) = torch.autograd.grad(value, f)
        slope = (slope.nan_to_num() * self.total / self.pairs.clamp_min(0.5)).detach()
        return float(value.detach()), self._weighted_neighbours(slope)

    def _weighted_neighbours(self, slope: Tensor) -> Tensor:
        """At each pixel x the sum over shifts r of slope(r) (m(x) m(x + r) - f(r)), over the pairs in the picture."""
        level = slope * self.f.nan_to_num()
        if self.weight is None:
            return self.m * self._correlated(self.m, slope, 0) - self._pairs_inside(level)
        field = self.seen * self._correlated(self.seen, slope, 0)
        return field - self.weight * self._correlated(self.weight, level, 1)

    def _correlated(self, image: Tensor, kernel: Tensor, key: int) -> Tensor:
        """At each pixel x the sum over shifts r of kernel(r) image(x + r), with 0 beyond an open border."""
        axes, shape = spatial_axes(self.ndim), self.m.shape[1:]
        lengths = tuple(n if boundary == "periodic" else fast_length(n + self.max_shift)
                        for n, boundary in zip(shape, self.boundaries, strict=True))  # fmt: skip
        if key not in self.spectra:  # the same for all readings
            self.spectra[key] = rfftn(image, s=lengths, dim=axes)
        whole, shifts = image.new_zeros(lengths), self._shifts()
        whole[torch.meshgrid(*(shifts % n for n in lengths), indexing="ij")] = kernel.to(image)
        sums = irfftn(rfftn(whole).conj_physical_().mul(self.spectra[key]), s=lengths, dim=axes)
        return sums[(slice(None), *(slice(0, n) for n in shape))]

    def _pairs_inside(self, kernel: Tensor) -> Tensor:
        """At each pixel x the sum of kernel(r) over those shifts r for which x + r is in the picture."""
        for n, boundary in zip(self.m.shape[1:], self.boundaries, strict=True):
            there = torch.arange(n)[:, None] + self._shifts()
            inside = ((there >= 0) & (there < n)) | (boundary == "periodic")
            kernel = kernel.to(self.m).movedim(0, -1) @ inside.to(self.m).T  # once for each axis: in order again
        return kernel

    def _shifts(self) -> Tensor:
        return torch.cat([torch.arange(self.max_shift + 1), torch.arange(-self.max_shift, 0)])

    def _error(self, value: float, field: Tensor) -> tuple[float, float, float]:
        """Value, standard error and degrees of freedom of a reading."""
        if math.isnan(value):
            return value, math.nan, 1.0
        sure = variance_of_mean(field, self.weight, self.boundaries, self.size, least=self.found.reach)
        return value, math.sqrt(sure.variance), sure.degrees

    def _positive(self, name: str, value: float, field: Tensor, unit: str) -> Reading:
        """A row for a reading above 0, with its interval on a scale of logarithms."""
        if self.flat or not value > 0:
            return Reading(name, math.nan, math.nan, math.nan, unit)
        value, error, degrees = self._error(value, field)
        ratio = math.exp(min(50.0, factor(degrees, self.confidence) * error / value))
        return Reading(name, value, value / ratio, value * ratio, unit)
