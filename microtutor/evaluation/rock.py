"""How good reconstructions of a random material are, where there are no lines to count: rock, alloys, textures."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from microtutor.checks import check_count, check_phase, check_same_shape, check_text, describe
from microtutor.evaluation.metrics import ROWS, THRESHOLD, errors_per_image, summary_of_errors
from microtutor.losses import greyness
from microtutor.models import VAE
from microtutor.models.vae import check_vae, evaluation_mode
from microtutor.statistics import autocorrelation, chord_length_distribution, specific_surface, volume_fraction
from microtutor.streams import named_generator

OF_LINES = ("orientation_accuracy", "count_accuracy", "valid_share")
CROP_ROWS = {name: row for name, row in ROWS.items() if name not in OF_LINES} | {
    "specific_surface_difference": ("specific-surface difference", "{:.1%}"),
    "chord_length_distance": ("distance of chord lengths (px)", "{:.2f}"),
    "greyness": ("greyness, 0 for black and white", "{:.3f}"),
}


@dataclass(frozen=True)
class CropEvaluation:
    """The metrics of reconstructions of random material.

    Attributes:
        statistics_error_mean, statistics_error_median, thresholded_statistics_error_mean,
            thresholded_statistics_error_median, data_error_mean, volume_fraction_difference: as in `Evaluation`.
        specific_surface_difference: mean of |s - s'| / s after thresholding; see `readings`.
        chord_length_distance: mean of `chord_length_distance` after thresholding, in px, over the images that have
            chords at all.
        greyness: mean of 4 m (1 - m) of the reconstructions as they come out: 0 if all is black or white, 1 if all is
            half grey.
        per_image: the numbers behind them, one (n,) tensor each.
        seconds_per_image, steps: as in `Evaluation`.
    """

    statistics_error_mean: float
    statistics_error_median: float
    thresholded_statistics_error_mean: float
    thresholded_statistics_error_median: float
    data_error_mean: float
    volume_fraction_difference: float
    specific_surface_difference: float
    chord_length_distance: float
    greyness: float
    images: int
    size: int
    data_set: str
    per_image: dict[str, Tensor] = field(repr=False)
    seconds_per_image: float | None = None
    steps: int = 0

    def table(self) -> str:
        """The metrics as text."""
        how = f", refined ({self.steps})" if self.steps else ""
        lines = [f"{self.images} crops{' of ' if self.data_set else ''}{self.data_set}, {self.size} px{how}"]
        lines += [f"{label:40}{form.format(getattr(self, name)):>10}" for name, (label, form) in CROP_ROWS.items()]
        if self.seconds_per_image is not None:
            lines.append(f"{self.seconds_per_image:.2g} seconds per image")
        return "\n".join(lines)


def evaluate_crops(
    vae: VAE, images: Tensor, *, data_set: str = "", steps: int = 0, batch_size: int = 64
) -> CropEvaluation:
    """Reconstruct crops from their latent means, and measure the result.

    Args:
        vae: a trained VAE; if it is `canonical` the images are brought to canonical form first.
        images: held-out crops, (n, 1, size, size) in {0, 1}, each with both phases in it.
        data_set: a name for the table.
        steps: of refinement, see `VAE.reconstruct`; 0 takes the latents as they were encoded.
        batch_size: how many images are reconstructed at a time.

    Raises:
        TypeError: vae is no VAE, images are no tensor, or data_set is no text.
        ValueError: the images do not have the network's size.
    """
    check_vae(vae)
    check_text(data_set, name="data_set")
    begun = time.perf_counter()
    made = vae.reconstruct(images, steps=steps, batch_size=batch_size)
    seconds = (time.perf_counter() - begun) / len(made)
    evaluation = evaluate_crop_reconstructions(made, images, data_set=data_set)
    return replace(evaluation, seconds_per_image=seconds, steps=steps)


def evaluate_crop_reconstructions(reconstruction: Tensor, images: Tensor, *, data_set: str = "") -> CropEvaluation:
    """Measure reconstructions, however made, (n, 1, H, W) in [0, 1], against the images they stand for.

    >>> m = (torch.arange(64).reshape(1, 1, 8, 8) % 3 == 0).float()
    >>> evaluate_crop_reconstructions(m, m).chord_length_distance
    0.0
    """
    check_text(data_set, name="data_set")
    made, images = check_phase(reconstruction, name="reconstruction").float(), check_phase(images).float()
    check_same_shape(made, images, ("the reconstructions", "the images"))
    _check_crops(images)
    wanted = readings(images)
    if not bool(((wanted["volume_fraction"] > 0) & (wanted["volume_fraction"] < 1)).all()):
        raise ValueError("expected images with both phases in them, got some with one phase only; leave them out")
    binary = (made > THRESHOLD).float()
    found = readings(binary)
    per_image = errors_per_image(made, images) | {
        "chord_length_distance": chord_length_distance(binary, images),
        "greyness": greyness(made).flatten(),
    }
    for name in ("volume_fraction", "specific_surface"):
        per_image[f"{name}_difference"] = (found[name] - wanted[name]).abs() / wanted[name]
    summary: dict[str, Any] = summary_of_errors(per_image)
    summary |= {name: values.nanmean().item() for name, values in per_image.items() if "_error" not in name}
    return CropEvaluation(**summary, images=len(images), size=images.shape[-1], data_set=data_set, per_image=per_image)


@torch.no_grad()
def prior_samples(vae: VAE, n: int, *, seed: int = 0) -> Tensor:
    """New images from standard normal latents, and standard normal noise if the decoder takes it: (n, 1, size, size).

    They are decoded in evaluation mode, and are on the CPU.

    >>> prior_samples(VAE(latent_dim=2, size=32, channels=8), 3).shape
    torch.Size([3, 1, 32, 32])
    """
    check_vae(vae)
    check_count(n, name="n")
    check_count(seed, name="seed", minimum=0)
    numbers = vae.latent_dim + vae.noise_dim
    drawn = torch.randn(n, numbers, generator=named_generator("prior", seed), dtype=torch.float32)
    latents, noise = drawn.to(next(vae.parameters())).split([vae.latent_dim, vae.noise_dim], 1)
    with evaluation_mode(vae):
        return torch.cat([vae.decode(z, e).cpu() for z, e in zip(latents.split(64), noise.split(64))])


def readings(images: Tensor) -> dict[str, Tensor]:
    """Three numbers of each crop, all with periodic borders: what its statistics say, and the mean chord length.

    A decoder learns the statistics of the periodic image. They hold the seam where opposite borders of a crop meet, as
    surface and as cut chords. So originals are read in the same way, and the seam is in both.

    Args:
        images: (n, 1, H, W) in {0, 1}.

    Returns:
        volume_fraction, specific_surface (1/px) and mean_chord_length (px), (n,) each; a crop without the phase has a
        surface of 0 and no chords, NaN.

    >>> readings(torch.eye(4)[None, None])["mean_chord_length"]
    tensor([1.])
    """
    images = _check_crops(images)
    chords = chord_counts(images)
    lengths = torch.arange(chords.shape[-1], dtype=chords.dtype, device=chords.device)
    return {
        "volume_fraction": volume_fraction(images)[:, 0],
        "specific_surface": torch.cat([specific_surface(autocorrelation(part))[:, 0] for part in images.split(64)]),
        "mean_chord_length": (chords * lengths).sum(-1) / chords.sum(-1),
    }


def chord_length_distance(a: Tensor, b: Tensor) -> Tensor:
    """How far the chord lengths of one image are from those of another: earth mover's distance in pixels, (n,).

    It is the mean change of length that turns the chords of one image into those of the other, short ones into short
    ones, long ones into long ones: the area between both cumulative distributions. Chords along both axes count.

    Args:
        a, b: (n, 1, H, W) in {0, 1}.

    Returns:
        (n,); NaN where one of the images has no chords.

    >>> a, b = torch.zeros(2, 1, 1, 6, 6)
    >>> a[..., :2, :2] = 1  # four chords of 2 px
    >>> b[..., :3, :3] = 1  # six chords of 3 px
    >>> chord_length_distance(a, b)
    tensor([1.])
    """
    check_same_shape(_check_crops(a), _check_crops(b), ("the first images", "the second"))
    return earth_movers_distance(chord_counts(a), chord_counts(b))


def _check_crops(images: Tensor) -> Tensor:
    images = check_phase(images)
    if images.ndim != 4 or images.shape[1] != 1:
        raise ValueError(f"expected images of shape (n, 1, height, width), got {describe(images)}")
    return images


def earth_movers_distance(a: Tensor, b: Tensor) -> Tensor:
    """Earth mover's distance in pixels between numbers of chords of each length, (..., side + 1) each.

    >>> earth_movers_distance(torch.tensor([0., 1., 0., 0.]), torch.tensor([0., 0., 0., 2.]))
    tensor(2.)
    """
    cumulative = [(counts / counts.sum(-1, keepdim=True)).cumsum(-1) for counts in (a, b)]
    return (cumulative[0] - cumulative[1]).abs().sum(-1)


def chord_counts(images: Tensor) -> Tensor:
    """Numbers of chords of each length, along both axes together.

    Args:
        images: (n, 1, H, W) in {0, 1}.

    Returns:
        (n, longer side + 1); the entry at length l counts the chords of l pixels.

    >>> chord_counts(torch.eye(3)[None, None])  # one pixel in each row and each column
    tensor([[0., 6., 0., 0.]])
    """
    counts = [chord_length_distribution(images, axis=axis, counts=True)[:, 0] for axis in (-1, -2)]
    along_width, along_height = (pad(each, (0, max(images.shape[-2:]) + 1 - each.shape[-1])) for each in counts)
    return along_width + along_height
