"""Guards of the book's sources: what every chapter promises its reader."""

import importlib.metadata
import re
from base64 import b64decode
from pathlib import Path

import nbformat
import pytest
from outline import ROOT, chapters, pages, wheel_address

COLAB_CELL = """import sys

if "google.colab" in sys.modules:
    %pip install -q --no-deps {wheel}"""
ABSOLUTE_PATH = re.compile(r"(?<![\w.:/])(/(home|Users|root|tmp|work|mnt|private|var)/\w|[A-Z]:\\\\?\w)")
LARGEST_IMAGE = 100_000  # bytes
# A formula within a sentence does not break: one of more signs than this leaves a page of a phone, 390 px wide.
LONGEST_FORMULA = 30
NOT_A_SENTENCE = re.compile(r"\$\$.*?\$\$|```.*?```|`[^`]*`", re.DOTALL)
NO_SIGN = re.compile(r"\\(?:frac|text|operatorname|math\w+|hat|bar|[bB]ig[lrg]?|left|right)\b|\\[,;! ]|[{}_^&\s]")


def notebooks():
    return [pytest.param(path, id=path.stem) for path in chapters()]


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def text_cells(path: Path) -> str:
    return "\n\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")


def tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def where(cell: nbformat.NotebookNode) -> str:
    """The first line of a cell: enough to find it."""
    return repr(cell.source.strip().split("\n")[0])


def images(cell: nbformat.NotebookNode) -> list[str]:
    return [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]


def output_text(cell: nbformat.NotebookNode) -> str:
    texts = [output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in cell.outputs]
    return "".join(texts)


def test_the_table_of_contents_matches_the_files():
    folders = [ROOT / "book" / name for name in ("api", "lessons")]
    files = [*(ROOT / "book").glob("*.[mi][dp]*"), *(path for folder in folders for path in folder.glob("*.md"))]
    there = {str(path.relative_to(ROOT).with_suffix("")) for path in files}
    assert set(pages()) == there


@pytest.mark.parametrize("name", pages())
def test_a_formula_in_a_sentence_fits_on_a_phone(name):
    path = ROOT / f"{name}.md"
    text = path.read_text(encoding="utf-8") if path.exists() else text_cells(ROOT / f"{name}.ipynb")
    formulas = re.findall(r"(?<!\\)\$([^$]+)\$", NOT_A_SENTENCE.sub("", text))
    signs = {formula: len(re.sub(r"\\[A-Za-z]+", "#", NO_SIGN.sub("", formula))) for formula in formulas}
    long = [formula for formula, number in signs.items() if number > LONGEST_FORMULA]
    assert not long, f"set it between $$ and $$, or in parts: {long}"


def test_jupyter_book_is_of_the_first_generation():
    assert importlib.metadata.version("jupyter-book").startswith("1."), "jupyter-book 2 does not read _config.yml"


@pytest.mark.parametrize("path", notebooks())
class TestChapter:
    def test_starts_with_the_colab_cell(self, path):
        assert code_cells(path)[0].source.strip() == COLAB_CELL.format(wheel=wheel_address())

    def test_asks_for_the_kernel_that_everyone_has(self, path):
        assert read(path).metadata.kernelspec.name == "python3"

    def test_has_one_title(self, path):
        assert len(re.findall(r"^# \S", text_cells(path), re.MULTILINE)) == 1

    def test_says_what_it_teaches_and_what_to_keep(self, path):
        assert re.search(r"you will learn", text_cells(path), re.IGNORECASE), "no objectives: 'You will learn'"
        assert re.search(r"^#+ .*take-aways", text_cells(path), re.IGNORECASE | re.MULTILINE), "no heading 'Take-aways'"

    def test_figures_have_alt_text(self, path):
        silent = [where(cell) for cell in code_cells(path) if images(cell) and not alt_text(cell)]
        assert not silent, f"cells with a figure but no mystnb.image.alt in their metadata: {silent}"

    def test_stored_figures_are_small(self, path):
        large = [where(c) for c in code_cells(path) if any(len(b64decode(i)) > LARGEST_IMAGE for i in images(c))]
        assert not large, f"cells with a figure of more than {LARGEST_IMAGE} bytes: {large}"

    def test_names_no_absolute_path(self, path):
        texts = [cell.source for cell in read(path).cells] + [output_text(cell) for cell in code_cells(path)]
        found = [match[0] for text in texts for match in ABSOLUTE_PATH.finditer(text)]
        assert not found, f"absolute paths, which no reader has: {found}"

    def test_was_run_from_top_to_bottom(self, path):
        counts = [c.execution_count for c in code_cells(path) if c.source.strip() and "skip-execution" not in tags(c)]
        assert counts == list(range(1, len(counts) + 1)), "run `make execute`"

    def test_stores_no_error(self, path):
        failed = [where(c) for c in code_cells(path) if any(o.output_type == "error" for o in c.outputs)]
        assert failed == [where(c) for c in code_cells(path) if "raises-exception" in tags(c)]

    def test_has_numbers_that_are_compared(self, path):
        compared = [cell for cell in code_cells(path) if "nbval-check-output" in tags(cell)]
        assert compared, "no cell is tagged nbval-check-output"
        empty = [where(c) for c in compared if c.execution_count is None or not output_text(c).strip()]
        assert not empty, f"compared cells that hold nothing to compare with: {empty}"

    def test_a_cell_skipped_in_one_place_is_skipped_in_all(self, path):
        lonely = [where(c) for c in code_cells(path) if ("skip-execution" in tags(c)) != ("nbval-skip" in tags(c))]
        assert not lonely, f"skip-execution (the book) and nbval-skip (the tests) go together: {lonely}"

    def test_reads_well_in_colab(self, path):
        assert not re.search(r"^`{3,}\{", text_cells(path), re.MULTILINE), "use ::: fences: Colab renders their inside"
        assert not any("myst_nb" in cell.source for cell in code_cells(path)), "Colab has no myst_nb"

    def test_does_not_rely_on_a_semicolon(self, path):
        ends = [where(cell) for cell in code_cells(path) if re.search(r";[ \t]*$", cell.source, re.MULTILINE)]
        assert not ends, f"nbval ignores a final semicolon; assign to _ or end with plt.show(): {ends}"


def alt_text(cell: nbformat.NotebookNode) -> str:
    return cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "").strip()
