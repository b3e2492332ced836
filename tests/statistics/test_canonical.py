import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from microtutor.microstructures import Laminate, LineImages
from microtutor.statistics import autocorrelation, canonical_form
from microtutor.statistics.canonical import _in_canonical_form, canonical_batch
from tests.questions import NoQuestions
from tests.strategies import equivalent_images, phase_images, symmetric_images


def assert_canonical(image):
    """All equivalent images of an image (H, W) come to one of them, which is its own canonical form."""
    every = equivalent_images(image)
    found = canonical_form(every)
    assert (found == found[0]).all()
    assert (every == found[0]).all((-2, -1)).any()
    assert torch.equal(canonical_form(found[0]), found[0])


@given(st.one_of(phase_images(), symmetric_images()))
def test_every_equivalent_image_of_any_image(image):
    assert_canonical(image)


@given(phase_images())
def test_pixels_are_only_moved_and_statistics_stay(image):
    found = canonical_form(image)
    assert torch.equal(found.flatten().sort().values, image.flatten().sort().values)
    torch.testing.assert_close(autocorrelation(found), autocorrelation(image), rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (8, 1), (5, 5), (8, 6), (7, 9)])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_equivalent_image_of_noise(shape, dtype):
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype)  # not only phases: any field
    assert canonical_form(noise).dtype == dtype
    assert_canonical(noise)


def test_an_image_whose_row_and_column_sums_do_not_tell_it_from_its_inversion():
    image = torch.zeros(7, 8)
    image[[0, 1, 1, 2], [1, 0, 1, 2]] = 1  # sums 1, 2, 1 along both axes
    assert not any(torch.equal(shifted, image) for shifted in equivalent_images(image)[image.numel() :])
    assert_canonical(image)


@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (6, 4), (5, 7), (64, 64)])
def test_one_pixel_comes_to_the_middle(shape):
    image = torch.zeros(shape)
    image[-1, 0] = 1
    row, column = canonical_form(image).nonzero()[0].tolist()
    assert abs(row - shape[0] // 2) <= max(1, shape[0] / 16)
    assert abs(column - shape[1] // 2) <= max(1, shape[1] / 16)


@pytest.mark.parametrize("size", [64, 224])
@pytest.mark.parametrize("count", [(1, 4), (3, 6)])
def test_line_images(size, count):
    images = LineImages(count=count, size=size).sample(60, seed=1).images
    wanted = canonical_form(images)
    assert torch.equal(canonical_form(wanted), wanted)
    assert torch.equal(wanted.flatten(1).sort().values, images.flatten(1).sort().values)
    torch.testing.assert_close(autocorrelation(wanted), autocorrelation(images), rtol=0, atol=2e-7)
    draw = torch.Generator().manual_seed(2)
    for _ in range(4):
        down, right = torch.randint(size, (2,), generator=draw).tolist()
        moved = images.roll((down, right), (-2, -1))
        assert torch.equal(canonical_form(moved), wanted)
        assert torch.equal(canonical_form(moved.flip((-2, -1))), wanted)


def test_different_images_stay_different():
    images = canonical_form(LineImages(count=(3, 6), size=64).sample(200, seed=3).images)
    assert len(torch.unique(images.flatten(1), dim=0)) == 200


def test_an_image_does_not_care_what_stands_beside_it():
    lines = LineImages(size=64).sample(6, seed=0).images[:, 0]
    stripes = Laminate(thickness=8, period=16, size=64).image()
    images = torch.stack([lines[0], stripes, lines[1], torch.ones(64, 64), lines[2], lines[3].flip((0, 1)), stripes.T])
    whole = canonical_form(images)
    for image, found in zip(images, whole):
        assert torch.equal(canonical_form(image), found)
    assert torch.equal(canonical_form(images[:6].reshape(2, 3, 64, 64)), whole[:6].reshape(2, 3, 64, 64))


def test_memory_layout_does_not_matter():
    images = LineImages(size=64).sample(3, seed=0).images
    wanted = canonical_form(images)
    assert torch.equal(canonical_form(images.contiguous(memory_format=torch.channels_last)), wanted)
    assert torch.equal(canonical_form(images.mT.contiguous().mT), wanted)


@pytest.mark.parametrize("batch", [(0,), (0, 1), (3, 0)])
def test_a_batch_of_nothing_gives_nothing(batch):
    assert canonical_form(torch.zeros(*batch, 4, 5)).shape == (*batch, 4, 5)


def test_gradients_follow_their_pixels():
    image = torch.rand(3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(canonical_form, image)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ([[1.0]], TypeError, "expected the image as a torch tensor, got a list; convert it"),
        (torch.eye(3).bool(), TypeError, r"as a float tensor, got .* dtype torch.bool; convert it with .float()"),
        (torch.zeros(4), ValueError, r"at least 2 axes .*got a tensor of shape \(4,\)"),
        (torch.zeros(4, 0, 4), ValueError, "at least one pixel"),
        (torch.full((2, 2), torch.nan), ValueError, "finite values"),
    ],
)
def test_bad_images(value, error, message):
    with pytest.raises(error, match=message):
        canonical_form(value)


# --- batches to train on ----------------------------------------------------------------------------------------------
@given(st.one_of(phase_images(), symmetric_images()))
def test_without_questions_every_equivalent_image_comes_to_the_same(image):
    every = equivalent_images(image)
    assert torch.equal(_in_canonical_form(every, ask=False), canonical_form(every))


def test_a_batch_to_train_on_asks_for_no_number():
    lines = LineImages(count=(0, 2), size=64).sample(40).images  # empty ones and single ones tie
    wanted = canonical_form(lines)
    assert torch.equal(canonical_batch(lines), wanted)
    with NoQuestions():
        found = _in_canonical_form(lines, ask=False)
    assert torch.equal(found, wanted)
    with pytest.raises(AssertionError, match="aten"), NoQuestions():
        _in_canonical_form(lines, ask=True)
    assert canonical_batch(lines[:0]).shape == (0, 1, 64, 64)


@pytest.mark.gpu
def test_no_program_waits_for_a_batch_on_a_gpu():
    lines = LineImages(count=(0, 2), size=64)
    wanted = canonical_batch(lines.sample(40, device="cuda").images)  # what is kept on the GPU is there now
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = canonical_batch(lines.sample(40, device="cuda").images)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(found, wanted)
    assert torch.equal(found.cpu(), canonical_form(lines.sample(40).images))
