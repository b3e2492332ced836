"""The rehearsal finds what a reader in Colab would stumble over; its versions and its page say what is so."""

import json
import re
import tomllib
import urllib.error
from pathlib import Path

import colab_pins
import installed_tests
import nbformat
import pytest
import rehearse
import status_page
from outline import ROOT, chapters, wheel_address
from packaging.requirements import Requirement
from written import with_part

RECORDED = ROOT / "microtutor" / "results" / "rehearsal.json"
INSTALL = f"""import sys

if "google.colab" in sys.modules:
    %pip install -q --no-deps {wheel_address()}"""


def requirements(path: Path) -> dict[str, str]:
    """The version that a file pins, by the name of the package."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            needed = Requirement(line)
            ((found[needed.name]),) = (specifier.version for specifier in needed.specifier)
    return found


def project() -> list[Requirement]:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return [Requirement(line) for line in tomllib.loads(text)["project"]["dependencies"]]


# --- one notebook -----------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def bare():
    with rehearse.bare_folder() as (folder, environment):
        yield folder, environment


def rehearsed(name: str, *cells: str, bare, tags: tuple[str, ...] = ()) -> dict:
    """What a rehearsal finds in a notebook of these cells; the last cell carries the tags."""
    folder, environment = bare
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.cells[-1].metadata["tags"] = list(tags)
    path = folder.parent / f"{name}.ipynb"
    nbformat.write(notebook, path)
    return rehearse.rehearse(path, folder, environment)


SURROUNDINGS = """import os
from pathlib import Path

from google.colab import drive, files, output

assert files.upload() == {}
drive.mount("/content/drive")
output.enable_custom_widget_manager()
assert not list(Path().iterdir())
assert "PYTHONPATH" not in os.environ and "OMP_NUM_THREADS" not in os.environ
assert (Path(os.environ["MICROTUTOR_DATA"]) / "weights" / "berea-data" / "model.safetensors").is_file()"""
SOLUTION = """# @title Solution 1
show_solution = False  # @param {type:"boolean"}

