import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from microtutor.statistics import autocorrelation, cross_correlation, two_point_statistics
from microtutor.statistics.interop import from_mcrpy, from_pymks, to_mcrpy, to_pymks
from tests.strategies import phase_images

SIDES = [(1, 1), (1, 6), (5, 1), (4, 4), (5, 5), (4, 7), (6, 5)]


def some_maps(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def count_pairs(a, b, shift):
    """mean of a(x) b(x + r) with everything wrapped around, one pixel at a time."""
    total = 0.0
    for x in np.ndindex(*a.shape):
        total += a[x] * b[tuple((i + r) % n for i, r, n in zip(x, shift, a.shape))]
    return float(total) / a.numel()


# --- by hand ----------------------------------------------------------------------------------------------------------
def test_a_row_of_pymks_by_hand():
    """Phase 0 at pixel 1 and phase 1 at pixels 2 and 4 of a ring of 5: phase 1 lies 1 and 3 = -2 further on."""
    m = torch.tensor([[[0, 1, 0, 0, 0], [0, 0, 1, 0, 1]]]).double()
    f = two_point_statistics(m, ndim=1)
    assert (5 * to_pymks(f[:, 0], ndim=1)).round(6).tolist() == [
        [[0, 1], [0, 0], [1, 0], [0, 1], [0, 0]]
    ]  # shifts -2 ... 2


def test_the_worked_example_of_pymks():
    m = torch.tensor([[1.0, 1, 0], [0, 0, 1], [1, 1, 0]], dtype=torch.float64)
    f = torch.stack([autocorrelation(m), cross_correlation(m, 1 - m)])[None]
    pairs = 9 * to_pymks(f)
    assert pairs.shape == (1, 3, 3, 2)
    np.testing.assert_allclose(pairs[0, ..., 0], [[3, 2, 3], [2, 5, 2], [3, 2, 3]])
    np.testing.assert_allclose(pairs[0, ..., 1], [[2, 3, 2], [3, 0, 3], [2, 3, 2]], atol=1e-12)


def test_mcrpy_by_hand():
    """Two neighbouring pixels on a ring of 4 x 4: two pairs at shift 0, one at each of (0, 1) and (0, -1)."""
    m = torch.zeros(4, 4)
    m[1, 1] = m[1, 2] = 1
    found = to_mcrpy(16 * autocorrelation(m))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, [[[[0, 0, 0], [1, 2, 1], [0, 0, 0]]]], atol=1e-6)


# --- against counting, shift by shift ---------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", SIDES)
def test_pymks_holds_each_shift_where_it_belongs(shape):
    a, b = some_maps(*shape).round(), some_maps(*shape, seed=1).round()
    f = torch.stack([autocorrelation(a), cross_correlation(a, b)])[None]
    most = (min(shape) - 1) // 2
    for cutoff in (None, *range(most + 1)):
        found, reach = to_pymks(f, cutoff=cutoff), most if cutoff is None else cutoff
        assert found.shape == (1, 2 * reach + 1, 2 * reach + 1, 2)
        for r in itertools.product(range(-reach, reach + 1), repeat=2):
            place = tuple(reach + i for i in r)
            assert found[(0, *place, 0)] == pytest.approx(count_pairs(a, a, r), abs=1e-12)
            assert found[(0, *place, 1)] == pytest.approx(count_pairs(a, b, r), abs=1e-12)


def test_the_sizes_that_the_peers_have():
    f = torch.zeros(2, 3, 224, 224)
    assert to_pymks(f).shape == (2, 223, 223, 3)
    assert to_pymks(f[:, 0]).shape == (2, 223, 223)
    assert to_pymks(f, cutoff=20).shape == (2, 41, 41, 3)
    assert to_mcrpy(f[0]).shape == (3, 1, 223, 223)
    assert to_mcrpy(f[0, 0], limit_to=16).shape == (1, 1, 31, 31)
    assert to_pymks(torch.zeros(0, 224, 224)).shape == (0, 223, 223)


