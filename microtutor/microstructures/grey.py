"""Grey values from files as they are meant to be seen: the one way in for pictures, stacks and arrays.

What a file says about itself is read: whether 0 is black or white, how it is turned, whether its numbers have signs,
which of its frames are slices, what its palette means.
"""

from __future__ import annotations

import importlib
import io
import math
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np

from microtutor.checks import check_count, check_each, check_text, quote
from microtutor.microstructures.tiff import ZERO_IS, PixelSize, as_tagged, axes_of, black_is_zero, pixel_size_of

WHITE = "frames in which zero is white"
ARRAYS, PICTURES = (".npy",), (".png", ".tif")
FEW_COLOURS = 64
RGB = ("RGB", "RGBA")
OTHER_FILES = {  # what they are, and the way on
    **dict.fromkeys((".csv", ".txt"), "a table; read it with numpy.loadtxt, and hand over the array"),
    **dict.fromkeys((".h5", ".hdf5", ".mat"), "a store of arrays; read the one you want, and hand over the array"),
    ".npz": "an archive of arrays; load the one you want with numpy.load, and hand over the array",
    ".pdf": "a document; export the picture from it as .png or .tif",
}


def check_file(path: Any) -> Path:
    """The path of a file, after a check that there is one.

    Raises:
        TypeError: path is no name of a file.
        FileNotFoundError: no such file.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"expected the name of a file, got {quote(path)}")
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}" + ("; it is a folder" if path.is_dir() else ""))
    return path


def read_grey(path: Any, *, labels: bool = False) -> np.ndarray:
    """The grey values of an image file, (height, width); with labels=True a palette's numbers instead of its greys.

    Raises:
        TypeError, FileNotFoundError: as `check_file`.
        ValueError: it cannot be read, or is no single picture of grey values, all finite and all to be seen.
    """
    path = check_file(path)
    with open(path, "rb") as file:
        if path.suffix.lower() in ARRAYS:
            return _checked(_read_array(file, path.name), path.name, ("height", "width"))
        with _opened(file, path.name) as image:
            _refuse_several_frames(image, path.name)
            return _checked(_values(image, path.name, labels=labels), path.name, ("height", "width"))


def read_stack(path: Any) -> np.ndarray:
    """The grey values of a volume, a .tif of several frames, a .npy, or a .zip of one: (depth, height, width).

    Raises:
        TypeError, FileNotFoundError: as `check_file`.
        ValueError: it cannot be read, or is no volume of grey values, all finite and all to be seen.
    """
    path = check_file(path)
    name, axes = path.name, ("depth", "height", "width")
    with open(path, "rb") as file:
        stream: BinaryIO = file
        if path.suffix.lower() == ".zip":
            name, stream = _unpacked(file, path.name)
        read = _read_array if Path(name).suffix.lower() in ARRAYS else _read_frames
        return _checked(read(stream, name), name, axes)


def read_image(path: Any, *, labels: bool = False) -> tuple[np.ndarray, PixelSize | None]:
    """The grey values of a picture or of a volume, whichever the file holds, and the size of a pixel if it says it.

    Values that are not finite are let through: nothing was measured there. Where Pillow cannot read a TIFF, tifffile is
    tried if it is installed.

    Args:
        path: what `read_grey` or `read_stack` reads.
        labels: give the numbers of a palette instead of its greys.

    Returns:
        An array (height, width) or (depth, height, width), and the size as `pixel_size_of` gives it.

    Raises:
        TypeError, FileNotFoundError: as `check_file`.
        ValueError: it cannot be read, or holds no grey values.
    """
    path = check_file(path)
    name, suffix = path.name, path.suffix.lower()
    if suffix in OTHER_FILES:
        raise ValueError(f"{name} is no picture but {OTHER_FILES[suffix]}")
    with open(path, "rb") as file:
        stream: BinaryIO = file
        if suffix == ".zip":
            name, stream = _unpacked(file, path.name)
        if Path(name).suffix.lower() in ARRAYS:
            return as_image(_read_array(stream, name), name), None
        try:
            return _read_with_pillow(stream, name, labels=labels)
        except ValueError as error:
            if error.__cause__ is None or Path(name).suffix.lower() not in (".tif", ".tiff"):
                raise
            stream.seek(0)
            return _read_with_tifffile(stream, name, error)


def read_raw(path: Any, shape: Any, dtype: Any) -> np.ndarray:
    """The numbers of a file that holds nothing but numbers, row by row, and slice by slice if it is a volume.

    Args:
        path: the file.
        shape: (height, width) or (depth, height, width).
        dtype: the kind of number as numpy names it, such as "uint8", "uint16" or ">u2" (high byte first).

    Raises:
        TypeError, FileNotFoundError: as `check_file`, or shape or dtype are of another type.
        ValueError: shape or dtype are none, or ask for another number of bytes than the file has.
    """
    path = check_file(path)
    if shape is None or dtype is None:
        raise ValueError(
            f"expected the shape and the kind of the bare numbers in {path.name}, {path.stat().st_size} bytes, got "
            f"{quote(shape)} and {quote(dtype)}; name both, for example (100, 512, 512) and 'uint16'"
        )
    sides = check_each(shape, check_count, name="shape")
    if len(sides) not in (2, 3):
        raise ValueError(f"expected shape as (height, width) or (depth, height, width), got {quote(shape)}")
    kind = _number_kind(dtype)
    needed, there = math.prod(sides) * kind.itemsize, path.stat().st_size
    if needed != there:
        raise ValueError(
            f"expected {needed} bytes in {path.name} for {' x '.join(map(str, sides))} numbers of {kind.itemsize} "
            f"bytes ({kind.name}), got {there}; take the shape and dtype that the program which wrote it "
            "tells, and cut a header off"
        )
    return np.fromfile(path, dtype=kind).reshape(sides)


def _number_kind(dtype: Any) -> np.dtype:
    try:
        kind = np.dtype(check_text(dtype, name="dtype"))
    except (TypeError, ValueError):
        kind = np.dtype(object)
    if kind.kind not in "buif":
        raise ValueError(
            f"expected dtype as the text of a kind of number, such as 'uint8' or '>u2', got {quote(dtype)}"
        )
    return kind


def read_colours(path: Any) -> np.ndarray:
    """Red, green and blue of a colour image, (3, height, width) uint8."""
    path = check_file(path)
    with open(path, "rb") as file, _opened(file, path.name) as image:
        if image.mode not in RGB:
            raise ValueError(f"expected red, green and blue in {path.name}, got mode {image.mode}")
        return np.moveaxis(_pixels(image, path.name)[..., :3], -1, 0)


# --- arrays -----------------------------------------------------------------------------------------------------------
def as_image(array: np.ndarray, name: str) -> np.ndarray:
    """An array as a picture (height, width) or volume (depth, height, width), without a first or last axis of one.

    Raises:
        ValueError: it is neither, or seems to hold colours.

    >>> as_image(np.zeros((4, 5, 1)), "a.npy").shape
    (4, 5)
    """
    if array.ndim == 3 and 1 in (array.shape[0], array.shape[-1]):
        array = array[..., 0] if array.shape[-1] == 1 else array[0]
    if array.dtype.kind not in "buif" or array.ndim not in (2, 3) or not array.size:
        raise ValueError(
            f"expected grey values (height, width) or (depth, height, width) in {name}, got {array.dtype} "
            f"{array.shape}; hand over one picture or volume of real numbers"
        )
    if array.ndim == 3 and array.shape[-1] in (3, 4):
        raise ValueError(
            f"expected grey values (height, width) or (depth, height, width) in {name}, got shape {array.shape}, which "
            "seems to be a picture in colours; hand over one channel of it, array[..., 0]"
        )
    return array


def _checked(array: np.ndarray, name: str, axes: tuple[str, ...]) -> np.ndarray:
    if array.ndim != len(axes) or not array.size or array.dtype.kind not in "buif":
        advice = {2: "; load_phases reads one picture", 3: "; load_volume reads a volume, read_micrograph either"}.get(
            array.ndim, ""
        )
        advice = advice if array.dtype.kind in "buif" and array.size else ""
        raise ValueError(f"expected grey values ({', '.join(axes)}) in {name}, got {array.dtype} {array.shape}{advice}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(
            f"expected finite grey values in {name}, got NaN or infinity in {int((~np.isfinite(array)).sum())} of "
            f"{array.size} pixels; replace them by a grey value before you save it, and hand mask=numpy.isfinite(...) "
            "as a float tensor to the statistics, which then leave these pixels out; or take read_micrograph, "
            "which makes this mask itself"
        )
    return array


def _read_array(file: BinaryIO, name: str) -> np.ndarray:
    start = file.read(6)
    if start.startswith(b"PK"):
        raise ValueError(f"{name} is an archive of arrays (.npz), not one array; save the one you want with numpy.save")
    if start != np.lib.format.MAGIC_PREFIX:  # np.load would take it for a pickle
        raise ValueError(f"{name} is no array that can be read; save it with numpy.save")
    try:
        _check_header(file)
        file.seek(0)
        return np.load(file, allow_pickle=False)
    except Exception as error:  # whatever a broken header makes numpy say
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{name} is no array that can be read ({reason}); save it with numpy.save") from error


def _check_header(file: BinaryIO) -> None:
    """Compare what the header promises with what is there, before any memory is taken for it."""
    file.seek(0)
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        return  # names of fields in other alphabets: no array of numbers, which is said later
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    first = file.tell()
    promised, there = math.prod(shape) * dtype.itemsize, file.seek(0, os.SEEK_END) - first
    if min(shape, default=0) < 0 or (promised > there and not dtype.hasobject):
        raise ValueError(f"its header promises shape {quote(shape)}, {promised} bytes, and {there} are there")


def _unpacked(file: BinaryIO, name: str) -> tuple[str, BinaryIO]:
    """Name and content of the one volume in an archive; what macOS adds to archives is no volume."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and _is_volume(m.filename)]
            if len(members) == 1 and members[0].flag_bits & 1:
                raise ValueError(f"{name} is encrypted; unpack it with its password, and load the file in it")
            if len(members) == 1:
                return members[0].filename, io.BytesIO(archive.read(members[0]))
    except ValueError:
        raise
    except Exception as error:  # broken in one of many ways, or packed as zipfile cannot unpack
        raise ValueError(f"{name} is no archive that can be read ({error}); fetch it again") from error
    raise ValueError(f"expected one .tif or .npy in {name}, got {len(members)}")


