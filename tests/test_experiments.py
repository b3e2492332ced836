"""Experiments: which runs they hold, and what they write."""

import csv
import json
from pathlib import Path

import pytest

from microtutor import experiments
from microtutor.evaluation import evaluate
from microtutor.experiments import BASE, BASES, EXPERIMENTS, run_experiment, runs
from microtutor.training import TrainingConfig

TINY = TrainingConfig(size=32, channels=8, steps=3, batch_size=8, validation_images=8, validate_every=3)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_run_is_a_configuration(name):
    found = list(runs(name, seeds=3))
    assert len(found) == 3 * len(EXPERIMENTS[name])
    assert {config.seed for _, config in found} == {0, 1, 2}
    assert len({config for _, config in found}) == len(found)
    images = {config.steps * config.batch_size for _, config in found}
    base = BASES.get(name, BASE)
    assert images == {base.steps * base.batch_size}  # all of them see as many


def test_unknown_experiment():
    with pytest.raises(ValueError, match=r"expected the experiment to be 'alpha', 'beta', .*, got 'luck'"):
        list(runs("luck", seeds=1))


@pytest.fixture
def trained(monkeypatch):
    """Experiments of which each run takes no time; the configurations that were trained."""
    asked = []

    def no_training(config, folder, progress):
        asked.append(config)
        (Path(folder) / "log.csv").write_text("seconds,kl\n1.5,2.0\n", encoding="utf-8")
        return config.model().eval()

    monkeypatch.setattr(experiments, "train", no_training)
    return asked


def run(path, experiment="beta", *, seeds=1, images=6, base=TINY):
    return run_experiment(experiment, path, seeds=seeds, images=images, base=base, progress=False)


@pytest.mark.parametrize(
    "changed", [{"base": TINY.replace(steps=4)}, {"base": TINY.replace(size=16)}, {"base": None}, {"images": 7}]
)
@pytest.mark.parametrize("old", [False, True])  # files of older versions say in the description alone what was run
def test_other_runs_are_refused_before_any_work(tmp_path, trained, changed, old):
    path = tmp_path / "beta.csv"
    run(path)
    if old:
        columns = [row.split(",") for row in path.read_text(encoding="utf-8").splitlines()]
        kept = [k for k, name in enumerate(columns[0]) if name not in ("commit", "ran")]
        path.write_text("".join(",".join(row[k] for k in kept) + "\n" for row in columns), encoding="utf-8")
    before, count = [file.read_bytes() for file in sorted(tmp_path.iterdir())], len(trained)
    with pytest.raises(
        ValueError, match=r"beta.csv holds the run '0.01', seed 0, of another base, or evaluated on other"
    ):
        run(path, **({"seeds": 2} | changed))
    assert len(trained) == count
    assert [file.read_bytes() for file in sorted(tmp_path.iterdir())] == before
    assert len(run(path, seeds=2)) == 10
    assert len(trained) == count + 5


def test_the_description_is_that_of_the_rows(tmp_path, trained, monkeypatch):
    path = tmp_path / "beta.csv"
    monkeypatch.setattr(experiments, "current_commit", lambda: "aaa")
    run(path, seeds=2)
    described = path.with_suffix(".json").read_bytes()
    monkeypatch.setattr(experiments, "current_commit", lambda: "bbb")
    run(path, seeds=1)  # nothing is left to do
    assert path.with_suffix(".json").read_bytes() == described
    said = json.loads(described)
    assert (said["commit"], said["command"]) == ("aaa", "microtutor experiment beta --seeds 2")
    rows = run(path, seeds=3)
    assert [row["commit"] for row in rows] == ["aaa"] * 10 + ["bbb"] * 5
    assert json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["commit"] == "aaa, bbb"


