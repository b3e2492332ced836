"""Structures with a wanted property: they have it, near to their draws of the prior; what cannot be is told apart."""

import csv
import re
from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image

from microtutor.design import NEAR, design, property_named
from microtutor.models import VAE, Prior
from microtutor.properties import effective_conductivity
from tests.commands import run


class Ramp(torch.nn.Module):
    """A decoder that is known by hand: bands along y, as wide as the first latent says, shifted by the second."""

    def __init__(self, size: int, latents: int):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1, latents))
        rows = torch.linspace(-1, 1, size)[:, None].expand(size, size)
        self.register_buffer("rows", rows + 1e-4 * torch.arange(size))

    def forward(self, latents):
        width = 0.4 + 0.1 * (self.weight * latents)[:, 0, None, None]
        return torch.sigmoid(20 * (width - (self.rows - 0.05 * latents[:, 1, None, None]).abs()))[:, None]


@cache
def bands(size=32):
    vae = VAE(latent_dim=3, size=size, channels=4).eval()
    vae.decoder = Ramp(size, 3)  # pyright: ignore[reportAttributeAccessIssue]
    return vae


def area(images):
    return images.mean((-2, -1))


def test_an_area_is_met_to_the_pixel_and_the_values_are_those_of_the_images():
    found = design(bands(), 0.5, property=area, prior=Prior(3), n=4)
    assert found.hits.all()
    assert found.images.unique().tolist() == [0, 1]
    torch.testing.assert_close(found.values, found.images.mean((1, 2, 3)))
    grey = bands().decode(found.latents).detach()
    assert torch.equal(found.images, (grey >= found.levels[:, None, None, None]).float())


def test_a_conductivity_is_that_of_the_image_solved_again():
    found = design(bands(64), 4.0, n=3, prior=Prior(3))
    again = effective_conductivity(found.images[:, 0].double(), (1.0, 10.0)).diagonal(dim1=-2, dim2=-1).mean(-1)
    assert found.hits.all()
    torch.testing.assert_close(found.values.double(), again, rtol=1e-4, atol=0)
    assert (found.calls <= 40).all()
    assert (found.calls >= 1).all()


def test_the_move_is_the_least_one():
    """The area depends on the first latent alone, so the others stay where the draw was."""
    prior = Prior(3)
    draws = prior.sample(1000, seed=5)
    found = design(bands(), 0.55, property=area, prior=prior, n=6, seed=5, tolerance=NEAR)
    moved = (found.latents - draws[:6]).abs()
    assert moved[:, 0].max() > 0.5
    assert moved[:, 1:].max() < 0.35 * moved[:, 0].max()  # the sampled covariance is not quite the identity


def test_equal_seeds_give_equal_structures_and_others_give_others():
    first, again, other = (design(bands(), 0.5, property=area, prior=Prior(3), seed=s).latents for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_search_without_a_hit_says_how_near_it_came():
    found = design(bands(), 0.95, property=area, prior=Prior(3), n=2, steps=2)
    assert not found.hits.any()
    nearest = found.errors.min()
    assert f"{nearest:.1%} off" in found.verdict()
    assert "None of 2 searches" in found.table()
    assert (found.calls == 2).all()


def test_what_the_prior_hardly_draws_is_called_unusual():
    found = design(bands(), 0.95, property=area, prior=Prior(3), n=3, steps=80)
    assert found.hits.all()
    assert not found.usual.any()
    assert "unlike what the network has seen" in found.verdict()
    assert design(bands(), 0.4, property=area, prior=Prior(3), n=3).usual.all()


def test_the_network_is_left_as_it_was():
    vae = bands().train()
    design(vae, 0.5, property=area, prior=Prior(3), n=1)
    assert vae.training
    assert all(p.grad is None for p in vae.parameters())
    vae.eval()


def test_anisotropy_turns_over_with_the_image():
    image = (torch.rand(1, 16, 16, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    measure = property_named("anisotropy", 10.0)
    torch.testing.assert_close(measure(image), 1 / measure(image.mT), rtol=1e-4, atol=0)


def test_bounds_are_those_of_layers():
    layers = (torch.arange(16) % 2).float().expand(16, 16)[None]  # of equal thickness: the most anisotropic of all
    value = property_named("anisotropy", 10.0)(layers).item()
    with pytest.raises(ValueError, match=r"above 0\.3306 and below 3\.025"):
        design(bands(), value * 0.999, property="anisotropy", prior=Prior(3))
    design(bands(), value * 1.001, property="anisotropy", prior=Prior(3), n=1, steps=1)


def test_a_phase_may_conduct_less_than_the_matrix():
    assert design(bands(64), 0.5, contrast=0.1, prior=Prior(3), n=1).hits.all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target": 12.0}, "above 1 and below 10"),
        ({"target": 0.0, "property": area}, "other than 0"),
        ({"contrast": 1.0}, "a contrast other than 1"),
        ({"property": "stiffness"}, "to be 'conductivity' or 'anisotropy'"),
        ({"prior": None}, "a fitted prior"),
        ({"prior": Prior(2)}, "a prior of 3 latents"),
        ({"vae": VAE(latent_dim=3, size=32, channels=4, noise_dim=2)}, "without noise"),
        ({"steps": 0}, "steps of at least 1"),
        ({"tolerance": 0.0}, "tolerance"),
        ({"property": lambda images: images.mean()}, "one number for each"),
        ({"property": lambda images: images.mean((1, 2)) / 0}, "finite numbers"),
        ({"property": lambda images: images.detach().mean((1, 2))}, "differentiable"),
    ],
)
def test_wrong_questions_are_answered_in_one_sentence(changes, words):
    right = {"vae": bands(), "target": 2.0, "prior": Prior(3)} | changes
    with pytest.raises(ValueError, match=re.escape(words)):
        design(**right)


def test_on_the_command_line(tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        VAE(latent_dim=3, size=32, channels=8, prior=1).save_pretrained(tmp_path / "weights")
    call = ["design", tmp_path / "weights", "--output", tmp_path / "made", "--number", 2, "--device", "cpu"]
    said = run(*call, "--conductivity", 5, "--tolerance", 0.3)
    assert said.exit_code == 0, said.output
    assert "2 of 2 structures have 5 within 0.3." in said.output
    assert {path.name for path in (tmp_path / "made").iterdir()} == {
        "structure-1.png",
        "structure-2.png",
        "designs.csv",
    }
    rows = list(csv.DictReader((tmp_path / "made" / "designs.csv").read_text(encoding="utf-8").splitlines()))
    for row in rows:
        with Image.open(tmp_path / "made" / f"structure-{row['number']}.png") as file:
            image = torch.from_numpy(np.asarray(file) / 255)
        value = effective_conductivity(image, (1.0, 10.0)).diagonal().mean().item()
        assert float(row["value"]) == pytest.approx(value, rel=1e-4)
        assert float(row["error"]) == pytest.approx(abs(value / 5 - 1), abs=1e-4)


def test_the_command_ends_with_1_if_nothing_was_found(tmp_path):
    VAE(latent_dim=3, size=32, channels=8, prior=1).save_pretrained(tmp_path / "weights")
    call = ["design", tmp_path / "weights", "--output", tmp_path / "made", "--device", "cpu"]
    said = run(*call, "--conductivity", 9.9, "--steps", 1)
    assert said.exit_code == 1
    assert "None of 5 searches found 9.9" in said.output
