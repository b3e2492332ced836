"""The zip for a room without internet: what is in it, and that it says how to use it."""

import ast
import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath

import classroom
import pytest
from classroom import reason_not_to_pack
from outline import ROOT, chapters, version

from microtutor.microstructures import datasets
from microtutor.models import shipped_weights

INSIDE = ["lines-1-4", "lines-3-6", "berea"]  # weights that the wheel of this test holds
TOP = f"microtutor-classroom-{version()}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("classroom")


@pytest.fixture(scope="module")
def site(folder) -> Path:
    site = folder / "site"
    for name in ("index.html", "book/index.html", "_static/mathjax/tex-svg.js", "reports/book/failed.log"):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(f"the file {name}", encoding="utf-8")
    return site


@pytest.fixture(scope="module")
def wheel(folder) -> Path:
    wheel = folder / f"microtutor-{version()}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in INSIDE:
            archive.writestr(f"microtutor/weights/{name}/model.safetensors", "")
    return wheel


@pytest.fixture(scope="module")
def packed(site, wheel, folder) -> dict[str, bytes]:
    """The files of a zip, by name, packed where only the steel and one of the two rocks can be had."""

    def fetch(name: str) -> Path:
        if name not in ("steel/sdss_ferrite_austenite.ang", "rock/berea.zip"):
            raise FileNotFoundError(f"{folder} has no {name}")
        (folder / "cache" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "cache" / name).write_text(name, encoding="utf-8")
        return folder / "cache" / name

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "fetch", fetch)
        files, missing = classroom.contents(site, wheel)
    assert sorted(missing) == ["li2018", "rock", "superalloy"]
    target = folder / "dist" / f"{TOP}.zip"
    classroom.pack(target, files)
    assert [path.name for path in target.parent.iterdir()] == [target.name]  # no temporary file is left
    with zipfile.ZipFile(target) as archive:
        assert not archive.testzip()
        return {name: archive.read(name) for name in archive.namelist()}


def test_all_lies_in_one_folder_at_names_that_every_system_takes(packed):
    for name in packed:
        parts = PurePosixPath(name).parts
        assert parts[0] == TOP
        assert ".." not in parts
        assert re.fullmatch(r"[\w./+-]+", name), name
    assert len({name.lower() for name in packed}) == len(packed)
    assert list(packed) == sorted(packed)


def test_site_and_notebooks_are_whole(packed, site):
    assert packed[f"{TOP}/site/_static/mathjax/tex-svg.js"] == b"the file _static/mathjax/tex-svg.js"
    assert not [name for name in packed if "/reports/" in name]
    inside = [name for name in packed if name.startswith(f"{TOP}/notebooks/")]
    assert [name.split("/")[-1] for name in inside] == [f"{i + 1:02d}_{path.name}" for i, path in enumerate(chapters())]
    for name, path in zip(inside, chapters()):
        top, *cells = json.loads(packed[name])["cells"]
        theirs, *rest = json.loads((ROOT / "colab" / path.name).read_text(encoding="utf-8"))["cells"]
        assert cells == rest
        assert "".join(theirs["source"]).endswith(top["source"])
        assert top["source"].startswith("Chapter ")
        assert b"![" not in packed[name].split(b'"cell_type": "code"')[0]  # no picture from the web at its top


def test_models_are_in_the_wheel_or_beside_it_where_the_package_looks(packed):
    beside = {name.split("/")[3]: content for name, content in packed.items() if "/data/weights/" in name}
    assert sorted([*INSIDE, *beside]) == shipped_weights()
    for name, content in beside.items():
        card = json.loads((ROOT / "microtutor" / "weights" / name / "card.json").read_text(encoding="utf-8"))
        assert hashlib.sha256(content).hexdigest() == card["sha256"]
        assert f"{TOP}/data/weights/{name}/model.safetensors" in packed


