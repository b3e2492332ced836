"""The public address of the project: one home, and `make adopt` reaches every place that mentions it."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from adopt import OWNER_AND_NAME, current
from outline import ROOT, address, chapters, colab_address, wheel_address

OWNER, NAME = current(ROOT).split("/")
PAGES = f"https://{OWNER}.github.io/{NAME}/"
LEFT_OUT = (".git", ".venv*", "_build", "build", "runs", "weights", "*cache*", "*.egg-info", ".hypothesis")


def text(name: str, root: Path = ROOT) -> str:
    return (root / name).read_text(encoding="utf-8")


def test_home_is_a_github_address():
    assert address() == f"https://github.com/{OWNER}/{NAME}"
    assert OWNER_AND_NAME.fullmatch(f"{OWNER}/{NAME}")


def test_readme_links_every_chapter_to_colab():
    for path in chapters():
        assert f"]({colab_address(path.stem)})" in text("README.md")


def test_readme_badges_and_site():
    assert f"{address()}/actions/workflows/test.yml/badge.svg" in text("README.md")
    assert PAGES in text("README.md")


def test_package_and_citation_agree():
    project = tomllib.loads(text("pyproject.toml"))["project"]
    citation = yaml.safe_load(text("CITATION.cff"))
    assert project["urls"] == {"Repository": address(), "Book": PAGES, "Issues": f"{address()}/issues"}
    assert citation["repository-code"] == address()
    assert citation["url"] == PAGES
    assert citation["version"] == project["version"]


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_install_cells_agree(path):
    assert f"install -q --no-deps {wheel_address()}" in path.read_text(encoding="utf-8")


def test_no_place_names_another_owner():
    found = re.findall(rf"github(?:\.com)?/([\w-]+)/{NAME}\b", "\n".join(tracked_texts(ROOT).values()))
    assert set(found) == {OWNER}


@pytest.mark.slow
def test_adopt_rewrites_every_place_and_brings_it_back(tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    original = tracked_texts(copy)

    assert run_adopt(copy, "north-college/course.2").returncode == 0
    adopted = tracked_texts(copy)
    assert "north-college/course.2" in adopted["_config.yml"]
    assert not [name for name, content in adopted.items() if mentions(content)]
    assert {name for name in original if original[name] != adopted[name]} == {
        name for name, content in original.items() if mentions(content)
    }

    again = run_adopt(copy, "north-college/course.2")
    assert again.returncode == 0
    assert "rewrote" not in again.stdout
    assert tracked_texts(copy) == adopted

    # what adopt wrote into the Colab edition is what it would be if it were made anew there
    check = [sys.executable, copy / "tools" / "colab.py", "--check"]
    made = subprocess.run(check, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr

    assert run_adopt(copy, f"{OWNER}/{NAME}").returncode == 0
    assert tracked_texts(copy) == original


@pytest.mark.parametrize(
    "wanted",
    ["", "course", "a/b/c", "https://github.com/a/b", "a b/c", "-a/b", "a-/b", "a/b.git", "a/..", "a/b'; ls", "a/b\n"],
)
def test_adopt_refuses_what_is_no_owner_and_name(wanted):
    before = text("_config.yml")
    refused = run_adopt(ROOT, wanted)
    assert refused.returncode == 1
    assert "expected the owner and the name" in refused.stderr
    assert "make adopt REPO=" in refused.stderr
    assert text("_config.yml") == before


def run_adopt(root: Path, wanted: str) -> subprocess.CompletedProcess:
    command = [sys.executable, root / "tools" / "adopt.py", wanted]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def tracked_texts(root: Path) -> dict[str, str]:
    """Every text file of the project below root, by name."""
    texts = {}
    left_out = shutil.ignore_patterns(*LEFT_OUT)
    for folder, folders, files in os.walk(root):
        folders[:] = set(folders) - left_out(folder, folders)
        for path in (Path(folder, name) for name in set(files) - left_out(folder, files)):
            try:
                texts[str(path.relative_to(root))] = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:  # a picture
                continue
    return texts


def mentions(content: str) -> bool:
    return bool(re.search(rf"(github\.com|colab\.research\.google\.com/github)/{OWNER}/{NAME}\b", content)) or (
        PAGES.rstrip("/") in content
    )
