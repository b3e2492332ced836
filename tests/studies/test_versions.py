"""The study of versions: how rows are kept, and that what it measures repeats."""

import json

import pytest

from microtutor.environment import report_environment
from studies import versions


def row(torch="2.6.0", *, weights="w", error=1.0):
    environment = {"torch": torch, "numpy": "2.0.0", "python": "3.11.7"}
    about = {"command": versions.COMMAND, "commit": "abc", "environment": environment}
    return about | {"weights": {"lines-1-4": weights}, "numbers": {"error": error}}


def test_rows_stand_in_the_order_of_their_versions():
    record = {}
    for torch in ("2.11.0", "2.6.0+cpu", "2.14.1"):
        record = versions.with_row(record, row(torch))
    assert [name.split(",")[0] for name in record["rows"]] == ["torch 2.6.0+cpu", "torch 2.11.0", "torch 2.14.1"]
    assert record["environment"]["torch"] == "2.14.1"  # that of the last run


def test_a_row_replaces_one_of_the_same_versions():
    record = versions.with_row(versions.with_row({}, row(error=1.0)), row(error=2.0))
    ((_, kept),) = record["rows"].items()
    assert kept["numbers"]["error"] == 2.0


def test_rows_of_other_weights_go_and_the_reader_hears_of_it(capsys):
    record = versions.with_row(versions.with_row({}, row("2.6.0", weights="old")), row("2.11.0", weights="new"))
    assert [name.split(",")[0] for name in record["rows"]] == ["torch 2.11.0"]
    said = "torch 2.6.0, numpy 2.0.0, Python 3.11.7 was measured with other weights, and is left out; run it again\n"
    assert capsys.readouterr().err == said


@pytest.mark.slow
def test_the_study(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(versions, "RESULTS", tmp_path)
    monkeypatch.setattr(versions, "HELD_OUT", 2)
    monkeypatch.setattr(versions, "TRAINING", versions.TRAINING.replace(size=32, channels=4, steps=3, validate_every=1))
    written = []
    for _ in range(2):
        versions.main()
        assert json.loads(capsys.readouterr().out)["numbers"]
        written.append(json.loads((tmp_path / "versions.json").read_text(encoding="utf-8")))
    (first,), (again,) = (record["rows"].values() for record in written)
    assert first["numbers"] == again["numbers"]
    assert first["images"] == again["images"]
    assert set(first["images"].values()) == set(again["images"].values())
    assert len(set(first["images"].values())) == 2  # the canonical form moves images
    assert first["environment"] == report_environment(show=False)
    assert list(written[0]["rows"]) == [versions.name_of(first["environment"])]


def test_the_recorded_images_are_those_of_today():
    recorded = json.loads((versions.RESULTS / "versions.json").read_text(encoding="utf-8"))["rows"]
    assert [row["images"] for row in recorded.values()] == [versions.images_drawn()] * len(recorded)


def test_precision_of_statistics_is_that_of_float32():
    assert versions.precision_of_statistics() == pytest.approx(2e-8, rel=0.9)
