"""What files say about themselves: pictures and stacks give the values that a viewer shows, or are refused."""

import io
import random
import warnings
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image, TiffImagePlugin

from microtutor.microstructures import load_phase, load_phases, load_volume
from microtutor.microstructures.grey import read_colours, read_grey, read_stack

VALUES = {"u1": 255, "<u2": 65535, ">u2": 65535, "i4": 2**31 - 1, "f4": 1.0}
ORIENTED = {  # how pixels are stored for each orientation, from how they are seen
    1: lambda seen: seen,
    2: np.fliplr,
    3: lambda seen: seen[::-1, ::-1],
    4: np.flipud,
    5: lambda seen: seen.T,
    6: lambda seen: np.rot90(seen, 1),
    7: lambda seen: np.rot90(seen, 2).T,
    8: lambda seen: np.rot90(seen, -1),
}


def picture(dtype="u1", shape=(5, 7)):
    grey = np.random.default_rng(0).random(shape)
    return (grey * VALUES[dtype]).astype(dtype)


def with_tags(**tags):
    info = TiffImagePlugin.ImageFileDirectory_v2()
    for name, value in tags.items():
        info[{"zero_is": 262, "orientation": 274, "description": 270, "sign": 339}[name]] = value
    return info


def patched(path, tag, value):
    """Write another value into a short tag of a little-endian TIFF, as Pillow lets one write no photometric tag."""
    content = bytearray(path.read_bytes())
    first = int.from_bytes(content[4:8], "little")
    for k in range(int.from_bytes(content[first : first + 2], "little")):
        entry = first + 2 + 12 * k
        if int.from_bytes(content[entry : entry + 2], "little") == tag:
            content[entry + 8 : entry + 10] = value.to_bytes(2, "little")
            path.write_bytes(content)
            return path
    raise AssertionError(f"no tag {tag}")


# --- where zero is white ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("dtype", ["u1", "<u2", "f4"])
def test_white_is_zero(tmp_path, dtype, compression):
    seen = picture(dtype)
    stored = -seen if dtype == "f4" else np.invert(seen)
    Image.fromarray(stored).save(tmp_path / "a.tif", compression=compression)
    assert np.array_equal(read_grey(tmp_path / "a.tif"), stored)
    assert np.array_equal(read_grey(patched(tmp_path / "a.tif", 262, 0)), seen)
    assert torch.equal(load_phase(tmp_path / "a.tif"), load_phase(written(tmp_path / "seen.npy", seen)))


def test_white_is_zero_in_black_and_white(tmp_path):
    seen = picture() > 128
    Image.fromarray(~seen).save(tmp_path / "a.tif", compression="raw")
    assert np.array_equal(read_grey(patched(tmp_path / "a.tif", 262, 0)), seen)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("kind", "sign"), [("u1", 1), ("u2", 1), ("u4", 1), ("i2", 2), ("i4", 2), ("f4", 3)])
def test_white_is_zero_in_every_precision_and_order(tmp_path, order, kind, sign):
    dtype = np.dtype(order + kind)
    low, high = (-1, 1) if sign == 3 else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    seen = np.random.default_rng(0).uniform(low, high, (5, 7)).astype(dtype)
    stored = -seen if sign == 3 else np.invert(seen)
    for photometric, wanted in ((1, stored), (0, seen)):
        path = one_strip(tmp_path / "a.tif", stored, photometric=photometric, format=sign)
        assert np.array_equal(read_grey(path), wanted)
        assert np.array_equal(read_stack(path), wanted[None])


def test_white_is_zero_in_twelve_bits(tmp_path):
    seen = np.array([[0, 4095, 7, 100]])
    stored = 4095 - seen
    packed = bytes(b for u, v in stored.reshape(-1, 2) for b in (u >> 4, (u & 15) << 4 | v >> 8, v & 255))
    base = {256: (3, [4]), 257: (3, [1]), 258: (3, [12]), 259: (3, [1]), 277: (3, [1]), 278: (3, [1])}
    for photometric, wanted in ((1, stored), (0, seen)):
        (tmp_path / "a.tif").write_bytes(b"".join(tiff(base | {262: (3, [photometric])}, packed)))
        assert np.array_equal(read_grey(tmp_path / "a.tif"), wanted)


