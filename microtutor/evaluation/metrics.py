"""How good a reconstruction is: the paper's metrics, measured instead of judged by eye."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from microtutor.checks import check_field, check_phase, check_same_shape, describe
from microtutor.evaluation.validity import FAULTS, THRESHOLD, count_lines, line_faults, without_channel
from microtutor.losses import StatisticsLoss
from microtutor.microstructures import PAPER_SIZE, LineSample
from microtutor.models import VAE
from microtutor.models.vae import check_vae
from microtutor.statistics import cross_correlation, volume_fraction
from microtutor.statistics.fft import full_precision

PAPER = {  # arXiv 2402.11103: figure 2, appendix B, and the figures of its repository; None where it gives no number
    "1-4 lines": {
        "statistics_error_mean": 2.91e-5,
        "statistics_error_median": 1.74e-5,
        "orientation_accuracy": 0.98,
        "count_accuracy": 0.63,
        "volume_fraction_difference": 0.17,
    },
    "3-6 lines": {"statistics_error_mean": 6.31e-5, "statistics_error_median": 4.56e-5},
}
ROWS = {
    "statistics_error_mean": ("statistics error, mean", "{:.2e}"),
    "statistics_error_median": ("statistics error, median", "{:.2e}"),
    "thresholded_statistics_error_mean": ("  the same, thresholded at 0.5, mean", "{:.2e}"),
    "thresholded_statistics_error_median": ("  the same, thresholded at 0.5, median", "{:.2e}"),
    "data_error_mean": ("data-space error after best alignment", "{:.2e}"),
    "orientation_accuracy": ("orientation right", "{:.1%}"),
    "count_accuracy": ("number of lines right", "{:.1%}"),
    "valid_share": ("valid line images", "{:.1%}"),
    "volume_fraction_difference": ("volume-fraction difference", "{:.1%}"),
}


@dataclass(frozen=True)
class Evaluation:
    """The metrics of a set of reconstructions.

    Attributes:
        statistics_error_mean, statistics_error_median: over images, of the mean over all shifts of the squared
            difference of the periodic two-point autocorrelations, for the reconstruction as it comes out.
        thresholded_statistics_error_mean, thresholded_statistics_error_median: the same after thresholding at 0.5.
        data_error_mean: mean squared pixel difference after the best cyclic shift and inversion.
        orientation_accuracy: share of images whose lines run the right way, by `find_vertical`.
        count_accuracy: share of images with the right number of lines, by `count_lines`, after thresholding.
        valid_share: share of reconstructions that are line images, with none of the `line_faults`.
        volume_fraction_difference: mean of |phi - phi'| / phi after thresholding.
        faults: share of reconstructions with each of the `line_faults`; one image can have several.
        seconds_per_image: wall time of encoding, refining and decoding; None if the images were made elsewhere.
        steps: of refinement; 0 as encoded.
        per_image: the numbers behind them, one (n,) tensor each.
        data_set: which of the paper's sets the labels fit: "1-4 lines" or "3-6 lines"; the fewest and most lines that
            were drawn if they fit none of them, or both.
    """

    statistics_error_mean: float
    statistics_error_median: float
    thresholded_statistics_error_mean: float
    thresholded_statistics_error_median: float
    data_error_mean: float
    orientation_accuracy: float
    count_accuracy: float
    valid_share: float
    volume_fraction_difference: float
    images: int
    size: int
    data_set: str
    per_image: dict[str, Tensor] = field(repr=False)
    faults: dict[str, float]
    seconds_per_image: float | None = None
    steps: int = 0

    def table(self) -> str:
        """The metrics as text, beside the paper's numbers for the same set, if it is one of the paper's."""
        paper = PAPER.get(self.data_set)
        how = f", refined ({self.steps})" if self.steps else ""
        lines = [f"{self.images} images, {self.data_set}, {self.size} px{how}", f"{'':40}{'here':>10}"]
        lines += [f"{label:40}{form.format(getattr(self, name)):>10}" for name, (label, form) in ROWS.items()]
        if paper is not None:
            theirs = (form.format(paper[name]) if name in paper else "-" for name, (_, form) in ROWS.items())
            lines[1:] = [f"{line}{number:>10}" for line, number in zip(lines[1:], ["paper", *theirs], strict=True)]
        lines.append("not valid for " + ", ".join(f"{fault} {share:.1%}" for fault, share in self.faults.items()))
        if self.seconds_per_image is not None:
            lines.append(f"{self.seconds_per_image:.2g} seconds per image")
        if paper is not None and self.size != PAPER_SIZE:
            lines.append(f"(the paper's images have {PAPER_SIZE} px: compare with care)")
        return "\n".join(lines)


def evaluate(vae: VAE, sample: LineSample, *, steps: int = 0, batch_size: int = 64) -> Evaluation:
    """Reconstruct the images of a sample from their latent means, and measure the result.

    Args:
        vae: a trained VAE; if it is `canonical` the images are brought to canonical form first.
        sample: held-out images with their labels, as `LineImages.sample` draws them.
        steps: of refinement, see `VAE.reconstruct`; 0 takes the latents as they were encoded.
        batch_size: how many images are reconstructed at a time.

    Raises:
        TypeError: vae is no VAE, or sample has no labels of lines.
        ValueError: the images do not have the network's size.
    """
    check_vae(vae)
    check_labels(sample)
    begun = time.perf_counter()
    made = vae.reconstruct(sample.images, steps=steps, batch_size=batch_size)
    seconds = (time.perf_counter() - begun) / len(made)
    return replace(evaluate_reconstructions(made, sample), seconds_per_image=seconds, steps=steps)


def check_labels(sample: object) -> None:
    """Raise TypeError or ValueError unless a sample has images of lines and one label of each kind for each image."""
    images, vertical, count = (getattr(sample, name, None) for name in ("images", "vertical", "count"))
    if not (isinstance(images, Tensor) and isinstance(vertical, Tensor) and isinstance(count, Tensor)):
        raise TypeError(
            f"expected sample with images, vertical and count, as LineImages(...).sample(n) gives it, got "
            f"{describe(sample)}; for images without labels of lines take evaluate_crops"
        )
    if not vertical.shape == count.shape == images.shape[:1]:
        raise ValueError(
            f"expected one label for each of {len(images)} images, got vertical of shape {tuple(vertical.shape)} and "
            f"count of shape {tuple(count.shape)}"
        )


def evaluate_reconstructions(reconstruction: Tensor, sample: LineSample) -> Evaluation:
    """Measure reconstructions, however made, (n, 1, size, size) in [0, 1], against the images they stand for.

    >>> from microtutor.microstructures import LineImages
    >>> sample = LineImages(size=64).sample(20, seed=0)
    >>> evaluate_reconstructions(sample.images, sample).statistics_error_mean
    0.0
    """
    check_labels(sample)
    made, originals = check_phase(reconstruction, name="reconstruction").float(), check_phase(sample.images).float()
    check_same_shape(made, originals, ("the reconstructions", "the sample's images"))
    binary = (made > THRESHOLD).float()
    fraction = volume_fraction(originals)[:, 0]
    if not bool((fraction > 0).all()):
        empty = int((fraction == 0).sum())
        raise ValueError(f"expected images with a volume fraction above 0, got {empty} without it; leave them out")
    data_set = _data_set(*(int(count) for count in sample.count.aminmax()))
    faults = line_faults(binary, _numbers_of_parts(data_set, originals))
    per_image = errors_per_image(made, originals) | {
        "orientation_right": find_vertical(binary) == sample.vertical,
        "count_right": count_lines(binary) == sample.count,
        "valid": ~torch.stack([faults[fault] for fault in FAULTS]).any(0),
        "volume_fraction_difference": (volume_fraction(binary)[:, 0] - fraction).abs() / fraction,
    }
    errors: dict[str, Any] = summary_of_errors(per_image)
    return Evaluation(
        **errors,
        orientation_accuracy=per_image["orientation_right"].float().mean().item(),
        count_accuracy=per_image["count_right"].float().mean().item(),
        valid_share=per_image["valid"].float().mean().item(),
        volume_fraction_difference=per_image["volume_fraction_difference"].mean().item(),
        images=len(originals),
        size=originals.shape[-1],
        data_set=data_set,
        per_image=per_image,
        faults={fault: found.float().mean().item() for fault, found in faults.items()},
    )


def errors_per_image(made: Tensor, originals: Tensor) -> dict[str, Tensor]:
    """Statistics error as it comes out and thresholded, and aligned data error, of each of (n, 1, H, W): (n,)."""
    loss, binary = StatisticsLoss("none"), (made > THRESHOLD).float()
    return {
        "statistics_error": _in_parts(loss, made, originals)[:, 0],
        "thresholded_statistics_error": _in_parts(loss, binary, originals)[:, 0],
        "data_error": _in_parts(aligned_data_error, made, originals)[:, 0],
    }


def summary_of_errors(per_image: dict[str, Tensor]) -> dict[str, float]:
    """Means, and of the statistics errors medians too, of what `errors_per_image` gives."""
    summary = {"data_error_mean": per_image["data_error"].mean().item()}
    for name in ("statistics_error", "thresholded_statistics_error"):
        summary[f"{name}_mean"] = per_image[name].mean().item()
        summary[f"{name}_median"] = per_image[name].median().item()
    return summary


def find_vertical(images: Tensor) -> Tensor:
    """Whether lines run along the height, from the anisotropy of the two-point statistics: (n,) bool.

    Lines along the height make f large for shifts along the height: the sum of f over those shifts is compared with
    the sum over shifts along the width. (The sum over shifts along one axis is the mean of squared sums of the image
    along that axis, so no FFT is needed.)

    Args:
        images: (n, 1, H, W) in [0, 1].

    >>> image = torch.zeros(1, 1, 8, 8); image[..., 2:7, 3] = 1
    >>> find_vertical(image)
    tensor([True])
    """
    m = without_channel(images)
    return m.sum(-2).square().sum(-1) > m.sum(-1).square().sum(-1)


def aligned_data_error(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared pixel difference of two images after the best cyclic shift and inversion of one, shape (...).

    The best shift is where the cross-correlation is largest: one FFT tries them all.

    >>> image = (torch.arange(16.).reshape(4, 4) % 5 == 0).float()
    >>> aligned_data_error(image.roll(1, 0).flip((0, 1)), image)
    tensor(0.)
    """
    check_same_shape(a, b, ("the first image", "the second"))
    a, b = check_field(a, name="first image"), check_field(b, name="second image")
    return aligned_channel_error(a.unsqueeze(-3), b.unsqueeze(-3))


