"""A run's log.csv: one row for each validation."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from microtutor.checks import check_path
from microtutor.files import LOG, write_csv

COLUMNS = ("step", "images", "seconds", "loss", "statistics_error", "kl", "data_share", "validation_statistics_error")


def read_log(output_dir: str | os.PathLike) -> dict[str, list[float]]:
    """The columns of a run's log.csv, with "aligned_correlation" if its decoder takes noise; empty cells are NaN.

    Raises:
        FileNotFoundError: the run has not written one.
        ValueError: it is empty, cut, or of something else.
    """
    path = check_path(output_dir, name="output_dir") / LOG
    if not path.is_file():
        raise FileNotFoundError(f"expected a run's folder with {LOG}, got {output_dir}; has the run begun?")
    try:
        with open(path, newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(file))
        columns = [[float(row[place] or "nan") for row in rows] for place in range(len(header))]
    except (ValueError, IndexError):
        header = []
    if not set(COLUMNS) <= set(header) or any(len(row) != len(header) for row in rows):
        raise ValueError(
            f"expected numbers under {', '.join(COLUMNS)} in {path}, got a damaged file; resume the run to have it anew"
        )
    return dict(zip(header, columns))


def write_log(output_dir: Path, rows: Sequence[Mapping[str, float]]) -> str:
    """Write the rows of log.csv anew; says why not, if another program has it open, as is so on Windows.

    No row is lost by that: a checkpoint holds them too.
    """
    try:
        write_csv(output_dir / LOG, rows)
    except PermissionError:
        return f"{output_dir / LOG} cannot be written now; if it is open in another program, close it there"
    return ""
