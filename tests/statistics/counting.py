"""Statistics by counting, one place after the other: slow, plain, and sharing no code with what they check."""

import itertools
import math

import numpy as np
import torch

# Odd and even sides, one row, one column, one pixel, volumes.
SHAPES = [(1,), (4,), (5,), (1, 1), (4, 4), (5, 3), (4, 5), (1, 6), (5, 1), (3, 2, 4), (3, 3, 3)]


def phase(*shape, seed=0, share=0.5):
    return (torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) < share).double()


def grey(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def boundaries(ndim):
    return list(itertools.product(("periodic", "open"), repeat=ndim))


def shifts(n):
    """The shifts along one axis, in the order of the result: 0, 1, ..., -2, -1."""
    return [r if r < (n + 1) // 2 else r - n for r in range(n)]


def mean_of_products(fields, steps, boundary, mask=None):
    """Mean over x of fields[0](x + steps[0]) fields[1](x + steps[1]) ..., over the x for which all places exist."""
    fields, shape = [field.numpy() for field in fields], fields[0].shape
    weight = np.ones(shape) if mask is None else mask.double().expand(shape).numpy()
    total, share = 0.0, 0.0
    for x in np.ndindex(*shape):
        places = [
            tuple((i + r) % n if along == "periodic" else i + r for i, r, n, along in zip(x, step, shape, boundary))
            for step in steps
        ]
        if all(0 <= i < n for place in places for i, n in zip(place, shape)):
            confidence = math.prod([weight[place] for place in places])
            total += confidence * math.prod([field[place] for field, place in zip(fields, places)])
            share += confidence
    return total / share if share else np.nan


def pair_map(a, b, boundary, mask=None):
    """The map of a(x) b(x + r), zero shift at index 0; one boundary, or one for each axis."""
    boundary = (boundary,) * a.ndim if isinstance(boundary, str) else boundary
    origin = (0,) * a.ndim
    f = [
        mean_of_products([a, b], [origin, r], boundary, mask) for r in itertools.product(*(shifts(n) for n in a.shape))
    ]
    return torch.tensor(f, dtype=torch.float64).reshape(a.shape)


def close(found, wanted, tolerance=1e-14):
    torch.testing.assert_close(found, wanted, rtol=0, atol=tolerance, equal_nan=True)
