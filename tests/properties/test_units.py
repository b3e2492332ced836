"""No property depends on the unit it is asked in: s times the properties of the phases give s times the answer."""

import warnings

import numpy as np
import pytest
import torch

from microtutor.properties import (
    ConvergenceWarning,
    conductivity_fields,
    effective_conductivity,
    effective_stiffness,
    hashin_shtrikman_bounds,
    hashin_shtrikman_stiffness_bounds,
    laminate_conductivity,
    laminate_stiffness,
    stiffness_fields,
    voigt_reuss_bounds,
)
from microtutor.properties.solver import Settings, conjugate_gradients
from tests.statistics.counting import phase

UNITS = [1e-30, 3e-25, 1e-18, 1e-12, 7e-6, 1e-3, 3.0, 1e4, 1e12, 2e17, 1e25, 1e30]
CLOSE = {torch.float32: 1e-5, torch.float64: 1e-9}
NU = (0.2, 0.4)
TENSORS = torch.tensor([[[1.0, 0.3], [0.3, 2.0]], [[8.0, -2.0], [-2.0, 5.0]]])


@pytest.fixture(params=[torch.float32, torch.float64])
def dtype(request):
    return request.param


def images(dtype):
    return torch.stack([phase(17, 20, seed=seed, share=share) for seed, share in ((0, 0.3), (1, 0.6), (2, 0.9))]).to(
        dtype
    )


def close(found, one, s, dtype):
    """found is s * one, measured against the largest of its numbers."""
    for f, o in zip(found, one) if isinstance(found, (tuple, list)) else [(found, one)]:
        if isinstance(f, tuple):
            close(f, o, s, dtype)
            continue
        difference = (f.double() / s - o.double()).abs().max()
        assert difference <= CLOSE[dtype] * o.double().abs().max(), (s, difference)


@pytest.mark.parametrize("phases", [(1.0, 10.0), (1000.0, 1.0), (0.0, 1.0), (1.0, 0.0)])
def test_conductivity(phases, dtype):
    m = images(dtype)
    one = effective_conductivity(m, phases)
    for s in UNITS:
        close(effective_conductivity(m, tuple(s * k for k in phases)), one, s, dtype)


def test_conductivity_tensors_and_channels(dtype):
    m = images(dtype)
    three = torch.stack([m[0] * m[1], m[0] * (1 - m[1]), 1 - m[0]])
    tensors, channels = effective_conductivity(m, TENSORS.to(dtype)), effective_conductivity(three, (1.0, 5.0, 20.0))
    for s in UNITS:
        close(effective_conductivity(m, s * TENSORS.to(dtype)), tensors, s, dtype)
        close(effective_conductivity(three, (s, 5 * s, 20 * s)), channels, s, dtype)


@pytest.mark.parametrize("phases", [(1.0, 10.0), (100.0, 1.0), (0.0, 1.0)])
def test_stiffness(phases, dtype):
    m = images(dtype)
    one = effective_stiffness(m, phases, NU)
    for s in UNITS:
        close(effective_stiffness(m, tuple(s * k for k in phases), NU), one, s, dtype)


def test_fields(dtype):
    m, least = images(dtype), {torch.float32: 3e-3, torch.float64: 3e-5}[dtype]
    gradient, flux, _ = conductivity_fields(m, (1.0, 10.0))
    strain, stress, _ = stiffness_fields(m, (1.0, 10.0), NU)
    for s in UNITS:
        found, stiff = conductivity_fields(m, (s, 10 * s)), stiffness_fields(m, (s, 10 * s), NU)
        for one, other in ((found.gradient, gradient), (stiff.strain, strain)):
            assert (one - other).abs().max() < least  # a field is less exact than K
        for one, other in ((found.flux, flux), (stiff.stress, stress)):
            assert (one / s - other).abs().max() < least * other.abs().max()


