import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from microtutor import records
from microtutor.evaluation import evaluate, evaluate_reconstructions
from microtutor.microstructures import LineImages, OverlappingDiscs, RockCrops
from microtutor.models import VAE, shipped_weights
from microtutor.models.vae import WEIGHTS
from microtutor.records import (
    RESULTS,
    evaluate_on,
    metrics,
    read_record,
    read_runs,
    recorded_configuration,
    source_for,
    trained_with,
    write_record,
)
from microtutor.training import TrainingConfig, train

TINY = TrainingConfig(size=32, channels=4, steps=3, batch_size=4, validate_every=1, validation_images=4, device="cpu")


def test_a_record_says_what_was_run_and_what_came_out(tmp_path):
    vae = train(TINY, tmp_path / "run", progress=False)
    evaluations = {seed: evaluate(vae, TINY.lines().sample(5, seed=seed)) for seed in (0, 1)}
    path = tmp_path / "records" / "record.json"
    made = write_record(
        path,
        command="a command",
        commit="abc",
        config=TINY,
        vae=vae,
        run_folder=tmp_path / "run",
        evaluations=evaluations,
    )
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record == made
    assert record["commit"] == "abc"
    assert (record["command"], record["seed"], record["images_seen"]) == ("a command", 0, 12)
    assert TrainingConfig(**record["configuration"]) == TINY
    assert record["trainable_parameters"] == sum(p.numel() for p in vae.parameters())
    assert record["environment"]["device"].startswith(("cpu", "cuda", "mps"))
    assert record["metrics"] == {f"evaluation seed {seed}": metrics(e) for seed, e in evaluations.items()}
    assert record["curve"]["images"] == [4, 8, 12]
    assert len(record["curve"]["validation_statistics_error"]) == 3


def test_metrics_are_the_summary_alone_in_five_digits():
    sample = TINY.lines().sample(6)
    evaluation = evaluate_reconstructions(0.7 * sample.images, sample)
    found = metrics(evaluation)
    assert "per_image" not in found
    assert (found["images"], found["data_set"]) == (6, "1-4 lines")
    assert found["statistics_error_mean"] == float(f"{evaluation.statistics_error_mean:.4e}")
    assert found["statistics_error_mean"] != evaluation.statistics_error_mean


@pytest.mark.parametrize(
    ("source", "usable"),
    [
        (LineImages(count=(0, 1), size=32), lambda m: m.sum((1, 2, 3)) > 0),
        (OverlappingDiscs(fraction=0.1, radius=8, size=32), lambda m: m.sum((1, 2, 3)) > 0),
        (OverlappingDiscs(fraction=0.95, radius=8, size=32), lambda m: m.mean((1, 2, 3)) < 1),
    ],
)
def test_images_of_one_phase_are_left_out(source, usable, capsys):
    vae, images = VAE(size=32, channels=4), source.sample(40).images
    left = int(usable(images).sum())
    assert 0 < left < 40
    assert evaluate_on(vae, source, 40).images == left
    assert capsys.readouterr().err == f"left out {40 - left} of 40 images, which have one phase only\n"


def test_a_data_set_is_named_after_a_rock_with_a_name_only():
    volume = torch.rand(25, 25, 25, generator=torch.Generator().manual_seed(0)) < 0.5
    assert evaluate_on(VAE(size=16, channels=4), RockCrops(volume, size=16), 4).data_set == ""


# --- the material that weights saw ------------------------------------------------------------------------------------
def folder_of(path, said, name="training.json"):
    path.mkdir()
    (path / name).write_text(json.dumps(said), encoding="utf-8")
    return path


def test_weights_are_measured_on_their_own_material(tmp_path):
    run = folder_of(tmp_path / "run", TINY.replace(count=(3, 6)).as_dict() | {"precision": "no", "processes": 2})
    assert trained_with(run) == TINY.replace(count=(3, 6))
    assert source_for(run, 32) == LineImages((3, 6), 32)
    assert source_for("lines-1-4", 224) == LineImages((1, 4), 224)
    assert source_for("berea-noise", 128) == RockCrops("berea", size=128)
    rock = folder_of(tmp_path / "rock", {"configuration": {"material": "ketton", "size": 128}}, "card.json")
    assert source_for(rock, 128) == source_for(rock, 128, material="ketton") == RockCrops("ketton", size=128)


@pytest.mark.parametrize(
    ("name", "options", "message", "unseen"),
    [
        ("berea", {"material": "lines"}, "'berea' saw in training, berea, got lines", LineImages((1, 4), 64)),
        ("berea", {"material": "ketton"}, "'berea' saw in training, berea, got ketton", RockCrops("ketton", size=64)),
        ("lines-1-4", {"material": "berea"}, "saw in training, lines, got berea", RockCrops("berea", size=64)),
        ("lines-1-4", {"count": (3, 6)}, "saw in training, 1-4 lines, got 3-6 lines", LineImages((3, 6), 64)),
        ("lines-3-6", {"count": (1, 4)}, "saw in training, 3-6 lines, got 1-4 lines", LineImages((1, 4), 64)),
    ],
)
def test_other_material_must_be_asked_for(name, options, message, unseen):
    with pytest.raises(ValueError, match=f"expected the material that .*{message}; take unseen=True to measure there"):
        source_for(name, 64, **options)
    assert source_for(name, 64, unseen=True, **options) == unseen


