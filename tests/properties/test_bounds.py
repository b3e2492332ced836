import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from microtutor.properties import (
    hashin_shtrikman_bounds,
    hashin_shtrikman_stiffness_bounds,
    laminate_conductivity,
    laminate_stiffness,
    voigt_reuss_bounds,
)

F64 = torch.float64
fractions = st.floats(0, 1).map(lambda f: torch.tensor([1 - f, f], dtype=F64))
moduli = st.tuples(st.floats(0.01, 100), st.floats(0.01, 100))
ratios = st.tuples(st.floats(-0.9, 0.45), st.floats(-0.9, 0.45))


def test_the_formulas_of_the_textbooks():
    """Two phases in two dimensions, as they are usually written."""
    f, k1, k2 = 0.3, 1.0, 7.0
    bounds = hashin_shtrikman_bounds(torch.tensor([1 - f, f], dtype=F64), (k1, k2))
    assert bounds.lower.item() == pytest.approx(k1 + f / (1 / (k2 - k1) + (1 - f) / (2 * k1)), rel=1e-12)
    assert bounds.upper.item() == pytest.approx(k2 + (1 - f) / (1 / (k1 - k2) + f / (2 * k2)), rel=1e-12)
    lame = [(e * n / ((1 + n) * (1 - 2 * n)), e / (2 * (1 + n))) for e, n in ((1.0, 0.3), (5.0, 0.2))]
    (bulk1, shear1), (bulk2, shear2) = [(first + shear, shear) for first, shear in lame]
    bounds = hashin_shtrikman_stiffness_bounds(torch.tensor([1 - f, f], dtype=F64), (1.0, 5.0), (0.3, 0.2))
    assert bounds.bulk.lower.item() == pytest.approx(bulk1 + f / (1 / (bulk2 - bulk1) + (1 - f) / (bulk1 + shear1)))
    expected = shear1 + f / (1 / (shear2 - shear1) + (1 - f) * (bulk1 + 2 * shear1) / (2 * shear1 * (bulk1 + shear1)))
    assert bounds.shear.lower.item() == pytest.approx(expected)


@given(fractions, moduli)
def test_one_pair_lies_within_the_other(f, k):
    wide, narrow = voigt_reuss_bounds(f, k), hashin_shtrikman_bounds(f, k)
    slack = 1 + 1e-9
    assert wide.lower <= narrow.lower * slack <= narrow.upper * slack**2 <= wide.upper * slack**3
    if k[0] == k[1] or f.max() == 1:
        torch.testing.assert_close(wide.lower, wide.upper)


@given(fractions, moduli, ratios)
def test_bounds_of_the_moduli(f, modulus, ratio):
    bounds = hashin_shtrikman_stiffness_bounds(f, modulus, ratio)
    for bound in bounds:
        assert bound.lower <= bound.upper * (1 + 1e-9)
        assert bound.lower > 0


def test_batches_and_more_phases():
    f = torch.tensor([[0.2, 0.3, 0.5], [1, 0, 0]], dtype=F64)
    lower, upper = hashin_shtrikman_bounds(f, (2.0, 5.0, 1.0))
    assert lower.shape == upper.shape == (2,)
    assert lower[1].item() == upper[1].item() == pytest.approx(2)
    assert laminate_conductivity(f, (2.0, 5.0, 1.0)).shape == (2, 2, 2)
    assert laminate_stiffness(f, (2.0, 5.0, 1.0), (0.1, 0.2, 0.3)).shape == (2, 3, 3)
    merged = hashin_shtrikman_bounds(torch.tensor([0.5, 0.5], dtype=F64), (2.0, 5.0))
    split = hashin_shtrikman_bounds(torch.tensor([0.5, 0.2, 0.3], dtype=F64), (2.0, 5.0, 5.0))
    torch.testing.assert_close(merged, split)


def test_a_phase_that_does_not_conduct_leaves_no_lower_bound():
    lower, upper = voigt_reuss_bounds((0.5, 0.5), (0.0, 1.0))
    assert (lower, upper) == (0, 0.5)
    lower, upper = hashin_shtrikman_bounds((0.5, 0.5), (0.0, 1.0))
    assert lower == 0
    assert upper.item() == pytest.approx(1 / 3)


@pytest.mark.parametrize("fractions", [(1.0, 0.0), (0.0, 1.0)])
@pytest.mark.parametrize("hole", [0, 1])
def test_a_phase_that_is_absent_adds_nothing_even_if_it_is_a_hole(fractions, hole):
    values = (5.0, 0.0) if hole else (0.0, 5.0)
    k = values[fractions.index(1)]
    for bounds in (voigt_reuss_bounds, hashin_shtrikman_bounds):
        assert bounds(fractions, values) == (k, k)
    assert torch.equal(laminate_conductivity(fractions, values), k * torch.eye(2))
    ratio = (0.25, 0.25)  # both Lame constants are 0.4 times Young's modulus
    bulk, shear = hashin_shtrikman_stiffness_bounds(fractions, values, ratio)
    for found, wanted in ((bulk, 0.8 * k), (shear, 0.4 * k)):
        assert [bound.item() for bound in found] == pytest.approx([wanted] * 2)
    wanted = 0.4 * k * torch.tensor([[3.0, 1, 0], [1, 3, 0], [0, 0, 1]])
    torch.testing.assert_close(laminate_stiffness(fractions, values, ratio), wanted)


def test_layers_of_holes_carry_along_them_only():
    stiffness = laminate_stiffness((0.5, 0.5), (10.0, 0.0), (0.25, 0.25))
    along = (12 - 4**2 / 12) / 2  # s_yy where s_xx is 0
    torch.testing.assert_close(stiffness, torch.tensor([[0.0, 0, 0], [0, along, 0], [0, 0, 0]]))


@pytest.mark.gpu
def test_bounds_stay_on_the_device_of_the_fractions():
    fractions = torch.tensor([0.5, 0.5], device="cuda")
    assert voigt_reuss_bounds(fractions, (1.0, 10.0)).lower.is_cuda
    assert laminate_stiffness(fractions, (1.0, 10.0), (0.2, 0.3)).is_cuda


@pytest.mark.parametrize(
    ("function", "values", "message"),
    [
        (hashin_shtrikman_bounds, ((0.5, 0.6), (1.0, 2.0)), "fractions that sum to 1, got"),
        (hashin_shtrikman_bounds, ((-0.5, 1.5), (1.0, 2.0)), "fractions of at least 0"),
        (voigt_reuss_bounds, ((0.5, 0.5), (1.0, 2.0, 3.0)), r"one number for each phase, got shapes \(2,\) and \(3,\)"),
        (voigt_reuss_bounds, (0.5, (1.0, 2.0)), "fractions as one number for each phase, got the single number 0.5"),
        (laminate_conductivity, ((0.5, 0.5), (1.0, -2.0)), "conductivity of at least 0"),
        (laminate_stiffness, ((0.5, 0.5), (1.0, 2.0), (0.5, 0.2)), "poissons_ratio above -1 and below 0.5"),
        (hashin_shtrikman_stiffness_bounds, ((0.5, 0.5), (1.0, 2.0), (0.2,)), "got shapes"),
    ],
)
def test_bad_input(function, values, message):
    with pytest.raises(ValueError, match=message):
        function(*values)
