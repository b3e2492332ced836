"""The interval of a volume fraction from one picture: its formula by counting, its units, and how often it is right."""

import math
import warnings

import pytest
import torch

from microtutor.microstructures.closed_form import GaussianFields, IndependentPixels, RandomMosaic
from microtutor.statistics import autocorrelation, representativity
from microtutor.statistics.integral_range import variance_of_mean

FIELDS = GaussianFields(fraction=0.4, length=2.0, size=128)


def picture(size: int = 128, index: int = 0) -> torch.Tensor:
    return GaussianFields(fraction=0.4, length=2.0, size=size).sample(1, seed=3, index=index).images[0, 0]


def counted(m: torch.Tensor, w: torch.Tensor, radius: float) -> float:
    """The variance of the mean, by counting pairs one by one."""
    field, pairs, products = (m - (m * w).sum() / w.sum()) * w, 0.0, 0.0
    places = [(i, j) for i in range(m.shape[0]) for j in range(m.shape[1])]
    for a in places:
        for b in places:
            if (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 <= radius**2:
                pairs, products = pairs + float(w[a] * w[b]), products + float(field[a] * field[b])
    return products / (float(w.sum()) ** 2 - pairs)


@pytest.mark.parametrize("masked", [False, True])
def test_the_variance_is_what_counting_gives(masked):
    m = picture(64)[:14, :17].double()
    w = torch.rand(14, 17, generator=torch.Generator().manual_seed(0)).double() if masked else torch.ones(14, 17)
    field = ((m - (m * w).sum() / w.sum()) * w)[None]
    found = variance_of_mean(field, w[None] if masked else None, ("open", "open"), (1.0, 1.0))
    assert found.variance == pytest.approx(counted(m, w.double(), found.reach), rel=1e-6)


def test_a_mask_leaves_out_what_a_crop_leaves_out():
    m, mask = picture(), torch.zeros(128, 128)
    mask[10:110, 5:120] = 1
    assert representativity(m, mask=mask).low == pytest.approx(representativity(m[10:110, 5:120]).low, abs=1e-5)


def test_the_answer_does_not_depend_on_the_unit():
    one, other = representativity(picture(), precision=0.01), representativity(picture(), spacing=0.25, precision=0.01)
    assert (one.low, one.high, one.valid) == pytest.approx((other.low, other.high, other.valid))
    assert one.reach == pytest.approx(4 * other.reach)
    assert one.integral_range == pytest.approx(16 * other.integral_range)
    assert one.side_needed is not None
    assert other.side_needed is not None
    assert one.side_needed == pytest.approx(4 * other.side_needed)


def test_the_map_of_a_periodic_picture_says_what_the_picture_says():
    m = picture()
    one = representativity(m, boundary="periodic")
    other = representativity(autocorrelation(m), statistics=True, boundary="periodic")
    assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=1e-5)


def test_pictures_of_one_material_are_surer_together():
    pictures = torch.stack([picture(index=i) for i in range(4)])
    together, alone = representativity(pictures), representativity(pictures[0])
    assert together.fraction == pytest.approx(pictures.mean().item())
    assert together.standard_error == pytest.approx(alone.standard_error / 2, rel=0.25)
    assert together.degrees > 3 * alone.degrees


def test_independent_pixels_have_the_integral_range_of_one_pixel():
    pixels = IndependentPixels(fraction=0.3, size=256).sample(1).images[0, 0]
    assert representativity(pixels).integral_range == pytest.approx(1, rel=0.15)
    assert representativity(pixels, fraction=0.3).integral_range == pytest.approx(1, rel=0.15)


def test_the_side_needed_has_the_precision():
    found = representativity(picture())
    assert found.side_for(1.96 * found.standard_error) == pytest.approx(128, rel=1e-3)


def test_volumes_are_measured_too():
    volume = torch.rand(24, 24, 24, generator=torch.Generator().manual_seed(0)).round()
    found = representativity(volume, ndim=3)
    assert found.valid
    assert found.low < 0.5 < found.high
    assert found.integral_range == pytest.approx(1, rel=0.3)


@pytest.mark.parametrize("source", [FIELDS, RandomMosaic(fraction=0.3, length=2, size=128)])
def test_the_interval_holds_the_truth_as_often_as_it_says(source):
    """300 pictures; an interval of 95 % holds fewer than 92 % or more than 98.5 % of them once in 60 times."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = [representativity(m[:80, :80]) for m in source.sample(300, seed=1).images[:, 0]]
    assert sum(one.valid for one in found) > 250
    held = [one.low <= source.fraction <= one.high for one in found if one.valid]
    assert 0.92 <= sum(held) / len(held) <= 0.985


def test_a_picture_that_is_too_small_warns_and_says_why():
    coarse = GaussianFields(fraction=0.4, length=8.0, size=64).sample(1).images[0, 0]
    with pytest.warns(UserWarning, match="correlation lengths|half of its smallest side"):
        found = representativity(coarse)
    assert not found.valid
    assert found.reason in found.table()


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_flat_picture_has_no_interval(value):
    with pytest.warns(UserWarning, match="all of one phase"):
        found = representativity(torch.full((32, 32), value), precision=0.1)
    assert found.fraction == value
    assert math.isnan(found.low)
    assert not found.valid


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask": torch.zeros(128, 128)}, "a mask that leaves some pixels"),
        ({"statistics": True}, "a map with its largest value"),
        ({"precision": 0.0}, "precision"),
        ({"confidence": 1.0}, "confidence"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    m = picture()
    m[0, 0] = 0
    with pytest.raises(ValueError, match=message):
        representativity(m, **options)


def test_grey_values_are_refused():
    with pytest.raises(ValueError, match="two-valued"):
        representativity(torch.full((8, 8), 0.5))
