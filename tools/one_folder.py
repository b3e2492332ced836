"""What a chapter may write. All chapters of a reader run in one folder, and each keeps to `runs/<chapter>/` in it.

`make rehearse` and `conftest.py` compare the folder before and after every chapter; `tests/book/test_runs.py` reads the
same rule in the code cells.
"""

from collections.abc import Mapping
from pathlib import Path

Contents = Mapping[str, tuple[int, int]]


def contents(folder: Path) -> Contents:
    """Size and time of change of every file below a folder, by its path in it.

    >>> contents(Path("a folder that is not there"))
    {}
    """
    files = [path for path in folder.rglob("*") if not path.is_dir()]
    return {path.relative_to(folder).as_posix(): ((s := path.lstat()).st_size, s.st_mtime_ns) for path in files}


def strays(before: Contents, after: Contents, chapter: str) -> list[str]:
    """The files that a chapter made, changed or removed outside `runs/<chapter>/`, in order.

    >>> strays({"runs/vae/log.csv": (5, 1)}, {"runs/vae/log.csv": (9, 2), "runs/knobs/log.csv": (7, 2)}, "knobs")
    ['runs/vae/log.csv']
    """
    touched = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    return sorted(name for name in touched if not name.startswith(f"runs/{chapter}/"))