def test_white_is_zero_in_one_frame(tmp_path):
    path = tmp_path / "a.tif"
    frames = [Image.fromarray(frame) for frame in FRAMES[:3]]
    frames[1].encoderinfo = {"tiffinfo": with_tags(zero_is=0)}  # Pillow inverts what it writes
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert path.read_bytes().count(bytes([6, 1, 3, 0, 1, 0, 0, 0, 0, 0])) == 1  # tag 262, of one frame, is 0
    assert np.array_equal(read_stack(path), FRAMES[:3])


@pytest.mark.parametrize("compression", ["raw", "group3", "group4", "tiff_lzw"])
@pytest.mark.parametrize("big", [False, True])
def test_faxes(tmp_path, compression, big):
    seen = picture() > 128
    tags = with_tags(zero_is=0)
    Image.fromarray(seen).save(tmp_path / "a.tif", compression=compression, tiffinfo=tags, big_tiff=big)
    with Image.open(tmp_path / "a.tif") as image:
        assert image.tag_v2[262] == 0
        assert np.array_equal(image, seen)
    assert np.array_equal(read_grey(tmp_path / "a.tif"), seen)


def tiff(tags, data, *, order="little"):
    """Header, directory and data of a TIFF of one strip, made byte by byte: Pillow writes not all that it reads."""
    tags = tags | {273: (4, [8 + 2 + 12 * (len(tags) + 2) + 4]), 279: (4, [len(data)])}
    content = (b"II*\0" if order == "little" else b"MM\0*") + (8).to_bytes(4, order) + len(tags).to_bytes(2, order)
    for tag, (kind, values) in sorted(tags.items()):
        size = {3: 2, 4: 4}[kind]
        packed = b"".join(v.to_bytes(size, order) for v in values).ljust(4, b"\0")
        content += tag.to_bytes(2, order) + kind.to_bytes(2, order) + len(values).to_bytes(4, order) + packed
    return content + bytes(4), data


def one_strip(path, array, **tags):
    (height, width), order = array.shape, "big" if array.dtype.byteorder == ">" else "little"
    said = {"photometric": 262, "format": 339}
    base = {256: (3, [width]), 257: (3, [height]), 258: (3, [8 * array.itemsize]), 259: (3, [1]), 277: (3, [1])}
    base |= {278: (3, [height])} | {said[name]: (3, [value]) for name, value in tags.items()}
    path.write_bytes(b"".join(tiff(base, array.tobytes(), order=order)))
    return path


def written(path, array):
    np.save(path, array)
    return path


@pytest.mark.parametrize(
    ("array", "sign"),
    [
        (np.array([[100, 3_000_000_000, 100]], "<u4"), 1),
        (np.array([[-100, 100, -3]], "i1"), 2),
        (np.array([[-100, 30_000, -30_000]], "<i2"), 2),
        (np.array([[-100, 2**31 - 1, -(2**31)]], "<i4"), 2),
        (np.array([[0, 65535, 7]], "<u2"), 1),
    ],
)
def test_signs_are_read(tmp_path, array, sign):
    path = one_strip(tmp_path / "a.tif", array, photometric=1, format=sign)
    assert np.array_equal(read_grey(path), array)
    assert torch.equal(load_phase(path), torch.tensor([[0.0, 1, 0]]))
    assert np.array_equal(read_stack(path)[0], array)


def test_a_tiff_that_does_not_say_what_zero_is(tmp_path):
    for array in (picture(), picture("<u2")):
        with pytest.raises(ValueError, match=r"expected a.tif to say whether 0 is black or white \(TIFF tag 262\)"):
            read_grey(one_strip(tmp_path / "a.tif", array))


