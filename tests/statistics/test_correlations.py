import itertools
import sys

import numpy as np
import pytest
import torch
from hypothesis import given

from microtutor.microstructures import Checkerboard, Laminate, LineImages
from microtutor.statistics import (
    autocorrelation,
    cross_correlation,
    fft,
    power_spectrum,
    two_point_statistics,
    volume_fraction,
)
from tests.statistics.counting import SHAPES, boundaries, close, grey, pair_map, phase
from tests.strategies import equivalent_images, phase_images


# --- against counting pairs one by one --------------------------------------------------------------------------------
@pytest.mark.parametrize("boundary", ["periodic", "open"])
@pytest.mark.parametrize("shape", SHAPES)
def test_counting_pairs(shape, boundary):
    a, b = phase(*shape, seed=1), grey(*shape, seed=2)
    options = {"boundary": boundary, "ndim": len(shape)}
    close(autocorrelation(a, **options), pair_map(a, a, boundary))
    close(autocorrelation(b, **options), pair_map(b, b, boundary))
    close(cross_correlation(a, b, **options), pair_map(a, b, boundary))


@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (1, 6), (3, 2, 4)])
def test_one_boundary_for_each_axis(shape):
    a, b, mask = phase(*shape, seed=1), grey(*shape, seed=2), grey(*shape, seed=3)
    for boundary in boundaries(len(shape)):
        options = {"boundary": boundary, "ndim": len(shape)}
        close(autocorrelation(a, **options), pair_map(a, a, boundary))
        close(cross_correlation(a, b, **options), pair_map(a, b, boundary))
        close(autocorrelation(a, mask=mask, **options), pair_map(a, a, boundary, mask))


@pytest.mark.parametrize("boundary", ["periodic", "open"])
def test_images_too_many_for_one_chunk(boundary, monkeypatch):
    monkeypatch.setattr(fft, "CHUNK", 100)
    m = phase(7, 2, 6, 5)
    together = autocorrelation(m, boundary=boundary)
    close(together, torch.stack([autocorrelation(one, boundary=boundary) for one in m]))
    crossed = cross_correlation(m, m.flip(0), boundary=boundary)
    close(crossed[2, 1], cross_correlation(m[2, 1], m[4, 1], boundary=boundary))


