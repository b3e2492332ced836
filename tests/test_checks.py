import numpy as np
import pytest
import torch

from microtutor.checks import check_count, check_field, check_phase, check_same_shape, describe

IMAGE = torch.zeros(2, 3)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.zeros(2, 3), "a tensor of shape (2, 3) and dtype torch.float32"),
        (np.zeros((4, 5)), "a ndarray of shape (4, 5)"),
        ("a", "'a' (str)"),
        (7, "7 (int)"),
        ([1, 2], "a list"),
        (None, "a NoneType"),
    ],
)
def test_describe(value, words):
    assert describe(value) == words


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_good_images_come_back_as_they_are(dtype):
    image = IMAGE.to(dtype)
    assert check_field(image) is image
    assert check_phase(image) is image


def test_a_large_sum_in_half_precision_is_still_finite():
    check_phase(torch.ones(300, 300, dtype=torch.float16))  # sums to 90,000: more than float16 holds


def test_bool_counts_as_a_phase():
    assert check_phase(torch.eye(2) > 0).dtype == torch.float32


def test_rounding_just_outside_the_range_is_forgiven():
    check_phase(IMAGE + 1.00001)
    check_phase(IMAGE - 0.00001)


@pytest.mark.parametrize("check", [check_field, check_phase])
@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (
            [[0.0, 1.0]],
            TypeError,
            r"expected the .*image as a torch tensor, got a list; convert it with torch.as_tensor",
        ),
        (np.zeros((2, 2)), TypeError, r"as a torch tensor, got a ndarray of shape \(2, 2\); convert it"),
        (torch.zeros(3), ValueError, r"with at least 2 axes \(..., height, width\), got a tensor of shape \(3,\)"),
        (torch.zeros(0, 2), ValueError, r"with at least one pixel, got a tensor of shape \(0, 2\)"),
        (
            torch.full((2, 2), torch.nan),
            ValueError,
            r"expected finite values in the .*image, got NaN or infinity; find",
        ),
        (
            torch.full((2, 2), torch.inf),
            ValueError,
            r"expected finite values in the .*image, got NaN or infinity; find",
        ),
        (torch.tensor([[torch.inf, -torch.inf]]), ValueError, r"got NaN or infinity"),
    ],
)
def test_bad_images(check, value, error, message):
    with pytest.raises(error, match=message):
        check(value)


def test_whole_numbers_are_no_field():
    with pytest.raises(
        TypeError, match=r"as a float tensor, got a tensor of shape \(2, 2\) .*int64; convert .* \.float"
    ):
        check_field(torch.ones(2, 2, dtype=torch.long))


@pytest.mark.parametrize("check", [check_field, check_phase])
def test_complex_numbers_are_neither(check):
    with pytest.raises(TypeError, match=r"as a float tensor, got a .*complex64; take its \.real or \.abs\(\)"):
        check(torch.ones(2, 2, dtype=torch.complex64))


def test_grey_values_are_no_phase():
    grey = torch.tensor([[0, 255]], dtype=torch.uint8)
    with pytest.raises(TypeError, match=r"values in \[0, 1\], got .*uint8 with values in \[0, 255\]; divide by 255 or"):
        check_phase(grey)
    with pytest.raises(ValueError, match=r"values in \[0, 1\], got values in \[0, 255\]; divide by 255 or threshold"):
        check_phase(grey.float())
    with pytest.raises(ValueError, match=r"got values in \[-0.5, 0\]"):
        check_phase(torch.tensor([[0.0, -0.5]]))


def test_empty_whole_numbers():
    with pytest.raises(TypeError, match="as a float tensor"):
        check_phase(torch.zeros(0, 2, dtype=torch.long))


def test_volumes_need_three_axes():
    with pytest.raises(ValueError, match="at least 3 axes"):
        check_phase(IMAGE, ndim=3)


def test_same_shape():
    check_same_shape(IMAGE, IMAGE + 1, ("a", "b"))
    with pytest.raises(ValueError, match=r"expected a and b of the same shape, got \(2, 3\) and \(3, 2\)"):
        check_same_shape(IMAGE, IMAGE.T, ("a", "b"))
    for pair in (([0.0], IMAGE), (IMAGE, np.zeros((2, 3)))):
        with pytest.raises(TypeError, match=r"expected .* as a torch tensor, got a (list|ndarray)"):
            check_same_shape(*pair, ("a", "b"))


def test_counts():
    assert check_count(3, name="n") == 3
    assert type(check_count(np.int64(3), name="n")) is int
    assert check_count(0, name="n", minimum=0) == 0
    for value in (True, 2.0, "2", None):
        with pytest.raises(TypeError, match="expected n as a whole number, got"):
            check_count(value, name="n")
    with pytest.raises(ValueError, match="expected n of at least 1, got 0"):
        check_count(0, name="n")
