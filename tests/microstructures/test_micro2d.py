"""A copy of MICRO2D: what is read is what was written, and other files are refused."""

import importlib

import numpy as np
import pytest
import torch

from microtutor.microstructures import images_from, load_micro2d

VALUES = np.random.default_rng(0).random((5, 256, 256)) < 0.4


@pytest.fixture
def path(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    with h5py.File(tmp_path / "micro2d.h5", "w") as file:
        file["first/structures"] = VALUES.astype(np.uint8)
        file["first/properties"] = np.zeros((5, 3))
    return tmp_path / "micro2d.h5"


def test_the_structures_are_those_of_the_file(path):
    assert torch.equal(load_micro2d(path), torch.from_numpy(VALUES))
    assert torch.equal(load_micro2d(path, "first/structures", first=1, number=3), torch.from_numpy(VALUES[1:4]))


def test_files_that_hold_something_else(path):
    import h5py

    with h5py.File(path, "a") as file:
        file["second"] = 2 * VALUES[:2].astype(float)
    listed = (
        r"got first/properties \(5, 3\), first/structures \(5, 256, 256\), second \(2, 256, 256\); name one with key"
    )
    with pytest.raises(ValueError, match=f"expected one array of n x 256 x 256 numbers in micro2d.h5, {listed}"):
        load_micro2d(path)
    with pytest.raises(ValueError, match=f"expected the array 'first' of n x 256 x 256 .*, {listed}"):
        load_micro2d(path, "first")
    with pytest.raises(ValueError, match=r"expected values of 0 and 1 in micro2d.h5, got others from 0 to 2"):
        load_micro2d(path, "second")
    for part in ({"first": 5}, {"first": 3, "number": 3}):
        with pytest.raises(ValueError, match=r"expected structures out of 5 in micro2d.h5, got those from"):
            load_micro2d(path, "first/structures", **part)


def test_no_hdf5_file(path):
    path.write_text("none", encoding="utf-8")
    with pytest.raises(ValueError, match=r"expected an HDF5 file, got micro2d.h5, which is none"):
        load_micro2d(path)


def test_without_h5py(tmp_path, monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    (tmp_path / "micro2d.h5").write_text("x", encoding="utf-8")
    with pytest.raises(ModuleNotFoundError, match=r"which is not installed; type pip install .microtutor\[hdf5\]"):
        load_micro2d(tmp_path / "micro2d.h5")


def test_a_copy_is_a_volume_to_train_on(path, monkeypatch):
    structures = load_micro2d(path)
    monkeypatch.setattr("microtutor.microstructures.folder.MOST_STRUCTURES", len(structures) - 1)
    source = images_from(path, size=64)
    assert torch.equal(source.volume, structures[:-1])
    assert torch.equal(images_from(path, size=64, dark=True).volume, ~structures[:-1])
    assert source.sample(3, seed=0).images.shape == (3, 1, 64, 64)
    with pytest.raises(ValueError, match=r"expected no threshold and no label for micro2d\.h5"):
        images_from(path, size=64, threshold=3)
