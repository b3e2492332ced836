"""What a trained model has to beat: answers that need no training of a network, or no network at all."""

from __future__ import annotations

import torch
from torch import Tensor

from microtutor.checks import check_count, check_phase, describe
from microtutor.statistics import autocorrelation


class Baselines:
    """Reference methods that know a set of training images only through their two-point statistics.

    Args:
        training: images (n, 1, H, W) in [0, 1].

    >>> from microtutor.microstructures import LineImages
    >>> lines = LineImages(size=32)
    >>> references = Baselines(lines.sample(50, split="train").images)
    >>> references.nearest_images(lines.sample(4).images).shape
    torch.Size([4, 1, 32, 32])

    Raises:
        TypeError, ValueError: no images of that shape; of its methods also: images of another size, or more components
            than there are training images or pixels.
    """

    def __init__(self, training: Tensor):
        self.images = _checked(training).detach()
        self.statistics = _flat_statistics(self.images)
        self.mean = self.statistics.mean(0)

    def mean_errors(self, images: Tensor) -> Tensor:
        """Statistics error of answering every image with the mean training statistics: (m,)."""
        return (self._statistics_of(images) - self.mean).square().mean(1)

    def pca_errors(self, images: Tensor, components: int) -> Tensor:
        """Statistics error after keeping so many principal components of the statistics: (m,). It gives no image."""
        f = self._statistics_of(images)
        return (f - self.pca_statistics(images, components).flatten(1)).square().mean(1)

    def pca_statistics(self, images: Tensor, components: int, *, weight: Tensor | None = None) -> Tensor:
        """Statistics of images after so many principal components: (m, 1, H, W).

        They are near those of the images, but in general no image has them; `reconstruct` looks for one that comes
        near.

        Args:
            images: (m, 1, H, W) in [0, 1].
            components: how many.
            weight: how much each shift counts, above 0, (H, W) with zero shift at index 0: the statistics are
                multiplied by it before the analysis, and divided by it after. By default all shifts count alike.
        """
        from sklearn.decomposition import PCA  # slow to import, and needed here only

        f, most = self._statistics_of(images), min(self.statistics.shape)
        if check_count(components, name="components") > most:
            raise ValueError(
                f"expected components of at most {most}, as there are {len(self.images)} training images of "
                f"{self.statistics.shape[1]} pixels, got {components}"
            )
        scale = torch.ones(images.shape[-2:]) if weight is None else weight
        if not isinstance(scale, Tensor) or scale.shape != images.shape[-2:] or not bool((scale > 0).all()):
            raise ValueError(f"expected weights above 0 of shape {tuple(images.shape[-2:])}, got {describe(weight)}")
        row = scale.flatten().to(f)
        pca = PCA(components, svd_solver="randomized", random_state=0).fit((self.statistics * row).numpy())
        kept = torch.from_numpy(pca.inverse_transform(pca.transform((f * row).numpy()))).to(f)
        return (kept / row).view_as(images.cpu())

    def nearest_images(self, images: Tensor) -> Tensor:
        """For each image the training image whose statistics are nearest: shape of images."""
        f = self._statistics_of(images)
        distance = self.statistics.square().sum(1) - 2 * f @ self.statistics.T
        return self.images[distance.argmin(1)]

    def _statistics_of(self, images: Tensor) -> Tensor:
        images = _checked(images)
        if images.shape[1:] != self.images.shape[1:]:
            size = " x ".join(map(str, self.images.shape[-2:]))
            raise ValueError(f"expected images of {size} pixels, as the training images are, got {describe(images)}")
        return _flat_statistics(images)


def _checked(images: Tensor) -> Tensor:
    images = check_phase(images)
    if images.ndim != 4 or images.shape[1] != 1:
        raise ValueError(f"expected images of shape (n, 1, height, width), got {describe(images)}")
    return images


def _flat_statistics(images: Tensor) -> Tensor:
    """f(r) of each image as one row, (n, H * W), on the CPU."""
    parts = [autocorrelation(part).flatten(1) for part in images.detach().float().split(64)]
    return torch.cat(parts).cpu()
