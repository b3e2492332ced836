import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from microtutor.microstructures import Laminate
from microtutor.statistics import (
    autocorrelation,
    chord_length_distribution,
    lineal_path,
    specific_surface,
    variation,
    volume_fraction,
)
from tests.statistics.counting import SHAPES, boundaries, close, grey, mean_of_products, phase
from tests.strategies import phase_images


def segment(ndim, axis, r):
    """The places 0, 1, ..., r along an axis."""
    return [tuple(i if k == axis + ndim else 0 for k in range(ndim)) for i in range(r + 1)]


# --- lineal path ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", SHAPES)
def test_lineal_path_by_counting(shape):
    m, soft, mask, ndim = (
        phase(*shape, share=0.7),
        grey(*shape),
        grey(*shape, seed=1) * phase(*shape, seed=2),
        len(shape),
    )
    for axis, boundary in itertools.product(range(-ndim, 0), boundaries(ndim)):
        for image, weight in ((m, None), (soft, None), (m, mask)):
            found = lineal_path(image, axis=axis, boundary=boundary, mask=weight, ndim=ndim)
            assert found.shape == (shape[axis],)
            wanted = [
                mean_of_products([image] * (r + 1), segment(ndim, axis, r), boundary, weight)
                for r in range(shape[axis])
            ]
            close(found, torch.tensor(wanted, dtype=torch.float64), 1e-13)


@given(phase_images(), st.sampled_from([-1, -2]))
def test_lineal_path_never_rises_and_stays_below_the_autocorrelation(m, axis):
    m = m.round()
    path, f = lineal_path(m, axis=axis), autocorrelation(m)
    close(path[0], m.mean())
    assert (path.diff() <= 1e-15).all()
    line = f[0] if axis == -1 else f[:, 0]
    assert (path <= line + 1e-15).all()
    if len(path) > 1:
        close(path[1], line[1])  # two pixels are their two ends


def test_lineal_path_of_layers():
    """Layers 3 px thick, every 8: segments of r + 1 pixels fit in 3 - r ways; along the layers any length does."""
    m = Laminate(thickness=3, period=8, size=8).image().double()
    close(lineal_path(m), torch.tensor([3.0, 2, 1, 0, 0, 0, 0, 0]).double() / 8)
    close(lineal_path(m, axis=-2), torch.full((8,), 0.375).double())


def test_lineal_path_has_gradients():
    m = (0.1 + 0.8 * grey(2, 4, 5)).requires_grad_()
    mask = grey(4, 5, seed=1)
    for options in ({}, {"boundary": "open", "axis": -2}, {"mask": mask, "boundary": "open"}):
        assert torch.autograd.gradcheck(lambda x: lineal_path(x, **options), m)  # noqa: B023


# --- chords -----------------------------------------------------------------------------------------------------------
def chords_of(line, known, wrapped, cut):
    """Lengths of the chords of one line, walked along pixel by pixel."""
    n = len(line)
    inside = [bool(a) and bool(b) for a, b in zip(line, known)]
    if wrapped and all(inside):
        return [n]
    found = []
    for start in range(n):
        before = start - 1
        if not inside[start] or (inside[before % n] if wrapped else before >= 0 and inside[before]):
            continue
        length = 1
        while (wrapped or start + length < n) and inside[(start + length) % n]:
            length += 1
        ends = [before, start + length]
        seen = all(known[i % n] if wrapped else 0 <= i < n and known[i] for i in ends)
        if seen or cut == "keep":
            found.append(length)
    return found


