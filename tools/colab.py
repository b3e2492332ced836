"""Make from each chapter the notebook that its Colab button opens, in the folder `colab`.

    python tools/colab.py            # write the whole edition (make colab)
    python tools/colab.py --check    # only say which notebooks are stale

The chapters in `book` are the only source. Colab shows plain Markdown, so directives, roles and labels are written out
(`plain_markdown.py`); the cells that only draw are folded; an exercise without a cell for the answer gets an empty one.
A solution shows nothing before it is opened: its text is folded, and its code stands behind a box to tick, so that
*Run all* does not run it either.
"""

import ast
import copy
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat
import outline
from nbformat import NotebookNode
from plain_markdown import Book, Directive, NotKnown, Writer, blocks, numbers

from microtutor.files import replacing

FOLDER = outline.ROOT / "colab"
TRAIN_ON_A_GPU = ("training",)
BOUNDARIES = ("exercise-start", "exercise-end", "solution-start", "solution-end")
KEPT_TAGS = ("raises-exception", "skip-execution", "nbval-skip")
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
INSTALL = "Install microtutor (in Colab; elsewhere this cell does nothing)"
IMPORTS = "Import what this chapter uses"
ANSWER = "# Your answer\n"
BOX = 'show_solution = False  # @param {type:"boolean"}'
SOLUTION = """# @title {title} {{ display-mode: "form", run: "auto" }}
# @markdown Tick the box to run the code of the solution. To read it, double-click on this text.
{box}

if show_solution:
{code}"""
LONGEST_TITLE = 90  # characters