@pytest.mark.parametrize("chunk", [1, 20])
@pytest.mark.parametrize("shape", [(1, 6), (6, 5), (5, 4), (4, 3, 5)])
def test_an_image_too_large_for_one_chunk(shape, chunk, monkeypatch):
    a = grey(2, *shape)
    for boundary in boundaries(len(shape)):
        for reach in (None, 0, (min(shape) - 1) // 2):
            options = {"boundary": boundary, "ndim": len(shape), "max_shift": reach}
            monkeypatch.setattr(fft, "CHUNK", 10**6)
            whole = autocorrelation(a, **options)
            monkeypatch.setattr(fft, "CHUNK", chunk)
            close(autocorrelation(a, **options), whole)


@pytest.mark.parametrize("reach", [0, 1, 2])
@pytest.mark.parametrize("boundary", ["periodic", "open", ("open", "periodic")])
def test_a_window_is_cut_from_the_map(reach, boundary):
    m = phase(5, 6)
    whole = autocorrelation(m, boundary=boundary, centred=True)
    window = whole[2 - reach : 3 + reach, 3 - reach : 4 + reach]
    close(autocorrelation(m, boundary=boundary, max_shift=reach), window)


@pytest.mark.parametrize("boundary", ["periodic", "open"])
@pytest.mark.parametrize("shape", SHAPES)
def test_counting_pairs_under_a_mask(shape, boundary):
    a, b, sure = phase(*shape, seed=1), grey(*shape, seed=2), phase(*shape, seed=3)
    options = {"boundary": boundary, "ndim": len(shape)}
    for mask in (sure, grey(*shape, seed=4), sure * grey(*shape, seed=4)):
        close(autocorrelation(a, mask=mask, **options), pair_map(a, a, boundary, mask), 1e-12)
        close(cross_correlation(a, b, mask=mask, **options), pair_map(a, b, boundary, mask), 1e-12)


def test_shifts_without_pairs_are_nan():
    mask = torch.zeros(5, 5)
    mask[0, :2] = 1
    f = autocorrelation(torch.ones(5, 5), mask=mask)
    close(f[0, :2], torch.ones(2), 1e-6)
    assert f.isnan().sum() == 25 - 3
    assert autocorrelation(torch.ones(5, 5), mask=torch.zeros(5, 5)).isnan().all()


def test_an_open_boundary_is_a_mask_of_ones():
    m = phase(6, 7)
    close(autocorrelation(m, boundary="open"), autocorrelation(m, boundary="open", mask=torch.ones(6, 7)))


def test_bool_mask_and_bool_image():
    m, mask = phase(4, 5), phase(4, 5, seed=1)
    found = autocorrelation(m > 0, mask=mask > 0)
    assert found.dtype == torch.float32
    close(found.double(), pair_map(m, m, "periodic", mask), 1e-6)


@pytest.mark.parametrize("boundary", ["periodic", "open"])
def test_leading_axes_are_batch(boundary):
    m = phase(2, 3, 4, 5)
    whole = autocorrelation(m, boundary=boundary)
    assert whole.shape == m.shape
    for i, j in itertools.product(range(2), range(3)):
        close(whole[i, j], autocorrelation(m[i, j], boundary=boundary))
    mask = phase(2, 3, 4, 5, seed=1)
    close(autocorrelation(m, mask=mask[0, 0])[1, 2], autocorrelation(m[1, 2], mask=mask[0, 0]))
    close(autocorrelation(m, mask=mask)[1, 2], autocorrelation(m[1, 2], mask=mask[1, 2]))


@pytest.mark.parametrize("shape", [(5,), (4, 5), (5, 4), (3, 4, 5)])
def test_centred_and_max_shift(shape):
    m, ndim = phase(*shape), len(shape)
    f, centred = autocorrelation(m, ndim=ndim), autocorrelation(m, ndim=ndim, centred=True)
    assert centred.shape == f.shape
    middle = tuple(n // 2 for n in shape)
    for shift in itertools.product(*(range(-(n // 2), (n + 1) // 2) for n in shape)):
        assert centred[tuple(c + s for c, s in zip(middle, shift))] == f[shift]
    window = autocorrelation(m, ndim=ndim, max_shift=1)
    assert window.shape == (3,) * ndim
    for shift in itertools.product((-1, 0, 1), repeat=ndim):
        assert window[tuple(1 + s for s in shift)] == f[shift]
    assert autocorrelation(m, ndim=ndim, max_shift=0).item() == f.flatten()[0]


def test_the_largest_window_of_an_odd_image_is_the_centred_map():
    m = phase(5, 5)
    assert torch.equal(autocorrelation(m, max_shift=2), autocorrelation(m, centred=True))


def by_the_formula(m):
    return torch.fft.irfft2(torch.fft.rfft2(m).abs().square(), s=m.shape[-2:]) / (m.shape[-2] * m.shape[-1])


@pytest.mark.parametrize("shape", [(64, 64), (3, 2, 64, 64), (225, 223), (6, 224, 224), (509, 503), (1021, 509)])
def test_the_formula_at_every_size(shape):
    """Small images go straight through it; above fft.CHUNK numbers, and with long prime sides, other ways are taken."""
    m = grey(*shape)
    close(autocorrelation(m), by_the_formula(m), 1e-13)
    assert (autocorrelation(m.round().float()) - by_the_formula(m.round())).abs().max() < 2e-7


def test_few_functions_of_the_package_lie_on_the_default_path():
    """At the second call: whether FFTs of a size are quick is looked up once."""
    m, called = torch.zeros(224, 224), set()
    autocorrelation(m)

    def note(frame, event, _):
        if event == "call" and frame.f_globals.get("__name__", "").startswith("microtutor"):
            called.add((frame.f_code.co_filename, frame.f_code.co_qualname.split(".<locals>")[0]))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        autocorrelation(m)
    finally:
        sys.setprofile(before)
    names = {name for _, name in called}
    assert {"autocorrelation", "check_phase"} <= names
    assert len(called) <= 8, sorted(names)


# --- by hand, and from the literature ---------------------------------------------------------------------------------
def test_worked_example_of_pymks():
    m = torch.tensor([[1.0, 1, 0], [0, 0, 1], [1, 1, 0]])
    pairs = torch.tensor([[3.0, 2, 3], [2, 5, 2], [3, 2, 3]])
    close(9 * autocorrelation(m, centred=True), pairs, 1e-6)


def test_masked_worked_example_of_pymks():
    m = torch.tensor([[1.0, 0, 0], [0, 1, 1], [1, 1, 0]])
    mask = torch.tensor([[1.0, 1, 1], [1, 1, 1], [1, 0, 0]])
    hits = torch.tensor([[1.0, 0, 1], [1, 4, 1], [1, 0, 1]])
    pairs = torch.tensor([[2.0, 4, 3], [4, 7, 4], [3, 4, 2]])
    close(autocorrelation(m, boundary="open", mask=mask, centred=True), hits / pairs, 1e-6)


def test_checkerboard():
    board = Checkerboard(cell=2, size=12)
    m, f = board.image(), board.statistics().float()
    close(autocorrelation(m), f, 1e-7)
    close(cross_correlation(m, 1 - m), 0.5 - f, 1e-7)


@pytest.mark.parametrize("boundary", ["periodic", "open"])
def test_laminate(boundary):
    """f is a row of triangles, whatever the shift along the layers."""
    laminate = Laminate(thickness=2, period=8, size=16)
    f = autocorrelation(laminate.image(), boundary=boundary)
    close(f, f[:1].expand(16, 16), 1e-6)
    if boundary == "periodic":
        close(f, laminate.statistics().float(), 1e-6)


def test_constant_image():
    for boundary in ("periodic", "open"):
        close(autocorrelation(torch.full((5, 6), 0.3), boundary=boundary), torch.full((5, 6), 0.09), 1e-7)


def test_cross_correlation_points_from_the_first_phase_to_the_second():
    a, b = torch.zeros(5, 5), torch.zeros(5, 5)
    a[1, 1], b[2, 4] = 1, 1
    f = cross_correlation(a, b)
    assert f.argmax() == 1 * 5 + 3
    close(f[1, 3], torch.tensor(1 / 25), 1e-7)


def test_homometric_lines():
    """Images with equal statistics that are not equivalent: {0, 1, 3, 4} and {0, 1, 2, 5} on a ring of 8."""
    a, b = torch.zeros(2, 8, 8, dtype=torch.float64)
    a[1:6, [0, 1, 3, 4]] = 1
    b[1:6, [0, 1, 2, 5]] = 1
    close(autocorrelation(a), autocorrelation(b), 1e-15)
    assert not any(torch.equal(equivalent, b) for equivalent in equivalent_images(a))


def test_a_mirror_image_is_no_equivalent_image():
    m = torch.zeros(8, 8)
    m[0, 0] = m[1, 2] = 1
    assert (autocorrelation(m) - autocorrelation(m.flip(1))).abs().max() > 0.01


# --- what holds for every image ---------------------------------------------------------------------------------------
@given(phase_images())
def test_theorems(m):
    f, pixels, fraction = autocorrelation(m), m.numel(), m.mean()
    close(f[0, 0], m.square().mean())
    close(f.sum(), pixels * fraction**2)
    assert f.min() >= -1e-12
    assert f.max() <= f[0, 0] + 1e-12
    close(f, f.flip((0, 1)).roll((1, 1), (0, 1)))  # f(r) = f(-r)
    close(autocorrelation(1 - m), 1 - 2 * fraction + f)  # one phase tells all of a two-phase structure
    close(cross_correlation(m, 1 - m), fraction - f)


@given(phase_images())
def test_wiener_khinchin_and_parseval(m):
    height, width = m.shape
    f, power = autocorrelation(m), power_spectrum(m)
    close(power, torch.fft.rfft2(f).real)
    close(f, torch.fft.irfft2(power, s=(height, width)))
    close(power[0, 0], m.numel() * m.mean() ** 2)
    assert power.min() >= 0
    both = power_spectrum(m)[:, [min(k, width - k) for k in range(width)]]  # the other half mirrors this one, row -k
    close(both.square().sum() / m.numel(), f.square().sum())


@given(phase_images(side=5))
def test_shifts_and_inversion_leave_f_as_it_is(m):
    f = autocorrelation(m)
    close(autocorrelation(equivalent_images(m)), f.expand(2 * m.numel(), *m.shape))


@given(phase_images(side=5))
def test_an_open_boundary_does_not_see_inversion(m):
    close(autocorrelation(m.flip((0, 1)), boundary="open"), autocorrelation(m, boundary="open"))


@given(phase_images(side=5))
def test_periodic_pairs_are_all_open_pairs_wrapped_around(m):
    """Zero-pad to twice the size, fold the four quadrants: the periodic count."""
    height, width = m.shape
    padded = torch.zeros(2 * height, 2 * width, dtype=m.dtype)
    padded[:height, :width] = m
    pairs = autocorrelation(padded) * padded.numel()
    folded = pairs.reshape(2, height, 2, width).sum((0, 2))
    close(autocorrelation(m) * m.numel(), folded)


# --- precision --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("boundary", ["periodic", "open"])
def test_float32_is_enough(boundary):
    lines = LineImages(count=(3, 6)).sample(4, seed=0).images
    noise = grey(2, 1, 225, 223).float()
    for m in (lines, noise, noise.round()):
        f = autocorrelation(m, boundary=boundary)
        assert f.dtype == torch.float32
        exact = autocorrelation(m.double(), boundary=boundary)
        assert exact.dtype == torch.float64
        assert (f - exact).abs().max() < 2e-7


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_raised(dtype):
    m = torch.ones(1, 1, 300, 300, dtype=dtype)  # |F(0)|^2 = 8.1e9, far above float16's 65,504
    for f in (autocorrelation(m), autocorrelation(m, boundary="open"), cross_correlation(m, m)):
        assert f.dtype == torch.float32
        close(f, torch.ones_like(f), 1e-6)
    assert power_spectrum(m)[0, 0, 0, 0] == 90_000
    assert volume_fraction(m).item() == 1


def test_autocast_changes_nothing():
    m = LineImages(size=64).sample(2).images
    plain = autocorrelation(m), autocorrelation(m, boundary="open"), power_spectrum(m), two_point_statistics(m)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = autocorrelation(m), autocorrelation(m, boundary="open"), power_spectrum(m), two_point_statistics(m)
    for a, b in zip(plain, cast, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("boundary", ["periodic", "open"])
def test_gradients(boundary):
    m, mask = 0.1 + 0.8 * grey(2, 4, 5), 0.1 + 0.8 * grey(4, 5, seed=1)
    assert torch.autograd.gradcheck(lambda x: autocorrelation(x, boundary=boundary, mask=mask), m.requires_grad_())
    assert torch.autograd.gradcheck(power_spectrum, m)


# --- the other functions ----------------------------------------------------------------------------------------------
def test_volume_fraction():
    m = phase(2, 3, 4, 5)
    close(volume_fraction(m), m.mean((-2, -1)))
    close(volume_fraction(m, ndim=3), m.mean((-3, -2, -1)))


def test_power_spectrum_of_a_volume():
    m = phase(3, 4, 5)
    wanted = np.abs(np.fft.rfftn(m.numpy())) ** 2 / m.numel()
    close(power_spectrum(m, ndim=3), torch.from_numpy(wanted))


def test_all_pairs_of_phases():
    label = torch.randint(3, (2, 5, 4), generator=torch.Generator().manual_seed(0))
    m = torch.nn.functional.one_hot(label, 3).movedim(-1, 1).double()
    f = two_point_statistics(m)
    assert f.shape == (2, 3, 3, 5, 4)
    for i, j in itertools.product(range(3), repeat=2):
        close(f[:, i, j], cross_correlation(m[:, i], m[:, j]))
        close(f[:, i, j], f[:, j, i].flip((-2, -1)).roll((1, 1), (-2, -1)))
    close(f.sum((1, 2)), torch.ones(2, 5, 4, dtype=torch.float64))  # every point lies in some phase
    assert two_point_statistics(m, boundary="open", max_shift=1).shape == (2, 3, 3, 3, 3)


# --- bad input --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("function", [autocorrelation, power_spectrum, volume_fraction, two_point_statistics])
@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("image.png", TypeError, "as a torch tensor, got 'image.png'"),
        (torch.zeros(1, 0, 3), ValueError, "at least one pixel"),
        (torch.full((1, 2, 2), torch.nan), ValueError, "NaN or infinity"),
        (torch.full((1, 2, 2), 255), TypeError, r"float"),
        (torch.zeros(3), ValueError, "axes"),
    ],
)
def test_bad_images(function, value, error, message):
    with pytest.raises(error, match=message):
        function(value)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"boundary": "mirror"},
            ValueError,
            "expected boundary to be 'periodic' or 'open', or one of them for each axis, got 'mirror'",
        ),
        ({"mask": torch.ones(3, 3)}, ValueError, r"mask with spatial shape \(4, 6\), got a tensor of shape \(3, 3\)"),
        (
            {"mask": 2 * torch.ones(4, 6)},
            ValueError,
            r"expected a mask with values in \[0, 1\], got values in \[2, 2\]",
        ),
        ({"mask": [1.0]}, TypeError, "expected the mask as a torch tensor, got a list"),
        ({"max_shift": 2}, ValueError, "expected max_shift of at most 1 for a side of 4 pixels, got 2"),
        ({"max_shift": -1}, ValueError, "expected max_shift of at least 0, got -1"),
        ({"max_shift": 1.5}, TypeError, "expected max_shift as a whole number, got 1.5"),
        ({"ndim": 0}, ValueError, "expected ndim of at least 1, got 0"),
        ({"ndim": 3}, ValueError, "at least 3 axes"),
    ],
)
def test_bad_options(options, error, message):
    with pytest.raises(error, match=message):
        autocorrelation(torch.zeros(4, 6), **options)


def test_two_phases_of_different_size():
    with pytest.raises(
        ValueError, match=r"the first phase and the second of the same shape, got \(2, 2\) and \(2, 3\)"
    ):
        cross_correlation(torch.zeros(2, 2), torch.zeros(2, 3))
