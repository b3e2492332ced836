import math
from types import SimpleNamespace

import pytest
import torch
from torch.autograd import gradcheck
from torch.distributions import Normal

from microtutor import losses
from microtutor.losses import StatisticsLoss, WeightedLoss, amplitude_loss, data_loss, kl_divergence
from microtutor.microstructures import LineImages
from microtutor.statistics import autocorrelation, canonical_form, fft, power_spectrum
from tests.questions import NoQuestions

SHAPES = [(4, 5), (5, 4), (1, 6), (6, 1), (1, 1), (2, 1, 4, 4), (3, 1, 5, 7)]


def noise(*shape, seed=0, dtype=torch.float64):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def by_definition(a, b, indicator=lambda m: m):
    """The squared difference of the statistics, by an inverse FFT each."""
    return (autocorrelation(indicator(a)) - autocorrelation(indicator(b))).square()


def soft(width):
    return lambda m: torch.exp(-((1 - m) ** 2) / (2 * width**2))


def assert_close(found, wanted, tolerance=1e-13):
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=tolerance)


# --- StatisticsLoss ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("width", [None, 0.25])
def test_statistics_loss_is_its_definition(shape, width):
    a, b = noise(*shape, seed=1), noise(*shape, seed=2).round()
    squares = by_definition(a, b, soft(width) if width else lambda m: m)
    assert_close(StatisticsLoss(soft_indicator=width)(a, b), squares.mean())
    assert_close(StatisticsLoss("sum", soft_indicator=width)(a, b), squares.sum())
    assert_close(StatisticsLoss("none", soft_indicator=width)(a, b), squares.mean((-2, -1)))


@pytest.mark.parametrize("shape", [*SHAPES, (2, 1, 64, 64)])
def test_statistics_loss_is_the_plain_lines_of_its_docstring(shape):
    """In value and gradient, by autograd."""
    reconstruction, target = noise(*shape, seed=1).requires_grad_(), noise(*shape, seed=2)
    N = shape[-2] * shape[-1]
    power, wanted = (torch.fft.fft2(m).abs().square() / N for m in (reconstruction, target))
    error = (power - wanted).square().sum((-2, -1)) / N**2
    found = StatisticsLoss("none")(reconstruction, target)
    assert_close(found, error)
    assert_close(*(torch.autograd.grad(one.sum(), reconstruction)[0] for one in (found, error)))


def test_statistics_loss_by_hand():
    a, b = torch.zeros(1, 4), torch.zeros(1, 4)
    a[0, 0] = a[0, 2] = 1  # f = 1/2, 0, 1/2, 0
    b[0, 0] = b[0, 1] = 1  # f = 1/2, 1/4, 0, 1/4
    assert StatisticsLoss("sum")(a, b).item() == pytest.approx(1 / 16 + 1 / 4 + 1 / 16)


def test_equivalent_images_have_no_error():
    images = LineImages(size=64).sample(8).images
    assert StatisticsLoss()(canonical_form(images), images) < 1e-14
    assert StatisticsLoss()(images, images) == 0


def test_homometric_lines_have_no_error():
    a, b = torch.zeros(2, 224, 224)
    for places, image in (((0, 1, 3, 4), a), ((0, 1, 2, 5), b)):
        for place in places:
            image[40:180, 28 * place : 28 * place + 7] = 1
    assert (a - b).square().mean() > 0.07
    assert StatisticsLoss()(a, b) < 1e-14


