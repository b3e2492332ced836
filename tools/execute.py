"""Run chapters from top to bottom and store what they print and draw.

    python tools/execute.py                        # every chapter
    python tools/execute.py book/fft_loss.ipynb    # one of them

Each chapter runs in a fresh kernel and an empty folder. What would differ at every run without telling a reader
anything (times, progress bars, the state of widgets, the exact Python version) is left out of the file. Of an
interactive figure only its first picture is kept, as a file with all its pictures would be large, and the rest needs a
kernel. A chapter that fails is left as it was.
"""

import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from outline import ROOT, chapters

from microtutor.files import replacing

SECONDS_PER_CELL = 600
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


def main(paths: list[Path]) -> int:
    failed = []
    for path in paths:
        print(f"{path.relative_to(ROOT)} ...", end=" ", flush=True)
        start = time.perf_counter()
        try:
            notebook = run(path)
        except (CellExecutionError, CellTimeoutError) as error:
            print(f"failed\n{error}")
            failed.append(path)
            continue
        tidy(notebook)
        with replacing(path) as temporary:
            nbformat.write(notebook, temporary)
        print(f"{time.perf_counter() - start:.0f} s")
    return len(failed) > 0


if __name__ == "__main__":
    chosen = [Path(name).resolve() for name in sys.argv[1:]] or chapters()
    missing = [str(path) for path in chosen if not (path.is_file() and path.is_relative_to(ROOT))]
    if missing:
        sys.exit(f"not a chapter of this book: {', '.join(missing)}")
    sys.exit(main(chosen))
