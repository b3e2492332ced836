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

from microtutor.cli.beforehand import on_images
from microtutor.cli.options import parse_settings
from microtutor.evaluation import evaluate_crops, latent_summary, valid_lines
from microtutor.microstructures import ImageFolder, LineImages, OverlappingDiscs
from microtutor.models import VAE
from microtutor.statistics import autocorrelation, radial_average
from microtutor.training import PRESETS, TrainingConfig
from tests.commands import run

TINY = [f"--set={change}" for change in ("size=32", "channels=8", "steps=4", "batch_size=8", "validation_images=8")]


def test_help_names_every_command():
    said = run("--help").output
    commands = ("train", "evaluate", "statistics", "reconstruct", "design", "reproduce", "experiment", "chapters")
    for command in (*commands, "report-environment"):
        assert command in said
        assert run(command, "--help").exit_code == 0


def test_train_then_evaluate(tmp_path):
    record = tmp_path / "record.json"
    said = run("train", "classroom", "--output", tmp_path / "run", *TINY, "--held-out", 10, "--record", record)
    assert said.exit_code == 0, said.output
    assert "statistics error, mean" in said.output
    written = json.loads(record.read_text(encoding="utf-8"))
    assert written["configuration"]["size"] == 32
    assert len(written["metrics"]) == 3
    assert written["images_seen"] == 32
    vae = VAE.from_pretrained(tmp_path / "run")
    assert vae.size == 32
    assert latent_summary(vae, LineImages(size=32).sample(500).images).table() in said.output
    valid = valid_lines(vae.sample(500)).float().mean()
    assert f"valid line images out of draws from N(0, 1) {valid:8.1%}" in said.output
    said = run("evaluate", tmp_path / "run", "--images", 10, "--count", "3-6")
    assert said.exit_code == 0, said.output
    assert "6.31e-05" in said.output  # the paper's number for the harder set


FEW = [f"--set={change}" for change in ("channels=4", "latent_dim=3", "batch_size=4", "validation_images=4")]


def test_train_on_pictures_of_ones_own(tmp_path):
    """Three steps, stopped and gone on with, and measured on the pictures that were held out."""
    pictures = tmp_path / "my-folder"
    pictures.mkdir()
    for i, image in enumerate(OverlappingDiscs(0.4, 6, 64).sample(20).images[:, 0]):
        Image.fromarray((255 * image).byte().numpy()).save(pictures / f"{i}.png")
    (pictures / "notes.txt").write_text("x", encoding="utf-8")
    words = ["train", "rock", "--images", pictures, "--output", tmp_path / "run", *FEW, "--set", "steps=3", "--dark"]
    said = run(*words, "--device", "cpu")
    assert said.exit_code == 0, said.output
    assert (
        f"{pictures}: 20 pictures, 16 + 2 + 2 for train, validation, test; left out as no picture: notes.txt; size 64, "
        "3 steps"
    ) in said.stderr
    assert "2 crops of my-folder, 64 px" in said.stdout
    said = run(*words, "--device", "cpu")
    assert said.exit_code == 2
    assert "add --resume to go on" in said.stderr
    assert run(*words, "--device", "cpu", "--resume").exit_code == 0
    config = json.loads((tmp_path / "run" / "training.json").read_text(encoding="utf-8"))
    assert (config["folder"], config["dark"], config["size"]) == (str(pictures), True, 64)
    measured = run("evaluate", tmp_path / "run", "--images", 100)
    assert measured.exit_code == 0, measured.output
    source = ImageFolder(pictures, 64, dark=True)
    wanted = evaluate_crops(VAE.from_pretrained(tmp_path / "run"), source.sample(2).images, data_set="my-folder")
    assert measured.stdout.splitlines()[:-1] == wanted.table().splitlines()[:-1]  # the last is of seconds


