"""Whitening gives the latents mean 0 and covariance 1, and leaves what the network draws as it was."""

import pytest
import torch

from microtutor.losses import kl_divergence
from microtutor.microstructures import LineImages
from microtutor.models import VAE, Prior, finish, whiten
from microtutor.statistics import canonical_form
from microtutor.streams import named_generator
from tests.models import spread

SOURCE = LineImages(size=32)
TRAINING = SOURCE.sample(600, split="train").images


def network(**changes):
    return spread.network(log_variance=-3, **changes)


@torch.no_grad()
def encoded(vae, images):
    mean, log_variance = vae.encode(canonical_form(images) if vae.canonical else images)
    return mean.double(), log_variance.double()


def map_of(vae, white):
    """The linear map from the old latents to the new ones, found from what the two encoders make of images."""
    mean, new = encoded(vae, TRAINING)[0], encoded(white, TRAINING)[0]
    return torch.linalg.lstsq(mean - mean.mean(0), new - new.mean(0)).solution.T


KINDS = [{}, {"noise_dim": 4}, {"decoder": "paper"}, {"encoder": "resnet18"}, {"canonical": False}, {"latent_dim": 1}]


@pytest.mark.parametrize("changes", KINDS)
def test_reconstructions_stay_as_they_were(changes):
    vae = network(**changes)
    before = {name: value.clone() for name, value in vae.state_dict().items()}
    white = whiten(vae, TRAINING[:200])
    images = SOURCE.sample(20).images
    torch.testing.assert_close(white.reconstruct(images), vae.reconstruct(images), rtol=0, atol=2e-5)
    assert all(torch.equal(before[name], value) for name, value in vae.state_dict().items())
    assert not torch.allclose(white.to_latent.weight, vae.to_latent.weight, rtol=0.1)


@pytest.mark.parametrize("changes", KINDS)
def test_latents_of_the_given_images_have_mean_0_and_covariance_1(changes):
    vae = network(**changes)
    white = whiten(vae, TRAINING)
    (_, log_variance), (mean, _) = encoded(vae, TRAINING), encoded(white, TRAINING)
    w = map_of(vae, white)
    within = w @ log_variance.exp().mean(0).diag() @ w.T  # what each image spreads, carried over
    assert mean.mean(0).abs().max() < 1e-4
    torch.testing.assert_close(
        mean.T.cov(correction=0).reshape(w.shape) + within, torch.eye(len(w)).double(), rtol=0, atol=1e-3
    )


def test_axes_stay_as_near_as_they_can():
    vae = network()
    w = map_of(vae, whiten(vae, TRAINING))
    torch.testing.assert_close(w, w.T, rtol=0, atol=1e-4)
    assert torch.linalg.eigvalsh(w).min() > 0


def test_variances_are_those_of_the_new_latents_but_for_what_a_linear_layer_cannot_say():
    vae = network()
    white = whiten(vae, TRAINING)
    others = SOURCE.sample(200).images
    w = map_of(vae, white)
    wanted = (encoded(vae, others)[1].exp() @ w.square().T).log()
    error = encoded(white, others)[1] - wanted
    assert error.square().mean().sqrt() < 0.3 * wanted.std(0).mean()
    mean, log_variance = encoded(white, others)
    assert float(kl_divergence(mean, log_variance)) == pytest.approx(float(kl_divergence(mean, wanted)), rel=0.01)


def test_whitening_twice_changes_nothing_more():
    once = whiten(network(), TRAINING)
    twice = whiten(once, TRAINING)
    torch.testing.assert_close(map_of(once, twice), torch.eye(3).double(), rtol=0, atol=0.02)


def test_finish_fits_the_prior_to_training_images():
    vae = network()
    done = finish(vae, SOURCE, images=300, components=2)
    images = torch.cat([SOURCE.sample(100, split="train", index=index).images for index in range(3)])
    mean, log_variance = encoded(done, images)
    noise = torch.randn(mean.shape, generator=named_generator("prior fit", 0, 1), dtype=mean.dtype)
    drawn = mean + noise * (0.5 * log_variance).exp()
    wanted = Prior.fit(drawn, 2).log_density(drawn)
    torch.testing.assert_close(done.prior.log_density(drawn), wanted, rtol=0, atol=0.01)
    assert wanted.mean() > Prior(3).log_density(drawn).mean()
    torch.testing.assert_close(done.reconstruct(images[:9]), vae.reconstruct(images[:9]), rtol=0, atol=2e-5)
    assert vae.prior is None


def test_finish_asks_for_training_images_alone():
    asked = []

    class Watched(LineImages):
        def sample(self, n, **choices):
            asked.append((n, choices["split"], choices["seed"], choices["index"]))
            return super().sample(n, **choices)

    finish(network(), Watched(size=32), images=120, components=1, seed=5)
    assert asked == [(100, "train", 5, 0), (20, "train", 5, 1)]


def test_a_finished_network_is_stored(tmp_path):
    done = finish(network(noise_dim=2), SOURCE, images=100, components=2)
    done.save_pretrained(tmp_path, dtype=torch.float16)
    loaded = VAE.from_pretrained(tmp_path)
    torch.testing.assert_close(loaded.sample(5), done.sample(5), rtol=0, atol=0.01)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: whiten("lines-1-4", TRAINING), TypeError, "expected vae as a VAE, got .*from_pretrained"),
        (lambda: whiten(network(), TRAINING[:1]), ValueError, "expected at least two images of shape"),
        (lambda: whiten(network(size=64), TRAINING), ValueError, r"images of shape \(n, 1, 64, 64\)"),
        (lambda: whiten(network(), 255 * TRAINING), ValueError, r"values in \[0, 1\]"),
        (lambda: finish(network(), TRAINING), TypeError, "expected source with a method sample"),
        (lambda: finish(network(), SOURCE, images=5), ValueError, "expected images of at least 20, got 5"),
        (lambda: finish(network(), SOURCE, images=50, components=50), ValueError, "components .* below 50, got 50"),
        (lambda: finish(network(size=64), SOURCE, images=50), ValueError, r"expected source.sample\(50\) to give"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call()
