"""Test the installed package, with the versions that are installed beside it, and nothing of the checkout in reach.

    .venv-oldest/bin/python tools/installed_tests.py    # `make test-oldest`; `make rehearse` does the same with Colab's

The tests run in a copy outside the checkout, so that `microtutor` is the one that was installed from the wheel.
Warnings stay warnings: old versions, and old versions under a new Python, give some that are not ours to mend.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

from outline import ROOT

OPTIONS = ("-q", "-rf", "-o", "filterwarnings=default", "-p", "no:cacheprovider")
COPIED = ("tests", "tools", "benchmarks", "studies", "pyproject.toml", "_config.yml", "_toc.yml")
LEFT_OUT = {
    "tests/book": "guards the sources of the book with its own tools, which Colab does not have",
    "tests/site": "looks at the built pages in a browser",
}


def unmet_requirements() -> list[str]:
    """What the package requires and does not find here; `--no-deps` hides it from a reader until something breaks."""
    from packaging.requirements import Requirement

    required = [Requirement(text) for text in metadata.requires("microtutor") or []]
    needed = [r for r in required if r.marker is None or r.marker.evaluate({"extra": ""})]
    return [
        f"microtutor requires {r}, and here is {metadata.version(r.name)}"
        for r in needed
        if not r.specifier.contains(metadata.version(r.name), prereleases=True)
    ]


def run_tests() -> dict:
    """Run the package's tests and the examples in its docstrings.

    Returns:
        "passed", "failed" and "skipped", how many; "seconds"; "left out", with reasons; the "output" of pytest.
    """
    import microtutor

    with tempfile.TemporaryDirectory(prefix="tests-", ignore_cleanup_errors=True) as folder:
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, Path(folder) / name)
        for name in LEFT_OUT:
            shutil.rmtree(Path(folder) / name, ignore_errors=True)
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *OPTIONS, "tests", str(Path(microtutor.__file__).parent)],
            cwd=folder,
            env={name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "OMP_NUM_THREADS")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    return {**counts(done.stdout, done.returncode), "seconds": round(time.perf_counter() - start, 1)} | {
        "left out": LEFT_OUT,
        "output": done.stdout,
    }


def counts(output: str, returncode: int) -> dict[str, int]:
    """How many tests passed, failed and were skipped, by pytest's last line.

    >>> counts("F.\\n1 failed, 12 passed, 2 skipped, 3 warnings in 4.50s", 1)
    {'passed': 12, 'failed': 1, 'skipped': 2}
    >>> counts("Killed", 137)
    {'passed': 0, 'failed': 1, 'skipped': 0}
    """
    line = (output.strip().splitlines() or [""])[-1]
    found = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped|error)", line)}
    failed = found.get("failed", 0) + found.get("error", 0)
    passed = found.get("passed", 0)
    failed = max(failed, int(returncode != 0 or not passed))  # a run that broke off says nothing, and is no success
    return {"passed": passed, "failed": failed, "skipped": found.get("skipped", 0)}


def summary(tests: dict) -> str:
    """One line on the tests, and what pytest printed where some failed."""
    line = "Tests: {passed} passed, {failed} failed, {skipped} skipped".format(**tests)
    return f"{tests['output']}\n{line}" if tests["failed"] else line


def main() -> int:
    unmet = unmet_requirements()
    for sentence in unmet:
        print(sentence)
    tests = run_tests()
    for name, reason in tests["left out"].items():
        print(f"{name} is left out: it {reason}")
    print(f"{tests['seconds']:.0f} s")
    print(summary(tests))
    return int(bool(unmet or tests["failed"]))


if __name__ == "__main__":
    sys.exit(main())
