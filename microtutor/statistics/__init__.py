"""Two-point statistics by the fast Fourier transform, what can be read off them, and what they cannot tell apart."""

from typing import TYPE_CHECKING, Any

from microtutor.statistics.blocks import autocorrelation_of_blocks
from microtutor.statistics.canonical import canonical_form
from microtutor.statistics.correlations import (
    Boundary,
    autocorrelation,
    cross_correlation,
    power_spectrum,
    two_point_statistics,
    volume_fraction,
)
from microtutor.statistics.layouts import from_mcrpy, from_pymks, to_mcrpy, to_pymks
from microtutor.statistics.readings import radial_average

if TYPE_CHECKING:
    from microtutor.statistics.transformer import TwoPointStatistics

__all__ = [
    "Boundary",
    "TwoPointStatistics",
    "autocorrelation",
    "autocorrelation_of_blocks",
    "canonical_form",
    "cross_correlation",
    "from_mcrpy",
    "from_pymks",
    "power_spectrum",
    "radial_average",
    "to_mcrpy",
    "to_pymks",
    "two_point_statistics",
    "volume_fraction",
]


def __getattr__(name: str) -> Any:
    if name == "TwoPointStatistics":  # scikit-learn takes a second to import, and is needed for this alone
        from microtutor.statistics.transformer import TwoPointStatistics

        return TwoPointStatistics
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
