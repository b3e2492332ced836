import json
import subprocess
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
        if config.start:  # the run it goes on from is recorded too
            assert recorded_configuration(Path(config.start).name).start is None
