import itertools

import pytest
import torch
from torch import Tensor

from microtutor.evaluation import aligned_data_error
from microtutor.losses import StatisticsLoss
from microtutor.microstructures import LineImages
from microtutor.reconstruction import ConvergenceWarning, reconstruct
from microtutor.statistics import autocorrelation, two_point_statistics


def lines(n=1, size=32, seed=0) -> Tensor:
    return LineImages(count=(1, 2), size=size).sample(n, seed=seed).images


def statistics_of_lines(n=1, size=32, seed=0) -> Tensor:
    return autocorrelation(lines(n, size, seed))


def three_phases(size=16) -> Tensor:
    """Stripes of two phases on a third, (3, size, size)."""
    m = torch.zeros(3, size, size)
    m[0, 1:9, 2:5] = 1
    m[1, :, 8:12] = 1
    m[2] = 1 - m[:2].sum(0)
    return m


def error(images, f, **options):
    return (autocorrelation(images, **options) - f).square().mean((-2, -1))


def all_images_with(f: Tensor) -> Tensor:
    """Every two-valued image with these statistics, found by trying them all."""
    height, width = f.shape
    number = torch.arange(2 ** (height * width))
    images = ((number[:, None] >> torch.arange(height * width)) & 1).reshape(-1, height, width).float()
    return images[(autocorrelation(images) - f).abs().amax((-2, -1)) < 1e-6]


def test_finds_an_image_with_the_wanted_statistics():
    f = statistics_of_lines(3)
    images = reconstruct(f)
    assert images.shape == f.shape
    assert not images.requires_grad
    assert 0 <= images.min() <= images.max() <= 1
    assert error(images, f).max() < 1e-6
    assert (error(images, f) / error(torch.zeros_like(f), f)).max() < 0.01  # against an empty image
    torch.testing.assert_close(images.mean((-2, -1)), f[..., 0, 0], rtol=0.1, atol=0)
    assert (images * (1 - images)).mean() < 0.01  # two-valued, though nothing asked for it but the statistics


@pytest.mark.parametrize("m", ["11000000", "11011000", "11100100", "1100 0110 0010 0000", "1010 0100 0001 0000"])
def test_finds_only_images_that_trying_all_finds_too(m):
    """In 1-D, 11011000 and 11100100 are homometric: equal statistics, and no shift or inversion joins them."""
    image = torch.tensor([[float(pixel) for pixel in row] for row in m.split()])
    f = autocorrelation(image)
    solutions = all_images_with(f)
    found = reconstruct(f, realisations=24)
    right = error(found, f) <= 1e-10
    assert right.float().mean() > 0.3
    distance = (found[right, None].round() - solutions).abs().amax((-2, -1))
    assert (distance.amin(1) == 0).all()


def test_finds_both_of_two_homometric_images():
    first, second = torch.tensor([[1.0, 1, 0, 1, 1, 0, 0, 0]]), torch.tensor([[1.0, 1, 1, 0, 0, 1, 0, 0]])
    found = reconstruct(autocorrelation(first), realisations=40)
    for image in (first, second):
        assert (aligned_data_error(found, image.expand_as(found)) < 1e-3).any()


def test_goes_down_with_the_steps():
    f = statistics_of_lines(4)
    errors = [error(reconstruct(f, steps=steps, tolerance=0), f).mean().item() for steps in (1, 50, 300)]
    assert errors[0] > 10 * errors[1] > 100 * errors[2]


def test_stops_at_the_tolerance():
    f = statistics_of_lines(4)
    for tolerance in (1e-5, 1e-7):
        reached = error(reconstruct(f, tolerance=tolerance, seed=5), f)
        assert (reached <= tolerance * 1.01).all()
        assert (reached > tolerance / 100).all()  # it went no further than asked


def test_each_image_goes_its_own_way():
    m = lines(5).double()
    m[3] = (torch.rand(m[3].shape, generator=torch.Generator().manual_seed(0)) < 0.4).double()  # a hard one beside it
    f, start = autocorrelation(m), torch.rand(m.shape, generator=torch.Generator().manual_seed(1))
    together = reconstruct(f, start=start, steps=40)
    alone = torch.cat([reconstruct(f[i : i + 1], start=start[i : i + 1], steps=40) for i in range(5)])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)


def test_seeds():
    f = statistics_of_lines()
    a, again, b = reconstruct(f, steps=40), reconstruct(f, steps=40), reconstruct(f, steps=40, seed=1)
    assert torch.equal(a, again)
    assert (a - b).abs().max() > 0.5


def test_random_numbers_of_the_caller_stay_as_they_are():
    before = torch.random.get_rng_state()
    reconstruct(statistics_of_lines(), steps=2)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_works_where_gradients_are_off():
    with torch.no_grad():
        assert error(reconstruct(statistics_of_lines()), statistics_of_lines()).max() < 1e-8


