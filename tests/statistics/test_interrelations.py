import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from microtutor.statistics import complete_set, independent_pairs, two_point_statistics
from tests.statistics.counting import close


def phases(count, *shape, seed=0):
    label = torch.randint(count, shape, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.one_hot(label, count).movedim(-1, 0).double()


def completed(m, pairs, ndim=2):
    f = two_point_statistics(m, pairs=pairs, ndim=ndim)
    return complete_set(f, pairs, phases=m.shape[-ndim - 1], ndim=ndim)


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_how_many_are_independent(count):
    assert len(independent_pairs(count)) == count * (count - 1) // 2
    assert len(independent_pairs(count, fewest=True)) == count - 1
    assert set(independent_pairs(count, fewest=True)) <= set(independent_pairs(count))


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 6), st.integers(2, 4))
def test_all_pairs_from_sums(seed, height, width, count):
    """Whatever the image: phases that are missing, equal or regular included."""
    m = phases(count, height, width, seed=seed)
    close(completed(m, independent_pairs(count)), two_point_statistics(m), 1e-14)


@pytest.mark.parametrize("shape", [(7,), (9, 8), (3, 5, 4)])
@pytest.mark.parametrize("count", [2, 3, 4])
def test_all_pairs_from_the_fewest(shape, count):
    ndim, seed = len(shape), 1
    m = phases(count, *shape, seed=seed)
    spectrum = torch.fft.fftn(m[0], dim=tuple(range(-ndim, 0))).abs()
    assert count == 2 or spectrum.min() > 1e-3, "choose another seed: phase 0 must not vanish"
    close(completed(m, independent_pairs(count, fewest=True), ndim), two_point_statistics(m, ndim=ndim), 1e-11)


def test_any_row_and_any_order_will_do():
    m = phases(3, 9, 8, seed=1)
    for pairs in ([(1, 2), (1, 1)], [(2, 1), (1, 1)], [(2, 2), (2, 0)], [(1, 1), (0, 0), (0, 1)]):
        close(completed(m, pairs), two_point_statistics(m), 1e-11)
    every = list(itertools.product(range(3), repeat=2))
    close(completed(m, every), two_point_statistics(m))


def test_a_spectrum_that_vanishes():
    """Phase 0 in layers: its spectrum is 0 at all frequencies but those of the layers, and says nothing of the rest."""
    layers = (torch.arange(8) % 4 < 2).double().expand(8, 8)
    rest = phases(2, 8, 8)
    m = torch.stack([layers, (1 - layers) * rest[0], (1 - layers) * rest[1]])
    with pytest.raises(ValueError, match=r"spectrum of phase 0 that vanishes nowhere.* at 61 of 64 frequencies"):
        completed(m, independent_pairs(3, fewest=True))
    close(completed(m, independent_pairs(3)), two_point_statistics(m))
    mirrored = torch.stack([layers, (1 - layers) * rest[1], (1 - layers) * rest[0]])
    first, second = (two_point_statistics(x, pairs=independent_pairs(3, fewest=True)) for x in (m, mirrored))
    assert (first - second).abs().max() < 0.2  # hardly different, though phases 1 and 2 have changed places


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [64, 224])
def test_one_frequency_that_vanishes_is_found_among_many(size, dtype):
    """A grey phase whose spectrum is random but for one frequency, at which it is 0."""
    draw = torch.Generator().manual_seed(2)
    spectrum = torch.fft.rfft2(torch.rand(size, size, generator=draw, dtype=torch.float64))
    spectrum[5, 7] = 0
    grey = torch.fft.irfft2(spectrum, s=(size, size))
    low, high = grey.aminmax()
    m = torch.stack([(grey - low) / (high - low), torch.rand(size, size, generator=draw, dtype=torch.float64)])
    f = two_point_statistics(m, pairs=[(0, 0), (0, 1)]).to(dtype)
    with pytest.raises(ValueError, match="vanishes nowhere"):
        complete_set(f, [(0, 0), (0, 1)], phases=3)


@pytest.mark.parametrize("size", [32, 65, 224])
def test_random_images_are_not_refused_in_float64(size):
    m = phases(3, size, size + 1, seed=4)
    close(completed(m, independent_pairs(3, fewest=True)), two_point_statistics(m), 1e-9)


def test_batches_dtypes_nothing():
    m = torch.stack([phases(3, 5, 6, seed=seed) for seed in range(4)]).reshape(2, 2, 3, 5, 6)
    pairs = independent_pairs(3)
    whole = completed(m, pairs)
    close(whole, two_point_statistics(m))
    close(completed(m.float(), pairs).double(), whole, 1e-6)
    assert complete_set(torch.zeros(0, 3, 5, 6), phases=3).shape == (0, 3, 3, 5, 6)
    f = two_point_statistics(m, pairs=pairs)
    close(complete_set(f.mT.contiguous().mT, phases=3), whole)


def test_gradients():
    f = two_point_statistics(phases(3, 5, 6, seed=1), pairs=[(0, 0), (0, 1)]).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: complete_set(x, [(0, 0), (0, 1)], phases=3), f)


def test_bad_input():
    f = torch.zeros(2, 4, 4)
    with pytest.raises(
        ValueError, match=r"expected one map for each pair of 3 phases, got 2 for \[\(0, 0\), \(0, 1\), "
    ):
        complete_set(f, phases=3)
    for pairs in ([(0, 0), (0, 3)], 3, [(0, 0), 1], "01"):
        with pytest.raises(ValueError, match=r"expected pairs \(i, j\) of the phases 0 to 2, got"):
            complete_set(f, pairs, phases=3)
    with pytest.raises(ValueError, match=r"expected pairs that determine all others, got .* take independent_pairs"):
        complete_set(f, [(0, 0), (1, 1)], phases=4)
    with pytest.raises(ValueError, match="expected phases of at least 2, got 1"):
        independent_pairs(1)
