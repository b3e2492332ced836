"""Statistics block by block: equal to those of the whole."""

import itertools

import numpy as np
import pytest
import torch

from microtutor.statistics import autocorrelation, autocorrelation_of_blocks, blocks


def labels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 3, shape, dtype=np.uint8)


def whole(array, reach, boundary):
    m = torch.from_numpy((array == 1).astype(np.float64))
    return autocorrelation(m, ndim=m.ndim, max_shift=reach, boundary=boundary)


@pytest.mark.parametrize("block", [3, 4, 100])
@pytest.mark.parametrize("shape", [(17,), (12, 13), (9, 16), (8, 7, 9)])
def test_blocks_give_what_the_whole_gives(shape, block):
    array = labels(*shape)
    for boundary in itertools.product(("periodic", "open"), repeat=len(shape)):
        for reach in (0, 1, 3):
            found = autocorrelation_of_blocks(array, reach, phase=1, boundary=boundary, block=block)
            torch.testing.assert_close(found, whole(array, reach, boundary), rtol=0, atol=1e-6)


def test_a_memory_map_is_read_block_by_block(tmp_path):
    array = labels(70, 90)
    path = tmp_path / "image.npy"
    np.save(path, array)
    mapped = np.load(path, mmap_mode="r")
    assert isinstance(mapped, np.memmap)
    found = autocorrelation_of_blocks(mapped, 5, phase=1, block=32)
    torch.testing.assert_close(found, whole(array, 5, "open"), rtol=0, atol=1e-6)


@pytest.mark.parametrize("mode", ["r+", "c"])
def test_what_was_written_into_a_memory_map_stays(tmp_path, mode):
    path = tmp_path / "image.npy"
    np.save(path, np.zeros((40, 50), dtype=np.uint8))
    mapped, array = np.load(path, mmap_mode=mode), labels(40, 50)
    mapped[:] = array
    found = autocorrelation_of_blocks(mapped, 3, phase=1, block=16, boundary="periodic")
    torch.testing.assert_close(found, whole(array, 3, "periodic"), rtol=0, atol=1e-6)
    np.testing.assert_array_equal(mapped, array)


@pytest.mark.parametrize("boundary", ["open", "periodic"])
@pytest.mark.parametrize("reach", [0, 1, 2, 5])
@pytest.mark.parametrize(("n", "side"), [(11, 1), (11, 2), (11, 3), (12, 4), (12, 5), (12, 7), (13, 13)])
def test_two_pixels_lie_together_in_one_piece_in_sum(n, side, reach, boundary):
    pieces = blocks._intervals(n, side, reach, boundary)
    for x, shift in itertools.product(range(n), range(reach + 1)):
        if boundary == "open" and x + shift >= n:
            continue
        inside = 0
        for first, last, sign in pieces:
            whole_circle = boundary == "periodic" and last - first == n
            starts = [start for start in (x, x + n) if first <= start and start + shift < last]
            inside += sign * (1 if whole_circle else len(starts))
        assert inside == 1


class Counted:
    """An array that knows only its shape and how to give a part, and remembers the largest it gave."""

    def __init__(self, array):
        self.array, self.shape, self.largest = array, array.shape, 0

    def __getitem__(self, chosen):
        part = self.array[chosen]
        self.largest = max(self.largest, part.size)
        return part


def test_no_more_is_read_at_once_than_a_block_and_its_border():
    array = Counted(labels(64, 64))
    autocorrelation_of_blocks(array, 2, phase=1, block=16)
    assert array.largest <= (16 + 2) * (16 + 4)


@pytest.mark.parametrize("boundary", ["open", "periodic"])
def test_dask_arrays(boundary):
    dask_array = pytest.importorskip("dask.array", reason="the optional extra dask is not installed")
    array = labels(40, 37)
    lazy = dask_array.from_array(array, chunks=(16, 20))
    found = autocorrelation_of_blocks(lazy, 4, phase=1, block=16, boundary=boundary)
    torch.testing.assert_close(found, whole(array, 4, boundary), rtol=0, atol=1e-6)


@pytest.mark.parametrize("boundary", ["open", "periodic"])
@pytest.mark.parametrize("lazy", [False, True])
def test_a_mask(boundary, lazy):
    array, mask = labels(21, 30), (labels(21, 30, seed=1) / 2).astype(np.float32)
    mask[:, 10:] = 0
    m, weight = torch.from_numpy((array == 1).astype(np.float64)), torch.from_numpy(mask).double()
    wanted = autocorrelation(m, mask=weight, max_shift=10, boundary=boundary)
    if lazy:
        dask_array = pytest.importorskip("dask.array", reason="the optional extra dask is not installed")
        array, mask = dask_array.from_array(array, chunks=10), dask_array.from_array(mask, chunks=12)
    found = autocorrelation_of_blocks(array, 10, phase=1, mask=mask, boundary=boundary, block=8)
    assert wanted.isnan().any()
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12, equal_nan=True)