# --- how it is turned -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("orientation", ORIENTED)
@pytest.mark.parametrize(
    ("suffix", "dtype", "compression"),
    [
        (".png", "u1", None),
        (".png", "<u2", None),
        (".tif", "u1", "raw"),
        (".tif", "<u2", "raw"),
        (".tif", "u1", "tiff_lzw"),
        (".tif", "<u2", "tiff_adobe_deflate"),
        (".tif", "f4", "raw"),
    ],
)
def test_orientation(tmp_path, orientation, suffix, dtype, compression):
    seen, path = picture(dtype), tmp_path / f"a{suffix}"
    image = Image.fromarray(np.ascontiguousarray(ORIENTED[orientation](seen)))
    if suffix == ".tif":
        image.save(path, compression=compression, tiffinfo=with_tags(orientation=orientation))
    else:
        exif = Image.Exif()
        exif[274] = orientation
        image.save(path, exif=exif)
    assert np.array_equal(read_grey(path), seen)
    if suffix == ".tif":
        stack = tmp_path / "stack.tif"
        second = Image.fromarray(np.ascontiguousarray(ORIENTED[orientation](seen[::-1])))
        second.encoderinfo = {"tiffinfo": with_tags(orientation=orientation)}
        info = with_tags(orientation=orientation)
        image.save(stack, save_all=True, append_images=[second], compression=compression, tiffinfo=info)
        assert np.array_equal(read_stack(stack)[0], seen)
        assert read_stack(stack)[1].shape == seen.shape


def test_orientation_of_photographs_and_colours(tmp_path):
    seen = np.kron(picture(), np.ones((8, 8), np.uint8))
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(np.ascontiguousarray(ORIENTED[6](seen))).save(tmp_path / "a.jpg", exif=exif, quality=100)
    assert np.abs(read_grey(tmp_path / "a.jpg").astype(int) - seen).max() < 8
    colours = Image.new("RGB", (4, 2), (0, 0, 255))
    colours.putpixel((0, 0), (255, 0, 0))
    colours.save(tmp_path / "c.png", exif=exif)
    assert np.array_equal(
        read_colours(tmp_path / "c.png"), np.moveaxis(np.asarray(colours.rotate(-90, expand=True)), -1, 0)
    )


# --- what its frames are ----------------------------------------------------------------------------------------------
def stack(path, frames, description=None):
    first, *rest = [Image.fromarray(frame) for frame in frames]
    info = with_tags(description=description) if description else {}
    first.save(path, save_all=True, append_images=rest, tiffinfo=info)
    return path


FRAMES = np.random.default_rng(1).integers(0, 256, (6, 4, 5), dtype=np.uint8)
OME = '<?xml version="1.0"?><OME><Image><Pixels SizeX="5" SizeY="4" SizeC="{}" SizeZ="{}" SizeT="{}"/></Image></OME>'


@pytest.mark.parametrize(
    ("description", "got"),
    [
        ("ImageJ=1.54f\nimages=6\nchannels=2\nslices=3\nhyperstack=true\nmode=grayscale\n", "2 channels of 3 slices"),
        ("ImageJ=1.54f\nimages=6\nchannels=6\nmode=composite\n", "6 channels"),
        ("ImageJ=1.54f\nimages=6\nslices=2\nframes=3\nhyperstack=true\n", "3 times of 2 slices"),
        (OME.format(2, 3, 1), "2 channels of 3 slices"),
        (OME.format(1, 2, 3), "3 times of 2 slices"),
        ('{"shape": [2, 3, 4, 5], "axes": "CZYX"}', "2 channels of 3 slices"),
        ('{"shape": [2, 3, 4, 5]}', "2 axes before the last two"),
    ],
)
def test_channels_and_times_are_no_depth(tmp_path, description, got):
    path = stack(tmp_path / "a.tif", FRAMES, description)
    with pytest.raises(ValueError, match=rf"expected a stack of nothing but slices in a.tif, got {got}; save one of"):
        load_volume(path)
    with pytest.raises(ValueError, match=r"expected one picture in a.tif, got \d (channels|times|axes)"):
        load_phase(path)


