"""Exercises of the chapter A VAE on real rock: grey, blocks, cuts, and what a mean over all shifts sees."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from microtutor.exercises.checking import Case, Exercise
from microtutor.exercises.small_images import image_of, some_pixels
from microtutor.losses import aligned_correlation
from microtutor.streams import seeded_generator


def _grey(*shape: int, seed: int = 3) -> Tensor:
    return torch.rand(*shape, generator=seeded_generator(seed), dtype=torch.float64)


def _odd() -> Tensor:
    """Random pixels that are others than `some_pixels`."""
    return (_grey(5, 4, seed=9) < 0.45).double()


def _volume() -> Tensor:
    """Random voxels, each layer like its neighbour: (12, 6, 5)."""
    noise = _grey(12, 6, 5, seed=5)
    return ((noise + noise.roll(1, 0) + noise.roll(2, 0)) / 3 > 0.55).double()


def _slice_correlation(volume: Tensor, apart: int, *, axis: int = 0, wrap: bool = False, centred: bool = True) -> float:
    slices = volume.movedim(axis, 0)
    first, second = (slices, slices.roll(-apart, 0)) if wrap else (slices[: len(slices) - apart], slices[apart:])
    if centred:
        first, second = first - first.mean(), second - second.mean()
    return float((first * second).sum() / (first.square().sum() * second.square().sum()).sqrt())


def _brightest(m: Tensor, share: Tensor) -> Tensor:
    count = int((share * m.numel()).round())
    cut = torch.zeros(m.numel(), dtype=m.dtype)
    cut[m.flatten().argsort(descending=True)[:count]] = 1
    return cut.view(m.shape)


def _surface_error(surface: float, off: float, side: int, *, shifts: int = 4, power: int = 2) -> float:
    return shifts * (off * surface / math.pi) ** power / side**2


def _aligned(a: Tensor, b: Tensor, *, turn: bool = True, shift: bool = True, centred: bool = True) -> float:
    if centred:
        a, b = a - a.mean(), b - b.mean()
    turned = [b, b.flip(0, 1)] if turn else [b]
    steps = [(y, x) for y in range(a.shape[0]) for x in range(a.shape[1])] if shift else [(0, 0)]
    best = max(float((a * one.roll(step, (0, 1))).sum()) for one in turned for step in steps)
    return best / float((a.square().sum() * b.square().sum()).sqrt())


def _pair(seed: int, *, turned: bool = False, moved: tuple[int, int] = (0, 0)) -> tuple[Tensor, Tensor]:
    a = (_grey(8, 6, seed=seed) < 0.3).double()
    return a, (a.flip(0, 1) if turned else a).roll(moved, (0, 1))


EXERCISES = {
    "grey-zero-shift": Exercise(
        asks="a function of an image (H, W) with values in [0, 1] that gives f at zero shift, a number",
        solution=lambda m: m.square().mean(),
        cases=(
            Case("black and white", lambda: (image_of("##..", "....", "#..."),)),
            Case("the same grey 0.2 everywhere", lambda: (torch.full((4, 4), 0.2, dtype=torch.float64),)),
            Case("greys of all kinds", lambda: (_grey(6, 5),)),
        ),
        mistakes={
            "that is the volume fraction, the mean of m; the two are equal for black and white only": lambda m: (
                m.mean()
            ),
            "that is the square of the mean; f(0) is the mean of the squares": lambda m: m.mean().square(),
            "the squares are added up, but not divided by the number of pixels": lambda m: m.square().sum(),
        },
        hints=("f(r) is the mean of m(x) m(x + r); put r = 0", "(m * m).mean()"),
    ),
    "best-single-answer": Exercise(
        asks="a function of n equally probable images (n, H, W) that gives the one image (H, W) nearest to all of them",
        solution=lambda images: images.mean(0),
        cases=(
            Case("three crops that agree in some pixels", lambda: (torch.stack([some_pixels(5, 4)] * 2 + [_odd()]),)),
            Case("one structure at four places", lambda: (torch.stack([_odd().roll(k, 1) for k in range(4)]),)),
            Case("a single image", lambda: (_odd()[None],)),
        ),
        mistakes={
            "that is the majority vote; grey has the smaller mean squared error": lambda m: (m.mean(0) > 0.5).double(),
            "that is one of the images, and it is far from the others": lambda images: images[0],
            "the images are added up, but not divided by their number": lambda images: images.sum(0),
        },
        hints=(
            "each pixel can be chosen by itself: which c makes the mean of (m - c)² over the n images smallest?",
            "set the derivative by c to zero",
            "images.mean(0)",
        ),
    ),
    "own-cut": Exercise(
        asks="a function of a grey image (H, W) that gives the black-and-white image with the same mean, up to a pixel",
        solution=lambda m: _brightest(m, m.mean()),
        cases=(
            Case("greys of all kinds", lambda: (_grey(6, 5),)),
            Case("mostly light grey", lambda: (_grey(8, 8).pow(4) * 0.6,)),
            Case("mostly dark grey", lambda: (1 - _grey(7, 9, seed=4).pow(4) * 0.6,)),
        ),
        mistakes={
            "it is cut at 0.5, whatever its mean is": lambda m: (m > 0.5).double(),
            "it is cut at its mean grey; the share of pixels above the mean is not the mean": lambda m: (
                m > m.mean()
            ).double(),
            "black and white are exchanged": lambda m: 1 - _brightest(m, m.mean()),
            "it is cut at its median, which makes half of the pixels black": lambda m: (m > m.median()).double(),
        },
        hints=(
            "the mean of a black-and-white image is the share of its pixels that are 1, so you know how many there are",
            "n = round(m.mean() * m.numel()); the n brightest pixels become 1",
            "level = m.flatten().sort(descending=True).values[n - 1]; return (m >= level).double()",
        ),
    ),
    "slice-correlation": Exercise(
        asks="a function of a volume (D, H, W) and a distance in voxels that gives the correlation of its slices",
        solution=_slice_correlation,
        cases=(
            Case("neighbours", lambda: (_volume(), 1)),
            Case("three voxels apart", lambda: (_volume(), 3)),
            Case("far apart", lambda: (_volume(), 8)),
            Case("no distance", lambda: (_volume(), 0)),
        ),
        mistakes={
            "the mean is not subtracted, so that two slices with much phase look alike": lambda volume, apart: (
                _slice_correlation(volume, apart, centred=False)
            ),
            "the last slices are paired with the first ones; a piece of rock does not wrap": lambda volume, apart: (
                _slice_correlation(volume, apart, wrap=True)
            ),
            "the slices are taken along another axis; they are stacked along the first": lambda volume, apart: (
                _slice_correlation(volume, min(apart, 3), axis=2)
            ),
        },
        hints=(
            "first = volume[: len(volume) - apart] and second = volume[apart:] hold the partners at the same places",
            "flatten both, and subtract from each its mean",
            "torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1]",
        ),
    ),
    "surface-in-the-loss": Exercise(
        asks="a function of the surface, its relative error and the side of a crop that gives a statistics error",
        solution=_surface_error,
        cases=(
            Case("rock as our network draws it", lambda: (0.072, 0.6, 128)),
            Case("the nearest training crop", lambda: (0.072, 0.08, 128)),
            Case("smaller crops", lambda: (0.05, 0.3, 64)),
        ),
        mistakes={
            "only two shifts are counted; f is wrong at the opposite two as well": lambda surface, off, side: (
                _surface_error(surface, off, side, shifts=2)
            ),
            "the difference is not squared": lambda surface, off, side: _surface_error(surface, off, side, power=1),
            "the mean runs over all side² shifts, not over the side": lambda surface, off, side: (
                side * _surface_error(surface, off, side)
            ),
            "the whole slope is taken for wrong, but only the share `off` of it is": lambda surface, off, side: (
                _surface_error(surface, 1.0, side)
            ),
        },
        hints=(
            "s = π (f(0) - f(1)), so f(1) is wrong by off · s / π",
            "four shifts have length 1: up, down, left and right",
            "4 (off · surface / π)² / side²",
        ),
        tolerance=1e-4,
    ),
    "half-way-grey": Exercise(
        asks="a function of two black-and-white images (H, W) that gives the greyness of their mean, a number",
        solution=lambda a, b: (a != b).double().mean(),
        cases=(
            Case("an image and itself", lambda: (_odd(), _odd())),
            Case("an image and its negative", lambda: (_odd(), 1 - _odd())),
            Case("images that share some pixels", lambda: (_odd(), some_pixels(5, 4))),
        ),
        mistakes={
            "the grey value was averaged first; greyness is the mean of 4 m (1 - m)": lambda a, b: (
                4 * ((a + b) / 2).mean() * (1 - ((a + b) / 2).mean())
            ),
            "the factor 4 is missing, which makes half grey count 1": lambda a, b: (a != b).double().mean() / 4,
            "the images are added, but not halved": lambda a, b: (4 * (a + b) * (1 - (a + b))).mean(),
        },
        hints=(
            "the mean of two black-and-white images has the values 0, 1/2 and 1",
            "4 m (1 - m) is 1 at m = 1/2, and 0 at 0 and 1",
            "so it is the share of pixels in which the images differ: (a != b).double().mean()",
        ),
    ),
    "best-alignment": Exercise(
        asks="a function of two images (H, W) that gives the largest correlation over all shifts and half-turns",
        solution=lambda a, b: aligned_correlation(a, b).max(),
        cases=(
            Case("an image and itself, shifted", lambda: _pair(1, moved=(3, 2))),
            Case("an image and itself, turned by half a turn", lambda: _pair(2, turned=True, moved=(1, 4))),
            Case("two images of random pixels", lambda: (_pair(3)[0], _pair(4)[0])),
        ),
        mistakes={
            "the half-turn is missing": lambda a, b: _aligned(a, b, turn=False),
            "the images are compared as they lie": lambda a, b: _aligned(a, b, turn=False, shift=False),
            "the shifts are missing": lambda a, b: _aligned(a, b, shift=False),
            "the mean is not subtracted, so that all images with much phase look alike": lambda a, b: _aligned(
                a, b, centred=False
            ),
        },
        hints=(
            "subtract from each image its mean; correlation is the sum of products over the root of the product of the "
            "sums of squares",
            "a half-turn is b.flip(0, 1), a shift is b.roll((y, x), (0, 1)); two loops will do for small images",
            "max over both turns, over y in range(H) and over x in range(W)",
        ),
    ),
}
