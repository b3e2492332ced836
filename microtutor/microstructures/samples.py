"""What all generators of images share: samples with their labels, and random streams chosen by numbers."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic, Self, TypeVar

import torch
from torch import Tensor

from microtutor.checks import check_choice, check_count, describe
from microtutor.streams import named_generator, seeded_generator

__all__ = ["SPLITS", "Images", "Sample", "ask", "check_images", "checked_images", "seeded_generator", "sent", "stream"]

SPLITS = ("train", "validation", "test")
TOLERANCE = 1e-4  # of values in [0, 1], as rounding may carry them past the ends


def stream(n: int, seed: int, split: str, index: int, *, splits: Sequence[str] = SPLITS) -> torch.Generator:
    """The random generator for n images of a split, after a check of all four."""
    check_count(n, name="the number of images")
    check_choice(split, splits, name="split")
    check_count(seed, name="seed", minimum=0)
    check_count(index, name="index", minimum=0)
    return named_generator(f"{split} images", seed, index)


def sent(x: Tensor, device: torch.device) -> Tensor:
    """x on a device; the program does not wait until a GPU has it."""
    return x.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else x.to(device)


@dataclass(frozen=True)
class Sample:
    """Images; classes made from this one add what else is known of each image, such as its number of lines.

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


def checked_images(source: Any, n: int, size: int, **choices: Any) -> Tensor:
    """n images from a source, which may be a class of the user's own, after a check that they are what was asked for.

    Args:
        source: has a method sample(n, *, seed, device, split, index), as `Images` has.
        n, size: how many images, and their side in pixels.
        choices: seed, device, split and index, for `sample`.

    Returns:
        float32, shape (n, 1, size, size), values in [0, 1].

    Raises:
        TypeError: source has no such method, or what it gives holds no tensor of images, or not of floats.
        ValueError: they are of another number, shape or range, or not finite.

    >>> class Grey:
    ...     def sample(self, n, *, seed=0, device="cpu", split="test", index=0):
    ...         return Sample(torch.full((n, 1, 16, 16), 255.0))
    >>> checked_images(Grey(), 2, 16)
    Traceback (most recent call last):
    ValueError: expected source.sample(2) to give values in [0, 1], got [255, 255]; divide by 255 or threshold them
    """
    return check_images(ask(source, n, **choices), n, size)


def ask(source: Any, n: int, **choices: Any) -> Any:
    """What a source gives for n images, if it can be asked for them as `Images` are; see `checked_images`."""
    check_count(n, name="the number of images")
    sample = getattr(source, "sample", None)
    if isinstance(source, type) or not callable(sample):
        made = "; make one, with its arguments in ()" if isinstance(source, type) else ""
        raise TypeError(
            "expected source with a method sample(n, seed=..., device=..., split=..., index=...), got "
            f"{_named(source)}{made}"
        )
    try:
        inspect.signature(sample).bind(n, **choices)
    except TypeError as error:
        raise TypeError(
            "expected source.sample to take n, and seed, device, split and index by name, but that of "
            f"{_named(source)} does not: {error}"
        ) from error
    except ValueError:  # a method without a signature, written in another language
        pass
    return sample(n, **choices)


def check_images(sample: Any, n: int, size: int) -> Tensor:
    """The images of what a source gave, as float32, if they are those that were asked for; see `checked_images`."""
    wanted = f"expected source.sample({n}) to give "
    images = getattr(sample, "images", None)
    if not isinstance(images, Tensor):
        got = describe(sample) if images is None else f"{describe(images)} there"
        raise TypeError(f"{wanted}an object with the images as a torch tensor in .images, got {got}")
    if not images.is_floating_point() and images.dtype != torch.bool:
        raise TypeError(f"{wanted}float images with values in [0, 1], got {describe(images)}; threshold or divide them")
    if images.shape != (n, 1, size, size):
        raise ValueError(f"{wanted}images of shape {(n, 1, size, size)}, got {tuple(images.shape)}")
    images = images.detach().float()
    low, high = (value.item() for value in images.aminmax())
    if not (math.isfinite(low) and math.isfinite(high)):  # one NaN makes both NaN
        raise ValueError(f"{wanted}finite images, got NaN or infinity in them")
    if low < -TOLERANCE or high > 1 + TOLERANCE:
        raise ValueError(f"{wanted}values in [0, 1], got [{low:.4g}, {high:.4g}]; divide by 255 or threshold them")
    return images


def _named(source: Any) -> str:
    """The class of a source, for messages."""
    return f"the class {source.__name__}" if isinstance(source, type) else describe(source)
