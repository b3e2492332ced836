"""The lab sheets to print say what the chapters print."""

import re

import pytest
from outline import ROOT

from tests.book.test_book import output_text, read

PAGE = (ROOT / "book" / "lab_sheets.md").read_text(encoding="utf-8")
LOGS = {"A": "knobs-51-run", "B": "knobs-33", "C": "knobs-31", "D": "knobs-46", "E": "knobs-48"}
ROWS = {
    "a": "nearest of 2,000 images",
    "b": "PCA of f, 9 numbers",
    "c": "lines-1-4",
    "d": "the paper",
    "e": "empty image",
    "f": "lines-1-4-data",
    "g (8 images)": "search, 8 images",
}


def printed(chapter: str, cell: str) -> list[str]:
    """The lines that a cell printed when the chapter was stored."""
    (found,) = (one for one in read(ROOT / "book" / f"{chapter}.ipynb").cells if one.id == cell)
    return output_text(found).splitlines()


def test_every_log_is_compared():
    assert re.findall(r"^\*\*Log (\w)\*\*$", PAGE, re.MULTILINE) == list(LOGS)


@pytest.mark.parametrize("name", LOGS)
def test_a_log_is_that_of_the_chapter(name):
    (shown,) = re.findall(rf"\*\*Log {name}\*\*\n\n```text\n(.*?)\n```", PAGE, re.DOTALL)
    lines = shown.splitlines()
    assert len(lines) >= 4
    assert [line for line in printed("knobs", LOGS[name]) if line in lines] == lines


def test_the_table_is_that_of_the_chapter():
    shown = re.findall(r"^\| (\w(?: \(8 images\))?) \| (.*\d.*) \|$", PAGE, re.MULTILINE)
    assert [row for row, _ in shown] == list(ROWS)
    rows = [re.split(r"\s{2,}", line) for line in printed("judging", "judging-40") if not line.startswith(" ")]
    stored = {name: cells for name, *cells in rows}
    assert {row: cells.replace(" %", "%").split(" | ") for row, cells in shown} == {
        row: stored[name] for row, name in ROWS.items()
    }
