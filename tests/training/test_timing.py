import tempfile

import pytest
import torch

from microtutor.training import PRESETS, TrainingConfig, estimate_minutes, timing

TINY = TrainingConfig(size=32, channels=4, latent_dim=3, steps=600, batch_size=4, validation_images=6, device="cpu")


@pytest.fixture
def trials(monkeypatch):
    """The configurations that were tried, on a machine where the second half of a trial takes 5 seconds."""
    tried = []
    monkeypatch.setattr(timing, "train", lambda config, folder, *, progress: tried.append(config))
    monkeypatch.setattr(timing, "read_log", lambda folder: {"seconds": [100.0, 105.0]})
    return tried


def test_seconds_become_minutes(trials):
    assert estimate_minutes(TINY, steps=50) == pytest.approx(600 * 5 / 50 / 60)
    assert estimate_minutes(TINY, steps=1) == pytest.approx(600 * 5 / 60)


@pytest.mark.parametrize("name", PRESETS)
def test_a_trial_needs_no_download_and_validates_as_often_as_the_run(trials, name):
    preset = PRESETS[name]
    estimate_minutes(preset, steps=50)
    (trial,) = trials
    assert (trial.material, trial.pretrained, trial.initial_weights) == ("lines", False, None)
    assert (trial.steps, trial.validate_every, trial.checkpoint_every) == (100, 50, 100)
    share = preset.validation_images / preset.validate_every
    assert trial.validation_images / trial.validate_every == pytest.approx(share, rel=0.02)
    for choice in ("size", "batch_size", "precision", "device", "encoder", "decoder", "channels", "latent_dim"):
        assert getattr(trial, choice) == getattr(preset, choice)


def test_other_materials_and_weights_to_start_from(trials):
    estimate_minutes(TINY.replace(material="own", initial_weights="nowhere", images=40, normalise=True), steps=2)
    assert (trials[0].material, trials[0].initial_weights, trials[0].images) == ("lines", None, 4)


def test_a_real_trial_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    random = torch.random.get_rng_state()
    assert 0 <= estimate_minutes(TINY, steps=2) < 600
    assert list(tmp_path.iterdir()) == []
    assert torch.equal(torch.random.get_rng_state(), random)


@pytest.mark.parametrize("steps", [0, 1.5, True])
def test_steps_are_counted(trials, steps):
    with pytest.raises((TypeError, ValueError), match="expected steps"):
        estimate_minutes(TINY, steps=steps)
    assert trials == []
