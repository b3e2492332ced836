"""Micrographs of any kind: each file is read right, or refused in one sentence that names the way on."""

import io
import itertools
import sys
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image, TiffImagePlugin

from microtutor.microstructures import load_phases, otsu_threshold, otsu_thresholds, read_micrograph
from microtutor.microstructures.regions import find_info_bar
from microtutor.microstructures.tiff import pixel_size_of
from tests.microstructures.test_ebsd import CONFIDENCE, LABELS, ang, ctf
from tests.microstructures.test_grey import one_strip

BRIGHT = np.random.default_rng(3).random((9, 12)) < 0.4
GREY = np.where(BRIGHT, 200, 60).astype("u1") + np.random.default_rng(4).integers(0, 20, (9, 12)).astype("u1")
THREE = np.random.default_rng(5).integers(0, 3, (9, 12)).astype("u1")
FLOATS = np.where(BRIGHT, 0.75, 0.25) + np.random.default_rng(6).normal(0, 0.01, (9, 12))
VOLUME = np.stack([GREY, GREY[::-1], GREY[:, ::-1]])
BRIGHT_VOLUME = VOLUME > 128
HOLES = np.random.default_rng(7).random((9, 12)) < 0.2


def channels(labels, values):
    return [labels == value for value in values]


def holed():
    array = FLOATS.copy()
    array[HOLES] = np.nan
    array[0, 0] = np.inf
    return array