if show_solution:
    raise AssertionError("opened")"""
WRITE = """Path("runs/{0}").mkdir(parents=True)
Path("runs/{0}/log.csv").write_text("{0}", encoding="utf-8")"""


def test_a_chapter_that_works(bare):
    found = rehearsed("works", INSTALL, SURROUNDINGS, WRITE.format("works"), bare=bare)
    assert (found["errors"], found["warnings"]) == ([], [])
    assert found["megabytes"] > 10
    assert re.fullmatch(r"\d+ s, cell \d \(.*\)", found["slowest cell"])


def test_a_chapter_that_does_not_work(bare):
    code = "import warnings; warnings.warn('look here', stacklevel=1)"
    found = rehearsed("fails", INSTALL, code, "1 / 0", SOLUTION, bare=bare, tags=("skip-execution", "raises-exception"))
    assert found["errors"] == [
        "cell 3 (1 / 0): ZeroDivisionError: division by zero",
        "cell 4 (# @title Solution 1): AssertionError: opened",
    ]
    (warning,) = found["warnings"]
    assert warning.startswith("cell 2 (import warnings")
    assert "UserWarning: look here" in warning


def test_a_chapter_that_installs_something_else(bare):
    other = INSTALL.replace("--no-deps ", "")
    found = rehearsed("installs", other, bare=bare)
    assert len(found["errors"]) == 2
    assert f"got `%pip install -q {wheel_address()}`" in found["errors"][0]
    assert found["errors"][1] == "installs the package 0 times, not once"


def test_a_chapter_that_writes_where_it_should_not(bare):
    rehearsed("first", INSTALL, "from pathlib import Path\n" + WRITE.format("first"), bare=bare)
    code = "from pathlib import Path\nPath('runs/first/log.csv').unlink()\nPath('loose.txt').touch()"
    found = rehearsed("second", INSTALL, code, bare=bare)
    assert found["errors"] == [f"writes {name}, outside runs/second/" for name in ("loose.txt", "runs/first/log.csv")]


def test_a_chapter_whose_kernel_dies_or_takes_too_long(bare, monkeypatch):
    found = rehearsed("dies", INSTALL, "import os; os._exit(1)", bare=bare)
    assert found["errors"] == ["cell 2 (import os; os._exit(1)): the kernel died, for example because memory ran out"]
    monkeypatch.setattr(rehearse, "SECONDS_PER_CELL", 1)
    found = rehearsed("waits", INSTALL, "import time; time.sleep(60)", bare=bare)
    assert found["errors"] == ["cell 2 (import time; time.sleep(60)): takes more than 1 s"]
    assert found["seconds"] < 30


# --- the whole --------------------------------------------------------------------------------------------------------
GOOD = {"seconds": 12.3, "megabytes": 900, "slowest cell": "9 s, cell 2 (x)", "errors": [], "warnings": []}
BAD = GOOD | {"errors": [f"cell {n} (x): NameError: x" for n in range(1, 6)], "warnings": ["cell 2 (y): look"]}


def test_what_is_said_of_a_chapter():
    assert rehearse.line_of("vae", GOOD).split() == ["vae", "passed", "12", "s", "0.9", "GB"]
    lines = rehearse.line_of("vae", BAD).splitlines()
    assert lines[0].split()[:2] == ["vae", "failed"]
    assert lines[1:4] == [f"    error: cell {n} (x): NameError: x" for n in (1, 2, 3)]
    assert lines[4].startswith("    and 2 more errors, in _build/rehearsal.json")
    assert lines[5] == "    warning: cell 2 (y): look"
    assert rehearse.line_of("rock_vae", {"skipped": "no rock"}).split(maxsplit=1) == ["rock_vae", "skipped: no rock"]


def test_chapters_without_their_micrographs_are_skipped_and_do_not_pass(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(rehearse, "colab_notebooks", lambda: [tmp_path / "a.ipynb", tmp_path / "b.ipynb"])
    monkeypatch.setattr("stored_outputs.reason_not_to_run", lambda path: "no rock" if path.stem == "b" else "")
    monkeypatch.setattr(rehearse, "rehearse", lambda *_: GOOD)
    found = rehearse.rehearse_all([])
    assert found == {"a": GOOD, "b": {"skipped": "no rock"}}
    assert rehearse.closing_line(found) == "1 passed, 0 failed, 1 skipped"
    assert "b                      skipped: no rock" in capsys.readouterr().out


TESTS = {"passed": 3, "failed": 0, "skipped": 1, "seconds": 2.0, "left out": {}, "output": "dots"}


@pytest.mark.parametrize(
    ("chapter", "tests", "unmet", "code"),
    [(GOOD, 0, [], 0), (BAD, 0, [], 1), (GOOD, 1, [], 1), (GOOD, 0, ["microtutor requires x"], 1)],
)
def test_any_failure_fails(chapter, tests, unmet, code, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(rehearse, "rehearse_all", lambda names: {"vae": chapter})
    monkeypatch.setattr(rehearse, "REPORT", tmp_path / "report.json")
    monkeypatch.setattr(rehearse, "RECORD", tmp_path / "record.json")
    monkeypatch.setattr(rehearse, "ROOT", tmp_path)
    monkeypatch.setattr(installed_tests, "run_tests", lambda: TESTS | {"failed": tests})
    monkeypatch.setattr(installed_tests, "unmet_requirements", lambda: unmet)
    monkeypatch.setattr(status_page, "write_page", lambda record: None)
    assert rehearse.main(["--record"]) == code
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == ("0 passed, 1 failed" if chapter is BAD else "1 passed, 0 failed")
    assert f"Tests: 3 passed, {tests} failed, 1 skipped" in said
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["tests"] == {
        name: value for name, value in (TESTS | {"failed": tests}).items() if name != "output"
    }
    assert (tmp_path / "record.json").exists() == (code == 0)  # what failed is no record


def test_what_a_package_requires_and_colab_lacks_is_said(monkeypatch):
    required = ["ipywidgets>=7.7", "torch>=2.6", 'dask[array]>=2024.1; extra == "dask"']
    there = {"ipywidgets": "7.7.1", "torch": "2.11.0+cpu"}
    monkeypatch.setattr(installed_tests.metadata, "requires", lambda name: required)
    monkeypatch.setattr(installed_tests.metadata, "version", there.get)
    assert installed_tests.unmet_requirements() == []
    there["ipywidgets"] = "7.6.5"
    assert installed_tests.unmet_requirements() == ["microtutor requires ipywidgets>=7.7, and here is 7.6.5"]


# --- versions ---------------------------------------------------------------------------------------------------------
def test_colab_has_all_that_the_package_requires():
    colab = requirements(colab_pins.PINS)
    assert not [str(r) for r in project() if not r.specifier.contains(colab[r.name])]


def test_the_oldest_versions_are_the_bounds():
    pinned = requirements(ROOT / "tools" / "pins" / "oldest.txt")
    assert not [
        str(r) for r in project() if not Requirement(f"{r.name}=={pinned[r.name]}").specifier.contains(bound(r))
    ]


def bound(requirement: Requirement) -> str:
    ((operator, version),) = ((s.operator, s.version) for s in requirement.specifier)
    assert operator == ">=", "lower bounds only: an upper bound would make Colab replace what it has"
    return version


PINS = """# Source: somewhere at commit 0123abc
# Date: 2026-01-01
# Python: 3.12.1
torch==2.0.0
PyYAML==6.0

