import math
import warnings

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from microtutor.microstructures import Checkerboard
from microtutor.properties import (
    ConvergenceWarning,
    conductivity_fields,
    effective_conductivity,
    effective_stiffness,
)
from tests.properties.images import F64, blobs, random_image, symmetric_image
from tests.strategies import phase_images

TURN = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=F64)


def harmonic(shares, values):
    return 1 / sum(share / value for share, value in zip(shares, values))


# Cases known by hand


@pytest.mark.parametrize("thickness", [1, 4])
@pytest.mark.parametrize("layers", [[0, 1], [0, 1, 1], [0, 0, 0, 1, 1, 0, 1]])
@pytest.mark.parametrize("contrast", [10.0, 0.01])
def test_laminates_are_exact_in_both_directions(layers, thickness, contrast):
    row = torch.tensor(layers, dtype=F64)[None].expand(thickness, -1)
    share = row.mean().item()
    across, along = harmonic((1 - share, share), (1.0, contrast)), 1 - share + share * contrast
    expected = torch.tensor([[across, 0], [0, along]], dtype=F64)
    assert (effective_conductivity(row, (1.0, contrast)) - expected).abs().max() < 1e-10
    assert (effective_conductivity(row.mT, (1.0, contrast)) - expected.flip(0, 1)).abs().max() < 1e-10


@pytest.mark.parametrize("size", [(7, 5), (8, 6), (1, 7)])
def test_laminates_of_three_phases(size):
    layers = torch.tensor([0, 1, 2, 2, 1, 0, 2, 1])[: size[1]]
    image = torch.nn.functional.one_hot(layers, 3).double().T[:, None].expand(3, *size)
    k = (1.0, 7.0, 300.0)
    shares = [(layers == i).double().mean().item() for i in range(3)]
    expected = torch.tensor([harmonic(shares, k), sum(s * c for s, c in zip(shares, k))], dtype=F64).diag()
    assert (effective_conductivity(image, k) - expected).abs().max() < 1e-10
    assert (effective_conductivity(image.mT, k) - expected.flip(0, 1)).abs().max() < 1e-10


def test_grey_is_the_arithmetic_mean_of_the_phases():
    layers = torch.tensor([[0.0, 0.25, 1.0]], dtype=F64)
    expected = harmonic([1 / 3] * 3, (2.0, 3.0, 6.0))
    assert abs(effective_conductivity(layers, (2.0, 6.0))[0, 0] - expected) < 1e-10


def test_a_laminate_of_crystals():
    """Flux across is continuous, gradient along is: with each layer's tensor, average what is continuous."""
    tensors = torch.tensor([[[2.0, 0.5], [0.5, 1.0]], [[3.0, -1.0], [-1.0, 5.0]]], dtype=F64)
    shares = torch.tensor([2 / 3, 1 / 3], dtype=F64)
    xx, xy, yy = tensors[:, 0, 0], tensors[:, 0, 1], tensors[:, 1, 1]
    across = 1 / (shares / xx).sum()
    mixed = across * (shares * xy / xx).sum()
    along = (shares * (yy - xy**2 / xx)).sum() + mixed**2 / across
    expected = torch.stack([across, mixed, mixed, along]).reshape(2, 2)
    image = torch.tensor([[0.0, 0.0, 1.0]], dtype=F64).expand(4, 3)
    assert (effective_conductivity(image, tensors) - expected).abs().max() < 1e-10


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 1), (6, 6), (7, 4)])
@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_a_homogeneous_material_is_itself(size, value):
    k = effective_conductivity(torch.full(size, value, dtype=F64), (2.0, 5.0))
    torch.testing.assert_close(k, (2 + 3 * value) * torch.eye(2, dtype=F64), rtol=1e-14, atol=1e-14)


# What must hold of every image


def tensors_between(k, low, high):
    """Whether low <= k <= high in every direction, up to rounding."""
    identity = torch.eye(2, dtype=k.dtype)
    return (
        torch.linalg.eigvalsh(k - low * identity).min() > -1e-9
        and torch.linalg.eigvalsh(high * identity - k).min() > -1e-9
    )


