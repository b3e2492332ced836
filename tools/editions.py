"""Make the chapters ready for a class: notebooks for teachers and for students, and slides for projecting.

    python tools/editions.py teacher    # _build/teacher/*.ipynb: solutions open, lesson plans beside the text
    python tools/editions.py student    # _build/student/*.ipynb: no solutions
    python tools/editions.py slides     # _build/slides/*.html: figures and questions, one page each

The chapters in `book` are the only source, and are turned into plain Markdown as those for Colab are (`colab.py`). The
teacher's notebooks hold the stored outputs, so that they can be read without being run. Slides are one file for each
chapter that asks no server for anything; `slides.py` writes them.
"""

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import lessons
import nbformat
import outline
from lessons import START, Row
from nbformat import NotebookNode
from plain_markdown import Book, NotKnown, Writer, numbers
from slides import slides

from colab import Edition, edition
from microtutor.exercises.catalogue import OF_CHAPTER
from microtutor.files import replacing

FOLDER = outline.ROOT / "_build"
MARKS, AS_IT_IS = re.compile(r"[*_<$`\[\]\\]"), r"\\\g<0>"  # of Markdown, in text that is none
CHECK = re.compile(r"^check\(\s*\"([\w-]+)\"", re.MULTILINE)


class Student(Edition):
    """A chapter without its solutions. Cells for answers and their checks stay."""

    def top(self, chapter: str) -> str:
        return (
            f"Chapter {numbers()[self.page]} of *{outline.config()['title']}*, for students: with a cell for each "
            f"answer, and without solutions. [On the book's site]({self.book.page(self.page)}) you can read "
            "it with all outputs."
        )

    def solution_text(self, text: str) -> str:
        return ""

    def read_code(self, cell: NotebookNode, rest: Sequence[str]) -> None:
        if not self.solution:
            super().read_code(cell, rest)


class Teacher(Edition):
    """A chapter with open solutions, stored outputs, and boxes that say what a lesson does in each section."""

    def __init__(self, chapter: str, book: Book):
        self.lesson = lessons.read(lessons.FOLDER / f"{chapter}.md")
        self.beside = self.lesson_boxes()
        super().__init__(chapter, book)

    def top(self, chapter: str) -> str:
        writer = self.lesson_writer(self.book)
        start = "\n\n".join(self.beside.pop(START, []))
        left_out = "\n\n".join(
            f"**In the lesson of {minutes} minutes.** {writer.text(plan.after)}"
            for minutes, plan in self.lesson.plans.items()
        )
        board = writer.text("\n".join(f"- {line}" for line in self.lesson.board))
        return (
            f"Chapter {numbers()[self.page]} of *{outline.config()['title']}*, for teachers: solutions are open, and "
            "boxes say what the plans for 50 and 90 minutes do in a section.\n\n"
            f"{writer.text(self.lesson.before)}\n\n{left_out}\n\n"
            f"**On the board at the end of the lesson**\n\n{board}\n\n{writer.text(start)}"
        )

    def read_all(self, cells: Sequence[NotebookNode]) -> None:
        super().read_all(cells)
        if self.beside:
            raise self.writer.fail(f"the plan for {', '.join(map(repr, self.beside))}", "names no heading of it")

    def lesson_writer(self, book: Book) -> Writer:
        return Writer(book, f"book/lessons/{self.lesson.chapter.stem}", "the plans")

    def lesson_boxes(self) -> dict[str, list[str]]:
        """The rows of the plans as boxes, by the heading beside which they stand: the first that a row names."""
        beside: dict[str, list[str]] = {}
        for minutes, plan in self.lesson.plans.items():
            place = START
            for row in plan.rows:
                place = row.headings[0] if row.headings else place
                beside.setdefault(place, []).append(box(minutes, row))
        return beside

    def add_text(self, text: str) -> None:
        """A piece of text; the boxes of a section stand below its heading."""
        for heading in lessons.headings_in(text):
            if boxes := self.beside.pop(heading, []):
                written = self.lesson_writer(self.book).text("\n\n".join(boxes))
                line = re.compile(rf"^(#+ +{re.escape(heading)}\s*?)$", re.MULTILINE)
                text = line.sub(lambda match, written=written: f"{match[1]}\n\n{written}", text, count=1)
        if "\n**1. " in text:
            text = text.replace("<details><summary>", "<details open><summary>")
        super().add_text(text)

    def solution_text(self, text: str) -> str:
        return f"**Solution to exercise {self.solution}{'' if self.texts == 1 else ', continued'}.** {text.strip()}"

    def solution_caption(self, label: str, caption: str) -> str:
        return caption

    def solution_code(self, code: str) -> str:
        return code

    def read_code(self, cell: NotebookNode, rest: Sequence[str]) -> None:
        before, in_solution = len(self.cells), bool(self.solution)
        super().read_code(cell, rest)
        self.cells[before].outputs = cell.outputs
        self.cells[before].execution_count = cell.execution_count
        for name in [] if in_solution else CHECK.findall(cell.source):
            self.add_markdown(knows(name, self.lesson.chapter.stem), "knows")


def box(minutes: int, row: Row) -> str:
    expected = f"\n\n*Answers and mistakes to expect:* {row.expected}" if row.expected else ""
    inside = f"{row.happens}{expected}".replace("\\|", "|")
    return f":::{{admonition}} Lesson of {minutes} minutes, from {row.start} to {row.end}\n{inside}\n:::"


def knows(name: str, chapter: str) -> str:
    """What a check recognises, and its hints."""
    exercise = OF_CHAPTER[chapter][name]
    mistakes = "\n".join(f"> - {MARKS.sub(AS_IT_IS, mistake)}" for mistake in exercise.mistakes)
    hints = "\n".join(f"> {n}. {MARKS.sub(AS_IT_IS, hint)}" for n, hint in enumerate(exercise.hints, start=1))
    return f"> **The check `{name}` names these mistakes**\n>\n{mistakes}\n>\n> **and gives these hints**\n>\n{hints}"


def notebooks(kind: type[Edition]) -> Callable[[Path, Book], str]:
    return lambda path, book: nbformat.writes(edition(path, book, kind)) + "\n"


EDITIONS = {
    "teacher": (notebooks(Teacher), ".ipynb"),
    "student": (notebooks(Student), ".ipynb"),
    "slides": (slides, ".html"),
}


def main(name: str) -> None:
    if name not in EDITIONS:
        sys.exit(f"expected one of {', '.join(EDITIONS)}, got {name!r}")
    write, suffix = EDITIONS[name]
    book, folder = Book.read(), FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for path in outline.chapters():
            with replacing(folder / f"{path.stem}{suffix}") as temporary:
                temporary.write_text(write(path, book), encoding="utf-8", newline="\n")
    except NotKnown as error:
        sys.exit(str(error))
    print(f"{len(outline.chapters())} chapters in {folder.relative_to(outline.ROOT).as_posix()}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) == 2 else "")