@pytest.mark.parametrize(
    "description",
    [
        None,
        "a micrograph",
        "{not json",
        '{"shape": [6, 4, 5]}',
        '{"shape": [6, 4, 5], "axes": "ZYX"}',
        "ImageJ=1.54f\nimages=6\nslices=6\nunit=micron\nspacing=0.5\n",
        "ImageJ=1.54f\nimages=6\n",
        OME.format(1, 6, 1),
    ],
)
def test_slices_are_depth(tmp_path, description):
    path = stack(tmp_path / "a.tif", FRAMES, description)
    assert np.array_equal(read_stack(path), FRAMES)
    with pytest.raises(ValueError, match=r"got 6 frames; save the one you want by itself, or read .* with load_volume"):
        load_phase(path)


def test_slices_that_are_not_seen(tmp_path):
    path = stack(tmp_path / "a.tif", FRAMES[:1], "ImageJ=1.54f\nimages=6\nslices=6\n")
    with pytest.raises(ValueError, match=r"expected 6 slices in a.tif, as it says, got 1 that can be read; save it as"):
        load_volume(path)
    with pytest.raises(ValueError, match=r"expected one picture in a.tif, got 6 frames"):
        load_phase(path)
    one = stack(tmp_path / "one.tif", FRAMES[:1], OME.format(2, 3, 1))  # a part of a set of files
    assert np.array_equal(read_grey(one), FRAMES[0])


def test_stacks_are_read_as_pictures_are(tmp_path):
    frames = FRAMES.astype("<u2") * 250
    path = stack(tmp_path / "a.TIF", frames)
    assert np.array_equal(read_stack(path), frames)
    path = stack(tmp_path / "b.tif", [FRAMES[0], FRAMES[1, :3]])
    with pytest.raises(ValueError, match=r"expected slices of one size in b.tif, got \(3, 5\) and \(4, 5\)"):
        load_volume(path)
    Image.new("RGB", (4, 4)).save(tmp_path / "c.tif", save_all=True, append_images=[Image.new("RGB", (4, 4), 9)])
    with pytest.raises(ValueError, match=r"expected a grey image in c.tif, got colour mode RGB"):
        load_volume(tmp_path / "c.tif")


def test_a_volume_of_labels_is_asked_about(tmp_path):
    np.save(tmp_path / "v.npy", FRAMES % 3)
    ask = (
        r"in v.npy, got 3 whole numbers from 0 to 2, which may be labels of phases: take \(labels == ...\) .* threshold"
    )
    with pytest.raises(ValueError, match=ask):
        load_volume(tmp_path / "v.npy")
    assert torch.equal(load_volume(tmp_path / "v.npy", threshold=1), torch.from_numpy(FRAMES % 3 == 2))


# --- palettes, colours, transparency ----------------------------------------------------------------------------------
def palette_picture(colours, numbers):
    image = Image.fromarray(np.array(numbers, np.uint8)).convert("L")
    image = Image.frombytes("P", image.size, image.tobytes())
    image.putpalette([value for colour in colours for value in colour])
    return image


@pytest.mark.parametrize("suffix", [".png", ".tif", ".gif", ".bmp"])
def test_labels_of_a_palette_are_its_numbers(tmp_path, suffix):
    numbers = np.tile([0, 1, 2], (4, 2))
    palette_picture([(255, 0, 0), (0, 130, 0), (0, 0, 255)], numbers).save(tmp_path / f"a{suffix}")
    with pytest.raises(
        ValueError, match=r"got a palette of 3 colours; if each .* take load_phases\(..., labels=True\)"
    ):
        load_phase(tmp_path / f"a{suffix}")
    phases = load_phases(tmp_path / f"a{suffix}", labels=True)
    assert phases.mean((1, 2)).tolist() == pytest.approx([1 / 3] * 3)
    assert torch.equal(load_phases(tmp_path / f"a{suffix}", labels=[2, 0, 1]), phases[[2, 0, 1]])
    if suffix in (".png", ".tif"):
        assert torch.equal(phases, torch.stack([torch.from_numpy(numbers == k).float() for k in range(3)]))


