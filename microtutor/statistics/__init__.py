"""Two-point statistics by the fast Fourier transform, what can be read off them, and what they cannot tell apart."""

from microtutor.statistics.blocks import autocorrelation_of_blocks
from microtutor.statistics.canonical import canonical_form
from microtutor.statistics.correlations import (
    Boundary,
    autocorrelation,
    cross_correlation,
    power_spectrum,
    radial_average,
    two_point_statistics,
    volume_fraction,
)

__all__ = [
    "Boundary",
    "autocorrelation",
    "autocorrelation_of_blocks",
    "canonical_form",
    "cross_correlation",
    "power_spectrum",
    "radial_average",
    "two_point_statistics",
    "volume_fraction",
]