@pytest.mark.parametrize("shape", [(509, 503), (1021, 509)])
def test_float32_where_sides_have_large_prime_factors(shape):
    """As accurate as where they have none: the mean is no part of what is transformed."""
    a, b = ((torch.rand(4, *shape, generator=torch.Generator().manual_seed(i)) < 0.7).float() for i in (1, 2))
    errors, gradients = [], []
    for one, other in ((a, b), (a.double(), b.double())):
        one.requires_grad_()
        errors.append(StatisticsLoss("none")(one, other))
        gradients.append(torch.autograd.grad(errors[-1].sum(), one)[0])
    assert (errors[0] / errors[1] - 1).abs().max() < 1.2e-4  # 5e-4 with it
    assert (gradients[0] - gradients[1]).abs().max() < 2e-5 * gradients[1].abs().max()


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(4, 5), (2, 1, 3, 4), (11, 13)])
@pytest.mark.parametrize("width", [None, 0.25])
def test_gradcheck_of_statistics_loss(reduction, shape, width):
    a, b = noise(*shape, seed=1).requires_grad_(), noise(*shape, seed=2).requires_grad_()
    loss = StatisticsLoss(reduction, soft_indicator=width)
    assert gradcheck(loss, (a, b))
    assert gradcheck(loss, (a, b.detach()))
    assert gradcheck(loss, (a.detach(), b))
    spectrum = loss.spectrum(b).detach().requires_grad_()
    assert gradcheck(lambda x, s: loss(x, target_spectrum=s), (a, spectrum))


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_is_that_of_plain_autograd(shape):
    a, b = noise(*shape, seed=1).requires_grad_(), noise(*shape, seed=2).requires_grad_()
    weight = noise(*shape[:-2], seed=3)
    found = torch.autograd.grad((weight * StatisticsLoss("none")(a, b)).sum(), (a, b))
    wanted = torch.autograd.grad((weight * by_definition(a, b).mean((-2, -1))).sum(), (a, b))
    assert_close(found[0], wanted[0])
    assert_close(found[1], wanted[1])


def test_chunks_and_memory_layout_do_not_matter(monkeypatch):
    a, b = noise(7, 3, 6, 5, seed=1), noise(7, 3, 6, 5, seed=2)
    wanted_loss = by_definition(a, b).mean((-2, -1))
    for chunk in (1, 70, 2**18):
        monkeypatch.setattr(fft, "CHUNK", chunk)
        for memory_format in (torch.contiguous_format, torch.channels_last):
            x = a.contiguous(memory_format=memory_format).requires_grad_()
            found = StatisticsLoss("none")(x, b)
            assert_close(found, wanted_loss)
            (gradient,) = torch.autograd.grad(found.sum(), x)
            y = a.clone().requires_grad_()
            assert_close(gradient, torch.autograd.grad(by_definition(y, b).mean((-2, -1)).sum(), y)[0])


def test_saddle_at_a_constant_image():
    """Where the image is constant the gradient is too: only the mean can be improved, so noise must break the tie."""
    target = noise(8, 8).round()
    flat = torch.full((8, 8), 0.3, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(StatisticsLoss("sum")(flat, target), flat)
    assert_close(gradient, gradient.mean().expand(8, 8))


def test_cached_spectrum():
    a, b = noise(3, 1, 6, 6, seed=1).requires_grad_(), noise(3, 1, 6, 6, seed=2)
    for loss in (StatisticsLoss(), StatisticsLoss("none", soft_indicator=0.25)):
        cached = loss.spectrum(b)
        assert torch.equal(loss(a, target_spectrum=cached), loss(a, b))
    assert torch.equal(StatisticsLoss().spectrum(b), power_spectrum(b))


def test_no_gradient_is_computed_where_none_is_asked_for():
    a, b = noise(4, 4), noise(4, 4, seed=1)
    assert not StatisticsLoss()(a, b).requires_grad
    with torch.no_grad():
        assert not StatisticsLoss()(a.requires_grad_(), b).requires_grad


def test_float32_is_enough():
    lines = LineImages().sample(6).images
    a, b = (0.8 * lines[:3] + 0.1).requires_grad_(), lines[3:]
    found, wanted = StatisticsLoss()(a, b), StatisticsLoss()(a.double(), b.double())
    torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=0)
    gradients = [torch.autograd.grad(loss, a)[0] for loss in (found, wanted)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-5 * gradients[1].abs().max().item())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_autocast(dtype):
    target = LineImages().sample(2).images
    made = (0.75 * target.roll(9, -1)).to(dtype).requires_grad_()  # 0.75 is exact in both
    wanted = StatisticsLoss()(made.detach().float(), target)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for loss in (StatisticsLoss()(made, target), StatisticsLoss()(made, target.to(dtype))):
            assert loss.dtype == torch.float32
            assert torch.equal(loss, wanted)
        assert torch.isfinite(amplitude_loss(made, target))
        assert torch.equal(data_loss(made, target), data_loss(made.float(), target))
    loss.backward()
    assert made.grad.dtype == dtype
    assert torch.isfinite(made.grad).all()


