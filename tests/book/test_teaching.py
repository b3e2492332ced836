"""The page on teaching says what the chapters say: names of checks, minutes, commands, and the sum of the points."""

import re

import pytest
from outline import ROOT, chapters

from microtutor.exercises.catalogue import OF_CHAPTER
from tests.book.test_exercises import exercises

PAGE = (ROOT / "book" / "teaching.md").read_text(encoding="utf-8")
WEEKS = re.findall(r"^\| (\d+) \| \[\]\((\w+)\.ipynb\)[^|]*\| ([^|]*) \| (\d+) \|", PAGE, re.MULTILINE)


def minutes(chapter: str) -> dict[str, float]:
    """How long each checked exercise of a chapter takes."""
    every = exercises(ROOT / "book" / f"{chapter}.ipynb")
    return {name: int(one.minutes) / len(one.checked) for one in every for name in one.checked}


def test_a_term_has_fourteen_weeks():
    assert [int(week) for week, *_ in WEEKS] == list(range(1, 15))


@pytest.mark.parametrize(("week", "chapter", "names", "total"), WEEKS, ids=lambda value: str(value)[:20])
def test_homework_is_made_of_the_checks_of_its_chapter(week, chapter, names, total):
    asked = re.findall(r"`([\w-]+)`", names)
    assert asked
    assert set(asked) <= set(OF_CHAPTER[chapter])
    assert sum(minutes(chapter)[name] for name in asked) == int(total)


def test_reading_takes_what_the_chapters_say():
    said = [re.search(r"\*\*Time\*\* (\d+) minutes to read", path.read_text(encoding="utf-8")) for path in chapters()]
    times = [int(match[1]) for match in said if match]
    assert len(times) == len(chapters())
    assert f"takes {min(times)} to {max(times)} minutes more" in PAGE


def test_the_points_of_the_project_add_up():
    table = PAGE.split("| criterion | points |")[1]
    assert sum(int(points) for points in re.findall(r"^\| [a-z ]+ \| (\d+) \|", table, re.MULTILINE)) == 100


def test_its_commands_are_targets():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    asked = set(re.findall(r"`make ([a-z-]+)", PAGE))
    assert {"teacher", "student", "slides", "lessons", "adopt"} <= asked <= set(targets)
