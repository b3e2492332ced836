"""MICRO2D, a large set of periodic two-phase structures, from your own copy of its file."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from microtutor.checks import check_count, check_text
from microtutor.microstructures.grey import check_file

SIDE = 256  # pixels of each structure


def load_micro2d(
    path: str | os.PathLike, key: str | None = None, *, first: int = 0, number: int | None = None
) -> Tensor:
    """Structures of MICRO2D from an HDF5 file on your disk, which needs h5py: pip install "microtutor[hdf5]".

    The set holds 87,379 periodic structures of 256 x 256 pixels. They fill several GB as a tensor: read a part of them.

    Args:
        path: your copy of the file.
        key: the name of the array of structures in it, such as "GRF/structures". It may be left out if only one array
            in the file is of n x 256 x 256 numbers. An error lists what the file holds.
        first: the first structure to read.
        number: how many; by default all from the first on.

    Returns:
        bool, shape (number, 256, 256), True where the file has 1.

    Raises:
        FileNotFoundError: no such file.
        TypeError: an argument is of another type.
        ValueError: it is no HDF5 file, holds no such array or several, or values other than 0 and 1; or there are not
            so many structures in it.
        ModuleNotFoundError: h5py is not installed.

    Source: Robertson et al., MICRO2D: a large, statistically diverse, heterogeneous microstructure dataset, Integrating
    Materials and Manufacturing Innovation 13, 120-154 (2024).

    >>> load_micro2d("no_such_file.h5")
    Traceback (most recent call last):
    FileNotFoundError: no file no_such_file.h5
    """
    path = check_file(path)
    check_count(first, name="first", minimum=0)
    if number is not None:
        check_count(number, name="number")
    with _opened(path, key) as array:
        last = len(array) if number is None else first + number
        if not first < last <= len(array):
            raise ValueError(
                f"expected structures out of {len(array)} in {path.name}, got those from {first} to {last}"
            )
        values = np.asarray(array[first:last])
    if not ((values == 0) | (values == 1)).all():
        raise ValueError(
            f"expected values of 0 and 1 in {path.name}, got others from {values.min():g} to {values.max():g}; "
            "name another array with key"
        )
    return torch.from_numpy(values == 1)


def structures_in(path: str | os.PathLike, key: str | None = None) -> int:
    """How many structures a copy of MICRO2D holds.

    Args:
        path, key: as for `load_micro2d`, which says what is wrong with them.

    >>> structures_in("no_such_file.h5")
    Traceback (most recent call last):
    FileNotFoundError: no file no_such_file.h5
    """
    with _opened(check_file(path), key) as array:
        return len(array)


@contextmanager
def _opened(path: Path, key: str | None) -> Iterator[Any]:
    """The array of structures in a file, as long as the file is open."""
    if key is not None:
        check_text(key, name="key")
    try:
        h5py = importlib.import_module("h5py")
    except ImportError:
        raise ModuleNotFoundError(
            f'expected h5py to read {path.name}, which is not installed; type pip install "microtutor[hdf5]"'
        ) from None
    if not h5py.is_hdf5(path):
        raise ValueError(f"expected an HDF5 file, got {path.name}, which is none; take the file of MICRO2D as it is")
    with h5py.File(path, "r") as file:
        yield _structures(_arrays(file, h5py), key, path.name)


def _arrays(file: Any, h5py: Any) -> dict[str, Any]:
    """All arrays in a file, by their names."""
    found: dict[str, Any] = {}
    file.visititems(lambda name, thing: found.update({name: thing}) if isinstance(thing, h5py.Dataset) else None)
    return found


def _structures(arrays: dict[str, Any], key: str | None, name: str) -> Any:
    """The array with that name, or the only one that can be meant."""
    fitting = [k for k, array in arrays.items() if array.shape[1:] == (SIDE, SIDE) and array.dtype.kind in "buif"]
    if key is None and len(fitting) == 1:
        return arrays[fitting[0]]
    if key in fitting:
        return arrays[key]
    shown = [f"{k} {tuple(array.shape)}" for k, array in arrays.items()]
    there = ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if shown[8:] else "") or "nothing"
    wanted = "one array" if key is None else f"the array {key!r}"
    raise ValueError(f"expected {wanted} of n x {SIDE} x {SIDE} numbers in {name}, got {there}; name one with key")
