"""Measures of random material: against hand cases, and on networks that have not learned anything."""

import json
import math
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from microtutor import records
from microtutor.cli import app
from microtutor.evaluation import (
    CROP_ROWS,
    aligned_data_error,
    at_own_fraction,
    chord_length_distance,
    evaluate_crop_reconstructions,
    evaluate_crops,
    prior_samples,
    readings,
    realisation_report,
    rock_report,
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


@pytest.mark.parametrize(
    ("vaes", "options", "message"),
    [
        ({}, {}, "expected at least one VAE by its name, .*got {}"),
        ([network()], {}, "expected at least one VAE by its name"),
        ({"a": "berea"}, {}, r"expected vaes\['a'\] as a VAE, got 'berea'.*; load it with VAE.from_pretrained"),
        ({"a": network(), "b": network(size=16)}, {}, "expected VAEs for images of one size, got sizes 16, 32"),
        ({"a": network()}, {"rock": "marble"}, "expected the rock to be 'berea' or 'ketton', got 'marble'"),
        ({"a": network()}, {"other": 3}, "expected the rock to be 'berea' or 'ketton', got 3"),
        ({"a": network()}, {"crops": 0}, "expected crops of at least 2, got 0"),
    ],
)
def test_bad_reports(vaes, options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        rock_report(vaes, **options)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_crops_of_one_phase_are_refused(value):
    images = crops()
    images[2] = value
    with pytest.raises(ValueError, match="expected images with both phases in them, got some with one phase only"):
        evaluate_crop_reconstructions(images, images)


def test_at_own_fraction_keeps_the_mean_and_the_order():
    grey = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(0)) ** 2
    cut = at_own_fraction(grey)
    assert set(cut.unique().tolist()) == {0, 1}
    assert torch.equal(cut.sum((1, 2, 3)), grey.sum((1, 2, 3)).round())
    for g, c in zip(grey, cut):
        assert g[c == 1].min() >= g[c == 0].max()


# --- samples and realisations -----------------------------------------------------------------------------------------
def test_prior_samples_are_decoded_standard_normal_numbers():
    for vae in (network(), network(noise_dim=2)):
        made = prior_samples(vae, 70, seed=1)
        assert made.shape == (70, 1, SIZE, SIZE)
        assert torch.equal(made, prior_samples(vae, 70, seed=1))
        assert not torch.equal(made, prior_samples(vae, 70, seed=2))
        assert not made.requires_grad


def test_networks_in_training_mode_are_measured_in_evaluation_mode():
    vae = network(encoder="resnet18", decoder="paper", noise_dim=2)  # whose batch norm differs between the modes
    wanted = prior_samples(vae, 4), realisation_report(vae, crops(3), crops(4, seed=1), n=2)
    vae.train()
    assert torch.equal(prior_samples(vae, 4), wanted[0])
    assert realisation_report(vae, crops(3), crops(4, seed=1), n=2) == wanted[1]
    assert vae.training


@pytest.mark.gpu
def test_networks_on_a_gpu_are_measured():
    wanted = realisation_report(network(noise_dim=2), crops(3), crops(4, seed=1), n=2)
    found = realisation_report(network(noise_dim=2).cuda(), crops(3), crops(4, seed=1), n=2)
    name = "statistics_error_mean_at_zero_noise"
    assert found[name] == pytest.approx(wanted[name], rel=0.05)


class Roller(VAE):
    """A decoder whose noise only shifts: all its images are equivalent images."""

    def decode(self, latents, noise=None):
        made = crops(1).expand(len(latents), -1, -1, -1)
        noise = torch.zeros(len(latents), self.noise_dim) if noise is None else noise
        return torch.stack([m.roll(int(e * 10), -1) for m, e in zip(made, noise[:, 0])])


def test_equivalent_images_are_no_realisations():
    vae = Roller(latent_dim=3, size=SIZE, channels=4, noise_dim=2)
    found = realisation_report(vae, crops(3, seed=1), crops(8, seed=2), n=5)
    assert found["median_distance"] < 1e-6
    assert found["ratio"] < 1e-5
    assert found["unrelated_median_distance"] > 0.1
    error = StatisticsLoss()(crops(1).expand(3, -1, -1, -1), crops(3, seed=1)).item()
    for name in ("statistics_error_mean", "thresholded_statistics_error_mean", "statistics_error_mean_at_zero_noise"):
        assert found[name] == pytest.approx(error, rel=1e-3)
    assert (found["targets"], found["realisations"]) == (3, 5)


# --- the report -------------------------------------------------------------------------------------------------------
@pytest.fixture
def small_rock(monkeypatch):
    """Stands in for both rocks: a volume of random blobs."""
    generator = torch.Generator().manual_seed(0)
    field = torch.nn.functional.avg_pool3d(torch.rand(1, 1, 68, 68, 68, generator=generator), 9, 1)[0, 0]
    volume = field > field.quantile(0.7)
    report = sys.modules["microtutor.evaluation.rock_report"]
    monkeypatch.setattr(report, "RockCrops", lambda name, size: RockCrops(volume, size=16))
    monkeypatch.setattr(report, "TRAINING_CROPS", 60)
    monkeypatch.setattr(report, "TARGETS", 2)


def test_report(small_rock, tmp_path, capsys):
    vaes = {"plain": network(size=16), "noisy": network(size=16, noise_dim=4)}
    written = records.write_rock_report(
        tmp_path / "rock.json", command="microtutor x", vaes=vaes, rock="berea", crops=20
    )
    assert json.loads(Path(tmp_path / "rock.json").read_text(encoding="utf-8")) == written
    assert "samples from the prior" in capsys.readouterr().err
    for rock in ("berea", "ketton"):
        rows = written["reconstruction"][rock]
        assert list(rows)[-4:] == ["plain", "noisy", "plain, cut at its own fraction", "noisy, cut at its own fraction"]
        assert (
            rows["PCA of the statistics, 32 numbers"]["statistics_error_mean"]
            < (rows["PCA of the statistics, 9 numbers"]["statistics_error_mean"])
        )
        nearest, chance = rows["nearest training crop"], rows["any training crop"]
        assert nearest["statistics_error_mean"] < chance["statistics_error_mean"]
    assert written["prior"]["originals"]["chord_length_distance"] == 0
    assert written["prior"]["originals"]["mean_statistics_error"] == 0
    assert written["prior"]["plain"]["mean_statistics_error"] > 0
    plain, noisy = (written["realisations"][name] for name in ("plain", "noisy"))
    assert (plain["realisations"], noisy["realisations"]) == (1, 16)
    assert "ratio" in noisy


def test_lines_have_no_rock_report():
    with pytest.raises(
        ValueError, match="expected a record of berea or ketton, got 'lines'; lines have `microtutor rep"
    ):
        records.write_rock_report("x.json", command="", vaes={}, rock="lines", crops=2)


def test_a_rock_is_not_its_own_stranger():
    """Its held-out blocks would be measured with the blocks that the networks learned from."""
    with pytest.raises(ValueError, match="expected other as another rock than 'berea', got the same one"):
        rock_report({"plain": network(size=16)}, rock="berea", other="berea", crops=2)


@pytest.mark.skipif(not available("rock/berea.zip"), reason="the scan of Berea is not in the cache folder")
def test_the_command_measures_on_rock(tmp_path):
    network().save_pretrained(tmp_path)
    said = CliRunner().invoke(app, ["evaluate", str(tmp_path), "--material", "berea", "--images", "8"])
    assert said.exit_code == 0, said.output
    wanted = evaluate_crops(network(), RockCrops("berea", size=SIZE).sample(8).images, data_set="berea").table()
    assert said.output.strip() == wanted


def test_the_command_keeps_no_record_of_lines(tmp_path):
    network().save_pretrained(tmp_path)
    options = ["--material", "lines", "--images", "4", "--record", str(tmp_path / "x.json")]
    said = CliRunner().invoke(app, ["evaluate", str(tmp_path), *options])
    assert said.exit_code == 2
    assert "expected a record of berea or ketton, got 'lines'" in said.output
    assert len(said.output.splitlines()) == 1  # at once, not after the evaluation


def test_the_command_measures_on_the_chosen_device(tmp_path, monkeypatch):
    network().save_pretrained(tmp_path)
    found, devices = network(), []
    monkeypatch.setattr("microtutor.environment.find_device", lambda name: f"the device {name}")
    monkeypatch.setattr(VAE, "from_pretrained", lambda name, device="cpu": devices.append(device) or found)
    monkeypatch.setattr("microtutor.records.evaluate_on", lambda *given: evaluate_crops(found, crops()))
    monkeypatch.setattr("microtutor.records.write_rock_report", lambda *given, **named: None)
    monkeypatch.setattr("microtutor.evaluation.report", lambda *given, device, **named: devices.append(device) or [])
    monkeypatch.setattr("microtutor.evaluation.table", lambda rows: "")
    options = ["--device", "x", "--material", "berea", "--against", "b", "--record", str(tmp_path / "x.json")]
    for command in (["evaluate", "a", *options], ["reproduce", "--device", "x"]):
        said = CliRunner().invoke(app, command)
        assert said.exit_code == 0, said.output
    assert devices == ["the device x"] * 4  # two networks, two tables


def test_what_the_chapter_says_of_the_recorded_run():
    rock = records.read_record("rock")
    for name in ("berea", "ketton"):
        rows = rock["reconstruction"][name]
        in_statistics, in_data, nearest = rows["berea"], rows["berea-data"], rows["nearest training crop"]
        error, cut = "statistics_error_mean", "thresholded_statistics_error_mean"
        assert in_statistics[error] < 0.7 * in_data[error]
        assert in_statistics[cut] < 0.3 * in_data[cut]
        own = "cut at its own fraction"
        assert rows[f"berea, {own}"][error] < 0.25 * rows[f"berea-data, {own}"][error]
        assert in_statistics[error] == pytest.approx(rows["PCA of the statistics, 9 numbers"][error], rel=0.05)
        assert rows["PCA of the statistics, 32 numbers"][error] < in_statistics[error] / 3
        assert nearest["specific_surface_difference"] < 0.15 < 0.5 < in_statistics["specific_surface_difference"]
    many, one = rock["realisations"]["berea-noise"], rock["realisations"]["berea"]
    assert (many["targets"], many["realisations"]) == (32, 16)
    assert many["ratio"] >= 0.5  # diverse ...
    assert many["statistics_error_mean"] == pytest.approx(
        1.35 * one["statistics_error_mean"], rel=0.03
    )  # ... at a price, but not in black and white
    assert rock["reconstruction"]["berea"]["berea-noise"][cut] < rock["reconstruction"]["berea"]["berea"][cut]