class Edition:
    """The cells of one Colab notebook, put together from those of its chapter. `editions.py` makes other notebooks."""

    def __init__(self, chapter: str, book: Book):
        self.book, self.page, self.cells = book, f"book/{chapter}", []
        self.unanswered = ""  # the id of an exercise that has no cell for the answer yet
        self.writer = Writer(book, self.page, "the first cell")
        self.source_id = "top"
        self.heading = ""  # of an exercise whose text comes next
        self.solution = ""  # its number, inside one
        self.parts = 0  # cells of code that the solution had so far
        self.texts = 0  # pieces of its text
        self.add_markdown(self.top(chapter), "colab")

    def top(self, chapter: str) -> str:
        return top(chapter, self.book)

    def add(self, cell: NotebookNode, suffix: str, source_id: str = "") -> None:
        """Append a cell; its id is made from that of its source, so that the same chapter gives the same bytes."""
        wanted = f"{source_id or self.source_id}-{suffix}" if suffix else self.source_id
        taken = {other.id for other in self.cells}
        ids = [wanted, *(f"{wanted}-{n}" for n in range(2, 100))]
        cell.id = next(name for name in ids if name not in taken)
        self.cells.append(cell)

    def add_markdown(self, text: str, suffix: str = "") -> None:
        if text.strip():
            self.add(nbformat.v4.new_markdown_cell(text.strip("\n")), suffix)

    def read_all(self, cells: Sequence[NotebookNode]) -> None:
        for index, cell in enumerate(cells):
            self.read(cell, index, [later.source for later in cells[index + 1 :] if later.cell_type == "code"])
        if self.solution:
            raise self.writer.fail(f"the solution to exercise {self.solution}", "is not ended")
        self.end_exercise()

    def read(self, cell: NotebookNode, index: int, rest: Sequence[str] = ()) -> None:
        """Add what a cell of the chapter becomes; rest is the code of the cells after it."""
        self.source_id, self.writer = cell.id, Writer(self.book, self.page, f"cell {index} ({cell.id})")
        if cell.cell_type == "markdown":
            self.read_markdown(cell.source)
        elif cell.cell_type == "code":
            self.read_code(cell, rest)
        else:
            raise self.writer.fail(f"a cell of type {cell.cell_type!r}", "has no place in a chapter")

    def read_markdown(self, source: str) -> None:
        """The text, cut where exercises and solutions begin and end."""
        for block in blocks(source, BOUNDARIES):
            if isinstance(block, Directive):
                self.boundary(block)
            else:
                self.add_text(self.writer.text(block))

    def boundary(self, block: Directive) -> None:
        if bool(self.solution) != (block.name == "solution-end"):
            raise self.writer.fail(f"{{{block.name}}}", "comes inside a solution, or ends none")
        if block.name == "exercise-start":
            self.end_exercise()
            words = self.writer.label(block.options["label"]).words
            self.heading = f"### {words}: {self.writer.inline(block.argument)}".rstrip(": ") + "\n\n"
        elif block.name == "exercise-end":
            self.unanswered = self.source_id
        else:
            start = block.name == "solution-start"
            self.end_exercise()
            self.solution = self.writer.label(block.argument).words.removeprefix("Exercise ") if start else ""
            self.parts = self.texts = 0

    def end_exercise(self) -> None:
        """After its text, and the code that it gives: a cell for the answer, unless the chapter has one."""
        if self.unanswered:
            self.add(nbformat.v4.new_code_cell(ANSWER), "answer", self.unanswered)
        self.unanswered = ""

    def add_text(self, text: str) -> None:
        """A piece of text: after the heading of its exercise, and folded if it belongs to a solution."""
        if not text.strip():
            return
        self.end_exercise()
        if self.solution:
            self.texts += 1
            self.add_markdown(self.solution_text(text))
        else:
            self.add_markdown(self.heading + text)
            self.heading = ""

    def solution_text(self, text: str) -> str:
        """What becomes of a piece of a solution's text."""
        how = ": open it when you have tried" if self.texts == 1 else ", continued"
        return folded(f"Solution to exercise {self.solution}{how}", text)

    def read_code(self, cell: NotebookNode, rest: Sequence[str]) -> None:
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        new = nbformat.v4.new_code_cell(cell.source)
        new.metadata.update({"tags": tags} if (tags := [t for t in tags_of(cell) if t in KEPT_TAGS]) else {})
        if "check(" in cell.source:
            self.unanswered = ""  # this is the cell for the answer
        if self.solution:
            self.parts += 1
            new.source = self.solution_code(cell.source)
        elif "hide-input" in tags_of(cell) or (figure and only_draws(cell.source, rest)):
            new.source = f"# @title {self.title(cell, figure)}\n{cell.source}"
        if new.source != cell.source:
            new.metadata.update({"cellView": "form", "jupyter": {"source_hidden": True}})
        self.add(new, "")
        if figure and "name" not in figure:
            raise self.writer.fail("a figure", "has a caption and no name: write mystnb.figure.name into its metadata")
        if figure:
            self.add_caption(figure, cell.metadata.mystnb.get("image", {}).get("alt", ""))

    def add_caption(self, figure: NotebookNode, alt: str) -> None:
        caption = self.writer.caption(figure.name, figure.caption)
        if self.solution:
            label = self.writer.label(figure.name).words
            caption = self.solution_caption(label, f"{caption}\n\n{alt}")
        elif alt:
            caption += "\n\n" + folded("The figure in words", alt)
        self.add_markdown(caption, "caption")

    def solution_caption(self, label: str, caption: str) -> str:
        return folded(f"{label}, which the solution above draws: what it shows", caption)

    def solution_code(self, code: str) -> str:
        """The code of a solution behind a box that is not ticked."""
        title = f"Solution {self.solution}"
        if self.parts > 1:
            title += f", part {self.parts} (run part {self.parts - 1} first)"
        shown = shows_its_value(code, self.writer)
        indented = "\n".join(f"    {line}" if line.strip() else "" for line in shown.rstrip().split("\n"))
        block = ast.parse(f"if True:\n{indented}").body[0]
        inside = block.body if isinstance(block, ast.If) else []
        if list(map(ast.dump, inside)) != list(map(ast.dump, ast.parse(shown).body)):
            raise self.writer.fail("a string over several lines", "would change when indented: write it on one line")
        return SOLUTION.format(title=title, box=BOX, code=indented)

    def title(self, cell: NotebookNode, figure: NotebookNode) -> str:
        """What stands on a folded cell: the figure that it draws, else its first comment, else what it defines."""
        if "google.colab" in cell.source:
            return INSTALL
        if figure:
            first = re.split(r"(?<=[.?!])\s", plain(self.writer.text(figure.caption)))[0].rstrip(".")
            return shortened(f"Draw {self.writer.label(figure.name).words.replace('Fig.', 'figure')}: {first}")
        if comment := re.match(r"#\s*(.+)", cell.source):
            return shortened(comment[1])
        if defined := re.search(r"^def (\w+)", cell.source, re.MULTILINE):
            return f"Define {defined[1]}"
        if re.match(r"(from|import) ", cell.source):
            return IMPORTS
        raise self.writer.fail("a cell tagged hide-input", "has no title: begin it with a comment")


def top(chapter: str, book: Book) -> str:
    """The first cell: the badge, and where the chapter stands in the book."""
    number, book_title = numbers()[f"book/{chapter}"], outline.config()["title"]
    return (
        f"[![Open in Colab]({BADGE})]({outline.colab_address(chapter)})\n\n"
        f"Chapter {number} of *{book_title}*. [On the book's site]({book.page(f'book/{chapter}')}) you can read it "
        "with all outputs. Here you can run it: cells that only draw are folded, and solutions stay closed until you "
        "open them."
    )


