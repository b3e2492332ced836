"""Measures of random material: against hand cases, and on networks that have not learned anything."""

import math

import pytest
import torch
from typer.testing import CliRunner

from microtutor.cli import app
from microtutor.evaluation import (
    CROP_ROWS,
    aligned_data_error,
    chord_length_distance,
    evaluate_crop_reconstructions,
    evaluate_crops,
    prior_samples,
    readings,
)
from microtutor.losses import StatisticsLoss
from microtutor.microstructures import OverlappingDiscs, RockCrops
from microtutor.microstructures.datasets import available
from microtutor.models import VAE

SIZE = 32


def crops(n=6, seed=0):
    return OverlappingDiscs(fraction=0.4, radius=4, size=SIZE).sample(n, seed=seed).images


def network(**changes):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return VAE(**{"latent_dim": 3, "size": SIZE, "channels": 4} | changes).eval()


def bars(width, period=8):
    return (torch.arange(SIZE) % period < width).float().expand(1, 1, SIZE, SIZE)


# --- readings ---------------------------------------------------------------------------------------------------------
def test_readings_of_bars_by_hand():
    """Bars of 2 px at every 8: across, chords of 2 px; along, each of the 8 columns of a line is one chord of 32."""
    found = readings(bars(2))
    assert found["volume_fraction"].item() == pytest.approx(0.25)
    assert found["specific_surface"].item() == pytest.approx(math.pi / 4 * 2 / 8)  # two faces in 8 px
    across, along = 4 * SIZE, 2 * 4  # numbers of chords
    mean = (across * 2 + along * SIZE) / (across + along)
    assert found["mean_chord_length"].item() == pytest.approx(mean)


def test_an_image_without_the_phase_has_no_chords():
    found = readings(torch.zeros(1, 1, 8, 8))
    assert (found["volume_fraction"], found["specific_surface"]) == (0, 0)
    assert found["mean_chord_length"].isnan()
    assert chord_length_distance(torch.zeros(1, 1, SIZE, SIZE), bars(2)).isnan()


def test_crops_need_not_be_square():
    image = torch.zeros(1, 1, 6, 10)
    image[..., 1:4, 2:7] = 1  # three chords of 5 px, five chords of 3 px
    assert readings(image)["mean_chord_length"].item() == pytest.approx((3 * 5 + 5 * 3) / 8)
    assert readings(image.mT)["mean_chord_length"] == readings(image)["mean_chord_length"]
    assert evaluate_crop_reconstructions(image, image).chord_length_distance == 0


def test_chord_length_distance_by_brute_force():
    """Sort the chords of both; matched in this order, their lengths differ by the distance."""

    def chords(image):
        found = []
        for lines in (image, image.T):
            for line in lines.tolist():
                start = line.index(0.0)  # begin outside the phase, so that no chord is cut
                runs = "".join(str(int(v)) for v in line[start:] + line[:start]).split("0")
                found += [len(run) for run in runs if run]
        return sorted(found)

    a, b = crops(2)
    keep = torch.ones(SIZE, SIZE)
    keep[0] = keep[:, 0] = 0  # a gap in each line
    a, b = a * keep, b * keep
    first, second = chords(a[0]), chords(b[0])
    n, m = len(first), len(second)
    matched = sum(
        abs(x - y) for x, y in zip([x for x in first for _ in range(m)], [y for y in second for _ in range(n)])
    )
    assert chord_length_distance(a[None], b[None]).item() == pytest.approx(matched / (n * m), rel=1e-4)


# --- reconstructions --------------------------------------------------------------------------------------------------
def test_a_perfect_reconstruction():
    images = crops()
    found = evaluate_crop_reconstructions(images.roll((3, 5), (-2, -1)).flip((-2, -1)), images, data_set="discs")
    assert all(getattr(found, name) < 1e-6 for name in CROP_ROWS)
    assert found.table().splitlines()[0] == "6 crops of discs, 32 px"
    assert len(found.table().splitlines()) == len(CROP_ROWS) + 1


