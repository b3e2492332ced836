import pytest
import torch
from hypothesis import given

from microtutor.microstructures import LineImages
from microtutor.reconstruction import reconstruct
from microtutor.reconstruction.flips import flip_pixels
from microtutor.statistics import autocorrelation, two_point_statistics
from tests.strategies import phase_images


def error(images, f):
    return (autocorrelation(images.double()) - f.double()).square().mean((-2, -1))


def best_flip(image, f):
    """The image with the one pixel flipped that lowers the error most, found by trying all; None if none does."""
    tried = image.expand(image.numel(), *image.shape).clone().flatten(1)
    tried[range(image.numel()), range(image.numel())] *= -1
    tried = (tried + torch.eye(image.numel(), dtype=image.dtype)).reshape(-1, *image.shape)
    errors = error(tried, f)
    return tried[errors.argmin()] if errors.min() < error(image, f) - 1e-12 else None


@given(phase_images())
def test_ends_where_trying_all_flips_finds_none(image):
    f = autocorrelation(image)
    made = flip_pixels(image.round()[None], f[None])[0]
    assert best_flip(made, f) is None
    assert error(made, f) <= error(image.round(), f)


@pytest.mark.parametrize("shape", [(4, 6), (5, 7), (1, 8)])
def test_each_flip_is_the_best_of_all(shape):
    generator = torch.Generator().manual_seed(0)
    image, other = (torch.rand(2, *shape, generator=generator) < 0.4).double()
    f, path = autocorrelation(other), [image]
    while (following := best_flip(path[-1], f)) is not None:
        path.append(following)
    assert len(path) > 1
    torch.testing.assert_close(error(flip_pixels(image[None], f[None]), f)[0], error(path[-1], f))


def test_images_of_a_batch_do_not_mix():
    generator = torch.Generator().manual_seed(1)
    images = (torch.rand(5, 6, 6, generator=generator) < 0.3).double()
    f = autocorrelation(torch.rand(5, 6, 6, generator=generator).double())  # of grey images: no two flips are as good
    together = flip_pixels(images, f)
    alone = torch.cat([flip_pixels(images[i : i + 1], f[i : i + 1]) for i in range(5)])
    assert torch.equal(together, alone)


@pytest.mark.skipif(not torch.backends.mps.is_available(), reason="needs MPS")
def test_flips_on_mps():
    images = LineImages(size=16).sample(3, seed=0).images[:, 0]
    f = autocorrelation(LineImages(size=16).sample(3, seed=1).images[:, 0])
    assert torch.equal(flip_pixels(images.to("mps"), f.to("mps")).cpu(), flip_pixels(images, f))


def test_two_valued_at_the_wanted_volume_fraction():
    f = autocorrelation(LineImages(size=32).sample(4, seed=0).images)
    early = {"steps": 20}
    grey, binary = reconstruct(f, **early), reconstruct(f, **early, binary=True)
    assert set(binary.unique().tolist()) == {0, 1}
    assert error(binary, f).mean() < error((grey > 0.5).float(), f).mean() / 2
    torch.testing.assert_close(binary.mean((-2, -1)), f[..., 0, 0], atol=0.01, rtol=0)
    found = error(reconstruct(f, steps=600), f) <= 1e-10
    assert found.sum() >= 3
    assert (
        error(reconstruct(f, steps=600, binary=True), f)[found].max() < 1e-12
    )  # the images themselves, up to equivalent images
    assert binary.dtype == f.dtype


def test_open_boundary_and_empty_images():
    m = torch.stack([LineImages(size=16).sample(1, seed=0).images[0, 0], torch.zeros(16, 16), torch.ones(16, 16)])
    made = reconstruct(autocorrelation(m, boundary="open"), boundary="open", steps=50, binary=True)
    assert torch.equal(made.mean((-2, -1)), m.mean((-2, -1)))
    assert torch.equal(reconstruct(autocorrelation(m), steps=50, binary=True)[1:], m[1:])


def test_several_phases():
    m = torch.zeros(3, 12, 12)
    m[0, 2:8, 1:4] = m[1, :, 7:9] = 1
    m[2] = 1 - m[:2].sum(0)
    made = reconstruct(two_point_statistics(m), phases=3, steps=100, binary=True)
    assert set(made.unique().tolist()) == {0, 1}
    assert torch.equal(made.sum(0), torch.ones(12, 12))