@pytest.mark.parametrize("shape", [(8, 8), (7, 10), (10, 7), (2, 1, 6, 8)])
def test_shapes(shape):
    m = torch.zeros(shape)
    m[..., 1:4, 2:5] = 1
    images = reconstruct(autocorrelation(m), steps=300)
    assert images.shape == shape
    assert StatisticsLoss()(images, m) < 1e-4


def test_realisations_are_a_new_first_axis():
    f = statistics_of_lines(2)
    images = reconstruct(f, realisations=3)
    assert images.shape == (3, *f.shape)
    assert error(images, f).max() < 1e-8
    assert (images[0] - images[1]).abs().amax((-2, -1)).min() > 0.5
    torch.testing.assert_close(reconstruct(f, realisations=1)[0], reconstruct(f))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_an_image_without_a_second_phase(value):
    m = torch.full((8, 8), value)
    assert StatisticsLoss()(reconstruct(autocorrelation(m)), m) < 1e-4


def test_dtype_follows_the_target():
    f = statistics_of_lines()
    assert reconstruct(f.double(), steps=5).dtype == torch.float64
    assert reconstruct(f.half(), steps=5).dtype == torch.float32
    assert error(reconstruct(f.double(), tolerance=1e-20), f.double()).max() < 1e-15


@pytest.mark.gpu
def test_device_follows_the_target():
    f = statistics_of_lines(2).cuda()
    images = reconstruct(f)
    assert images.device == f.device
    assert error(images, f).max() < 1e-8


