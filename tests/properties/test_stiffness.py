import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from microtutor.properties import (
    ConvergenceWarning,
    effective_stiffness,
    hashin_shtrikman_stiffness_bounds,
    lame_constants,
    laminate_stiffness,
    stiffness_fields,
)
from tests.properties.images import F64, blobs, random_image, symmetric_image
from tests.strategies import phase_images

PAIR = (1.0, 10.0), (0.35, 0.2)  # Young's moduli, Poisson's ratios
TURNED = torch.tensor([1, 0, 2])  # order of xx, yy, xy when x and y change places


def isotropic(youngs_modulus, poissons_ratio):
    first, shear = lame_constants(*(torch.tensor(x, dtype=F64) for x in (youngs_modulus, poissons_ratio)))
    c = torch.zeros(3, 3, dtype=F64)
    c[:2, :2] = first
    return c + torch.diag(torch.stack([2 * shear, 2 * shear, shear]))


def order(low, high):
    """Whether high - low is a stiffness without negative energy."""
    return torch.linalg.eigvalsh(high - low).min() > -1e-9 * high.abs().max()


@pytest.mark.parametrize("thickness", [1, 4])
@pytest.mark.parametrize("layers", [[0, 1], [0, 1, 1], [0, 0, 0, 1, 1, 0, 1]])
@pytest.mark.parametrize("moduli", [(1.0, 10.0), (1.0, 0.01)])
def test_laminates_are_exact_in_both_directions(layers, thickness, moduli):
    row = torch.tensor(layers, dtype=F64)[None].expand(thickness, -1)
    share = row.mean().item()
    expected = laminate_stiffness(torch.tensor([1 - share, share], dtype=F64), moduli, (0.35, 0.2))
    assert (effective_stiffness(row, moduli, (0.35, 0.2)) - expected).abs().max() < 1e-10
    turned = expected[TURNED][:, TURNED]
    assert (effective_stiffness(row.mT, moduli, (0.35, 0.2)) - turned).abs().max() < 1e-10


@pytest.mark.parametrize("size", [(7, 5), (8, 6), (1, 7)])
def test_laminates_of_three_phases(size):
    layers = torch.tensor([0, 1, 2, 2, 1, 0, 2, 1])[: size[1]]
    image = torch.nn.functional.one_hot(layers, 3).double().T[:, None].expand(3, *size)
    properties = (1.0, 7.0, 300.0), (0.3, 0.0, 0.45)
    expected = laminate_stiffness(image.mean((-2, -1)), *properties)
    assert (effective_stiffness(image, *properties) - expected).abs().max() < 1e-9  # of 137
    assert ((effective_stiffness(image, *properties) - expected).abs().max() / expected.max()) < 1e-12


def test_laminates_by_hand():
    """Without Poisson's effect: harmonic mean of E across, arithmetic mean along; shear in series both ways."""
    image = torch.tensor([[0.0, 1.0, 1.0]], dtype=F64)
    c = effective_stiffness(image, (2.0, 8.0), (0.0, 0.0))
    expected = torch.tensor([3 / (1 / 2 + 2 / 8), 18 / 3, 3 / (1 / 1 + 2 / 4)], dtype=F64).diag()
    assert (c - expected).abs().max() < 1e-10


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 1), (6, 6), (7, 4)])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_homogeneous_material_is_itself(size, value):
    c = effective_stiffness(torch.full(size, value, dtype=F64), *PAIR)
    expected = isotropic(PAIR[0][int(value)], PAIR[1][int(value)])
    torch.testing.assert_close(c, expected, rtol=1e-14, atol=1e-14)


def test_grey_is_the_arithmetic_mean_of_the_stiffnesses():
    c = effective_stiffness(torch.full((3, 3), 0.25, dtype=F64), *PAIR)
    expected = 0.75 * isotropic(1.0, 0.35) + 0.25 * isotropic(10.0, 0.2)
    torch.testing.assert_close(c, expected, rtol=1e-13, atol=1e-13)


@given(phase_images(side=5), st.sampled_from([0.01, 3.0, 100.0]))
def test_is_symmetric_and_lies_between_the_means(image, contrast):
    c = effective_stiffness(image, (1.0, contrast), PAIR[1])
    assert torch.equal(c, c.mT)
    local = (
        isotropic(1.0, PAIR[1][0]) * (1 - image[..., None, None])
        + isotropic(contrast, PAIR[1][1]) * image[..., None, None]
    )
    assert order(torch.linalg.inv(torch.linalg.inv(local).mean((0, 1))), c)
    assert order(c, local.mean((0, 1)))


