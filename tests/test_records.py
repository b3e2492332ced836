import json
import subprocess

import pytest

from microtutor import records
from microtutor.evaluation import evaluate, evaluate_reconstructions
from microtutor.records import metrics, write_record
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
    record = json.loads(path.read_text())
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


@pytest.mark.parametrize("failure", [FileNotFoundError("git"), subprocess.TimeoutExpired("git", 10)])
def test_without_git_the_commit_is_unknown(monkeypatch, failure):
    def fail(*arguments, **options):
        raise failure

    monkeypatch.setattr(records.subprocess, "run", fail)
    assert records.current_commit() == "unknown"