@pytest.mark.parametrize("shape", SHAPES)
def test_chords_by_walking(shape):
    ndim = len(shape)
    for seed, axis, cut in itertools.product(range(3), range(-ndim, 0), ("drop", "keep")):
        m, known = phase(*shape, seed=seed, share=0.7), phase(*shape, seed=seed + 9, share=0.8)
        for boundary, mask in itertools.product(("periodic", "open"), (None, known)):
            options = {"axis": axis, "boundary": boundary, "mask": mask, "ndim": ndim, "cut": cut}
            found = chord_length_distribution(m, counts=True, **options)
            n = shape[axis]
            lines = m.movedim(axis, -1).reshape(-1, n)
            sure = (torch.ones(shape) if mask is None else mask).movedim(axis, -1).reshape(-1, n)
            lengths = [c for a, b in zip(lines, sure) for c in chords_of(a, b, boundary == "periodic", cut)]
            assert found.tolist() == np.bincount(np.array(lengths, dtype=int), minlength=n + 1).tolist()
            shares = chord_length_distribution(m, **options)
            close(shares, found / found.sum())


@given(phase_images(side=8))
def test_chords_are_the_bends_of_the_lineal_path(m):
    """Chords of l pixels, per pixel: L(l - 1) - 2 L(l) + L(l + 1), with L(r) for r + 1 pixels; none spans the image."""
    m = m.round().clone()
    m[:, 0] = 0
    n = m.shape[1]
    path = torch.cat([lineal_path(m), torch.zeros(2, dtype=torch.float64)])
    number = chord_length_distribution(m, counts=True)
    for length in range(1, n + 1):
        close(number[length] / m.numel(), path[length - 1] - 2 * path[length] + path[length + 1])


@given(phase_images(side=8))
def test_the_mean_chord_is_volume_over_surface(m):
    m = m.round().clone()
    m[:, 0] = 0
    shares = chord_length_distribution(m)
    if m.any():
        mean = (shares * torch.arange(len(shares))).sum()
        close(mean, 2 * volume_fraction(m) / variation(m, axis=-1), 1e-12)
    else:
        assert shares.isnan().all()


def test_chords_that_the_border_cuts():
    m = torch.tensor([[1.0, 1, 0, 1, 0, 0, 1, 1]])
    assert chord_length_distribution(m, counts=True).tolist() == [0, 1, 0, 0, 1, 0, 0, 0, 0]  # 2 + 2 across the border
    assert chord_length_distribution(m, counts=True, boundary="open").tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 0]
    assert chord_length_distribution(m, counts=True, boundary="open", cut="keep").tolist() == [
        0,
        1,
        2,
        0,
        0,
        0,
        0,
        0,
        0,
    ]


# --- variation --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", SHAPES)
def test_variation_by_counting(shape):
    m, mask, ndim = grey(*shape), phase(*shape, seed=1, share=0.8) * grey(*shape, seed=2), len(shape)
    for boundary, weight in itertools.product(boundaries(ndim), (None, mask)):
        sums = []
        for axis in range(-ndim, 0):
            total = share = 0.0
            for x in np.ndindex(*shape):
                y = list(x)
                y[axis] += 1
                if boundary[axis] == "periodic":
                    y[axis] %= shape[axis]
                if y[axis] < shape[axis]:
                    both = 1.0 if weight is None else (weight[x] * weight[tuple(y)]).item()
                    total += both * abs((m[x] - m[tuple(y)]).item())
                    share += both
            sums.append(total / share if share else (0.0 if shape[axis] == 1 else np.nan))
        options = {"boundary": boundary, "mask": weight, "ndim": ndim}
        for axis in range(-ndim, 0):
            found = variation(m, axis=axis, **options)
            assert found.item() == pytest.approx(sums[axis], abs=1e-14, nan_ok=True)
        assert variation(m, **options).item() == pytest.approx(sum(sums), abs=1e-14, nan_ok=True)


@given(phase_images().filter(lambda m: m.numel() > 1))
def test_variation_is_the_surface_in_pixels(m):
    m = m.round()
    close(variation(m), specific_surface(autocorrelation(m), method="pixels"))