@given(phase_images(), st.sampled_from([0.01, 0.5, 3.0, 1000.0]))
def test_lies_between_the_means(image, contrast):
    local = 1 + image * (contrast - 1)
    k = effective_conductivity(image, (1.0, contrast))
    assert torch.equal(k, k.mT)
    assert tensors_between(k, 1 / (1 / local).mean(), local.mean())


@given(st.sampled_from([3, 5, 9, 15]), st.integers(0, 10**6), st.sampled_from([0.01, 10.0, 1000.0]))
def test_lies_between_the_bounds_of_hashin_and_shtrikman(size, seed, contrast):
    """Exactly so in this discretisation, for symmetric images of odd size."""
    image = symmetric_image(size, seed)
    share = image.mean().item()
    k = effective_conductivity(image, (1.0, contrast), tolerance=1e-9)
    assert abs(k[0, 1]) < 1e-8 * k[0, 0]
    assert abs(k[0, 0] - k[1, 1]) < 1e-8 * k[0, 0]
    bounds = sorted(
        a + fb / (1 / (b - a) + (1 - fb) / (2 * a)) for a, b, fb in ((1, contrast, share), (contrast, 1, 1 - share))
    )
    assert bounds[0] * (1 - 1e-9) <= k[0, 0] <= bounds[1] * (1 + 1e-9)


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 10**6), st.sampled_from([0.1, 30.0]))
def test_duality_is_exact_on_images_with_an_odd_side(half_height, width, seed, contrast):
    """Keller and Dykhne: swap the phases, turn by a quarter, and K becomes its inverse times k1 k2."""
    image = random_image(2 * half_height + 1, width, seed)
    k = effective_conductivity(image, (1.0, contrast), tolerance=1e-9)
    swapped = effective_conductivity(image, (contrast, 1.0), tolerance=1e-9)
    torch.testing.assert_close(TURN @ swapped @ TURN.T @ k, contrast * torch.eye(2, dtype=F64), rtol=1e-7, atol=1e-7)


def test_duality_holds_approximately_on_even_images():
    image = blobs(64)[0]
    for contrast, low, high in ((10.0, 1e-6, 1e-4), (1000.0, 1e-4, 1e-2)):
        k, swapped = (effective_conductivity(image, pair) for pair in ((1.0, contrast), (contrast, 1.0)))
        difference = TURN @ swapped @ TURN.T @ k / contrast - torch.eye(2, dtype=F64)
        assert low < difference.abs().max() < high


def test_a_checkerboard_approaches_the_geometric_mean():
    """Squares of one pixel are seen as the arithmetic mean on even images; of n pixels, ever nearer to sqrt(k1 k2)."""
    assert effective_conductivity(Checkerboard(cell=1, size=4).image())[0, 0].item() == pytest.approx(5.5)
    errors = []
    for n in (4, 16):  # measured: 4.6 % and 0.5 % too high
        k = effective_conductivity(Checkerboard(cell=n, size=2 * n).image().double())
        torch.testing.assert_close(k, k[0, 0] * torch.eye(2, dtype=F64), rtol=1e-6, atol=1e-6)
        errors.append(k[0, 0].item() / math.sqrt(10) - 1)
    assert 0 < errors[0] < 0.05
    assert 0 < errors[1] < 0.006


@given(phase_images(), st.integers(0, 5), st.integers(0, 5))
def test_the_origin_does_not_matter(image, down, right):
    a, b = (
        effective_conductivity(image, tolerance=1e-9),
        effective_conductivity(image.roll((down, right), (0, 1)), tolerance=1e-9),
    )
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@given(phase_images())
def test_turning_the_image_turns_the_tensor(image):
    k, transposed, mirrored = (effective_conductivity(m, tolerance=1e-9) for m in (image, image.mT, image.flip(1)))
    torch.testing.assert_close(transposed, k.flip(0, 1), rtol=1e-9, atol=1e-9)
    sign = torch.tensor([[1.0, -1.0], [-1.0, 1.0]], dtype=F64)
    torch.testing.assert_close(mirrored, k * sign, rtol=1e-9, atol=1e-9)


def test_scales_with_the_conductivities():
    image = random_image(9, 8)
    a, b = effective_conductivity(image, (1.0, 5.0)), effective_conductivity(image, (1e-9, 5e-9))
    torch.testing.assert_close(a * 1e-9, b, rtol=1e-9, atol=0)