@given(phase_images(), st.data())
def test_mcrpy_is_pymks_without_its_axes(m, data):
    limit_to = data.draw(st.integers(1, (min(m.shape) + 1) // 2))
    f = autocorrelation(m)
    assert np.array_equal(to_mcrpy(f, limit_to=limit_to)[0, 0], to_pymks(f[None], cutoff=limit_to - 1)[0])


# --- there and back ---------------------------------------------------------------------------------------------------
@given(phase_images(), st.data())
def test_what_comes_back_is_the_window_of_max_shift(m, data):
    reach = data.draw(st.integers(0, (min(m.shape) - 1) // 2))
    window = autocorrelation(m, max_shift=reach)
    for centred in (False, True):
        f = autocorrelation(m, centred=centred)[None]
        back = from_pymks(to_pymks(f, cutoff=reach, centred=centred), centred=True)
        torch.testing.assert_close(back[0], window, rtol=0, atol=1e-15)
        back = from_mcrpy(to_mcrpy(f, limit_to=reach + 1, centred=centred), centred=True)
        torch.testing.assert_close(back[0], window, rtol=0, atol=1e-15)


@pytest.mark.parametrize("side", [1, 3, 5])
def test_odd_square_maps_come_back_whole(side):
    for shape, ndim in (((3, side, side), 2), ((3, 2, side, side), 2), ((2, side, side, side), 3), ((2, 4, side), 1)):
        f = some_maps(*shape)
        for centred in (False, True):
            assert torch.equal(from_pymks(to_pymks(f, ndim=ndim, centred=centred), ndim=ndim, centred=centred), f)
    f = some_maps(3, side, side)
    assert torch.equal(from_mcrpy(to_mcrpy(f)), f)
    assert torch.equal(from_mcrpy(to_mcrpy(f, centred=True), centred=True), f)
    assert torch.equal(from_mcrpy(to_mcrpy(f[0])[0, 0]), f[0])


@pytest.mark.parametrize("shape", [(2, 5, 5), (2, 5, 5, 3)])
def test_arrays_of_pymks_come_back_as_they_were(shape):
    array = np.random.default_rng(0).random(shape)
    before = array.copy()
    f = from_pymks(array)
    assert np.array_equal(to_pymks(f), array)
    f.fill_(0)
    assert np.array_equal(array, before)  # nothing is shared
    assert from_pymks(array.astype(np.float32)).dtype == torch.float32


def test_levels_of_mcrpy():
    descriptor = np.random.default_rng(0).random((2, 3, 5, 5))
    for level in range(3):
        assert np.array_equal(to_mcrpy(from_mcrpy(descriptor, level=level))[:, 0], descriptor[:, level])
    with pytest.raises(ValueError, match="expected a level below 3, the number of levels, got 3"):
        from_mcrpy(descriptor, level=3)


def test_shifts_without_pairs_and_gradients_are_carried_along():
    f = torch.full((1, 5, 5), torch.nan).requires_grad_()
    assert np.isnan(to_pymks(f)).all()
    assert from_mcrpy(to_mcrpy(f)).isnan().all()
    assert to_pymks(f.detach().half()).dtype == np.float64


def test_maps_that_are_not_contiguous():
    f = some_maps(5, 5, 2).movedim(-1, 0)
    assert torch.equal(from_pymks(to_pymks(f)), f)


# --- bad input --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("convert", "error", "message"),
    [
        (lambda: to_pymks(np.zeros((1, 3, 3))), TypeError, "as a float tensor, got a ndarray of shape"),
        (lambda: to_pymks(torch.zeros(1, 3, 3).long()), TypeError, "as a float tensor, got a tensor of shape"),
        (lambda: to_pymks(torch.zeros(3, 3)), ValueError, r"of shape \(samples, height, width\) or .* with 2 spatial"),
        (lambda: to_pymks(torch.zeros(1, 1, 1, 3, 3)), ValueError, r"got a tensor of shape \(1, 1, 1, 3, 3\)"),
        (lambda: to_pymks(torch.zeros(1, 0, 3)), ValueError, r"got a tensor of shape \(1, 0, 3\)"),
        (lambda: to_pymks(torch.zeros(1, 8, 6), cutoff=3), ValueError, "cutoff of at most 2 for a side of 6, got 3"),
        (lambda: to_pymks(torch.zeros(1, 8, 6), cutoff=-1), ValueError, "cutoff of at least 0, got -1"),
        (lambda: to_pymks(torch.zeros(1, 8, 6), cutoff=1.5), TypeError, "cutoff as a whole number"),
        (lambda: to_mcrpy(torch.zeros(1, 1, 3, 3)), ValueError, r"\(height, width\) or \(phases, height, width\)"),
        (lambda: to_mcrpy(torch.zeros(8, 6), limit_to=4), ValueError, "limit_to - 1 of at most 2 for a side of 6"),
        (lambda: to_mcrpy(torch.zeros(8, 6), limit_to=0), ValueError, "limit_to of at least 1, got 0"),
        (lambda: from_pymks(np.zeros((1, 4, 4))), ValueError, r"equal odd sides s, .* got float64 \(1, 4, 4\)"),
        (lambda: from_pymks(np.zeros((1, 3, 5))), ValueError, r"equal odd sides s, .* got float64 \(1, 3, 5\)"),
        (lambda: from_pymks(np.zeros((3, 3))), ValueError, r"\(samples, s, s\) or \(samples, s, s, pairs\)"),
        (lambda: from_pymks(np.zeros((1, 3, 3), int)), ValueError, "expected statistics as floats .* got int64"),
        (lambda: from_pymks("abc"), TypeError, "expected the statistics as an array of real numbers, got 'abc'"),
        (lambda: from_mcrpy(np.ma.ones((3, 3))), TypeError, "expected the descriptor without a mask"),
        (lambda: from_mcrpy(np.zeros((1, 3, 3))), ValueError, r"\(phases, levels, s, s\) or \(s, s\)"),
        (lambda: from_mcrpy(np.zeros((1, 1, 3, 3)), level=-1), ValueError, "level of at least 0, got -1"),
    ],
)
def test_bad_input(convert, error, message):
    with pytest.raises(error, match=message):
        convert()
