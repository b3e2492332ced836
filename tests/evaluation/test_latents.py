"""What the latents of a network are like, beside what is computed for them in another way."""

import dataclasses

import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from microtutor.evaluation import latent_summary
from microtutor.microstructures import LineImages
from microtutor.models import whiten
from microtutor.statistics import canonical_form
from tests.models.spread import network

IMAGES = LineImages(size=32).sample(250, split="train").images


@torch.no_grad()
def latents(vae):
    """Mean and log-variance of the latents of the images, in float64."""
    mean, log_variance = vae.encode(canonical_form(IMAGES) if vae.canonical else IMAGES)
    return mean.double(), log_variance.double()


@pytest.mark.parametrize("changes", [{}, {"canonical": False}, {"latent_dim": 1}, {"noise_dim": 2}])
def test_numbers_are_those_of_the_distributions(changes):
    vae = network(**changes)
    mean, log_variance = latents(vae)
    k = vae.latent_dim
    of_images = Independent(Normal(mean, (0.5 * log_variance).exp()), 1)
    standard = MultivariateNormal(torch.zeros(k).double(), torch.eye(k).double())
    deviations = mean - mean.mean(0)
    covariance = deviations.T @ deviations / len(mean) + log_variance.exp().mean(0).diag()
    together = MultivariateNormal(mean.mean(0), covariance)
    found = latent_summary(vae.train(), IMAGES)
    assert vae.training
    plain = Independent(Normal(torch.zeros(k).double(), torch.ones(k).double()), 1)
    assert found.kl == pytest.approx(float(kl_divergence(of_images, plain).mean()), rel=1e-5)
    assert found.mismatch == pytest.approx(float(kl_divergence(together, standard)), rel=1e-5)
    entropies = together.entropy() - of_images.entropy().mean()  # how much more the latents of all images spread
    assert found.whitened_kl == pytest.approx(float(entropies), rel=1e-5)
    assert found.spread == pytest.approx(float(covariance.diagonal().mean().sqrt()), rel=1e-5)
    assert (found.images, found.latent_dim) == (250, k)


def test_whitening_takes_the_mismatch_away_and_leaves_the_rest():
    vae = network()
    before, after = latent_summary(vae, IMAGES), latent_summary(whiten(vae, IMAGES), IMAGES)
    assert before.mismatch > 1
    assert abs(after.mismatch) < 0.01
    assert after.spread == pytest.approx(1, abs=0.01)
    assert after.whitened_kl == pytest.approx(before.whitened_kl, rel=0.02)
    assert after.kl == pytest.approx(before.whitened_kl, rel=0.02)


def test_latents_that_do_not_see_the_image_are_not_in_use():
    vae = network()
    assert latent_summary(vae, IMAGES).active_units == 3
    with torch.no_grad():
        vae.to_latent.weight[1] = 0
        vae.to_latent.weight[2] *= 0.05 / latents(vae)[0].std(0)[2]  # a variance of 0.0025
    assert latent_summary(vae, IMAGES).active_units == 1


def test_table_names_each_number():
    found = dataclasses.replace(latent_summary(network(), IMAGES), kl=75.25, whitened_kl=41.5, mismatch=33.75)
    text = found.table()
    assert text.startswith("250 images, 3 latents\n")
    for words in ("75.25", "41.50", "33.75", f"{found.spread:.2f}", "latents in use"):
        assert words in text
    assert max(map(len, text.splitlines())) <= 60


@pytest.mark.parametrize(
    ("vae", "images", "error", "words"),
    [
        ("lines-1-4", IMAGES, TypeError, "expected vae as a VAE, got"),
        (network(), IMAGES[:3], ValueError, "expected more images than latents, more than 3, of shape"),
        (network(size=64), IMAGES, ValueError, r"of shape \(n, 1, 64, 64\), got"),
        (network(), 255 * IMAGES, ValueError, r"values in \[0, 1\]"),
    ],
)
def test_bad_input(vae, images, error, words):
    with pytest.raises(error, match=words):
        latent_summary(vae, images)
