"""A chapter whose micrographs cannot be had: it is not run, the page shows what is stored and says so."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import stored_outputs
from outline import ROOT, chapters

from microtutor.microstructures import datasets


@pytest.fixture(autouse=True)
def nothing_is_remembered():
    stored_outputs.reason_missing.cache_clear()
    yield
    stored_outputs.reason_missing.cache_clear()


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No network, and an empty cache; what is asked for is written down."""
    asked = []

    def fetch(name):
        asked.append(name)
        raise FileNotFoundError(f"{name} is not there")

    monkeypatch.setattr(datasets, "fetch", fetch)
    return asked


def chapter(path: Path, data: list[str] | None) -> Path:
    """A chapter that fails when it is run; the stored output is another."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [
        nbformat.v4.new_markdown_cell("# A chapter"),
        nbformat.v4.new_code_cell(
            "print(1 / 0)", execution_count=1, outputs=[nbformat.v4.new_output("stream", text="the stored output\n")]
        ),
    ]
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    if data is not None:
        notebook.metadata["microtutor"] = {"data": data}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def test_data_of(tmp_path):
    assert stored_outputs.data_of(chapter(tmp_path / "a.ipynb", None)) == []
    names = stored_outputs.data_of(chapter(tmp_path / "a.ipynb", ["rock", "li2018/pmma_resized.npy"]))
    assert names == ["rock/berea.zip", "rock/ketton.zip", "li2018/pmma_resized.npy"]


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_every_chapter_names_data_that_exist(path):
    for name in stored_outputs.data_of(path):
        datasets.available(name)


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_a_chapter_that_loads_micrographs_names_its_data(path):
    code = "\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code")
    loaders = ("load_li2018", "load_superalloy", "load_duplex_steel", "load_rock", "RockCrops")
    assert bool(stored_outputs.data_of(path)) == any(loader in code for loader in loaders)


def test_a_chapter_is_run_unless_a_file_is_missing(tmp_path, offline):
    needy, other = chapter(tmp_path / "a.ipynb", ["rock"]), chapter(tmp_path / "b.ipynb", None)
    assert stored_outputs.reason_not_to_run(other) == ""
    assert stored_outputs.reason_not_to_run(needy) == "rock/berea.zip is not there"
    assert stored_outputs.reason_not_to_run(needy) == "rock/berea.zip is not there"
    assert offline == ["rock/berea.zip"]  # once, and no more after the first that is missing


def test_a_damaged_file_is_no_reason_for_stored_outputs(tmp_path, monkeypatch):
    monkeypatch.setenv("MICROTUTOR_DATA", str(tmp_path))
    (tmp_path / "rock").mkdir()
    (tmp_path / "rock" / "berea.zip").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="the file is damaged, and is not used"):
        stored_outputs.reason_not_to_run(chapter(tmp_path / "a.ipynb", ["rock"]))


def test_the_note_comes_after_the_title(tmp_path):
    text = stored_outputs.with_note(chapter(tmp_path / "a.ipynb", ["rock", "steel"]).read_text(encoding="utf-8"))
    notebook = nbformat.reads(text, 4)
    nbformat.validate(notebook)
    assert [cell.source.split("\n")[0] for cell in notebook.cells] == ["# A chapter", ":::{note}", "print(1 / 0)"]
    assert "as its data (rock, steel)\ncould not be had" in notebook.cells[1].source


CONFIG = """
title: A book
only_build_toc_files: true
execute: {execute_notebooks: force}
parse: {myst_enable_extensions: [colon_fence]}
sphinx: {local_extensions: {stored_outputs: tools}}
"""


def small_book(folder: Path) -> None:
    """The settings of a book of one chapter, book/needy.ipynb."""
    (folder / "_config.yml").write_text(CONFIG, encoding="utf-8")
    (folder / "_toc.yml").write_text("format: jb-book\nroot: book/needy\n", encoding="utf-8")
    (folder / "tools").mkdir()
    for name in ("stored_outputs.py", "outline.py", "execute.py"):
        shutil.copy(ROOT / "tools" / name, folder / "tools" / name)


@pytest.mark.slow
def test_a_chapter_that_ran_before_is_not_run_again(tmp_path):
    """By `make book`; its file stays as it is, and the page shows the outputs of the run."""
    small_book(tmp_path)
    path, runs = chapter(tmp_path / "book" / "needy.ipynb", None), tmp_path / "runs.txt"
    notebook = nbformat.read(path, 4)
    source = f"with open({str(runs)!r}, 'a') as file:\n    _ = file.write('x')\nprint('the new output')"
    notebook.cells[1].source = source
    nbformat.write(notebook, path)
    before = path.read_bytes()
    command = [sys.executable, "tools/execute.py", "--for-book", "book/needy.ipynb"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    build = [Path(sys.executable).with_name("jupyter-book"), "build", ".", "-W", "-n"]
    environment = os.environ | {"MICROTUTOR_CHAPTERS_RAN": "1"}
    done = subprocess.run(build, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert runs.read_text(encoding="utf-8") == "x"
    assert path.read_bytes() == before
    page = (tmp_path / "_build" / "html" / "book" / "needy.html").read_text(encoding="utf-8")
    assert "the new output" in page
    assert "the stored output" not in page


@pytest.mark.slow
def test_a_chapter_that_fails_is_kept_for_no_book(tmp_path):
    small_book(tmp_path)
    chapter(tmp_path / "book" / "needy.ipynb", None)
    command = [sys.executable, "tools/execute.py", "--for-book", "book/needy.ipynb"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 1
    assert "book/needy.ipynb failed" in ran.stdout.replace("\\", "/")
    assert "ZeroDivisionError" in ran.stdout
    assert not (tmp_path / "_build").exists()


@pytest.mark.slow
def test_a_book_without_data_is_built_from_stored_outputs(tmp_path):
    small_book(tmp_path)
    chapter(tmp_path / "book" / "needy.ipynb", ["rock"])
    done = run_without_data([Path(sys.executable).with_name("jupyter-book"), "build", ".", "-W", "-n"], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "book/needy.ipynb is shown with its stored outputs: rock/berea.zip is not in" in done.stdout
    page = (tmp_path / "_build" / "html" / "book" / "needy.html").read_text(encoding="utf-8")
    assert "the stored output" in page
    assert "This page shows stored outputs" in page


@pytest.mark.slow
def test_the_tests_of_a_chapter_without_data_are_skipped(tmp_path):
    chapter(tmp_path / "book" / "needy.ipynb", ["rock"])
    chapter(tmp_path / "book" / "other.ipynb", None)
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT / 'tools'}\n", encoding="utf-8")
    done = run_without_data([sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "book"], tmp_path)
    assert "1 failed, 1 skipped" in done.stdout  # the chapter that needs no data is run, and fails
    assert "needy.ipynb is not run: rock/berea.zip is not in" in done.stdout
    assert "other.ipynb is not run" not in done.stdout


def run_without_data(command: list, folder: Path) -> subprocess.CompletedProcess:
    """Run a command in a folder, with an empty cache of data and every download refused."""
    nowhere = {"MICROTUTOR_DATA": str(folder / "data")} | {
        f"{name}_PROXY": "http://127.0.0.1:9" for name in ("HTTPS", "HTTP")
    }
    environment = {key: value for key, value in os.environ.items() if key.lower() != "no_proxy"} | nowhere
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
