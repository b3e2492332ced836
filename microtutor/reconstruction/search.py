"""The search itself: noise or given images in, images with the wanted statistics out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from tqdm import tqdm

from microtutor.checks import (
    ConvergenceWarning,
    check_bool,
    check_count,
    check_number,
    check_phase,
    describe,
    level_of_the_user,
    quote,
)
from microtutor.reconstruction.descent import LBFGS, adam
from microtutor.reconstruction.flips import two_valued
from microtutor.reconstruction.targets import Target, check_target
from microtutor.statistics import Boundary
from microtutor.streams import named_generator

ADAM_SHARE, ADAM_MOST = 0.2, 120  # of the steps from noise; the rest, and all from a start, are L-BFGS
ROUND = 240  # steps of L-BFGS before pixels that have come to rest at 0 or 1 are set free again
MARGIN = 0.05  # how far from 0 and 1 pixels are at the start of a round: at 0 and 1 they would have no slope

Term = Callable[[Tensor], Tensor]


def reconstruct(
    target_statistics: Tensor,
    *,
    boundary: Boundary | Sequence[Boundary] = "periodic",
    phases: int | None = None,
    realisations: int | None = None,
    start: Tensor | None = None,
    extra_terms: Term | Sequence[Term] = (),
    extra_weights: float | Sequence[float] = 1.0,
    seed: int = 0,
    steps: int | None = None,
    tolerance: float | None = None,
    binary: bool = False,
    learning_rate: float = 0.2,
    progress: bool = False,
) -> Tensor:
    """Find images with given two-point statistics: different ones from each noise, or the nearest to a given start.

    From noise, Adam first brings the spectral amplitudes near the wanted ones; then L-BFGS descends on the statistics
    error. Each image has its own step length and end; its noise is chosen by the seed and its place in the batch. A
    pixel is sin^2 of a free angle (with several phases, the squares of a vector, divided by their sum), so it stays in
    [0, 1].

    Args:
        target_statistics: f(r), zero shift at index 0, shape (..., H, W), as `autocorrelation` returns it; with
            phases=n, of shape (..., n, n, H, W), as `two_point_statistics` returns it.
        boundary: which the target was computed with: "periodic", "open", or one for each axis.
        phases: number of phases whose correlations are given; None: the autocorrelation of one.
        realisations: number of images to find of each target, along a new first axis.
        start: images in [0, 1] to start from instead of noise, of the shape of the result or broadcast to it.
        extra_terms: one function or several of images (batch, H, W) or (batch, n, H, W) that return a penalty for each
            image, (batch,), differentiable; added to the relative statistics error.
        extra_weights: one weight for all extra terms or one for each.
        seed: chooses the noise; different seeds find different images.
        steps: most steps to take; without a start the first fifth, but at most 120, is Adam's. 600 by default.
        tolerance: an image whose statistics error is at most this is done, 1e-10 by default. A `ConvergenceWarning`
            says how many images did not get there, and how far they came; there is none if steps are given and no
            tolerance. With extra terms no image stops early. Not every image can be found: small images whose pixels
            are nearly independent (noise, or blocks of 2 x 2) are often out of reach for every method of this kind.
        binary: make the images two-valued in the end: with one phase, a threshold at the wanted volume fraction, and
            with a periodic boundary then single pixels are flipped as long as that lowers the error. It ends a little
            above the error of the grey image, and far below that of a threshold at 0.5.
        learning_rate: of Adam, in radians.
        progress: show a progress bar with the mean statistics error of the images not yet done.

    Returns:
        Images in [0, 1], shape (..., H, W), or with phases (..., n, H, W), where they sum to 1 over the phases; with
        realisations=k, (k, ...). Almost two-valued where the target is that of a two-valued image; exactly two-valued
        with binary=True.

    Raises:
        TypeError, ValueError: target_statistics is no float tensor of such a shape, not finite (statistics with a mask
            are not supported), has zero shift in the middle, or is none of an image: not even, outside [0, 1], scaled,
            of a volume; start or weights do not fit; a number is out of range.

    Source: arXiv 2402.11103, eq. 1 (the error); Nocedal & Wright (2006), algorithm 7.5 (L-BFGS).

    >>> from microtutor.statistics import autocorrelation
    >>> target = autocorrelation(torch.tensor([[1., 1., 0., 0.]] * 4))
    >>> image = reconstruct(target)
    >>> bool((autocorrelation(image) - target).abs().max() < 1e-3)
    True
    >>> reconstruct(10 * target)
    Traceback (most recent call last):
    ValueError: expected the target statistics of a phase, chances in [0, 1], got values in [0, 5]; covariances and
    scaled maps have to be taken back to f
    """
    seed, most = check_count(seed, name="seed", minimum=0), check_count(600 if steps is None else steps, name="steps")
    wanted = check_number(1e-10 if tolerance is None else tolerance, name="tolerance", minimum=0)
    learning_rate = check_number(learning_rate, name="learning_rate", above=0)
    check_bool(binary, name="binary")
    check_bool(progress, name="progress")
    penalty = _penalty(extra_terms, extra_weights)
    with torch.inference_mode(False):  # inference mode would keep no gradients
        target, shape = check_target(target_statistics, boundary, phases)
        if realisations is not None:
            count = check_count(realisations, name="realisations")
            shape = (count, *shape)
            target = target[torch.arange(len(target.statistics), device=target.statistics.device).repeat(count)]
        begin = None if start is None else _check_start(start, shape, phases, target.statistics)
        with tqdm(total=most, unit="step", disable=not progress) as bar:
            images = _search(target, penalty, begin, seed, most, 0.0 if penalty else wanted, learning_rate, bar)
        if wanted and not penalty and (steps is None or tolerance is not None):
            _warn_of_missed(target.error(images), wanted, most)
        return (two_valued(images, target) if binary else images).reshape(shape)


def _search(
    target: Target,
    penalty: Term | None,
    start: Tensor | None,
    seed: int,
    steps: int,
    tolerance: float,
    learning_rate: float,
    bar: tqdm,
) -> Tensor:
    """The images found from noise or from a start, (batch, H, W) or (batch, n, H, W)."""
    first = 0 if start is not None else min(max(1, round(ADAM_SHARE * steps)), ADAM_MOST)
    if start is None:
        angles = _descend_from_noise(target, penalty, seed, first, learning_rate, bar)
    else:
        angles = _angles(start, target.phases)
    return _images(_refine(target, penalty, angles, steps - first, tolerance, bar), target.phases)


def _warn_of_missed(error: Tensor, tolerance: float, steps: int) -> None:
    """Warn if the statistics errors of some images are above the tolerance."""
    missed = ~(error <= tolerance)
    if bool(missed.any()):
        warnings.warn(
            f"{int(missed.sum())} of {len(error)} images stopped within {steps} steps with a statistics error of up to "
            f"{float(error[missed].max()):.1e}, above the tolerance {tolerance:.1e}: the target may be that of no "
            "image, or of one that is hard to find. Raise tolerance or steps, or try another seed",
            ConvergenceWarning,
            stacklevel=level_of_the_user(),
        )


def _images(angles: Tensor, phases: int | None) -> Tensor:
    """Pixels in [0, 1] from free numbers: sin^2, or over the phases the squares divided by their sum."""
    if phases is None:
        return angles.sin().square()
    squares = angles.square()
    return squares / squares.sum(-3, keepdim=True)


def _angles(images: Tensor, phases: int | None) -> Tensor:
    """The free numbers that give these images; undoes `_images`."""
    inside = images.clamp(MARGIN, 1 - MARGIN)
    return inside.sqrt().asin() if phases is None else (inside / inside.sum(-3, keepdim=True)).sqrt()


def _descend_from_noise(
    target: Target, penalty: Term | None, seed: int, steps: int, learning_rate: float, bar: tqdm
) -> Tensor:
    """Noise about the wanted volume fractions, brought by Adam near the wanted spectral amplitudes."""
    fractions = target.fractions.clamp(0.01, 0.99)[..., None, None]
    size = (*fractions.shape[:-2], *target.statistics.shape[-2:])
    noise = torch.randn(size, generator=named_generator("search", seed), dtype=torch.float32).to(target.statistics)
    if target.phases is None:
        start = (noise + fractions.logit()).sigmoid()[:, 0]
    else:
        start = (noise + fractions.log()).softmax(1)

    def gradient(angles: Tensor) -> Tensor:
        with torch.enable_grad():
            angles = angles.detach().requires_grad_()
            images = _images(angles, target.phases)
            loss = target.amplitude_error(images)
            if penalty:
                loss = loss + penalty(images)
            return torch.autograd.grad(loss.sum(), angles)[0]

    return adam(gradient, _angles(start, target.phases), steps, learning_rate, bar.update)


def _refine(target: Target, penalty: Term | None, angles: Tensor, steps: int, tolerance: float, bar: tqdm) -> Tensor:
    """L-BFGS on the relative statistics error, image by image, until each is within the tolerance.

    A pixel at 0 or 1 has no slope and would stay there. So after each round those of unfinished images are moved a
    little inside and the next round begins with a new memory; an image keeps the best of its rounds.
    """
    shape, best = angles.shape[1:], angles.flatten(1)

    def evaluate(goals: Target, flat: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        goal = goals[rows]
        with torch.enable_grad():
            free = flat.detach().reshape(-1, *shape).requires_grad_()
            images = _images(free, target.phases)
            error = goal.error(images)
            loss = error / goal.scale + (penalty(images) if penalty else 0)
            slope = torch.autograd.grad(loss.sum(), free)[0]
        return loss.detach(), slope.flatten(1), error.detach()

    def show(error: Tensor) -> None:
        bar.update()
        bar.set_postfix_str(f"statistics error {error.mean():.2e}, {len(error)} under way", refresh=False)

    rows, lowest = torch.arange(len(best), device=best.device), best.new_full(best.shape[:1], torch.inf)
    for begin in range(0, steps, ROUND):
        start = best[rows]
        if begin:
            start = _angles(_images(start.reshape(-1, *shape), target.phases), target.phases).flatten(1)
        unfinished = partial(evaluate, target[rows])
        found = LBFGS(unfinished, start, tolerance).run(min(ROUND, steps - begin), show)
        loss, _, error = evaluate(target, found, rows)
        better = loss < lowest[rows]
        best[rows[better]], lowest[rows[better]] = found[better], loss[better]
        rows = rows[~(better & (error <= tolerance))]
        if not len(rows):
            break
    return best.reshape(angles.shape)


def _check_start(start: Tensor, shape: tuple[int, ...], phases: int | None, like: Tensor) -> Tensor:
    """The start as the flat batch of the search."""
    start = check_phase(start, name="start").detach().to(like).clamp(0, 1)
    try:
        start = start.broadcast_to(shape)
    except RuntimeError:
        raise ValueError(f"expected a start of shape {shape}, that of the result, got {describe(start)}") from None
    return start.reshape(-1, *shape[-2:] if phases is None else shape[-3:])


def _penalty(terms: Term | Sequence[Term], weights: float | Sequence[float]) -> Term | None:
    """The weighted sum of the extra terms, or None where there are none."""
    each = [terms] if callable(terms) else terms
    if not isinstance(each, Sequence) or not all(callable(term) for term in each):
        raise TypeError(f"expected extra_terms as a function of images, or several, got {quote(terms)}")
    numbers = (
        weights if isinstance(weights, Sequence) and not isinstance(weights, str) else [weights] * max(1, len(each))
    )
    numbers = [check_number(one, name="extra_weights") for one in numbers]
    if not each:
        return None
    if len(numbers) != len(each):
        raise ValueError(f"expected one weight for each of {len(each)} extra terms, got {len(numbers)}")

    def penalty(images: Tensor) -> Tensor:
        values = [term(images) for term in each]
        for value in values:
            if not isinstance(value, Tensor) or value.shape != images.shape[:1]:
                raise ValueError(
                    f"expected an extra term that returns one number for each of {len(images)} images, "
                    f"shape {tuple(images.shape[:1])}, got {describe(value)}"
                )
        return torch.stack([weight * value for weight, value in zip(numbers, values, strict=True)]).sum(0)

    return penalty