class TestStart:
    def test_goes_to_the_nearest_solution(self):
        m = lines(4)
        dirty = (m + 0.4 * torch.rand(m.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
        made = reconstruct(autocorrelation(m), start=dirty)
        assert error(made, autocorrelation(m)).max() < 1e-8
        assert (made - m).abs().mean() < 0.01  # the image itself, not a shift or another one

    def test_a_solution_stays(self):
        m = lines(2)
        made = reconstruct(autocorrelation(m), start=m)
        torch.testing.assert_close(made, m, atol=0.05, rtol=0)

    def test_one_start_for_all_realisations(self):
        f = statistics_of_lines()
        made = reconstruct(f, realisations=2, start=lines(seed=1), steps=20)
        assert torch.equal(made[0], made[1])


class TestBoundary:
    @pytest.mark.parametrize("boundary", ["open", ("open", "periodic"), ("periodic", "open")])
    def test_statistics_of_an_open_image(self, boundary):
        m = lines(3)
        f = autocorrelation(m, boundary=boundary)
        made = reconstruct(f, boundary=boundary)
        assert error(made, f, boundary=boundary).max() < 1e-7
        assert error(made, f).max() > 1e-7  # and not the periodic ones, which are others

    def test_periodic_by_axis_is_periodic(self):
        f = statistics_of_lines()
        made = reconstruct(f, boundary=("periodic", "periodic"), steps=30)
        assert torch.equal(made, reconstruct(f, steps=30))


class TestPhases:
    def test_several_phases(self):
        m = three_phases()
        f = two_point_statistics(m)
        made = reconstruct(f, phases=3, realisations=4)
        assert made.shape == (4, 3, 16, 16)
        torch.testing.assert_close(made.sum(1), torch.ones(4, 16, 16))
        assert made.min() >= 0
        reached = (two_point_statistics(made) - f).square().flatten(1).mean(1)
        assert reached.median() < 1e-6

    def test_two_phases_are_one_and_its_complement(self):
        m = lines()[0]
        f = two_point_statistics(torch.cat([m, 1 - m]))
        made = reconstruct(f, phases=2)
        assert error(made[0], f[0, 0]) < 1e-7
        torch.testing.assert_close(made[1], 1 - made[0])

    def test_open_boundary(self):
        f = two_point_statistics(three_phases(), boundary="open")
        made = reconstruct(f, phases=3, boundary="open", start=three_phases())
        assert (two_point_statistics(made, boundary="open") - f).square().mean() < 1e-8

    def test_the_fast_error_is_the_plain_one(self):
        from microtutor.reconstruction.targets import check_target

        m = torch.rand(2, 3, 7, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        f = two_point_statistics(torch.rand(2, 3, 7, 8, dtype=torch.float64))
        target, _ = check_target(f, "periodic", 3)
        plain = (two_point_statistics(m) - f).square().flatten(1).mean(1)
        torch.testing.assert_close(target.error(m), plain)


class TestExtraTerms:
    def test_settle_what_the_statistics_leave_open(self):
        m = torch.zeros(16, 16)
        m[4:12, 3:6] = 1
        m[10:12, 3:12] = 1

        def known_row(images):
            return (images[:, 11] - m[11]).square().mean(-1)

        free = reconstruct(autocorrelation(m), realisations=8, steps=200)
        pinned = reconstruct(autocorrelation(m), realisations=8, steps=200, extra_terms=known_row)
        assert known_row(free).min() > 0.01
        assert known_row(pinned).max() < 0.01
        assert ((known_row(pinned) < 1e-3) & (error(pinned, autocorrelation(m)) < 1e-5)).any()

    def test_weights(self):
        f = statistics_of_lines()[0]
        grey = [lambda x: x.mean((-2, -1)), lambda x: -x.mean((-2, -1))]
        cancelled = reconstruct(f, extra_terms=grey, extra_weights=[50.0, 50.0], steps=20)
        torch.testing.assert_close(cancelled, reconstruct(f, steps=20, tolerance=0), atol=1e-3, rtol=0)
        assert reconstruct(f, extra_terms=grey, extra_weights=[50.0, 0.0], steps=20).mean() < cancelled.mean() / 2


def test_progress_bar(capfd):
    reconstruct(statistics_of_lines(), steps=3)
    assert capfd.readouterr().err == ""
    reconstruct(statistics_of_lines(), steps=3, progress=True)
    shown = capfd.readouterr().err
    assert "3/3" in shown
    assert "statistics error" in shown


F = torch.full((4, 4), 0.25)


@pytest.mark.parametrize(
    ("value", "options", "error", "message"),
    [
        ([[1.0]], {}, TypeError, "expected the target statistics as a torch tensor, got a list; convert it"),
        (torch.ones(4), {}, ValueError, "expected the target statistics with at least 2 axes"),
        (torch.ones(0, 4, 4), {}, ValueError, "target statistics with at least one pixel"),
        (torch.ones(4, 4).long(), {}, TypeError, "expected the target statistics as a float tensor, got .*int64"),
        (torch.full((4, 4), torch.inf), {}, ValueError, "finite values in the target statistics, got NaN or inf"),
        (torch.full((4, 4), torch.nan), {}, ValueError, "statistics with a mask cannot be searched for"),
        (F, {"steps": 0}, ValueError, "expected steps of at least 1, got 0"),
        (F, {"seed": -1}, ValueError, "expected seed of at least 0, got -1"),
        (F, {"seed": 1.5}, TypeError, "expected seed as a whole number, got 1.5"),
        (F, {"realisations": 0}, ValueError, "expected realisations of at least 1, got 0"),
        (F, {"tolerance": -1.0}, ValueError, "expected tolerance as a finite number of at least 0, got -1"),
        (F, {"boundary": "closed"}, ValueError, "expected boundary to be 'periodic' or 'open', .* got 'closed'"),
        (F, {"phases": 3}, ValueError, r"of 3 phases with shape \(..., 3, 3, height, width\), .* got .*\(4, 4\)"),
        (F, {"phases": 1}, ValueError, "expected phases of at least 2, got 1"),
        (F, {"start": torch.ones(5, 4)}, ValueError, r"expected a start of shape \(4, 4\), .* got .*\(5, 4\)"),
        (F, {"start": 2 * F.new_ones(4, 4)}, ValueError, r"expected a start with values in \[0, 1\], got values in"),
        (F, {"extra_terms": [torch.mean], "extra_weights": [1, 2]}, ValueError, "one weight for each of 1 extra terms"),
        (F, {"tolerance": "a"}, TypeError, "expected tolerance as a finite number of at least 0, got 'a'"),
        (F, {"tolerance": float("nan")}, ValueError, "expected tolerance as a finite number of at least 0, got nan"),
        (F, {"learning_rate": 0}, ValueError, "expected learning_rate as a finite number above 0, got 0"),
        (F, {"binary": "no"}, TypeError, "expected binary to be True or False, got 'no'"),
        (F, {"extra_terms": 3}, TypeError, "expected extra_terms as a function of images, or several, got 3"),
        (F, {"extra_weights": float("inf")}, ValueError, "expected extra_weights as a finite number, got inf"),
        (F, {"extra_terms": torch.mean}, ValueError, r"one number for each of 1 images, shape \(1,\), got .*\(\)"),
    ],
)
def test_bad_input(value, options, error, message):
    with pytest.raises(error, match=message):
        reconstruct(value, **options)


@pytest.mark.parametrize("boundary", ["periodic", "open"])
def test_what_is_the_statistics_of_no_image(boundary):
    m = torch.rand(2, 9, 8, generator=torch.Generator().manual_seed(0)).round()
    f = autocorrelation(m, boundary=boundary)
    options = {"boundary": boundary, "steps": 2}
    for wrong in (10 * f, -f):
        with pytest.raises(ValueError, match="expected the target statistics of a phase, chances in "):
            reconstruct(wrong, **options)
    uneven = f.clone()
    uneven[1, 1, 2] += 0.2
    with pytest.raises(
        ValueError, match=r"expected the target statistics to be even, .* differ by up to 0.2 between r"
    ):
        reconstruct(uneven, **options)
    with pytest.raises(TypeError, match=r"complex64; take its \.real"):
        reconstruct(torch.complex(f, f), **options)
    assert reconstruct(f + 1e-4, **options).shape == f.shape  # not quite is good enough


def test_scaled_maps_of_a_rare_phase():
    m = torch.zeros(16, 16)
    m[3, 4:9] = 1
    f = autocorrelation(m)
    with pytest.raises(
        ValueError, match=r"whose mean is at least the square of f\(0\), got f\(0\) = 0.1953 and a mean of"
    ):
        reconstruct(10 * f)
    rho = (f - m.mean() ** 2) / m.var(correction=0)
    with pytest.raises(
        ValueError, match=r"expected the target statistics of a phase, whose mean is .*; covariances and"
    ):
        reconstruct(rho)
    assert reconstruct(autocorrelation(m / 3), steps=2).shape == (16, 16)  # grey


def test_a_chance_below_zero_by_rounding_is_zero():
    empty = torch.zeros(8, 8)
    empty[0, 0] = -7e-9
    assert reconstruct(empty, steps=1).shape == (8, 8)
    empty[0, 0] = -0.01
    with pytest.raises(ValueError, match="expected the target statistics of a phase, chances"):
        reconstruct(empty, steps=1)


def test_several_phases_that_do_not_mirror_each_other():
    f = two_point_statistics(three_phases())
    with pytest.raises(ValueError, match="expected the target statistics to be even"):
        reconstruct(torch.stack([f[0].roll(3, -1), f[1], f[2]]), phases=3)


@pytest.mark.parametrize("shape", [(8, 8, 8), (5, 6, 7), (3, 6, 6)])
def test_volumes_are_no_batch(shape):
    m = torch.rand(shape, generator=torch.Generator().manual_seed(0)).round()
    with pytest.raises(
        ValueError, match=r"statistics of images, \(..., height, width\), got those of a volume, .* one axis"
    ):
        reconstruct(autocorrelation(m, ndim=3))
    f = autocorrelation(m)
    assert reconstruct(f, steps=2).shape == shape
    assert reconstruct(f[:1].expand(4, -1, -1), steps=2).shape == (4, *shape[1:])


def test_a_missed_tolerance_is_told():
    blocks = torch.rand(8, 8, generator=torch.Generator().manual_seed(0)).round()
    f = autocorrelation(blocks.repeat_interleave(2, 0).repeat_interleave(2, 1))
    told = "2 of 2 images stopped within {} steps with a statistics error of up to .*, above the tolerance {}"
    with pytest.warns(ConvergenceWarning, match=told.format(600, "1.0e-10")) as caught:
        reconstruct(f, realisations=2)
    assert caught[0].filename == __file__
    with pytest.warns(ConvergenceWarning, match=told.format(30, "1.0e-06")):
        reconstruct(f, realisations=2, steps=30, tolerance=1e-6)
    reconstruct(f, realisations=2, steps=30)  # so many steps were asked for, and no tolerance
    reconstruct(f, realisations=2, tolerance=1e-3)


def test_works_in_inference_mode():
    with torch.inference_mode():
        f = statistics_of_lines()
        images = reconstruct(f, start=lines(seed=1), steps=20)
    torch.testing.assert_close(images, reconstruct(statistics_of_lines(), start=lines(seed=1), steps=20))


def test_zero_shift_in_the_middle():
    with pytest.raises(ValueError, match=r"zero shift at index \[0, 0\].*apply torch.fft.ifftshift"):
        reconstruct(autocorrelation(lines(), centred=True))
    beside_others = torch.stack([statistics_of_lines(), autocorrelation(lines(), centred=True)])
    with pytest.raises(ValueError, match=r"zero shift at index \[0, 0\].*apply torch.fft.ifftshift"):
        reconstruct(beside_others)


def test_open_statistics_may_be_larger_in_the_middle_than_at_zero_shift():
    m = torch.zeros(2, 8, 8)
    m[0, :4, :4] = m[0, 4:, 4:] = m[1, 2, 2] = 1
    f = autocorrelation(m, boundary="open")
    assert f[0, 4, 4] > f[0, 0, 0]
    assert reconstruct(f, boundary="open", steps=2).shape == m.shape


def test_all_combinations_keep_to_the_numbers():
    """Whatever is asked for, pixels stay in [0, 1] and are finite."""
    m = torch.stack([lines(size=16)[0, 0], torch.zeros(16, 16)])
    for boundary, realisations in itertools.product(("periodic", "open"), (None, 2)):
        made = reconstruct(autocorrelation(m, boundary=boundary), boundary=boundary, realisations=realisations)
        assert made.isfinite().all()
        assert 0 <= made.min() <= made.max() <= 1
