import pytest
import torch

from microtutor.evaluation import line_faults, valid_lines
from microtutor.evaluation.validity import FAULTS
from microtutor.microstructures import LineImages


def blank(size=224):
    return torch.zeros(1, 1, size, size)


def faults_of(image, count=(1, 4)):
    return {fault for fault, found in line_faults(image, count).items() if found.item()}


@pytest.mark.parametrize("count", [(1, 4), (3, 6)])
@pytest.mark.parametrize("size", [64, 224])
def test_originals_are_valid(count, size):
    images = LineImages(count, size).sample(300, seed=3).images
    found = line_faults(images, (1, 6))  # on the torus two lines can meet across the border
    assert set(found) == set(FAULTS)
    assert not torch.stack(list(found.values())).any()


@pytest.mark.parametrize("shift", [(0, 0), (90, 0), (0, 110), (101, 37)])
def test_a_line_may_lie_across_the_borders(shift):
    image = blank()
    image[..., 20:180, 100:107] = 1
    assert faults_of(image.roll(shift, (-2, -1))) == set()


def test_dust_is_what_is_small_and_too_much_of_it():
    image = blank()
    image[..., 20:180, 100:107] = 1
    image[..., 10:14, 10:15] = 1  # 20 px
    assert faults_of(image) == set()
    image[..., 200, 200] = 1  # 21 px
    assert faults_of(image) == {"dust"}


def test_a_hundred_pixels_are_a_line():
    image = blank()
    image[..., :99, 0] = 1
    assert faults_of(image) == {"dust", "count"}
    image[..., 99, 0] = 1
    assert faults_of(image) == set()


def test_rough_is_what_fills_too_little_of_its_box():
    image = blank()
    image[..., 20:120, 100:110] = 1
    image[..., 20:120:2, 100:106] = 0  # 70 % of the box
    assert faults_of(image) == set()
    image[..., 21, 106] = 0
    assert faults_of(image) == {"rough"}


def test_mixed_and_count():
    image = blank()
    image[..., 10:150, 10:17] = 1
    image[..., 200:206, 30:180] = 1
    assert faults_of(image) == {"mixed"}
    assert faults_of(image, (3, 6)) == {"mixed", "count"}
    assert faults_of(blank()) == {"count"}


def test_each_image_has_its_own_faults():
    good = LineImages(size=64).sample(5, seed=1).images
    bad = torch.cat([good, blank(64), torch.ones(1, 1, 64, 64)])
    assert valid_lines(bad).tolist() == [True] * 5 + [False, True]  # all ones is one part that fills its box
    assert torch.equal(line_faults(bad[3:5])["dust"], line_faults(bad)["dust"][3:5])


@pytest.mark.parametrize("images", [torch.zeros(2, 8, 8), torch.zeros(2, 3, 8, 8), torch.full((1, 1, 8, 8), 2.0)])
def test_what_is_no_batch_of_images_is_refused(images):
    with pytest.raises(ValueError, match="expected"):
        line_faults(images)
