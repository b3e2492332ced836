import pytest
import torch

from microtutor.losses import StatisticsLoss
from microtutor.microstructures import LineImages
from microtutor.reconstruction import reconstruct
from microtutor.statistics import autocorrelation


def statistics_of_lines(n=1, size=32, seed=0):
    return autocorrelation(LineImages(count=(1, 2), size=size).sample(n, seed=seed).images)


def error(images, f):
    return (autocorrelation(images) - f).square().mean((-2, -1))


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


def test_goes_down_with_the_steps():
    f = statistics_of_lines(4)
    errors = [error(reconstruct(f, steps=steps), f).mean().item() for steps in (1, 100, 600)]
    assert errors[0] > 10 * errors[1] > 100 * errors[2]


def test_seeds():
    f = statistics_of_lines()
    a, again, b = reconstruct(f, steps=40), reconstruct(f, steps=40), reconstruct(f, steps=40, seed=1)
    assert torch.equal(a, again)
    assert (a - b).abs().max() > 0.5


def test_random_numbers_of_the_caller_stay_as_they_are():
    before = torch.random.get_rng_state()
    reconstruct(statistics_of_lines(), steps=2)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("shape", [(8, 8), (7, 10), (10, 7), (2, 1, 6, 8)])
def test_shapes(shape):
    m = torch.zeros(shape)
    m[..., 1:4, 2:5] = 1
    images = reconstruct(autocorrelation(m), steps=300)
    assert images.shape == shape
    assert StatisticsLoss()(images, m) < 1e-4


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_an_image_without_a_second_phase(value):
    m = torch.full((8, 8), value)
    assert StatisticsLoss()(reconstruct(autocorrelation(m)), m) < 1e-4


def test_float64_statistics():
    f = statistics_of_lines().double()
    assert torch.equal(reconstruct(f, steps=5), reconstruct(f.float(), steps=5))


def test_progress_bar(capfd):
    reconstruct(statistics_of_lines(), steps=3)
    assert capfd.readouterr().err == ""
    reconstruct(statistics_of_lines(), steps=3, progress=True)
    shown = capfd.readouterr().err
    assert "3/3" in shown
    assert "statistics error" in shown


@pytest.mark.parametrize(
    ("value", "options", "error", "message"),
    [
        ([[1.0]], {}, TypeError, "expected the target statistics as a torch tensor, got a list; convert it"),
        (torch.ones(4), {}, ValueError, "expected the target statistics with at least 2 axes"),
        (torch.ones(0, 4, 4), {}, ValueError, "target statistics with at least one pixel"),
        (torch.ones(4, 4).long(), {}, TypeError, "expected the target statistics as a float tensor, got .*int64"),
        (torch.full((4, 4), torch.nan), {}, ValueError, "finite values in the target statistics, got NaN"),
        (torch.ones(4, 4), {"steps": 0}, ValueError, "expected steps of at least 1, got 0"),
        (torch.ones(4, 4), {"seed": -1}, ValueError, "expected seed of at least 0, got -1"),
        (torch.ones(4, 4), {"seed": 1.5}, TypeError, "expected seed as a whole number, got 1.5"),
    ],
)
def test_bad_input(value, options, error, message):
    with pytest.raises(error, match=message):
        reconstruct(value, **options)
