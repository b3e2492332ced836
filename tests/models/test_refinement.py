import pytest
import torch

from microtutor.losses import StatisticsLoss
from microtutor.microstructures import LineImages
from microtutor.models import VAE

ERRORS = StatisticsLoss("none")


def tiny(**changes):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return VAE(**{"size": 32, "channels": 4, "latent_dim": 3} | changes).eval()


def images(n=4, seed=0):
    return LineImages(size=32).sample(n, seed=seed).images


def errors(network, latents, target):
    with torch.no_grad():
        return ERRORS(network.decode(latents), target)[:, 0]


def test_refined_latents_are_nearer_and_never_further():
    network, generator = tiny(), torch.Generator().manual_seed(0)
    target, start = (3 * torch.randn(6, 3, generator=generator) for _ in range(2))
    target = network.decode(target).detach()
    before, last = errors(network, start, target), None
    for steps in (1, 5, 40):
        refined = network.refine(start, target, steps=steps)
        after = errors(network, refined, target)
        assert (after <= before * 1.0001).all()
        assert not refined.requires_grad
        last = after
    assert last.mean() < 0.5 * before.mean()


def test_a_step_that_is_far_too_long_does_no_harm():
    network, target = tiny(), images()
    start = torch.zeros(4, 3)
    assert (
        errors(network, network.refine(start, target, steps=3, learning_rate=1e4), target)
        <= errors(network, start, target)
    ).all()


def test_each_image_is_refined_on_its_own():
    network, target = tiny(), images(5)
    start = torch.zeros(5, 3)
    whole = network.refine(start, target, steps=8)
    for batch_size in (1, 2):
        torch.testing.assert_close(
            network.refine(start, target, steps=8, batch_size=batch_size), whole, atol=1e-4, rtol=0
        )


def test_it_goes_back_to_latents_whose_image_is_the_target():
    network = tiny()
    wanted = torch.tensor([[0.5, -0.3, 0.2]])
    target = network.decode(wanted).detach()
    refined = network.refine(torch.zeros(1, 3), target, steps=200, learning_rate=0.1)
    assert errors(network, refined, target) < 1e-3 * errors(network, torch.zeros(1, 3), target)


def test_where_the_target_lies_does_not_matter():
    network, target = tiny(), images()
    moved = target.roll((3, -5), (-2, -1)).flip((-2, -1))
    made = [network.refine(torch.zeros(4, 3), each, steps=5) for each in (target, moved)]
    torch.testing.assert_close(*made, atol=1e-3, rtol=0)


def test_it_stops_at_a_tolerance(monkeypatch):
    network, target, decoded = tiny(), images(), []
    decode = network.decode
    monkeypatch.setattr(network, "decode", lambda z, noise=None: decoded.append(1) or decode(z, noise))
    start = torch.zeros(4, 3)
    assert torch.equal(network.refine(start, target, steps=9, tolerance=1.0), start)
    assert len(decoded) == 1
    network.refine(start, target, steps=9)
    assert len(decoded) == 1 + 10


@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_reconstruct_refines_what_was_encoded(around):
    network, x = tiny(), images()
    with around():
        encoded, refined = network.reconstruct(x), network.reconstruct(x, steps=10)
    assert refined.shape == x.shape
    assert not refined.requires_grad
    assert (ERRORS(refined, x) <= ERRORS(encoded, x) * 1.0001).all()
    assert ERRORS(refined, x).mean() < ERRORS(encoded, x).mean()
    parts = torch.cat([network.reconstruct(part, steps=10) for part in x.split(2)])
    assert torch.equal(network.reconstruct(x, steps=10, batch_size=2), parts)


def test_weights_and_mode_stay():
    network = tiny().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.refine(torch.zeros(2, 3), images(2), steps=3)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_decoder_that_takes_noise():
    network, target = tiny(noise_dim=2), images(3)
    noise = torch.randn(3, 2, generator=torch.Generator().manual_seed(1))
    refined = network.refine(torch.zeros(3, 3), target, steps=10, noise=noise, batch_size=2)
    with torch.no_grad():
        before, after = (ERRORS(network.decode(z, noise), target) for z in (torch.zeros(3, 3), refined))
    assert (after <= before).all()
    assert after.mean() < before.mean()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"latents": torch.zeros(4, 2)}, "expected latents of shape"),
        ({"latents": torch.zeros(4, 3, dtype=torch.long)}, "latents as a float tensor"),
        ({"latents": torch.zeros(3, 3)}, "one target for each of 3 latent vectors, got 4"),
        ({"target": torch.zeros(4, 1, 64, 64)}, r"expected images of shape \(batch, 1, 32, 32\)"),
        ({"target": torch.full((4, 1, 32, 32), 255.0)}, r"values in \[0, 1\]"),
        ({"steps": 0}, "steps of at least 1"),
        ({"steps": 2.5}, "steps as a whole number"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"tolerance": -1.0}, "tolerance"),
        ({"batch_size": 0}, "batch_size of at least 1"),
        ({"noise": torch.zeros(2, 1)}, "expected noise of shape"),
        ({"noise": [[0.0]] * 4}, "expected noise of shape"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, message):
    given = {"latents": torch.zeros(4, 3), "target": images(), "steps": 2} | changes
    with pytest.raises((TypeError, ValueError), match=message):
        tiny().refine(**given)


def test_reconstruct_refuses_steps_below_none():
    with pytest.raises(ValueError, match="steps of at least 0"):
        tiny().reconstruct(images(), steps=-1)
