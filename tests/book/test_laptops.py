"""What README and troubleshooting tell the owners of laptops is what the workflow runs on Windows and on macOS."""

import re

import pytest
import yaml
from outline import ROOT, chapters, wheel_address

from microtutor.course import CHAPTERS

README = (ROOT / "README.md").read_text(encoding="utf-8")
TROUBLESHOOTING = (ROOT / "book" / "troubleshooting.md").read_text(encoding="utf-8")
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8"))
FROM_RELEASE, FROM_HERE = f'"microtutor[notebooks] @ {wheel_address()}"', '".[notebooks]"'


def commands(text, language, containing):
    """The lines of the one block in this language that contains a word."""
    (block,) = [block for block in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL) if containing in block]
    return block.splitlines()


def steps(job):
    return [step["run"] for step in WORKFLOW["jobs"][job]["steps"] if "run" in step]


def test_the_command_knows_the_chapters_of_the_book_in_its_order():
    assert list(CHAPTERS) == [path.stem for path in chapters()]


@pytest.mark.parametrize(("job", "language"), [("windows", "powershell"), ("macos", "sh")])
def test_the_workflow_types_what_the_readme_says(job, language):
    told = commands(README, language, "venv .venv")
    assert [line for line in told if FROM_RELEASE in line] == [told[1]]
    typed = [line.replace(FROM_RELEASE, FROM_HERE) for line in told]
    assert steps(job)[: len(typed)] == typed


def test_the_workflow_tests_a_clone_as_troubleshooting_says():
    told = commands(TROUBLESHOOTING, "powershell", "pytest")
    assert steps("windows")[0] == told[0]
    assert steps("windows")[-len(told) + 1 :] == told[1:]


def test_both_systems_run_the_same():
    on_windows = [line.replace(".venv\\Scripts", ".venv/bin").replace("\\", "/") for line in steps("windows")]
    assert [line.replace("py -m venv", "python3 -m venv") for line in on_windows] == steps("macos")


@pytest.mark.parametrize("job", ["windows", "macos"])
def test_two_chapters_are_run(job):
    run = [line for line in steps(job) if "nbconvert" in line and "--execute" in line]
    assert len({line.split()[-1] for line in run}) >= 2
    assert not [line for line in steps(job) if "\n" in line]  # of several commands PowerShell reports the last alone