def folded(summary: str, text: str) -> str:
    """Text that opens with a click. The blank lines let Markdown and mathematics inside be set."""
    return f"<details><summary>{summary}</summary>\n\n{text.strip()}\n\n</details>"


def tags_of(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def only_draws(code: str, rest: Sequence[str]) -> bool:
    """Whether code draws, and makes nothing that the code of the cells after it uses."""
    tree = ast.parse(code)
    made = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    teaches = any(isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom) for node in tree.body)
    return "plt." in code and not teaches and not any(made & needed(later) for later in rest)


def needed(code: str) -> set[str]:
    """Names that code reads, and does not itself make."""
    plain_python = re.sub(r"^(\s*)[%!].*", r"\1pass", code, flags=re.MULTILINE)
    names = [node for node in ast.walk(ast.parse(plain_python)) if isinstance(node, ast.Name)]
    made = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    return {node.id for node in names} - made


def plain(text: str) -> str:
    """A sentence without marks of Markdown and LaTeX, for a title."""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).translate(str.maketrans("", "", "$*`\\{}"))


def shortened(title: str) -> str:
    if len(title) <= LONGEST_TITLE:
        return title
    return title[:LONGEST_TITLE].rsplit(" ", 1)[0].rstrip(",:;") + " ..."


def shows_its_value(code: str, writer: Writer) -> str:
    """Code whose last value is displayed by a call, since a notebook shows it only at the outermost level.

    Calls that return nothing (print, plt.show, assertions) stay as they are.
    """
    try:
        last = ast.parse(code).body[-1]
    except SyntaxError as error:
        raise writer.fail(f"line {error.lineno} of a solution", "is not plain Python, and cannot be closed") from None
    if not isinstance(last, ast.Expr):
        return code
    if isinstance(last.value, ast.Call):
        name = ast.unparse(last.value.func).rsplit(".", 1)[-1]
        if name in ("print", "show", "display") or name.startswith("assert"):
            return code
    value = ast.get_source_segment(code, last.value) or ""
    start = code.rindex(value)
    return f"{code[:start]}display({value}){code[start + len(value) :]}"


def edition(path: Path, book: Book, kind: type[Edition] = Edition) -> NotebookNode:
    """The Colab notebook of a chapter, or one of another kind.

    Raises:
        NotKnown: the chapter holds a construct that has no plain form, or a solution that cannot be closed.
    """
    source = nbformat.read(path, as_version=4)
    made = kind(path.stem, book)
    made.read_all(source.cells)
    metadata = {
        "colab": {"provenance": [], "toc_visible": True},
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    if path.stem in TRAIN_ON_A_GPU:
        metadata |= {"accelerator": "GPU"}
        metadata["colab"] |= {"gpuType": "T4"}
    if "microtutor" in source.metadata:
        metadata["microtutor"] = source.metadata.microtutor
    return nbformat.v4.new_notebook(cells=made.cells, metadata=metadata, nbformat_minor=5)


def opened(notebook: NotebookNode) -> NotebookNode:
    """The same notebook with the box of every solution ticked."""
    ticked = copy.deepcopy(notebook)
    for cell in ticked.cells:
        if cell.cell_type == "code":
            cell.source = cell.source.replace(BOX, BOX.replace("False", "True"))
    return ticked


def whole_edition() -> dict[Path, str]:
    """What each file of the edition has to hold."""
    book = Book.read()
    return {FOLDER / path.name: nbformat.writes(edition(path, book)) + "\n" for path in outline.chapters()}


def stale(wanted: dict[Path, str]) -> list[str]:
    """What is not as it has to be, a phrase for each file; empty if the edition is up to date."""
    found = []
    for path, text in wanted.items():
        if not path.exists():
            found.append(f"colab/{path.name} is missing")
        elif path.read_text(encoding="utf-8") != text:
            found.append(f"colab/{path.name} is older than book/{path.name}")
    extra = sorted(set(FOLDER.glob("*.ipynb")) - set(wanted))
    return found + [f"colab/{path.name} belongs to no chapter" for path in extra]


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        sys.exit(f"expected nothing or --check, got {' '.join(arguments)}")
    try:
        wanted = whole_edition()
    except NotKnown as error:
        sys.exit(str(error))
    found = stale(wanted)
    if arguments:
        print("\n".join([*found, "Run make colab."] if found else ["The Colab edition is up to date."]))
        return len(found) > 0
    for path in FOLDER.glob("*.ipynb"):
        if path not in wanted:
            path.unlink()
    for path, text in wanted.items():
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")
    print(f"{len(wanted)} notebooks in colab, of which {len(found)} were stale")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
