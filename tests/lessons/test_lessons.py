"""Each chapter has plans for 50 and 90 minutes, and the cells that a plan names run by themselves."""

import re
import tempfile

import nbformat
import pytest
from lessons import FOLDER, LENGTHS, LONGER, START, cells_under, headings_in, named_cells, read, undefined
from nbclient import NotebookClient
from outline import chapters, pages
from stored_outputs import reason_not_to_run

PLANS = [path for path in sorted(FOLDER.glob("*.md")) if path.stem != "index"]
EACH = [pytest.param(path, minutes, id=f"{path.stem}-{minutes}") for path in PLANS for minutes in LENGTHS]
SECONDS_PER_CELL = 600
NUMBER = re.compile(r"\d[\d,]*\.\d+|\d[\d,]+\d")  # those of one or two digits are counted in the head


def test_every_chapter_has_a_lesson_in_the_book():
    assert {path.stem for path in PLANS} == {path.stem for path in chapters()}
    assert {f"book/lessons/{path.stem}" for path in PLANS} <= set(pages())


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
class TestLesson:
    def test_carries_the_title_of_its_chapter(self, path):
        lesson = read(path)
        (first, *_) = (cell.source for cell in nbformat.read(lesson.chapter, as_version=4).cells)
        assert f"# {lesson.title}" == first.split("\n")[0]

    def test_says_for_whom_it_is_and_has_both_lengths(self, path):
        lesson = read(path)
        assert len(lesson.before.split()) > 20
        assert list(lesson.plans) == list(LENGTHS)

    def test_says_what_stands_on_the_board(self, path):
        board = read(path).board
        assert sum(not line.startswith(LONGER) for line in board) >= 3
        assert len(board) <= 6
        assert all(3 <= len(line.split()) <= 60 for line in board), "a line of the board is short"
        assert not any(line.count("$") % 2 for line in board)

    def test_long_numbers_on_the_board_stand_in_the_chapter_or_in_a_plan(self, path):
        lesson = read(path)
        rows = (f"{row.happens} {row.expected}" for plan in lesson.plans.values() for row in plan.rows)
        known = set(NUMBER.findall(" ".join([lesson.chapter.read_text(encoding="utf-8"), *rows])))
        assert not {number for line in lesson.board for number in NUMBER.findall(line)} - known

    def test_its_chapter_links_it(self, path):
        text = read(path).chapter.read_text(encoding="utf-8")
        assert f"](lessons/{path.name})" in text


@pytest.mark.parametrize(("path", "minutes"), EACH)
class TestPlan:
    def test_its_minutes_follow_one_another_to_the_end(self, path, minutes):
        rows = read(path).plans[minutes].rows
        assert len(rows) >= 5
        assert [row.start for row in rows] == [0, *(row.end for row in rows[:-1])]
        assert all(row.start < row.end for row in rows)
        assert rows[-1].end == minutes

    def test_its_headings_are_those_of_the_chapter(self, path, minutes):
        lesson = read(path)
        unknown = set(lesson.plans[minutes].headings()) - set(cells_under(lesson.chapter))
        assert not unknown, f"the chapter has no heading {sorted(unknown)}"

    def test_its_rows_say_what_happens_and_what_to_expect(self, path, minutes):
        plan = read(path).plans[minutes]
        assert START in plan.rows[0].headings
        assert all(len(row.happens.split()) > 2 or "as above" in row.happens.lower() for row in plan.rows)
        assert sum(len(row.expected.split()) > 2 for row in plan.rows) >= 4, "answers and mistakes to expect"
        assert "?" in " ".join(row.happens for row in plan.rows), "no question is asked"

    def test_says_what_to_skip(self, path, minutes):
        assert re.search(r"\bskip", read(path).plans[minutes].after, re.IGNORECASE)

    def test_each_name_comes_from_a_cell_that_the_plan_runs(self, path, minutes):
        lesson = read(path)
        assert not undefined(named_cells(lesson, lesson.plans[minutes]))


@pytest.mark.lessons
@pytest.mark.parametrize(("path", "minutes"), EACH)
def test_the_cells_of_a_plan_run(path, minutes):
    lesson = read(path)
    if reason := reason_not_to_run(lesson.chapter):
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        NotebookClient(
            nbformat.v4.new_notebook(cells=named_cells(lesson, lesson.plans[minutes])),
            timeout=SECONDS_PER_CELL,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
        ).execute()


# --- reading ----------------------------------------------------------------------------------------------------------
PAGE = """# Lesson: A title

For those who count.

## 50 minutes

| minutes | cells under | what happens | answers and mistakes to expect |
|---|---|---|---|
| 0-5 | [Start](../some.ipynb), [One \\[two\\]](../some.ipynb) | ask: why? | $\\|x\\|$, a distance |
| 5-50 | | on paper | |

Skip: the rest.

## 90 minutes

Nothing yet.

## On the board

- $1 + 1 = 2$
- *90 minutes:* a ring of 12 places
"""


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "some.md"
    path.write_text(PAGE, encoding="utf-8")
    return path


def test_a_page_is_read(page):
    lesson = read(page)
    assert (lesson.title, lesson.before) == ("A title", "For those who count.")
    plan = lesson.plans[50]
    assert plan.after == "Skip: the rest."
    first, second = plan.rows
    assert (first.start, first.end, first.headings) == (0, 5, ("Start", "One [two]"))
    assert (first.happens, first.expected) == ("ask: why?", r"$\|x\|$, a distance")
    assert (second.headings, second.happens, second.expected) == ((), "on paper", "")
    assert lesson.plans[90].rows == ()
    assert lesson.plans[90].after == "Nothing yet."
    assert lesson.board == ("$1 + 1 = 2$", f"{LONGER}a ring of 12 places")


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("# Lesson: A", "# A", "does not begin with"),
        ("on paper | |", "on paper |", "expected 4 columns, got 3"),
        ("(../some.ipynb) |", "(../other.ipynb) |", "minute 0: names cells of another chapter, other"),
        ("| 5-50 | |", "| 5-50 | Start |", "minute 5: 'Start' is no link"),
    ],
)
def test_a_page_of_another_form_is_refused(page, right, wrong, message):
    assert right in PAGE
    page.write_text(PAGE.replace(right, wrong), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read(page)


def test_headings_are_told_from_comments_in_code():
    text = "# Title\n\n## One\n\n```python\n## no heading\n```\n\n### Two  \ntext ## three"
    assert list(headings_in(text)) == ["One", "Two"]


def test_names_that_nobody_defined_are_found():
    sources = (
        "import sys\nif 'x' in sys.modules:\n    %pip install x",
        "def f(a):\n    return a + later + [b for b in a]",
        "f(2), sys, g",
        "later = g = 1",
        "later, f, g",
    )
    cells = [nbformat.v4.new_code_cell(source, id=f"c{n}") for n, source in enumerate(sources)]
    assert undefined(cells) == ["later in cell c1", "g in cell c2"]
    assert undefined([cells[3], *cells]) == []
