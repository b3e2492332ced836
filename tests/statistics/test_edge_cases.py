"""What outside code may send to the correlations: sizes, phases, layouts, dtypes, masks and batches of every kind."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from microtutor.statistics import (
    autocorrelation,
    cross_correlation,
    power_spectrum,
    two_point_statistics,
    volume_fraction,
)
from tests.statistics.counting import SHAPES, boundaries, close, grey, pair_map, phase
from tests.strategies import equivalent_images, phase_images


@pytest.mark.parametrize("shape", SHAPES)
def test_float64_equals_counting(shape):
    a, b = phase(*shape, seed=1), phase(*shape, seed=2)
    for boundary in boundaries(len(shape)):
        options = {"boundary": boundary, "ndim": len(shape)}
        close(autocorrelation(a, **options), pair_map(a, a, boundary))
        close(cross_correlation(a, b, **options), pair_map(a, b, boundary))


@pytest.mark.parametrize("boundary", ["periodic", "open"])
@pytest.mark.parametrize("shape", [(31, 36), (64, 69), (97, 89), (225, 223)])
@pytest.mark.parametrize("share", [0.2, 0.7, 0.95])
def test_float32_against_float64(shape, share, boundary):
    m = phase(3, *shape, share=share)
    f, exact = autocorrelation(m.float(), boundary=boundary), autocorrelation(m, boundary=boundary)
    assert (f - exact).abs().max() < (2e-7 if boundary == "periodic" else 2e-6)


@pytest.mark.parametrize("shape", [(83, 83), (101, 103), (509, 503), (997, 256), (1021, 1021)])
@pytest.mark.parametrize("share", [0.7, 0.95])
def test_float32_where_sides_have_large_prime_factors(shape, share):
    """The hardest sides for an FFT: its rounding there is that of the mean, unless it is taken off."""
    a, b = phase(*shape, share=share, seed=1), phase(*shape, share=share, seed=2)
    assert (autocorrelation(a.float()) - autocorrelation(a)).abs().max() < 2e-7
    assert (cross_correlation(a.float(), b.float()) - cross_correlation(a, b)).abs().max() < 2e-7


@pytest.mark.parametrize("shape", [(509, 503), (1021, 1021)])
def test_spectra_in_float32_where_sides_have_large_prime_factors(shape):
    m = phase(2, *shape, share=0.7)
    found, exact = power_spectrum(m.float()), power_spectrum(m)
    assert (found - exact).abs()[..., 1:].max() < 5e-6  # as sides of 512; it is 3e-5 with the mean in the transform
    assert (found / exact)[:, 0, 0].sub(1).abs().max() < 4e-7
    x = m.requires_grad_()
    plain = torch.fft.rfft2(x).abs().square() / x[0].numel()
    for wave in ((0, 0, 0), (1, 3, 4)):
        gradients = [torch.autograd.grad(power[wave], x, retain_graph=True)[0] for power in (power_spectrum(x), plain)]
        close(*gradients, 1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_phase_that_is_nowhere_or_everywhere(shape, value):
    m, ndim = torch.full(shape, value), len(shape)
    for boundary in ("periodic", "open"):
        for mask in (None, torch.ones(shape), torch.ones(shape) / 2):
            close(autocorrelation(m, boundary=boundary, mask=mask, ndim=ndim), m, 2e-7)
            close(cross_correlation(m, 1 - m, boundary=boundary, mask=mask, ndim=ndim), 0 * m, 2e-7)
    assert volume_fraction(m, ndim=ndim) == value


@pytest.mark.parametrize("boundary", ["periodic", "open"])
def test_the_layout_in_memory_does_not_matter(boundary):
    m = phase(2, 3, 6, 5).float()
    wanted = autocorrelation(m, boundary=boundary)
    strided = torch.zeros(2, 3, 12, 10)
    strided[..., ::2, ::2] = m
    for same in (
        m.contiguous(memory_format=torch.channels_last),
        m.mT.contiguous().mT,
        strided[..., ::2, ::2],
        m.permute(3, 1, 0, 2).contiguous().permute(2, 1, 3, 0),
    ):
        assert not same.is_contiguous()
        close(autocorrelation(same, boundary=boundary), wanted, 1e-7)
        close(autocorrelation(same, boundary=boundary, mask=same), autocorrelation(m, boundary=boundary, mask=m), 1e-7)
        close(
            cross_correlation(same, same.flip(0), boundary=boundary), cross_correlation(m, m.flip(0), boundary=boundary)
        )
        close(two_point_statistics(same, boundary=boundary), two_point_statistics(m, boundary=boundary), 1e-7)
    close(autocorrelation(m[:1].expand(4, 3, 6, 5), boundary=boundary)[3], wanted[0], 1e-7)


@pytest.mark.parametrize("function", [autocorrelation, power_spectrum, volume_fraction])
def test_bool_is_float32(function):
    m = phase(2, 5, 4)
    assert function(m > 0).dtype == torch.float32
    close(function(m > 0).double(), function(m), 1e-6)


def test_bool_phases():
    m = phase(2, 3, 5, 4)
    close(two_point_statistics(m > 0).double(), two_point_statistics(m), 1e-7)


@pytest.mark.parametrize("batch", [(0,), (0, 3), (3, 0)])
@pytest.mark.parametrize("mask", [None, torch.ones(4, 5)])
def test_a_batch_of_nothing_gives_nothing(batch, mask):
    m = torch.zeros(*batch, 4, 5)
    for boundary in ("periodic", "open"):
        assert autocorrelation(m, boundary=boundary, mask=mask).shape == m.shape
        assert autocorrelation(m, boundary=boundary, mask=mask, max_shift=1).shape == (*batch, 3, 3)
        assert cross_correlation(m, m.clone(), boundary=boundary, mask=mask).shape == m.shape
    assert autocorrelation(m, mask=m).shape == m.shape
    assert volume_fraction(m).shape == batch
    assert power_spectrum(m).shape == (*batch, 4, 3)
    assert two_point_statistics(torch.zeros(*batch, 2, 4, 5), mask=mask).shape == (*batch, 2, 2, 4, 5)
    assert two_point_statistics(torch.zeros(*batch, 2, 4, 5), pairs=[(0, 1)]).shape == (*batch, 1, 4, 5)
    assert autocorrelation(m.double()).dtype == torch.float64


@pytest.mark.parametrize("shape", [(2, 0, 4), (2, 4, 0), (0, 0, 4), (0, 4, 0)])
def test_an_image_of_nothing_is_an_error(shape):
    for function in (autocorrelation, power_spectrum, volume_fraction):
        with pytest.raises(ValueError, match="at least one pixel"):
            function(torch.zeros(shape))
    with pytest.raises(ValueError, match="at least one pixel"):
        two_point_statistics(torch.zeros(2, 0, 4, 5))


@pytest.mark.parametrize("boundary", ["periodic", "open", ("open", "periodic")])
def test_gradients_reach_the_image_also_past_shifts_without_pairs(boundary):
    m = 0.1 + 0.8 * grey(4, 5)
    mask = torch.zeros(4, 5, dtype=torch.float64)
    mask[:2, :2] = 1
    assert autocorrelation(m, boundary=boundary, mask=mask).isnan().any()

    def known(x):
        f = autocorrelation(x, boundary=boundary, mask=mask)
        return f[~f.isnan()]

    assert torch.autograd.gradcheck(known, m.requires_grad_())
    assert torch.autograd.gradcheck(lambda x: cross_correlation(x, x.flip(0), boundary=boundary), m)


def test_two_images_that_are_one_tensor_or_two():
    m = phase(6, 5).requires_grad_()
    (gradient,) = torch.autograd.grad(autocorrelation(m)[1, 2], m)
    (again,) = torch.autograd.grad(cross_correlation(m, m.clone())[1, 2], m)
    close(gradient, again, 1e-14)


# --- masks ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [(6,), (4, 5), (1, 6), (5, 1), (3, 2, 4)])
@pytest.mark.parametrize("boundary", ["periodic", "open"])
def test_masks_of_many_shapes(shape, boundary):
    """One mask for all images, one for each, one for each of a group; confidences, holes, one pixel, nothing."""
    ndim, images = len(shape), phase(2, 3, *shape)
    options = {"boundary": boundary, "ndim": ndim}
    one = torch.zeros(shape, dtype=torch.float64)
    one.view(-1)[0] = 1
    for mask in (phase(*shape, seed=5), grey(*shape, seed=6), one, 0 * one, grey(2, 3, *shape), grey(2, 1, *shape)):
        f = autocorrelation(images, mask=mask, **options)
        for i, j in itertools.product(range(2), range(3)):
            wanted = pair_map(images[i, j], images[i, j], (boundary,) * ndim, mask.expand(images.shape)[i, j])
            close(f[i, j], wanted, 1e-13)


def test_few_pairs_among_many_are_not_lost_in_float32():
    """A large region and a single pixel far away: the shifts between them have one pair each."""
    mask = torch.zeros(400, 400)
    mask[:200, :200] = 1
    mask[399, 399] = 1
    m = phase(400, 400, seed=3).float()
    f = autocorrelation(m, mask=mask, boundary="open")
    assert f.isnan().sum() > 0
    for r in ((-200, -200), (199, 199), (150, 180)):
        pairs = mask[: 400 - abs(r[0]), : 400 - abs(r[1])] * mask[abs(r[0]) :, abs(r[1]) :]
        both = m[: 400 - abs(r[0]), : 400 - abs(r[1])] * m[abs(r[0]) :, abs(r[1]) :]
        close(f[r], (pairs * both).sum() / pairs.sum(), 1e-6)


def test_a_mask_that_would_multiply_the_images_is_refused():
    with pytest.raises(ValueError, match="expected one mask, or one for each image"):
        autocorrelation(torch.zeros(3, 4, 5), mask=torch.ones(2, 3, 4, 5))
    with pytest.raises(ValueError, match=r"one for each image of .*\(2, 4, 5\).*, got a tensor of shape \(3, 4, 5\)"):
        autocorrelation(torch.zeros(2, 4, 5), mask=torch.ones(3, 4, 5))


# --- windows ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [(5,), (4, 7), (5, 5), (1, 6), (5, 4, 6)])
@pytest.mark.parametrize("boundary", ["periodic", "open"])
def test_the_greatest_window(shape, boundary):
    m, ndim = phase(*shape), len(shape)
    most = (min(shape) - 1) // 2
    f = autocorrelation(m, boundary=boundary, ndim=ndim, max_shift=most)
    assert f.shape == (2 * most + 1,) * ndim
    whole = pair_map(m, m, (boundary,) * ndim)
    for r in itertools.product(range(-most, most + 1), repeat=ndim):
        close(f[tuple(most + i for i in r)], whole[r])
    with pytest.raises(ValueError, match=f"max_shift of at most {most} for a side of {min(shape)} pixels"):
        autocorrelation(m, boundary=boundary, ndim=ndim, max_shift=most + 1)


# --- several phases ---------------------------------------------------------------------------------------------------
def three_phases(*shape, seed=0):
    label = torch.randint(3, shape, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.one_hot(label, 3).movedim(-1, 0).double()


@pytest.mark.parametrize("shape", [(6,), (4, 5), (1, 6), (2, 3, 4)])
def test_three_phases(shape):
    m, mask = three_phases(*shape), grey(*shape, seed=4)
    for boundary, weight in itertools.product(boundaries(len(shape)), (None, mask)):
        f = two_point_statistics(m, boundary=boundary, mask=weight, ndim=len(shape))
        for i, j in itertools.product(range(3), repeat=2):
            close(f[i, j], pair_map(m[i], m[j], boundary, weight), 1e-13)


@pytest.mark.parametrize("boundary", ["periodic", "open"])
def test_some_pairs_and_masks_for_each_image(boundary):
    m = torch.stack([three_phases(4, 5, seed=seed) for seed in range(2)])
    mask = grey(2, 1, 4, 5)
    whole = two_point_statistics(m, boundary=boundary, mask=mask)
    pairs = [(2, 1), (0, 0), (1, 2)]
    some = two_point_statistics(m, pairs=pairs, boundary=boundary, mask=mask)
    for place, (i, j) in enumerate(pairs):
        close(some[:, place], whole[:, i, j])
        for image in range(2):
            close(some[image, place], pair_map(m[image, i], m[image, j], (boundary,) * 2, mask[image, 0]), 1e-13)
    assert two_point_statistics(m, pairs=[]).shape == (2, 0, 4, 5)
    with pytest.raises(ValueError, match=r"pairs \(i, j\) of the phases 0 to 2, got \[\(0, 3\)\]"):
        two_point_statistics(m, pairs=[(0, 3)])
    with pytest.raises(ValueError, match=r"pairs \(i, j\) of the phases 0 to 2, got \[\(0.5, 1\)\]"):
        two_point_statistics(m, pairs=[(0.5, 1)])
    close(two_point_statistics(m, pairs=np.array([[0, 1]])), two_point_statistics(m, pairs=[(0, 1)]))
    with pytest.raises(ValueError, match=r"expected a mask for all phases"):
        two_point_statistics(m, mask=torch.ones(2, 3, 4, 5))


# --- what holds for every image ---------------------------------------------------------------------------------------
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 6))
def test_sums_over_phases(seed, height, width):
    m = three_phases(height, width, seed=seed)
    f, fraction = two_point_statistics(m), m.mean((-2, -1))
    close(f.sum(1), fraction[:, None, None].expand(3, height, width))
    close(f.sum(0), fraction[:, None, None].expand(3, height, width))
    close(f[..., 0, 0], torch.diag(fraction))
    close(f.sum((-2, -1)), height * width * fraction[:, None] * fraction, 1e-12)


@given(phase_images(side=5), st.sampled_from(["periodic", "open"]))
def test_bounds_and_evenness(m, boundary):
    m = m.round()
    f = autocorrelation(m, boundary=boundary)
    assert f.min() >= -1e-15
    assert f.max() <= 1 + 1e-15
    close(f[0, 0], m.mean())
    height, width = m.shape
    for r in itertools.product(
        range(-((height - 1) // 2), (height + 1) // 2), range(-((width - 1) // 2), (width + 1) // 2)
    ):
        close(f[r], f[-r[0], -r[1]])


@given(phase_images(side=4), phase_images(side=4))
def test_moving_both_phases_changes_no_correlation(a, b):
    b = torch.nn.functional.pad(b, (0, 4, 0, 4))[: a.shape[0], : a.shape[1]]
    n = a.numel()
    wanted = cross_correlation(a, b).expand(n, *a.shape)
    close(cross_correlation(equivalent_images(a)[:n], equivalent_images(b)[:n]), wanted)
    inverted = cross_correlation(b, a).expand(n, *a.shape)
    close(cross_correlation(equivalent_images(a)[n:], equivalent_images(b)[n:]), inverted)