# --- the other terms --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [(4, 5), (3, 1, 5, 4)])
def test_amplitude_loss_is_its_definition(shape):
    a, b = noise(*shape, seed=1), noise(*shape, seed=2)
    amplitude = [(torch.fft.fft2(m).abs().square() + 1e-3).sqrt() for m in (a, b)]
    wanted = (amplitude[0] - amplitude[1]).square().sum((-2, -1)).mean() / (shape[-1] * shape[-2])
    assert_close(amplitude_loss(a, b), wanted)
    assert_close(amplitude_loss(a.roll((1, 2), (-2, -1)).flip((-2, -1)), a), torch.tensor(0.0, dtype=torch.float64))


def test_gradcheck_of_amplitude_loss():
    a, b = noise(2, 1, 4, 5, seed=1).requires_grad_(), noise(2, 1, 4, 5, seed=2).requires_grad_()
    assert gradcheck(amplitude_loss, (a, b))


def test_amplitude_loss_leaves_the_constant_image():
    image = torch.zeros(6, 6, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(amplitude_loss(image + 0, noise(6, 6).round()), image)
    assert torch.isfinite(gradient).all()


def test_data_loss_by_hand():
    a, b = torch.zeros(2, 1, 2, 2), torch.zeros(2, 1, 2, 2)
    a[0, 0, 0, 0], b[1] = 3, 1
    assert data_loss(a, b).item() == (9 + 4) / 2


def test_kl_divergence_is_torchs():
    mean, log_variance = torch.randn(2, 5, 9, generator=torch.Generator().manual_seed(0))
    encoded, prior = Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)
    wanted = torch.distributions.kl_divergence(encoded, prior).sum(-1).mean()
    torch.testing.assert_close(kl_divergence(mean, log_variance), wanted)
    assert kl_divergence(torch.zeros(2, 3), torch.zeros(2, 3)) == 0


def test_gradcheck_of_kl_divergence():
    assert gradcheck(kl_divergence, (noise(3, 4).requires_grad_(), noise(3, 4, seed=1).requires_grad_()))


def test_gradcheck_of_data_loss():
    assert gradcheck(data_loss, (noise(2, 1, 3, 3).requires_grad_(), noise(2, 1, 3, 3, seed=1).requires_grad_()))


# --- the weighted sum -------------------------------------------------------------------------------------------------
def an_output(seed=1):
    return SimpleNamespace(
        reconstruction=noise(4, 1, 8, 8, seed=seed, dtype=torch.float32).requires_grad_(),
        mean=noise(4, 3, seed=seed + 1, dtype=torch.float32),
        log_variance=noise(4, 3, seed=seed + 2, dtype=torch.float32),
    )