@given(st.sampled_from([3, 5, 9]), st.integers(0, 10**6), st.sampled_from([0.01, 10.0, 1000.0]))
def test_bulk_modulus_lies_between_the_bounds_of_hashin_and_shtrikman(size, seed, contrast):
    """Exactly so in this discretisation, for images of odd size that a quarter turn leaves as they are."""
    image = symmetric_image(size, seed)
    share = image.mean()
    c = effective_stiffness(image, (1.0, contrast), PAIR[1], tolerance=1e-9)
    torch.testing.assert_close(c[0, 0], c[1, 1], rtol=1e-8, atol=0)
    bounds = hashin_shtrikman_stiffness_bounds(torch.stack([1 - share, share]), (1.0, contrast), PAIR[1])
    bulk = (c[0, 0] + c[0, 1]) / 2
    assert bounds.bulk.lower * (1 - 1e-9) <= bulk <= bounds.bulk.upper * (1 + 1e-9)


def test_a_disordered_material_lies_between_all_bounds():
    image = blobs(65, n=4)
    c = effective_stiffness(image, *PAIR).mean(0)
    share = image.mean()
    bounds = hashin_shtrikman_stiffness_bounds(torch.stack([1 - share, share]), *PAIR)
    assert bounds.bulk.lower < (c[0, 0] + c[0, 1] + c[1, 1] + c[1, 0]) / 4 < bounds.bulk.upper
    assert bounds.shear.lower < c[2, 2] < bounds.shear.upper
    assert bounds.shear.lower < (c[0, 0] - c[0, 1] - c[1, 0] + c[1, 1]) / 4 < bounds.shear.upper


@given(phase_images(side=5), st.integers(0, 5), st.integers(0, 5))
def test_the_origin_does_not_matter(image, down, right):
    moved = image.roll((down, right), (0, 1))
    a, b = (effective_stiffness(m, *PAIR, tolerance=1e-9) for m in (image, moved))
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@given(phase_images(side=5))
def test_turning_the_image_turns_the_stiffness(image):
    c, turned, mirrored = (effective_stiffness(m, *PAIR, tolerance=1e-9) for m in (image, image.mT, image.flip(1)))
    torch.testing.assert_close(turned, c[TURNED][:, TURNED], rtol=1e-9, atol=1e-9)
    sign = torch.tensor([[1.0, 1, -1], [1, 1, -1], [-1, -1, 1]], dtype=F64)
    torch.testing.assert_close(mirrored, c * sign, rtol=1e-9, atol=1e-9)


def test_equals_a_solution_without_fourier_transforms():
    """The same equations as one dense matrix: corner by corner, pixel by pixel."""
    image = random_image(5, 4, seed=3)
    height, width = image.shape
    n = height * width
    slope = torch.zeros(2, n, n, dtype=F64)
    for i in range(height):
        for j in range(width):
            for down in (0, 1):
                for right in (0, 1):
                    corner = ((i + down) % height) * width + (j + right) % width
                    slope[0, i * width + j, corner] += right - 0.5
                    slope[1, i * width + j, corner] += down - 0.5
    x, y = slope
    zero = torch.zeros_like(x)
    strain = torch.cat([torch.cat([x, zero], 1), torch.cat([zero, y], 1), torch.cat([y, x], 1)])
    local = torch.stack([isotropic(e, nu) for e, nu in zip(*PAIR)])[image.flatten().long()]
    big = torch.zeros(3, n, 3, n, dtype=F64)
    big[:, torch.arange(n), :, torch.arange(n)] = local
    big = big.reshape(3 * n, 3 * n)
    load = torch.eye(3, dtype=F64).repeat_interleave(n, 0)
    u = -torch.linalg.pinv(strain.T @ big @ strain) @ strain.T @ big @ load
    e = load + strain @ u
    torch.testing.assert_close(
        effective_stiffness(image, *PAIR, tolerance=1e-10), e.T @ big @ e / n, rtol=1e-9, atol=1e-9
    )


