"""Show a chapter with the outputs stored in it when the micrographs that it needs cannot be had.

    python tools/stored_outputs.py    # which chapters these are, and why

A chapter names its data in the metadata of the notebook: {"microtutor": {"data": ["li2018", "rock/ketton.zip"]}}, data
sets or files of `microtutor.microstructures.datasets`. Each file is taken from the cache folder (MICROTUTOR_DATA) or
downloaded. If that fails, the chapter is not run: the book shows its stored outputs and says so, and its tests are
skipped with the reason. This module is an extension of Sphinx (`local_extensions` in `_config.yml`), which also takes
the outputs of chapters that `make book` has run before; `conftest.py` asks the module, too.
"""

import json
import os
from functools import cache
from pathlib import Path

from outline import ROOT, chapters

NOTE = """:::{{note}}
This page shows stored outputs: the cells were not run when the book was built, as its data ({data})
could not be had there.
They run where the data can be downloaded, for example in Colab.
:::"""


def data_of(path: Path) -> list[str]:
    """The files of micrographs that a chapter needs, such as "rock/ketton.zip"."""
    metadata = json.loads(path.read_text(encoding="utf-8"))["metadata"]
    names = metadata.get("microtutor", {}).get("data", [])
    if not names:
        return []
    from microtutor.microstructures import datasets  # takes seconds, for which most chapters need not wait

    return [file for name in names for file in ([name] if "/" in name else datasets.files(name))]


@cache
def reason_missing(file: str) -> str:
    """Why a file of micrographs cannot be had; empty if it can. Tried once for each: a network may fail slowly.

    Raises:
        ValueError: the file is there, but is not the one it should be. That is no case for stored outputs.
    """
    from microtutor.microstructures import datasets

    try:
        datasets.fetch(file)
    except FileNotFoundError as error:
        return str(error)
    return ""


def reason_not_to_run(path: Path) -> str:
    """Why a chapter cannot be run; empty if it can."""
    return next(filter(None, map(reason_missing, data_of(path))), "")


def with_note(source: str) -> str:
    """A notebook, as text, with a note after its first cell that its outputs are stored ones."""
    notebook = json.loads(source)
    data = ", ".join(notebook["metadata"]["microtutor"]["data"])
    note = {"cell_type": "markdown", "id": "stored-outputs", "metadata": {}, "source": NOTE.format(data=data)}
    notebook["cells"].insert(1, note)
    return json.dumps(notebook)


# --- the extension of Sphinx ------------------------------------------------------------------------------------------
def leave_out(app, config) -> None:
    from sphinx.util.logging import getLogger

    for path in Path(app.srcdir).glob("book/*.ipynb"):
        reason = reason_not_to_run(path)
        if reason:
            config.nb_execution_excludepatterns = [*config.nb_execution_excludepatterns, f"book/{path.name}"]
            getLogger(__name__).info("book/%s is shown with its stored outputs: %s", path.name, reason)


def say_so(app, docname: str, source: list[str]) -> None:
    if f"{docname}.ipynb" in app.config.nb_execution_excludepatterns:
        source[0] = with_note(source[0])


def take_what_ran(app, config) -> None:
    """`make book` has run the chapters before, several at a time (tools/execute.py --for-book)."""
    if os.environ.get("MICROTUTOR_CHAPTERS_RAN") == "1":
        config.nb_execution_mode = "cache"


def setup(app) -> dict:
    app.connect("config-inited", leave_out)
    app.connect("config-inited", take_what_ran)
    app.connect("source-read", say_so)
    return {"parallel_read_safe": True}


if __name__ == "__main__":
    for chapter in chapters():
        why = reason_not_to_run(chapter)
        if why:
            print(f"{chapter.relative_to(ROOT)} is shown with its stored outputs: {why}")
