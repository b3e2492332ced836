"""The prior of the latents: its density and its draws are those of the mixture, and it is stored with the weights."""

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from microtutor.models import VAE, Prior
from microtutor.training import TrainingConfig

TINY = {"size": 32, "channels": 4, "latent_dim": 3}


def clouds(n=900, seed=0):
    """Three narrow, tilted clouds of latents, with shares 1/2, 1/3 and 1/6."""
    generator = torch.Generator().manual_seed(seed)
    shapes = torch.randn(3, 3, 3, generator=generator) * 0.3
    centres = torch.tensor([[3.0, 0, 0], [-3, 1, 0], [0, -3, 2]])
    which = torch.tensor([0, 0, 0, 1, 1, 2]).repeat(n // 6)
    return centres[which] + (shapes[which] @ torch.randn(n, 3, 1, generator=generator))[..., 0]


def torchs_own(prior):
    gaussians = MultivariateNormal(prior.means.double(), scale_tril=prior.factors.double())
    return MixtureSameFamily(Categorical(logits=prior.log_weights.double()), gaussians)


def tiny(**changes):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return VAE(**TINY | changes).eval()


def with_prior(**changes):
    network = tiny(**changes)
    network.set_prior(Prior.fit(clouds(), 3))
    return network


# --- the mixture ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("components", [1, 3, 5])
def test_log_density_is_that_of_the_mixture(components):
    prior, z = Prior.fit(clouds(), components), clouds(60, seed=1)
    wanted = torchs_own(prior).log_prob(z.double())
    torch.testing.assert_close(prior.log_density(z).double(), wanted, rtol=1e-4, atol=1e-4)
    # The weights add up to 1 in float32, in which they are stored; torch's own are brought to 1 once more.
    torch.testing.assert_close(prior.log_density(z.double()), wanted, rtol=0, atol=1e-7)


def test_a_new_prior_is_standard_normal():
    z = clouds(60)
    wanted = MultivariateNormal(torch.zeros(3), torch.eye(3)).log_prob(z)
    for components in (1, 4):
        torch.testing.assert_close(Prior(3, components).log_density(z), wanted)


def test_log_density_has_the_gradient_of_the_mixture():
    prior = Prior.fit(clouds(), 3).double()
    z = clouds(12, seed=1).double().requires_grad_()
    assert torch.autograd.gradcheck(prior.log_density, z)


def test_fit_finds_the_clouds():
    prior = Prior.fit(clouds(6000), 3)
    order = prior.log_weights.argsort(descending=True)
    torch.testing.assert_close(prior.log_weights.exp()[order], torch.tensor([1 / 2, 1 / 3, 1 / 6]), rtol=0, atol=0.01)
    wanted = torch.tensor([[3.0, 0, 0], [-3, 1, 0], [0, -3, 2]])
    torch.testing.assert_close(prior.means[order], wanted, rtol=0, atol=0.05)


def test_draws_have_the_moments_of_the_mixture():
    prior = Prior.fit(clouds(), 3)
    z = prior.sample(100_000).double()
    own = torchs_own(prior)
    torch.testing.assert_close(z.mean(0), own.mean, rtol=0, atol=0.03)
    torch.testing.assert_close(z.var(0), own.variance, rtol=0.02, atol=0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = own.sample(torch.Size([100_000]))
    assert float(own.log_prob(z).mean()) == pytest.approx(float(own.log_prob(theirs).mean()), abs=0.03)


def test_draws_follow_the_seed():
    prior = Prior.fit(clouds(), 3)
    assert torch.equal(prior.sample(5, seed=1), prior.sample(5, seed=1))
    assert not torch.equal(prior.sample(5, seed=1), prior.sample(5, seed=2))


def test_the_number_of_components_is_chosen_by_held_out_likelihood():
    chosen = Prior.fit(clouds(1200))
    assert chosen.components == 10  # three clouds: one Gaussian is too few, and thirty fit what is chance
    fresh = clouds(6000, seed=0)[1200:]
    assert chosen.log_density(fresh).mean() > Prior.fit(clouds(1200), 1).log_density(fresh).mean()
    assert Prior.fit(torch.randn(1200, 3, generator=torch.Generator().manual_seed(0))).components == 1


def test_fit_leaves_no_gradient_and_follows_the_seed():
    z = clouds().requires_grad_()
    a, b = Prior.fit(z, 3, seed=4), Prior.fit(z, 3, seed=4)
    assert all(torch.equal(a.state_dict()[name], value) for name, value in b.state_dict().items())
    assert not a.means.requires_grad


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Prior.fit(torch.zeros(5, 3), 5), ValueError, "expected more latents than components, got 5 .* 5"),
        (lambda: Prior.fit(torch.zeros(5, 3)), ValueError, "expected at least 20 latents .*, got 5"),
        (lambda: Prior.fit(torch.zeros(2, 5, 3), 1), ValueError, r"expected latents of shape \(n, latent_dim\)"),
        (lambda: Prior.fit(torch.full((9, 3), float("nan")), 1), ValueError, "expected finite values in the latents"),
        (lambda: Prior(3).log_density(torch.zeros(5, 2)), ValueError, r"expected latents of shape \(n, 3\)"),
        (lambda: Prior(3).log_density([0.0]), TypeError, "expected the latents as a torch tensor"),
        (lambda: Prior(3).sample(0), ValueError, "expected n of at least 1, got 0"),
        (lambda: Prior(3, 0), ValueError, "expected components of at least 1.*, got 0"),
        (lambda: tiny().set_prior(Prior(4)), ValueError, "expected a prior of 3 latents, got one of 4"),
        (lambda: tiny().set_prior("normal"), TypeError, "expected prior as a Prior, got 'normal'"),
        (lambda: tiny().sample(3, passes=-1), ValueError, "expected passes of at least 0, got -1"),
        (lambda: tiny(prior=-1), ValueError, "expected prior of at least 0, got -1"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call()


# --- in a network -----------------------------------------------------------------------------------------------------
def test_sample_decodes_draws_of_the_prior():
    network = with_prior()
    wanted = network.decode(network.prior.sample(70, seed=3))
    torch.testing.assert_close(network.train().sample(70, seed=3), wanted, rtol=0, atol=1e-6)
    assert network.training
    assert not torch.equal(network.sample(2, seed=3), tiny().sample(2, seed=3))


def test_sample_without_a_prior_decodes_standard_normal_latents():
    network = tiny()
    assert network.prior is None
    torch.testing.assert_close(network.sample(5, seed=2), network.decode(Prior(3).sample(5, seed=2)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("canonical", [True, False])
def test_passes_bring_the_images_through_the_network_again(canonical):
    network = with_prior(canonical=canonical)
    wanted = network.sample(6)
    for passes in (1, 2):
        wanted = network.reconstruct((wanted > 0.5).float())
        torch.testing.assert_close(network.sample(6, passes=passes), wanted, rtol=0, atol=1e-5)
    assert not torch.allclose(wanted, network.sample(6))


def test_each_image_has_noise_of_its_own():
    network = tiny(noise_dim=4)
    network.set_prior(Prior.fit(clouds(30) * 1e-4, 1))  # all latents in one place
    made = network.sample(4)
    assert (made[1:] - made[:1]).abs().amax((1, 2, 3)).min() > 1e-3


@pytest.mark.parametrize("dtype", [None, torch.float16, torch.bfloat16])
def test_the_prior_is_stored_with_the_weights(tmp_path, dtype):
    network = with_prior()
    network.save_pretrained(tmp_path, dtype=dtype)
    loaded = VAE.from_pretrained(tmp_path)
    assert loaded.config == network.config
    assert loaded.prior.components == 3
    z = network.prior.sample(50)
    assert torch.equal(loaded.prior.sample(50), z)
    assert torch.equal(loaded.prior.log_density(z), network.prior.log_density(z))
    torch.testing.assert_close(loaded.sample(9), network.sample(9), rtol=0, atol=1e-6 if dtype is None else 0.02)


def test_weights_without_a_prior_are_stored_as_before(tmp_path):
    network = with_prior()
    network.set_prior(None)
    network.save_pretrained(tmp_path)
    assert not [name for name in network.state_dict() if name.startswith("prior")]
    assert VAE.from_pretrained(tmp_path).prior is None


def test_a_prior_that_does_not_fit_the_weights_is_refused(tmp_path):
    network = with_prior()
    network.config["prior"] = 7
    network.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"do not fit the network of its config.json: prior.log_weights has shape"):
        VAE.from_pretrained(tmp_path)


def test_training_that_goes_on_leaves_the_prior_behind(tmp_path):
    network = with_prior()
    network.save_pretrained(tmp_path)
    going_on = TrainingConfig(**TINY, initial_weights=str(tmp_path)).model()
    assert going_on.prior is None
    assert going_on.config == tiny().config
    assert torch.equal(going_on.to_latent.weight, network.to_latent.weight)
