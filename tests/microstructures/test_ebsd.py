"""EBSD maps: the phases, the steps and the names in files of EDAX/TSL and of Channel 5."""

import numpy as np
import pytest

from microtutor.microstructures import datasets, load_duplex_steel, read_micrograph
from microtutor.microstructures.ebsd import read_ebsd

LABELS = np.array([[1, 1, 2], [2, 1, 2]])
CONFIDENCE = np.array([[0.9, 0.8, -1], [0.7, 0.6, 0.5]])
PHASES = "# Phase 1\n# MaterialName  \taustenite\n#\n# Phase 2\n# MaterialName  \tferrite\n"


def ang(labels=LABELS, *, grid="SqrGrid", phases=PHASES, columns=8, odd=3, even=3, rows=2, step=("0.5", "0.25")):
    header = f"# TEM_PIXperUM  1.0\n{phases}# GRID: {grid}\n# XSTEP: {step[0]}\n# YSTEP: {step[1]}\n"
    header += f"# NCOLS_ODD: {odd}\n# NCOLS_EVEN: {even}\n# NROWS: {rows}\n#\n"
    points = [
        f"  1.0 0.5 2.0 {0.5 * c:.3f} {0.25 * r:.3f} 24.4 {CONFIDENCE[r, c]} {labels[r, c]} 1 0.7"
        for r, c in np.ndindex(labels.shape)
    ]
    return header + "".join(" ".join(point.split()[:columns]) + "\n" for point in points)


def ctf(labels=LABELS, *, mode="Grid", step="0.5", columns=3, names=True, point="."):
    lines = ["Channel Text File", "Prj\ttest", f"JobMode\t{mode}", f"XCells\t{columns}", "YCells\t2", f"XStep\t{step}"]
    lines += ["YStep\t0.25", "AcqE1\t0", "Phases\t2"]
    lines += ["3.6;3.6;3.6\t90;90;90\tIron fcc\t11\t225", "2.9;2.9;2.9\t90;90;90\tIron bcc\t11\t229"]
    lines += ["Phase\tX\tY\tBands\tError"] if names else []
    lines += [f"{labels[r, c]}\t{0.5 * c}\t{0.25 * r}\t7\t0" for r, c in np.ndindex(labels.shape)]
    return "\n".join(lines).replace(".", point)


def saved(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("columns", [8, 10])
def test_ang(tmp_path, columns):
    found = read_ebsd(saved(tmp_path / "a.ang", ang(columns=columns)))
    assert np.array_equal(found.labels, LABELS)
    assert np.array_equal(found.indexed, CONFIDENCE >= 0)
    assert found.step == (0.25, 0.5)  # down, right
    assert found.names == {1: "austenite", 2: "ferrite"}


def test_ang_with_phases_that_the_header_does_not_list(tmp_path):
    labels = np.array([[0, 1, 2], [2, 1, 2]])
    indexed = read_ebsd(saved(tmp_path / "a.ang", ang(labels))).indexed
    assert np.array_equal(indexed, (CONFIDENCE >= 0) & (labels > 0))
    one = read_ebsd(saved(tmp_path / "b.ang", ang(0 * labels, phases="# Phase 1\n# MaterialName iron\n")))
    assert np.array_equal(one.indexed, CONFIDENCE >= 0)  # a map of one phase has it as number 0


@pytest.mark.parametrize("point", [".", ","])
def test_ctf(tmp_path, point):
    labels = np.array([[1, 0, 2], [2, 1, 2]])
    found = read_ebsd(saved(tmp_path / "a.CTF", ctf(labels, point=point)))
    assert np.array_equal(found.labels, labels)
    assert np.array_equal(found.indexed, labels > 0)
    assert (found.step, found.names) == ((0.25, 0.5), {1: "Iron fcc", 2: "Iron bcc"})


def test_maps_become_micrographs(tmp_path):
    labels = np.array([[1, 0, 2], [2, 1, 2]])
    found = read_micrograph(saved(tmp_path / "a.ctf", ctf(labels)))
    assert np.array_equal(found.phases, [labels == 1, labels == 2])
    assert np.array_equal(found.mask, labels > 0)
    assert (found.labels, found.phase_names) == ((1, 2), ("Iron fcc", "Iron bcc"))
    assert (found.spacing, found.unit) == ((0.25, 0.5), "µm")
    turned = read_micrograph(tmp_path / "a.ctf", labels=[2, 1], crop="1:,:", unit="nm")
    assert np.array_equal(turned.phases, [labels[1:] == 2, labels[1:] == 1])
    assert turned.phase_names == ("Iron bcc", "Iron fcc")
    assert (turned.spacing, turned.unit) == (pytest.approx((250, 500)), "nm")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.ang",
            ang(grid="HexGrid"),
            "square grid in a.ang, got HexGrid with rows of 3 and 3 points; convert it .* take labels=True",
        ),
        ("a.ang", ang(even=2), "square grid in a.ang, got SqrGrid with rows of 3 and 2 points; convert it"),
        ("a.ang", ang(rows=3), "expected 3 rows of 3 points in a.ang, 9 lines, got 6; export it again"),
        ("a.ang", ang(columns=7), "expected numbers in column 8 of a.ang, the phase, got none"),
        ("a.ang", ang(step=("0", "1")), "rows and columns and their steps .* got .* XSTEP 0; export it again"),
        ("a.ang", "nothing of the kind", "NROWS missing, NCOLS_ODD missing.*; export it again"),
        (
            "a.ctf",
            ctf(mode="Interactive"),
            "square grid in a.ctf, got JobMode Interactive and 3 XCells; measure on a grid",
        ),
        ("a.ctf", ctf(names=False), "a row of names that begins with Phase in a.ctf, got none; export it again"),
        ("a.ctf", ctf(step="wide"), "XStep wide; export it again"),
        ("a.ctf", ctf(columns=4), "expected 2 rows of 4 points in a.ctf, 8 lines, got 6; export it again"),
        ("a.ctf", ctf().replace("2\t0.0\t", "b\t0.0\t"), "expected numbers in column 1 of a.ctf, the phase, got none"),
    ],
)
def test_other_maps_are_refused(tmp_path, name, text, message):
    with pytest.raises(ValueError, match=message):
        read_micrograph(saved(tmp_path / name, text))


def test_a_real_map():
    if not datasets.available("steel"):
        pytest.skip("the steel is not at hand; it is downloaded once, when it is asked for")
    path = datasets.fetch("steel/sdss_ferrite_austenite.ang")
    found = read_micrograph(path)
    assert np.array_equal(found.phases, load_duplex_steel())
    assert (found.spacing, found.unit, found.mask) == ((1.5, 1.5), "µm", None)
    assert found.phase_names == ("austenite/austenite", "ferrite/ferrite")
