"""`make release` sets every place that names the version or its tag, all or nothing, on a copy of the files."""

import datetime
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from outline import ROOT, address, chapters, version
from release import COMING, LEFT_ALONE, OUT, number, relinked

from tests.book.test_addresses import LEFT_OUT, tracked_texts

OLD, NEW = version(), "98.7.6"
CHANGES = "- Something that a reader can notice."
CHANGELOG = f"# Changelog\n\n## Not yet released\n\n{CHANGES}\n\n## 0.0.9, 2026-01-01\n\n- The first.\n"
WITHOUT_SETTINGS = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="a release is made with git, which is not here")


def git(root: Path, *arguments: str) -> str:
    who = ("-c", "user.name=A reader", "-c", "user.email=reader@example.org", "-c", "core.autocrlf=false")
    environment = os.environ | WITHOUT_SETTINGS
    done = subprocess.run(["git", *who, *arguments], cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def release(root: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, root / "tools" / "release.py", *arguments]
    return subprocess.run(command, env=os.environ | WITHOUT_SETTINGS, capture_output=True, text=True)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the files in a repository of its own, with one version out and something to release."""
    root = tmp_path_factory.mktemp("release") / "project"
    shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(*LEFT_OUT))
    (root / "CHANGELOG.md").write_text(CHANGELOG, encoding="utf-8")
    git(root, "init", "--quiet")
    commit(root)
    return root


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "A state")


@pytest.fixture
def copy(project, tmp_path):
    return shutil.copytree(project, tmp_path / "project")


@pytest.fixture(scope="module")
def made(project, tmp_path_factory):
    """The files of the release, and what was said."""
    root = shutil.copytree(project, tmp_path_factory.mktemp("made") / "project")
    done = release(root, NEW)
    assert done.returncode == 0, done.stderr
    return root, done.stdout


def test_the_version_stands_in_every_place(made):
    root, _ = made
    today = datetime.date.today()
    assert f'\nversion = "{NEW}"\n' in (root / "pyproject.toml").read_text(encoding="utf-8")
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["version"], citation["date-released"]) == (NEW, today)
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    assert changelog == CHANGELOG.replace("## Not yet released", f"## {NEW}, {today.isoformat()}")


@pytest.mark.parametrize("folder", ["book", "colab"])
def test_every_chapter_installs_the_new_wheel(made, folder):
    for path in chapters():
        cells = nbformat.read(made[0] / folder / path.name, as_version=4).cells
        first = next(cell.source for cell in cells if cell.cell_type == "code")
        assert f"/releases/download/v{NEW}/microtutor-{NEW}-py3-none-any.whl" in first


def test_nothing_names_the_old_tag(made):
    tagged = re.compile(rf"v{re.escape(OLD)}(?!\w|\.\w)|microtutor-[a-z-]*{re.escape(OLD)}(?=-py3|\.zip|\.tar)")
    texts = {name: content for name, content in tracked_texts(made[0]).items() if name != "CHANGELOG.md"}
    assert len(texts) > 200
    assert not [name for name, content in texts.items() if tagged.search(content)]


def test_only_lines_that_name_the_version_change(made):
    changed = git(made[0], "diff", "--unified=0", "--", ".", ":!colab").splitlines()
    added = [line for line in changed if re.match(r"\+(?!\+\+ )", line)]
    assert len(added) >= len(chapters())
    assert not [line for line in added if NEW not in line and "date-released: " not in line]


def test_it_says_what_is_left_and_does_not_do_it(made):
    root, said = made
    for command in (f"git tag -a v{NEW}", f"git push origin v{NEW}", 'git commit -m "Release'):
        assert command in said
    assert git(root, "tag", "--list") == ""
    assert git(root, "log", "--format=%s").split("\n") == ["A state", ""]


def test_the_same_version_again_is_answered(made):
    root, _ = made
    before = git(root, "diff")
    again = release(root, NEW)
    assert again.returncode == 0
    assert again.stdout.startswith(f"These are the files of {NEW} already")
    assert f"git tag -a v{NEW}" in again.stdout
    assert git(root, "diff") == before


def test_a_released_version_is_refused(made, tmp_path):
    root = shutil.copytree(made[0], tmp_path / "project")
    commit(root)
    git(root, "tag", f"v{NEW}")
    refused = release(root, NEW)
    assert refused.returncode == 1
    assert f"expected a version higher than {NEW}" in refused.stderr


def test_the_notes_of_a_release_are_its_entry(made, project):
    notes = release(made[0], "--notes", f"v{NEW}")
    assert (notes.returncode, notes.stdout) == (0, CHANGES + "\n")
    for root, wanted in ((made[0], "v1.2.3"), (project, f"v{OLD}")):
        refused = release(root, "--notes", wanted)
        assert refused.returncode == 1
        assert f"expected the tag of the release that these files are, got '{wanted}'" in refused.stderr


@pytest.mark.parametrize("wanted", ["", "1.2", "v1.2.3", "1.02.3", "1.2.3rc1", "1.2.3\n", "one"])
def test_what_is_no_version_is_refused(project, wanted):
    assert_refused(project, "expected a version of three numbers", wanted)


@pytest.mark.parametrize("wanted", ["0.0.9", "0.0.8"])
def test_a_version_that_is_not_higher_is_refused(project, wanted):
    assert_refused(project, "expected a version higher than 0.0.9, which is out since 2026-01-01", wanted)


def test_a_version_whose_tag_is_there_is_refused(copy):
    git(copy, "tag", f"v{NEW}")
    assert_refused(copy, f"the tag v{NEW} is there")


@pytest.mark.parametrize(
    "changelog", [CHANGELOG.replace(CHANGES, ""), CHANGELOG.replace("## Not yet released", "## Soon")]
)
def test_a_changelog_that_says_nothing_is_refused(copy, changelog):
    (copy / "CHANGELOG.md").write_text(changelog, encoding="utf-8")
    commit(copy)
    assert_refused(copy, "expected an entry of CHANGELOG.md under the heading '## Not yet released'")


def test_changes_that_are_not_committed_are_refused(copy):
    (copy / "README.md").write_text("changed", encoding="utf-8")
    assert_refused(copy, "expected a working tree without changes, got 1, README.md among them")


def assert_refused(root: Path, message: str, wanted: str = NEW) -> None:
    before = git(root, "status", "--porcelain"), git(root, "diff")
    refused = release(root, wanted)
    assert refused.returncode == 1
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr
    assert (git(root, "status", "--porcelain"), git(root, "diff")) == before


def test_a_failure_leaves_every_file_as_it_was(copy):
    broken = "from pathlib import Path\nPath('colab/vae.ipynb').write_text('half')\nraise SystemExit(1)\n"
    (copy / "tools" / "colab.py").write_text(broken, encoding="utf-8")
    commit(copy)
    failed = release(copy, NEW)
    assert failed.returncode == 1
    assert "every file is as it was" in failed.stderr
    assert git(copy, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{0}/releases/download/v1.2.3/microtutor-1.2.3-py3-none-any.whl", "v2.0.0/microtutor-2.0.0-py3-none-any.whl"),
        ("{0}/releases/download/v1.2.3/microtutor-classroom-1.2.3.zip", "v2.0.0/microtutor-classroom-2.0.0.zip"),
        ("{0}/releases/tag/v1.2.3).", "tag/v2.0.0)."),
        ("git+{0}.git@v1.2.3", "@v2.0.0"),
        ("{0}/blob/v1.2.3/colab/vae.ipynb?x=1.2.3", "v2.0.0/colab/vae.ipynb?x=1.2.3"),
        ("{0}/releases/tag/v1.2.34", "v1.2.34"),
        ("{0}/releases/tag/v1.2.3.1", "v1.2.3.1"),
        ("{0}-extra/blob/v1.2.3/x", "v1.2.3/x"),
        ("https://github.com/else/where/releases/download/v1.2.3/where-1.2.3.zip", "v1.2.3/where-1.2.3.zip"),
    ],
)
def test_addresses_that_name_a_release_of_this_project(before, after):
    changed = relinked(before.format(address()), "1.2.3", "2.0.0")
    assert changed.endswith(after)
    assert ("2.0.0" in changed) == ("2.0.0" in after)


def test_the_headings_of_the_changelog_are_understood_and_in_order():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"(?m)^## .*$", changelog)
    coming = [heading for heading in headings if re.match(COMING, heading)]
    out = [number(found) for found, _ in re.findall(OUT, changelog)]
    assert len(headings) == len(coming) + len(out)
    assert headings[: len(coming)] == coming
    assert len(coming) <= 1
    assert out == sorted(set(out), reverse=True)
    assert all((ROOT / name).exists() for name in LEFT_ALONE)
