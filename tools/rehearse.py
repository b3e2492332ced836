"""Run every Colab notebook as Colab would, one after the other in one bare folder, then the package's tests.

    make rehearse             # sets up Colab's versions in .venv-colab, installs the package there as a reader does
    make rehearse RECORD=1    # the same, and keeps what was measured for the book's page on this, book/status.md
    .venv-colab/bin/python tools/rehearse.py gauge vae     # some chapters, without the tests

Nothing of this repository is in reach of a chapter: it runs in a temporary folder, with the installed package alone.
`google.colab` is there as far as chapters use it (tools/colab_double.py), and solutions are opened as a reader opens
them. Any error fails, and so does a chapter that writes outside `runs/<chapter>/`. What was found is written to
_build/rehearsal.json.
"""

import argparse
import datetime
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from one_folder import contents, strays
from outline import ROOT, chapters, wheel_address

SECONDS_PER_CELL = 600
REPORT = ROOT / "_build" / "rehearsal.json"
RECORD = ROOT / "microtutor" / "results" / "rehearsal.json"
DOUBLE = Path(__file__).with_name("colab_double.py")
PACKAGES = ("torch", "torchvision", "numpy", "scipy", "matplotlib", "ipywidgets", "ipython", "scikit-learn")
PASSED_ON = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "JUPYTER_PREFER_ENV_PATH",
    "PYTHONNOUSERSITE",
    "GOMP_SPINCOUNT",  # threads that wait quietly: a busy neighbour then costs little, and results are the same
    "PYDEVD_DISABLE_FILE_VALIDATION",  # no word on debuggers
)  # to a kernel
ANSI = re.compile(r"\x1b\[[\d;]*m")
FACTS = "import sys; print(sys.modules['google.colab'].rehearsal())"


def place_of(cell_number: int, cell: nbformat.NotebookNode) -> str:
    """Where a cell is, counted from 1 among all cells, with its first line: enough to find it."""
    return f"cell {cell_number + 1} ({cell.source.strip().splitlines()[0][:60]})"


def errors_in(notebook: nbformat.NotebookNode) -> list[str]:
    """Every error that a reader sees, by its cell."""
    return [
        f"{place_of(number, cell)}: {output.ename}: {ANSI.sub('', output.evalue)[:300]}"
        for number, cell in enumerate(notebook.cells)
        for output in cell.get("outputs", [])
        if output.output_type == "error"
    ]


def warnings_in(notebook: nbformat.NotebookNode) -> list[str]:
    """Every warning that a reader sees, by its cell."""
    return [
        f"{place_of(number, cell)}: {ANSI.sub('', output.text).strip()[:300]}"
        for number, cell in enumerate(notebook.cells)
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
        and output.name == "stderr"
        and re.search("warning", output.text, re.IGNORECASE)
    ]


def play(notebook: nbformat.NotebookNode, folder: Path, environment: dict[str, str]) -> list[str]:
    """Run all cells of a notebook in a folder, the ones after an error, too; what ended the run early, if anything."""
    reached = -1

    def at(cell_index: int, **_) -> None:
        nonlocal reached
        reached = cell_index

    client = NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        kernel_name="python3",
        allow_errors=True,
        skip_cells_with_tag="skipped nowhere: Run all in Colab runs every cell",
        coalesce_streams=True,
        on_cell_execute=at,
        resources={"metadata": {"path": str(folder)}},
    )
    try:
        client.execute(env=environment)
        return []
    except CellTimeoutError:
        reason = f"takes more than {SECONDS_PER_CELL} s"
    except DeadKernelError:
        reason = "the kernel died, for example because memory ran out"
    notebook.cells[reached].outputs = []  # what it said when it was stopped
    return [f"{place_of(reached, notebook.cells[reached])}: {reason}"]


