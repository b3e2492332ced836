"""The record of how often intervals hold the truth, and what the docstrings say of it."""

import pytest

from microtutor.records import read_record
from microtutor.statistics import representativity, summarise
from studies.coverage import MATERIALS, TABLE, fraction_coverage

RECORD = read_record("coverage")


@pytest.mark.parametrize("material", MATERIALS)
@pytest.mark.parametrize("side", ["64", "128"])
def test_valid_intervals_of_the_volume_fraction_hold_the_truth(material, side):
    row = RECORD["volume fraction"][material][side]
    assert row["pictures"] == 1000
    assert row["valid"] > 0.7
    assert 0.93 <= row["coverage_where_valid"] <= 0.97


def test_the_closing_table_is_as_sure_as_its_docstring_says():
    said = summarise.__doc__
    spans = {"volume": (0.94, 0.97), "surface": (0.95, 0.98), "correlation": (0.90, 0.99), "mean": (0.92, 1.0)}
    spans |= {"anisotropy": (0.89, 0.98)}
    for low, high in spans.values():
        assert f"{low:.0%}".strip("%") + f" to {high:.0%}".replace("%", " %") in " ".join(said.split())
    for material in TABLE:
        rows = {k: v["coverage"] for k, v in RECORD["closing table"][material].items() if isinstance(v, dict)}
        for name, coverage in rows.items():
            low, high = spans.get(name.split()[0], (0.9, 1.0))
            if "mosaic" in material and name != "volume fraction":
                low, high = 0.69, 0.81
            assert low - 0.005 <= coverage <= high + 0.005, (material, name)


def test_the_study_counts_anew():
    name = "Gaussian fields, fraction 0.1, length 2"
    row = fraction_coverage(name, 64, 60)
    assert row["pictures"] == 60
    assert abs(row["coverage"] - RECORD["volume fraction"][name]["64"]["coverage"]) < 0.1  # 60 pictures: 0.03 each way
    assert "coverage.json" in representativity.__doc__
