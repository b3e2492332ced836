"""What may be typed: the options that several commands share, and how text becomes a value of the right type."""

from __future__ import annotations

import math
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import typer

BOOLS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
HIGHEST_SEED = 2**32 - 1
LARGEST = 2**63  # that a computer counts to


def number(text: str) -> float:
    """A finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise typer.BadParameter(f"{text!r} is not a finite number")
    return value


def positive(text: str) -> float:
    """A finite number that is not below 0."""
    value = number(text)
    if value < 0:
        raise typer.BadParameter(f"{text!r} is not a number of at least 0")
    return value


def path(text: str | Path) -> Path:
    """A path, which an empty word is not: it would be the folder one is in."""
    if not str(text):
        raise typer.BadParameter("an empty name; type the name of a file or folder")
    return Path(text)


def numbers(text: str) -> float | tuple[float, ...]:
    """A finite number, or several of them between commas."""
    found = tuple(number(word) for word in text.split(","))
    first, *more = found
    return found if more else first


def labels(text: str) -> bool | tuple[float, ...]:
    """The values that name phases, between commas; "all" for every value there is, "none" for grey values."""
    word = text.strip().lower()
    return word == "all" if word in ("all", "none") else tuple(number(value) for value in word.split(","))


def _path_option(help_: str) -> Any:
    return typer.Option(help=help_, parser=path, metavar="PATH")


Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps")]
Seed = Annotated[int, typer.Option(help="chooses the random numbers", min=0, max=HIGHEST_SEED)]
Image = Annotated[
    Path, typer.Argument(help="a grey or black-and-white image: .png, .tif, .npy", parser=path, metavar="IMAGE")
]
Images = Annotated[int, typer.Option(help="number of held-out images", min=1)]
OwnImages = Annotated[
    Path | None,
    _path_option("train on your own: a folder of pictures, one large picture, or a volume (.tif, .npy or .zip)"),
]
Threshold = Annotated[
    float | None,
    typer.Option(help="grey value that separates the phases; by default Otsu's", parser=number, metavar="NUMBER"),
]
Dark = Annotated[bool, typer.Option(help="the phase of interest is the dark one")]
Thresholds = Annotated[
    object,
    typer.Option(
        help="grey value that separates the phases, or several, as 80,160; by default Otsu's",
        parser=numbers,
        metavar="NUMBERS",
    ),
]
Crop = Annotated[
    str | None, typer.Option(help='the part to take, rows and columns, as "0:884,:"; of volumes slices, rows, columns')
]
Mask = Annotated[
    str | None,
    typer.Option(help='what is left out: a picture that is 0 there, rows and columns as "850:,:", or info-bar'),
]
Phases = Annotated[int | None, typer.Option(help="number of phases in the grey values, 2 to 6", min=2, max=6)]
Labels = Annotated[
    object,
    typer.Option(
        help="the values are labels of phases: all, or those to take, as 0,128,255; none: they are grey values",
        parser=labels,
        metavar="VALUES",  # not LABELS: older versions of typer would call the option --LABELS
    ),
]
Spacing = Annotated[
    object,
    typer.Option(
        help="size of a pixel, or one down and one to the right, as 0.02,0.03", parser=numbers, metavar="NUMBERS"
    ),
]
Unit = Annotated[str | None, typer.Option(help="unit of the spacing, such as µm")]
MaxShift = Annotated[int | None, typer.Option(help="greatest shift to look at, in pixels", min=1)]
Boundary = Annotated[str, typer.Option(help="periodic or open")]
Workers = Annotated[int, typer.Option(help="processes that share the work", min=1)]
Scheduler = Annotated[
    str | None, typer.Option(help="address of a dask cluster that does the work, such as tcp://10.0.0.1:8786")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="replace files of these names that are there already")]
Record = Annotated[Path | None, _path_option("also write the run as JSON to this file")]


def parse_settings(settings: Sequence[str], config: type) -> dict[str, Any]:
    """Turn name=value settings into changes of a configuration, each of the type of its field.

    Raises:
        ValueError: no such name, or no value of the type.

    >>> from microtutor.training import TrainingConfig
    >>> parse_settings(["steps=20", "normalise=false", "count=3-6", "images=none"], TrainingConfig)
    {'steps': 20, 'normalise': False, 'count': (3, 6), 'images': None}
    """
    kinds, changes = get_type_hints(config), {}
    for setting in settings:
        name, equals, text = (part.strip() for part in setting.partition("="))
        if not equals or name not in kinds:
            raise ValueError(f"expected --set name=value with a name out of {', '.join(kinds)}; got {setting!r}")
        changes[name] = parse_value(text, kinds[name], name)
    return changes


def parse_value(text: str, kind: Any, name: str) -> Any:
    """A value of a field of that type: bool, int, float, str, a pair of numbers, or one of these or None."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    if get_origin(kind) in (Union, types.UnionType):
        if text.lower() in ("none", "null"):
            return None
        (kind,) = (one for one in get_args(kind) if one is not type(None))
    try:
        if get_origin(kind) is tuple:
            words = text.strip("()[] ").replace("-", ",").split(",")
            return tuple(one(word) for one, word in zip(get_args(kind), words, strict=True))
        if kind is bool:
            return BOOLS[text.lower()]
        value = kind(text)
        if (kind is float and not math.isfinite(value)) or (kind is int and abs(value) >= LARGEST):
            raise ValueError
        return value
    except (ValueError, KeyError, OverflowError):
        wanted = {bool: "true or false", int: "a whole number", float: "a finite number"}
        raise ValueError(
            f"expected {name} as {wanted.get(kind, 'two whole numbers, such as 1-4')}, got {text!r} in --set "
            f"{name}={text}"
        ) from None
