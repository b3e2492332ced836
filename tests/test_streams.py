"""Random streams: two purposes share none, and those that results are recorded with are as they were."""

import itertools

import numpy as np
import pytest
import torch

from microtutor.streams import STREAMS, named_generator, seeded_generator

SEEDS = (0, 1, 2, 3, 4, 5, 6, 7, 2402)


def first(generator):
    return torch.randint(2**62, (), generator=generator).item()


def numbers_of(name):
    """How many numbers a stream takes, and some choices of them."""
    count = STREAMS[name].__code__.co_argcount
    if name == "canonical form":
        return [(which,) for which in range(3)]
    return itertools.product(SEEDS, *[(0, 1, 2, 3)] * (count - 1))


def test_no_two_purposes_share_a_stream():
    drawn = {
        (name, *numbers): first(named_generator(name, *numbers)) for name in STREAMS for numbers in numbers_of(name)
    }
    assert len(drawn) == 9 * (4 * 4 + 16 + 4 + 4 + 4) + 3
    assert len(set(drawn.values())) == len(drawn)


def test_zeros_at_the_end_count():
    keys = [(7,) + (0,) * zeros for zeros in range(7)] + [(), (0,), (0, 0), (7, 0, 0, 0, 1), (7, 0, 0, 1), (0, 7)]
    assert len({first(seeded_generator(*key)) for key in keys}) == len(keys)


def recorded(*numbers):
    """The stream of numbers in results up to version 0.1.0."""
    state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]
    return first(torch.Generator().manual_seed(int(state >> np.uint64(1))))


@pytest.mark.parametrize("seed", [0, 1, 7, 2401, 2**32 - 1])
@pytest.mark.parametrize("index", [0, 1, 5999])
def test_recorded_streams_are_as_they_were(seed, index):
    for number, split in enumerate(("train", "validation", "test", "all")):
        assert first(named_generator(f"{split} images", seed, index)) == recorded(seed, number, index)
    for process in (0, 1):
        assert first(named_generator("training noise", seed, index, process)) == recorded(seed, 3, index, process + 1)
    assert first(named_generator("training order", seed, index)) == recorded(seed, 4, index + 1)
    for which in range(3):
        assert first(named_generator("canonical form", which)) == recorded(2402, which)


def test_streams_that_there_are_not():
    with pytest.raises(ValueError, match=r"expected the stream to be 'train images', .*, got 'luck'"):
        named_generator("luck", 0)
    with pytest.raises(ValueError, match=r"expected seed, index for the stream 'test images', got \(0,\)"):
        named_generator("test images", 0)
    for bad in (0.5, "7", None, True):
        with pytest.raises(TypeError, match="expected seeds as whole numbers, got"):
            seeded_generator(bad)
