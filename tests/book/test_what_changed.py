"""The page "What changed the numbers" says what microtutor/results/versions.json and rock.json hold."""

import hashlib
import re
from statistics import median

import pytest
import versions_page
from outline import ROOT
from versions_page import PAGE, changed, spread

from microtutor.files import WEIGHT_FILE
from microtutor.models.weights import WEIGHTS
from microtutor.records import read_record

RECORD = read_record("versions")
TEXT = PAGE.read_text(encoding="utf-8")
AGAIN = "measure them again: make versions"


def test_the_page_says_what_was_recorded():
    assert versions_page.with_record(TEXT, RECORD) == TEXT, "run python tools/versions_page.py"


@pytest.mark.parametrize("pins", ["tools/pins/oldest.txt", "tools/pins/colab.txt", "requirements.txt"])
def test_there_is_a_row_of_each_set_of_versions(pins):
    text = (ROOT / pins).read_text(encoding="utf-8")
    pinned = {name: re.search(rf"^{name}==([\w.]+)", text, re.MULTILINE)[1] for name in ("torch", "numpy", "scipy")}
    rows = [row["environment"] for row in RECORD["rows"].values()]
    assert pinned in [{name: row[name] for name in pinned} for row in rows], f"{pins} has other versions now; {AGAIN}"


def test_the_rows_are_of_the_weights_that_are_shipped():
    shipped = {
        name: hashlib.sha256((WEIGHTS / name / WEIGHT_FILE).read_bytes()).hexdigest()
        for name in ("lines-1-4", "lines-3-6")
    }
    for row in RECORD["rows"].values():
        assert row["weights"] == shipped, f"the weights are others now; {AGAIN}"
        assert row["command"] == RECORD["command"]
        assert "changes" not in row["commit"]
        assert row["wall_time_seconds"] > 0


def test_what_the_page_says_did_and_did_not_change():
    (training,) = changed(RECORD)
    assert training == "training: validation error after 300 steps"
    rows = list(RECORD["rows"].values())
    values = [row["numbers"][training] for row in rows]
    assert 0 < (max(values) - min(values)) / max(values) < 0.012  # "less than one per cent"
    assert all(row["images"] == rows[0]["images"] for row in rows)
    assert rows[0]["numbers"]["autocorrelation: largest difference of float32 from float64"] < 1e-7


def test_a_number_that_differs_is_found():
    rows = {name: {"numbers": {"a": 1.0, "b": b}} for name, b in (("first", 2.0), ("second", 2.0001))}
    assert changed({"rows": rows}) == ["b"]
    assert spread([2.0, 2.0001]) == "0.005 %"


def test_the_rows_of_rock_are_those_of_today():
    rock = read_record("rock")
    many, prior = rock["realisations"]["berea-noise"], rock["prior"]
    cut = rock["reconstruction"]["berea"]["berea-noise"]["thresholded_statistics_error_mean"]
    now = [f"{many['ratio']:.3f}", f"{many['statistics_error_mean']:.2e}", f"{cut:.2e}"]
    now += [f"{prior['berea-data']['volume_fraction']['mean']:.3f}"]
    assert re.findall(r"^\| `berea.*\| ([\d.e-]+) \|$", TEXT, re.MULTILINE) == now


def test_the_older_record_is_that_which_the_page_names():
    """Once it is recorded anew, the page has to say so."""
    if read_record("reconstruction")["commit"] == "ea6e9271bd6e":
        assert "**Not recorded anew:**" in TEXT
    else:
        assert "**Not recorded anew:**" not in TEXT


def test_the_rows_of_properties_are_those_of_today():
    materials = {
        "1 to 4 lines": "lines-1-4",
        "3 to 6 lines": "lines-3-6",
        "Berea sandstone": "berea",
        "Gaussian blobs": "gaussian-field",
    }
    recorded = read_record("properties")["materials"]
    found = {name: recorded[key]["kinds"]["gradient descent"] for name, key in materials.items()}
    now = {}
    for contrast, digits in ((10, 2), (1000, 1)):
        for name, kind in found.items():
            change = median(kind[f"phase conducts {contrast}"])
            now[f"{name}, contrast {contrast}"] = f"{100 * change:.{digits}f} %"
    now |= {f"{name}, images with another path": str(kind["same_paths"].count(0)) for name, kind in found.items()}
    shown = re.findall(r"^\| (\w.*, (?:contrast 10+|images with another path)) \| .* \| (.*) \|$", TEXT, re.MULTILINE)
    assert dict(shown) == now
