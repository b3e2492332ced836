"""The exercises of the book: where each stands, how hard it is, and that its check and its solution are there."""

import re
from dataclasses import dataclass, field
from functools import cache

import nbformat
import pytest
from editions import CHECK
from outline import chapters

from microtutor.exercises import check
from microtutor.exercises.catalogue import CHAPTERS, EXERCISES, OF_CHAPTER

LEAST, LEAST_IN_ALL = 4, 70
LEVELS = ("easy", "medium", "hard")
START = re.compile(
    r"^:::\{exercise-start\} (.+)\n:label: ([\w-]+)\n:::\n\n(?:\*(\d+) minutes, (\w+)(, without a check)?\.)?",
    re.MULTILINE,
)
SOLUTION_START = re.compile(r"^:::\{solution-start\} ([\w-]+)$", re.MULTILINE)
RIGHT = re.compile(r"^assert check\(\s*\"([\w-]+)\",.*\)\.result == \"right\"$", re.MULTILINE | re.DOTALL)


@dataclass
class Asked:
    """An exercise as it stands in a chapter: the cell for its answer, if any, and the code of its solution."""

    title: str
    label: str
    minutes: str
    level: str
    unchecked: bool  # says so
    answers: list[nbformat.NotebookNode] = field(default_factory=list)
    solution: list[nbformat.NotebookNode] = field(default_factory=list)
    solved: bool = False

    @property
    def checked(self) -> list[str]:
        return [name for cell in self.answers for name in CHECK.findall(cell.source)]


@cache
def exercises(path) -> list[Asked]:
    found: list[Asked] = []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            if found:
                (found[-1].solution if found[-1].solved else found[-1].answers).append(cell)
            continue
        for match in re.finditer(f"(?:{START.pattern})|(?:{SOLUTION_START.pattern})", cell.source, re.MULTILINE):
            title, label, minutes, level, without, solves = match.groups()
            if title:
                found.append(Asked(title, label, minutes or "", level or "", bool(without)))
            else:
                assert found, f"{path.name}: a solution before any exercise"
                assert solves == found[-1].label, f"{path.name}: {solves} is solved after {found[-1].label}"
                found[-1].solved = True
        if found and re.search(r"^## ", cell.source, re.MULTILINE) and "exercise-start" not in cell.source:
            break  # the section of exercises is over
    return found


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
class TestChapter:
    def test_has_each_of_its_checked_exercises_once_and_no_other(self, path):
        names = [name for one in exercises(path) for name in one.checked]
        assert sorted(names) == sorted(OF_CHAPTER[path.stem])
        assert len(names) >= LEAST

    def test_says_of_each_how_long_it_takes_and_how_hard_it_is(self, path):
        silent = [one.label for one in exercises(path) if not one.minutes or one.level not in LEVELS]
        assert not silent, f"exercises that do not begin with '*10 minutes, medium.*' or the like: {silent}"

    def test_says_which_one_is_without_a_check(self, path):
        assert [one.label for one in exercises(path) if one.unchecked == bool(one.checked)] == []

    def test_begins_with_one_that_takes_two_minutes(self, path):
        first = exercises(path)[0]
        assert (first.minutes, first.level) == ("2", "easy")
        assert first.checked

    def test_an_answer_that_is_still_empty_runs_and_is_told_so(self, path):
        for one in exercises(path):
            for cell in one.answers:
                if CHECK.search(cell.source):
                    code = re.sub(r"^check\(", "outcome = check(", cell.source, flags=re.MULTILINE)
                    exec(code, space := {"check": check})  # fails if it needs anything else
                    assert space["outcome"].result == "not attempted", one.label

    def test_each_check_is_followed_by_a_solution_that_is_asserted_right(self, path):
        for one in exercises(path):
            if one.checked:
                assert one.solved, f"{one.label} has no solution"
                asserted = [name for cell in one.solution for name in RIGHT.findall(cell.source)]
                assert asserted == one.checked, f"the solution of {one.label} is asserted right for {asserted}"


def test_there_are_enough():
    assert len(EXERCISES) >= LEAST_IN_ALL
    assert list(CHAPTERS) == [path.stem for path in chapters()]


def test_most_are_checked():
    every = [one for path in chapters() for one in exercises(path)]
    assert sum(bool(one.checked) for one in every) >= 0.8 * len(every)
