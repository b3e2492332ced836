"""Every random stream by name: one table, in which two purposes never share one."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral

import numpy as np
import torch

from microtutor.checks import check_choice, quote

STREAMS: dict[str, Callable[..., tuple[int, ...]]] = {
    # images, in batches by their number; "all" is a rock of which no part was learned from
    "train images": lambda seed, index: (seed, 0, index),
    "validation images": lambda seed, index: (seed, 1, index),
    "test images": lambda seed, index: (seed, 2, index),
    "all images": lambda seed, index: (seed, 3, index),
    # training: noise about the latents and for the decoder, and the order of a fixed set of images
    "training noise": lambda seed, step, process: (seed, 3, step, process + 1),
    "training order": lambda seed, epoch: (seed, 4, epoch + 1),
    # what trained networks and searches start from
    "decoder noise": lambda seed: (seed, 5),
    "prior": lambda seed: (seed, 6),
    "prior noise": lambda seed: (seed, 7),
    "prior fit": lambda seed, index: (seed, 8, index),
    "search": lambda seed: (seed,),
    # the fixed templates of the canonical form, which all weights were trained with: one for each axis, one for both
    "canonical form": lambda which: (2402, which),
}
_TEMPLATES = {STREAMS["canonical form"](which) for which in (0, 1, 2)}


def named_generator(name: str, *numbers: int) -> torch.Generator:
    """The CPU random generator of a stream in `STREAMS`, by its numbers.

    Raises:
        TypeError, ValueError: there is no such stream, or it takes other numbers.

    >>> a, b = named_generator("search", 7), named_generator("train images", 7, 0)
    >>> bool(torch.rand((), generator=a) == torch.rand((), generator=b))
    False
    """
    key = STREAMS[check_choice(name, STREAMS, name="the stream")]
    wanted = key.__code__.co_varnames[: key.__code__.co_argcount]
    if len(numbers) != len(wanted):
        raise ValueError(f"expected {', '.join(wanted)} for the stream {name!r}, got {quote(numbers)}")
    return seeded_generator(*key(*numbers))


def seeded_generator(*seed: int) -> torch.Generator:
    """A CPU random generator that depends on the numbers given, also on how many they are, and on nothing else.

    Raises:
        TypeError: a number that is not whole.
        ValueError: a number below 0 or of 2**32 and more, which would stand for the stream of two other numbers.

    >>> a, b = seeded_generator(0, 1), seeded_generator(0, 1)
    >>> bool(torch.rand((), generator=a) == torch.rand((), generator=b))
    True
    """
    for number in seed:
        if isinstance(number, bool) or not isinstance(number, Integral):
            raise TypeError(f"expected seeds as whole numbers, got {quote(number)}")
    if not all(0 <= number < 2**32 for number in seed):
        raise ValueError(f"expected seeds of at least 0 and below 2**32 = {2**32}, got {max(seed, key=abs)}")
    state = np.random.SeedSequence(_words(tuple(map(int, seed)))).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


def _words(numbers: tuple[int, ...]) -> tuple[int, ...]:
    """What numpy makes a seed of: other words for other numbers.

    numpy fills up to four words with zeros, so that (7,) and (7, 0, 0) would be one stream. The streams of images, of
    training and of the canonical form are recorded as they are, in three words, or four with no zero at the end; all
    others get a fifth word, which tells how many numbers there are.
    """
    as_images = len(numbers) == 3 and not (numbers[:2] in _TEMPLATES and numbers[2] == 0)
    if as_images or numbers in _TEMPLATES or (len(numbers) == 4 and numbers[3] > 0):
        return numbers
    return *numbers, *(0,) * (4 - len(numbers)), len(numbers)
