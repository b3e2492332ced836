"""One folder of runs per chapter: readers run all chapters in one folder, and none may find another's files there."""

import re
import shutil
import subprocess
import sys

import nbformat
import pytest
from one_folder import contents, strays
from outline import ROOT, chapters

RUN = re.compile(r"""(?<![\w/.])runs/[^\s"'`)\],;]*""")


def named(path) -> set[str]:
    """Every path below runs/ that the code of a chapter names."""
    code = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    return {name for source in code for name in RUN.findall(source)}


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_a_chapter_names_only_its_own_runs(path):
    assert not [name for name in named(path) if not f"{name}/".startswith(f"runs/{path.stem}/")]


def test_no_two_chapters_name_the_same_output():
    names = [name for path in chapters() for name in named(path)]
    assert len(names) == len(set(names))
    assert (
        len({name.split("/")[1] for name in names}) >= 3
    )  # training, knobs and gauge at least: the pattern finds them


def test_strays(tmp_path):
    (tmp_path / "runs" / "vae").mkdir(parents=True)
    for name in ("runs/vae/log.csv", "runs/vae/old.csv", "loose.txt"):
        (tmp_path / name).write_text("a", encoding="utf-8")
    before = contents(tmp_path)
    assert strays(before, contents(tmp_path), "knobs") == []
    (tmp_path / "runs" / "knobs").mkdir()
    (tmp_path / "runs" / "knobs" / "log.csv").write_text("mine", encoding="utf-8")
    (tmp_path / "runs" / "knobs.txt").write_text("beside it", encoding="utf-8")
    (tmp_path / "runs" / "vae" / "log.csv").write_text("changed", encoding="utf-8")
    (tmp_path / "runs" / "vae" / "old.csv").unlink()
    assert strays(before, contents(tmp_path), "knobs") == ["runs/knobs.txt", "runs/vae/log.csv", "runs/vae/old.csv"]


def chapter(path, code: str) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    path.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, path)


def run_in(folder) -> subprocess.CompletedProcess:
    shutil.copy(ROOT / "conftest.py", folder)
    (folder / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT / 'tools'}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "book"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False)


WRITE = """from pathlib import Path
path = Path("{name}")
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text("a result", encoding="utf-8")"""


@pytest.mark.slow
def test_a_chapter_that_writes_elsewhere_fails_the_tests_of_the_chapters(tmp_path):
    chapter(tmp_path / "book" / "a.ipynb", WRITE.format(name="runs/a/log.csv"))
    chapter(tmp_path / "book" / "b.ipynb", WRITE.format(name="runs/a/log.csv") + "\nPath('loose.txt').touch()")
    chapter(tmp_path / "book" / "c.ipynb", "from pathlib import Path\nassert Path('runs/a/log.csv').exists()")
    done = run_in(tmp_path)
    assert done.returncode == 1
    assert "b.ipynb writes outside runs/b/: loose.txt, runs/a/log.csv" in done.stdout
    assert "3 passed, 1 error" in done.stdout  # c finds the file of a: they share one folder
    assert not list(tmp_path.glob("book/runs"))
