"""Draws the small images that answers are tried on."""

from __future__ import annotations

import torch
from torch import Tensor

from microtutor.exercises.checking import Case
from microtutor.streams import seeded_generator


def image_of(*rows: str) -> Tensor:
    """An image drawn with letters: # is the phase.

    >>> image_of("#.", "..").tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    return torch.tensor([[float(letter == "#") for letter in row] for row in rows], dtype=torch.float64)


def some_pixels(height: int, width: int) -> Tensor:
    """An image of random pixels, the same at every call.

    >>> some_pixels(2, 3).shape
    torch.Size([2, 3])
    """
    random = torch.rand(height, width, generator=seeded_generator(7), dtype=torch.float64)
    return (random < 0.4).double()


def lines_apart(spacing: int, seed: int) -> Tensor:
    """Five vertical lines, spacing pixels apart, with random ends and noise: (128, 256).

    >>> lines_apart(20, 0).shape
    torch.Size([128, 256])
    """
    generator = seeded_generator(seed)
    image = torch.zeros(128, 256, dtype=torch.float64)
    start = int(torch.randint(10, 30, (1,), generator=generator))
    for k in range(5):
        top, height = (int(torch.randint(low, high, (1,), generator=generator)) for low, high in ((0, 40), (50, 80)))
        image[top : top + height, start + k * spacing : start + k * spacing + 4] = 1
    return torch.maximum(image, (torch.rand(128, 256, generator=generator) < 0.02).double())


PICTURES = (
    Case("a phase that fills the image", lambda: (torch.ones(3, 4, dtype=torch.float64),)),
    Case("a single pixel", lambda: (image_of("#...", "....", "...."),)),
    Case("two pixels in a row", lambda: (image_of("##..", "....", "...."),)),
    Case("a pair across the border", lambda: (image_of("#..#", "....", "...."),)),
    Case("random pixels, higher than wide", lambda: (some_pixels(6, 4),)),
)
