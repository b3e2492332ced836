"""Experiments: which runs they hold, and what they write."""

import csv
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from microtutor import experiments
from microtutor.evaluation import evaluate
from microtutor.experiments import BASE, BASES, EXPERIMENTS, run_experiment, runs
from microtutor.records import RESULTS, read_runs
from microtutor.training import TrainingConfig
from microtutor.training.log import COLUMNS, write_log

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


def untrained(config, folder):
    write_log(Path(folder), [dict.fromkeys(COLUMNS, 2.0)])
    return config.model().eval()


@pytest.fixture
def trained(monkeypatch):
    """Experiments of which each run takes no time; the configurations that were trained."""
    asked = []

    def no_training(config, folder, progress):
        asked.append(config)
        return untrained(config, folder)

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
        rows.replace("0.01,0,", "0.01,zero,"): r"is damaged in line 2 \(invalid literal .*\); remove that line",
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


def test_a_file_that_is_cut_anywhere_is_never_taken_for_whole(tmp_path):
    """Also inside the quotes about a choice with a comma in its name."""
    path = RESULTS / "full-size.csv"
    whole = path.read_text(encoding="utf-8").replace("default,0,", '"default, and more",0,')
    header, *lines = whole.splitlines(keepends=True)
    assert any(line.startswith('"') for line in lines)
    cut = tmp_path / "cut.csv"
    for end in range(len(header), len(whole) + 1):
        cut.write_text(whole[:end], encoding="utf-8")
        kept = whole[:end].count("\n") - 1
        if whole[:end].endswith("\n"):
            assert len(experiments._read(cut)) == kept
            continue
        message = rf"cut.csv is damaged in line {kept + 2} \(.+\); remove that line, and its run is repeated$"
        with pytest.raises(ValueError, match=message):
            experiments._read(cut)


def test_an_empty_line_is_no_run(tmp_path, trained):
    path = tmp_path / "beta.csv"
    rows = run(path)
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert len(run(path)) == len(rows) == len(trained)


def test_a_description_that_was_not_written_any_more_is_made_up_for(tmp_path, trained, monkeypatch):
    path, write = tmp_path / "beta.csv", experiments.write_json

    def means():
        return json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["mean over seeds"]

    def killed_before_the_last(file, content):
        if len(trained) == 5:
            raise KeyboardInterrupt
        write(file, content)

    monkeypatch.setattr(experiments, "write_json", killed_before_the_last)
    with pytest.raises(KeyboardInterrupt):
        run(path)
    assert len(means()) == 4
    monkeypatch.setattr(experiments, "write_json", write)
    rows = run(path)
    assert len(trained) == len(rows) == 5  # nothing was left to do
    assert means() == experiments.summary(rows)


# --- one precision, and one writer ------------------------------------------------------------------------------------
@pytest.mark.parametrize("fastest", ["no", "bf16"])
@pytest.mark.parametrize("recorded", sorted(RESULTS.glob("*.csv")), ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore:precision='bf16' is slow here")
def test_recorded_experiments_can_be_gone_on_with(tmp_path, trained, monkeypatch, recorded, fastest):
    """On any machine: what was recorded in one precision goes on in that."""
    monkeypatch.setattr("microtutor.environment.choose_precision", lambda device: (fastest, "why"))
    for file in (recorded, recorded.with_suffix(".json")):
        shutil.copy(file, tmp_path)
    path, rows = tmp_path / recorded.name, read_runs(recorded.stem)
    before = path.with_suffix(".json").read_bytes()
    seeds = 1 + max(int(row["seed"]) for row in rows)
    assert len(run_experiment(recorded.stem, path, seeds=seeds, progress=False)) == len(rows)
    assert not trained
    assert path.with_suffix(".json").read_bytes() == before


def test_auto_is_one_precision_for_all_rows_of_a_file(tmp_path, trained, monkeypatch):
    path, base = tmp_path / "beta.csv", TINY.replace(precision="auto")
    monkeypatch.setattr("microtutor.environment.choose_precision", lambda device: ("no", "why"))
    run(path, base=base)
    assert json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["base"]["precision"] == "no"
    monkeypatch.setattr("microtutor.environment.choose_precision", lambda device: ("bf16", "why"))
    run(path, base=base, seeds=2)  # on another machine
    assert [config.precision for config in trained] == ["no"] * 10
    with pytest.raises(ValueError, match=r"of another base, .* \(precision='no' there, 'bf16' asked for\); choose"):
        run(path, base=TINY.replace(precision="bf16"))
    path.unlink()
    run(path, base=base)
    assert {config.precision for config in trained[10:]} == {"bf16"}


SLOW_WRITER = """
import sys, time
from pathlib import Path
from microtutor import experiments
from tests.test_experiments import run, untrained

path = Path(sys.argv[1])

def slow(config, folder, progress):
    if path.exists():
        path.with_name("has begun").touch()
        time.sleep(600)
    return untrained(config, folder)

experiments.train = slow
run(path)
"""


def test_two_processes_do_not_write_into_one_file(tmp_path, trained):
    """The second is refused at once; the first one's death leaves no lock behind."""
    path = tmp_path / "beta.csv"
    first = subprocess.Popen([sys.executable, "-c", SLOW_WRITER, str(path)], cwd=Path(__file__).parents[1])
    try:
        while not (tmp_path / "has begun").exists():
            assert first.poll() is None
            time.sleep(0.05)
        there = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
        with pytest.raises(FileExistsError) as refused:
            run(path)
        assert str(refused.value) == f"another run is writing into {path} now; wait for its end, or choose another file"
        assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == there
        assert len(run(tmp_path / "other.csv")) == 5  # another file of the same folder
    finally:
        first.kill()
        first.wait()
    assert len(run(path)) == 5
    assert len(path.read_text(encoding="utf-8").splitlines()) == 6


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


@pytest.mark.slow
def test_runs_are_shared_by_workers(tmp_path):
    alone = run(tmp_path / "alone.csv")
    together = run_experiment(
        "beta", tmp_path / "together.csv", seeds=1, images=6, base=TINY, workers=2, progress=False
    )
    by_choice = {row["choice"]: row for row in together}
    assert sorted(by_choice) == sorted(row["choice"] for row in alone)
    for row in alone:
        found = by_choice[row["choice"]]
        assert found["ran"] == row["ran"]
        assert found["statistics_error_mean"] == pytest.approx(row["statistics_error_mean"], rel=0.05)
    assert len(alone) == len(together) == 5
