"""How different images with the same statistics are from each other, where equivalent images count as one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from microtutor.checks import check_field, check_phase, check_same_shape, describe
from microtutor.evaluation.metrics import aligned_channel_error
from microtutor.statistics import autocorrelation

PAIRS = 32  # pairs of images aligned at a time


@dataclass(frozen=True)
class Diversity:
    """Distances between realisations, beside those between images that have nothing to do with each other.

    Attributes:
        distances: mean squared pixel difference after the best shift and inversion, of each pair of realisations.
        unrelated_distances: the same of each pair of unrelated images.
        statistics_error: of each realisation, (images,); None if no target was given.
    """

    distances: Tensor
    unrelated_distances: Tensor
    statistics_error: Tensor | None = None

    @property
    def median(self) -> float:
        """Median distance of two realisations."""
        return self.distances.median().item()

    @property
    def unrelated_median(self) -> float:
        """Median distance of two unrelated images."""
        return self.unrelated_distances.median().item()

    @property
    def ratio(self) -> float:
        """Median distance of two realisations over that of two unrelated images: 0 is one image, 1 is chance.

        NaN where the unrelated images are equivalent too, so that nothing can be told.
        """
        return self.median / self.unrelated_median if self.unrelated_median else math.nan

    def __str__(self) -> str:
        error = "" if self.statistics_error is None else f"; statistics error at most {self.statistics_error.max():.1e}"
        return (
            f"median aligned distance {self.median:.3g}, of unrelated images {self.unrelated_median:.3g}, "
            f"ratio {self.ratio:.2f}{error}"
        )


def diversity(images: Tensor, unrelated: Tensor, *, target_statistics: Tensor | None = None) -> Diversity:
    """Measure how much realisations of one statistics differ, against images that are not related at all.

    Two-point statistics do not see cyclic shifts and point inversions. Images that differ by these alone are one
    realisation, not two, so each pair is compared after the best shift and inversion. What is left is judged against
    the same distance between unrelated images: even those overlap here and there when one is shifted at will.

    Args:
        images: realisations of one target, shape (n, ..., H, W), n of 2 or more; all axes but the first and the last
            two are channels, which are averaged over.
        unrelated: images of the same kind, such as other images of the data set or other parts of the micrograph, of
            about the same volume fraction, shape (m, ..., H, W), m of 2 or more.
        target_statistics: periodic autocorrelation the realisations were made for, shape (..., H, W), to state their
            error beside their diversity, without which it says little.

    Returns:
        A `Diversity`, with distances of the n (n - 1) / 2 pairs and of the m (m - 1) / 2 unrelated ones.

    Raises:
        TypeError, ValueError: no phase images, fewer than two, or of different sizes.

    >>> m = torch.zeros(4, 8, 8)
    >>> m[0, 1:3, 2:7] = m[1, 4:6, 1:6] = m[2, 1:6, 2:4] = m[3, 1, 1] = 1
    >>> diversity(m[:2], m[2:]).ratio  # two places of one bar are one realisation
    0.0
    """
    images, unrelated = check_phase(images, name="realisations"), check_phase(unrelated, name="unrelated images")
    for name, batch in (("realisations", images), ("unrelated images", unrelated)):
        if batch.ndim < 3 or len(batch) < 2:
            raise ValueError(
                f"expected {name} of shape (n, ..., height, width) with n of 2 or more, got {describe(batch)}"
            )
    check_same_shape(images[0], unrelated[0], ("the realisations", "the unrelated images"))
    error = None
    if target_statistics is not None:
        check_field(target_statistics, name="target statistics")
        f = autocorrelation(images)
        check_same_shape(f[0], target_statistics, ("the realisations", "the target statistics"))
        error = (f - target_statistics).square().flatten(1).mean(1)
    return Diversity(_pairwise(images), _pairwise(unrelated), error)


def _pairwise(images: Tensor) -> Tensor:
    """Aligned distance of every pair of images."""
    flat = images.reshape(len(images), -1, *images.shape[-2:])
    first, second = torch.triu_indices(len(images), len(images), 1, device=images.device)
    pairs = zip(first.split(PAIRS), second.split(PAIRS), strict=True)
    return torch.cat([aligned_channel_error(flat[i], flat[j]) for i, j in pairs])
