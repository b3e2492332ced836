"""What a trained model has to beat: answers that need no training of a network, or no network at all."""

from __future__ import annotations

import torch
from torch import Tensor

from microtutor.checks import check_count, check_phase
from microtutor.statistics import autocorrelation


class References:
    """Reference methods that know a set of training images only through their two-point statistics.

    Args:
        training: images (n, 1, H, W) in [0, 1].

    >>> from microtutor.microstructures import LineImages
    >>> lines = LineImages(size=32)
    >>> references = References(lines.sample(50, split="train").images)
    >>> references.nearest_images(lines.sample(4).images).shape
    torch.Size([4, 1, 32, 32])
    """

    def __init__(self, training: Tensor):
        self.images = check_phase(training).detach()
        self.statistics = _flat_statistics(training)
        self.mean = self.statistics.mean(0)

    def mean_errors(self, images: Tensor) -> Tensor:
        """Statistics error of answering every image with the mean training statistics: (m,)."""
        return (_flat_statistics(images) - self.mean).square().mean(1)

    def pca_errors(self, images: Tensor, components: int) -> Tensor:
        """Statistics error after keeping so many principal components of the statistics: (m,). It gives no image."""
        from sklearn.decomposition import PCA  # slow to import, and needed here only

        check_count(components, name="components")
        pca = PCA(components, svd_solver="randomized", random_state=0).fit(self.statistics.numpy())
        f = _flat_statistics(images)
        kept = torch.from_numpy(pca.inverse_transform(pca.transform(f.numpy()))).to(f)
        return (f - kept).square().mean(1)

    def nearest_images(self, images: Tensor) -> Tensor:
        """For each image the training image whose statistics are nearest: shape of images."""
        f = _flat_statistics(images)
        distance = self.statistics.square().sum(1) - 2 * f @ self.statistics.T
        return self.images[distance.argmin(1)]


def _flat_statistics(images: Tensor) -> Tensor:
    """f(r) of each image as one row, (n, H * W), on the CPU."""
    parts = [autocorrelation(part).flatten(1) for part in check_phase(images).detach().float().split(64)]
    return torch.cat(parts).cpu()
