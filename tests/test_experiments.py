"""Experiments: which runs they hold, and what they write."""

import csv
import json

import pytest

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
    with pytest.raises(ValueError, match=r"expected an experiment out of alpha, beta, .*, got 'luck'"):
        list(runs("luck", seeds=1))


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
