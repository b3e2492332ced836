import itertools
import json

import pytest
import torch

from microtutor.losses import WeightedLoss
from microtutor.microstructures import LineImages
from microtutor.training import PRESETS, TrainingConfig

PAPER = PRESETS["paper"]


def test_the_paper_preset_is_the_papers_recipe():
    """arXiv 2402.11103, appendix A, and the configuration of its published code."""
    assert (PAPER.encoder, PAPER.decoder, PAPER.pretrained, PAPER.frozen) == ("resnet152", "paper", True, True)
    assert (PAPER.latent_dim, PAPER.size, PAPER.count) == (9, 224, (1, 4))
    assert (PAPER.images, PAPER.validation_images) == (7000, 3000)
    assert (PAPER.batch_size, PAPER.steps) == (32, 1500 * (7000 // 32))
    assert (PAPER.optimizer, PAPER.learning_rate, PAPER.schedule, PAPER.clip) == ("adam", 1e-3, "halve", 0)
    assert (PAPER.canonical, PAPER.data_warm_up, PAPER.normalise, PAPER.precision) == (False, 0, True, "no")
    for step in (0, PAPER.steps - 1):
        loss = PAPER.loss_at(step, statistics_scale=2.0)  # f is divided by its largest value, so f^2 by its square
        assert loss == WeightedLoss(alpha=0.25, beta=1.0, amplitude=0.0, data=0.0, soft_indicator=0.25)


@pytest.mark.parametrize(("name", "size"), [("classroom", 64), ("laptop", 224), ("gpu", 224), ("paper", 224)])
def test_presets(name, size):
    preset = PRESETS[name]
    assert preset.size == size
    assert preset.lines() == LineImages(count=(1, 4), size=size)
    with torch.device("meta"):
        assert preset.replace(pretrained=False).model().size == size
    assert preset.device == ("cuda" if name == "gpu" else "auto")
    assert preset.data_share(preset.steps - 1) == (0 if name == "paper" else 0.5)
    if name != "paper":
        assert (preset.canonical, preset.data_share(0)) == (True, 1)


def test_data_share_falls_from_one_to_zero():
    config = TrainingConfig(steps=100, data_warm_up=0.6)
    shares = [config.data_share(step) for step in range(100)]
    assert shares[0] == 1
    assert shares[30] == pytest.approx(0.5)
    assert shares[60:] == [0] * 40
    assert all(a > b for a, b in itertools.pairwise(shares[:61]))
    assert {TrainingConfig(data_warm_up=0).data_share(step) for step in (0, 1, 1799)} == {0}
    assert {TrainingConfig(loss="data").data_share(step) for step in (0, 1, 1799)} == {1}
    assert TrainingConfig(steps=10, data_warm_up=1).data_share(9) == pytest.approx(0.1)
    mixed = TrainingConfig(steps=10, data_warm_up=0.5, final_data_share=0.3)
    assert [mixed.data_share(step) for step in (0, 3, 4, 9)] == pytest.approx([1, 0.4, 0.3, 0.3])


def test_loss_at():
    config = TrainingConfig(steps=10, data_warm_up=1, alpha=100, amplitude=10, beta=3, data=8, soft_indicator=0.5)
    assert config.loss_at(0) == WeightedLoss(alpha=0, beta=3, amplitude=0, data=8, soft_indicator=0.5)
    assert config.loss_at(5) == WeightedLoss(alpha=50, beta=3, amplitude=5, data=4, soft_indicator=0.5)
    assert config.loss_at(5, statistics_scale=0.1).alpha == pytest.approx(5000)
    assert config.replace(loss="data").loss_at(9) == WeightedLoss(
        alpha=0, beta=3, amplitude=0, data=8, soft_indicator=0.5
    )


def test_model_has_what_the_configuration_says():
    config = TrainingConfig(size=32, latent_dim=3, channels=4, decoder="paper", canonical=False)
    assert config.model().config == {
        "latent_dim": 3,
        "encoder": "compact",
        "decoder": "paper",
        "size": 32,
        "channels": 4,
        "canonical": False,
        "frozen": False,
        "noise_dim": 0,
        "prior": 0,
    }
    assert config.replace(noise_dim=5).model().noise_dim == 5


def test_a_configuration_survives_json():
    config = TrainingConfig(count=[3, 6], seed=4, images=100, soft_indicator=0.25)
    assert config.count == (3, 6)
    assert TrainingConfig(**json.loads(json.dumps(config.as_dict()))) == config


def test_replace_checks_too():
    assert PAPER.replace(steps=5) == PRESETS["paper"].replace(steps=5) != PAPER
    with pytest.raises(ValueError, match="expected steps of at least 1, got 0"):
        PAPER.replace(steps=0)


@pytest.mark.parametrize(
    ("choice", "error", "message"),
    [
        ({"loss": "pixels"}, ValueError, "expected loss to be 'statistics' or 'data', got 'pixels'"),
        ({"optimizer": "sgd"}, ValueError, "expected optimizer to be 'adamw' or 'adam', got 'sgd'"),
        ({"schedule": "cosine"}, ValueError, "expected schedule to be 'one-cycle' or 'halve', got 'cosine'"),
        ({"precision": "fp8"}, ValueError, "expected precision to be 'auto', 'no', 'bf16' or 'fp16', got 'fp8'"),
        ({"steps": 0}, ValueError, "expected steps of at least 1, got 0"),
        ({"batch_size": 2.5}, TypeError, "expected batch_size as a whole number, got 2.5"),
        ({"validate_every": 0}, ValueError, "expected validate_every of at least 1"),
        ({"validation_images": 0}, ValueError, "expected validation_images of at least 1"),
        ({"checkpoint_every": -1}, ValueError, "expected checkpoint_every of at least 1"),
        ({"images": 31}, ValueError, "expected at least batch_size=32 images, got 31"),
        ({"alpha": -1.0}, ValueError, "expected alpha as a finite number of at least 0, got -1"),
        ({"beta": float("nan")}, ValueError, "expected beta as a finite number of at least 0, got nan"),
        ({"data": "much"}, TypeError, "expected data as a finite number of at least 0, got 'much'"),
        ({"learning_rate": 0}, ValueError, "expected learning_rate as a finite number above 0, got 0"),
        (
            {"data_warm_up": 1.5},
            ValueError,
            "expected data_warm_up as a finite number of at least 0 and at most 1, got 1.5",
        ),
        (
            {"final_data_share": 2},
            ValueError,
            "expected final_data_share as a finite number of at least 0 and at most 1, got 2",
        ),
        ({"seed": -1}, ValueError, "expected seed of at least 0, got -1"),
        ({"seed": 2**32}, ValueError, "expected seed of at least 0 and below 4294967296, got 4294967296"),
        ({"normalise": "false"}, TypeError, r"expected normalise to be True or False, got 'false' \(str\)"),
        ({"clip": float("inf")}, ValueError, "expected clip as a finite number of at least 0, got inf"),
        ({"size": 50}, ValueError, "expected size as a multiple of 16 pixels, got 50; crop or resize to 48"),
        ({"device": "gpu"}, ValueError, "expected a device such as 'auto', 'cpu', 'cuda' or 'mps', got 'gpu'"),
        ({"seed": None}, TypeError, "expected seed as a whole number, got None"),
        ({"count": 4}, TypeError, r"expected count as a pair \(fewest, most\), got 4"),
        ({"count": (4, 1)}, ValueError, "fewest <= most"),
        ({"size": 8}, ValueError, "expected size of at least 16, got 8"),
        ({"encoder": "resnet34"}, ValueError, "expected encoder to be 'compact', .*, got 'resnet34'"),
        ({"decoder": "deep"}, ValueError, "expected decoder to be 'compact' or 'paper', got 'deep'"),
        ({"canonical": "none"}, TypeError, r"expected canonical to be True or False, got 'none' \(str\)"),
        ({"soft_indicator": 0.0}, ValueError, "expected soft_indicator as a finite number above 0, or None, got 0"),
    ],
)
def test_bad_choices(choice, error, message):
    with pytest.raises(error, match=message):
        TrainingConfig(**choice)


def test_unknown_choice():
    with pytest.raises(TypeError, match="step_size"):
        TrainingConfig(step_size=3)


def test_a_run_starts_from_weights_of_its_own_network(tmp_path):
    config = TrainingConfig(size=32, channels=8, latent_dim=2)
    vae = config.replace(seed=5).model()
    vae.save_pretrained(tmp_path)
    started = config.replace(initial_weights=str(tmp_path)).model()
    for name, weight in vae.state_dict().items():
        assert torch.equal(started.state_dict()[name], weight)
    with pytest.raises(ValueError, match=r"initial_weights=.* but it has latent_dim=2"):
        config.replace(initial_weights=str(tmp_path), latent_dim=3).model()
    with pytest.raises(FileNotFoundError):
        config.replace(initial_weights="no-such-weights").model()


def test_grey_penalty_rises_with_the_statistics_loss():
    config = TrainingConfig(steps=10, data_warm_up=0.5, grey_penalty=2)
    assert [config.loss_at(step).grey_penalty for step in (0, 1, 9)] == pytest.approx([0, 0.4, 2])