def rehearse(path: Path, folder: Path, environment: dict[str, str]) -> dict:
    """Run one Colab notebook in the folder that all chapters share, and say what came of it.

    Returns:
        "seconds", "megabytes" (at the peak), "slowest cell", and the lists "errors" and "warnings".
    """
    notebook = opened(nbformat.read(path, as_version=4))
    notebook.cells.append(nbformat.v4.new_code_cell(FACTS))
    before, start = contents(folder), time.perf_counter()
    ended = play(notebook, folder, environment)
    seconds = time.perf_counter() - start
    asked = notebook.cells.pop()
    errors = errors_in(notebook) + ended
    errors += [f"writes {name}, outside runs/{path.stem}/" for name in strays(before, contents(folder), path.stem)]
    facts = {"megabytes": None, "installed": None}
    if asked.get("outputs"):
        facts = json.loads(asked.outputs[0].text)
        if facts["installed"] != 1:
            errors.append(f"installs the package {facts['installed']} times, not once")
    took, slowest = max((seconds_of(cell), place_of(n, cell)) for n, cell in enumerate(notebook.cells) if cell.source)
    return {
        "seconds": round(seconds, 1),
        "megabytes": facts["megabytes"],
        "slowest cell": f"{took:.0f} s, {slowest}",
        "errors": errors,
        "warnings": warnings_in(notebook),
    }


def seconds_of(cell: nbformat.NotebookNode) -> float:
    """How long a cell ran, as the kernel tells."""
    times = cell.metadata.get("execution", {})
    begin, end = times.get("iopub.execute_input"), times.get("shell.execute_reply")
    if not (begin and end):
        return 0.0
    return (datetime.datetime.fromisoformat(end) - datetime.datetime.fromisoformat(begin)).total_seconds()


