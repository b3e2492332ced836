"""Many pictures as one table: what their statistics say, and if wanted their properties and latents."""

from __future__ import annotations

import json
import math
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from microtutor.checks import check_bool, check_each, check_number, check_path, check_text
from microtutor.files import check_outputs, only_writer, replacing, write_csv
from microtutor.microstructures import Micrograph, read_micrograph
from microtutor.microstructures.folder import pictures_in
from microtutor.models import VAE
from microtutor.properties import effective_conductivity
from microtutor.statistics import summarise
from microtutor.workers import check_workers, spread

READING = ("crop", "mask", "threshold", "phases", "labels", "dark", "spacing", "unit")
COUNTING = ("boundary", "max_shift")
Row = dict[str, Any]


@dataclass(frozen=True)
class PictureTable:
    """What came of a table: the rows, and the pictures that were left out, each with the reason.

    >>> PictureTable([{"picture": "a.png"}], {"b.png": "it is no picture"}).refused["b.png"]
    'it is no picture'
    """

    rows: list[Row]
    refused: dict[str, str]


def picture_table(
    pictures: str | os.PathLike | Iterable[str | os.PathLike],
    output: str | os.PathLike,
    *,
    weights: str | None = None,
    contrast: float | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    overwrite: bool = False,
    progress: bool = True,
    **choices: Any,
) -> PictureTable:
    """Read pictures one by one and write a table with a row for each: statistics with intervals, properties, latents.

    A picture that cannot be read, or does not fit, is left out; `refused` and the file "<output>_refused.csv" name it
    with the reason. What is done is kept in "<output>.part" until the table is complete, so that a table that was
    interrupted goes on with the same call.

    Columns are "picture", height and width in pixels, "known" (the share of the pixels), the readings of `summarise`
    with "_low" and "_high" for their intervals, and "unit"; with a contrast "K_xx" and "K_yy"; with weights "latent_1",
    "latent_2", ...

    Args:
        pictures: a folder, or the files.
        output: the .csv file to write.
        weights: as for `VAE.from_pretrained`; the latents are those of the middle of each picture, as large as the
            images of the network.
        contrast: what the phase of interest conducts where all else conducts 1; periodic, and only for pictures without
            masked pixels.
        workers, scheduler: as for `spread`.
        overwrite: replace a table that is there.
        progress: show a progress bar.
        choices: for `read_micrograph` crop, mask, threshold, phases, labels, dark, spacing and unit, and for
            `summarise` boundary and max_shift, the same for all pictures.

    Raises:
        FileNotFoundError, FileExistsError, TypeError, ValueError: there are no pictures, no picture could be read, a
            choice is none, the output is there, or what is kept there was read in another way.

    >>> picture_table([], "table.csv")
    Traceback (most recent call last):
    ValueError: expected at least one picture, got none
    """
    output = check_path(output, name="output")
    if output.suffix.lower() != ".csv":
        raise ValueError(f"expected an output file ending in .csv, got {output}")
    check_workers(workers, scheduler)
    check_bool(overwrite, name="overwrite")
    check_bool(progress, name="progress")
    _check_work(weights, contrast, choices)
    files = _files(pictures)
    left_out = output.with_name(f"{output.stem}_refused.csv")
    for name, file in {"the table": output, "the pictures left out": left_out}.items():
        check_outputs({name: file}, overwrite=overwrite, advice="choose another name, or say overwrite=True")
    work = {"weights": weights, "contrast": contrast, **choices}
    part = output.with_name(f"{output.name}.part")
    tried = {} if part.exists() else _tried(files, work)
    with only_writer(output.parent, output.name):
        done = tried | _kept(part, work)
        todo = [file for file in files if str(file) not in done]
        with replacing(part) as whole:  # without what was cut, or is tried again
            whole.write_text("".join(map(_line, [work, *done.items()])), encoding="utf-8")
        with open(part, "a", encoding="utf-8") as kept:
            found = spread(partial(_row, **work), todo, workers=workers, scheduler=scheduler)
            for file, row in tqdm(found, total=len(todo), unit="picture", disable=not progress):
                done[str(file)] = row
                kept.write(_line((str(file), row)))
                kept.flush()
        rows = {file: done[str(file)] for file in files}
        good = [{"picture": file.name} | row for file, row in rows.items() if "refused" not in row]
        refused = {file.name: row["refused"] for file, row in rows.items() if "refused" in row}
        if not good:  # those that were good have changed since
            raise _none_is_good(files, done)
        write_csv(output, good)
        left_out.unlink(missing_ok=True)
        if refused:
            write_csv(left_out, [{"picture": name, "reason": why} for name, why in refused.items()])
        part.unlink()
    return PictureTable(good, refused)


def _check_work(weights: str | None, contrast: float | None, choices: Mapping[str, Any]) -> None:
    unknown = set(choices) - {*READING, *COUNTING}
    if unknown:
        raise TypeError(f"expected choices out of {', '.join((*READING, *COUNTING))}, got {', '.join(sorted(unknown))}")
    check_number(contrast, name="contrast", above=0, optional=True)
    if weights is not None:
        _network(check_text(weights, name="weights"))