def test_a_killed_experiment_is_described_as_far_as_it_went(tmp_path, trained, monkeypatch):
    path = tmp_path / "beta.csv"
    monkeypatch.setattr(
        experiments, "evaluate", lambda vae, sample: 1 / 0 if len(trained) == 3 else evaluate(vae, sample)
    )
    with pytest.raises(ZeroDivisionError):
        run(path)
    assert list(json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["mean over seeds"]) == ["0.01", "0.1"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 0}, "expected seeds of at least 1, got 0"),
        ({"seeds": 1.5}, "expected seeds as a whole number, got 1.5"),
        ({"images": 0}, "expected images of at least 1, got 0"),
        ({"base": "classroom"}, "expected base as a TrainingConfig, got 'classroom'"),
        ({"base": TINY.replace(material="berea")}, "expected a base with material='lines', .*, got 'berea'"),
        ({"experiment": "luck"}, "expected the experiment to be .*, got 'luck'"),
        ({"path": "beta.json"}, "expected the name of a .csv file, got beta.json; the description goes into a .json"),
        ({"path": 3}, "expected the name of a .csv file, got 3"),
    ],
)
def test_what_is_refused_at_once(tmp_path, trained, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((TypeError, ValueError), match=message):
        run(**({"path": "beta.csv"} | options))
    assert not trained
    assert not list(tmp_path.iterdir())


def test_files_of_something_else_are_left_alone(tmp_path, trained):
    path = tmp_path / "beta.csv"
    run(path)
    rows, said = path.read_text(encoding="utf-8"), path.with_suffix(".json").read_bytes()
    count = len(trained)
    damaged = {
        "": "holds no runs of an experiment: it has no column",
        "a,b\n1,2\n": "holds no runs of an experiment: it has no column",
        "\0\1\2": "holds no runs",
        rows[:-30]: "is damaged in line 6; remove that line, and its run is repeated",
        rows[:-2]: "is damaged in line 6; remove that line, and its run is repeated",
        rows.replace("0.01,0,", "0.01,zero,"): "is damaged in line 2 .*; remove that line",
        rows.replace("0.01,0,", "luck,0,"): "holds a run 'luck', which beta has not; choose another file",
    }
    for text, message in damaged.items():
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=rf"beta.csv {message}"):
            run(path, seeds=2)
        assert path.read_text(encoding="utf-8") == text
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"beta.csv holds no runs of an experiment \("):
        run(path)
    path.unlink()
    for content in (b"[]", b"{", b'{"experiment": "alpha"}'):
        path.with_suffix(".json").write_bytes(content)
        with pytest.raises(
            ValueError, match=r"beta.json is no description of beta, and would be written over; choose an"
        ):
            run(path)
        assert path.with_suffix(".json").read_bytes() == content
    assert len(trained) == count
    path.with_suffix(".json").write_bytes(said)
    path.write_text(rows.rpartition("100,0,")[0], encoding="utf-8")  # the damaged line is removed
    assert len(run(path)) == 5
    assert len(trained) == count + 1


def test_an_experiment_goes_on_where_it_was_stopped(tmp_path):
    path = tmp_path / "beta.csv"
    first = run_experiment("beta", path, seeds=1, images=6, base=TINY, progress=False)
    with open(path, newline="", encoding="utf-8") as file:
        kept = list(csv.DictReader(file))
    choices = list(EXPERIMENTS["beta"])
    assert [row["choice"] for row in kept] == choices
    assert all(0 < float(row["statistics_error_mean"]) < 1 for row in kept)
    again = run_experiment("beta", path, seeds=2, images=6, base=TINY, progress=False)
    assert [(row["choice"], int(row["seed"])) for row in again[5:]] == [
        (c, 1) for c in ("0.01", "0.1", "1", "10", "100")
    ]
    assert again[0]["seconds"] == str(first[0]["seconds"])  # not run again
    described = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert described["base"]["size"] == 32
    assert described["changes"]["10"] == {"beta": 10.0}
    errors = [float(row["statistics_error_mean"]) for row in again if row["choice"] == "1"]
    assert described["mean over seeds"]["1"]["statistics_error_mean"] == pytest.approx(sum(errors) / 2, rel=1e-4)
    assert described["command"] == "microtutor experiment beta --seeds 2"