def test_weighted_loss_is_the_sum_of_its_parts():
    output, target = an_output(), noise(4, 1, 8, 8, dtype=torch.float32).round()
    weights = {"alpha": 7.0, "beta": 0.5, "amplitude": 3.0, "data": 2.0, "grey_penalty": 4.0}
    total, terms = WeightedLoss(**weights, soft_indicator=0.25)(output, target)
    parts = {
        "kl": kl_divergence(output.mean, output.log_variance),
        "statistics": by_definition(output.reconstruction, target, soft(0.25)).sum() / 4,
        "amplitude": amplitude_loss(soft(0.25)(output.reconstruction), soft(0.25)(target)),
        "data": data_loss(output.reconstruction, target),
        "grey_penalty": (output.reconstruction - output.reconstruction**2).sum() / 4,
    }
    assert terms.keys() == parts.keys()
    for name, part in parts.items():
        torch.testing.assert_close(terms[name], part.detach())
        assert not terms[name].requires_grad
    wanted = 0.5 * parts["kl"] + 7 * parts["statistics"] + 3 * parts["amplitude"] + 2 * parts["data"]
    wanted = wanted + 4 * parts["grey_penalty"]
    torch.testing.assert_close(total, wanted)
    (gradient,) = torch.autograd.grad(total, output.reconstruction)
    torch.testing.assert_close(gradient, torch.autograd.grad(wanted, output.reconstruction)[0])


@pytest.mark.parametrize(
    ("weights", "terms"),
    [
        ({"alpha": 0.0, "data": 1.0}, {"kl", "data"}),
        ({"alpha": 1.0}, {"kl", "statistics"}),
        ({"alpha": 0.0, "amplitude": 1.0}, {"kl", "amplitude"}),
    ],
)
def test_terms_of_weight_zero_are_left_out(weights, terms):
    assert WeightedLoss(**weights)(an_output(), torch.zeros(4, 1, 8, 8))[1].keys() == terms


# --- bad input --------------------------------------------------------------------------------------------------------
def test_unknown_reduction():
    with pytest.raises(ValueError, match="expected reduction to be 'mean', 'sum' or 'none', got 'average'"):
        StatisticsLoss("average")


@pytest.mark.parametrize("width", [0, -0.25])
def test_soft_indicator_without_width(width):
    with pytest.raises(ValueError, match=f"expected soft_indicator as a finite number above 0, or None, got {width}"):
        StatisticsLoss(soft_indicator=width)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([[1.0]], torch.eye(2)), TypeError, "expected the reconstruction as a torch tensor, got a list"),
        ((torch.eye(2), "target"), TypeError, "expected the target as a torch tensor, got 'target'"),
        ((torch.eye(2), torch.eye(2).long()), TypeError, "expected the target as a float tensor, got .*int64"),
        ((torch.ones(3), torch.ones(3)), ValueError, "at least 2 axes"),
        ((torch.zeros(0, 2, 2), torch.zeros(0, 2, 2)), ValueError, "at least one pixel"),
        ((torch.full((2, 2), torch.nan), torch.eye(2)), ValueError, "finite values in the reconstruction"),
        ((torch.eye(2), torch.full((2, 2), torch.inf)), ValueError, "finite values in the target"),
        ((torch.eye(2), torch.eye(3)), ValueError, r"target of the same shape, got \(2, 2\) and \(3, 3\)"),
        ((torch.eye(2),), TypeError, "expected either target or target_spectrum, got neither"),
    ],
)
def test_bad_input_of_statistics_loss(arguments, error, message):
    with pytest.raises(error, match=message):
        StatisticsLoss()(*arguments)


def test_bad_spectrum():
    image = torch.eye(4)
    with pytest.raises(TypeError, match="got both"):
        StatisticsLoss()(image, image, target_spectrum=power_spectrum(image))
    with pytest.raises(ValueError, match=r"expected target_spectrum of shape \(4, 3\), got \(4, 4\)"):
        StatisticsLoss()(image, target_spectrum=image)


@pytest.mark.parametrize("function", [amplitude_loss, data_loss, kl_divergence])
def test_bad_input_of_the_other_terms(function):
    with pytest.raises(ValueError, match=r"of the same shape, got \(2, 3\) and \(3, 2\)"):
        function(torch.zeros(2, 3), torch.zeros(3, 2))
    with pytest.raises(TypeError, match="as a torch tensor, got a list"):
        function([0.0], torch.zeros(1))


