"""Is a picture a line image at all? A number of lines can be right in a picture full of dust."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from microtutor.checks import check_phase, describe
from microtutor.microstructures import PAPER_SIZE, LineImages
from microtutor.statistics.clusters import number_clusters

THRESHOLD = 0.5
SMALLEST_LINE = 100  # pixels, in a 224 px image: smaller connected parts are no lines
MOST_DUST = 20  # pixels of such parts together, in a 224 px image
LEAST_FILLED = (0.7, 0.6)  # share of its box that a line fills; the second below 128 px, where a line is 2 to 3 px wide
FAULTS = ("dust", "rough", "mixed", "count")


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
    phase = (without_channel(images) > THRESHOLD).cpu().numpy()
    _, image_of, pixels = _parts(phase)
    large = pixels >= SMALLEST_LINE * phase[0].size / PAPER_SIZE**2
    return torch.from_numpy(np.bincount(image_of[large], minlength=len(phase))).to(images.device)


def line_faults(images: Tensor, count: tuple[int, int] = (1, 4)) -> dict[str, Tensor]:
    """What keeps images from being line images, each fault on its own: a dict of (n,) bool, True where it is found.

    Images are cut at 0.5, and looked at on the torus, as their statistics are periodic:

    - "dust": connected parts of fewer than 100 px hold more than 20 px together (224 px images; scaled with the area),
    - "rough": a larger part fills less than 0.7 of the smallest box around it (0.6 in images below 128 px),
    - "mixed": some parts are taller than wide, others wider than tall,
    - "count": there are fewer or more parts than the set has lines.

    Args:
        images: (n, 1, H, W) in [0, 1].
        count: fewest and most lines of the set; see `LineImages`.

    Raises:
        TypeError, ValueError: images are not such, or count is no pair.

    >>> image = torch.zeros(1, 1, 64, 64)
    >>> image[..., 10:50, 30:33] = 1
    >>> {fault: found.item() for fault, found in line_faults(image).items()}
    {'dust': False, 'rough': False, 'mixed': False, 'count': False}
    >>> image[..., ::4, 5] = 1  # sixteen specks
    >>> line_faults(image)["dust"]
    tensor([True])
    """
    fewest, most = LineImages(count).count
    phase = (without_channel(images) > THRESHOLD).cpu().numpy()
    clusters, image_of, pixels = _parts(phase)
    scale = phase[0].size / PAPER_SIZE**2
    line = pixels >= SMALLEST_LINE * scale
    height, width = (_extent(clusters, len(pixels), axis) for axis in (1, 2))
    rough = pixels < LEAST_FILLED[min(phase.shape[1:]) < 128] * height * width

    def of_images(found: np.ndarray) -> np.ndarray:
        return np.bincount(image_of[found], minlength=len(phase))

    dust = np.bincount(image_of, weights=pixels * ~line, minlength=len(phase))
    tall, wide, lines = of_images(line & (height > width)), of_images(line & (height < width)), of_images(line)
    faults = {
        "dust": dust > MOST_DUST * scale,
        "rough": of_images(line & rough) > 0,
        "mixed": (tall > 0) & (wide > 0),
        "count": (lines < fewest) | (lines > most),
    }
    return {fault: torch.from_numpy(found).to(images.device) for fault, found in faults.items()}


def valid_lines(images: Tensor, count: tuple[int, int] = (1, 4)) -> Tensor:
    """Which images are line images, without any of the `line_faults`: (n,) bool.

    >>> valid_lines(LineImages(size=64).sample(3, seed=0).images)
    tensor([True, True, True])
    """
    return ~torch.stack(list(line_faults(images, count).values())).any(0)


def without_channel(images: Tensor) -> Tensor:
    """(n, 1, H, W) in [0, 1] as (n, H, W); anything else is refused."""
    m = check_phase(images)
    if m.ndim != 4 or m.shape[1] != 1:
        raise ValueError(f"expected images of shape (n, 1, height, width), got {describe(m)}")
    return m[:, 0]


def _parts(phase: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The connected parts of images (n, H, W) of bool: a number for each pixel; of each part its image and its size."""
    clusters, counts = number_clusters(phase, ("periodic", "periodic"))
    return clusters, np.repeat(np.arange(len(phase)), counts), np.bincount(clusters.ravel(), minlength=1)[1:]


def _extent(clusters: np.ndarray, number: int, axis: int) -> np.ndarray:
    """How many pixels each cluster reaches along an axis of the torus: all but its widest gap."""
    side = clusters.shape[axis]
    taken = np.zeros((number + 1, side), dtype=bool)
    place = np.arange(side).reshape([-1 if a == axis else 1 for a in range(clusters.ndim)])
    taken[clusters, place] = True
    twice = np.concatenate([taken, taken], 1)[1:]
    steps = np.arange(2 * side)
    last = np.maximum.accumulate(np.where(twice, steps, -1), 1)  # where the cluster was met last
    gap = np.where(twice[:, 1:], steps[1:] - last[:, :-1] - 1, 0)[:, side - 1 :].max(1)
    return side - gap
