import numpy as np
import pytest
import torch

from microtutor.checks import (
    check_array,
    check_bool,
    check_choice,
    check_count,
    check_field,
    check_number,
    check_phase,
    check_same_shape,
    check_spacing,
    describe,
    is_masked,
    quote,
    split_mask,
)

IMAGE = torch.zeros(2, 3)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.zeros(2, 3), "a tensor of shape (2, 3) and dtype torch.float32"),
        (np.zeros((4, 5)), "a ndarray of shape (4, 5)"),
        ("a", "'a' (str)"),
        (7, "7 (int)"),
        ([1, 2], "a list"),
        (None, "None"),
        ("x\ny", r"'x\ny' (str)"),
        (torch.Tensor, "a _TensorMeta"),
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


def test_quotes_are_one_short_line():
    assert quote([0, 45]) == "[0, 45]"
    assert quote("a\nb") == r"'a\nb'"
    assert quote(list(range(1000))).endswith("...")
    assert len(quote("x" * 1000)) == 80
    assert quote(torch.ones(9, 9)) == "a tensor of shape (9, 9) and dtype torch.float32"
    assert quote([np.ones(1000)]) == "a list"


def test_numbers():
    assert check_number(np.float32(0.5), name="x", above=0, below=1) == 0.5
    assert type(check_number(1, name="x", minimum=1, maximum=1)) is float
    for value in (True, "1", None, [1.0], 1j, torch.ones(())):
        with pytest.raises(TypeError, match="expected x as a finite number, got"):
            check_number(value, name="x")
    for value in (float("nan"), float("inf"), -float("inf")):
        with pytest.raises(ValueError, match="expected x as a finite number, got"):
            check_number(value, name="x")
    for limit, value, words in (
        ({"above": 0}, 0, "above 0, got 0"),
        ({"minimum": 0}, -1, "of at least 0, got -1"),
        ({"below": 0.5}, 0.5, "below 0.5, got 0.5"),
        ({"minimum": 0, "maximum": 1}, 2, "of at least 0 and at most 1, got 2"),
    ):
        with pytest.raises(ValueError, match=f"expected x as a finite number {words}"):
            check_number(value, name="x", **limit)


def test_choices_and_bools():
    assert check_choice("b", ("a", "b"), name="x") == "b"
    for value in ("c", "B", None, 1, ["a"], torch.ones(2)):
        with pytest.raises(ValueError, match="expected x to be 'a' or 'b', got"):
            check_choice(value, ("a", "b"), name="x")
    with pytest.raises(ValueError, match="expected x to be 'a', got 'b'"):
        check_choice("b", ("a",), name="x")
    assert check_bool(np.True_, name="x") is True
    for value in ("false", 0, None, torch.ones(())):
        with pytest.raises(TypeError, match="expected x to be True or False, got"):
            check_bool(value, name="x")


@pytest.mark.parametrize("spacing", [(1.0,), (1.0, 2.0, 3.0), "12", None, {1, 2}, np.ones((2, 2))])
def test_spacings_of_another_kind(spacing):
    with pytest.raises(ValueError, match="expected spacing as the size of a pixel, or one for each of 2 axes, got"):
        check_spacing(spacing, 2)


@pytest.mark.parametrize("spacing", [0, -1.0, float("nan"), (1.0, 0.0)])
def test_spacings_out_of_range(spacing):
    with pytest.raises(ValueError, match="expected spacing as a finite number above 0, got"):
        check_spacing(spacing, 2)


# --- arrays -----------------------------------------------------------------------------------------------------------
HIDDEN = np.ma.array([[1.0, 9.0], [0.0, 1.0]], mask=[[False, True], [False, False]])


def test_what_becomes_an_array():
    assert check_array([[1, 2]], name="x").tolist() == [[1, 2]]
    assert check_array(torch.ones(2, requires_grad=True), name="x").tolist() == [1.0, 1.0]
    with pytest.raises(
        TypeError, match=r"expected the x without a mask, .*got a MaskedArray of shape \(2, 2\); fill it"
    ):
        check_array(HIDDEN, name="x")
    for value in ([[1.0], [1.0, 2.0]], "ab", None, np.ones(2, dtype=complex), {1: 2}):
        with pytest.raises(TypeError, match="expected the x as an array of real numbers, got"):
            check_array(value, name="x")


def test_a_masked_array_where_a_tensor_is_expected():
    with pytest.raises(
        TypeError, match=r"got a MaskedArray of shape \(2, 2\); convert its values, .* mask=torch.as_tens"
    ):
        check_phase(HIDDEN)


@pytest.mark.parametrize("lazy", [False, True])
def test_masks_that_come_with_arrays(lazy):
    dask = pytest.importorskip("dask.array") if lazy else None
    array = HIDDEN if dask is None else dask.from_array(HIDDEN, chunks=1)
    beside = np.array([[0.5, 1.0], [1.0, 1.0]]) if dask is None else dask.full((2, 2), 0.5)
    assert is_masked(array)
    values, mask = split_mask(array, None)
    assert not is_masked(values)
    assert np.asarray(values).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert np.asarray(mask).tolist() == [[1.0, 0.0], [1.0, 1.0]]
    assert np.asarray(split_mask(array, beside)[1])[0].tolist() == [0.5, 0.0]
    plain = np.ones((2, 2))
    assert split_mask(plain, None) == (plain, None)
    assert np.asarray(split_mask(plain, array)[1]).tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_arrays_without_what_an_array_has():
    dask = pytest.importorskip("dask.array")
    for value in ([[0.0]], None, torch.ones(2, 2)):
        with pytest.raises(TypeError, match="expected the array as an array with a shape, got"):
            split_mask(value, None)
    with pytest.raises(TypeError, match=r"expected the array as an array of real numbers, got .* dtype complex128"):
        split_mask(np.ones(2, dtype=complex), None)
    with pytest.raises(ValueError, match=r"expected the mask with shape \(2,\), got \(3,\)"):
        split_mask(np.ones(2), np.ones(3))
    unknown = dask.ones(9, chunks=3)
    with pytest.raises(
        ValueError, match=r"with a known shape, got a dask array of unknown chunks, .*compute_chunk_sizes"
    ):
        split_mask(unknown[unknown > 0], None)