def test_a_palette_of_greys_is_grey(tmp_path):
    numbers = np.array([[0, 1, 1], [1, 0, 0]])
    palette_picture([(200, 200, 200), (30, 30, 30)], numbers).save(tmp_path / "a.png")
    assert np.array_equal(read_grey(tmp_path / "a.png"), np.where(numbers == 0, 200, 30))
    assert torch.equal(load_phase(tmp_path / "a.png"), torch.from_numpy(numbers == 0).float())


def test_transparency_is_refused_where_it_is_seen(tmp_path):
    numbers = np.array([[0, 1, 2], [1, 0, 2]])
    grey = palette_picture([(k, k, k) for k in (0, 90, 180)], numbers)
    grey.save(tmp_path / "p.png", transparency=1)
    with pytest.raises(ValueError, match=r"p.png, got transparency in it; save it without alpha"):
        load_phase(tmp_path / "p.png", threshold=100)
    assert load_phases(tmp_path / "p.png", labels=True).shape == (3, 2, 3)
    grey.save(tmp_path / "p.png", transparency=bytes([255, 255, 0]))
    with pytest.raises(ValueError, match=r"p.png, got transparency in it; save it without alpha"):
        load_phase(tmp_path / "p.png", threshold=100)
    grey.convert("L").save(tmp_path / "l.png", transparency=90)
    with pytest.raises(ValueError, match=r"l.png, got transparency in it; save it without alpha"):
        load_phase(tmp_path / "l.png")
    grey.convert("L").save(tmp_path / "l.png", transparency=7)  # of no pixel
    assert np.array_equal(read_grey(tmp_path / "l.png"), 90 * numbers)


def test_how_colours_become_grey_or_labels(tmp_path):
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[:, ::3, 0], pixels[:, 1::3, 1] = 255, 130
    Image.fromarray(pixels).save(tmp_path / "few.png")
    with pytest.raises(
        ValueError, match=r"mode RGB; if its 3 colours are phases, number them, labels = (.*), and save"
    ):
        load_phase(tmp_path / "few.png")
    labels = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True)[1].reshape(pixels.shape[:2])
    assert sorted(np.bincount(labels.ravel())) == [8, 8, 8]
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(tmp_path / "many.png")
    with pytest.raises(ValueError, match=r"mode RGB; save one channel as grey, for example with .*getchannel\(0\)"):
        load_phase(tmp_path / "many.png")
    Image.new("RGBA", (4, 4)).save(tmp_path / "grey.png")
    with pytest.raises(ValueError, match=r"mode RGBA; save one channel as grey, for example with .*convert\(\"L\"\)"):
        load_phase(tmp_path / "grey.png")