def test_fields():
    image = torch.stack([random_image(9, 7, seed) for seed in range(2)])
    fields = stiffness_fields(image, *PAIR, tolerance=1e-10)
    assert fields.strain.shape == fields.stress.shape == (2, 3, 3, 9, 7)
    torch.testing.assert_close(fields.strain.mean((-2, -1)), torch.eye(3, dtype=F64).expand(2, 3, 3))
    c = effective_stiffness(image, *PAIR, tolerance=1e-10)
    torch.testing.assert_close(fields.stress.mean((-2, -1)).mT, c, rtol=1e-8, atol=1e-8)


def test_a_batch_is_its_images():
    images = torch.stack([random_image(8, 10, seed) for seed in range(6)]).reshape(2, 3, 8, 10)
    images[0, 1] = 1
    batch = effective_stiffness(images, *PAIR)
    assert batch.shape == (2, 3, 3, 3)
    for i in range(2):
        for j in range(3):
            torch.testing.assert_close(batch[i, j], effective_stiffness(images[i, j], *PAIR), rtol=1e-12, atol=1e-12)


def test_single_precision():
    image = random_image(16, 16)
    c = effective_stiffness(image.float(), *PAIR)
    assert c.dtype == torch.float32
    torch.testing.assert_close(c.double(), effective_stiffness(image, *PAIR, tolerance=1e-10), rtol=1e-5, atol=1e-5)


def test_gradient_of_image_and_properties():
    image = torch.rand(2, 3, 4, dtype=F64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    modulus = torch.tensor([1.0, 7.0], dtype=F64, requires_grad=True)
    ratio = torch.tensor([0.1, 0.3], dtype=F64, requires_grad=True)

    def function(image, modulus, ratio):
        return effective_stiffness(image, modulus, ratio, tolerance=1e-12)

    assert torch.autograd.gradcheck(function, (image, modulus, ratio))


def test_great_contrasts():
    disc = ((torch.arange(32)[:, None] - 15.5) ** 2 + (torch.arange(32) - 15.5) ** 2 < 100).double()
    holes = effective_stiffness(disc, (1.0, 0.0), (0.3, 0.0))
    assert 0 < holes[2, 2] < isotropic(1.0, 0.3)[2, 2] * (1 - disc.mean())
    islands = effective_stiffness(disc, (0.0, 1.0), (0.0, 0.3))
    assert islands.abs().max() < 1e-9
    stiff = effective_stiffness(blobs(48), (1.0, 1e4), (0.3, 0.3))
    torch.testing.assert_close(
        stiff, effective_stiffness(blobs(48), (1.0, 1e4), (0.3, 0.3), tolerance=1e-8), rtol=1e-5, atol=0.01
    )


def test_says_when_and_why_it_did_not_converge():
    with pytest.warns(
        ConvergenceWarning, match="1 of 1 images stopped after 2 iterations .* differ by a factor of 10, or"
    ):
        effective_stiffness(blobs(16), max_iterations=2)
    island = torch.zeros(16, 16, dtype=F64)
    island[4:10, 4:10] = random_image(6, 6, fraction=0.8)
    with pytest.warns(ConvergenceWarning, match="no path of stiff pixels leads through"):
        effective_stiffness(island, (0.0, 1.0), max_iterations=2)
    with pytest.warns(ConvergenceWarning, match="the shear moduli in them range from 0.0e"):
        effective_stiffness(1 - island, (0.0, 1.0), max_iterations=2)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (([[1.0]],), TypeError, "expected the phase image as a torch tensor"),
        ((torch.ones(4, 4), (1.0, -2.0)), ValueError, "youngs_modulus of at least 0"),
        ((torch.ones(4, 4), (1.0, 2.0), (0.3, 0.5)), ValueError, "poissons_ratio above -1 and below 0.5, got"),
        ((torch.ones(4, 4), (1.0, 2.0), (0.3,)), ValueError, "one number for each phase, got shapes"),
        (
            (torch.ones(4, 4), (1.0, 2.0), 0.3),
            ValueError,
            "poissons_ratio as one number for each phase, got the single",
        ),
        ((torch.ones(4, 4), (1.0, 2.0, 3.0), (0.3, 0.3, 0.3)), ValueError, "one channel for each of 3 phases"),
    ],
)
def test_bad_input(values, error, message):
    with pytest.raises(error, match=message):
        effective_stiffness(*values)


@pytest.mark.gpu
def test_on_a_gpu():
    images = blobs(64, n=3)
    c = effective_stiffness(images.cuda())
    assert c.is_cuda
    torch.testing.assert_close(c.cpu(), effective_stiffness(images), rtol=1e-9, atol=1e-9)