def _row(path: Path, *, weights: str | None = None, contrast: float | None = None, **choices: Any) -> Row:
    """The row of one picture, without its name; or {"refused": the reason}."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that a picture is small, is said by its wide intervals
            picture = read_micrograph(path, **{k: choices[k] for k in READING if k in choices})
            row = _statistics(picture, {k: choices[k] for k in COUNTING if k in choices})
            if contrast is not None:
                row |= _conductivity(picture, contrast)
            return row if weights is None else row | _latents(picture, weights)
    except (OSError, TypeError, ValueError) as error:
        return {"refused": " ".join(str(error).split())}


def _statistics(picture: Micrograph, choices: Mapping[str, Any]) -> Row:
    if picture.ndim != 2:
        raise ValueError(f"expected a picture, got a volume of {len(picture.phase)} slices; take its statistics alone")
    summary = summarise(picture.phase, mask=picture.mask, spacing=picture.spacing, unit=picture.unit, **choices)
    row: Row = {"height": picture.phase.shape[0], "width": picture.phase.shape[1], "known": round(picture.known, 6)}
    for reading in summary.readings:
        if reading.low is None:
            continue
        name = reading.name.replace(",", "").replace(" ", "_")
        for suffix, value in (("", reading.value), ("_low", reading.low), ("_high", reading.high)):
            row[name + suffix] = _number(value)
    return row | {"unit": picture.unit}


def _conductivity(picture: Micrograph, contrast: float) -> Row:
    if picture.mask is not None:
        return {"K_xx": None, "K_yy": None}
    k = effective_conductivity(picture.phase, (1.0, contrast))
    return {"K_xx": _number(k[0, 0].item()), "K_yy": _number(k[1, 1].item())}


def _latents(picture: Micrograph, weights: str) -> Row:
    vae = _network(weights)
    sides = picture.phase.shape
    if min(sides) < vae.size:
        raise ValueError(
            f"expected at least {vae.size} x {vae.size} pixels for latents of {weights}, got {sides[0]} x {sides[1]}"
        )
    rows, columns = (slice((n - vae.size) // 2, (n - vae.size) // 2 + vae.size) for n in sides)
    with torch.no_grad():
        z = vae.encode(vae.in_form(picture.phase[None, None, rows, columns]))[0][0]
    return {f"latent_{k}": _number(value) for k, value in enumerate(z.tolist(), start=1)}


@lru_cache(maxsize=1)
def _network(weights: str) -> VAE:
    return VAE.from_pretrained(weights)


def _files(pictures: str | os.PathLike | Iterable[str | os.PathLike]) -> list[Path]:
    """The files of pictures, by name; all of a folder that end as pictures do."""
    if isinstance(pictures, (str, os.PathLike)):
        if Path(pictures).is_file():
            raise ValueError(f"expected a folder of pictures, got the file {pictures}; put it into a folder")
        return pictures_in(Path(pictures))[0]
    files = check_each(pictures, check_path, name="pictures")
    if not files:
        raise ValueError("expected at least one picture, got none")
    name, times = Counter(file.name for file in files).most_common(1)[0]
    if times > 1:
        raise ValueError(f"expected pictures of different names, got {name} twice; rename one of them")
    return files


def _tried(files: list[Path], work: Mapping[str, Any]) -> dict[str, Row]:
    """The rows of the first pictures, up to one that is good: if none is, the work is not begun."""
    tried: dict[str, Row] = {}
    for file in files:
        row = tried[str(file)] = _row(file, **work)
        if "refused" not in row:
            return tried
    raise _none_is_good(files, tried)


def _none_is_good(files: list[Path], rows: Mapping[str, Row]) -> ValueError:
    why = rows[str(files[0])]["refused"]
    return ValueError(
        f"expected a picture that can be read, got none of {len(files)}; the first, {files[0].name}: {why}"
    )


def _kept(part: Path, work: Mapping[str, Any]) -> dict[str, Row]:
    """The rows of an interrupted table, which was asked for in the same way; a line that was cut counts as not done."""
    if not part.exists():
        return {}
    said = _line(work).rstrip("\n")
    first, *lines = part.read_text(encoding="utf-8").splitlines() or [""]
    if first != said:
        raise ValueError(
            f"expected the choices with which {part} was begun, {first[:200]}, got {said[:200]}; ask for the same, or "
            f"remove {part.name} to begin anew"
        )
    done: dict[str, Row] = {}
    for line in lines:
        try:
            name, row = json.loads(line)
        except ValueError:
            continue
        if "refused" not in row:  # those are tried again: they may have been mended
            done[name] = row
    return done


def _line(content: Any) -> str:
    """What is kept in one line of the part."""
    return json.dumps(content, sort_keys=isinstance(content, dict), default=str) + "\n"


def _number(value: float | None) -> float | None:
    """Six significant digits; None, an empty cell, for what is not known."""
    return float(f"{value:.6g}") if value is not None and math.isfinite(value) else None