def test_a_mask_with_few_pairs_among_many():
    mask = np.zeros((300, 300))
    mask[:150, :200], mask[299, 299] = 1, 1
    array = labels(300, 300)
    m = torch.from_numpy((array == 1).astype(np.float64))
    wanted = autocorrelation(m, mask=torch.from_numpy(mask), max_shift=149, boundary="open")
    found = autocorrelation_of_blocks(array, 149, phase=1, mask=mask)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-10, equal_nan=True)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("phase", [None, 1])
def test_the_mask_that_comes_with_an_array(lazy, phase):
    values, hidden = labels(20, 23) if phase else labels(20, 23) / 2, labels(20, 23, seed=1) == 0
    array, beside = np.ma.array(np.where(hidden, 99, values), mask=hidden), np.full((20, 23), 0.5)
    wanted = autocorrelation_of_blocks(values, 5, phase=phase, mask=~hidden)
    if lazy:
        dask_array = pytest.importorskip("dask.array", reason="the optional extra dask is not installed")
        array = dask_array.from_array(array, chunks=9)
    for mask in (None, beside, np.ma.array(beside, mask=False)):
        found = autocorrelation_of_blocks(array, 5, phase=phase, mask=mask, block=7)
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)
    assert (found - autocorrelation_of_blocks(values, 5, phase=phase)).abs().max() > 1e-3


def test_values_may_be_nan_where_the_mask_is_0():
    values, mask = labels(20, 23) / 2, labels(20, 23, seed=1) > 0
    holes = np.where(mask, values, np.nan)
    wanted = autocorrelation_of_blocks(values, 5, mask=mask)
    torch.testing.assert_close(autocorrelation_of_blocks(holes, 5, mask=mask), wanted, rtol=0, atol=1e-12)
    for options in ({}, {"mask": np.ones((20, 23))}, {"phase": 1.0}):
        with pytest.raises(ValueError, match="expected finite values, got NaN or infinity; leave them out with a mask"):
            autocorrelation_of_blocks(holes, 5, **options)


def test_arrays_that_are_none():
    for array in ([[0.0] * 9] * 9, torch.zeros(9, 9), None):
        with pytest.raises(TypeError, match="expected the array as an array with a shape, got"):
            autocorrelation_of_blocks(array, 1)
    with pytest.raises(TypeError, match=r"expected the array as an array of real numbers, got .* dtype complex64"):
        autocorrelation_of_blocks(np.zeros((9, 9), np.complex64), 1)
    with pytest.raises(TypeError, match=r"expected phase as a finite number, or None, got '1' \(str\)"):
        autocorrelation_of_blocks(labels(9, 9), 1, phase="1")
    dask_array = pytest.importorskip("dask.array", reason="the optional extra dask is not installed")
    some = dask_array.ones((9, 9), chunks=3)
    with pytest.raises(ValueError, match="expected the array with a known shape, got a dask array of unknown chunks"):
        autocorrelation_of_blocks(some[some[:, 0] > 0], 1)


def test_grey_values_and_bad_input():
    grey = np.random.default_rng(1).random((12, 12))
    wanted = autocorrelation(torch.from_numpy(grey), max_shift=2, boundary="open")
    torch.testing.assert_close(autocorrelation_of_blocks(grey, 2, block=5), wanted, rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match=r"expected values in \[0, 1\], got values in \[0, 2\]; name the label"):
        autocorrelation_of_blocks(labels(9, 9), 1)
    with pytest.raises(ValueError, match=r"expected a mask with values in \[0, 1\], got values in \[2, 2\]$"):
        autocorrelation_of_blocks(labels(9, 9), 1, phase=1, mask=np.full((9, 9), 2))
    with pytest.raises(ValueError, match=r"expected at least 2 \* max_shift \+ 1 = 11 pixels along each axis"):
        autocorrelation_of_blocks(labels(9, 20), 5)
    with pytest.raises(ValueError, match="expected boundary to be"):
        autocorrelation_of_blocks(labels(9, 9), 1, phase=1, boundary="mirror")
    with pytest.raises(ValueError, match=r"expected the mask with shape \(9, 9\), got \(9, 8\)"):
        autocorrelation_of_blocks(labels(9, 9), 1, phase=1, mask=np.ones((9, 8)))
