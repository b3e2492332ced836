"""Exercises of the chapter One statistics, many structures: to search, to count and to compare realisations."""

from __future__ import annotations

import torch
from torch import Tensor

from microtutor.exercises.checking import Case, Exercise
from microtutor.exercises.small_images import image_of, some_pixels
from microtutor.statistics import autocorrelation
from microtutor.streams import seeded_generator


def _error(m: Tensor, f: Tensor) -> Tensor:
    return (autocorrelation(m) - f).square().mean()


# --- families ---------------------------------------------------------------------------------------------------------
def _row(*letters: str) -> Tensor:
    return image_of(*letters)[0]


def _same_statistics(row: Tensor) -> Tensor:
    """All two-valued rows with the f of a row, (images, n)."""
    n = len(row)
    rows = ((torch.arange(2**n)[:, None] >> torch.arange(n)) & 1).double()
    near = autocorrelation(rows[:, None])[:, 0] - autocorrelation(row[None])[0]
    return rows[near.abs().amax(-1) < 1e-6]


def _families(row: Tensor, *, turned: bool = True) -> int:
    same, powers = _same_statistics(row), 2 ** torch.arange(len(row), dtype=torch.float64)
    versions = [same, same.flip(-1)] if turned else [same]
    numbers = [version.roll(k, -1) @ powers for version in versions for k in range(len(row))]
    return len(torch.unique(torch.stack(numbers).amin(0)))


# --- black and white --------------------------------------------------------------------------------------------------
def _grey(height: int, width: int, seed: int) -> Tensor:
    return torch.rand(height, width, generator=seeded_generator(seed), dtype=torch.float64) ** 2


def _largest(grey: Tensor, count: int, *, largest: bool = True) -> Tensor:
    black = torch.zeros(grey.numel(), dtype=grey.dtype)
    black[grey.flatten().topk(count, largest=largest).indices] = 1
    return black.view(grey.shape)


# --- distances --------------------------------------------------------------------------------------------------------
def _aligned(a: Tensor, b: Tensor, *, turned: bool = True, mirrored: bool = False) -> Tensor:
    versions = [b, *([b.flip((0, 1))] if turned else []), *([b.flip(1)] if mirrored else [])]
    moved = [v.roll((i, j), (0, 1)) for v in versions for i in range(b.shape[0]) for j in range(b.shape[1])]
    return torch.stack([(a - m).square().mean() for m in moved]).min()


def _two(name: str, a: tuple[str, ...], b: tuple[str, ...]) -> Case:
    return Case(name, lambda: (image_of(*a), image_of(*b)))


# --- the joint --------------------------------------------------------------------------------------------------------
def _changes(m: Tensor) -> tuple[Tensor, Tensor]:
    """Share of the pixels that change from each column to the next, inside and across the joint."""
    steps = (m - m.roll(-1, 1)).abs().mean(0)
    return steps[:-1].mean(), steps[-1]


def _joint(m: Tensor) -> Tensor:
    inside, across = _changes(m)
    return across / inside


def _tile(height: int, width: int, seed: int) -> Tensor:
    """Smooth blobs, (height, width), cut from a larger picture so that its borders do not meet."""
    noise = torch.rand(1, 1, height + 4, width + 4, generator=seeded_generator(seed), dtype=torch.float64)
    return (torch.nn.functional.avg_pool2d(noise, 5, 1)[0, 0] > 0.5).double()


