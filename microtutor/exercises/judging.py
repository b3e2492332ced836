"""Exercises of the chapter Judging it: measures of reconstructions, and how far to trust them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from microtutor.exercises.checking import Case, Exercise
from microtutor.exercises.small_images import some_pixels
from microtutor.statistics import autocorrelation, cross_correlation
from microtutor.streams import seeded_generator


# --- images and errors to try answers on ------------------------------------------------------------------------------
def _pairs(grey: float) -> tuple[Tensor, Tensor]:
    """Three pairs of images and reconstructions, (3, 1, 6, 8) each; the phase of the reconstructions is grey."""
    images, made = torch.zeros(2, 3, 1, 6, 8, dtype=torch.float64)
    for i, (wide, drawn) in enumerate(((1, 2), (3, 3), (6, 4))):
        images[i, :, :, :wide], made[i, :, :, :drawn] = 1, grey
    return images, made


def _two_errors(seed: int, shared: float) -> tuple[Tensor, Tensor]:
    """Errors of two networks on the same 40 images, which are hard or easy for both."""
    draws = torch.rand(3, 40, generator=seeded_generator(seed), dtype=torch.float64)
    return shared * draws[0] + draws[1], shared * draws[0] + 1.2 * draws[2]


def _lines(*boxes: tuple[int, int, int, int], size: int = 24) -> Tensor:
    image = torch.zeros(size, size, dtype=torch.float64)
    for top, left, height, width in boxes:
        image[top : top + height, left : left + width] = 1
    return image


def _one_more() -> Tensor:
    """`some_pixels` with one more pixel, so that no error is 0, where rounding would be all there is."""
    image = some_pixels(6, 8)
    empty = (image == 0).nonzero()[0]
    image[empty[0], empty[1]] = 1
    return image


# --- measures, right and wrong ----------------------------------------------------------------------------------------
def _share_error(share: float, n: int) -> float:
    return math.sqrt(share * (1 - share) / n)


def _difference(images: Tensor, made: Tensor, *, threshold: bool = True) -> Tensor:
    phi, drawn = (m.mean((-3, -2, -1)) for m in (images, (made > 0.5).double() if threshold else made))
    return (phi - drawn).abs() / phi


def _aligned(a: Tensor, b: Tensor, *, turned: bool = True) -> Tensor:
    found = [cross_correlation(x, b).max() for x in ((a, a.flip((0, 1))) if turned else (a,))]
    return a.square().mean() + b.square().mean() - 2 * torch.stack(found).max()


def _count(image: Tensor, smallest: int, *, wrap: bool = True, corners: bool = False) -> int:
    phase = image > 0.5
    names = torch.where(phase, torch.arange(1, image.numel() + 1).reshape(image.shape), 0)
    near = [(0, 1), (0, -1), (1, 0), (-1, 0)] + [(1, 1), (1, -1), (-1, 1), (-1, -1)] * corners
    while True:  # each pixel takes the largest name of its part
        wider = names if wrap else torch.nn.functional.pad(names, (1, 1, 1, 1))
        moved = torch.stack([wider.roll(step, (0, 1)) for step in near])
        spread = torch.maximum(names, (moved if wrap else moved[:, 1:-1, 1:-1]).amax(0)) * phase
        if bool((spread == names).all()):
            break
        names = spread
    return int((names.flatten().bincount()[1:] >= smallest).sum())


def _thickness(m: Tensor, down: int = 0, right: int = 1) -> Tensor:
    f = autocorrelation(m)
    return f[0, 0] / (f[0, 0] - f[down, right])


def _table(**changed: tuple[int, int, int]) -> list[tuple[int, int, int]]:
    rows = {"missing": (1, 1, 1), "moved": (1, 0, 0), "all_moved": (0, 0, 0), "grey_6": (1, 0, 0), "grey_4": (1, 1, 1)}
    return [*(rows | changed).values()]


EXERCISES: dict[str, Exercise] = {
    "error-of-a-share": Exercise(
        asks="a function of a share and of the number n of images that gives the standard error of the share",
        solution=_share_error,
        cases=(
            Case("the paper's count, 63 of 100", lambda: (0.63, 100)),
            Case("one half of 400", lambda: (0.5, 400)),
            Case("nearly all of 1,000", lambda: (0.97, 1000)),
        ),
        mistakes={
            "that is the variance; its root is the standard error": lambda share, n: share * (1 - share) / n,
            "that is the spread of a single image; the mean of n has 1/√n of it": lambda share, n: math.sqrt(
                share * (1 - share)
            ),
            "the n belongs under the root": lambda share, n: math.sqrt(share * (1 - share)) / n,
            "a share above one half is as uncertain as what it leaves: multiply by 1 - share": lambda share, n: (
                math.sqrt(share / n)
            ),
        },
        hints=(
            "a single image is right (1) or not (0), with the variance share * (1 - share)",
            "the variance of a mean of n is 1/n of that, and the standard error is its root",
        ),
    ),
    "mean-of-ratios": Exercise(
        asks="a function of images and reconstructions, (n, 1, H, W) each, that gives one number",
        solution=lambda images, made: _difference(images, made).mean(),
        cases=(
            Case("perfect reconstructions", lambda: (_pairs(1.0)[0],) * 2),
            Case("black reconstructions", lambda: _pairs(1.0)),
            Case("reconstructions in a dark grey", lambda: _pairs(0.8)),
            Case("reconstructions in a light grey", lambda: _pairs(0.4)),
        ),
        mistakes={
            "the mean of the differences was divided by the mean of φ; each image has its own ratio": (
                lambda images, made: (
                    (_difference(images, made) * images.mean((-3, -2, -1))).mean() / images.mean((-3, -2, -1)).mean()
                )
            ),
            "the greys were taken as they are; first cut at one half": lambda images, made: _difference(
                images, made, threshold=False
            ).mean(),
            "the difference is relative: divide by φ of the original": lambda images, made: (
                _difference(images, made) * images.mean((-3, -2, -1))
            ).mean(),
            "too much and too little cancel; take the absolute value of each": lambda images, made: (
                1 - (made > 0.5).double().mean((-3, -2, -1)) / images.mean((-3, -2, -1))
            ).mean(),
        },
        hints=(
            "cut the reconstruction at one half before anything else",
            "one φ for each image: the mean over the last three axes",
            "((phi - drawn).abs() / phi).mean()",
        ),
    ),
    "best-shift": Exercise(
        asks="a function of two images (H, W) that gives the mean squared difference after the best shift and turn",
        solution=_aligned,
        cases=(
            Case("the same image with a pixel more", lambda: (some_pixels(6, 8), _one_more())),
            Case("shifted", lambda: (some_pixels(6, 8), _one_more().roll((2, 3), (0, 1)))),
            Case("turned by half a turn", lambda: (some_pixels(6, 8), _one_more().flip((0, 1)))),
            Case("another image", lambda: (some_pixels(6, 8), _lines((1, 2, 4, 2), size=24)[:6, :8])),
            Case("a grey image", lambda: (some_pixels(6, 8), 0.7 * some_pixels(6, 8).roll(1, 0))),
        ),
        mistakes={
            "the images lie as they are; try all shifts": lambda a, b: (a - b).square().mean(),
            "half a turn is missing: a.flip((0, 1)) has the same statistics": lambda a, b: _aligned(a, b, turned=False),
            "that is a sum over the pixels, not a mean": lambda a, b: _aligned(a, b) * a.numel(),
            "the overlap counts twice: 2 c(r)": lambda a, b: (
                a.square().mean() + b.square().mean() - (a.square().mean() + b.square().mean() - _aligned(a, b)) / 2
            ),
        },
        hints=(
            "mean(a²) + mean(b²) - 2 c(r), where only c depends on the shift",
            "cross_correlation(a, b).max() is c at the best shift",
            "take the larger one of a and of a.flip((0, 1))",
        ),
        tolerance=1e-4,
    ),
    "lines-on-the-torus": Exercise(
        asks="a function of an image (H, W) and of the smallest number of pixels of a line that counts the lines",
        solution=_count,
        cases=(
            Case("two lines", lambda: (_lines((2, 3, 12, 3), (5, 12, 15, 3)), 20)),
            Case("a line and a crumb", lambda: (_lines((2, 3, 12, 3), (20, 20, 2, 2)), 20)),
            Case("a line over the border", lambda: (_lines((18, 3, 6, 3), (0, 3, 9, 3), (4, 12, 15, 3)), 12)),
            Case("two halves too small, a line together", lambda: (_lines((19, 3, 5, 3), (0, 3, 5, 3)), 20)),
            Case("two lines that touch by a corner", lambda: (_lines((2, 3, 8, 3), (10, 6, 8, 3)), 20)),
            Case("an empty image", lambda: (_lines(), 20)),
        ),
        mistakes={
            "a line over the border is counted twice; join parts that meet across opposite borders": (
                lambda image, smallest: _count(image, smallest, wrap=False)
            ),
            "crumbs count as lines; leave out parts with fewer pixels than the smallest line": (
                lambda image, smallest: _count(image, 1)
            ),
            "parts that touch by a corner are not one line": lambda image, smallest: _count(
                image, smallest, corners=True
            ),
            "a crumb is counted, and so is a line over the border, twice": lambda image, smallest: _count(
                image, 1, wrap=False
            ),
        },
        hints=(
            "ndimage.label(image > 0.5) numbers the parts in the plane",
            "where label[0] and label[-1] are both above 0, two parts are one; likewise for the columns",
            "join first, then count the pixels of each part",
        ),
        tolerance=1e-9,
    ),
    "mean-thickness": Exercise(
        asks="a function of an image (H, W) of vertical lines that gives their mean thickness in pixels",
        solution=_thickness,
        cases=(
            Case("one line", lambda: (_lines((4, 8, 12, 3)),)),
            Case("two equal lines", lambda: (_lines((4, 2, 12, 3), (6, 14, 9, 3)),)),
            Case("a thick line and a thin one", lambda: (_lines((1, 3, 20, 5), (4, 14, 10, 2)),)),
        ),
        mistakes={
            "the shift runs along the lines; one pixel across them is (0, 1)": lambda m: _thickness(m, 1, 0),
            "that is f(0) / f(r); the pixels at the edge are N (f(0) - f(r))": lambda m: (
                autocorrelation(m)[0, 0] / autocorrelation(m)[0, 1]
            ),
            "that is its inverse": lambda m: 1 / _thickness(m),
            "an edge on each side would be two; N (f(0) - f(r)) counts one of them": lambda m: 2 * _thickness(m),
        },
        hints=(
            "N f(0) is the number of pixels of the phase; what is N f(0, 1)?",
            "across the lines each of them loses one pixel for each unit of its length",
            "f[0, 0] / (f[0, 0] - f[0, 1])",
        ),
    ),
    "same-images": Exercise(
        asks="a function of the errors of two networks on the same images, (n,) each, that gives the standard error "
        "of the difference of their means",
        solution=lambda a, b: (a - b).std() / math.sqrt(len(a)),
        cases=(
            Case("images that are hard or easy for both", lambda: _two_errors(1, 5.0)),
            Case("images of one difficulty", lambda: _two_errors(2, 0.0)),
            Case("two networks that differ by a constant", lambda: (_two_errors(3, 1.0)[0],) * 2),
        ),
        mistakes={
            "that is right for two different sets of images; on the same images take the spread of the "
            "differences": lambda a, b: torch.sqrt((a.var() + b.var()) / len(a)),
            "that is the spread of the single differences; divide by √n": lambda a, b: (a - b).std(),
            "divide by √n, not by n": lambda a, b: (a - b).std() / len(a),
            "for the spread of a sample divide by n - 1, as tensor.std() does": lambda a, b: (
                (a - b).std(correction=0) / math.sqrt(len(a))
            ),
            "that is the difference of the two standard errors": lambda a, b: (
                (a.std() - b.std()).abs() / math.sqrt(len(a))
            ),
        },
        hints=(
            "first take the differences, image by image",
            "it is the standard error of their mean: (a - b).std() divided by what?",
        ),
    ),
    "broken-on-purpose": Exercise(
        asks="a table of five rows and three columns of 0 and 1",
        solution=_table,
        cases=(Case("all fifteen"),),
        mistakes={
            "a shift of the whole changes no statistics, no count and no amount": lambda: _table(all_moved=(1, 0, 0)),
            "after the threshold a grey of 0.6 is black": lambda: _table(grey_6=(1, 0, 1)),
            "after the threshold a grey of 0.4 is white, so nothing is left": lambda: _table(grey_4=(1, 0, 0)),
            "a line that is moved has as many pixels as before": lambda: _table(moved=(1, 0, 1)),
            "the statistics hold the distances between lines, and these change": lambda: _table(moved=(0, 0, 0)),
            "the statistics error is taken as it comes out, and grey lines overlap less": lambda: _table(
                grey_6=(0, 0, 0)
            ),
        },
        hints=(
            "go column by column: what does this measure look at, and does the damage change that?",
            "only the statistics error is taken before the threshold at one half",
        ),
    ),
}
