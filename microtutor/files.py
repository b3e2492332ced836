"""Writing files so that nothing half-written ever stands under its final name."""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends well and removed when it does not.

    Raises:
        OSError: the folder cannot be written to, the disk is full, or, on Windows, another program has the file open;
            says which file could not be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    advice = "choose a folder with room that you may write to"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if path.is_file():
            advice = "close it in every other program that has it open, and try again"
        _rename(temporary, path)
    except OSError as error:
        raise OSError(f"cannot write {path}: {error.strerror or error}; {advice}") from error
    finally:
        temporary.unlink(missing_ok=True) if temporary.parent.is_dir() else None


def _rename(temporary: Path, path: Path) -> None:
    """Put a file in the place of another; Windows refuses while any program reads that, be it a virus scanner."""
    for seconds in (0.05, 0.2, 0.8):
        try:
            temporary.replace(path)
            return
        except PermissionError:
            time.sleep(seconds)
    temporary.replace(path)


def write_json(path: str | os.PathLike, content: Any) -> None:
    """Write content as indented JSON."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8", newline="\n")


def write_csv(path: str | os.PathLike, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows, at least one, all with the same keys, under a header of these keys."""
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
