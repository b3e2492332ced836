"""Exercises of the chapter PCA or VAE?: principal components by hand, and the rules that their sums break."""

from __future__ import annotations

import torch
from torch import Tensor

from microtutor.exercises.checking import Case, Exercise
from microtutor.exercises.small_images import image_of, some_pixels
from microtutor.statistics import autocorrelation
from microtutor.streams import seeded_generator


def _rows(n: int, p: int, seed: int) -> Tensor:
    """Rows of numbers whose mean is far from zero and whose columns vary differently."""
    random = torch.randn(n, p, generator=seeded_generator(seed), dtype=torch.float64)
    return random * torch.linspace(1.5, 0.3, p, dtype=torch.float64) + torch.linspace(2, 1, p, dtype=torch.float64)


def _directions(k: int, p: int, seed: int) -> Tensor:
    """k directions in p dimensions, of length one and at right angles."""
    random = torch.randn(p, k, generator=seeded_generator(seed), dtype=torch.float64)
    return torch.linalg.qr(random).Q.T


def _basis(n: int, p: int, k: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    rows = _rows(n, p, seed)
    return rows, _rows(20, p, seed + 1).mean(0), _directions(k, p, seed + 2)


def _squares_left(rows: Tensor, mean: Tensor, directions: Tensor) -> Tensor:
    centred = rows - mean
    return centred.square().sum(1) - (centred @ directions.T).square().sum(1)


def _variances(rows: Tensor, *, centred: bool = True, lost: int = 1) -> Tensor:
    x = rows - rows.mean(0) if centred else rows
    return torch.linalg.eigvalsh(x @ x.T).flip(0) / (len(rows) - lost)


def _needed(variances: Tensor, share: float, *, more: int = 1) -> int:
    return int((variances.cumsum(0) / variances.sum() < share - 1e-12).sum()) + more


def _without_negative_power(f: Tensor) -> Tensor:
    return torch.fft.ifft2(torch.fft.fft2(f).real.clamp_min(0)).real


def _no_image() -> tuple[Tensor]:
    """An even map that is no image's: the statistics of one image less a part of another's."""
    f, g = (autocorrelation(m) for m in (some_pixels(6, 8), image_of(*["##......"] * 6)))
    return (1.4 * f - 0.4 * g,)


def _stripe_that_is_too_deep() -> tuple[Tensor]:
    wave = torch.cos(2 * torch.pi * torch.arange(8, dtype=torch.float64) / 8)
    return ((0.2 - 0.1 * wave).expand(8, 8).clone(),)


def _two_fractions(f: Tensor) -> Tensor:
    return (f[0, 0] - f.mean().sqrt()) / f[0, 0]


def _statistics(*images: Tensor) -> tuple[Tensor]:
    return (torch.stack([autocorrelation(m) for m in images]).mean(0),)


def _projected(known: Tensor, images: Tensor, k: int, mean: Tensor | None = None) -> Tensor:
    own = known.mean(0)
    directions = torch.linalg.svd(known - own, full_matrices=False).Vh[:k]
    return (own if mean is None else mean) + (images - own) @ directions.T @ directions


def _bars(*places: int) -> Tensor:
    """Images of 1 x 16 pixels, each with one bar of three pixels."""
    images = torch.zeros(len(places), 16, dtype=torch.float64)
    for image, place in zip(images, places):
        image[place : place + 3] = 1
    return images


EXERCISES: dict[str, Exercise] = {
    "principal-scores": Exercise(
        asks="a function of maps (n, N), their mean (N,) and directions (k, N) that gives the scores (n, k)",
        solution=lambda f, mean, directions: (f - mean) @ directions.T,
        cases=(
            Case("one map, one direction", lambda: _basis(1, 4, 1, 0)),
            Case("one map, three directions", lambda: _basis(1, 6, 3, 3)),
            Case("five maps, two directions", lambda: _basis(5, 6, 2, 6)),
        ),
        mistakes={
            "the mean map was not subtracted": lambda f, mean, directions: f @ directions.T,
            "the result is transposed: one row per map, one column per direction": lambda f, mean, directions: (
                directions @ (f - mean).T
            ),
            "that is the map that the scores give back, and not the scores": lambda f, mean, directions: (
                mean + (f - mean) @ directions.T @ directions
            ),
            "the mean of these maps was subtracted, and not the mean that was given": lambda f, mean, directions: (
                (f - f.mean(0)) @ directions.T
            ),
        },
        hints=(
            "a score is the scalar product of f less its mean with a direction",
            "all of them at once: (f - mean) @ directions.T",
        ),
    ),
    "error-left": Exercise(
        asks="a function of maps (n, N), their mean (N,) and directions (k, N) that gives the statistics error of each",
        solution=lambda f, mean, directions: _squares_left(f, mean, directions) / f.shape[1],
        cases=(
            Case("one direction", lambda: _basis(3, 6, 1, 10)),
            Case("three directions", lambda: _basis(4, 8, 3, 13)),
            Case("all directions that there are", lambda: _basis(3, 5, 5, 16)),
        ),
        mistakes={
            "the sum over all shifts was taken; the statistics error is a mean, so divide by N": _squares_left,
            "that is what the scores keep; the exercise asks for what they leave": lambda f, mean, directions: (
                ((f - mean) @ directions.T).square().mean(1) * len(directions) / f.shape[1]
            ),
            "the mean map was not subtracted before the scores were taken": lambda f, mean, directions: (
                _squares_left(f, torch.zeros_like(mean), directions) / f.shape[1]
            ),
            "the error is squared: no root is taken": lambda f, mean, directions: (
                (_squares_left(f, mean, directions) / f.shape[1]).clamp_min(0).sqrt()
            ),
        },
        hints=(
            "what is the square of the length of f less its mean?",
            "each score takes its own square away from it, as the directions are at right angles",
            "(centred.square().sum(1) - (centred @ directions.T).square().sum(1)) / f.shape[1]",
        ),
    ),
    "small-matrix": Exercise(
        asks="a function of rows (n, N) that gives the variances along the principal directions, largest first, (n,)",
        solution=_variances,
        cases=(
            Case("three rows of ten numbers", lambda: (_rows(3, 10, 20),)),
            Case("five rows of forty numbers", lambda: (_rows(5, 40, 21),)),
            Case("rows that are all alike", lambda: (torch.ones(4, 6, dtype=torch.float64) + _rows(4, 6, 22) * 1e-3,)),
        ),
        mistakes={
            "the mean row was not subtracted": lambda rows: _variances(rows, centred=False),
            "the eigenvalues are divided by n; a variance is divided by n - 1": lambda rows: _variances(rows, lost=0),
            "the smallest comes first: eigvalsh sorts upwards": lambda rows: _variances(rows).flip(0),
            "those are the standard deviations; a variance is the square": lambda rows: (
                _variances(rows).clamp_min(0).sqrt()
            ),
            "the eigenvalues have not been divided by n - 1": lambda rows: _variances(rows) * (len(rows) - 1),
        },
        hints=(
            "X is rows less the mean row; X @ X.T is the small matrix, (n, n)",
            "torch.linalg.eigvalsh gives its eigenvalues, the smallest first; .flip(0) turns them round",
            "torch.linalg.eigvalsh(X @ X.T).flip(0) / (len(rows) - 1)",
        ),
    ),
    "components-needed": Exercise(
        asks="a function of variances, the largest first, and a share that gives how many components hold the share",
        solution=_needed,
        cases=(
            Case("one is enough", lambda: (torch.tensor([9.0, 0.5, 0.5]), 0.8)),
            Case("the share is met exactly", lambda: (torch.tensor([4.0, 2.0, 1.0, 1.0]), 0.75)),
            Case("variances that fall slowly", lambda: (torch.tensor([3.0, 2.5, 2.0, 1.5, 1.0]), 0.9)),
            Case("all of the variance but little", lambda: (torch.tensor([5.0, 3.0, 1.0, 0.5]), 0.99)),
        ),
        mistakes={
            "one too few: that many components do not reach the share yet": lambda v, share: _needed(v, share, more=0),
            "one too many: a component fewer holds the share already": lambda v, share: _needed(v, share, more=2),
            "each variance was compared with the share; add them up first": lambda v, share: int(
                (v / v.sum() < share).sum()
            ),
            "standard deviations were added up; only variances add": lambda v, share: _needed(v.sqrt(), share),
        },
        hints=(
            "the variances of the first k components add up: variances.cumsum(0)",
            "divide by the sum of all; how many of these shares are still below the one that is asked for?",
            "int((variances.cumsum(0) / variances.sum() < share).sum()) + 1",
        ),
        tolerance=1e-9,
    ),
    "two-volume-fractions": Exercise(
        asks="a function of a map f (H, W) that gives (f(0) - root of the mean of f) / f(0)",
        solution=_two_fractions,
        cases=(
            Case("the map of an image", lambda: _statistics(some_pixels(8, 8))),
            Case("the mean of two maps", lambda: _statistics(some_pixels(8, 8), image_of(*["#......."] * 8))),
            Case("the map of an image, times two", lambda: (2 * _statistics(some_pixels(6, 8))[0],)),
        ),
        mistakes={
            "the mean of f is the square of the volume fraction: take its root": lambda f: (
                (f[0, 0] - f.mean()) / f[0, 0]
            ),
            "it is not divided by f(0)": lambda f: f[0, 0] - f.mean().sqrt(),
            "the value at the last shift was taken; zero shift is at [0, 0]": lambda f: (
                (f[-1, -1] - f.mean().sqrt()) / f[-1, -1]
            ),
        },
        hints=(
            "f[0, 0] is the volume fraction of a black-and-white image",
            "the mean of f over all shifts is the square of the volume fraction",
            "(f[0, 0] - f.mean().sqrt()) / f[0, 0]",
        ),
    ),
    "no-negative-power": Exercise(
        asks="a function of an even map f (H, W) that gives the nearest map without negative power, (H, W)",
        solution=_without_negative_power,
        cases=(
            Case("the map of an image", lambda: _statistics(some_pixels(6, 8))),
            Case("one map less a part of another", _no_image),
            Case("a wave with negative power", _stripe_that_is_too_deep),
        ),
        mistakes={
            "negative values of f were set to zero; here its Fourier transform is meant": lambda f: f.clamp_min(0),
            "the sign of the negative power was turned round; zero is nearer": lambda f: (
                torch.fft.ifft2(torch.fft.fft2(f).real.abs()).real
            ),
            "that is the power, and not the map: transform it back": lambda f: torch.fft.fft2(f).real.clamp_min(0),
        },
        hints=(
            "the power is torch.fft.fft2(f).real, up to a factor",
            "by Parseval's theorem each frequency can be set on its own, to the nearest number that is allowed",
            "torch.fft.ifft2(torch.fft.fft2(f).real.clamp_min(0)).real",
        ),
    ),
    "components-of-images": Exercise(
        asks="a function of known images (n, N), others (m, N) and k that gives the others by k components, (m, N)",
        solution=lambda known, images, k: _projected(known, images, k).clamp(0, 1),
        cases=(
            Case("one component", lambda: (_bars(1, 2, 3, 9), _bars(2), 1)),
            Case("two components, two images", lambda: (_bars(1, 2, 2, 3, 8, 9), _bars(2, 12), 2)),
            Case("a known image, all components", lambda: (_bars(1, 6, 11), _bars(6), 2)),
        ),
        mistakes={
            "the mean image was not added again": lambda known, images, k: _projected(
                known, images, k, torch.zeros(known.shape[1], dtype=known.dtype)
            ).clamp(0, 1),
            "the values were not cut to between 0 and 1": _projected,
            "the components were taken without subtracting the mean image": lambda known, images, k: (
                images
                @ torch.linalg.svd(known, full_matrices=False).Vh[:k].T
                @ torch.linalg.svd(known, full_matrices=False).Vh[:k]
            ).clamp(0, 1),
        },
        hints=(
            "take mean and directions from the known images alone; principal_components of the chapter gives both",
            "the scores of the others are (images - mean) @ directions.T",
            "(mean + (images - mean) @ directions.T @ directions).clamp(0, 1)",
        ),
    ),
}