EXERCISES: dict[str, Exercise] = {
    "statistics-error": Exercise(
        asks="a function of an image (H, W) and a map f (H, W) that gives the statistics error of the image",
        solution=_error,
        cases=(
            Case("the image itself", lambda: (some_pixels(6, 8), autocorrelation(some_pixels(6, 8)))),
            Case("another image", lambda: (some_pixels(6, 8), autocorrelation(some_pixels(8, 6).T))),
            Case("a pixel too many", lambda: (image_of("##.", "#.."), autocorrelation(image_of("##.", "...")))),
        ),
        mistakes={
            "the differences are not squared": lambda m, f: (autocorrelation(m) - f).abs().mean(),
            "the squares are summed; take their mean": lambda m, f: (autocorrelation(m) - f).square().sum(),
            "that is the root of the statistics error": lambda m, f: _error(m, f).sqrt(),
            "the image is compared with f; first make f of the image": lambda m, f: (m - f).square().mean(),
        },
        hints=(
            "autocorrelation(m) is the map of the image",
            "the mean over all shifts of the squared difference of the two maps",
            "(autocorrelation(m) - f).square().mean()",
        ),
    ),
    "families-on-a-circle": Exercise(
        asks="a function of an image of one row, 0s and 1s of shape (n,), that gives the number of families of "
        "equivalent images with its statistics",
        solution=_families,
        cases=(
            Case("one pixel of five", lambda: (_row("#...."),)),
            Case("a row that is no shift of its turned copy", lambda: (_row("##.#..."),)),
            Case("two families of eight pixels", lambda: (_row("##.##..."),)),
            Case("two pixels of eight", lambda: (_row("#..#...."),)),
            Case("its homometric partner", lambda: (_row("###..#.."),)),
        ),
        mistakes={
            "that is the number of images; shifted and turned copies are one family": lambda row: len(
                _same_statistics(row)
            ),
            "turned copies are counted as a family of their own": lambda row: _families(row, turned=False),
            "the image itself was left out": lambda row: _families(row) - 1,
        },
        hints=(
            "make all 2 ** n rows, and keep those with the f of the given one, within 1e-6",
            "bring each to one representative: canonical_form moves shifted and turned copies to the same one",
            "len(torch.unique(canonical_form(same[:, None]).flatten(1), dim=0)) for the kept rows same, (images, n)",
        ),
        seconds=20.0,
    ),
    "black-and-white": Exercise(
        asks="a function of a grey image (H, W) and a number of pixels that makes so many pixels 1, those with the "
        "largest values, and the others 0",
        solution=_largest,
        cases=(
            Case("half of the pixels", lambda: (_grey(6, 8, 0), 24)),
            Case("few pixels", lambda: (_grey(6, 8, 1), 5)),
            Case("higher than wide", lambda: (_grey(9, 4, 2), 20)),
            Case("none", lambda: (_grey(4, 4, 3), 0)),
        ),
        mistakes={
            "a threshold at 0.5 does not ask for the number of pixels": lambda grey, count: (grey > 0.5).double(),
            "those are the smallest values": lambda grey, count: _largest(grey, count, largest=False),
            "that is one pixel too few": lambda grey, count: _largest(grey, max(count - 1, 0)),
        },
        hints=(
            "grey.flatten().topk(count).indices are the places of the largest values",
            "begin with torch.zeros(grey.numel()) and put 1 at these places",
            "bring it back to the shape of the image with .view(grey.shape)",
        ),
    ),
    "aligned-distance": Exercise(
        asks="a function of two images (H, W) that gives the least mean squared difference of their pixels over all "
        "cyclic shifts and half turns of one of them",
        solution=_aligned,
        cases=(
            _two("the same image", ("##..", ".#..", "...."), ("##..", ".#..", "....")),
            _two("a shifted copy", ("##..", ".#..", "...."), ("....", "#..#", "#...")),
            _two("a turned copy", ("###.", "#...", "...."), ("...#", ".###", "....")),
            _two("a mirrored copy", ("###.", "#...", ".#.."), ("###.", "..#.", ".#..")),
            Case("random pixels", lambda: (some_pixels(5, 6), some_pixels(6, 5).T.contiguous())),
        ),
        mistakes={
            "the images are compared where they lie; shift one of them": lambda a, b: (a - b).square().mean(),
            "half turns are left out": lambda a, b: _aligned(a, b, turned=False),
            "a mirror image is not equivalent: its statistics are others": lambda a, b: _aligned(a, b, mirrored=True),
            "half turns and mirrors are exchanged": lambda a, b: _aligned(a, b, turned=False, mirrored=True),
        },
        hints=(
            "two loops over all shifts down and right: b.roll((down, right), (0, 1))",
            "do the same with b.flip((0, 1)), which is b turned by half a turn",
            "keep the smallest of all (a - moved).square().mean()",
        ),
    ),
    "seam-of-image": Exercise(
        asks="a function of an image (H, W) that gives the share of pixels that change across the joint of two copies "
        "side by side, over the mean share from column to column inside",
        solution=_joint,
        cases=(
            Case("stripes that fit", lambda: (image_of("##..##..", "##..##..", "..##..##"),)),
            Case("stripes that do not fit", lambda: (image_of("##..##", "##..##", "..##.#"),)),
            Case("smooth blobs", lambda: (_tile(12, 16, 0),)),
            Case("higher than wide", lambda: (_tile(20, 9, 1),)),
        ),
        mistakes={
            "that is the share across the joint alone; divide by that inside": lambda m: _changes(m)[1],
            "that is the joint of the upper and the lower side; here copies lie side by side": lambda m: _joint(m.T),
            "the joint is counted among the columns inside": lambda m: (
                _changes(m)[1] / (m - m.roll(-1, 1)).abs().mean()
            ),
            "that is turned over: inside over across": lambda m: 1 / _joint(m),
        },
        hints=(
            "steps = (m - m.roll(-1, 1)).abs().mean(0) has one number for each column and the next",
            "its last number is the joint, from the last column to the first",
            "steps[-1] / steps[:-1].mean()",
        ),
    ),
}