def test_a_set_of_micrographs_is_there_as_a_whole_or_not_at_all_and_the_pages_say_which(packed):
    assert f"{TOP}/data/steel/sdss_ferrite_austenite.ang" in packed
    assert not [name for name in packed if "/data/rock/" in name]
    text, terms = packed[f"{TOP}/START-HERE.txt"].decode(), packed[f"{TOP}/data/LICENCES.txt"].decode()
    for name, data in datasets.DATASETS.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
        assert row.endswith("| yes |" if name == "steel" else f"{data.commit} |")
        assert f"Licence: {data.licence}\nCite: {data.citation}\n" in terms
    assert "Permission is hereby granted" in terms


def test_no_path_of_this_machine_is_in_it(packed, folder):
    for name, content in packed.items():
        if name.endswith((".txt", ".html", ".py")):
            assert str(folder).encode() not in content
            assert str(ROOT).encode() not in content


def test_the_page_says_the_same_as_the_text_and_asks_for_nothing(packed, wheel):
    page, text = (packed[f"{TOP}/START-HERE.{kind}"].decode() for kind in ("html", "txt"))
    assert not re.search(r"\{\w+\}", text)
    assert not re.search(r"src=|@import|url\(", page)

    class Words(HTMLParser):
        def handle_data(self, data: str) -> None:
            words.append(data)

    words: list[str] = []
    Words().feed(page)
    for command in re.findall(r"^ {4,}(\S.*)$", text, re.MULTILINE):
        assert command.strip() in "".join(words)
    assert text.count(f"package/{wheel.name}") >= 5
    assert (page.count("Windows:"), page.count("macOS and Linux:")) == (7, 7)


def test_the_same_files_give_the_same_zip(site, tmp_path):
    files = {"b": site / "index.html", "a": "text"}
    for folder in ("one", "two"):
        classroom.pack(tmp_path / folder / "course.zip", files)
        os.utime(site / "index.html", (1e9, 1e9))
    assert (tmp_path / "one" / "course.zip").read_bytes() == (tmp_path / "two" / "course.zip").read_bytes()


def test_a_book_that_is_not_built_or_is_out_of_date_is_not_packed(site, tmp_path):
    os.utime(site / "index.html", (4e9, 4e9))
    assert reason_not_to_pack(site) == ""
    os.utime(site / "index.html", (0, 0))
    assert re.fullmatch(r"the built book is older than book/.*: run make book first", reason_not_to_pack(site))
    assert reason_not_to_pack(tmp_path / "none") == "there is no built book yet: run make book first"


def test_damaged_weights_are_not_packed(wheel, tmp_path, monkeypatch):
    (tmp_path / "weights" / "z9").mkdir(parents=True)
    (tmp_path / "weights" / "z9" / "card.json").write_text('{"sha256": "0"}', encoding="utf-8")
    (tmp_path / "weights" / "z9" / "model.safetensors").write_text("other", encoding="utf-8")
    monkeypatch.setattr(classroom, "WEIGHTS", tmp_path / "weights")
    with pytest.raises(ValueError, match="restore it from the repository"):
        classroom.weights(wheel)


def test_start_names_what_a_laptop_lacks(tmp_path):
    (tmp_path / "start.py").write_bytes((classroom.TEXTS / "start.py").read_bytes())
    run = subprocess.run([sys.executable, "-S", "start.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "lacks torch, torchvision, " in run.stderr
    assert "START-HERE" in run.stderr


def test_start_asks_for_every_package_that_the_course_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["notebooks"]]
    names = {re.split(r"\W", name.replace("-", "_"))[0] for name in wanted} | {"microtutor"}
    modules = {"scikit_learn": "sklearn", "pillow": "PIL"}
    tree = ast.parse((classroom.TEXTS / "start.py").read_text(encoding="utf-8"))
    lists = [node.value for node in tree.body if isinstance(node, ast.Assign | ast.AugAssign)][1:]
    assert sorted(word for some in lists for word in ast.literal_eval(some)) == sorted(
        modules.get(name, name) for name in names
    )
