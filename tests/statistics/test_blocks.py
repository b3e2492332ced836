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