@pytest.mark.parametrize(
    ("shape", "preset", "size", "steps"),
    [
        ((500, 500), "rock", 128, 2000),
        ((300, 300), "rock", 64, 2000),  # three blocks of 128 do not fit
        ((500, 500), "classroom", 64, 2000),  # not above the preset's
        ((60, 300, 260), "rock", 128, 2000),
        ((170, 500, 500), "rock", 128, 4000),
    ],
)
def test_size_and_steps_follow_from_what_is_there(tmp_path, shape, preset, size, steps):
    path = tmp_path / "mine.npy"
    np.save(path, np.random.default_rng(0).integers(0, 2, shape, dtype=np.uint8))
    base = PRESETS[preset].replace(material="images", folder=str(path))
    config, said = on_images(base, path, ())
    assert (config.size, config.steps) == (size, steps)
    assert said.endswith(f"size {size}, {steps} steps")
    mine, _ = on_images(base.replace(size=32, steps=7), path, ("size", "steps"))
    assert (mine.size, mine.steps) == (32, 7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--images", "500"], "the number of images to evaluate on is --held-out 500"),
        (["--images", "absent"], "expected a folder of pictures, got "),
        (["--images", "picture.npy", "--label", "7"], "expected the label 7 and others in picture.npy"),
        (["--images", "picture.npy", "--label", "1", "--dark"], "expected either a label or a threshold"),
        (["--images", "picture.npy", "--set", "size=128"], "take a smaller size"),
        (["--images", "picture.npy"], "at least 64 x 64 pixels, got 50 x 50 in picture.npy"),
        (["--augment"], "expected --images beside --augment, got it alone; say where your images are"),
        (["--threshold", "0"], "expected --images beside --threshold, got it alone"),
    ],
)
def test_images_that_cannot_be_trained_on(tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    np.save("picture.npy", np.random.default_rng(0).random((50, 50)) < 0.4)
    said = run("train", "rock", "--output", "run", *options)
    assert said.exit_code == 2
    assert message in said.stderr
    assert said.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("options", "wanted"), [([], "cuda"), (["--device", "auto"], "auto")])
def test_the_device_of_a_preset_can_be_changed(tmp_path, monkeypatch, options, wanted):
    asked = []

    def stop(config, *given, **named):
        asked.append(config.device)
        raise ValueError("stopped")

    monkeypatch.setattr("microtutor.training.train", stop)
    assert run("train", "gpu", "--output", tmp_path, *options).stderr == "microtutor: stopped\n"
    assert asked == [wanted]


