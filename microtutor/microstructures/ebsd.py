"""Maps of electron backscatter diffraction (EBSD): which phase each point has, and how far apart the points are."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from microtutor.microstructures.grey import check_file

EBSD = (".ang", ".ctf")
CONFIDENCE, PHASE = 6, 7  # columns of an .ang file: phi1, PHI, phi2, x, y, image quality, confidence index, phase
CSV_ADVICE = "export it again from the program that wrote it"


@dataclass(frozen=True)
class PhaseMap:
    """The phases of an EBSD map.

    Attributes:
        labels: (height, width) int64, the number of the phase of each point.
        indexed: (height, width) bool, False where no phase was found.
        step: the distance of points down and right, in µm.
        names: the name of each phase number, as the header has it.

    >>> PhaseMap(np.array([[1, 2]]), np.array([[True, True]]), (0.5, 0.5), {1: "ferrite", 2: "austenite"}).step
    (0.5, 0.5)
    """

    labels: np.ndarray = field(repr=False)
    indexed: np.ndarray = field(repr=False)
    step: tuple[float, float]
    names: dict[int, str]


def read_ebsd(path: Any) -> PhaseMap:
    """The phases of a map in a file of EDAX/TSL (.ang) or of Channel 5 (.ctf), on a square grid.

    Points of a .ctf of phase 0 are not indexed, nor are those of an .ang of a confidence index of -1, or of a phase
    number that its header does not list when it lists several.

    Raises:
        TypeError, FileNotFoundError: as `check_file`.
        ValueError: the map is on another grid, or the file is damaged or no such map.

    >>> read_ebsd("no_such_map.ang")
    Traceback (most recent call last):
    FileNotFoundError: no file no_such_map.ang
    """
    path = check_file(path)
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return (_read_ctf if path.suffix.lower() == ".ctf" else _read_ang)(lines, path.name)


def _read_ang(lines: list[str], name: str) -> PhaseMap:
    header = [line.lstrip("# \t") for line in lines if line.startswith("#")]
    said = dict(re.findall(r"^(\w+):[ \t]*(.*?)\s*$", "\n".join(header), re.MULTILINE))
    if said.get("GRID", "SqrGrid").lower() != "sqrgrid" or said.get("NCOLS_EVEN") != said.get("NCOLS_ODD"):
        raise ValueError(
            f"expected a map on a square grid in {name}, got {said.get('GRID', 'no GRID')} with rows of "
            f"{said.get('NCOLS_ODD')} and {said.get('NCOLS_EVEN')} points; convert it to a square grid in "
            "the program that wrote it, or export its phases as a picture and take labels=True"
        )
    shape, step = _sides(said, ("NROWS", "NCOLS_ODD"), ("YSTEP", "XSTEP"), name)
    rows = [line for line in lines if line.strip() and not line.startswith("#")]
    table = _table(rows, (CONFIDENCE, PHASE), shape, name)
    labels = table[:, 1].astype(np.int64).reshape(shape)
    names = _names_in_ang(header)
    indexed = table[:, 0].reshape(shape) != -1
    if len(names) > 1:
        indexed &= np.isin(labels, list(names))
    return PhaseMap(labels, indexed, step, names)


def _names_in_ang(header: list[str]) -> dict[int, str]:
    names, number = {}, None
    for line in header:
        word, rest = (*re.split(r"[:\s]+", line.strip(), maxsplit=1), "")[:2]
        if word == "Phase" and rest.isdigit():
            number = int(rest)
            names[number] = str(number)
        elif word == "MaterialName" and number is not None and rest:
            names[number] = rest
    return names


def _read_ctf(lines: list[str], name: str) -> PhaseMap:
    start = next((k for k, line in enumerate(lines) if re.match(r"Phase\tX\b", line)), None)
    if start is None:
        raise ValueError(f"expected a row of names that begins with Phase in {name}, got none; {CSV_ADVICE}")
    said = dict(line.split("\t")[:2] for line in lines[:start] if "\t" in line)
    grid = said.get("JobMode", "Grid")
    if grid.lower() != "grid" or "XCells" not in said:
        raise ValueError(
            f"expected a map on a square grid in {name}, got JobMode {grid} and {said.get('XCells', 'no')} XCells; "
            "measure on a grid, or export its phases as a picture and take labels=True"
        )
    shape, step = _sides(said, ("YCells", "XCells"), ("YStep", "XStep"), name)
    rows = [line for line in lines[start + 1 :] if line.strip()]
    labels = _table(rows, (0,), shape, name)[:, 0].astype(np.int64).reshape(shape)
    return PhaseMap(labels, labels != 0, step, _names_in_ctf(lines[:start]))


def _names_in_ctf(header: list[str]) -> dict[int, str]:
    first = next((k + 1 for k, line in enumerate(header) if re.match(r"Phases\t\d+", line)), len(header))
    cells = [line.split("\t") for line in header[first:]]
    return {k: one[2].strip() if len(one) > 2 else str(k) for k, one in enumerate(cells, start=1)}


def _sides(
    said: dict[str, str], counts: tuple[str, str], steps: tuple[str, str], name: str
) -> tuple[tuple[int, int], tuple[float, float]]:
    """Numbers of rows and columns, and their distances, as a header says them; some write a comma for the point."""
    try:
        rows, columns = (int(said[key]) for key in counts)
        down, right = (float(said[key].replace(",", ".")) for key in steps)
        if min(rows, columns, down, right) > 0:
            return (rows, columns), (down, right)
    except (KeyError, ValueError):
        pass
    told = ", ".join(f"{key} {said.get(key, 'missing')}" for key in (*counts, *steps))
    raise ValueError(f"expected numbers of rows and columns and their steps in the header of {name}, got {told}; "
                     f"{CSV_ADVICE}")  # fmt: skip


def _table(rows: list[str], columns: tuple[int, ...], shape: tuple[int, int], name: str) -> np.ndarray:
    """The columns that are needed of all points, one row each."""
    wanted = shape[0] * shape[1]
    if len(rows) != wanted:
        raise ValueError(
            f"expected {shape[0]} rows of {shape[1]} points in {name}, {wanted} lines, got {len(rows)}; {CSV_ADVICE}"
        )
    try:
        return np.loadtxt((row.replace(",", ".") for row in rows), usecols=columns, ndmin=2)
    except (ValueError, IndexError) as error:
        raise ValueError(
            f"expected numbers in column {columns[-1] + 1} of {name}, the phase, got none ({str(error)[:100]}); "
            f"{CSV_ADVICE}"
        ) from error
