"""The study of design: its expected improvement, and what its recorded run says."""

import numpy as np
import pytest

from microtutor.records import read_record
from studies.design import expected_improvement

CASES = ("rock", "lines", "lines, anisotropy")


def test_expected_improvement_is_the_mean_of_what_is_gained():
    drawn = np.random.default_rng(0).normal(1.2, 0.3, 200_000)
    gained = np.maximum(0, 0.4 - np.abs(drawn - 1.0)).mean()
    found = expected_improvement(np.array([1.2]), np.array([0.3]), 1.0, 0.4)
    assert found.item() == pytest.approx(gained, rel=0.02)


def test_rock_meets_its_bars():
    rock = read_record("design")["rock"]
    mine = rock["methods"]["design"]
    assert mine["structures"] == 5 * rock["targets"]
    assert mine["within 1 %"] >= 0.95
    assert mine["within 0.2 %"] >= 0.98
    assert rock["seconds_per_structure"] <= 10
    assert rock["beyond"]["10 % above the greatest"]["usual"] == 0
    assert rock["beyond"]["three times"]["hits"] == 0


@pytest.mark.parametrize("case", CASES)
def test_design_is_nearer_than_rivals_that_solve_as_often(case):
    methods = read_record("design")[case]["methods"]
    for rival in ("random search", "look-up, as many solves", "random search, then the level of the cut"):
        assert methods["design"]["within 1 %"] > methods[rival]["within 1 %"]
