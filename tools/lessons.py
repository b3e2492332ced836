"""Read lesson plans, and find the cells of a chapter that each of them runs.

    lesson = read(ROOT / "book/lessons/counting_pairs.md")
    lesson.plans[50].rows[0]                 # minutes, headings, what happens, what to expect
    lesson.board                             # what stands on the board at the end, line by line
    named_cells(lesson, lesson.plans[50])    # the code cells, in the order of the lesson

A plan is a table in which each row names headings of the chapter. A heading stands for the code cells below it, up to
the next heading of any level; *Start* stands for those before the first one, and comes first in any case.

Both plans share one board, a list below the heading *On the board*; what only the longer one writes begins with LONGER.
"""

import builtins
import re
import symtable
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode
from outline import ROOT

FOLDER = ROOT / "book" / "lessons"
START = "Start"
LENGTHS = (50, 90)  # minutes
LONGER = "*90 minutes:* "
BOARD = re.compile(r"^## On the board\s*$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\|\s*(\d+)\s*[-–]\s*(\d+)\s*\|(.*)\|\s*$", re.MULTILINE)
CELLS = re.compile(r"(?<!\\)\|")
LINK = re.compile(r"\[((?:[^\]\\]|\\.)+)\]\(\.\./([\w-]+)\.ipynb\)")
HEADING = re.compile(r"^#{2,} +(.*?)\s*$")
FENCE = re.compile(r"^ *(`{3,}|~{3,})")
GIVEN = {*dir(builtins), "__name__", "display", "get_ipython"}


@dataclass(frozen=True)
class Row:
    """Some minutes of a lesson: from start to end, with the headings whose cells are run in them."""

    start: int
    end: int
    headings: tuple[str, ...]
    happens: str
    expected: str


@dataclass(frozen=True)
class Plan:
    """The rows of one length, and what the text after them says."""

    rows: tuple[Row, ...]
    after: str

    def headings(self) -> list[str]:
        """Those that are named, in order and each once, Start first."""
        return list(dict.fromkeys([START, *(heading for row in self.rows for heading in row.headings)]))


@dataclass(frozen=True)
class Lesson:
    """A page of plans: its chapter, title, its first paragraph, the plans by minutes, and the lines on the board."""

    chapter: Path
    title: str
    before: str
    plans: dict[int, Plan]
    board: tuple[str, ...]


def read(path: Path) -> Lesson:
    """The lesson that stands in a file.

    Raises:
        ValueError: it has not the form of a lesson; the message says where.
    """
    text = path.read_text(encoding="utf-8")
    title = re.match(r"# Lesson: (.+)\n", text)
    if not title:
        raise ValueError(f"{path.name} does not begin with '# Lesson: <title of the chapter>'")
    board = tuple(line for section in BOARD.findall(text) for line in re.findall(r"^- (.+)$", section, re.MULTILINE))
    before, *parts = re.split(r"^## (\d+) minutes\s*$", BOARD.sub("", text[title.end() :]), flags=re.MULTILINE)
    plans = {int(minutes): plan(part, path) for minutes, part in zip(parts[::2], parts[1::2])}
    return Lesson(path.parent.parent / f"{path.stem}.ipynb", title[1].strip(), before.strip(), plans, board)


def plan(text: str, path: Path) -> Plan:
    rows, last = [], 0
    for match in ROW.finditer(text):
        parts = [part.strip() for part in CELLS.split(match[3])]
        if len(parts) != 3:
            raise ValueError(f"{path.name}, minute {match[1]}: expected 4 columns, got {len(parts) + 1}")
        links = LINK.findall(parts[0])
        if foreign := [chapter for _, chapter in links if chapter != path.stem]:
            raise ValueError(f"{path.name}, minute {match[1]}: names cells of another chapter, {foreign[0]}")
        if bool(parts[0]) != bool(links):
            raise ValueError(f"{path.name}, minute {match[1]}: {parts[0]!r} is no link to the chapter")
        headings = tuple(heading.replace("\\", "") for heading, _ in links)
        rows.append(Row(int(match[1]), int(match[2]), headings, parts[1], parts[2]))
        last = match.end()
    return Plan(tuple(rows), text[last:].strip())


def cells_under(chapter: Path) -> dict[str, list[NotebookNode]]:
    """The code cells below each heading of a chapter, and those before the first one under Start.

    Raises:
        ValueError: two headings of the chapter are equal.
    """
    heading, found = START, {START: []}
    for cell in nbformat.read(chapter, as_version=4).cells:
        if cell.cell_type == "code":
            found[heading].append(cell)
            continue
        for heading in headings_in(cell.source):
            if heading in found:
                raise ValueError(f"{chapter.name} has two headings {heading!r}")
            found[heading] = []
        heading = list(found)[-1]
    return found


def headings_in(markdown: str) -> Iterator[str]:
    """The headings of the levels 2 and more in a text, without those that are lines of code."""
    fence = ""
    for line in markdown.split("\n"):
        mark = FENCE.match(line)
        if fence:
            fence = "" if mark and mark[1] == fence else fence
        elif mark:
            fence = mark[1]
        elif heading := HEADING.match(line):
            yield heading[1]


def named_cells(lesson: Lesson, plan: Plan) -> list[NotebookNode]:
    """The code cells that a plan runs, in the order of the plan."""
    under = cells_under(lesson.chapter)
    return [cell for heading in plan.headings() for cell in under[heading]]


def undefined(cells: Iterable[NotebookNode]) -> list[str]:
    """Names that a cell reads and no cell before it defines, each with the cell: "m in cell count-012"."""
    known, missing = set(GIVEN), []
    for cell in cells:
        table = symtable.symtable(TransformerManager().transform_cell(cell.source), cell.id, "exec")
        own = {name.get_name() for name in table.get_symbols() if name.is_assigned() or name.is_imported()}
        own |= {child.get_name() for child in table.get_children()}
        missing += [f"{name} in cell {cell.id}" for name in sorted(set(global_names(table)) - known - own)]
        known |= own
    return missing


def global_names(table: symtable.SymbolTable, *, outermost: bool = True) -> Iterator[str]:
    """Names that code takes from the notebook: those it reads outside functions, and the globals of its functions."""
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (outermost or symbol.is_global()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from global_names(child, outermost=False)