def test_a_grey_reconstruction():
    images, grey = crops(), torch.full((6, 1, SIZE, SIZE), 0.3)
    found = evaluate_crop_reconstructions(grey, images)
    assert found.greyness == pytest.approx(4 * 0.3 * 0.7)
    assert (found.volume_fraction_difference, found.specific_surface_difference) == (1, 1)  # nothing above 0.5
    assert math.isnan(found.chord_length_distance)
    error = StatisticsLoss("none")(grey, images)
    assert found.statistics_error_mean == pytest.approx(error.mean().item())
    assert found.statistics_error_median == pytest.approx(error.median().item())
    assert found.data_error_mean == pytest.approx(aligned_data_error(grey, images).mean().item(), rel=1e-4)


def test_a_network_is_measured_by_its_reconstructions():
    images, vae = crops(), network()
    a, b = evaluate_crops(vae, images), evaluate_crop_reconstructions(vae.reconstruct(images), images)
    assert all(getattr(a, name) == getattr(b, name) or math.isnan(getattr(a, name)) for name in CROP_ROWS)


@pytest.mark.parametrize("given", [torch.zeros(8, 8), torch.zeros(2, 3, 8, 8), [1], 255 * torch.ones(2, 1, 8, 8)])
def test_what_are_no_crops(given):
    for measure in (readings, lambda m: chord_length_distance(m, m), lambda m: evaluate_crop_reconstructions(m, m)):
        with pytest.raises((TypeError, ValueError), match=r"expected (the|a|images) .*(shape|tensor|values in)"):
            measure(given)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_crops_of_one_phase_are_refused(value):
    images = crops()
    images[2] = value
    with pytest.raises(ValueError, match="expected images with both phases in them, got some with one phase only"):
        evaluate_crop_reconstructions(images, images)


# --- samples -----------------------------------------------------------------------------------------
def test_prior_samples_are_decoded_standard_normal_numbers():
    for vae in (network(), network(noise_dim=2)):
        made = prior_samples(vae, 70, seed=1)
        assert made.shape == (70, 1, SIZE, SIZE)
        assert torch.equal(made, prior_samples(vae, 70, seed=1))
        assert not torch.equal(made, prior_samples(vae, 70, seed=2))
        assert not made.requires_grad


def test_networks_in_training_mode_are_decoded_in_evaluation_mode():
    vae = network(encoder="resnet18", decoder="paper", noise_dim=2)  # whose batch norm differs between the modes
    wanted = prior_samples(vae, 4)
    vae.train()
    assert torch.equal(prior_samples(vae, 4), wanted)
    assert vae.training


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not available("rock/berea.zip"), reason="the scan of Berea is not in the cache folder")
def test_the_command_measures_on_rock(tmp_path):
    network().save_pretrained(tmp_path)
    said = CliRunner().invoke(app, ["evaluate", str(tmp_path), "--material", "berea", "--images", "8"])
    assert said.exit_code == 0, said.output
    wanted = evaluate_crops(network(), RockCrops("berea", size=SIZE).sample(8).images, data_set="berea").table()
    assert said.output.splitlines()[:-1] == wanted.splitlines()[:-1]  # the last line is the time that it took


def test_the_command_measures_on_the_chosen_device(tmp_path, monkeypatch):
    network().save_pretrained(tmp_path)
    found, devices = network(), []
    monkeypatch.setattr("microtutor.environment.find_device", lambda name: f"the device {name}")
    monkeypatch.setattr(VAE, "from_pretrained", lambda name, device="cpu": devices.append(device) or found)
    monkeypatch.setattr("microtutor.evaluation.evaluate_on", lambda *given, steps: evaluate_crops(found, crops()))
    monkeypatch.setattr("microtutor.evaluation.report", lambda *given, device, **named: devices.append(device) or [])
    monkeypatch.setattr("microtutor.evaluation.table", lambda rows: "")
    for command in (["evaluate", "a", "--device", "x", "--material", "berea"], ["reproduce", "--device", "x"]):
        said = CliRunner().invoke(app, command)
        assert said.exit_code == 0, said.output
    assert devices == ["the device x"] * 3  # a network, two tables
