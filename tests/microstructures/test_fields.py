"""Textures against their known statistics."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal, norm

from microtutor.microstructures import GaussianFields, OverlappingDiscs
from microtutor.microstructures.fields import area_of_two_discs, level_cut_statistics
from microtutor.microstructures.samples import SPLITS
from microtutor.statistics import autocorrelation

SIZE = 48
TEXTURES = [
    GaussianFields(fraction=0.3, length=3, size=SIZE),
    GaussianFields(fraction=0.5, length=(2, 7), size=SIZE),
    GaussianFields(fraction=0.9, length=4, size=SIZE),
    OverlappingDiscs(fraction=0.2, radius=3.5, size=SIZE),
    OverlappingDiscs(fraction=0.7, radius=12, size=SIZE),  # as large as they may be
]
MOST_SIGMAS = 5.0  # a map has 1200 different shifts; that one of them is off by more has a chance below 1e-3


def name_of(texture):
    return f"{type(texture).__name__}-{texture.fraction}"


def sigmas(found, expected):
    """How many standard errors the mean of maps (n, size, size) is away from the expected map, shift by shift."""
    error = found.std(0) / math.sqrt(len(found))
    return ((found.mean(0) - expected).abs() / error).max().item()


# --- the statistics they have on average ------------------------------------------------------------------------------
@pytest.mark.parametrize("texture", TEXTURES, ids=name_of)
def test_average_statistics_are_the_analytic_ones(texture):
    found = autocorrelation(texture.sample(1500, seed=1).images[:, 0].double())
    expected = texture.statistics()
    assert expected.dtype == torch.float64
    assert expected[0, 0].item() == pytest.approx(texture.fraction, abs=1e-12)
    assert sigmas(found, expected) < MOST_SIGMAS
    assert sigmas(found, expected + 0.03) > MOST_SIGMAS  # what the test can see


@pytest.mark.parametrize("texture", TEXTURES, ids=name_of)
def test_volume_fraction_on_average(texture):
    fractions = texture.sample(1500, seed=2).images.mean((1, 2, 3))
    error = fractions.std().item() / math.sqrt(1500)
    assert error < 0.005
    assert abs(fractions.mean().item() - texture.fraction) < 4 * error


@pytest.mark.parametrize("texture", TEXTURES, ids=name_of)
def test_no_place_is_special(texture):
    """Periodic: a pixel at the border is as often in the phase, and as often like its neighbour, as any other."""
    images = texture.sample(1500, seed=3).images[:, 0]
    spread = math.sqrt(texture.fraction * (1 - texture.fraction) / 1500)
    assert (images.mean(0) - texture.fraction).abs().max() < 5 * spread
    unlike = torch.stack([(images != images.roll(1, axis)).float().mean(0) for axis in (1, 2)])
    for axis in (0, 1):
        share = unlike[axis].mean().item()
        assert (unlike[axis] - share).abs().max() < 5 * math.sqrt(share * (1 - share) / 1500)


# --- the formulas -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("fraction", [0.01, 0.3, 0.5, 0.8, 0.99])
def test_level_cut_is_the_bivariate_normal_distribution(fraction):
    correlations = [-0.99, -0.5, 0.0, 0.3, 0.9, 0.999]
    level = norm.ppf(fraction)
    expected = [multivariate_normal.cdf([level, level], cov=[[1, c], [c, 1]], abseps=1e-12) for c in correlations]
    found = level_cut_statistics(torch.tensor(correlations, dtype=torch.float64), fraction)
    assert found.tolist() == pytest.approx(expected, abs=1e-9)


def test_level_cut_of_a_half_is_the_arcsine_law():
    correlation = torch.linspace(-1, 1, 101, dtype=torch.float64)
    expected = 0.25 + torch.asin(correlation) / (2 * math.pi)
    assert (level_cut_statistics(correlation, 0.5) - expected).abs().max() < 1e-14


@pytest.mark.parametrize("fraction", [1e-3, 0.2, 0.5, 0.97])
def test_level_cut_at_its_ends(fraction):
    equal, apart, opposite = level_cut_statistics(torch.tensor([1.0, 0.0, -1.0]), fraction).tolist()
    assert equal == pytest.approx(fraction, abs=1e-12)
    assert apart == pytest.approx(fraction**2, abs=1e-15)
    assert opposite == pytest.approx(max(0, 2 * fraction - 1), abs=1e-12)


@pytest.mark.parametrize("distance", [0.0, 0.5, 1.7, 3.9, 4.0, 6.0])
def test_area_of_two_discs_by_counting(distance):
    rows, columns = np.meshgrid(np.arange(-2, 2, 0.005), np.arange(-2, 2 + distance, 0.005), indexing="ij")
    inside = (rows**2 + columns**2 < 4) | (rows**2 + (columns - distance) ** 2 < 4)
    found = area_of_two_discs(torch.tensor(distance, dtype=torch.float64), 2.0).item()
    assert found == pytest.approx(inside.sum() * 0.005**2, rel=1e-3)


def test_correlation_of_the_field():
    fields = GaussianFields(length=(2, 5), size=64)
    down, right = np.meshgrid(np.arange(9), np.arange(9), indexing="ij")
    expected = np.exp(-((down / 2) ** 2 + (right / 5) ** 2) / 2)
    assert np.abs(fields.correlation()[:9, :9].numpy() - expected).max() < 1e-6
    field = fields.sample(800, seed=0).field[:, 0].double()
    product = torch.fft.irfft2(torch.fft.rfft2(field).abs().square()) / 64**2
    assert sigmas(product, fields.correlation()) < MOST_SIGMAS


def test_the_image_is_the_field_above_its_level():
    sample = GaussianFields(fraction=0.2, size=32).sample(6)
    for image, field in zip(sample.images, sample.field):
        assert field[image == 1].min() >= norm.ppf(0.8) - 1e-6
        assert field[image == 0].max() <= norm.ppf(0.8) + 1e-6


def test_few_discs_are_discs():
    discs = OverlappingDiscs(fraction=0.02, radius=6, size=64)
    images = discs.sample(200, seed=0).images[:, 0]
    areas = images.sum((1, 2))
    single = areas[(areas > 0) & (areas < 1.5 * math.pi * 36)]
    assert (areas == 0).any()
    assert single.mean().item() == pytest.approx(math.pi * 36, rel=0.02)


# --- drawing them -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("texture", TEXTURES, ids=name_of)
class TestSample:
    def test_shape_and_values(self, texture):
        images = texture.sample(7).images
        assert images.shape == (7, 1, SIZE, SIZE)
        assert images.dtype == torch.float32
        assert images.unique().tolist() == [0, 1]

    def test_equal_arguments_give_equal_images(self, texture):
        before = torch.random.get_rng_state()
        assert torch.equal(texture.sample(4, seed=5).images, texture.sample(4, seed=5).images)
        assert torch.equal(torch.random.get_rng_state(), before)

    def test_streams_differ(self, texture):
        streams = [{"seed": s, "split": split, "index": i} for s in (0, 1) for split in SPLITS for i in (0, 1)]
        images = torch.cat([texture.sample(3, **stream).images for stream in streams])
        assert len(torch.unique(images.flatten(1), dim=0)) == len(images)

    def test_batches(self, texture):
        for start, batch in enumerate(itertools.islice(texture.batches(3, seed=2), 3)):
            assert torch.equal(batch.images, texture.sample(3, seed=2, split="train", index=start).images)
            assert torch.equal(batch.images, next(texture.batches(3, seed=2, start=start)).images)

    def test_parts(self, texture):
        sample = texture.sample(5)
        assert len(sample) == 5
        assert torch.equal(sample[1:3].images, sample.images[1:3])
        with pytest.raises(TypeError, match=r"expected a slice or an index tensor, got 0; write sample\[0:1\]"):
            sample[0]

    def test_bad_samples(self, texture):
        with pytest.raises(ValueError, match="expected the number of images of at least 1, got 0"):
            texture.sample(0)
        with pytest.raises(ValueError, match="expected split to be 'train', 'validation' or 'test', got 'all'"):
            texture.sample(1, split="all")


@pytest.mark.parametrize(
    ("texture", "options", "message"),
    [
        (GaussianFields, {"fraction": 1.0}, "expected fraction as a finite number above 0 and below 1, got 1"),
        (GaussianFields, {"length": 0}, "expected length as a finite number above 0, got 0"),
        (GaussianFields, {"length": (1, 2, 3)}, "expected length as one number above 0, or two, got"),
        (GaussianFields, {"size": 2}, "expected size of at least 4, got 2"),
        (OverlappingDiscs, {"fraction": 0.0}, "expected fraction as a finite number above 0 and below 1, got 0"),
        (
            OverlappingDiscs,
            {"radius": 17, "size": 64},
            "expected radius as a finite number above 0 and at most 16, got 17",
        ),
    ],
)
def test_bad_textures(texture, options, message):
    with pytest.raises(ValueError, match=message):
        texture(**options)