def _is_volume(member: str) -> bool:
    path = PurePosixPath(member)
    return path.suffix.lower() in (".tif", ".tiff", ".npy") and "__MACOSX" not in path.parts and path.name[:2] != "._"


# --- pictures ---------------------------------------------------------------------------------------------------------
@contextmanager
def _opened(file: BinaryIO, name: str) -> Iterator[Any]:
    """The picture in a file, its grey values as they are stored; see `black_is_zero` for what they mean."""
    from PIL import Image

    with _reading(name):
        file, white = black_is_zero(file)
        image = Image.open(file)
    with image:
        image.info[WHITE] = white
        yield image


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Say in one sentence that a picture cannot be read, whatever its bytes make Pillow say."""
    from PIL import Image

    try:
        yield
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"{name} has more pixels than Pillow opens ({error}); set PIL.Image.MAX_IMAGE_PIXELS = None before, or "
            "save it as .npy"
        ) from error
    except MemoryError as error:
        raise ValueError(f"{name} does not fit into memory; save a part of it") from error
    except Exception as error:
        others = " or ".join(s for s in (*PICTURES, *ARRAYS) if s[:4] != Path(name).suffix.lower()[:4])
        raise ValueError(
            f"{name} is no image that can be read: it is damaged, or of a kind that Pillow does not know; open it in "
            f"the program that wrote it and save it as {others}"
        ) from error


def _read_with_pillow(file: BinaryIO, name: str, *, labels: bool) -> tuple[np.ndarray, PixelSize | None]:
    """A picture, or a volume if there are several frames, and the size of a pixel."""
    with _opened(file, name) as image:
        with _reading(name):
            size = pixel_size_of(dict(getattr(image, "tag_v2", {})))
            several = max(getattr(image, "n_frames", 1), math.prod(axes_of(image).values())) > 1
        return (_frames(image, name, labels=labels) if several else _values(image, name, labels=labels)), size


def _read_with_tifffile(file: BinaryIO, name: str, error: Exception) -> tuple[np.ndarray, PixelSize | None]:
    """What Pillow cannot read of TIFF, if tifffile is there and can."""
    try:
        tifffile = importlib.import_module("tifffile")
    except ImportError:
        raise ValueError(
            f"{name} is no image that can be read: it is damaged, or of a kind of TIFF that Pillow does not know; "
            'install the reader of more kinds, pip install "microtutor[tiff]", or save it as .png or .npy'
        ) from error
    try:
        with tifffile.TiffFile(file) as opened:
            series, first = opened.series[0], opened.pages[0]
            values, axes = series.asarray(), series.axes
            tags = {tag.code: tag.value for tag in first.tags.values()}
    except Exception as reason:  # whatever broken bytes make it say
        raise ValueError(
            f"{name} is no image that can be read, by Pillow nor by tifffile ({' '.join(str(reason).split())[:100]}); "
            "open it in the program that wrote it and save it as .png or .npy"
        ) from reason
    keep = [axis in "YX" or n > 1 for axis, n in zip(axes, values.shape)]
    left = "".join(axis for axis, kept in zip(axes, keep) if kept)
    if left not in ("YX", "ZYX", "IYX", "QYX"):
        raise ValueError(
            f"expected a picture or a stack of slices in {name}, got the axes {left}; save one channel or time of it "
            "by itself"
        )
    values = values.reshape([n for n, kept in zip(values.shape, keep) if kept])
    if tags.get(ZERO_IS) == 0:  # is white
        values = -values if values.dtype.kind == "f" else np.invert(values)
    return values, pixel_size_of(tags)


def _read_frames(file: BinaryIO, name: str) -> np.ndarray:
    """The frames of a stack, one slice each."""
    with _opened(file, name) as image:
        return _frames(image, name, labels=False)


def _frames(image: Any, name: str, *, labels: bool) -> np.ndarray:
    _refuse_other_axes(image, name)
    frames = []
    for number in range(getattr(image, "n_frames", 1)):
        with _reading(name):
            image.seek(number)
        frames.append(_values(image, name, labels=labels))
    shapes = sorted({frame.shape for frame in frames})
    if len(shapes) > 1:
        raise ValueError(
            f"expected slices of one size in {name}, got {shapes[0]} and {shapes[-1]}; save those of one size "
            "by themselves"
        )
    return np.stack(frames)


def _values(image: Any, name: str, *, labels: bool) -> np.ndarray:
    """The grey values of one frame, or with labels=True the numbers of its colours in the palette."""
    with _reading(name):
        tags = dict(getattr(image, "tag_v2", {}))
    pixels, mode = _pixels(image, name), image.mode
    if mode == "P" and labels:
        return pixels
    if mode == "P":
        return _greys_of_palette(image, pixels, name)
    if mode not in ("1", "L", "F") and not mode.startswith("I"):
        raise ValueError(_colours_in_words(image, pixels, name))
    hidden = image.info.get("transparency")
    if isinstance(hidden, int) and (pixels == hidden).any():
        raise ValueError(f"expected a grey image in {name}, got transparency in it; save it without alpha")
    if not tags:
        return pixels
    if ZERO_IS not in tags:
        raise ValueError(f"expected {name} to say whether 0 is black or white (TIFF tag {ZERO_IS}); save it anew")
    return as_tagged(pixels, tags, white=image.tell() in image.info[WHITE])


def _pixels(image: Any, name: str) -> np.ndarray:
    """The pixels of a frame, turned as it is to be seen."""
    from PIL import ImageOps

    with _reading(name):
        image.load()  # turns a TIFF, and forgets that it was turned
        return np.asarray(ImageOps.exif_transpose(image))


def _greys_of_palette(image: Any, pixels: np.ndarray, name: str) -> np.ndarray:
    """The grey values of a palette picture, if all colours that it uses are greys."""
    palette = np.reshape(image.getpalette("RGB") or [], (-1, 3)).astype(np.uint8)
    used = np.unique(pixels)
    colours = palette[used[used < len(palette)]]
    if len(colours) < len(used) or (colours != colours[:, :1]).any():
        raise ValueError(
            f"expected a grey image in {name}, got a palette of {len(used)} colours; if each of them is a phase, take "
            'load_phases(..., labels=True), which goes by their numbers in the palette (.convert("L") would give one '
            "grey to different colours)"
        )
    hidden = image.info.get("transparency", b"")  # one number, or how opaque each number is
    hidden = [hidden] if isinstance(hidden, int) else [number for number, opaque in enumerate(hidden) if opaque < 255]
    if np.isin(used, hidden).any():
        raise ValueError(f"expected a grey image in {name}, got transparency in it; save it without alpha")
    return palette[pixels, 0]


def _colours_in_words(image: Any, pixels: np.ndarray, name: str) -> str:
    """Why a picture in colours is refused, and how its grey values or its labels are got."""
    if image.mode in ("LA", "La", "PA"):
        return f"expected a grey image in {name}, got transparency (mode {image.mode}); save it without alpha"
    refused = f"expected a grey image in {name}, got colour mode {image.mode}; "
    if image.mode in RGB and (pixels[..., :3] == pixels[..., :1]).all():
        return f'{refused}save one channel as grey, for example with PIL.Image.open(...).convert("L").save(...)'
    colours = image.getcolors(FEW_COLOURS) if image.mode in RGB else None
    if colours is not None:
        return (
            f"{refused}if its {len(colours)} colours are phases, number them, labels = numpy.unique(pixels.reshape(-1, "
            f"{pixels.shape[-1]}), axis=0, return_inverse=True)[1].reshape(pixels.shape[:2]), and save these as .npy; "
            "otherwise save one channel as grey"
        )
    return f"{refused}save one channel as grey, for example with PIL.Image.open(...).getchannel(0).save(...)"


# --- frames -----------------------------------------------------------------------------------------------------------
def _refuse_several_frames(image: Any, name: str) -> None:
    with _reading(name):
        frames, axes = getattr(image, "n_frames", 1), axes_of(image)
    if max(frames, math.prod(axes.values())) == 1:
        return
    if others := {axis: n for axis, n in axes.items() if axis != "slices" and n > 1}:
        raise ValueError(f"expected one picture in {name}, got {_counted(others)}; save the one you want by itself")
    raise ValueError(
        f"expected one picture in {name}, got {max(frames, axes.get('slices', 1))} frames; save the one you want by "
        "itself, or read a stack of slices with load_volume or read_micrograph"
    )


def _refuse_other_axes(image: Any, name: str) -> None:
    """Refuse frames that are not slices, and files that hold more of them than can be seen."""
    with _reading(name):
        frames, axes = getattr(image, "n_frames", 1), axes_of(image)
    if others := {axis: n for axis, n in axes.items() if axis != "slices" and n > 1}:
        raise ValueError(
            f"expected a stack of nothing but slices in {name}, got {_counted(others)}"
            f"{' of ' + str(axes['slices']) + ' slices' if axes.get('slices', 1) > 1 else ''}; save one of them as a "
            "stack by itself"
        )
    if axes.get("slices", frames) > frames:
        raise ValueError(
            f"expected {axes['slices']} slices in {name}, as it says, got {frames} that can be read; save it as .npy"
        )


def _counted(axes: Mapping[str, int]) -> str:
    """As 2 channels and 3 times."""
    return " and ".join(f"{n} {axis}" for axis, n in axes.items())
