"""The notebooks of the course in a folder of the reader's own."""

import json
import os
import sysconfig
from pathlib import Path

import pytest
from typer.testing import CliRunner

from microtutor import course
from microtutor.cli import app
from microtutor.course import CHAPTERS, file_name, how_to_open, place_chapters


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A folder in place of the package's own, with a notebook of every chapter."""
    folder = tmp_path / "package"
    folder.mkdir()
    for name in CHAPTERS:
        (folder / f"{name}.ipynb").write_bytes(f"notebook {name}: α ≥ β\n".encode())
    monkeypatch.setattr(course, "_SOURCES", (tmp_path / "absent", folder))
    return folder


@pytest.fixture
def work(tmp_path, monkeypatch):
    """The reader's working folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def run(*arguments: object):
    return CliRunner().invoke(app, ["chapters", *map(str, arguments)])


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_package_holds_a_notebook_of_every_chapter(tmp_path):
    place_chapters(tmp_path / "my-course")
    for name in CHAPTERS:
        notebook = json.loads((tmp_path / "my-course" / file_name(name)).read_text(encoding="utf-8"))
        assert notebook["cells"]


@pytest.mark.usefixtures("package")
def test_into_an_empty_folder(work):
    said = run("my-course")
    assert said.exit_code == 0, said.output
    assert {name: text.decode() for name, text in contents(work / "my-course").items()} == {
        f"{i:02d}_{name}.ipynb": f"notebook {name}: α ≥ β\n" for i, name in enumerate(CHAPTERS, 1)
    }
    lines = said.output.splitlines()
    assert lines[0] == os.path.join("my-course", "01_microstructures.ipynb")
    assert len([line for line in lines if line.endswith(".ipynb")]) == len(CHAPTERS)
    assert how_to_open("my-course").splitlines()[-1] in said.output


@pytest.mark.usefixtures("package")
def test_again_is_answered_with_already_there(work):
    run("my-course")
    before = contents(work / "my-course")
    times = {path.name: path.stat().st_mtime_ns for path in (work / "my-course").iterdir()}
    said = run("my-course")
    assert said.exit_code == 0
    assert said.output.startswith("already there: 20 of 20\n")
    assert "kept" not in said.output
    assert contents(work / "my-course") == before
    assert {path.name: path.stat().st_mtime_ns for path in (work / "my-course").iterdir()} == times


@pytest.mark.usefixtures("package")
def test_a_changed_notebook_is_kept_and_named(work):
    run("my-course")
    mine, gone = work / "my-course" / "02_counting_pairs.ipynb", work / "my-course" / "03_fft_way.ipynb"
    mine.write_text("my answers", encoding="utf-8")
    gone.unlink()
    said = run("my-course", "fft_way", "counting_pairs", "vae")
    assert said.exit_code == 0
    assert mine.read_text(encoding="utf-8") == "my answers"
    assert gone.read_text(encoding="utf-8").startswith("notebook fft_way")
    assert "differ from those of the package: 02_counting_pairs.ipynb\n" in said.output
    assert "rename yours" in said.output
    assert "already there: 1 of 3\n" in said.output


@pytest.mark.usefixtures("package")
def test_what_is_no_file_is_kept_too(work):
    (work / "02_counting_pairs.ipynb").mkdir()
    assert place_chapters(work, ["counting_pairs"]).kept == ["02_counting_pairs.ipynb"]


@pytest.mark.usefixtures("package")
def test_a_link_to_nowhere_is_kept_too(work):
    try:
        (work / "02_counting_pairs.ipynb").symlink_to("elsewhere")
    except OSError:
        pytest.skip("this system lets no one make links")
    assert place_chapters(work, ["counting_pairs"]).kept == ["02_counting_pairs.ipynb"]
    assert (work / "02_counting_pairs.ipynb").is_symlink()


@pytest.mark.usefixtures("package")
def test_chapters_by_name_come_in_the_order_of_the_book(work):
    assert place_chapters(work / "a b", ["vae", "gauge"]).copied == ["07_gauge.ipynb", "08_vae.ipynb"]
    assert sorted(contents(work / "a b")) == ["07_gauge.ipynb", "08_vae.ipynb"]


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["course", "fft_way", "fft-way", "x"], "expected chapters out of microstructures, counting_pairs, "),
        (["course", "fft_way", "fft-way", "x"], "properties, design; got fft-way, x"),
        (["taken"], "expected a folder for the notebooks, got the file taken; choose another name"),
        (["taken/course"], f"cannot write {Path('taken/course/01_microstructures.ipynb')}: "),
    ],
)
def test_bad_input_is_answered_in_one_line_before_any_work(work, arguments, expected):
    (work / "taken").write_text("a file", encoding="utf-8")
    said = run(*arguments)
    assert said.exit_code == 2
    assert expected in said.output
    assert len(said.output.strip().splitlines()) == 1
    assert contents(work) == {"taken": b"a file"}


@pytest.mark.usefixtures("package")
def test_one_name_is_no_list_of_names(work):
    with pytest.raises(TypeError, match=r"expected names as a list, got 'vae' \(str\)"):
        place_chapters(work, "vae")
    assert not contents(work)


@pytest.mark.usefixtures("package")
def test_a_folder_that_may_not_be_written_to(work, monkeypatch):
    """Simulated, since an administrator may write everywhere."""

    def refuse(self, *arguments, **options):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    said = run("my-course")
    assert said.exit_code == 2
    assert "01_microstructures.ipynb: Permission denied; choose a folder with room that you may write to" in said.output
    assert len(said.output.strip().splitlines()) == 1
    assert contents(work / "my-course") == {}


def test_a_package_without_notebooks(package, work):
    (package / "gauge.ipynb").unlink()
    said = run("my-course")
    assert said.exit_code == 2
    assert "has no notebook of the chapter gauge; in a clone of the repository, `make colab` makes it" in said.output
    assert len(said.output.strip().splitlines()) == 1
    assert contents(work) == {}


@pytest.mark.parametrize(
    ("installed", "on_path", "expected"),
    [
        (True, "ours", "jupyter lab {folder}"),
        (True, "another", "{python} -m jupyterlab {folder}"),
        (True, None, "{python} -m jupyterlab {folder}"),
        (False, None, "{python} -m pip install jupyterlab ipykernel\n{python} -m jupyterlab {folder}"),
        (False, "another", "{python} -m pip install jupyterlab ipykernel\n{python} -m jupyterlab {folder}"),
    ],
)
@pytest.mark.parametrize(
    ("system", "python", "folder"),
    [
        ("posix", ("/opt/python", "/opt/python"), ("my-course", "my-course")),
        ("posix", ("/opt/my python", "'/opt/my python'"), ("my course", "'my course'")),
        ("nt", ("C:/Ann Lee/python.exe", '& "C:/Ann Lee/python.exe"'), ("my course", '"my course"')),
        ("nt", ("C:/python.exe", "C:/python.exe"), ("my-course", "my-course")),
    ],
)
def test_how_to_open(monkeypatch, installed, on_path, expected, system, python, folder):
    (program, typed), (path, quoted) = python, folder
    where = {"ours": Path(sysconfig.get_path("scripts")) / "jupyter", "another": "/elsewhere/jupyter", None: None}
    monkeypatch.setattr(course, "_WINDOWS", system == "nt")
    monkeypatch.setattr(course.sys, "executable", program)
    monkeypatch.setattr(course.importlib.util, "find_spec", lambda name: object() if installed else None)
    monkeypatch.setattr(course.shutil, "which", lambda name: where[on_path] and str(where[on_path]))
    assert how_to_open(path) == expected.format(python=typed, folder=quoted)


def test_this_python_is_named_from_the_working_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(course.sys, "executable", str(Path.cwd() / ".venv" / "bin" / "python"))
    monkeypatch.setattr(course.shutil, "which", lambda name: None)
    command = how_to_open("my-course").splitlines()[-1]
    assert command == f"{Path('.venv', 'bin', 'python')} -m jupyterlab my-course"