def test_material_that_nobody_knows(tmp_path):
    own = folder_of(tmp_path / "own", TINY.replace(material="own").as_dict())
    for options in ({}, {"material": "lines"}, {"unseen": True}):
        with pytest.raises(
            ValueError, match=r"with a source of the user's own \(material='own'\), .* evaluate_on\(vae"
        ):
            source_for(own, 32, **options)
    assert source_for(own, 32, material="lines", unseen=True) == LineImages(size=32)
    for name in ("owner/name", tmp_path):
        assert trained_with(name) is None
        with pytest.raises(
            ValueError, match="expected a material, lines, berea or ketton, as nothing beside the weights"
        ):
            source_for(name, 32)
        assert source_for(name, 32, material="lines", count=(2, 3)) == LineImages((2, 3), 32)
    with pytest.raises(ValueError, match="expected material to be 'lines', 'berea' or 'ketton', got 'granite'"):
        source_for("lines-1-4", 32, material="granite")


def test_numbers_of_lines_are_looked_at():
    with pytest.raises(ValueError, match=r"expected count as \(fewest, most\) with fewest <= most .*, got \(5, 1\)"):
        source_for("lines-1-4", 32, count=(5, 1), unseen=True)
    with pytest.raises(TypeError, match=r"expected count as a whole number, got 1.5"):
        source_for("lines-1-4", 32, count=(1.5, 2))
    for material in (None, "ketton"):
        with pytest.raises(ValueError, match="expected count, a number of lines, with line images only, got it with "):
            source_for("berea", 32, material=material, count=(1, 4), unseen=True)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("[]", "expected names and values in .*training.json, got"),
        ("{", "training.json is damaged"),
        ('{"material": "granite"}', "is the configuration of no run: expected material"),
        ('{"size": "large"}', "is the configuration of no run: expected size"),
    ],
)
def test_runs_that_cannot_be_read(tmp_path, said, message):
    (tmp_path / "training.json").write_text(said, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        trained_with(tmp_path)


# --- what comes from a user, and what goes into JSON ------------------------------------------------------------------
class Own:
    def __init__(self, images):
        self.images = images

    def sample(self, n, *, seed=0, device="cpu", split="test", index=0):
        return self


def test_own_sources_are_looked_at(capsys):
    m = (torch.arange(4 * 1024).reshape(4, 1, 32, 32) % 3 == 0).float()
    vae = VAE(size=32, channels=4)
    assert evaluate_on(vae, Own(m), 4).images == 4
    with pytest.raises(ValueError, match=r"expected source.sample\(4\) to give values in \[0, 1\], got \[0, 255\]"):
        evaluate_on(vae, Own(255 * m), 4)
    with pytest.raises(ValueError, match=r"images of shape \(5, 1, 32, 32\), got \(4, 1, 32, 32\)"):
        evaluate_on(vae, Own(m), 5)
    with pytest.raises(ValueError, match="expected images with both phases in them, got 4 with one phase only"):
        evaluate_on(vae, Own(0 * m), 4)
    with pytest.raises(TypeError, match="expected vae as a VAE, got 'berea'"):
        evaluate_on("berea", Own(m), 4)
    with pytest.raises(TypeError, match="expected source with a method sample"):
        evaluate_on(vae, m, 4)
    assert not capsys.readouterr().out


def test_json_holds_no_nan(tmp_path):
    vae = train(TINY, tmp_path / "run", progress=False)
    evaluation = evaluate(vae, TINY.lines().sample(5))
    evaluation = dataclasses.replace(evaluation, data_error_mean=float("nan"), count_accuracy=float("inf"))
    assert metrics(evaluation)["data_error_mean"] is metrics(evaluation)["count_accuracy"] is None
    log = tmp_path / "run" / "log.csv"
    lines = log.read_text(encoding="utf-8").splitlines()
    log.write_text("\n".join([*lines[:-1], lines[-1].rpartition(",")[0] + ",nan"]) + "\n", encoding="utf-8")
    given = {"command": "c", "commit": "abc", "config": TINY, "vae": vae, "run_folder": tmp_path / "run"}
    record = write_record(tmp_path / "r.json", evaluations={0: evaluation}, **given)
    assert record["curve"]["validation_statistics_error"][-1] is None
    text = (tmp_path / "r.json").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON")) == record
    with pytest.raises(ValueError, match=r"expected at least one evaluation by the seed of its images, .*, got none"):
        write_record(tmp_path / "r.json", evaluations={}, **given)
    log.write_text(lines[0] + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"expected rows in .*log.csv, got none; train again, or resume the run"):
        write_record(tmp_path / "r.json", evaluations={0: evaluation}, **given)
    assert (tmp_path / "r.json").read_text(encoding="utf-8") == text


def test_a_record_knows_how_many_processes_ran(tmp_path, monkeypatch):
    vae = train(TINY, tmp_path / "run", progress=False)
    given = {"command": "c", "commit": "abc", "config": TINY, "vae": vae, "run_folder": tmp_path / "run"}
    given["evaluations"] = {0: evaluate(vae, TINY.lines().sample(5))}
    monkeypatch.setenv("WORLD_SIZE", "3")
    path, said = tmp_path / "run" / "training.json", TINY.as_dict()
    path.write_text(json.dumps(said), encoding="utf-8")
    assert write_record(tmp_path / "r.json", **given)["processes"] == 3
    path.write_text(json.dumps(said | {"processes": 2}), encoding="utf-8")  # the run knows better than this process
    assert write_record(tmp_path / "r.json", **given)["processes"] == 2


@pytest.mark.parametrize("fastest", ["no", "bf16"])
@pytest.mark.filterwarnings("ignore:precision='bf16' is slow here")  # on a processor without units for it
def test_a_record_says_which_precision_auto_took(tmp_path, monkeypatch, fastest):
    monkeypatch.setattr("microtutor.environment.choose_precision", lambda device: (fastest, "why"))
    config = TINY.replace(precision="auto")
    vae = train(config, tmp_path / "run", progress=False)
    given = {"command": "c", "commit": "abc", "config": config, "vae": vae, "run_folder": tmp_path / "run"}
    given["evaluations"] = {0: evaluate(vae, TINY.lines().sample(5))}
    record = write_record(tmp_path / "r.json", **given)
    assert TrainingConfig(**record["configuration"]) == config.replace(precision=fastest)
    (tmp_path / "run" / "training.json").unlink()  # by an older version, which did not say it
    assert write_record(tmp_path / "r.json", **given)["configuration"]["precision"] == "auto"


WITHOUT_RESULTS = """
import sys, pathlib
real = pathlib.Path.is_dir
pathlib.Path.is_dir = lambda self, **options: self.name != "results" and real(self, **options)
from microtutor.records import read_record, read_runs
for read in (read_record, read_runs):
    try:
        read("lines-1-4")
    except FileNotFoundError as error:
        print(error)
"""


def test_without_results_the_package_can_be_imported():
    done = subprocess.run([sys.executable, "-c", WITHOUT_RESULTS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert len(said) == 2
    assert all(line.startswith("expected the recorded results in ") for line in said)
    assert all(line.endswith("neither folder is there; install microtutor again") for line in said)


@pytest.mark.parametrize("failure", [FileNotFoundError("git"), subprocess.TimeoutExpired("git", 10)])
def test_without_git_the_commit_is_unknown(monkeypatch, failure):
    def fail(*arguments, **options):
        raise failure

    monkeypatch.setattr(records.subprocess, "run", fail)
    assert records.current_commit() == "unknown"


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_every_result_says_how_to_repeat_it(path):
    record = read_record(path.stem)
    assert record["command"].startswith(
        ("microtutor ", "torchrun --nproc-per-node 2 -m microtutor.cli ", "python benchmarks/", "python tools/")
    )
    assert "changes" not in record["commit"]
    assert record["environment"]["torch"]


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.csv")), ids=lambda path: path.stem)
def test_every_sweep_has_all_its_runs(path):
    rows, described = read_runs(path.stem), read_record(path.stem)
    seeds = range(int(described["command"].partition("--seeds ")[2]))
    assert {(row["choice"], row["seed"]) for row in rows} == {(c, s) for c in described["changes"] for s in seeds}
    assert len(seeds) == (1 if path.stem == "full-size" else 3)
    for choice, means in described["mean over seeds"].items():
        for name, mean in means.items():
            values = [row[name] for row in rows if row["choice"] == choice]
            assert sum(values) / len(values) == pytest.approx(mean, rel=1e-4)


def test_an_unknown_result_is_answered_with_those_there_are():
    with pytest.raises(FileNotFoundError, match=r"expected one of .*lines-1-4.json.*; got 'luck.json'"):
        read_record("luck")


def test_shipped_weights_can_be_trained_anew():
    for name in shipped_weights():
        card = json.loads((WEIGHTS / name / "card.json").read_text(encoding="utf-8"))
        config = recorded_configuration(name)
        assert TrainingConfig(**card["configuration"]) == config.replace(
            batch_size=config.batch_size // card.get("processes", 1)
        )
        if config.initial_weights:  # the run it goes on from is recorded too
            assert recorded_configuration(Path(config.initial_weights).name).initial_weights is None