# not in Colab: ours
hypothesis==6.0
"""
FROZEN = """PyYAML==6.0.3
torch @ https://a.b/whl/cpu/torch-2.11.0%2Bcpu-cp313-cp313-manylinux_2_28_x86_64.whl
hypothesis==7.0
google-colab @ file:///colab/dist/google_colab-1.0.0.tar.gz
"""


def test_pins_are_renewed_from_the_published_list():
    new = colab_pins.renewed(PINS, FROZEN, {"commit": "fedc987", "date": "2026-11-28", "python": "3.13.15"})
    assert (
        new
        == """# Source: somewhere at commit fedc987
# Date: 2026-11-28
# Python: 3.13.15
torch==2.11.0
PyYAML==6.0.3

# not in Colab: ours
hypothesis==6.0
"""
    )
    with pytest.raises(ValueError, match="PyYAML is not in Colab's list"):
        colab_pins.renewed(PINS, "torch==2.11.0\n", {"commit": "a", "date": "b", "python": "c"})


def test_pins_without_a_network_stay_as_they_are(monkeypatch, capsys):
    def refuse(address):
        raise urllib.error.URLError("no network")

    before = colab_pins.PINS.read_bytes()
    monkeypatch.setattr(colab_pins, "download", refuse)
    assert colab_pins.main() == 1
    assert capsys.readouterr().err == (
        "Colab's list cannot be had (no network), so tools/pins/colab.txt stays as it is.\n"
    )
    assert colab_pins.PINS.read_bytes() == before


# --- the page ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def record() -> dict:
    if not RECORDED.exists():
        assert "No run has been recorded for this version yet." in status_page.PAGE.read_text(encoding="utf-8")
        pytest.skip("no rehearsal is recorded: make rehearse RECORD=1")
    return json.loads(RECORDED.read_text(encoding="utf-8"))


def test_the_page_says_what_was_recorded(record):
    page = status_page.PAGE.read_text(encoding="utf-8")
    assert status_page.with_record(page, record) == page, "run python tools/status_page.py"
    assert len(re.findall(r"^\| \d+ \|", page, re.MULTILINE)) == len(chapters())


def test_the_record_is_of_a_rehearsal_of_everything(record):
    assert list(record["chapters"]) == [path.stem for path in chapters()]
    assert not [name for name, found in record["chapters"].items() if found.get("errors") != []]
    assert record["tests"]["failed"] == 0 < record["tests"]["passed"]
    colab = requirements(colab_pins.PINS)
    recorded = {name: record["environment"][name] for name in rehearse.PACKAGES}
    assert recorded == {name: colab[name] for name in rehearse.PACKAGES}, (
        "the versions are others now: make rehearse RECORD=1"
    )
    assert record["chapters"]["training"]["seconds"] > 10


def test_a_page_without_a_place_for_the_table_is_refused():
    with pytest.raises(ValueError, match=r"expected the lines .* in the page"):
        with_part("# A page", status_page.TOOL, "a table")
