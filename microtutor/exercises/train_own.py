"""Exercises of the chapter Train on your own images: honest splits, turned pictures, and when to stop."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from microtutor.exercises.checking import Case, Exercise
from microtutor.exercises.small_images import image_of, some_pixels
from microtutor.statistics import autocorrelation


def _shared(down: int, right: int, size: int) -> float:
    return max(size - abs(down), 0) * max(size - abs(right), 0) / size**2


def _distinct(m: Tensor, see: Callable[[Tensor], Tensor] = lambda m: m, *, mirror: bool = True) -> int:
    if m.shape[0] != m.shape[1]:
        raise ValueError(f"expected a square picture, got shape {tuple(m.shape)}")
    seen = [see(part.rot90(k)) for part in ((m, m.flip(1)) if mirror else (m,)) for k in range(4)]
    return len({tuple(one.mul(1e6).round().flatten().tolist()) for one in seen})


def _nearest(known: Tensor, asked: Tensor, see: Callable[[Tensor], Tensor] = autocorrelation) -> Tensor:
    return torch.cdist(see(asked).flatten(1), see(known).flatten(1)).argmin(1)


def _shifted(m: Tensor, down: int, right: int) -> Tensor:
    return m.roll((down, right), (0, 1))


def _spotted(m: Tensor) -> Tensor:
    """A picture, shifted, with one pixel of the other colour."""
    spotted = _shifted(m, 4, 4).clone()
    spotted[0, 0] = 1 - spotted[0, 0]
    return spotted


def _pictures() -> Tensor:
    """Four pictures of 8 x 8 pixels with different statistics."""
    stripes = image_of(*["##......"] * 8)
    return torch.stack([some_pixels(8, 8), stripes, stripes.T, image_of("##......", "##......", *["........"] * 6)])


def _curves(*rows: tuple[float, ...]) -> tuple[Tensor, Tensor, Tensor]:
    steps, training, validation = (torch.tensor(row, dtype=torch.float64) for row in rows)
    return steps, training, validation


def _pca_error(known: Tensor, new: Tensor, k: int, *, own: bool = False, parts: int | None = None) -> Tensor:
    mean = known.mean(0)
    directions = torch.linalg.svd(known - mean, full_matrices=False).Vh[:k]
    centred = (known if own else new) - mean
    left = centred - centred @ directions.T @ directions
    return left.square().sum() / (parts or left.numel())


def _maps(n: int, m: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(6, 12, generator=generator, dtype=torch.float64)
    known, new = (torch.randn(r, 6, generator=generator, dtype=torch.float64) @ mixing + 3 for r in (n, m))
    return known, new


EXERCISES: dict[str, Exercise] = {
    "crops-side-by-side": Exercise(
        asks="a function of height, width and size that gives how many crops share no pixel",
        solution=lambda height, width, size: (height // size) * (width // size),
        cases=(
            Case("a picture of one crop", lambda: (64, 64, 64)),
            Case("sides that are multiples", lambda: (256, 320, 64)),
            Case("a strip is left over on both sides", lambda: (250, 330, 64)),
            Case("lower than a crop", lambda: (60, 640, 64)),
        ),
        mistakes={
            "the area was divided; a strip that is narrower than a crop gives none": lambda height, width, size: (
                height * width // size**2
            ),
            "those are all places of a crop, and neighbours of them overlap": lambda height, width, size: (
                max(height - size + 1, 0) * max(width - size + 1, 0)
            ),
            "a part of a crop is no crop: round down": lambda height, width, size: (height / size) * (width / size),
        },
        hints=(
            "how many crops fit one above the other?",
            "whole numbers only: height // size of them, and width // size side by side",
        ),
        tolerance=1e-9,
    ),
    "shared-pixels": Exercise(
        asks="a function of the shift down, the shift right and the size of two crops that gives the share they share",
        solution=_shared,
        cases=(
            Case("the same place", lambda: (0, 0, 64)),
            Case("8 pixels to the right", lambda: (0, 8, 64)),
            Case("8 pixels down and 16 to the right", lambda: (8, 16, 64)),
            Case("up and to the left", lambda: (-8, -16, 64)),
            Case("far in both directions", lambda: (80, 96, 64)),
        ),
        mistakes={
            "crops that lie apart share nothing; two negative numbers have a positive product": (
                lambda down, right, size: (size - abs(down)) * (size - abs(right)) / size**2
            ),
            "a shift up or to the left leaves as little in common as one down or to the right: take abs": (
                lambda down, right, size: max(size - down, 0) * max(size - right, 0) / size**2
            ),
            "that is the number of pixels; divide it by the pixels of a crop": lambda down, right, size: (
                _shared(down, right, size) * size**2
            ),
            "the two directions multiply, as the common part is a rectangle": lambda down, right, size: (
                max(size - abs(down) - abs(right), 0) / size
            ),
        },
        hints=(
            "the common part is a rectangle; how high is it?",
            "max(size - abs(down), 0) high, and correspondingly wide",
            "max(size - abs(down), 0) * max(size - abs(right), 0) / size**2",
        ),
    ),
    "turned-pictures": Exercise(
        asks="a function of a square picture (n, n) that gives how many different ones turns and mirrors make of it",
        solution=_distinct,
        cases=(
            Case("random pixels", lambda: (some_pixels(6, 6),)),
            Case("a square in the middle", lambda: (image_of("....", ".##.", ".##.", "...."),)),
            Case("stripes", lambda: (image_of("#.#.", "#.#.", "#.#.", "#.#."),)),
            Case("a letter L", lambda: (image_of("#...", "#...", "##..", "...."),)),
            Case("a hook that half a turn leaves as it is", lambda: (image_of("##..", ".#..", "..#.", "..##"),)),
        ),
        mistakes={
            "only turns were counted; each turned picture can be mirrored as well": lambda m: _distinct(
                m, mirror=False
            ),
            "that counts the eight operations; several may give the same picture": lambda m: 8,
            "that counts different statistics, which half a turn never changes": lambda m: _distinct(
                m, autocorrelation
            ),
        },
        hints=(
            "m.rot90(k) for k = 0 to 3 are the turned pictures, and m.flip(1) is the mirrored one, to be turned too",
            "to count different ones put each into a set: tuple(picture.flatten().tolist())",
            "len({tuple(p.rot90(k).flatten().tolist()) for p in (m, m.flip(1)) for k in range(4)})",
        ),
        tolerance=1e-9,
    ),
    "when-to-stop": Exercise(
        asks="a function of steps, training errors and validation errors that gives the step whose weights to keep",
        solution=lambda steps, training, validation: steps[validation.argmin()],
        cases=(
            Case("both curves fall", lambda: _curves((25, 50, 75), (5, 3, 2), (5.2, 3.4, 2.6))),
            Case(
                "the validation curve rises again",
                lambda: _curves((25, 50, 75, 100), (5, 3, 1, 0.2), (5.5, 4, 4.6, 6)),
            ),
            Case(
                "it rises, and falls once more",
                lambda: _curves((10, 20, 30, 40, 50), (5, 4, 1, 3, 2), (5, 4.1, 4.3, 3.9, 4.8)),
            ),
        ),
        mistakes={
            "that is the place in the list; the step is asked for": lambda steps, training, validation: (
                validation.argmin()
            ),
            "the training error is smallest there; it goes on falling while the network learns its pictures by "
            "heart": lambda steps, training, validation: steps[training.argmin()],
            "that is the first step after which the curve rises; the curve is noisy, and a later step was better": (
                lambda steps, training, validation: steps[
                    int((validation.diff() > 0).int().argmax()) if (validation.diff() > 0).any() else -1
                ]
            ),
            "that is the last step, whose weights may know the pictures by heart": lambda steps, training, validation: (
                steps[-1]
            ),
            "that is the smallest validation error; the step is asked for": lambda steps, training, validation: (
                validation.min()
            ),
        },
        hints=(
            "which of the two curves is about pictures that were not learned from?",
            "validation.argmin() is the place of its smallest value",
            "steps[validation.argmin()]",
        ),
        tolerance=1e-9,
    ),
    "nearest-picture": Exercise(
        asks="a function of known pictures (n, H, W) and asked ones (m, H, W) that gives for each asked one the "
        "number of the known picture with the nearest statistics, (m,)",
        solution=_nearest,
        cases=(
            Case("known pictures", lambda: (_pictures(), _pictures()[[2, 0]])),
            Case(
                "known pictures, shifted",
                lambda: (_pictures(), torch.stack([_shifted(m, 3, 5) for m in _pictures()])),
            ),
            Case(
                "pictures with a pixel changed",
                lambda: (_pictures(), torch.stack([_spotted(_pictures()[k]) for k in (3, 1, 2)])),
            ),
        ),
        mistakes={
            "pixels were compared; a shifted picture has the same statistics and other pixels": lambda known, asked: (
                _nearest(known, asked, lambda m: m)
            ),
            "that is the picture farthest away": lambda known, asked: torch.cdist(
                autocorrelation(asked).flatten(1), autocorrelation(known).flatten(1)
            ).argmax(1),
            "only the volume fractions were compared": lambda known, asked: _nearest(
                known, asked, lambda m: m.mean((1, 2), keepdim=True)
            ),
        },
        hints=(
            "compute the statistics of all pictures first: autocorrelation takes them all at once",
            "write each map as one row: .flatten(1); torch.cdist gives the distance of each pair of rows",
            "torch.cdist(autocorrelation(asked).flatten(1), autocorrelation(known).flatten(1)).argmin(1)",
        ),
        tolerance=1e-9,
    ),
    "error-on-new": Exercise(
        asks="a function of known maps (n, N), new maps (m, N) and k that gives the error of k components on new ones",
        solution=_pca_error,
        cases=(
            Case("two components", lambda: (*_maps(8, 5, 0), 2)),
            Case("as many components as the known maps have", lambda: (*_maps(4, 6, 1), 3)),
            Case("enough components for everything", lambda: (*_maps(10, 4, 2), 6)),
        ),
        mistakes={
            "that is the error on the known maps, which the components were fitted to": lambda known, new, k: (
                _pca_error(known, new, k, own=True)
            ),
            "the mean of the new maps was used; it is not known when a new map comes": lambda known, new, k: _pca_error(
                known - known.mean(0), new - new.mean(0), k
            ),
            "the squares were added up; the error is their mean over maps and shifts": lambda known, new, k: _pca_error(
                known, new, k, parts=1
            ),
        },
        hints=(
            "mean and directions come from the known maps alone",
            "torch.linalg.svd(known - mean, full_matrices=False).Vh[:k] holds k directions",
            "with centred = new - mean the rest is centred - centred @ directions.T @ directions",
        ),
    ),
}
