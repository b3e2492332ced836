"""What a TIFF says about itself: whether 0 is black or white, its numbers, its frames, and the size of a pixel."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Literal

import numpy as np

BITS, ZERO_IS, DESCRIPTION, SIGN = 258, 262, 270, 339  # bits per sample, photometric interpretation, format
UNSIGNED, SIGNED = 1, 2
RESOLUTION, RESOLUTION_UNIT, ORIENTATION = (283, 282), 296, 274  # down and right
ZEISS, FEI = 34118, 34682  # what electron microscopes of these makers write about a picture, as text
MICROMETRES = {2: 25400.0, 3: 10000.0}  # in the units of a resolution, inch and cm
OF_PRINTERS = (72, 96, 150, 300)  # pixels per inch that programs write unasked
METRES = {"nm": 1e-9, "µm": 1e-6, "mm": 1e-3, "cm": 1e-2, "m": 1.0, "Å": 1e-10}
OTHER_WORDS = {"um": "µm", "micron": "µm", "micrometer": "µm", "micrometre": "µm", "nanometer": "nm", "nanometre": "nm",
               "millimeter": "mm", "millimetre": "mm", "angstrom": "Å"}  # fmt: skip

PixelSize = tuple[tuple[float | None, float, float], str]  # deeper, down, right; and the unit


def as_tagged(pixels: np.ndarray, tags: Mapping[int, Any], *, white: bool) -> np.ndarray:
    """The numbers that the tags of a TIFF mean."""
    bits, sign = tags.get(BITS, (1,))[0], tags.get(SIGN, (UNSIGNED,))[0]
    if sign == UNSIGNED and bits == 32:
        pixels = pixels.view(np.uint32)
    elif sign == SIGNED and bits == 8:
        pixels = pixels.view(np.int8)
    if not white:
        return pixels
    if pixels.dtype.kind == "f":
        return -pixels
    return 2**bits - 1 - pixels if 8 < bits < 16 else np.invert(pixels)  # fewer bits than 8 are spread over 8


def black_is_zero(file: BinaryIO) -> tuple[BinaryIO, set[int]]:
    """The file, or a copy that says black is zero, and the numbers of the frames in which zero is white.

    Pillow inverts such frames for some numbers of bits, leaves them for others, and cannot open the rest.
    """
    places = {number: place for number, place, value in _zero_is(file) if value == 0}
    file.seek(0)
    if not places:
        return file, set()
    content = bytearray(file.read())
    for place in places.values():
        content[place : place + 2] = (1).to_bytes(2, "little" if content.startswith(b"II") else "big")
    return io.BytesIO(content), set(places)


def _zero_is(file: BinaryIO) -> Iterator[tuple[int, int, int]]:
    """Each frame of a TIFF that says what zero is: its number, and place and value of the tag."""
    start = file.read(8)
    order: Literal["little", "big"] = "little" if start.startswith(b"II") else "big"

    def number(of: bytes) -> int:
        return int.from_bytes(of, order)

    if start[:2] not in (b"II", b"MM") or number(start[2:4]) not in (42, 43):
        return
    long = 8 if number(start[2:4]) == 43 else 4  # BigTIFF
    place, seen = number(file.read(8) if long == 8 else start[4:]), set()
    while place and place not in seen:
        file.seek(place)
        count, entry = number(file.read(long if long == 8 else 2)), 4 + 2 * long
        entries = file.read(min(count, 2**16) * entry)
        for k in range(0, len(entries), entry):
            if number(entries[k : k + 2]) == ZERO_IS:
                value = k + 4 + long
                yield len(seen), place + (long if long == 8 else 2) + value, number(entries[value : value + 2])
        seen.add(place)
        place = number(file.read(long))


def axes_of(image: Any) -> dict[str, int]:
    """What the frames of a TIFF are, if the description in it says so: ImageJ's, OME's, or a shape.

    >>> class Stack: tag_v2 = {270: "ImageJ=1.54f\\nimages=6\\nchannels=2\\nslices=3"}
    >>> axes_of(Stack())
    {'channels': 2, 'slices': 3}
    """
    text = getattr(image, "tag_v2", {}).get(DESCRIPTION, "")
    text = text if isinstance(text, str) else ""
    if text.startswith("ImageJ="):
        said = {key: int(n) for key, n in re.findall(r"^(images|channels|slices|frames)=(\d{1,9})\s*$", text, re.M)}
        names = {"channels": "channels", "slices": "slices", "frames": "times"}
        axes = {names[key]: n for key, n in said.items() if key in names}
        return axes or ({"slices": said["images"]} if "images" in said else {})
    if "<OME" in text and getattr(image, "n_frames", 1) > 1:  # a single one can be a part of a set of files
        names = {"C": "channels", "Z": "slices", "T": "times"}
        return {names[axis]: int(n) for axis, n in re.findall(r'\bSize([CZT])="(\d{1,9})"', text)}
    return _axes_of_shape(text)


def _axes_of_shape(text: str) -> dict[str, int]:
    """The axes in a description such as {"shape": [2, 3, 64, 64], "axes": "CZYX"}, as tifffile writes it."""
    try:
        said = json.loads(text) if text.startswith("{") else {}
    except ValueError:
        return {}
    shape, letters = said.get("shape"), said.get("axes", "")
    if not isinstance(shape, list) or not all(isinstance(n, int) for n in shape):
        return {}
    if isinstance(letters, str) and len(letters) == len(shape):
        names = {"C": "channels", "T": "times", "Z": "slices", "I": "slices", "Q": "slices"}
        return {names.get(letter, f"axes {letter}"): n for letter, n in zip(letters, shape) if letter not in "YXS"}
    leading = [n for n in shape[:-2] if n > 1]
    return (
        {"slices": leading[0]} if len(leading) == 1 else {"axes before the last two": len(leading)} if leading else {}
    )


def unit_of(text: str) -> str | None:
    """A unit of length as it is written here, whatever a file calls it; None if it is none.

    >>> unit_of("microns"), unit_of("\\\\u00B5m"), unit_of("NM"), unit_of("pixel")
    ('µm', 'µm', 'nm', None)
    """
    word = text.strip().replace("\\u00B5", "µ").replace("\u03bc", "µ")
    word = word if word in METRES else word.lower()
    word = OTHER_WORDS.get(word, OTHER_WORDS.get(word.removesuffix("s"), word))
    return word if word in METRES else None


def pixel_size_of(tags: Mapping[int, Any]) -> PixelSize | None:
    """The size of a pixel in the tags of a TIFF, or None if they do not say it.

    Looked at are, in this order, what electron microscopes of Zeiss and FEI write, the descriptions of OME and ImageJ,
    and the resolution.

    A resolution that printers have (72, 96, 150 or 300 pixels per inch) says nothing of the material, nor does one of
    no unit. ImageJ means 1 by a distance of slices that it leaves out.

    >>> pixel_size_of({282: 20.0, 283: 10.0, 270: "ImageJ=1.54f\\nunit=micron"})
    ((1.0, 0.1, 0.05), 'µm')
    >>> pixel_size_of({282: 72.0, 283: 72.0, 296: 2}) is None
    True
    """
    text = _in_utf8(tags.get(DESCRIPTION, ""))
    per_unit = [_ratio(tags.get(tag)) for tag in RESOLUTION]
    found = _size_of_microscope(tags)
    if found is not None:
        pass
    elif "<OME" in text:
        found = _size_in_ome(text)
    elif min(per_unit) <= 0:
        return None
    elif text.startswith("ImageJ=") and (unit := unit_of(_said(r"^unit=(.*)$", text, ""))):
        found = (float(_said(r"^spacing=([\d.eE+-]+)\s*$", text, "1")), 1 / per_unit[0], 1 / per_unit[1]), unit
    else:
        found = _size_in_resolution(per_unit, tags.get(RESOLUTION_UNIT))
    if found is None or not all(size is None or (math.isfinite(size) and size > 0) for size in found[0]):
        return None
    (deeper, down, right), unit = found
    return ((deeper, right, down) if tags.get(ORIENTATION, 1) > 4 else (deeper, down, right)), unit  # as it is turned


def _size_of_microscope(tags: Mapping[int, Any]) -> PixelSize | None:
    zeiss, fei = (_in_utf8(_as_text(tags.get(tag))) for tag in (ZEISS, FEI))
    said = re.search(r"^Image Pixel Size\s*=\s*([\d.eE+-]+)\s*(\S+)", zeiss, re.MULTILINE)
    if said and (unit := unit_of(said[2])):
        return (None, float(said[1]), float(said[1])), unit
    sides = [_said(rf"^Pixel{side}\s*=\s*([\d.eE+-]+)\s*$", fei, "") for side in ("Height", "Width")]
    if not all(sides):
        return None
    down, right = (float(side) / METRES["nm"] for side in sides)
    return (None, down, right), "nm"


def _as_text(value: Any) -> Any:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _size_in_resolution(per_unit: list[float], unit: Any) -> PixelSize | None:
    micrometres = MICROMETRES.get(unit) if isinstance(unit, int) else None
    if micrometres is None:
        return None
    per_inch = [n * MICROMETRES[2] / micrometres for n in per_unit]
    if all(any(abs(n - usual) < 0.05 for usual in OF_PRINTERS) for n in per_inch):
        return None
    return (None, micrometres / per_unit[0], micrometres / per_unit[1]), "µm"


def _size_in_ome(text: str) -> PixelSize | None:
    unit = unit_of(_said(r'\bPhysicalSizeXUnit="([^"]*)"', text, "µm"))
    sizes = {axis: _said(rf'\bPhysicalSize{axis}="([\d.eE+-]+)"', text, "") for axis in "ZYX"}
    units = [unit_of(_said(rf'\bPhysicalSize{axis}Unit="([^"]*)"', text, "µm")) for axis in "ZYX"]
    if unit is None or None in units or not sizes["X"] or not sizes["Y"]:
        return None
    deeper, down, right = (
        float(size) * METRES[one] / METRES[unit] if size else None for size, one in zip(sizes.values(), units) if one
    )
    return None if down is None or right is None else ((deeper, down, right), unit)


def _in_utf8(text: Any) -> str:
    """A description, of which Pillow takes each byte for a letter; older programs mean it so."""
    try:
        return text.encode("latin-1").decode("utf-8") if isinstance(text, str) else ""
    except UnicodeError:
        return text


def _said(pattern: str, text: str, otherwise: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1] if found else otherwise


def _ratio(value: Any) -> float:
    """A resolution as a number, 0 if it is none; some readers give it as numerator and denominator."""
    try:
        number = value[0] / value[1] if isinstance(value, tuple) else float(value)
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return 0.0
    return number if math.isfinite(number) else 0.0
