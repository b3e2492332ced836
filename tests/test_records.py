import dataclasses
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from microtutor.cli.options import parse_settings
from microtutor.evaluation import evaluate, evaluate_reconstructions
from microtutor.models import shipped_weights
from microtutor.models.weights import WEIGHTS
from microtutor.records import (
    RESULTS,
    metrics,
    read_record,
    read_runs,
    recorded_configuration,
    write_record,
)
from microtutor.training import PRESETS, TrainingConfig, train

ROOT = Path(__file__).parents[1]

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


# --- what goes into JSON ------------------------------------------------------------------
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
    assert all(line.endswith("there is no such folder; install microtutor again") for line in said)


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_every_result_says_how_to_repeat_it(path):
    record = read_record(path.stem)
    assert record["command"].startswith(
        (
            "microtutor ",
            "torchrun --nproc-per-node 2 -m microtutor.cli ",
            "python benchmarks/",
            "python studies/",
            "python tools/rehearse.py ",
        )
    )
    said = shlex.split(record["command"])
    for script in (word for word in said if word.endswith(".py")):
        assert (ROOT / script).is_file()
    if "--record" in said and path.stem != "rehearsal":
        assert (ROOT / said[said.index("--record") + 1]).name == path.name
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
        while config.initial_weights:  # the runs it goes on from are recorded too, down to one from random weights
            config = recorded_configuration(Path(config.initial_weights).name)


RUNS = [path.stem for path in sorted(RESULTS.glob("*.json")) if " train " in read_record(path.stem)["command"]]


@pytest.mark.parametrize("name", RUNS)
def test_the_command_of_a_recorded_run_gives_its_configuration(name):
    record = read_record(name)
    said = shlex.split(record["command"])
    preset = said[said.index("train") + 1]
    typed = parse_settings([said[i + 1] for i, word in enumerate(said) if word == "--set"], TrainingConfig)
    recorded = TrainingConfig(**record["configuration"])
    config = PRESETS[preset].replace(**typed, seed=record["seed"])
    assert config.replace(precision=recorded.precision, device=recorded.device) == recorded
