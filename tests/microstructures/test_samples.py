"""What a source of the user's own gives is looked at once, at the door."""

import pytest
import torch

from microtutor.microstructures import LineImages, Sample
from microtutor.microstructures.samples import check_images, checked_images

GOOD = torch.eye(16).expand(3, 1, 16, 16)


class Source:
    """Gives what it was made with."""

    def __init__(self, given):
        self.given = given

    def sample(self, n, *, seed=0, device="cpu", split="test", index=0):
        return self.given


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.bool])
def test_images_come_as_float32(dtype):
    images = checked_images(Source(Sample(GOOD.to(dtype))), 3, 16, seed=1, device="cpu", split="train", index=2)
    assert images.dtype == torch.float32
    assert torch.equal(images, GOOD)


def test_own_sources_are_asked_as_ours_are():
    lines = LineImages(size=32)
    wanted = lines.sample(4, seed=3, split="train", index=5).images
    assert torch.equal(checked_images(lines, 4, 32, seed=3, split="train", index=5), wanted)


def spoiled(value):
    images = GOOD.clone()
    images[1, 0, 2, 3] = value
    return images


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (GOOD, TypeError, r"an object with the images as a torch tensor in .images, got a tensor of shape"),
        (None, TypeError, "in .images, got None"),
        (Sample(GOOD.numpy()), TypeError, "in .images, got a ndarray of shape .* there"),  # type: ignore[arg-type]
        (Sample(GOOD.byte()), TypeError, r"float images with values in \[0, 1\], got .*torch.uint8"),
        (Sample(GOOD.to(torch.complex64)), TypeError, "float images .*torch.complex64"),
        (Sample(GOOD[:2]), ValueError, r"images of shape \(3, 1, 16, 16\), got \(2, 1, 16, 16\)"),
        (Sample(GOOD[:, 0]), ValueError, r"images of shape \(3, 1, 16, 16\), got \(3, 16, 16\)"),
        (Sample(GOOD[..., :8]), ValueError, r"images of shape \(3, 1, 16, 16\), got \(3, 1, 16, 8\)"),
        (Sample(GOOD[:0]), ValueError, r"got \(0, 1, 16, 16\)"),
        (Sample(255 * GOOD), ValueError, r"values in \[0, 1\], got \[0, 255\]; divide by 255 or threshold them"),
        (Sample(2 * GOOD - 1), ValueError, r"values in \[0, 1\], got \[-1, 1\]"),
        (Sample(spoiled(torch.nan)), ValueError, "finite images, got NaN or infinity"),
        (Sample(spoiled(-torch.inf)), ValueError, "finite images, got NaN or infinity"),
    ],
)
def test_what_a_source_may_not_give(given, error, message):
    with pytest.raises(error, match=rf"expected source.sample\(3\) to give .*{message}"):
        checked_images(Source(given), 3, 16)
    with pytest.raises(error, match=message):
        check_images(given, 3, 16)


class Odd:
    def sample(self, count):
        return Sample(GOOD)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, r"expected source with a method sample\(n, seed=.*\), got None"),
        ("lines", "expected source with a method .*, got 'lines'"),
        (LineImages, r"got the class LineImages; make one, with its arguments in \(\)"),
        (
            Odd(),
            r"expected source.sample to take n, and seed, .* but that of a Odd does not: got an unexpected keyword",
        ),
    ],
)
def test_what_is_no_source(source, message):
    with pytest.raises(TypeError, match=message):
        checked_images(source, 3, 16, seed=0, split="train")


def test_an_error_of_the_users_own_is_the_users():
    class Broken(Source):
        def sample(self, n, **options):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        checked_images(Broken(None), 3, 16)