def test_equals_a_solution_without_fourier_transforms():
    """The same equations as one dense matrix: corner by corner, pixel by pixel."""
    image = random_image(5, 6, seed=3)
    k = 1 + 9 * image
    height, width = image.shape
    gradient = torch.zeros(2, height * width, height * width, dtype=F64)
    for i in range(height):
        for j in range(width):
            for down in (0, 1):
                for right in (0, 1):
                    corner = ((i + down) % height) * width + (j + right) % width
                    gradient[0, i * width + j, corner] += right - 0.5
                    gradient[1, i * width + j, corner] += down - 0.5
    both = gradient.reshape(-1, height * width)
    local = k.flatten().repeat(2)
    load = torch.zeros(2, 2, height * width, dtype=F64)
    load[0, 0] = load[1, 1] = 1
    load = load.reshape(2, -1).T
    u = -torch.linalg.pinv(both.T @ (local[:, None] * both)) @ both.T @ (local[:, None] * load)
    e = load + both @ u
    expected = e.T @ (local[:, None] * e) / (height * width)
    torch.testing.assert_close(effective_conductivity(image, tolerance=1e-10), expected, rtol=1e-10, atol=1e-10)


# Batches, dtypes, derivatives


def test_a_batch_is_its_images():
    images = torch.stack([random_image(12, 10, seed) for seed in range(6)]).reshape(2, 3, 12, 10)
    images[0, 1] = 1  # one that needs no iteration
    batch = effective_conductivity(images)
    assert batch.shape == (2, 3, 2, 2)
    fields = conductivity_fields(images)
    for i in range(2):
        for j in range(3):
            torch.testing.assert_close(batch[i, j], effective_conductivity(images[i, j]), rtol=1e-13, atol=1e-13)
            alone = conductivity_fields(images[i, j]).convergence.iterations
            assert abs(fields.convergence.iterations[i, j] - alone) <= 1
    assert fields.convergence.iterations[0, 1] == 0


