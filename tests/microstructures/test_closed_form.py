"""Structures against what is known of them: statistics, fractions, interfaces."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal, norm

from microtutor.microstructures import (
    Checkerboard,
    GaussianFields,
    IndependentPixels,
    Laminate,
    OverlappingDiscs,
    RandomMosaic,
    Rectangle,
)
from microtutor.microstructures.closed_form import level_cut_statistics
from microtutor.microstructures.samples import SPLITS
from microtutor.statistics import autocorrelation, specific_surface, variation
from tests.statistics.counting import close, pair_map

SIZE = 48
TEXTURES = [
    GaussianFields(fraction=0.3, length=3, size=SIZE),
    GaussianFields(fraction=0.5, length=(2, 7), size=SIZE),
    GaussianFields(fraction=0.9, length=4, size=SIZE),
    OverlappingDiscs(fraction=0.2, radius=3.5, size=SIZE),
    OverlappingDiscs(fraction=0.7, radius=12, size=SIZE),  # as large as they may be
    IndependentPixels(fraction=0.15, size=SIZE),
    RandomMosaic(fraction=0.3, length=4, size=SIZE),
]
DRAWN = [
    Laminate(thickness=3, period=4, size=8),
    Laminate(thickness=1, period=8, size=8, vertical=False),
    Checkerboard(cell=1, size=6),
    Checkerboard(cell=2, size=8),
    Rectangle(height=2, width=5, size=7),
    Rectangle(height=6, width=1, size=6),
    Rectangle(height=1, width=1, size=1),
]
MOST_SIGMAS = 5.0  # a map has 1200 different shifts; that one of them is off by more has a chance below 1e-3


def name_of(texture):
    return f"{type(texture).__name__}-{texture.fraction:.3g}"


def sigmas(found, expected):
    """How many standard errors the mean of maps (n, size, size) is away from the expected map, shift by shift."""
    error = found.std(0) / math.sqrt(len(found))
    return ((found.mean(0) - expected).abs() / error).max().item()


# --- drawn once and for all ---
@pytest.mark.parametrize("drawn", DRAWN, ids=name_of)
def test_statistics_are_those_of_the_image_by_counting(drawn):
    image = drawn.image()
    assert image.shape == drawn.statistics().shape == (drawn.size, drawn.size)
    assert image.dtype == torch.float32
    assert set(image.unique().tolist()) <= {0, 1}
    close(drawn.statistics(), pair_map(image.double(), image.double(), ("periodic", "periodic")))
    assert image.mean().item() == pytest.approx(drawn.fraction, abs=1e-7)
    assert variation(image).item() == pytest.approx(drawn.specific_surface, abs=1e-6)


@pytest.mark.parametrize("drawn", [Laminate(), Checkerboard(), Rectangle()], ids=name_of)
def test_statistics_at_a_size_for_the_transform(drawn):
    close(autocorrelation(drawn.image().double()), drawn.statistics(), 1e-15)


def test_layers_that_stand_and_layers_that_lie():
    upright = Laminate(thickness=1, period=4, size=4)
    assert upright.image().tolist() == [[1, 0, 0, 0]] * 4
    lying = Laminate(thickness=1, period=4, size=4, vertical=False)
    assert torch.equal(lying.image(), upright.image().T)
    assert torch.equal(lying.statistics(), upright.statistics().T)


# --- the statistics they have on average ------------------------------------------------------------------------------
@pytest.mark.parametrize("texture", TEXTURES, ids=name_of)
def test_average_statistics_are_the_analytic_ones(texture):
    found = autocorrelation(texture.sample(1500, seed=1).images[:, 0].double())
    expected = texture.statistics()
    assert expected.dtype == torch.float64
    assert expected[0, 0].item() == pytest.approx(texture.fraction, abs=1e-12)
    assert sigmas(found, expected) < MOST_SIGMAS
    assert sigmas(found, expected + 0.03) > MOST_SIGMAS  # what the test can see


@pytest.mark.parametrize("texture", TEXTURES[-2:], ids=name_of)
def test_average_surface_of_squares(texture):
    """Exact on the grid: it is the fall of f from shift 0 to its neighbours, and what the images have on average."""
    close(specific_surface(texture.statistics(), method="pixels").item(), texture.specific_surface, 1e-15)
    found = variation(texture.sample(1500, seed=4).images[:, 0].double())
    error = found.std().item() / math.sqrt(1500)
    assert abs(found.mean().item() - texture.specific_surface) < 4 * error
    assert error < 0.02 * texture.specific_surface


def test_a_mosaic_around_a_small_ring():
    """No cut at all, or one alone, which cuts a ring open but not apart: here they are the rule."""
    mosaic = RandomMosaic(fraction=0.6, length=6, size=5)
    found = autocorrelation(mosaic.sample(20_000).images[:, 0].double())
    assert sigmas(found, mosaic.statistics()) < 4
    assert sigmas(found, mosaic.statistics() + 0.02) > 4


@pytest.mark.parametrize("fraction", [0.2, 0.7])
def test_surface_of_discs_is_approached_as_pixels_get_small(fraction):
    errors = []
    for radius in (16, 64):
        discs = OverlappingDiscs(fraction=fraction, radius=radius, size=256)
        errors.append(specific_surface(discs.statistics()).item() / discs.specific_surface - 1)
    assert abs(errors[1]) < 0.01
    assert errors[1] == pytest.approx(errors[0] / 4, rel=0.05)  # in proportion to the size of a pixel


@pytest.mark.parametrize("lengths", [(1.0, 1.0), (2.0, 0.5), (0.3, 3.0)])
@pytest.mark.parametrize("fraction", [0.5, 0.1])
def test_surface_of_fields_by_lines_in_all_directions(lengths, fraction):
    """Cauchy: along lines in one direction, count how often they cross the interface; then the mean of directions."""
    turn, step = torch.arange(2000, dtype=torch.float64) * math.pi / 2000, 1e-4
    down, right = turn.sin() * step / lengths[0], turn.cos() * step / lengths[1]
    crossings = 2 * (fraction - level_cut_statistics(torch.exp(-(down**2 + right**2) / 2), fraction)) / step
    expected = crossings.mean().item() * math.pi / 2
    assert GaussianFields(fraction, lengths).specific_surface == pytest.approx(expected, rel=1e-5)


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


@pytest.mark.parametrize("distance", [0, 1, 7, 15, 16, 20])
def test_discs_leave_two_points_empty_by_the_area_of_two_discs(distance):
    """A = -log(chance that both are empty) / density, against the area of two discs by counting."""
    discs = OverlappingDiscs(fraction=0.4, radius=8, size=64)
    both_empty = 1 - 2 * discs.fraction + discs.statistics()[0, distance].item()
    rows, columns = np.meshgrid(np.arange(-8, 8, 0.02), np.arange(-8, 8 + distance, 0.02), indexing="ij")
    inside = (rows**2 + columns**2 < 64) | (rows**2 + (columns - distance) ** 2 < 64)
    assert -math.log(both_empty) / discs.density == pytest.approx(inside.sum() * 0.02**2, rel=1e-3)


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
        (IndependentPixels, {"fraction": -0.1}, "expected fraction as a finite number above 0 and below 1, got -0.1"),
        (RandomMosaic, {"length": 0}, "expected length as a finite number above 0, got 0"),
        (Laminate, {"thickness": 8, "period": 8}, "expected thickness of at least 1 and below 8, got 8"),
        (
            Laminate,
            {"period": 16, "size": 40},
            "expected size as a multiple of the period, 16 px, so that the image repeats, got 40",
        ),
        (
            Checkerboard,
            {"cell": 8, "size": 24},
            "expected size as a multiple of two squares, 16 px, so that the image repeats, got 24",
        ),
        (Rectangle, {"height": 9, "size": 8}, "expected height of at least 1 and below 9, got 9"),
    ],
)
def test_bad_textures(texture, options, message):
    with pytest.raises(ValueError, match=message):
        texture(**options)