def picture(array, suffix, **options):
    """The bytes of a picture."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, format={"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix.upper()), **options)
    return file.getvalue()


def frames(volume, **options):
    first, *rest = (Image.fromarray(one) for one in volume)
    file = io.BytesIO()
    first.save(file, format="TIFF", save_all=True, append_images=rest, **options)
    return file.getvalue()


def saved(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def archive(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        for name, content in members.items():
            opened.writestr(name.replace("_", "."), content)
    return file.getvalue()


def arrays(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def palette(labels=THREE):
    image = Image.fromarray(labels).convert("P")
    image.putpalette([255, 0, 0, 0, 130, 0, 0, 0, 255] + [0] * 759)
    file = io.BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()


def tags(**values):
    info = TiffImagePlugin.ImageFileDirectory_v2()
    numbers = {
        "right": 282,
        "down": 283,
        "unit": 296,
        "description": 270,
        "orientation": 274,
        "zeiss": 34118,
        "fei": 34682,
    }
    for name, value in values.items():
        info[numbers[name]] = value
        if name in ("zeiss", "fei"):
            info.tagtype[numbers[name]] = 2  # text
    return {"tiffinfo": info}


def colours(*, alpha=False):
    return np.random.default_rng(0).integers(0, 255, (9, 12, 4 if alpha else 3)).astype("u1")


TWO = [~BRIGHT, BRIGHT]
OF_VOLUME = [~BRIGHT_VOLUME, BRIGHT_VOLUME]
RAW = {"shape": (9, 12), "dtype": "uint8"}
BOXED = ~np.pad(np.ones((2, 12), bool), ((7, 0), (0, 0)))
IMAGEJ = "ImageJ=1.54f\nimages=3\nslices=3\nunit=micron\nspacing=2.5\n"
READ = {  # name of the file: its bytes, the arguments, the phases
    "grey.png": (picture(GREY, "png"), {}, TWO),
    "grey.bmp": (picture(GREY, "bmp"), {}, TWO),
    "grey.jpg": (picture(GREY, "jpg", quality=100), {}, TWO),
    "grey.gif": (picture(GREY, "gif"), {}, TWO),
    "grey.tif": (picture(GREY, "tif"), {}, TWO),
    "upper.TIFF": (picture(GREY, "tif"), {}, TWO),
    "lzw.tif": (picture(GREY, "tif", compression="tiff_lzw"), {}, TWO),
    "u2.tif": (picture(GREY.astype("<u2") * 200, "tif"), {}, TWO),
    "high_byte.tif": (picture(GREY.astype(">u2") * 200, "tif"), {}, TWO),
    "u2.png": (picture(GREY.astype("<u2") * 200, "png"), {}, TWO),
    "float.tif": (picture(FLOATS.astype("f4"), "tif"), {}, TWO),
    "bilevel.png": (picture(BRIGHT, "png"), {}, TWO),
    "bilevel.tif": (picture(BRIGHT, "tif", compression="group4"), {}, TWO),
    "black_and_white.png": (picture(BRIGHT * np.uint8(255), "png"), {}, TWO),
    "dark.png": (picture(GREY, "png"), {"dark": True}, TWO[::-1]),
    "threshold.png": (picture(GREY, "png"), {"threshold": 205}, [GREY <= 205, GREY > 205]),
    "strip.png": (picture(GREY.reshape(1, 108), "png"), {}, [~BRIGHT.reshape(1, 108), BRIGHT.reshape(1, 108)]),
    "turned.tif": (picture(np.rot90(GREY), "tif", **tags(orientation=6)), {}, TWO),
    "grey.npy": (saved(GREY), {}, TWO),
    "UPPER.NPY": (saved(GREY), {}, TWO),
    "float.npy": (saved(FLOATS), {}, TWO),
    "half.npy": (saved(FLOATS.astype("f2")), {}, TWO),
    "bool.npy": (saved(BRIGHT), {}, TWO),
    "one_channel.npy": (saved(GREY[..., None]), {}, TWO),
    "first_channel.npy": (saved(GREY[None]), {}, TWO),
    "holes.npy": (saved(holed()), {}, [x & np.isfinite(holed()) for x in TWO]),
    "holes.tif": (picture(holed().astype("f4"), "tif"), {}, [x & np.isfinite(holed()) for x in TWO]),
    "stack.npy": (saved(VOLUME), {}, OF_VOLUME),
    "stack.tif": (frames(VOLUME), {}, OF_VOLUME),
    "imagej.tif": (frames(VOLUME, **tags(description=IMAGEJ, right=4.0, down=2.0, unit=1)), {}, OF_VOLUME),
    "stack.zip": (archive(a_npy=saved(VOLUME)), {}, OF_VOLUME),
    "tiff.zip": (archive(a_tif=frames(VOLUME)), {}, OF_VOLUME),
    "thin.npy": (saved(VOLUME), {"crop": "1:2,:,2:"}, [x[1:2, :, 2:] for x in OF_VOLUME]),
    "bare.raw": (GREY.tobytes(), RAW, TWO),
    "bare.BIN": (GREY.astype(">u2").tobytes(), {"shape": (9, 12), "dtype": ">u2"}, TWO),
    "bare.dat": (VOLUME.astype("<f4").tobytes(), {"shape": [3, 9, 12], "dtype": "float32"}, OF_VOLUME),
    "labels.npy": (saved(THREE), {"labels": True}, channels(THREE, (0, 1, 2))),
    "labels.png": (picture(THREE * 100, "png"), {"labels": [200, 0, 100]}, channels(THREE, (2, 0, 1))),
    "palette.png": (palette(), {"labels": True}, channels(THREE, (0, 1, 2))),
    "grey_labels.npy": (saved(THREE), {"labels": False, "threshold": 1}, [THREE <= 1, THREE == 2]),
    "three.npy": (saved(THREE + FLOATS / 99), {"phases": 3}, channels(THREE, (0, 1, 2))),
    "two_levels.npy": (saved(THREE), {"threshold": [0, 1]}, channels(THREE, (0, 1, 2))),
    "map.ang": (ang().encode(), {}, [x & (CONFIDENCE >= 0) for x in channels(LABELS, (1, 2))]),
    "map.ctf": (ctf().encode(), {}, channels(LABELS, (1, 2))),
    "cropped.png": (picture(GREY, "png"), {"crop": "1:-2,:10"}, [x[1:-2, :10] for x in TWO]),
    "boxes.png": (picture(GREY, "png"), {"mask": "7:,:"}, [x & BOXED for x in TWO]),
}  # fmt: skip
REFUSED = {  # name of the file: its bytes, the arguments, words of the sentence
    "missing.png": (None, {}, "no file .*missing.png: expected the path of one that is there, or an array"),
    "damaged.png": (picture(GREY, "png")[:60], {}, "open it in the program that wrote it and save it as .tif or .npy"),
    "damaged.tif": (b"II*\0" + bytes(20), {}, r'pip install "microtutor\[tiff\]", or save it as .png or .npy'),
    "text.png": (b"no picture", {}, "save it as .tif or .npy"),
    "empty.tif": (b"", {}, "or save it as .png or .npy"),
    "rgb.png": (picture(colours(), "png"), {}, "save one channel as grey"),
    "rgb.tif": (picture(colours(), "tif"), {}, "save one channel as grey"),
    "screenshot.jpg": (picture(colours(), "jpg"), {}, "save one channel as grey"),
    "rgba.png": (picture(colours(alpha=True), "png"), {}, "save one channel as grey"),
    "alpha.png": (picture(np.stack([GREY, GREY], -1), "png"), {}, "save it without alpha"),
    "palette_unasked.png": (palette(), {}, "labels=True"),
    "channels.npy": (saved(colours()), {}, "seems to be a picture in colours; hand over one channel of it"),
    "four_axes.npy": (saved(np.zeros((2, 2, 5, 5))), {}, "hand over one picture or volume of real numbers"),
    "complex.npy": (saved(GREY.astype(complex)), {}, "hand over one picture or volume of real numbers"),
    "pickle.npy": (b"\x80\x04.", {}, "save it with numpy.save"),
    "arrays.npz": (arrays(a=GREY, b=GREY), {}, "load the one you want with numpy.load, and hand over the array"),
    "table.csv": (b"1,2\n3,4\n", {}, "read it with numpy.loadtxt, and hand over the array"),
    "store.h5": (b"\x89HDF", {}, "read the one you want, and hand over the array"),
    "two.zip": (archive(a_npy=saved(GREY), b_npy=saved(GREY)), {}, "expected one .tif or .npy in two.zip, got 2"),
    "channels.tif": (
        frames(VOLUME, **tags(description="ImageJ=1\nimages=3\nchannels=3\n")), {}, "3 channels; save one of them",
    ),
    "sizes.tif": (frames([GREY, GREY[:5]]), {}, "expected slices of one size .* save those of one size by themselves"),
    "labels_unasked.npy": (saved(THREE), {}, "take labels=True for one channel each, labels=False .* or a threshold"),
    "labels_and_more.npy": (saved(THREE), {"phases": 2}, "take labels=True for one channel each"),
    "labels_missing.npy": (saved(THREE), {"labels": [0, 1]}, r"nothing but the labels 0, 1 in .*, got also 2"),
    "labels_of_grey.npy": (saved(FLOATS), {"labels": True}, "take a threshold, or list the labels"),
    "one_value.png": (picture(GREY * 0, "png"), {}, "at least two grey values in one_value.png, got only 0"),
    "nothing_known.npy": (saved(FLOATS * np.nan), {}, "pixels that are known in nothing_known.npy, got none"),
    "outside.png": (picture(GREY, "png"), {"threshold": 300}, r"expected a threshold in \[60, 219\)"),
    "bare.raw": (GREY.tobytes(), {}, r"got None and None; name both, for example \(100, 512, 512\) and 'uint16'"),
    "short.raw": (GREY.tobytes()[1:], RAW, r"expected 108 bytes in short.raw for 9 x 12 .* \(uint8\), got 107; take"),
    "kind.raw": (GREY.tobytes(), RAW | {"dtype": "O"}, "a kind of number, such as 'uint8' or '>u2', got 'O'"),
    "shape.png": (picture(GREY, "png"), RAW, "got them with shape.png, which says its own; leave them out"),
    "hexagons.ang": (ang(grid="HexGrid").encode(), {}, "convert it to a square grid .* take labels=True"),
    "map.ang": (ang().encode(), {"phases": 2}, "a map of phases, got one; choose the order with labels="),
    "no_bar.png": (picture(GREY, "png"), {"mask": "info-bar"}, "leave its rows out by their numbers, as mask='850:,:'"),
    "crop_outside.png": (picture(GREY, "png"), {"crop": "0:10,:"}, "leave an end empty to go to the edge"),
    "crop_nothing.png": (picture(GREY, "png"), {"crop": "5:5,:"}, "crop to hold pixels, got '5:5,:'"),
    "crop_axes.png": (picture(GREY, "png"), {"crop": "1:5"}, "crop as rows,columns, for example '0:4,0:6', got '1:5'"),
    "crop_steps.png": (picture(GREY, "png"), {"crop": "::2,:"}, "crop as rows,columns, for example"),
    "mask_size.png": (picture(GREY, "png"), {"mask": np.ones((3, 3))}, "shape of the whole picture before the crop"),
    "mask_missing.png": (picture(GREY, "png"), {"mask": "none.png"}, "mask as a file that is there, boxes such as"),
    "unit.png": (picture(GREY, "png"), {"unit": "nm"}, "got unit='nm' alone; add spacing="),
    "dark_three.npy": (saved(FLOATS), {"phases": 3, "dark": True}, r"they go from dark to bright: phases\[0\]"),
    "both.npy": (saved(FLOATS), {"phases": 3, "threshold": 0.5}, "either a threshold or a number of phases"),
    "falling.npy": (saved(FLOATS), {"threshold": [0.6, 0.3]}, "one number, or up to 5 that rise"),
}  # fmt: skip


def test_there_are_more_than_forty_kinds():
    assert len(READ) >= 40
    assert len(REFUSED) >= 40


@pytest.mark.parametrize("name", READ)
def test_what_is_read(tmp_path, name):
    content, arguments, phases = READ[name]
    (tmp_path / name).write_bytes(content)
    found = read_micrograph(tmp_path / name, **arguments)
    assert found.phases.dtype == torch.float32
    assert np.array_equal(found.phases, np.array(phases))
    assert torch.equal(found.phase, found.phases[-1])
    assert found.ndim == np.ndim(phases) - 1
    known = np.any(phases, axis=0)
    assert found.known == pytest.approx(known.mean())
    assert (found.mask is None) == known.all()
    assert found.mask is None or np.array_equal(found.mask, known)
    assert found.grey.shape == found.phase.shape
    assert found.name == name
    assert bool(found.labels) != bool(found.thresholds)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(tmp_path, name, monkeypatch):
    monkeypatch.setitem(sys.modules, "tifffile", None)  # as where it is not installed
    content, arguments, words = REFUSED[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises((ValueError, FileNotFoundError), match=words) as caught:
        read_micrograph(tmp_path / name, **arguments)
    assert "\n" not in str(caught.value)


def test_small_files_that_were_once_read_wrongly(tmp_path):
    """Pictures in which zero is white, of large unsigned numbers, and turned by what the file says."""
    white = one_strip(tmp_path / "white.tif", np.invert(GREY.astype("<u2")), photometric=0, format=1)
    large = one_strip(
        tmp_path / "large.tif", np.where(BRIGHT, 3_000_000_000, 100).astype("<u4"), photometric=1, format=1
    )
    turned, exif = tmp_path / "turned.png", Image.Exif()
    exif[274] = 6
    Image.fromarray(np.rot90(GREY)).save(turned, exif=exif)
    for path in (white, large, turned):
        assert np.array_equal(read_micrograph(path).phases, TWO)


def test_labels_as_an_array_and_masks_of_volumes():
    found = read_micrograph(THREE, labels=np.array([2, 0, 1]))
    assert np.array_equal(found.phases, channels(THREE, (2, 0, 1)))
    known = np.ones(VOLUME.shape)
    known[1:, 2:4, :5] = 0
    found = read_micrograph(VOLUME, mask="1:,2:4,:5", crop=":,1:,:")
    assert np.array_equal(found.mask, known[:, 1:])
    assert np.array_equal(found.phases, [(x & (known > 0))[:, 1:] for x in OF_VOLUME])
    with pytest.raises(ValueError, match=r"expected one picture to look for an info bar in, got"):
        read_micrograph(VOLUME, mask="info-bar")
    with pytest.raises(ValueError, match="got no strip"):
        read_micrograph(FLOATS * np.nan, mask="info-bar")


@pytest.mark.parametrize(
    "wrong",
    [
        {"phases": 1}, {"phases": 7}, {"phases": True}, {"phases": "2"}, {"phases": 2.5}, {"threshold": True},
        {"threshold": []}, {"threshold": "100"}, {"dtype": "uint8"}, {"shape": (9, 12)}, {"unit": 3}, {"labels": 3},
        {"labels": True, "dark": True}, {"crop": 3}, {"crop": (0, 9)}, {"crop": (slice(0.5, 3), slice(None))},
        {"mask": 3}, {"mask": GREY}, {"mask": "5,5"},
    ],
)  # fmt: skip
def test_wrong_arguments(wrong):
    with pytest.raises((TypeError, ValueError), match=r"^expected .*, got"):
        read_micrograph(GREY, **wrong)


@pytest.mark.parametrize("wrong", [{"shape": "9"}, {"shape": (9, 0)}, {"shape": (108,)}, {"dtype": 3}, {"dtype": "U3"}])
def test_wrong_arguments_of_bare_numbers(tmp_path, wrong):
    (tmp_path / "a.raw").write_bytes(GREY.tobytes())
    with pytest.raises((TypeError, ValueError), match=r"^expected .*, got"):
        read_micrograph(tmp_path / "a.raw", **(RAW | wrong))


def test_a_folder_is_no_volume(tmp_path):
    with pytest.raises(ValueError, match=r"got the folder .* numpy.stack\(\[...\]\) .* take ImageFolder"):
        read_micrograph(tmp_path)


# --- arrays -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("of", [np.asarray, torch.from_numpy, np.ma.asarray, lambda a: a.tolist()])
def test_arrays_in_memory(of):
    found = read_micrograph(of(GREY), spacing=(2, 1), unit="nm")
    assert np.array_equal(found.phases, TWO)
    assert (found.spacing, found.unit, found.name) == ((2.0, 1.0), "nm", "array")
    assert np.array_equal(read_micrograph(of(VOLUME)).phases, OF_VOLUME)


def test_what_a_masked_array_hides_is_left_out():
    values = np.where(HOLES, 10_000, GREY.astype(int))  # would draw every threshold to itself
    found = read_micrograph(np.ma.array(values, mask=HOLES))
    assert np.array_equal(found.mask, ~HOLES)
    assert np.array_equal(found.phases, [x & ~HOLES for x in TWO])
    assert found.thresholds == (otsu_threshold(GREY[~HOLES]),)
    assert found.notes == (f"{HOLES.sum()} of 108 pixels are left out: without a value",)


@pytest.mark.parametrize(("source", "error"), [(3, TypeError), (None, TypeError), (np.array(["a"]), TypeError)])
def test_other_sources(source, error):
    with pytest.raises(error, match=r"expected .* array.*, got"):
        read_micrograph(source)


# --- masks ------------------------------------------------------------------------------------------------------------
def test_masks_count_in_the_whole_picture(tmp_path):
    (tmp_path / "mask.png").write_bytes(picture(~HOLES, "png"))
    for mask in (tmp_path / "mask.png", str(tmp_path / "mask.png"), ~HOLES, torch.from_numpy(~HOLES)):
        found = read_micrograph(GREY, mask=mask, crop="2:,3:-1")
        assert np.array_equal(found.mask, ~HOLES[2:, 3:-1])
        assert np.array_equal(found.phases, [(x & ~HOLES)[2:, 3:-1] for x in TWO])
    boxes = read_micrograph(GREY, mask="8:,:; :3,-2:", crop=(slice(1, None), slice(None)))
    wanted = np.ones((9, 12))
    wanted[8:] = wanted[:3, -2:] = 0
    assert np.array_equal(boxes.mask, wanted[1:])
    weights = np.where(HOLES, 0, 0.5)
    assert np.array_equal(read_micrograph(GREY, mask=weights).mask, weights)
    assert np.array_equal(read_micrograph(GREY, mask=weights).phases, [x & ~HOLES for x in TWO])


def test_thresholds_look_only_at_what_is_known():
    with_bar = np.vstack([GREY, np.zeros((20, 12), "u1")])
    assert otsu_threshold(with_bar) < 80  # between the bar and all else
    found = read_micrograph(with_bar, mask="9:,:")
    assert found.thresholds == (otsu_threshold(GREY),)
    assert np.array_equal(found.phases[:, :9], TWO)
    assert not found.phases[:, 9:].any()


def sem(bar, *, size=(240, 320), seed=0, compressed=False):
    """A made picture of an electron microscope: blobs with noise, and a bar with text, a scale and a frame."""
    generator = np.random.default_rng(seed)
    field = np.fft.ifft2(np.fft.fft2(generator.normal(size=size)) * np.exp(-np.hypot(*np.indices(size)) / 9)).real
    grey = np.where(field > np.median(field), 150, 70) + generator.normal(0, 10, size)
    if bar:
        strip = grey[-bar:]
        strip[:] = 0
        strip[bar // 3 : 2 * bar // 3, 20:120] = 255 * (generator.random((2 * bar // 3 - bar // 3, 100)) < 0.4)
        strip[bar // 2, 180:280] = 255
        strip[:1] = 255 * (seed % 2)  # some have a frame
    grey = grey.clip(0, 255).astype("u1")
    return np.asarray(Image.open(io.BytesIO(picture(grey, "jpg", quality=90)))) if compressed else grey


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("bar", [12, 20, 31, 60])
def test_the_info_bar_is_found(bar, seed, compressed):
    grey = sem(bar, seed=seed, compressed=compressed)
    rows = find_info_bar(grey)
    near = 4 if compressed else 0
    assert rows.stop == 240
    assert 240 - bar <= rows.start <= 240 - bar + near
    above = find_info_bar(grey[::-1])
    assert (above.start, above.stop) == (0, 240 - rows.start)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_a_picture_without_a_bar_is_not_cut(seed, compressed):
    with pytest.raises(ValueError, match=r"expected an info bar in a.tif, got no strip"):
        find_info_bar(sem(0, seed=seed, compressed=compressed), "a.tif")
    bands = np.repeat(np.arange(24) % 2 * 100, 10)[:, None] + np.zeros(320)  # straight edges, but all of them
    with pytest.raises(ValueError, match="got no strip"):
        find_info_bar(bands)


def test_the_info_bar_is_left_out_only_when_asked():
    grey = sem(31)
    as_it_is = read_micrograph(grey, crop="10:,:")
    assert as_it_is.known == 1
    assert as_it_is.notes == (
        "rows 209 to 239 look like an info bar and count as material; the mask info-bar leaves them out",
    )
    assert read_micrograph(sem(0)).notes == ()
    assert read_micrograph((grey > 128).astype(np.uint8)).notes == ()  # two values: such a strip can be material
    found = read_micrograph(grey, mask="info-bar", crop="10:,:")
    assert found.notes == ("info bar: rows 209 to 239 are left out",)  # numbers of rows of the whole picture
    assert found.known == pytest.approx(199 / 230)
    assert found.phase[:199].mean() == pytest.approx(read_micrograph(grey[10:209]).phase.mean().item())


# --- thresholds -------------------------------------------------------------------------------------------------------
def between(values, thresholds):
    number = np.searchsorted(thresholds, values)
    classes = [values[number == k] for k in range(len(thresholds) + 1)]
    return sum(len(c) * (c.mean() - values.mean()) ** 2 for c in classes)


@pytest.mark.parametrize("phases", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("seed", range(3))
def test_several_thresholds_have_the_greatest_variance_between_classes(phases, seed):
    values = np.random.default_rng(seed).choice([0, 3, 4, 9, 11, 12, 20, 31, 32], 80, p=[0.2, *[0.1] * 8]) * 1.0
    found = otsu_thresholds(values, phases)
    tried = list(itertools.combinations(np.unique(values)[:-1], phases - 1))
    assert found in tried
    assert between(values, found) == pytest.approx(max(between(values, one) for one in tried), rel=1e-12)
    if phases == 2:
        assert found == (otsu_threshold(values),)


def test_several_thresholds_of_many_values():
    generator = np.random.default_rng(0)
    humps = [generator.normal(centre, 1, 3000) for centre in (10, 30, 70)]
    first, second = otsu_thresholds(np.concatenate(humps), 3)
    assert humps[0].max() <= first < humps[1].min()
    assert humps[1].max() <= second < humps[2].min()
    values = np.concatenate(humps)
    scaled = otsu_thresholds(values * 1e-200, 3)
    assert np.array_equal(np.searchsorted(scaled, values * 1e-200), np.searchsorted((first, second), values))
    with pytest.raises(ValueError, match="expected at least 3 grey values for 3 phases, got 2; take fewer"):
        otsu_thresholds([1, 2], 3)
    with pytest.raises(ValueError, match="close together beside a few far away; leave the far ones out"):
        otsu_thresholds(np.append(generator.random(2000), 1e9), 3)


def test_dark_and_bright_are_those_of_load_phases(tmp_path):
    (tmp_path / "a.png").write_bytes(picture(GREY, "png"))
    for options in ({}, {"dark": True}, {"threshold": 100.0}):
        assert torch.equal(
            read_micrograph(tmp_path / "a.png", **options).phases, load_phases(tmp_path / "a.png", **options)
        )


# --- the size of a pixel ----------------------------------------------------------------------------------------------
OME = '<OME><Pixels PhysicalSizeX="65" PhysicalSizeXUnit="nm" PhysicalSizeY="0.13" PhysicalSizeYUnit="µm"/></OME>'
SIZES = {  # tags, the size down and right
    "per cm": ({"right": 20000.0, "down": 10000.0, "unit": 3}, (1.0, 0.5), "µm"),
    "per inch": ({"right": 25400.0, "down": 25400.0, "unit": 2}, (1.0, 1.0), "µm"),
    "of a printer": ({"right": 300.0, "down": 300.0, "unit": 2}, (1.0, 1.0), "px"),
    "of a printer in cm": ({"right": 28.346, "down": 28.346, "unit": 3}, (1.0, 1.0), "px"),
    "no unit": ({"right": 20000.0, "down": 20000.0, "unit": 1}, (1.0, 1.0), "px"),
    "ImageJ": ({"right": 4.0, "down": 2.0, "unit": 1, "description": "ImageJ=1.5\nunit=nm\n"}, (0.5, 0.25), "nm"),
    "ImageJ's µ": ({"right": 4.0, "down": 4.0, "description": "ImageJ=1\nunit=\\u00B5m\n"}, (0.25, 0.25), "µm"),
    "ImageJ's pixel": ({"right": 4.0, "down": 4.0, "description": "ImageJ=1\nunit=pixel\n"}, (1.0, 1.0), "px"),
    "OME": ({"description": OME.encode()}, (130.0, 65.0), "nm"),
    "Zeiss": ({"zeiss": "AP_WIDTH\r\nWidth = 9 µm\r\nAP\r\nImage Pixel Size = 4.5 nm\r\n"}, (4.5, 4.5), "nm"),
    "FEI": ({"fei": "[Scan]\r\nPixelWidth=3.5e-009\r\nPixelHeight=7e-009\r\n"}, (7.0, 3.5), "nm"),
    "turned": ({"right": 20000.0, "down": 10000.0, "unit": 3, "orientation": 6}, (0.5, 1.0), "µm"),
}  # fmt: skip


@pytest.mark.parametrize("name", SIZES)
def test_the_size_of_a_pixel(tmp_path, name):
    said, size, unit = SIZES[name]
    (tmp_path / "a.tif").write_bytes(picture(GREY, "tif", **tags(**said)))
    found = read_micrograph(tmp_path / "a.tif")
    assert (found.spacing, found.unit) == (pytest.approx(size, rel=1e-6), unit)
    given = read_micrograph(tmp_path / "a.tif", spacing=(3, 4), unit="mm")
    assert (given.spacing, given.unit) == ((3.0, 4.0), "mm")
    plain = read_micrograph(tmp_path / "a.tif", unit="px")
    assert (plain.spacing, plain.unit) == ((1.0, 1.0), "px")


def test_the_size_of_a_voxel(tmp_path):
    (tmp_path / "a.tif").write_bytes(READ["imagej.tif"][0])
    found = read_micrograph(tmp_path / "a.tif", unit="nm")
    assert (found.spacing, found.unit) == (pytest.approx((2500, 500, 250)), "nm")
    (tmp_path / "b.tif").write_bytes(frames(VOLUME, **tags(right=20000.0, down=10000.0, unit=3)))
    found = read_micrograph(tmp_path / "b.tif")
    assert found.spacing == pytest.approx((1, 1, 0.5))
    assert found.notes == ("b.tif does not say how far its slices are apart: taken to be as far as its rows",)
    with pytest.raises(ValueError, match=r"expected unit to be one of nm, µm, .* got 'furlong'"):
        read_micrograph(tmp_path / "b.tif", unit="furlong")


def test_what_a_png_says_is_for_printers(tmp_path):
    (tmp_path / "a.png").write_bytes(picture(GREY, "png", dpi=(25400, 25400)))
    assert read_micrograph(tmp_path / "a.png").unit == "px"


@pytest.mark.parametrize("said", [{282: (0, 0), 283: (1, 0), 296: 3}, {282: -4.0, 283: 4.0, 296: 3}, {282: "a"}, {}])
def test_a_resolution_that_is_none(said):
    assert pixel_size_of(said) is None


# --- tifffile ---------------------------------------------------------------------------------------------------------
def stand_in(values, axes, said):
    """What is asked of tifffile, for where it is not installed."""

    class File:
        def __init__(self, stream):
            assert stream.read(2) == b"II"
            self.series = [SimpleNamespace(asarray=lambda: values, axes=axes)]
            entries = {k: SimpleNamespace(code=k, value=v) for k, v in said.items()}
            self.pages = [SimpleNamespace(tags=entries)]

        __enter__ = lambda self: self  # noqa: E731
        __exit__ = lambda self, *error: None  # noqa: E731

    return SimpleNamespace(TiffFile=File)


def test_tifffile_is_tried_where_pillow_ends(tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    path.write_bytes(b"II*\0" + bytes(20))
    per_cm = {282: (20000, 1), 283: (10000, 1), 296: 3}
    monkeypatch.setitem(sys.modules, "tifffile", stand_in(VOLUME[:, None], "ZCYX", per_cm))
    found = read_micrograph(path)
    assert np.array_equal(found.phases, OF_VOLUME)
    assert found.spacing == pytest.approx((1, 1, 0.5))
    monkeypatch.setitem(sys.modules, "tifffile", stand_in(np.invert(GREY), "YX", {262: 0}))
    assert np.array_equal(read_micrograph(path).phases, TWO)
    monkeypatch.setitem(sys.modules, "tifffile", stand_in(VOLUME, "CYX", {}))
    with pytest.raises(ValueError, match="got the axes CYX; save one channel or time of it by itself"):
        read_micrograph(path)
    monkeypatch.setitem(sys.modules, "tifffile", SimpleNamespace(TiffFile=lambda stream: 1 / 0))
    with pytest.raises(ValueError, match=r"by Pillow nor by tifffile .* save it as .png or .npy"):
        read_micrograph(path)