def aligned_channel_error(a: Tensor, b: Tensor) -> Tensor:
    """As `aligned_data_error`, of images (..., channels, H, W) with one shift and inversion for all channels."""
    a, b = full_precision(a), full_precision(b)
    overlaps = [cross_correlation(turned, b).mean(-3).amax((-2, -1)) for turned in (a, a.flip((-2, -1)))]
    axes = (-3, -2, -1)
    return (a.square().mean(axes) + b.square().mean(axes) - 2 * torch.maximum(*overlaps)).clamp_min(0)


def _data_set(fewest: int, most: int) -> str:
    """The set of the paper that numbers of lines fit, or the numbers themselves if they fit none or both."""
    if 1 <= fewest < 3 and most <= 4:
        return "1-4 lines"
    return "3-6 lines" if fewest >= 3 and 4 < most <= 6 else f"{fewest}-{most} lines"


def _numbers_of_parts(data_set: str, originals: Tensor) -> tuple[int, int]:
    """Fewest and most lines of a set; fewer where two lines of an original meet across the border of the torus."""
    fewest, most = (int(number) for number in data_set.split()[0].split("-"))
    parts = count_lines(originals)
    return min(fewest, int(parts.min())), max(most, int(parts.max()))


def _in_parts(function, a: Tensor, b: Tensor, batch_size: int = 64) -> Tensor:
    return torch.cat([function(x, y) for x, y in zip(a.split(batch_size), b.split(batch_size), strict=True)])
