"""Run chapters from top to bottom and store what they print and draw.

    python tools/execute.py                        # every chapter
    python tools/execute.py book/fft_loss.ipynb    # one of them
    python tools/execute.py --for-book book/fft_loss.ipynb

The last one leaves the file as it is, and keeps the outputs for the next build of the book, in the cache of Jupyter
Book. So `make book` runs several chapters at a time, where Jupyter Book would run one after the other.

Each chapter runs in a fresh kernel and an empty folder. What would differ at every run without telling a reader
anything (times, progress bars, the state of widgets, the exact Python version) is left out of the file. Of an
interactive figure only its first picture is kept, as a file with all its pictures would be large, and the rest needs a
kernel. A chapter that fails is left as it was.
"""

import argparse
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from filelock import FileLock
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from outline import ROOT, chapters
from stored_outputs import reason_not_to_run

from microtutor.files import replacing

SECONDS_PER_CELL = 600
BUILD = ROOT / "_build" / ".jupyter_cache"  # where Jupyter Book looks for outputs
WIDGET = "application/vnd.jupyter.widget-view+json"
PICTURE = {"image/png", "text/plain"}
PROGRESS_BAR = re.compile(r"\r|\d%\|")


def run(path: Path) -> nbformat.NotebookNode:
    """The notebook at path, with the outputs of a run from top to bottom."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        NotebookClient(
            notebook,
            timeout=SECONDS_PER_CELL,
            kernel_name="python3",
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": folder}},
        ).execute()
    return notebook


def is_lasting(output: nbformat.NotebookNode) -> bool:
    """Whether an output is worth storing: progress bars are not, nor widgets without a picture."""
    if output.output_type == "stream" and output.name == "stderr":
        return not PROGRESS_BAR.search(output.text)
    data = output.get("data", {})
    return WIDGET not in data or "image/png" in data


def keep_the_picture(output: nbformat.NotebookNode) -> None:
    """Of an output that is shown as a picture, among others, leave the picture."""
    data = output.get("data", {})
    if "image/png" in data:
        output.data = nbformat.NotebookNode({kind: data[kind] for kind in data if kind in PICTURE})


def tidy(notebook: nbformat.NotebookNode) -> None:
    """Leave out of the notebook what differs from run to run."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if is_lasting(output)]
            for output in cell.outputs:
                keep_the_picture(output)
    notebook.metadata.pop("widgets", None)
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata["language_info"] = {"name": "python"}


def store(notebook: nbformat.NotebookNode, path: Path) -> None:
    tidy(notebook)
    with replacing(path) as temporary:
        nbformat.write(notebook, temporary)


def keep_for_book(notebook: nbformat.NotebookNode, path: Path, seconds: float) -> None:
    from jupyter_cache import get_cache
    from jupyter_cache.base import CacheBundleIn

    kept = CacheBundleIn(notebook, str(path), data={"execution_seconds": seconds})
    BUILD.mkdir(parents=True, exist_ok=True)
    with FileLock(BUILD / "lock"):  # another chapter may end at the same moment
        get_cache(BUILD).cache_notebook_bundle(kept, check_validity=False, overwrite=True)


def main(paths: list[Path], *, for_book: bool) -> int:
    failed = []
    for path in paths:
        name = path.relative_to(ROOT)
        if for_book and reason_not_to_run(path):
            continue  # the book shows stored outputs, and says why
        start = time.perf_counter()
        try:
            notebook = run(path)
        except (CellExecutionError, CellTimeoutError) as error:
            print(f"{name} failed\n{error}", flush=True)
            failed.append(path)
            continue
        seconds = time.perf_counter() - start
        if for_book:
            keep_for_book(notebook, path, seconds)
        else:
            store(notebook, path)
        print(f"{name} ran in {seconds:.0f} s", flush=True)
    return len(failed) > 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="*", type=Path, help="such as book/fft_loss.ipynb; all if none is named")
    parser.add_argument("--for-book", action="store_true", help="keep the outputs for the next build of the book")
    choices = parser.parse_args()
    chosen = [path.resolve() for path in choices.chapters] or chapters()
    missing = [str(path) for path in chosen if not (path.is_file() and path.is_relative_to(ROOT))]
    if missing:
        sys.exit(f"not a chapter of this book: {', '.join(missing)}")
    sys.exit(main(chosen, for_book=choices.for_book))