def test_gradients(dtype):
    """Of K with respect to the image: of degree 1; with respect to the phases: of degree 0."""
    for compute in (
        effective_conductivity,
        lambda m, k: effective_stiffness(m, k, torch.tensor(NU, dtype=dtype)),
    ):
        slopes = []
        for s in (1.0, *UNITS):
            m = (0.2 + 0.6 * images(dtype)[1]).requires_grad_()
            k = torch.tensor([s, 10 * s], dtype=dtype, requires_grad=True)
            to_image, to_phases = torch.autograd.grad(compute(m, k)[0, 0], (m, k))
            slopes.append((s, to_image, to_phases))
        for s, to_image, to_phases in slopes[1:]:
            assert (to_image / s - slopes[0][1]).abs().max() < 1e2 * CLOSE[dtype] * slopes[0][1].abs().max()
            close(to_phases, slopes[0][2], 1, dtype)


@pytest.mark.parametrize("values", [(1.0, 10.0, 4.0), (0.0, 1.0, 2.0), (0.0, 0.0, 0.0)])
def test_bounds_and_laminates(values, dtype):
    fractions, k, nu = (torch.tensor(x, dtype=dtype) for x in ((0.5, 0.2, 0.3), values, (0.2, 0.3, 0.4)))
    for compute in (
        lambda k: voigt_reuss_bounds(fractions, k),
        lambda k: hashin_shtrikman_bounds(fractions, k),
        lambda k: hashin_shtrikman_stiffness_bounds(fractions, k, nu),
        lambda k: laminate_conductivity(fractions, k),
        lambda k: laminate_stiffness(fractions, k, nu),
    ):
        for s in UNITS:
            close(compute(s * k), compute(k), s, dtype)


def test_gradients_of_bounds(dtype):
    fractions, nu = torch.tensor((0.5, 0.5), dtype=dtype), torch.tensor(NU, dtype=dtype)
    for compute in (
        lambda k: voigt_reuss_bounds(fractions, k).lower,
        lambda k: hashin_shtrikman_bounds(fractions, k).upper,
        lambda k: hashin_shtrikman_stiffness_bounds(fractions, k, nu).shear.lower,
        lambda k: laminate_stiffness(fractions, k, nu)[0, 1],
    ):
        slopes = []
        for s in (1.0, *UNITS):
            k = torch.tensor([s, 10 * s], dtype=dtype, requires_grad=True)
            slopes.append(torch.autograd.grad(compute(k), k)[0])
        for slope in slopes[1:]:
            close(slope, slopes[0], 1, dtype)


def test_numbers_do_not_depend_on_the_other_images_of_the_batch():
    m = images(torch.float32)
    m[0] = 0  # all of the phase that conducts a trillion times worse
    together = effective_conductivity(m, (1e-12, 1.0), max_iterations=5000)
    np.testing.assert_array_equal(together[0], effective_conductivity(m[0], (1e-12, 1.0)))
    torch.testing.assert_close(together[0], 1e-12 * torch.eye(2))


class Broken:
    """An operator whose curvature is what one asks for, instead of above 0."""

    def __init__(self, curvature):
        self.curvature = curvature

    def apply(self, u):
        return self.curvature * u

    def precondition(self, r):
        return r.clone()

    def of_images(self, chosen):
        return self


@pytest.mark.parametrize("curvature", [0.0, -1.0, float("inf"), float("nan")])
def test_a_breakdown_is_no_convergence(curvature):
    b, settings = torch.ones(2, 1, 1, 3, 3), Settings(1e-4, 50)
    _, convergence = conjugate_gradients(Broken(curvature), b, floor=torch.zeros(2, 1), settings=settings)
    assert not (convergence.residual <= settings.tolerance).any()
    assert convergence.iterations.tolist() == [1, 1]
    with pytest.warns(
        ConvergenceWarning, match="2 of 2 images stopped after 1 iterations .*: so it is. .* use float64"
    ):
        convergence.check(settings, lambda failed: "so it is")


def test_a_residual_that_is_no_number_is_no_convergence():
    b = torch.full((1, 1, 1, 3, 3), torch.inf)
    settings = Settings(1e-4, 50)
    _, convergence = conjugate_gradients(Broken(1.0), b, floor=torch.zeros(1, 1), settings=settings)
    with pytest.warns(ConvergenceWarning, match="1 of 1 images stopped after"):
        convergence.check(settings, lambda failed: "")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, fine = conjugate_gradients(Broken(1.0), torch.ones_like(b), floor=torch.zeros(1, 1), settings=settings)
        fine.check(settings, lambda failed: "")
