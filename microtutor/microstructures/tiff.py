"""What a TIFF says about itself: whether 0 is black or white, what its numbers are, and what its frames are."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Literal

import numpy as np

BITS, ZERO_IS, DESCRIPTION, SIGN = 258, 262, 270, 339  # bits per sample, photometric interpretation, format
UNSIGNED, SIGNED = 1, 2


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
