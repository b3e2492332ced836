import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given

from microtutor.microstructures import Laminate
from microtutor.statistics import (
    autocorrelation,
    correlation_length,
    directional_average,
    radial_average,
    specific_surface,
    variation,
    volume_fraction,
)
from tests.statistics.counting import SHAPES, close, grey, phase, shifts
from tests.strategies import phase_images


def in_rings(f, member, centred=False):
    """Mean of the entries of one map for each ring r, over shifts that are members; NaN does not count."""
    shape = f.shape
    reach = min((n for n in shape if n > 1), default=1) // 2
    rings = [[] for _ in range(reach + 1)]
    for place in np.ndindex(*shape):
        r = [p - n // 2 for p, n in zip(place, shape)] if centred else [shifts(n)[p] for p, n in zip(place, shape)]
        length = round(math.hypot(*r))
        if length <= reach and member(r) and not f[place].isnan():
            rings[length].append(f[place].item())
    return torch.tensor([sum(ring) / len(ring) if ring else math.nan for ring in rings], dtype=torch.float64)


def disc(n, radius, dtype=torch.float64):
    x = torch.arange(n, dtype=dtype) - n / 2 + 0.5
    return ((x[:, None] ** 2 + x**2) <= radius**2).to(dtype)


# --- averages over directions -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [*SHAPES, (7, 5), (4, 3, 5)])
@pytest.mark.parametrize("centred", [False, True])
def test_radial_average(shape, centred):
    f = grey(2, *shape)
    f[0][f[0] < 0.3] = torch.nan
    found = radial_average(f, ndim=len(shape), centred=centred)
    close(found, torch.stack([in_rings(one, lambda r: True, centred) for one in f]))


@pytest.mark.parametrize("reach", [0, 1, 3])
def test_the_radial_average_of_a_window_is_the_start_of_that_of_the_map(reach):
    m = phase(2, 9, 8)
    window = radial_average(autocorrelation(m, max_shift=reach), centred=True)
    close(window, radial_average(autocorrelation(m))[:, : reach + 1])


def test_a_mask_that_leaves_shifts_without_pairs():
    mask = torch.zeros(8, 8)
    mask[:3, :3] = 1
    f = autocorrelation(phase(8, 8).float(), mask=mask)
    assert f.isnan().any()
    found = radial_average(f)
    close(found, in_rings(f, lambda r: True).float(), 1e-6)
    assert not found[:3].isnan().any()
    assert found[4].isnan()  # the longest shift inside 3 x 3 pixels has a length of 2.8


def test_weights_of_shifts():
    """With the number of pairs as weight, the mean over pairs instead of over shifts."""
    m, mask = phase(6, 6), phase(6, 6, seed=1, share=0.7)
    f, pairs = autocorrelation(m, mask=mask), autocorrelation(mask)
    both = autocorrelation(m * mask)
    close(radial_average(f, weight=pairs), radial_average(both) / radial_average(pairs))
    close(radial_average(f, weight=torch.zeros(6, 6)), torch.full((4,), torch.nan, dtype=torch.float64))
    close(radial_average(f[None].expand(2, 6, 6), weight=pairs)[1], radial_average(f, weight=pairs))


@pytest.mark.parametrize("shape", [(6, 6), (5, 7), (1, 6), (5, 1), (8, 3)])
def test_directional_average_in_the_plane(shape):
    f = grey(2, *shape)
    found = directional_average(f)
    assert found.shape == (2, 4, min(n for n in shape if n > 1) // 2 + 1)

    def member(sector):
        def near(r):
            down, right = r
            if down == right == 0:
                return True
            angle = math.degrees(math.atan2(-down, right)) % 180
            return min((angle - 45 * sector) % 180, (45 * sector - angle) % 180) < 22.5

        return near

    close(found, torch.stack([torch.stack([in_rings(one, member(k)) for k in range(4)]) for one in f]))
    close(found, directional_average(f, [(0, 1), (-1, 1), (1, 0), (3, 3)]))


def test_directions_in_a_volume_and_along_a_line():
    f = grey(5, 6, 7)
    found = directional_average(f, ndim=3)
    for axis in range(3):
        wanted = in_rings(f, lambda r: abs(r[axis]) == max(map(abs, r)))  # halfway counts for both  # noqa: B023
        close(found[axis], wanted)
    line = grey(7)
    close(directional_average(line, ndim=1)[0], radial_average(line, ndim=1))
    with pytest.raises(ValueError, match="expected directions as a list of vectors in 3 dimensions, got 4"):
        directional_average(f, 4, ndim=3)


def test_sectors_together_are_the_radial_average():
    m = phase(9, 9)
    f, ones = autocorrelation(m), torch.ones(9, 9, dtype=torch.float64)
    number = directional_average(ones, 8) * 0  # how many shifts each sector has at each radius
    radius = torch.tensor([[round(math.hypot(i, j)) for j in shifts(9)] for i in shifts(9)])
    for r in range(5):
        ring = (radius == r).double()
        for k in range(8):
            share = directional_average(ring, 8)[k, r]
            number[k, r] = 0 if share.isnan() else 1
    assert number[:, 0].all()  # zero shift belongs to all
    close(directional_average(f, 8)[:, 0], m.mean().expand(8))
    close(directional_average(f, 1)[0], radial_average(f))


@given(phase_images())
def test_no_average_mixes_zero_shift_with_others(m):
    f = torch.zeros(m.shape, dtype=torch.float64)
    f[0, 0] = 1
    assert radial_average(f)[1:].eq(0).all()
    assert directional_average(f, 6)[:, 1:].nan_to_num(0).eq(0).all()
    assert directional_average(f, 6)[:, 0].eq(1).all()


# --- lengths ----------------------------------------------------------------------------------------------------------
def test_the_length_of_an_exponential_decay():
    r = torch.tensor(shifts(400)).double().abs()
    for length in (3.0, 10.0):
        f = 0.3**2 + 0.3 * 0.7 * torch.exp(-r / length)
        close(correlation_length(f, ndim=1), torch.tensor(length).double(), 0.01)
        shape = (r[:, None].square() + r.square()).sqrt()
        plane = 0.3**2 + 0.3 * 0.7 * torch.exp(-shape / length)
        close(correlation_length(plane), torch.tensor(length).double(), 0.1)  # radii are rounded to pixels
        close(correlation_length(plane, directions=2), torch.tensor([length, length]).double(), 0.1)


def test_lengths_of_layers_by_hand():
    """Layers 8 px thick, every 16: f falls from 1/2 to 0 over 8 px, and to 1/4 over 4; along them it stays."""
    f = Laminate(thickness=8, period=16, size=32).statistics()
    line = f[0]
    assert correlation_length(line, ndim=1).item() == pytest.approx(4 * (1 - 1 / math.e), abs=1e-12)
    close(correlation_length(line, ndim=1, method="integral"), torch.tensor(2.0).double())
    along, across = correlation_length(f, directions=[(1, 0), (0, 1)])
    assert across < 4
    assert along > across
    assert correlation_length(f, directions=[(1, 0)]).shape == (1,)


@pytest.mark.parametrize("method", ["decay", "integral"])
def test_lengths_that_are_not_there(method):
    for m in (torch.zeros(8, 8), torch.ones(8, 8), torch.ones(1, 1)):
        assert correlation_length(autocorrelation(m), method=method).isnan()
    assert correlation_length(autocorrelation(phase(2, 64, 64), max_shift=0), centred=True, method=method).isnan().all()
    wide = disc(64, 20)  # covariance does not fall to zero over three pixels
    assert correlation_length(autocorrelation(wide, max_shift=3), centred=True, method=method).isnan()
    assert correlation_length(torch.zeros(0, 8, 8), method=method).shape == (0,)
    assert correlation_length(torch.zeros(0, 8, 8), method=method, directions=3).shape == (0, 3)


def test_grey_values_need_their_mean():
    m = phase(64, 64).cumsum(0).remainder(2)
    softened = 0.25 + 0.5 * m  # contrast and mean do not change lengths
    wanted = correlation_length(autocorrelation(m))
    found = correlation_length(autocorrelation(softened), fraction=softened.mean())
    close(found, wanted, 1e-10)


def test_lengths_scale_with_the_picture():
    m = phase(2, 48, 48)
    twice = m.repeat_interleave(2, -1).repeat_interleave(2, -2)
    ratio = correlation_length(autocorrelation(twice)) / correlation_length(autocorrelation(m))
    assert ((ratio > 1.6) & (ratio < 2.4)).all()


def test_lengths_have_gradients():
    m = (0.2 + 0.6 * grey(2, 9, 8)).requires_grad_()
    for method in ("decay", "integral"):
        options = {"method": method, "fraction": m.detach().mean((-2, -1))}
        assert torch.autograd.gradcheck(lambda x: correlation_length(autocorrelation(x), **options), m)  # noqa: B023


# --- surface ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [(7,), (5, 4), (1, 6), (4, 1), (2, 2), (3, 4, 5)])
def test_pixel_faces_by_counting(shape):
    m, ndim = phase(*shape), len(shape)
    faces = 0
    for x in np.ndindex(*shape):
        for axis in range(ndim):
            y = list(x)
            y[axis] = (y[axis] + 1) % shape[axis]
            faces += int(m[x] != m[tuple(y)])
    found = specific_surface(autocorrelation(m, ndim=ndim), method="pixels", ndim=ndim)
    assert found.item() == pytest.approx(faces / m.numel(), abs=1e-14)
    close(found, variation(m, ndim=ndim))
    if min(shape) > 2:
        window = autocorrelation(m, ndim=ndim, max_shift=1)
        close(specific_surface(window, method="pixels", ndim=ndim, centred=True), found)


@given(phase_images().filter(lambda m: m.numel() > 1))
def test_the_three_methods_stand_in_order(m):
    f = autocorrelation(m.round())
    layers, isotropic, pixels = (specific_surface(f, method=name) for name in ("layers", "isotropic", "pixels"))
    assert layers <= pixels + 1e-14
    assert layers * math.pi / 4 * math.sqrt(2) >= isotropic - 1e-14
    close(isotropic, pixels * math.pi / 4)


@pytest.mark.parametrize("radius", [10, 40, 90.3])
def test_the_perimeter_of_a_disc(radius):
    """The staircase around a disc is exactly 8 R long for whole diameters, so that pi / 4 of it is 2 pi R."""
    f = autocorrelation(disc(224, radius))
    perimeter = specific_surface(f) * 224**2
    assert perimeter == pytest.approx(2 * math.pi * radius, rel=0.01)


def test_the_surface_of_a_ball():
    x = torch.arange(48).double() - 23.5
    ball = ((x[:, None, None] ** 2 + x[:, None] ** 2 + x**2) <= 18**2).double()
    surface = specific_surface(autocorrelation(ball, ndim=3), ndim=3) * 48**3
    assert surface == pytest.approx(4 * math.pi * 18**2, rel=0.02)


@pytest.mark.parametrize("rise", [0, 1, 2])
def test_layers_at_any_angle(rise):
    """Layers whose normal is (3, rise): on a torus of 96 x 96, 3 and rise times around, two interfaces each."""
    x = torch.arange(96)
    m = ((3 * x[:, None] + rise * x) % 96 < 48).double()
    length = 2 * math.hypot(3, rise) * 96 / 96**2  # per area
    assert specific_surface(autocorrelation(m), method="layers") == pytest.approx(length, rel=1e-9)
    assert specific_surface(autocorrelation(m), method="pixels") == pytest.approx(2 * (3 + rise) / 96, rel=1e-9)


def test_an_open_boundary_needs_the_image():
    """f(0) is a mean over 64 columns, f(1) over 63: half the surface of this disc is lost to that."""
    m = disc(64, 20)
    exact = specific_surface(autocorrelation(m), method="pixels")  # the disc does not touch the border
    close(variation(m, boundary="open") * 63 / 64, exact)
    found = specific_surface(autocorrelation(m, boundary="open"), method="pixels")
    close(variation(m, boundary="open") - found, 4 * m.mean() / 63)
    assert found < 0.6 * exact


# --- batches, dtypes, errors ------------------------------------------------------------------------------------------
READINGS = [radial_average, directional_average, correlation_length, specific_surface]


@pytest.mark.parametrize("function", READINGS)
def test_batches_and_layouts(function):
    f = autocorrelation(phase(2, 3, 8, 9))
    whole = function(f)
    for i, j in itertools.product(range(2), range(3)):
        close(function(f[i, j]), whole[i, j])
    close(function(f.mT.contiguous().mT), whole)
    close(function(f.contiguous(memory_format=torch.channels_last)), whole)
    assert function(f[:0]).shape == (0, *whole.shape[1:])
    assert function(f.float()).dtype == function(f.half()).dtype == torch.float32
    close(function(torch.fft.fftshift(f, dim=(-2, -1)), centred=True), whole)


@pytest.mark.parametrize("function", READINGS)
def test_bad_statistics(function):
    for value, error, message in (
        ([1.0], TypeError, "expected the statistics as a float tensor, got a list"),
        (torch.ones(2, 2, dtype=torch.long), TypeError, "as a float tensor"),
        (torch.zeros(3), ValueError, "with 2 spatial axes of at least one shift"),
        (torch.zeros(2, 0, 3), ValueError, "of at least one shift"),
        (torch.full((2, 2), torch.inf), ValueError, "got infinity"),
    ):
        with pytest.raises(error, match=message):
            function(value)


def test_bad_options():
    f = autocorrelation(torch.eye(4))
    for directions in ([], [(0, 0)], [(1, 0, 0)]):
        with pytest.raises(ValueError, match="expected directions as vectors of 2 components, not all zero"):
            directional_average(f, directions)
    with pytest.raises(ValueError, match="expected directions of at least 1, got 0"):
        directional_average(f, 0)
    with pytest.raises(ValueError, match="expected method to be 'decay' or 'integral', got 'half'"):
        correlation_length(f, method="half")
    with pytest.raises(ValueError, match="expected method to be 'isotropic', 'layers' or 'pixels', got 'faces'"):
        specific_surface(f, method="faces")
    assert volume_fraction(torch.eye(4)) == specific_surface(f, method="pixels") / 4


@pytest.mark.parametrize("function", [radial_average, directional_average, correlation_length])
def test_weights_that_do_not_fit_or_are_negative(function):
    f = autocorrelation(torch.eye(4).expand(2, 4, 4))
    for weight in (torch.ones(3, 3), torch.ones(3, 4, 4), torch.ones(1, 2, 4, 4)):
        with pytest.raises(ValueError, match=r"a weight that broadcasts to the statistics, .*\(2, 4, 4\) .*, got a"):
            function(f, weight=weight)
    with pytest.raises(ValueError, match="expected weights of at least 0, got -1"):
        function(f, weight=-torch.eye(4))
    close(function(f, weight=torch.ones(1, 4, 1)), function(f))


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_zero_shift_alone_has_no_surface_to_read(ndim):
    f = autocorrelation(phase(5, 5, 5), max_shift=0, ndim=ndim)
    with pytest.raises(ValueError, match=r"expected statistics with a shift of one pixel \(max_shift of at least 1\)"):
        specific_surface(f, ndim=ndim, centred=True)


# --- pixels that are not square ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("spacing", [(2.0, 1.0), (0.3, 0.7), (1.0, 1.0)])
def test_lengths_are_those_of_the_material(spacing):
    """By counting, shift by shift: lengths in the longest side of a pixel."""
    f, pixel = grey(9, 12), max(spacing)
    reach = min(int(n // 2 * one / pixel + 1e-9) for n, one in zip(f.shape, spacing))
    rings = [[] for _ in range(reach + 1)]
    for place in np.ndindex(*f.shape):
        length = round(math.hypot(*(shifts(n)[p] * one for p, n, one in zip(place, f.shape, spacing))) / pixel)
        if length <= reach:
            rings[length].append(f[place].item())
    close(radial_average(f, spacing=spacing), torch.tensor([np.mean(ring) for ring in rings]), 1e-12)


def test_an_image_with_each_row_repeated():
    m = disc(32, 9)[:28]
    f, twice = autocorrelation(m), autocorrelation(m.repeat_interleave(2, 0))
    spacing = (0.5, 1.0)
    close(twice[::2], f)
    for method in ("isotropic", "layers", "pixels"):
        close(specific_surface(twice, method=method, spacing=spacing), specific_surface(f, method=method))
    close(variation(m.repeat_interleave(2, 0), spacing=spacing), variation(m))
    close(variation(m.repeat_interleave(2, 0), spacing=spacing, axis=-2), variation(m, axis=-2))
    for directions in (None, [(1, 0), (0, 1)], [(-1, 1), (1, 1)], 3):
        for method in ("decay", "integral"):
            found = correlation_length(twice, method=method, directions=directions, spacing=spacing)
            wanted = correlation_length(f, method=method, directions=directions)
            assert (found / wanted - 1).abs().max() < 0.08
        found = directional_average(twice, directions or 4, spacing=spacing)
        assert (found - directional_average(f, directions or 4)).abs().max() < 0.03
    assert correlation_length(twice) > 1.2 * correlation_length(f)  # pixels taken as square
    assert (radial_average(twice, spacing=spacing) - radial_average(f)).abs().max() < 0.01


def test_layers_at_45_degrees_of_the_material_on_a_grid_of_long_rows():
    """Rows of two, columns of one: along the layers f stays what it is, and across it falls fastest."""
    y, x = 2 * torch.arange(32)[:, None], torch.arange(64)
    f = autocorrelation(((y + x) % 32 < 16).double())
    lengths = correlation_length(f, directions=4, spacing=(2, 1))
    assert lengths.argmax() == 1  # 45 degrees; on the grid it is 26.6
    assert lengths.argmin() == 3
    assert lengths[1] > 2 * lengths[3]


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_a_unit_changes_lengths_alone(ndim):
    f = autocorrelation(phase(*(8, 9, 10)[:ndim]), ndim=ndim)
    for size in (0.25, 3, (3.0,) * ndim):
        one = size if isinstance(size, (int, float)) else size[0]
        close(radial_average(f, ndim=ndim, spacing=size), radial_average(f, ndim=ndim))
        close(directional_average(f, ndim=ndim, spacing=size), directional_average(f, ndim=ndim))
        close(correlation_length(f, ndim=ndim, spacing=size), one * correlation_length(f, ndim=ndim), 1e-12)
        close(specific_surface(f, ndim=ndim, spacing=size), specific_surface(f, ndim=ndim) / one, 1e-12)
    line = f.reshape(1, *f.shape)  # a side of one pixel has no shifts, and its size is of no account
    close(radial_average(line, ndim=ndim + 1, spacing=(0.01, *(2.0,) * ndim)), radial_average(line, ndim=ndim + 1))


@pytest.mark.parametrize("function", READINGS)
def test_bad_spacing(function):
    f = autocorrelation(torch.eye(4))
    for spacing in ((1.0,), "px", None):
        with pytest.raises(ValueError, match="expected spacing as the size of a pixel, or one for each of 2 axes, got"):
            function(f, spacing=spacing)
    with pytest.raises(ValueError, match="expected spacing as a finite number above 0, got -1"):
        function(f, spacing=-1.0)


def test_fractions():
    f = autocorrelation(phase(2, 8, 8))
    close(correlation_length(f, fraction=f[:, 0, 0]), correlation_length(f))
    for fraction, error, message in (
        (2.0, ValueError, "expected fraction as a finite number of at least 0 and at most 1, got 2"),
        ("a", TypeError, "expected fraction as a finite number"),
        (torch.ones(3) / 2, ValueError, r"expected a fraction for each of \(2,\) maps, got a tensor of shape \(3,\)"),
        (torch.tensor(1.5), ValueError, r"expected a fraction with values in \[0, 1\], got values in \[1.5, 1.5\]"),
    ):
        with pytest.raises(error, match=message):
            correlation_length(f, fraction=fraction)