def opened(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with every solution opened, as a reader opens it."""
    import colab

    return colab.opened(notebook)


# --- what surrounds a chapter -----------------------------------------------------------------------------------------
@contextmanager
def bare_folder() -> Iterator[tuple[Path, dict[str, str]]]:
    """An empty folder for chapters, far from the repository, and the environment of their kernels.

    A reader's kernel loads micrographs and the weights that are not in the wheel from the internet. Here they lie in
    the folder of data already: the micrographs as links to the cache, the weights as links to this repository's.
    """
    with tempfile.TemporaryDirectory(prefix="rehearsal-", ignore_cleanup_errors=True) as name:
        top = Path(name)
        startup = top / "ipython" / "profile_default" / "startup"
        for folder in (top / "content", top / "home", startup):
            folder.mkdir(parents=True)
        shutil.copy(DOUBLE, startup / "00-colab.py")
        link_data(top / "data")
        environment = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
        environment |= {"HOME": str(top / "home"), "IPYTHONDIR": str(top / "ipython")}
        environment |= {"MICROTUTOR_DATA": str(top / "data")}
        environment |= {"REHEARSAL_INSTALL": f"install -q --no-deps {wheel_address()}"}
        yield top / "content", environment


def link_data(folder: Path) -> None:
    """Make a folder of data with the files of the cache and the weights of this repository."""
    from microtutor.downloads import cache_folder
    from microtutor.microstructures import datasets

    folder.mkdir()
    for name in datasets.DATASETS:
        if (there := cache_folder() / name).is_dir():
            (folder / name).symlink_to(there.resolve())
    for weights in (ROOT / "microtutor" / "weights").iterdir():
        if weights.is_dir():
            (folder / "weights").mkdir(exist_ok=True)
            (folder / "weights" / weights.name).symlink_to(weights)


def colab_notebooks() -> list[Path]:
    """The Colab notebooks in the installed package, in the order in which they are read."""
    import microtutor

    folder = Path(microtutor.__file__).parent / "chapters"
    return [folder / path.name for path in chapters()]


def surroundings() -> dict:
    """When this is run, and the machine and the versions that the times belong to."""
    from microtutor.environment import current_commit, report_environment

    cpu = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", cpu.read_text(encoding="utf-8")) if cpu.exists() else None
    environment = {
        "microtutor": metadata.version("microtutor"),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in PACKAGES},
        "device": report_environment(show=False)["device"],
        "processor": found[1] if found else platform.processor(),
    }
    return {"date": datetime.date.today().isoformat(), "commit": current_commit(), "environment": environment}


# --- the report -------------------------------------------------------------------------------------------------------
def line_of(name: str, found: dict) -> str:
    """One line for a chapter, and one for each error and warning."""
    if "skipped" in found:
        return f"{name:22} skipped: {found['skipped']}"
    memory = "     ?" if found["megabytes"] is None else f"{found['megabytes'] / 1000:6.1f}"
    head = f"{name:22} {'failed' if found['errors'] else 'passed'} {found['seconds']:6.0f} s {memory} GB"
    told = [f"error: {text}" for text in found["errors"][:3]]
    if more := len(found["errors"][3:]):
        told.append(f"and {more} more errors, in {REPORT.relative_to(ROOT)}; most often they follow from the first")
    told += [f"warning: {text}" for text in found["warnings"]]
    return "\n".join([head, *(textwrap.indent(text, "    ") for text in told)])


def closing_line(found: dict[str, dict]) -> str:
    """How many chapters passed and failed; skipped ones count as neither.

    >>> closing_line({"a": {"errors": []}, "b": {"errors": ["cell 3"]}, "c": {"skipped": "no micrographs"}})
    '1 passed, 1 failed, 1 skipped'
    """
    run = [chapter for chapter in found.values() if "skipped" not in chapter]
    failed = sum(bool(chapter["errors"]) for chapter in run)
    skipped = f", {len(found) - len(run)} skipped" if len(run) < len(found) else ""
    return f"{len(run) - failed} passed, {failed} failed{skipped}"


def rehearse_all(names: list[str]) -> dict[str, dict]:
    """Run chapters in one bare folder, print a line for each, and give what was found, by chapter."""
    from stored_outputs import reason_not_to_run

    found = {}
    with bare_folder() as (folder, environment):
        for path in colab_notebooks():
            if names and path.stem not in names:
                continue
            if reason := reason_not_to_run(ROOT / "book" / path.name):
                found[path.stem] = {"skipped": reason}
            else:
                found[path.stem] = rehearse(path, folder, environment)
            print(line_of(path.stem, found[path.stem]), flush=True)
    return found


def main(arguments: list[str]) -> int:
    from installed_tests import run_tests, summary, unmet_requirements

    from microtutor.files import write_json

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "chapters", nargs="*", help="the chapters to run, without the tests; all of them, and the tests"
    )
    parser.add_argument("--record", action="store_true", help=f"keep what was measured in {RECORD.relative_to(ROOT)}")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.chapters) - {path.stem for path in chapters()}:
        parser.error(f"not a chapter of this book: {', '.join(sorted(unknown))}")
    report = surroundings()
    print(", ".join(f"{name} {report['environment'][name]}" for name in ("python", *PACKAGES)), flush=True)
    unmet = unmet_requirements()
    print("\n".join(unmet), end="\n" * bool(unmet))
    report["chapters"] = rehearse_all(chosen.chapters)
    if not chosen.chapters:
        print("Testing the package with the same versions (minutes) ...", flush=True)
        tests = run_tests()
        print(summary(tests))
        report["tests"] = {name: value for name, value in tests.items() if name != "output"}
    write_json(REPORT, report)
    failed = bool(unmet or any(chapter.get("errors") for chapter in report["chapters"].values()))
    failed |= bool(report.get("tests", {}).get("failed"))
    if chosen.record:
        write_record(report, failed)
    print(closing_line(report["chapters"]))
    return int(failed)


def write_record(report: dict, failed: bool) -> None:
    """Keep a report, and show it on its page, if it is one of everything, without failure."""
    from status_page import write_page

    from microtutor.files import write_json

    if failed or "tests" not in report or any("skipped" in chapter for chapter in report["chapters"].values()):
        print("Nothing is recorded: a record is of all chapters and the tests, all passed.")
        return
    record = {"command": "python tools/rehearse.py --record"} | report
    write_json(RECORD, record)
    write_page(record)
    print(f"Recorded in {RECORD.relative_to(ROOT)} and on the book's page book/status.md.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
