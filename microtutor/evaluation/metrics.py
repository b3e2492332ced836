"""How good a reconstruction is: the paper's metrics, measured instead of judged by eye."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from microtutor.checks import check_field, check_phase, check_same_shape, describe
from microtutor.losses import StatisticsLoss
from microtutor.microstructures import PAPER_SIZE, LineSample
from microtutor.models import VAE
from microtutor.statistics import cross_correlation, volume_fraction
from microtutor.statistics.clusters import number_clusters
from microtutor.statistics.fft import full_precision

THRESHOLD = 0.5
SMALLEST_LINE = 100  # pixels, in a 224 px image: smaller connected pieces are not counted as lines

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
        volume_fraction_difference: mean of |phi - phi'| / phi after thresholding.
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
    volume_fraction_difference: float
    images: int
    size: int
    data_set: str
    per_image: dict[str, Tensor] = field(repr=False)

    def table(self) -> str:
        """The metrics as text, beside the paper's numbers for the same set, if it is one of the paper's."""
        paper = PAPER.get(self.data_set)
        lines = [f"{self.images} images, {self.data_set}, {self.size} px", f"{'':40}{'here':>10}"]
        lines += [f"{label:40}{form.format(getattr(self, name)):>10}" for name, (label, form) in ROWS.items()]
        if paper is None:
            return "\n".join(lines)
        theirs = ["paper", *(form.format(paper[name]) if name in paper else "-" for name, (_, form) in ROWS.items())]
        lines[1:] = [f"{line}{number:>10}" for line, number in zip(lines[1:], theirs, strict=True)]
        if self.size != PAPER_SIZE:
            lines.append(f"(the paper's images have {PAPER_SIZE} px: compare with care)")
        return "\n".join(lines)


def evaluate(vae: VAE, sample: LineSample, *, batch_size: int = 64) -> Evaluation:
    """Reconstruct the images of a sample from their latent means, and measure the result.

    Args:
        vae: a trained VAE; if it is `canonical` the images are brought to canonical form first.
        sample: held-out images with their labels, as `LineImages.sample` draws them.

    Raises:
        TypeError: vae is no VAE, or sample has no labels of lines.
        ValueError: the images do not have the network's size.
    """
    check_vae(vae)
    check_labels(sample)
    return evaluate_reconstructions(vae.reconstruct(sample.images, batch_size=batch_size), sample)


def check_vae(vae: object, *, name: str = "vae") -> None:
    """Raise TypeError unless vae is a `VAE`."""
    if not isinstance(vae, VAE):
        advice = "; load it with VAE.from_pretrained" if isinstance(vae, str) else ""
        raise TypeError(f"expected {name} as a VAE, got {describe(vae)}{advice}")


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
    per_image = errors_per_image(made, originals) | {
        "orientation_right": find_vertical(binary) == sample.vertical,
        "count_right": count_lines(binary) == sample.count,
        "volume_fraction_difference": (volume_fraction(binary)[:, 0] - fraction).abs() / fraction,
    }
    return Evaluation(
        **summary_of_errors(per_image),
        orientation_accuracy=per_image["orientation_right"].float().mean().item(),
        count_accuracy=per_image["count_right"].float().mean().item(),
        volume_fraction_difference=per_image["volume_fraction_difference"].mean().item(),
        images=len(originals),
        size=originals.shape[-1],
        data_set=_data_set(*(int(count) for count in sample.count.aminmax())),
        per_image=per_image,
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
    m = _without_channel(images)
    return m.sum(-2).square().sum(-1) > m.sum(-1).square().sum(-1)


def count_lines(images: Tensor) -> Tensor:
    """Number of connected pieces of at least 100 px (scaled with the image's area) after thresholding: (n,) int64.

    Pixels are connected by their four sides, and across opposite borders, because the statistics are periodic.

    Args:
        images: (n, 1, H, W) in [0, 1].

    >>> image = torch.zeros(1, 1, 64, 64)
    >>> image[..., 60:, 5:8] = image[..., :40, 5:8] = 1  # one line, across the border
    >>> image[..., 10:50, 30:32] = 1  # another
    >>> count_lines(image)
    tensor([2])
    """
    m = (_without_channel(images) > THRESHOLD).cpu().numpy()
    clusters, counts = number_clusters(m, ("periodic", "periodic"))
    large = np.bincount(clusters.ravel())[1:] >= SMALLEST_LINE * m[0].size / PAPER_SIZE**2
    image_of = np.repeat(np.arange(len(m)), counts)
    return torch.from_numpy(np.bincount(image_of[large], minlength=len(m))).to(images.device)


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


def _without_channel(images: Tensor) -> Tensor:
    m = check_phase(images)
    if m.ndim != 4 or m.shape[1] != 1:
        raise ValueError(f"expected images of shape (n, 1, height, width), got {describe(m)}")
    return m[:, 0]


def _in_parts(function, a: Tensor, b: Tensor, batch_size: int = 64) -> Tensor:
    return torch.cat([function(x, y) for x, y in zip(a.split(batch_size), b.split(batch_size), strict=True)])