# --- names, arrays, archives ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("suffix", [".TIF", ".Tiff", ".PNG", ".NPY"])
def test_names_are_compared_without_case(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    if suffix == ".NPY":
        with open(path, "wb") as file:
            np.save(file, picture())
    else:
        Image.fromarray(picture()).save(path)
    assert np.array_equal(read_grey(path), picture())


def test_an_archive_named_as_an_array(tmp_path):
    with open(tmp_path / "a.npy", "wb") as file:
        np.savez(file, a=picture())
    for load in (load_phase, load_volume):
        with pytest.raises(
            ValueError, match=r"a.npy is an archive of arrays \(.npz\), not one array; save the one you"
        ):
            load(tmp_path / "a.npy")


def header(text, version=b"\x01\x00"):
    text = text.encode("latin1").ljust(117) + b"\n"
    return b"\x93NUMPY" + version + len(text).to_bytes(2 if version[0] == 1 else 4, "little") + text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000)}"), "promises shape"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (10**9,)}"), "Cannot parse header|malformed"),
        (header("{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 4)}") + bytes(16), "promises shape"),
        (header("{'descr': 'nonsense', 'fortran_order': False, 'shape': (2, 2)}"), "descr"),
        (header("{'descr': '<f8', 'shape': (2, 2)}"), "keys"),
        (header("(((((((((("), "EOF|header|closed"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (9, 9)}", b"\x02\x00"), "promises shape"),
        (header("", b"\x09\x00"), "version"),
        (b"\x93NUMPY", "magic|EOF|read"),
        (b"\x93NUMPY\x01\x00\xff\xff", "EOF|header"),
    ],
)
def test_headers_that_promise_too_much(tmp_path, content, message):
    (tmp_path / "a.npy").write_bytes(content)
    for load in (load_phase, load_volume):
        with pytest.raises(ValueError, match=rf"a.npy is no array that can be read \(.*({message})") as error:
            load(tmp_path / "a.npy")
        assert "\n" not in str(error.value)


def archive_of(path, *members, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def array_bytes(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_archives(tmp_path):
    content = array_bytes(FRAMES)
    macos = [("scan/", b""), ("__MACOSX/scan/._v.npy", b"resource"), ("scan/._v.npy", b"resource")]
    path = archive_of(tmp_path / "a.ZIP", *macos, ("scan/V.NPY", content))
    assert np.array_equal(read_stack(path), FRAMES)
    path = archive_of(tmp_path / "two.zip", ("a.npy", content), ("b.npy", content))
    with pytest.raises(ValueError, match=r"expected one .tif or .npy in two.zip, got 2"):
        load_volume(path)
    locked = bytearray(archive_of(tmp_path / "locked.zip", ("a.npy", content)).read_bytes())
    for start in (b"PK\x03\x04", b"PK\x01\x02"):  # the flag "encrypted" in both headers
        locked[locked.index(start) + (6 if start[2] == 3 else 8)] |= 1
    (tmp_path / "locked.zip").write_bytes(locked)
    with pytest.raises(ValueError, match=r"locked.zip is encrypted; unpack it with its password, and load the file in"):
        load_volume(tmp_path / "locked.zip")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("suffix", [".tif", ".npy"])
def test_pixels_that_are_missing(tmp_path, suffix, value):
    grey = picture("f4")
    grey[2, 3] = value
    path = tmp_path / f"a{suffix}"
    np.save(path, grey) if suffix == ".npy" else Image.fromarray(grey).save(path)
    with pytest.raises(ValueError, match=rf"finite grey values in a{suffix}, got NaN or infinity in 1 of 35 .* mask="):
        load_phase(path)


# --- damage -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["a.png", "a.tif", "lzw.tif", "a.npy", "stack.tif", "a.gif", "a.bmp"])
def test_damaged_files_are_read_or_refused_in_one_sentence(tmp_path, name):
    """200 random changes of a byte: whatever they do, it is a picture or a ValueError of one line."""
    chance, path = random.Random(0), tmp_path / name
    image = Image.fromarray(picture())
    if name == "a.npy":
        np.save(path, picture())
    elif name == "stack.tif":
        stack(path, FRAMES)
    else:
        image.save(path, **({"compression": "tiff_lzw"} if name == "lzw.tif" else {}))
    whole = path.read_bytes()
    answers = []
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[chance.randrange(len(whole))] = chance.randrange(256)
        path.write_bytes(damaged)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what Pillow thinks of damaged tags
                (load_volume if name == "stack.tif" else load_phase)(path)
        except ValueError as error:
            answers.append(str(error))
    assert answers
    assert all(name in answer and "\n" not in answer for answer in answers)