@pytest.mark.parametrize("name", ["alpha", "beta", "amplitude", "data", "grey_penalty", "diversity"])
def test_weights_are_numbers_of_at_least_0(name):
    for value in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match=f"expected {name} as a finite number of at least 0, got {value:g}"):
            WeightedLoss(**{name: value})
    with pytest.raises(TypeError, match=rf"expected {name} as a finite number of at least 0, got '1' \(str\)"):
        WeightedLoss(**{name: "1"})


def test_images_of_the_weighted_loss():
    latents = {"mean": torch.zeros(2, 3), "log_variance": torch.zeros(2, 3)}
    image, gaps = torch.rand(2, 1, 4, 4), torch.full((2, 1, 4, 4), torch.nan)
    output, broken = (SimpleNamespace(reconstruction=m, **latents) for m in (image, gaps))
    for data in (0.0, 1.0):
        with pytest.raises(ValueError, match="expected finite values in the target, got NaN or infinity"):
            WeightedLoss(alpha=1 - data, data=data)(output, gaps)
    with pytest.raises(ValueError, match="expected finite values in the reconstruction, got NaN or infinity"):
        WeightedLoss(diversity=1.0)(broken, image)
    with pytest.raises(TypeError, match=r"expected the reconstruction as a float tensor, got .*int64"):
        WeightedLoss()(SimpleNamespace(reconstruction=image.long(), **latents), image)
    loss = WeightedLoss(data=1.0, grey_penalty=1.0, diversity=1.0, soft_indicator=0.3)
    assert loss.of(output, image)[0] == loss(output, image)[0]
    assert loss.of(broken, image)[0].isnan()


@pytest.mark.parametrize("size", [8, 11])  # 11: the mean is taken off before the transform
def test_what_a_step_of_training_computes_asks_for_no_number(size):
    made = torch.rand(2, 1, size, size, requires_grad=True)
    latents = {"mean": torch.zeros(2, 3), "log_variance": torch.zeros(2, 3)}
    loss = WeightedLoss(amplitude=1.0, data=1.0, grey_penalty=1.0, diversity=1.0, soft_indicator=0.3)
    output, image = SimpleNamespace(reconstruction=made, **latents), torch.rand(2, 1, size, size).round()
    with NoQuestions():
        loss.of(output, image)[0].backward()
    with pytest.raises(AssertionError, match="aten"), NoQuestions():
        loss(output, image)


def test_other_settings_of_the_weighted_loss():
    for value in (1.0, 2.0, -0.1):
        with pytest.raises(
            ValueError, match="expected max_correlation as a finite number of at least 0 and below 1, got"
        ):
            WeightedLoss(max_correlation=value)
    with pytest.raises(ValueError, match="expected soft_indicator as a finite number above 0, or None, got 0"):
        WeightedLoss(soft_indicator=0)


def test_a_spectrum_of_no_image():
    with pytest.raises(TypeError, match="expected the image as a torch tensor, got a ndarray"):
        StatisticsLoss().spectrum(torch.eye(3).numpy())


# --- aligned_correlation ----------------------------------------------------------------------------------------------
def test_aligned_correlation_is_the_largest_over_all_shifts_and_inversion():
    a, b = noise(2, 1, 4, 5, seed=1), noise(2, 1, 4, 5, seed=2)
    for x, y, found in zip(a[:, 0], b[:, 0], losses.aligned_correlation(a, b)[:, 0]):
        equivalents = [t.roll((i, j), (0, 1)) for t in (x, x.flip((0, 1))) for i in range(4) for j in range(5)]
        wanted = max(torch.corrcoef(torch.stack([t.flatten(), y.flatten()]))[0, 1].item() for t in equivalents)
        assert found.item() == pytest.approx(wanted, abs=1e-6)


def test_aligned_correlation_of_equivalent_and_of_constant_images():
    images = LineImages(size=32).sample(4).images
    torch.testing.assert_close(losses.aligned_correlation(images.roll((3, 9), (-2, -1)), images), torch.ones(4, 1))
    torch.testing.assert_close(losses.aligned_correlation(0.3 * images.flip((-2, -1)) + 0.1, images), torch.ones(4, 1))
    assert (losses.aligned_correlation(torch.full_like(images, 0.5), images) == 0).all()