def test_an_empty_batch_and_many_small_images():
    many = random_image(4000, 12).reshape(1000, 4, 12)
    k = effective_conductivity(many)
    torch.testing.assert_close(k[777], effective_conductivity(many[777]), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_precision_follows_the_input(dtype):
    image = random_image(16, 16)
    k = effective_conductivity(image.to(dtype))
    assert k.dtype == dtype
    torch.testing.assert_close(k.double(), effective_conductivity(image, tolerance=1e-10), rtol=1e-5, atol=1e-5)
    assert effective_conductivity(image.float(), torch.tensor([1.0, 10.0], dtype=F64)).dtype == F64
    assert effective_conductivity(image.bool()).dtype == torch.float32
    assert effective_conductivity(image.half()).dtype == torch.float32


@pytest.mark.parametrize("effective", [effective_conductivity, effective_stiffness])
@pytest.mark.parametrize("one_hot", [False, True])
def test_autocast_changes_nothing(effective, one_hot):
    image = blobs(16)[0].float()
    image = (torch.stack([1 - image, image]) if one_hot else image).requires_grad_()
    wanted = effective(image, one_hot=one_hot)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = effective(image, one_hot=one_hot)
        fields = conductivity_fields(image, one_hot=one_hot)
    assert torch.equal(found, wanted)
    assert torch.equal(fields.flux, conductivity_fields(image, one_hot=one_hot).flux)


@pytest.mark.parametrize("effective", [effective_conductivity, effective_stiffness])
def test_autocast_does_not_reach_the_gradient(effective):
    image = blobs(16)[0].float().requires_grad_()
    (wanted,) = torch.autograd.grad(effective(image).trace(), image)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (found,) = torch.autograd.grad(effective(image).trace(), image)
    assert torch.equal(found, wanted)


def test_one_hot_equals_the_indicator():
    image = random_image(8, 8)
    two = torch.stack([1 - image, image])
    expected = effective_conductivity(image, (1.0, 10.0))
    torch.testing.assert_close(effective_conductivity(two, (1.0, 10.0), one_hot=True), expected)
    three = torch.stack([1 - image, image, 0 * image])[None]
    torch.testing.assert_close(effective_conductivity(three, (1.0, 10.0, 5.0))[0], expected)
    isotropic = torch.tensor([1.0, 10.0], dtype=F64)[:, None, None] * torch.eye(2, dtype=F64)
    torch.testing.assert_close(effective_conductivity(image, isotropic), expected)
    as_images = effective_conductivity(two, (1.0, 10.0), one_hot=False)
    torch.testing.assert_close(as_images[1], expected)


def test_gradient_of_image_and_conductivities():
    image = torch.rand(2, 4, 5, dtype=F64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    k = torch.tensor([1.0, 7.0], dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda m, k: effective_conductivity(m, k, tolerance=1e-12), (image, k))


def test_gradient_of_channels_and_tensors():
    shares = torch.rand(3, 4, 3, dtype=F64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    tensors = torch.tensor([[[2, 0.5], [0.5, 1]], [[3, -1], [-1, 5]], [[1, 0], [0, 1]]], dtype=F64).requires_grad_()

    def function(shares, tensors):
        return effective_conductivity(shares.softmax(0), (tensors + tensors.mT) / 2, tolerance=1e-12)

    assert torch.autograd.gradcheck(function, (shares, tensors))


def test_no_second_derivative_rather_than_a_wrong_one():
    image = random_image(4, 4).requires_grad_()
    (slope,) = torch.autograd.grad(effective_conductivity(image).sum(), image, create_graph=True)
    with pytest.raises(RuntimeError, match="does not require grad"):
        slope.sum().backward()


def test_descent_on_the_image_raises_the_conductivity():
    image = torch.full((8, 8), 0.5, dtype=F64)
    image[3, 3] = 0.4
    image.requires_grad_()
    slope = torch.autograd.grad(effective_conductivity(image).diagonal().sum(), image)[0]
    assert (slope > 0).all()  # a pixel that conducts better never makes the material worse


# Fields


def test_fields():
    image = torch.stack([random_image(9, 7, seed) for seed in range(2)])
    fields = conductivity_fields(image, tolerance=1e-10)
    assert fields.gradient.shape == fields.flux.shape == (2, 2, 2, 9, 7)
    torch.testing.assert_close(fields.gradient.mean((-2, -1)), torch.eye(2, dtype=F64).expand(2, 2, 2))
    torch.testing.assert_close(fields.flux, (1 + 9 * image)[:, None, None] * fields.gradient)
    torch.testing.assert_close(
        fields.flux.mean((-2, -1)), effective_conductivity(image, tolerance=1e-10), rtol=1e-8, atol=1e-8
    )
    assert (fields.convergence.residual < 1e-10).all()
    assert fields.convergence.iterations.shape == (2,)


# Great contrasts


def test_a_contrast_of_ten_thousand_converges():
    for pair in ((1.0, 1e4), (1e4, 1.0)):
        k = effective_conductivity(blobs(64), pair)
        finer = effective_conductivity(blobs(64), pair, tolerance=1e-8)
        torch.testing.assert_close(k, finer, rtol=1e-6, atol=1e-6)


def test_a_phase_that_does_not_conduct():
    disc = (torch.arange(32)[:, None] - 15.5) ** 2 + (torch.arange(32) - 15.5) ** 2 < 100
    k = effective_conductivity(disc.double(), (1.0, 0.0))  # flux finds its way around the holes
    assert 0.3 < k[0, 0] < 1 - math.pi * 100 / 32**2
    blocked = effective_conductivity(disc.double(), (0.0, 1.0))  # nothing connects the discs
    assert blocked.abs().max() < 1e-9
    layers = torch.tensor([[0.0, 1.0, 1.0]], dtype=F64).expand(3, 3)
    torch.testing.assert_close(
        effective_conductivity(layers, (0.0, 1.0)), torch.tensor([0, 2 / 3], dtype=F64).diag(), rtol=0, atol=1e-10
    )
    assert effective_conductivity(layers, (0.0, 0.0)).abs().max() == 0


def test_says_when_and_why_it_did_not_converge():
    images = torch.cat([blobs(32), torch.zeros(1, 32, 32, dtype=F64)])
    with pytest.warns(
        ConvergenceWarning, match=r"1 of 2 images stopped after 3 iterations .* differ by a factor of 10\."
    ):
        effective_conductivity(images, max_iterations=3)
    island = torch.zeros(32, 32, dtype=F64)
    island[8:20, 8:20] = random_image(12, 12, fraction=0.8)
    with pytest.warns(ConvergenceWarning, match="in 1 of them no path of well-conducting pixels leads through"):
        effective_conductivity(island, (0.0, 1.0), max_iterations=2)
    with pytest.warns(ConvergenceWarning, match=r"range from 0\.0e\+00 to 1\.0e\+00"):
        effective_conductivity(1 - island, (0.0, 1.0), max_iterations=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        effective_conductivity(images, max_iterations=100)


@pytest.mark.parametrize("function", [effective_conductivity, conductivity_fields, effective_stiffness])
def test_the_warning_points_at_the_line_of_the_user(function):
    with pytest.warns(ConvergenceWarning) as caught:
        function(blobs(32), max_iterations=1)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_tensors_may_be_unsymmetric_by_rounding(dtype):
    crystals = torch.tensor([[[1.0, 0.5], [0.5, 2]], [[3.0, 1], [1, 4]]], dtype=dtype)
    rounded = crystals.clone()
    rounded[0, 0, 1] *= 1 + 2 * torch.finfo(dtype).eps
    image = random_image(8, 8, dtype=dtype)
    assert not torch.equal(rounded, rounded.mT)
    torch.testing.assert_close(effective_conductivity(image, rounded), effective_conductivity(image, crystals))


@pytest.mark.parametrize(
    ("image", "conductivity", "options", "error", "message"),
    [
        ([[1.0]], (1, 2), {}, TypeError, "expected the phase image as a torch tensor, got a list"),
        (torch.ones(4), (1, 2), {}, ValueError, "at least 2 axes"),
        (2 * torch.ones(4, 4), (1, 2), {}, ValueError, r"values in \[0, 1\], got values in \[2, 2\]"),
        (torch.ones(4, 4).byte(), (1, 2), {}, TypeError, "got a tensor of shape .*uint8"),
        (torch.ones(4, 4), 3.0, {}, ValueError, "one number for each phase, got the single number 3"),
        (torch.ones(4, 4), "ab", {}, TypeError, "expected conductivity as one number for each phase, got 'ab'"),
        (torch.ones(4, 4), (1.0, -2.0), {}, ValueError, r"expected conductivity of at least 0, got"),
        (torch.ones(4, 4), (1.0, math.inf), {}, ValueError, "expected finite numbers as conductivity"),
        (torch.ones(4, 4), (1.0, 2.0, 3.0), {}, ValueError, "one channel for each of 3 phases"),
        (torch.ones(4, 4), (1.0, 2.0, 3.0), {"one_hot": False}, ValueError, "properties of two phases"),
        (torch.ones(3, 4, 4), (1.0, 2.0, 3.0), {}, ValueError, "channels of each pixel to sum to 1"),
        (torch.eye(2)[..., None, None], (1.0, 2.0), {}, ValueError, "say one_hot=True or one_hot=False"),
        (torch.ones(4, 4), torch.ones(2, 2), {}, ValueError, r"got shape \(2, 2\)"),
        (torch.ones(4, 4), torch.tensor([[[1.0, 2], [0, 1]]] * 2), {}, ValueError, "symmetric conductivity tensors"),
        (torch.ones(4, 4), torch.tensor([[[1.0, 2], [2, 1]]] * 2), {}, ValueError, "conductivity in every direction"),
        (
            torch.ones(4, 4),
            (1.0, 2.0),
            {"tolerance": 0},
            ValueError,
            "tolerance as a finite number above 0 and below 1, got 0",
        ),
        (torch.ones(4, 4), (1.0, 2.0), {"max_iterations": 0}, ValueError, "max_iterations of at least 1"),
    ],
)
def test_bad_input(image, conductivity, options, error, message):
    with pytest.raises(error, match=message):
        effective_conductivity(image, conductivity, **options)


@pytest.mark.gpu
def test_on_a_gpu():
    images = blobs(64, n=4)
    k = effective_conductivity(images.cuda())
    assert k.is_cuda
    torch.testing.assert_close(k.cpu(), effective_conductivity(images), rtol=1e-9, atol=1e-9)
