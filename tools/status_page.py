"""Write what microtutor/results/rehearsal.json holds into the book's page on it, book/status.md.

    python tools/status_page.py    # `make rehearse RECORD=1` does it at its end

Only what stands between the two remarks on the page is written; the text around it is written by hand.
"""

import re

import nbformat
from outline import ROOT, chapters
from written import rewrite, with_part

from microtutor.records import read_record

PAGE = ROOT / "book" / "status.md"
TOOL = "tools/status_page.py"
NAMES = {"python": "Python", "ipython": "IPython"}
VERSIONS = ("python", "torch", "torchvision", "numpy", "scipy", "matplotlib", "scikit-learn", "ipywidgets", "ipython")


def title(chapter: str) -> str:
    """The title of a chapter, named without suffix."""
    cells = nbformat.read(ROOT / "book" / f"{chapter}.ipynb", as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return re.search(r"^# (.+)$", text, re.MULTILINE)[1]


def table(record: dict) -> str:
    """The chapters in their order, each with its seconds and its memory, and the sum."""
    rows = [(path.stem, record["chapters"][path.stem]) for path in chapters()]
    lines = ["| | chapter | seconds | memory, GB |", "|---:|---|---:|---:|"]
    for number, (name, found) in enumerate(rows, 1):
        cells = number, f"[{title(name)}]({name}.ipynb)", f"{found['seconds']:.0f}", f"{found['megabytes'] / 1000:.1f}"
        lines.append(f"| {' | '.join(map(str, cells))} |")
    total = sum(found["seconds"] for _, found in rows)
    return "\n".join([*lines, f"| | all, one after the other | {total:.0f} | |"])


def facts(record: dict) -> str:
    """When and on what this was measured, and how the tests of the package went."""
    there, tests = record["environment"], record["tests"]
    versions = ", ".join(f"{NAMES.get(name, name)} {there[name]}" for name in VERSIONS)
    return (
        f"Measured on {record['date']} with microtutor {there['microtutor']} (commit `{record['commit']}`) on "
        f"{there['processor']}, {there['device']}.\nVersions: {versions}.\n"
        f"With the same versions {tests['passed']} tests of the package passed, {tests['failed']} failed and "
        f"{tests['skipped']} were skipped, in {tests['seconds']:.0f} s."
    )


def with_record(page: str, record: dict) -> str:
    """The text of the page with what a record holds.

    Raises:
        ValueError: the page has no place for it.
    """
    return with_part(page, TOOL, f"{table(record)}\n\n{facts(record)}")


def write_page(record: dict) -> None:
    rewrite(PAGE, with_record(PAGE.read_text(encoding="utf-8"), record))


if __name__ == "__main__":
    write_page(read_record("rehearsal"))