def test_aligned_correlation_is_the_aligned_data_error_in_other_words():
    from microtutor.evaluation import aligned_data_error

    places = [torch.randperm(64, generator=torch.Generator().manual_seed(seed)).reshape(8, 8) for seed in range(6)]
    a, b = torch.stack(places).double().gt(40).double().split(3)  # equal volume fractions, so equal variances
    variance = a.var((-2, -1), correction=0)
    assert_close(aligned_data_error(a, b), 2 * variance * (1 - losses.aligned_correlation(a, b)), 1e-5)


def test_gradcheck_of_aligned_correlation():
    a, b = noise(2, 4, 4, seed=1).requires_grad_(), noise(2, 4, 4, seed=2).requires_grad_()
    assert gradcheck(losses.aligned_correlation, (a, b))


def test_diversity_costs_only_what_is_above_the_ceiling():
    made = noise(4, 1, 6, 6, seed=3)
    made[2:] = torch.stack(
        [0.8 * made[0].roll(2, -1) + 0.2 * made[1], noise(1, 6, 6, seed=4)]
    )  # first pair: near equivalent images
    alike = losses.aligned_correlation(made[:2], made[2:])
    output = SimpleNamespace(reconstruction=made, mean=torch.zeros(2, 3), log_variance=torch.zeros(2, 3))
    weights = {"alpha": 0.0, "beta": 1.0, "diversity": 10.0}
    total, terms = WeightedLoss(**weights, max_correlation=0.9)(output, made)
    assert alike[1, 0] < 0.9
    assert_close(total, 10.0 * torch.log(0.1 / (1 - alike[0, 0] + 1e-4)) / 2)
    assert_close(terms["aligned_correlation"], alike.mean())
    assert WeightedLoss(**weights, max_correlation=float(alike.max()) + 1e-4)(output, made)[0] == 0


def test_diversity_of_an_odd_batch():
    for count in (1, 3):
        output = SimpleNamespace(
            reconstruction=noise(count, 1, 6, 6), mean=torch.zeros(2, 3), log_variance=torch.zeros(2, 3)
        )
        with pytest.raises(ValueError, match=f"expected an even batch, .*, got {count} images"):
            WeightedLoss(alpha=0.0, diversity=1.0)(output, output.reconstruction)


def test_the_gradient_of_statistics_loss_is_a_constant():
    made = noise(6, 6).requires_grad_()
    (slope,) = torch.autograd.grad(StatisticsLoss()(made, noise(6, 6, seed=1)), made, create_graph=True)
    assert not slope.requires_grad
    with pytest.raises(RuntimeError, match="setup_context"):
        torch.func.grad(StatisticsLoss())(made.detach(), noise(6, 6, seed=1))


def test_diversity_parts_images_that_are_nearly_equal():
    """Likeness has its maximum there, so its slope is small; that of the term is the larger, the nearer they are."""
    slopes = {}
    for apart in (1e-1, 1e-2):
        made = noise(1, 1, 6, 6, seed=3).repeat(2, 1, 1, 1)
        made[1] = made[1] + apart * noise(1, 6, 6, seed=4)
        made = made.requires_grad_()
        output = SimpleNamespace(reconstruction=made, mean=torch.zeros(1, 3), log_variance=torch.zeros(1, 3))
        loss = WeightedLoss(alpha=0.0, beta=0.0, diversity=1.0)(output, made.detach())[0]
        of_loss = torch.autograd.grad(loss, made)[0].norm()
        of_correlation = torch.autograd.grad(losses.aligned_correlation(made[0], made[1]).sum(), made)[0].norm()
        slopes[apart] = of_loss, of_correlation
    assert slopes[1e-2][0] > slopes[1e-1][0] > slopes[1e-1][1] > slopes[1e-2][1]
