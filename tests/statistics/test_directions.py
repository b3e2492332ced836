import itertools
import math

import pytest
import torch
from hypothesis import given

from microtutor.microstructures import LineImages
from microtutor.statistics import anisotropy, autocorrelation, orientation
from tests.statistics.counting import close, phase
from tests.strategies import phase_images


def texture(size, length, width, angle, seed, ndim=2):
    """Smoothed noise above its mean: grains `length` long along the angle (degrees, anticlockwise), `width` wide."""
    noise = torch.randn(size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    k = torch.fft.fftfreq(size, dtype=torch.float64)
    down, right, turn = k[:, None], k[None, :], math.radians(angle)
    along, across = right * math.cos(turn) - down * math.sin(turn), right * math.sin(turn) + down * math.cos(turn)
    smooth = torch.exp(-2 * math.pi**2 * ((length * along).square() + (width * across).square()))
    return (torch.fft.ifft2(torch.fft.fft2(noise) * smooth).real > 0).double()


def moments(f, spacing=(1.0, 1.0)):
    """The sum over waves that defines the tensor of slopes, one wave after the other, (2, 2)."""
    tensor, (height, width) = torch.zeros(2, 2, dtype=torch.float64), f.shape
    y, x = torch.arange(height, dtype=torch.float64)[:, None], torch.arange(width)
    for i, j in itertools.product(
        range(-((height - 1) // 2), height // 2 + 1), range(-((width - 1) // 2), width // 2 + 1)
    ):
        power = (f * torch.cos(2 * math.pi * (i * y / height + j * x / width))).sum()
        down, right = i / height / spacing[0], j / width / spacing[1]
        product = 0 if 2 * i == height or 2 * j == width else down * right  # Nyquist's wave has no sign
        waves = torch.tensor([[down**2, product], [product, right**2]], dtype=torch.float64)
        tensor += waves * power**2 / (1 + 16 * max(spacing) ** 2 * (down**2 + right**2))
    return tensor


def wave(shape, cycles, phase=0.3):
    """A plane wave in [0, 1] of so many cycles down and to the right, and the direction of its crests."""
    (height, width), (down, right) = shape, cycles
    y, x = torch.arange(height, dtype=torch.float64)[:, None], torch.arange(width)
    image = 0.5 + 0.5 * torch.cos(2 * math.pi * (down * y / height + right * x / width) + phase)
    return image, math.degrees(math.atan2(-right / width, -down / height)) % 180


def all_waves(shape, longest=0.5):
    """Cycles of every wave that a grid can hold, from 2 px to a share of its side; Nyquist's along the axes alone."""
    height, width = shape
    for down, right in itertools.product(range(-((height - 1) // 2), height // 2 + 1), range(width // 2 + 1)):
        number = math.hypot(down / height, right / width)
        mixed = (2 * down == height and right) or (2 * right == width and down)  # the same as its mirror image
        if 1 / (longest * min(shape)) <= number <= 0.5 and not mixed:
            yield down, right


def difference(found, wanted):
    """Between two directions without arrows, in degrees."""
    return (found - wanted + 90) % 180 - 90


@pytest.mark.parametrize("angle", [0, 20, 45, 90, 110, 135, 160])
def test_textures_at_an_angle(angle):
    f = autocorrelation(torch.stack([texture(128, 9, 3, angle, seed) for seed in range(6)]))
    assert difference(orientation(f), angle).abs().max() < 12
    assert difference(orientation(f, radius=8), angle).abs().mean() < 4
    assert anisotropy(f).mean() == pytest.approx(1 - 3 / 9, abs=0.06)


def test_lines_that_run_one_way():
    sample = LineImages(size=64).sample(100, seed=0)
    found = orientation(autocorrelation(sample.images))[:, 0]
    wanted = torch.where(sample.vertical, 90.0, 0.0)
    assert difference(found, wanted).abs().max() < 45
    assert difference(found, wanted).abs().mean() < 10
    assert anisotropy(autocorrelation(sample.images)).min() > 0.3


@pytest.mark.parametrize(("down", "right", "angle"), [(0, 1, 0.0), (1, 0, 90.0), (-1, 1, 45.0), (1, 1, 135.0)])
def test_layers(down, right, angle):
    """Layers along (down, right): their phase is a function of the coordinate across."""
    x = torch.arange(32)
    m = ((x[:, None] * right - x * down) % 16 < 8).double()
    f = autocorrelation(m)
    close(orientation(f), torch.tensor(angle).double(), 1e-9)
    close(anisotropy(f), torch.ones((), dtype=torch.float64), 1e-6)


@pytest.mark.parametrize("shape", [(32, 32), (27, 40)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_wave_of_a_grid(shape, dtype):
    """Hundreds of angles, wavelengths from 2 px to half of the image."""
    images, angles = zip(*(wave(shape, cycles) for cycles in all_waves(shape)))
    images, angles = torch.stack(images), torch.tensor(angles)
    assert len(angles.round(decimals=3).unique()) > 50
    grey = autocorrelation(images.to(dtype))
    assert difference(orientation(grey), angles).abs().max() < 0.1
    assert anisotropy(grey).min() > 0.99
    cut = autocorrelation((images > 0.5).to(dtype))
    assert difference(orientation(cut), angles).abs().max() < 1


@pytest.mark.parametrize("phase", [0.0, 0.1, 0.7, 1.2, math.pi / 2])
def test_every_cut_wave(phase):
    shape = 24, 24
    images, angles = zip(*(wave(shape, cycles, phase) for cycles in all_waves(shape)))
    cut = (torch.stack(images) > 0.5 + 1e-9).double()
    varies = cut.flatten(1).std(1) > 0  # not a wave that passes 0.5 in the pixels alone
    found, wanted = orientation(autocorrelation(cut))[varies], torch.tensor(angles)[varies]
    assert difference(found, wanted).abs().max() < 1


@pytest.mark.parametrize("options", [{"boundary": "open"}, {"max_shift": 13}, {"boundary": "open", "max_shift": 13}])
def test_waves_in_maps_that_do_not_go_on(options):
    """Of 2.2 px and more, in windows and with an open boundary: there is no exact spectrum, but nearly."""
    shape = 41, 36
    chosen = [one for one in all_waves(shape) if math.hypot(one[0] / shape[0], one[1] / shape[1]) < 1 / 2.2]
    images, angles = zip(*(wave(shape, cycles) for cycles in chosen))
    angles, centred = torch.tensor(angles), "max_shift" in options
    f = autocorrelation(torch.stack(images), **options)
    assert difference(orientation(f, centred=centred), angles).abs().max() < 1
    assert anisotropy(f, centred=centred).min() > 0.9
    cut = autocorrelation((torch.stack(images) > 0.5).double(), **options)
    assert difference(orientation(cut, centred=centred), angles).abs().max() < 1.5


@pytest.mark.parametrize("options", [{}, {"boundary": "open"}, {"max_shift": 7}, {"boundary": "open", "max_shift": 7}])
def test_layers_of_one_pixel(options):
    rows = (torch.arange(20)[:, None] % 2).float().expand(20, 20)
    for m, angle in ((rows, 0.0), (rows.T, 90.0)):
        f = autocorrelation(m, **options)
        assert difference(orientation(f, centred="max_shift" in options), angle).abs() < 1e-3
        assert anisotropy(f, centred="max_shift" in options) > 0.999


@given(phase_images(side=7))
def test_the_sum_over_waves(m):
    f, spacing = autocorrelation(m), (0.5, 1.5)
    for size in ((1.0, 1.0), spacing):
        tensor = moments(f, size)
        if tensor.abs().max() > 1e-9:
            low, high = torch.linalg.eigvalsh(tensor).clamp_min(0)
            close(anisotropy(f, spacing=size), 1 - (low / high).sqrt(), 1e-6)
            even, odd = tensor[0, 0] - tensor[1, 1], 2 * tensor[0, 1]
            if math.hypot(even, odd) > 1e-6 * (low + high):
                angle = torch.rad2deg(0.5 * torch.atan2(odd, even))
                assert difference(orientation(f, spacing=size), angle).abs() < 1e-3


@pytest.mark.parametrize("options", [{}, {"boundary": "open"}])
def test_pixels_that_are_not_square(options):
    """Rows of two, columns of one: the wave at 45 degrees, seen with each row repeated, or each second row left out."""
    m, angle = wave((48, 48), (4, 4))
    assert angle == 45
    wanted = anisotropy(autocorrelation(m, **options))
    for image, spacing in ((m.repeat_interleave(2, 0), (0.5, 1)), (m[::2], (2, 1)), (m[:, ::3], (0.1, 0.3))):
        f = autocorrelation(image, **options)
        assert difference(orientation(f, spacing=spacing), 45).abs() < 0.5
        close(anisotropy(f, spacing=spacing), wanted, 0.05)  # steps of a repeated row count a little
        close(orientation(f, spacing=[7 * one for one in spacing]), orientation(f, spacing=spacing), 1e-9)
        assert difference(orientation(f), 45).abs() > 15


def test_pixels_of_any_size():
    f = autocorrelation(texture(64, 8, 3, 30, 0))
    for size in (0.25, 3.0, (1e-6, 1e-6)):
        close(orientation(f, spacing=size), orientation(f), 1e-9)
        close(anisotropy(f, spacing=size), anisotropy(f), 1e-12)
    close(anisotropy(f, radius=2.0, spacing=0.25), anisotropy(f, radius=8), 1e-12)


def test_no_direction():
    single, board = torch.zeros(9, 9), (torch.arange(8)[:, None] + torch.arange(8)) % 2.0
    single[4, 4] = 1
    for m in (single, board):
        assert orientation(autocorrelation(m)).isnan()
    assert anisotropy(autocorrelation(single)).abs() < 1e-3
    for m in (torch.zeros(6, 6), torch.ones(6, 6), torch.ones(1, 1)):
        assert orientation(autocorrelation(m)).isnan()
        assert anisotropy(autocorrelation(m)).isnan()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(6, 6), (7, 5), (64, 64), (101, 103), (8, 8, 9)])
def test_what_rounding_leaves_of_a_flat_map_is_flat(shape, dtype):
    for value in (0.3, 1.0):
        f = autocorrelation(torch.full(shape, value, dtype=dtype), boundary="open", ndim=len(shape))
        assert anisotropy(f, ndim=len(shape)).isnan()
        assert orientation(f, ndim=len(shape)).isnan().all()


def test_the_least_of_structures_is_not_flat():
    m = torch.ones(64, 64, dtype=torch.float64)
    m[0, :2] = 0
    wanted = moments(autocorrelation(1 - m))
    low, high = wanted[1, 1], wanted[0, 0]
    for f in (autocorrelation(m), autocorrelation(1 - m)):
        for same in (f, f.float()):
            assert difference(orientation(same), 0).abs() < 1e-5
            assert anisotropy(same) == pytest.approx(1 - math.sqrt(low / high), abs=1e-3)


def test_autocast_changes_nothing():
    f = autocorrelation(texture(64, 8, 3, 30, 0).float())
    wanted = anisotropy(f), orientation(f)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (anisotropy(f), orientation(f)) == wanted


def test_no_direction_but_by_chance():
    f = autocorrelation(torch.stack([texture(128, 3, 3, 0, seed) for seed in range(6)]))
    assert anisotropy(f).mean() < 0.25


@given(phase_images(side=8))
def test_turning_and_mirroring(m):
    f = autocorrelation(m)
    upright, turned, mirrored = (orientation(autocorrelation(x)) for x in (m, m.rot90(), m.flip(1)))
    strength = anisotropy(f)
    if m.shape[0] == m.shape[1] and strength > 1e-3:
        close(difference(turned, upright + 90), torch.zeros((), dtype=torch.float64), 1e-3)
        close(difference(mirrored, -upright), torch.zeros((), dtype=torch.float64), 1e-3)
    if not strength.isnan():
        assert -1e-9 <= strength <= 1
        assert upright.isnan() or 0 <= upright < 180


def test_fibres_and_layers_in_a_volume():
    cross = phase(1, 12, 12)
    for axis in range(3):
        fibres = autocorrelation(cross.expand(12, 12, 12).movedim(0, axis), ndim=3)
        close(orientation(fibres, ndim=3), torch.eye(3, dtype=torch.float64)[axis], 1e-6)
        assert anisotropy(fibres, ndim=3) > 0.999
    layers = autocorrelation((torch.arange(12) // 3 % 2).double().expand(12, 12, 12), ndim=3)
    assert anisotropy(layers, ndim=3) > 0.999
    assert orientation(layers, ndim=3).isnan().all()  # all directions within the layers are alike
    assert orientation(layers[:0].reshape(0, 12, 12, 12), ndim=3).shape == (0, 3)


def test_windows_masks_batches():
    m = torch.stack([texture(64, 8, 3, 30, seed) for seed in range(2)])
    f = autocorrelation(m)
    window = autocorrelation(m, max_shift=9)
    close(orientation(window, centred=True), orientation(f, radius=8), 1e-9)
    close(anisotropy(window, centred=True), anisotropy(f, radius=8), 1e-9)
    mask = torch.zeros(64, 64)
    mask[:30, :20] = 1
    layers = ((torch.arange(64)[:, None] + torch.arange(64)) % 8 < 4).double()
    seen = autocorrelation(layers, mask=mask)
    assert seen.isnan().any()
    assert difference(orientation(seen, radius=8), 45).abs() < 2
    assert anisotropy(seen, radius=8) > 0.9
    assert orientation(f[:0]).shape == anisotropy(f[:0]).shape == (0,)
    close(orientation(f.mT.contiguous().mT), orientation(f), 1e-9)
    assert orientation(f.float()).dtype == torch.float32


def test_gradients():
    m = (0.1 + 0.8 * torch.rand(5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: anisotropy(autocorrelation(x)), m)
    assert torch.autograd.gradcheck(lambda x: orientation(autocorrelation(x)), m)
    layers = torch.ones(8, 8, dtype=torch.float64).cumsum(0).remainder(2).requires_grad_()
    anisotropy(autocorrelation(layers)).backward()
    assert layers.grad is not None
    assert layers.grad.isfinite().all()


def test_one_axis_has_no_directions():
    for function in (anisotropy, orientation):
        with pytest.raises(ValueError, match="expected at least 2 spatial axes, as one has no directions, got ndim=1"):
            function(torch.ones(4), ndim=1)
