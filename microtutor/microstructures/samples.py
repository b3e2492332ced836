"""What all generators of images share: samples with their labels, and random streams chosen by numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Generic, Self, TypeVar

import torch
from torch import Tensor

from microtutor.checks import check_choice, check_count
from microtutor.streams import named_generator, seeded_generator

__all__ = ["SPLITS", "Images", "Sample", "seeded_generator", "stream"]

SPLITS = ("train", "validation", "test")


def stream(n: int, seed: int, split: str, index: int, *, splits: Sequence[str] = SPLITS) -> torch.Generator:
    """The random generator for n images of a split, once all four are found to be sensible."""
    check_count(n, name="the number of images")
    check_choice(split, splits, name="split")
    check_count(seed, name="seed", minimum=0)
    check_count(index, name="index", minimum=0)
    return named_generator(f"{split} images", seed, index)


@dataclass(frozen=True)
class Sample:
    """Images, and in the classes made from this one what else is known of each.

    Attributes:
        images: (n, 1, height, width) float32 in {0, 1}; the phase of interest is 1.
    """

    images: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: slice | Tensor) -> Self:
        """The chosen images with their labels; a slice or an index tensor, so that the batch axis stays."""
        if isinstance(index, int):
            raise TypeError(f"expected a slice or an index tensor, got {index}; write sample[{index}:{index + 1}]")
        return type(self)(*(getattr(self, field.name)[index] for field in fields(self)))


AnySample = TypeVar("AnySample", bound=Sample, covariant=True)


class Images(Generic[AnySample]):
    """Images to draw by number: `sample` draws some of a split, `batches` goes on for ever."""

    def sample(
        self, n: int, *, seed: int = 0, device: str | torch.device = "cpu", split: str = "test", index: int = 0
    ) -> AnySample:
        """Draw n images. Equal arguments give equal images.

        Args:
            n: number of images.
            seed, split, index: choose the random stream; streams of different splits are independent.
            device: where the images go.
        """
        raise NotImplementedError

    def batches(
        self, batch_size: int, *, seed: int = 0, device: str | torch.device = "cpu", start: int = 0
    ) -> Iterator[AnySample]:
        """Endless fresh training batches; `start` skips that many without drawing them."""
        index = start
        while True:
            yield self.sample(batch_size, seed=seed, device=device, split="train", index=index)
            index += 1
