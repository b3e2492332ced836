"""The command line, run as a user runs it."""

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from microtutor.cli import app
from microtutor.microstructures import LineImages
from microtutor.models import VAE
from microtutor.statistics import autocorrelation, radial_average
from microtutor.training import TrainingConfig

TINY = [f"--set={change}" for change in ("size=32", "channels=8", "steps=4", "batch_size=8", "validation_images=8")]


def run(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_help_names_every_command():
    said = run("--help").output
    commands = ("train", "evaluate", "statistics", "reconstruct", "reproduce", "experiment", "chapters")
    for command in (*commands, "report-environment"):
        assert command in said
        assert run(command, "--help").exit_code == 0


def test_train_then_evaluate(tmp_path):
    record = tmp_path / "record.json"
    said = run("train", "classroom", "--output", tmp_path / "run", *TINY, "--images", 10, "--record", record)
    assert said.exit_code == 0, said.output
    assert "statistics error, mean" in said.output
    written = json.loads(record.read_text(encoding="utf-8"))
    assert written["configuration"]["size"] == 32
    assert len(written["metrics"]) == 3
    assert written["images_seen"] == 32
    assert VAE.from_pretrained(tmp_path / "run").size == 32
    said = run("evaluate", tmp_path / "run", "--images", 10, "--count", "3-6")
    assert said.exit_code == 0, said.output
    assert "6.31e-05" in said.output  # the paper's number for the harder set


@pytest.mark.parametrize(("options", "wanted"), [([], "cuda"), (["--device", "auto"], "auto")])
def test_the_device_of_a_preset_can_be_changed(tmp_path, monkeypatch, options, wanted):
    asked = []

    def stop(config, *given, **named):
        asked.append(config.device)
        raise ValueError("stopped")

    monkeypatch.setattr("microtutor.training.train", stop)
    assert run("train", "gpu", "--output", tmp_path, *options).output == "microtutor: stopped\n"
    assert asked == [wanted]


def test_reproduce_trains_what_the_records_say(tmp_path, monkeypatch):
    tiny = TrainingConfig(size=224, channels=8, steps=2, batch_size=2, validation_images=2, precision="bf16")
    monkeypatch.setattr("microtutor.models.shipped_weights", lambda: ["lines-1-4", "lines-3-6"])
    recorded = {"lines-1-4": tiny, "lines-3-6": tiny.replace(start="runs/first"), "first": tiny.replace(seed=1)}
    monkeypatch.setattr("microtutor.records.recorded_configuration", recorded.__getitem__)
    settings = sys.modules["microtutor.evaluation.report"]  # the name alone is the function
    monkeypatch.setattr(settings, "TRAINING_IMAGES", 40)
    monkeypatch.setattr(settings, "SEARCHED", 1)
    said = run("reproduce", "--train", "--images", 20, "--output", tmp_path)
    assert said.exit_code == 0, said.output
    assert (tmp_path / "lines-3-6" / "model.safetensors").is_file()
    started = json.loads((tmp_path / "lines-3-6" / "training.json").read_text(encoding="utf-8"))["start"]
    assert started == str(tmp_path / "first")
    assert (tmp_path / "first" / "model.safetensors").is_file()
    names = [line.split("  ")[0] for line in said.stdout.splitlines()]
    for name in ("the paper", "PCA of the statistics, 9 numbers", "nearest of 40 images", "lines-1-4, 9 latents"):
        assert name in names


@pytest.fixture
def picture(tmp_path):
    image = LineImages(size=64).sample(1, seed=0).images[0, 0]
    path = tmp_path / "lines.png"
    Image.fromarray(((1 - image) * 255).byte().numpy()).save(path)
    return path, image


def test_statistics_of_a_file(picture, tmp_path):
    path, image = picture
    said = run("statistics", path, "--dark", "--figure", tmp_path / "map.png")
    assert said.exit_code == 0, said.output
    f = torch.from_numpy(np.load(tmp_path / "lines_statistics.npy"))
    torch.testing.assert_close(f, autocorrelation(image))
    with Image.open(tmp_path / "map.png") as drawn:
        assert drawn.width > 100
    with open(tmp_path / "lines_statistics_radial.csv", newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["radius_px", "f"]
    assert [int(radius) for radius, _ in rows] == list(range(33))
    np.testing.assert_allclose([float(value) for _, value in rows], radial_average(f), rtol=1e-6)
    for said_too in ("64 x 64 px", f"volume fraction {image.mean():.4f}", "lines_statistics.npy", "_radial.csv"):
        assert said_too in said.output.replace("\n", "")


def test_statistics_as_npz(picture, tmp_path):
    path, image = picture
    said = run("statistics", path, "--dark", "--boundary", "open", "--output", tmp_path / "out" / "lines.npz")
    assert said.exit_code == 0, said.output
    with np.load(tmp_path / "out" / "lines.npz") as written:
        assert set(written) == {"f", "radius", "radial", "volume_fraction"}
        f = autocorrelation(image, boundary="open")
        np.testing.assert_allclose(written["f"], f, atol=1e-6)
        np.testing.assert_allclose(written["radial"], radial_average(f), atol=1e-6)
        assert list(written["radius"]) == list(range(33))
        assert written["volume_fraction"] == image.mean().numpy()
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["lines.npz", "lines_radial.csv"]


def test_reconstruct_from_a_file(picture, tmp_path):
    path, image = picture
    said = run("reconstruct", path, "--dark", "--output", tmp_path / "twin.png", "--steps", 200, "--device", "cpu")
    assert said.exit_code == 0, said.output
    with Image.open(tmp_path / "twin.png") as twin:
        made = 1 - torch.from_numpy(np.asarray(twin) / 255)
    assert (autocorrelation(made) - autocorrelation(image.double())).square().mean() < 1e-5


def test_reconstruct_several_in_black_and_white(picture, tmp_path):
    path, image = picture
    options = ["--number", 2, "--binary", "--boundary", "open", "--steps", 60, "--device", "cpu"]
    said = run("reconstruct", path, "--dark", "--output", tmp_path / "twin.png", *options)
    assert said.exit_code == 0, said.output
    for i in (1, 2):
        with Image.open(tmp_path / f"twin-{i}.png") as twin:
            made = 1 - torch.from_numpy(np.asarray(twin) / 255)
        assert set(made.unique().tolist()) == {0, 1}
        assert f"twin-{i}.png: statistics error" in said.output
        assert (made.mean() - image.double().mean()).abs() < 0.01


def test_a_console_without_the_letters_of_a_file_name(tmp_path, picture):
    """Consoles and pipes of Windows know the letters of one language only."""
    picture[0].rename(tmp_path / "κόκκοι.png")
    environment = os.environ | {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "microtutor.cli", "statistics", "κόκκοι.png"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"??????.png: 64 x 64 px, volume fraction" in done.stdout
    assert done.stderr == b""
    assert (tmp_path / "κόκκοι_statistics.npy").is_file()


def test_report_environment():
    said = run("report-environment")
    assert said.exit_code == 0
    assert f"torch        {torch.__version__.split('+')[0]}" in said.output


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["train", "homework", "--output", "x"],
            "expected a preset out of classroom, laptop, gpu, rock, paper, got 'homework'",
        ),
        (["train", "classroom", "--output", "x", "--set", "stepz=3"], "expected --set name=value"),
        (["train", "classroom", "--output", "x", "--set", "steps=lots"], "expected steps as a whole number"),
        (["train", "classroom", "--output", "x", "--device", "abacus"], "expected a device such as"),
        (["evaluate", "no-such-weights"], "expected one of"),
        (["evaluate", "no-such-weights", "--count", "few"], "expected count as fewest-most"),
        (["statistics", "absent.png"], "no file absent.png"),
        (["reconstruct", "absent.png", "--output", "x.jpg"], "expected an output file ending in .png, got x.jpg"),
        (
            ["statistics", "absent.png", "--output", "f.txt"],
            "expected an output file ending in .npy or .npz, got f.txt",
        ),
    ],
)
def test_bad_input_is_answered_in_one_line(arguments, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = run(*arguments)
    assert said.exit_code == 2
    assert expected in said.output
    assert len(said.output.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colour_images_are_refused(mode, tmp_path):
    path = tmp_path / "colour.png"
    Image.new(mode, (8, 8)).save(path)
    said = run("statistics", path)
    assert said.exit_code == 2
    assert f"got colour mode {mode}" in said.output


def test_thresholds_are_checked(picture):
    said = run("statistics", picture[0], "--threshold", 300)
    assert said.exit_code == 2
    assert "expected a threshold in [0, 255)" in said.output
