"""How good reconstructions of a random material are, where there are no lines to count: rock, alloys, textures."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from microtutor.checks import check_phase, check_same_shape
from microtutor.evaluation.metrics import ROWS, THRESHOLD, _in_parts, aligned_data_error
from microtutor.losses import StatisticsLoss
from microtutor.models import VAE
from microtutor.statistics import autocorrelation, volume_fraction

CROP_ROWS = {name: row for name, row in ROWS.items() if "accuracy" not in name} | {
    "specific_surface_difference": ("specific-surface difference", "{:.1%}"),
    "greyness": ("greyness, 0 for black and white", "{:.2f}"),
}


@dataclass(frozen=True)
class CropEvaluation:
    """The metrics of reconstructions of random material.

    Attributes:
        statistics_error_mean, statistics_error_median, thresholded_statistics_error_mean,
            thresholded_statistics_error_median, data_error_mean, volume_fraction_difference: as in `Evaluation`.
        specific_surface_difference: mean of |s - s'| / s after thresholding, from the periodic statistics.
        greyness: mean of 4 m (1 - m) of the reconstructions as they come out: 0 if all is black or white, 1 if all is
            half grey.
        per_image: the numbers behind them, one (n,) tensor each.
    """

    statistics_error_mean: float
    statistics_error_median: float
    thresholded_statistics_error_mean: float
    thresholded_statistics_error_median: float
    data_error_mean: float
    volume_fraction_difference: float
    specific_surface_difference: float
    greyness: float
    images: int
    size: int
    data_set: str
    per_image: dict[str, Tensor] = field(repr=False)

    def table(self) -> str:
        """The metrics as text."""
        lines = [f"{self.images} crops{' of ' if self.data_set else ''}{self.data_set}, {self.size} px"]
        lines += [f"{label:40}{form.format(getattr(self, name)):>10}" for name, (label, form) in CROP_ROWS.items()]
        return "\n".join(lines)


def evaluate_crops(vae: VAE, images: Tensor, *, data_set: str = "", batch_size: int = 64) -> CropEvaluation:
    """Reconstruct crops from their latent means, and measure the result.

    Args:
        vae: a trained VAE; if its gauge is "canonical" the images are brought to canonical form first.
        images: held-out crops, (n, 1, size, size) in {0, 1}, each with some of the phase in it.
        data_set: a name for the table.

    Raises:
        ValueError: the images do not have the network's size.
    """
    return evaluate_crop_reconstructions(vae.reconstruct(images, batch_size=batch_size), images, data_set=data_set)


def evaluate_crop_reconstructions(reconstruction: Tensor, images: Tensor, *, data_set: str = "") -> CropEvaluation:
    """Measure reconstructions, however made, (n, 1, H, W) in [0, 1], against the images they stand for.

    >>> m = (torch.arange(64).reshape(1, 1, 8, 8) % 3 == 0).float()
    >>> evaluate_crop_reconstructions(m, m).specific_surface_difference
    0.0
    """
    made, images = check_phase(reconstruction, name="reconstruction").float(), check_phase(images).float()
    check_same_shape(made, images, ("the reconstructions", "the images"))
    fraction = volume_fraction(images)[:, 0]
    if not bool(((fraction > 0) & (fraction < 1)).all()):
        raise ValueError("expected images with both phases in them, got some with one phase only; leave them out")
    binary = (made > THRESHOLD).float()
    loss, surface = StatisticsLoss("none"), _in_parts(_surfaces, binary, images)
    per_image = {
        "statistics_error": _in_parts(loss, made, images)[:, 0],
        "thresholded_statistics_error": _in_parts(loss, binary, images)[:, 0],
        "data_error": _in_parts(aligned_data_error, made, images)[:, 0],
        "volume_fraction_difference": (volume_fraction(binary)[:, 0] - fraction).abs() / fraction,
        "specific_surface_difference": (surface[:, 0] - surface[:, 1]).abs() / surface[:, 1],
        "greyness": (4 * made * (1 - made)).mean((1, 2, 3)),
    }
    summary = {}
    for name in ("statistics_error", "thresholded_statistics_error"):
        summary[f"{name}_mean"] = per_image[name].mean().item()
        summary[f"{name}_median"] = per_image[name].median().item()
    for name in ("volume_fraction_difference", "specific_surface_difference", "greyness"):
        summary[name] = per_image[name].mean().item()
    return CropEvaluation(
        **summary,
        data_error_mean=per_image["data_error"].mean().item(),
        images=len(images),
        size=images.shape[-1],
        data_set=data_set,
        per_image=per_image,
    )


def _surfaces(made: Tensor, images: Tensor) -> Tensor:
    """Specific surfaces of both, (n, 2): pi / 2 times the fall of f over one pixel, summed over both axes."""
    f = torch.stack([autocorrelation(m)[:, 0] for m in (made, images)], 1)
    return math.pi / 2 * (2 * f[..., 0, 0] - f[..., 1, 0] - f[..., 0, 1])