def test_variation_has_gradients():
    m = (0.1 + 0.8 * grey(2, 4, 5)).requires_grad_()
    for options in ({}, {"boundary": "open", "mask": grey(4, 5, seed=1)}):
        assert torch.autograd.gradcheck(lambda x: variation(x, **options), m)  # noqa: B023


# --- batches, layouts, errors -----------------------------------------------------------------------------------------
DESCRIPTORS = [lineal_path, chord_length_distribution, variation]


@pytest.mark.parametrize("function", DESCRIPTORS)
def test_batches_and_layouts(function):
    m, mask = phase(2, 3, 6, 5), phase(2, 1, 6, 5, seed=1, share=0.8)
    for options in ({}, {"boundary": "open"}, {"axis": -2, "boundary": ("open", "periodic")}, {"mask": mask}):
        whole = function(m, **options)
        for i, j in itertools.product(range(2), range(3)):
            single = options | ({"mask": mask[i, 0]} if "mask" in options else {})
            close(function(m[i, j], **single), whole[i, j])
        close(function(m.mT.contiguous().mT, **options), whole)
        close(function(m.contiguous(memory_format=torch.channels_last), **options), whole)
        close(function(m > 0, **options).double(), whole, 1e-6)
        assert function(m.float(), **options).dtype == function(m.half(), **options).dtype == torch.float32
        empty = options | ({"mask": mask[:0]} if "mask" in options else {})
        assert function(m[:0], **empty).shape == (0, *whole.shape[1:])


@pytest.mark.parametrize("function", DESCRIPTORS)
def test_a_phase_that_is_nowhere_or_everywhere(function):
    for value, boundary in itertools.product((0.0, 1.0), ("periodic", "open")):
        m = torch.full((4, 5), value)
        found = function(m, boundary=boundary)
        if function is variation:
            assert found == 0
        elif function is lineal_path:
            assert found.eq(value).all()
        elif value and boundary == "periodic":
            assert found.tolist() == [0, 0, 0, 0, 0, 1]
        else:
            assert found.isnan().all()
    assert function(torch.ones(4, 5), mask=torch.zeros(4, 5)).isnan().all()


@pytest.mark.parametrize("function", DESCRIPTORS)
def test_bad_input(function):
    with pytest.raises(ValueError, match="at least one pixel"):
        function(torch.zeros(2, 0, 3))
    with pytest.raises(ValueError, match=r"values in \[0, 1\]"):
        function(torch.full((2, 2), 255.0))
    with pytest.raises(TypeError, match="as a torch tensor, got a list"):
        function([[1.0]])
    for axis in (0, -3, 1.5):
        with pytest.raises(ValueError, match=r"expected axis as one of \(-2, -1\), counted from the end"):
            function(torch.zeros(2, 2), axis=axis)
    with pytest.raises(ValueError, match="expected boundary to be 'periodic' or 'open'"):
        function(torch.zeros(2, 2), boundary="mirror")
    with pytest.raises(ValueError, match=r"mask with spatial shape \(2, 2\)"):
        function(torch.zeros(2, 2), mask=torch.ones(3, 2))
    with pytest.raises(ValueError, match="expected one mask, or one for each image"):
        function(torch.zeros(2, 2), mask=torch.ones(3, 2, 2))
    with pytest.raises(ValueError, match="expected one mask, or one for each image"):
        function(torch.zeros(2, 4, 5), mask=torch.ones(3, 4, 5))


def test_more_bad_input():
    with pytest.raises(ValueError, match="expected max_shift of at most 4 for a side of 5 pixels, got 5"):
        lineal_path(torch.zeros(4, 5), max_shift=5)
    assert lineal_path(torch.ones(4, 5), max_shift=2).tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="expected a two-valued phase image, 0 or 1, got values between"):
        chord_length_distribution(torch.full((2, 2), 0.5))
    with pytest.raises(ValueError, match="expected cut to be 'drop' or 'keep', got 'guess'"):
        chord_length_distribution(torch.zeros(2, 2), cut="guess")