@pytest.mark.slow
def test_reproduce_trains_what_the_records_say(tmp_path, monkeypatch):
    tiny = TrainingConfig(size=224, channels=8, steps=2, batch_size=2, validation_images=2, precision="bf16")
    monkeypatch.setattr("microtutor.models.shipped_weights", lambda: ["lines-1-4", "lines-3-6"])
    recorded = {
        "lines-1-4": tiny,
        "lines-3-6": tiny.replace(initial_weights="runs/first"),
        "first": tiny.replace(seed=1),
    }
    monkeypatch.setattr("microtutor.records.recorded_configuration", recorded.__getitem__)
    settings = sys.modules["microtutor.evaluation.paper_table"]  # the name alone is the function
    monkeypatch.setattr(settings, "TRAINING_IMAGES", 40)
    monkeypatch.setattr(settings, "SEARCHED", 1)
    said = run("reproduce", "--train", "--images", 20, "--output", tmp_path)
    assert said.exit_code == 0, said.output
    assert (tmp_path / "lines-3-6" / "model.safetensors").is_file()
    started = json.loads((tmp_path / "lines-3-6" / "training.json").read_text(encoding="utf-8"))["initial_weights"]
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
    torch.testing.assert_close(f, autocorrelation(image, boundary="open"))
    with Image.open(tmp_path / "map.png") as drawn:
        assert drawn.width > 100
    with open(tmp_path / "lines_statistics_radial.csv", newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["radius_px", "f"]
    assert [float(radius) for radius, _ in rows] == list(range(33))
    np.testing.assert_allclose([float(value) for _, value in rows], radial_average(f), rtol=1e-6)
    for said_too in ("64 x 64 px", "volume fraction", f"{image.mean():.4g} ", "lines_statistics.npy", "_radial.csv"):
        assert said_too in said.output.replace("\n", "")


def test_statistics_as_npz(picture, tmp_path):
    path, image = picture
    said = run("statistics", path, "--dark", "--boundary", "open", "--output", tmp_path / "out" / "lines.npz")
    assert said.exit_code == 0, said.output
    with np.load(tmp_path / "out" / "lines.npz") as written:
        assert set(written) == {"f", "radius", "radial", "volume_fraction", "spacing", "unit"}
        f = autocorrelation(image, boundary="open")
        np.testing.assert_allclose(written["f"], f, atol=1e-6)
        np.testing.assert_allclose(written["radial"], radial_average(f), atol=1e-6)
        assert list(written["radius"]) == list(range(33))
        assert written["volume_fraction"] == image.mean().numpy()
    beside = ["lines_radial.csv", "lines_table.csv", "lines_table.json"]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["lines.npz", *beside]


def test_reconstruct_from_a_file(picture, tmp_path):
    path, image = picture
    said = run(
        "reconstruct", path, "--dark", "--output", tmp_path / "realisation.png", "--steps", 200, "--device", "cpu"
    )
    assert said.exit_code == 0, said.output
    with Image.open(tmp_path / "realisation.png") as made_file:
        made = 1 - torch.from_numpy(np.asarray(made_file) / 255)
    assert (autocorrelation(made) - autocorrelation(image.double())).square().mean() < 1e-5


def test_reconstruct_several_in_black_and_white(picture, tmp_path):
    path, image = picture
    options = ["--number", 2, "--binary", "--boundary", "open", "--steps", 60, "--device", "cpu"]
    said = run("reconstruct", path, "--dark", "--output", tmp_path / "realisation.png", *options)
    assert said.exit_code == 0, said.output
    for i in (1, 2):
        with Image.open(tmp_path / f"realisation-{i}.png") as made_file:
            made = 1 - torch.from_numpy(np.asarray(made_file) / 255)
        assert set(made.unique().tolist()) == {0, 1}
        assert f"realisation-{i}.png: statistics error" in said.output
        assert (made.mean() - image.double().mean()).abs() < 0.01


def test_a_console_without_the_letters_of_a_file_name(tmp_path, picture):
    """Consoles and pipes of Windows know the letters of one language only."""
    picture[0].rename(tmp_path / "κόκκοι.png")
    environment = os.environ | {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "microtutor.cli", "statistics", "κόκκοι.png"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"??????.png: 64 x 64 px; f(r) written to ??????_statistics.npy" in done.stdout
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
    assert expected in said.stderr
    assert len(said.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colour_images_are_refused(mode, tmp_path):
    path = tmp_path / "colour.png"
    Image.new(mode, (8, 8)).save(path)
    said = run("statistics", path)
    assert said.exit_code == 2
    assert f"got colour mode {mode}" in said.stderr


def test_thresholds_are_checked(picture):
    said = run("statistics", picture[0], "--threshold", 300)
    assert said.exit_code == 2
    assert "expected a threshold in [0, 255)" in said.stderr


# --- no file is lost --------------------------------------------------------------------------------------------------
def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_results_are_kept_unless_they_may_be_overwritten(picture, tmp_path):
    path, _ = picture
    assert run("statistics", path, "--figure", tmp_path / "map.png").exit_code == 0
    first = contents(tmp_path)
    said = run("statistics", path, "--dark", "--figure", tmp_path / "map.png")
    assert said.exit_code == 2
    assert "lines_statistics.npy, for --output, is there already; add --overwrite to replace it" in said.stderr
    assert contents(tmp_path) == first
    said = run("statistics", path, "--dark", "--figure", tmp_path / "map.png", "--overwrite")
    assert said.exit_code == 0, said.output
    second = contents(tmp_path)
    assert set(second) == set(first)
    assert [name for name in second if second[name] == first[name]] == ["lines.png"]


def test_pictures_of_one_name_in_two_formats(picture, tmp_path):
    path, image = picture
    Image.fromarray((image * 255).byte().numpy()).save(tmp_path / "lines.tif")
    assert run("statistics", path).exit_code == 0
    first = contents(tmp_path)
    assert run("statistics", tmp_path / "lines.tif").exit_code == 2
    assert contents(tmp_path) == first
    said = run("statistics", tmp_path / "lines.tif", "--output", tmp_path / "other.NPZ")
    assert said.exit_code == 0, said.output
    with np.load(tmp_path / "other.NPZ") as written:
        assert written["volume_fraction"] == image.mean().numpy()


def test_reconstructions_are_kept_and_never_take_the_place_of_the_image(picture, tmp_path):
    path, _ = picture
    few = ["--steps", 2, "--device", "cpu"]
    first = contents(tmp_path)
    for options in ([], ["--overwrite"]):
        said = run("reconstruct", path, "--output", path, *few, *options)
        assert said.exit_code == 2
        assert "expected another file for --output than the image" in said.stderr
        assert contents(tmp_path) == first
    (tmp_path / "realisation-2.png").write_text("mine", encoding="utf-8")
    assert run("reconstruct", path, "--output", tmp_path / "realisation.png", "--number", 3, *few).exit_code == 2
    assert set(contents(tmp_path)) == {"lines.png", "realisation-2.png"}
    said = run("reconstruct", path, "--output", tmp_path / "realisation.png", "--number", 3, *few, "--overwrite")
    assert said.exit_code == 0, said.output
    assert set(contents(tmp_path)) == {"lines.png", "realisation-1.png", "realisation-2.png", "realisation-3.png"}
    assert contents(tmp_path)["lines.png"] == first["lines.png"]


def test_a_run_is_gone_on_with_but_never_begun_over_weights(tmp_path):
    folder, record = tmp_path / "run", tmp_path / "record.json"
    words = ["train", "classroom", "--output", folder, *TINY, "--held-out", 10, "--record", record]
    assert run(*words).exit_code == 0
    first = contents(folder)
    said = run(*words)
    assert said.exit_code == 2
    assert "already holds a run" in said.stderr
    assert "add --resume to go on" in said.stderr
    said = run(*words, "--resume")
    assert "record.json, for --record, is there already; add --overwrite" in said.stderr
    assert contents(folder) == first
    said = run(*words, "--resume", "--overwrite")
    assert said.exit_code == 0, said.output
    (folder / "checkpoint.pt").unlink()  # weights alone, such as a friend gave
    for options in ([], ["--resume"], ["--overwrite"]):
        said = run(*words[:4], *TINY, *options)
        assert said.exit_code == 2
        assert "already holds a run (config.json, model.safetensors); choose another folder" in said.stderr
    assert (folder / "model.safetensors").read_bytes() == first["model.safetensors"]


def test_what_an_earlier_kill_left_of_a_run_may_be_begun_over(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.csv").write_text("step\n", encoding="utf-8")
    assert run("train", "classroom", "--output", tmp_path / "run", *TINY, "--held-out", 10).exit_code == 0


# --- choices of a run -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("normalise=false", False),
        ("normalise=False", False),
        ("pretrained = TRUE", True),
        ("frozen=no", False),
        ("precision=no", "no"),
        ("precision='no'", "no"),
        ("images=none", None),
        ("images=null", None),
        ("images=64", 64),
        ("initial_weights=None", None),
        ("initial_weights=runs/a=b", "runs/a=b"),
        ("soft_indicator=0.25", 0.25),
        ("soft_indicator=None", None),
        ("alpha=2", 2.0),
        ("alpha=2e3", 2000.0),
        ("count=(3, 6)", (3, 6)),
        ("count=[3,6]", (3, 6)),
        ("count=3-6", (3, 6)),
        ("count=3,6", (3, 6)),
        ("steps=1_000", 1000),
    ],
)
def test_settings_are_read_by_the_type_of_their_choice(text, value):
    name = text.partition("=")[0].strip()
    found = parse_settings([text], TrainingConfig)
    assert found == {name: value}
    assert type(found[name]) is type(value)


def test_every_choice_of_a_run_can_be_set_to_what_it_is():
    for config in PRESETS.values():
        choices = config.as_dict()
        words = [f"{name}={value}" for name, value in choices.items()]
        assert TrainingConfig(**parse_settings(words, TrainingConfig)) == config
