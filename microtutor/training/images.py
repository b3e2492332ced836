"""The images of a training run: a batch for every step, and those that it is validated on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from microtutor.microstructures.samples import checked_images, sent
from microtutor.statistics.canonical import canonical_batch
from microtutor.streams import named_generator
from microtutor.training.config import ImageSource, TrainingConfig


class RunImages:
    """The images of a run on one of its processes, in canonical form if the run wants them so.

    Args:
        config: the run.
        source: what draws the images.
        device: where batches are drawn, or sent.
        process, processes: which of how many this is: each sees other images.

    Raises:
        ValueError: fewer fixed images than one batch for each process.
    """

    def __init__(
        self, config: TrainingConfig, source: ImageSource, device: torch.device, *, process: int = 0, processes: int = 1
    ):
        self.config, self.source, self.device = config, source, device
        self.process, self.processes = process, processes
        n, batch = config.images, config.batch_size * processes
        if n is not None and n < batch:
            raise ValueError(f"expected at least {batch} images, a batch for each process, got {n}")
        self.fixed = None if n is None else torch.cat([_small(images) for images in self._draw(n, "train")])

    def batches(self, start: int) -> Iterator[Tensor]:
        """Training images for step start, start + 1, ... without end."""
        step, size = start, self.config.batch_size
        while True:
            if self.fixed is None:
                yield self._in_form(self._sample(size, "train", step * self.processes + self.process, self.device))
            else:
                epoch, place = divmod(step, len(self.fixed) // (size * self.processes))
                order = torch.randperm(
                    len(self.fixed), generator=named_generator("training order", self.config.seed, epoch)
                )
                first = (place * self.processes + self.process) * size
                yield self._in_form(sent(self.fixed[order[first : first + size]], self.device).float())
            step += 1

    def validation(self) -> Tensor:
        """The held-out images, (validation_images, 1, size, size)."""
        images = [self._in_form(part) for part in self._draw(self.config.validation_images, "validation")]
        return torch.cat(images).to(self.device)

    def statistics_scale(self) -> float:
        """By how much statistics are divided in the loss: 1, or the largest volume fraction of training images."""
        if not self.config.normalise:
            return 1.0
        return max(float(images.mean((-2, -1)).max()) for images in self._draw(2000, "train")) + 1e-6

    def _in_form(self, images: Tensor) -> Tensor:
        return canonical_batch(images) if self.config.canonical else images

    def _sample(self, n: int, split: str, index: int, device: str | torch.device = "cpu") -> Tensor:
        """Images from the source; what a source of the user's own gives is looked at, every time."""
        choices: dict[str, Any] = {"seed": self.config.seed, "split": split, "index": index, "device": device}
        if self.config.material == "own":
            return checked_images(self.source, n, self.config.size, **choices)
        return self.source.sample(n, **choices).images

    def _draw(self, n: int, split: str) -> Iterator[Tensor]:
        for index in range(math.ceil(n / 500)):
            yield self._sample(min(500, n - 500 * index), split, index)


def _small(images: Tensor) -> Tensor:
    """Two-valued images as bool, a quarter of the memory; grey ones as they are."""
    two_valued = images.bool()
    return two_valued if torch.equal(two_valued.to(images), images) else images
