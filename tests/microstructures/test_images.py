"""Images read from files."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis.extra import numpy as nps
from PIL import Image

from microtutor.microstructures import LineImages, load_phase, load_phases, otsu_threshold


def variance_between(values, threshold):
    """Variance between the values up to the threshold and those above it, from its definition."""
    classes = [values[values <= threshold], values[values > threshold]]
    return sum(len(c) / values.size * (c.mean() - values.mean()) ** 2 for c in classes)


grey_values = st.one_of(
    nps.arrays("uint8", st.integers(2, 20)),
    nps.arrays("uint16", st.tuples(st.integers(1, 4), st.integers(2, 5))),
    nps.arrays("float64", st.integers(2, 20), elements=st.floats(-1e6, 1e6, width=32)),
).filter(lambda values: values.min() < values.max())


@given(grey_values)
def test_otsu_has_the_greatest_variance_between_the_classes(values):
    found, exact = otsu_threshold(values), values.astype(float)
    candidates = np.unique(exact)[:-1]
    assert found in candidates
    best = max(variance_between(exact, threshold) for threshold in candidates)
    assert variance_between(exact, found) >= best * (1 - 1e-9)


@given(nps.arrays("int64", st.integers(2, 30), elements=st.integers(0, 9)), st.integers(1, 5), st.integers(-99, 99))
def test_otsu_follows_gain_and_offset(values, gain, offset):
    if values.min() < values.max():
        scaled = otsu_threshold(gain * values + offset)
        assert variance_between(values.astype(float), (scaled - offset) / gain) == pytest.approx(
            variance_between(values.astype(float), otsu_threshold(values))
        )


def test_otsu_between_two_humps():
    generator = np.random.default_rng(0)
    dark, bright = generator.normal(50, 8, 3000), generator.normal(180, 12, 1000)
    grey = np.concatenate([dark, bright])
    assert ((grey > otsu_threshold(grey)) == (np.arange(4000) >= 3000)).all()
    assert otsu_threshold(torch.tensor([[0, 255], [0, 0]])) == 0
    assert otsu_threshold(np.array([True, False])) == 0


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ([], ValueError, "expected at least one grey value, all of them finite, got a list"),
        ([1.0, np.nan], ValueError, "all of them finite"),
        (np.full((2, 2), 7), ValueError, "at least two grey values, got only 7: Otsu's threshold is undefined"),
        (["dark"], TypeError, "expected the grey values as an array of real numbers, got a list"),
    ],
)
def test_otsu_of_no_grey_values(values, error, message):
    with pytest.raises(error, match=message):
        otsu_threshold(values)


GREY = np.array([[10, 200, 90], [250, 130, 10]])


def save(array, path):
    np.save(path, array) if path.suffix == ".npy" else Image.fromarray(array).save(path)
    return path


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("a.png", "u1"), ("a.png", "u2"), ("a.tif", "u1"), ("a.tif", "<u2"), ("a.tif", ">u2"), ("a.tif", "f4")]
    + [("a.npy", dtype) for dtype in ("u1", "u2", "i4", "f2", "f4", "f8")],
)
def test_load_phase(tmp_path, name, dtype):
    scale = 250 if dtype.endswith("u2") else 1  # the upper reaches of 16 bits
    path = save((GREY * scale).astype(dtype), tmp_path / name)
    bright = torch.tensor([[0.0, 1, 0], [1, 1, 0]])  # {10, 10, 90} and {130, 200, 250}: Otsu's variance by hand, 6136
    assert torch.equal(load_phase(path), bright)
    assert load_phase(path).dtype == torch.float32
    assert torch.equal(load_phase(path, dark=True), 1 - bright)
    assert torch.equal(load_phase(path, threshold=130 * scale), torch.tensor([[0.0, 1, 0], [1, 0, 0]]))  # not above
    assert torch.equal(load_phase(path, threshold=89 * scale), torch.tensor([[0.0, 1, 1], [1, 1, 0]]))
    assert torch.equal(load_phases(path), torch.stack([1 - bright, bright]))
    assert torch.equal(load_phases(path, dark=True), torch.stack([bright, 1 - bright]))


def test_load_black_and_white(tmp_path):
    path = save(np.array([[True, False], [False, False]]), tmp_path / "a.png")
    assert torch.equal(load_phase(path), torch.tensor([[1.0, 0], [0, 0]]))
    assert torch.equal(load_phases(path, labels=True)[1], load_phase(path))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
def test_load_labels(tmp_path, suffix):
    path = save(np.array([[0, 128, 255], [128, 128, 0]], dtype=np.uint8), tmp_path / f"a{suffix}")
    found = load_phases(path, labels=True)
    assert found.dtype == torch.float32
    assert found.tolist() == [[[1, 0, 0], [0, 0, 1]], [[0, 1, 0], [1, 1, 0]], [[0, 0, 1], [0, 0, 0]]]
    assert torch.equal(load_phases(path, labels=[255, 0, 128]), found[[2, 0, 1]])
    more = load_phases(path, labels=range(256))
    assert more.shape == (256, 2, 3)
    assert torch.equal(more[[0, 128, 255]], found)
    bright = torch.tensor([[0.0, 1, 1], [1, 1, 0]])
    assert torch.equal(load_phases(path, labels=False), torch.stack([1 - bright, bright]))


def test_load_one_label(tmp_path):
    path = save(np.full((2, 3), -4), tmp_path / "a.npy")
    assert torch.equal(load_phases(path, labels=True), torch.ones(1, 2, 3))


def test_load_written_lines(tmp_path):
    LineImages(size=32).write(tmp_path, 1, progress=False)
    assert torch.equal(
        load_phase(tmp_path / "000000.png", dark=True), LineImages(size=32).sample(1, split="train").images[0, 0]
    )


@pytest.mark.parametrize(
    ("array", "options", "message"),
    [
        (np.full((2, 2), 7), {}, "expected at least two grey values in a.npy, got only 7: no threshold splits it"),
        (np.full((2, 2), 7), {"threshold": 7}, "expected at least two grey values in a.npy, got only 7"),
        (np.array([[1, 5]]), {"threshold": 5}, r"expected a threshold in \[1, 5\), the grey values of a.npy, got 5"),
        (np.array([[1, 5]]), {"threshold": 0.5}, r"expected a threshold in \[1, 5\), .* got 0.5"),
        (np.array([[1, 5]]), {"threshold": np.nan}, "got nan"),
        (np.array([[1, 5]]), {"threshold": "2"}, r"expected threshold as a finite number, got '2' \(str\)"),
        (np.array([[1, 5]]), {"dark": 1}, r"expected dark to be True or False, got 1 \(int\)"),
        (
            np.zeros((2, 2, 3)),
            {},
            r"expected grey values \(height, width\) in a.npy, got float64 \(2, 2, 3\); load_volume reads a volume",
        ),
        (np.array([[0, np.nan]]), {}, "expected finite grey values in a.npy, got NaN or infinity in 1 of 2 .* mask="),
        (np.zeros((0, 3)), {}, r"expected grey values .* got float64 \(0, 3\)"),
        (np.array([[1j, 2]]), {}, r"expected grey values .* got complex128 \(1, 2\)"),
        (np.array([[1, 5]]), {"labels": True, "threshold": 2}, "expected either labels or a threshold"),
        (np.array([[1, 5]]), {"labels": True, "dark": True}, "expected either labels or a threshold"),
        (np.array([[1, 5, 3]]), {"labels": [1, 5]}, "nothing but the labels 1, 5 in a.npy, got also 3"),
        (np.array([[1, 5]]), {"labels": [1, 5, 5]}, r"labels=True or different values .* got \[1, 5, 5\]"),
        (np.array([[1, 5]]), {"labels": []}, r"labels=True or different values .* got \[\]"),
        (np.array([[1, 5]]), {"labels": "15"}, "labels=True or different values .* got '15'"),
        (np.array([[1, 5.5]]), {"labels": True}, "expected at most 64 labels, all of them whole numbers, in a.npy"),
        (np.arange(100)[None], {"labels": True}, "got 100 values from 0 to 99; take a threshold, or list the labels"),
    ],
)
def test_arrays_that_are_no_image(tmp_path, array, options, message):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises((TypeError, ValueError), match=message):
        load_phases(tmp_path / "a.npy", **options)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
@pytest.mark.parametrize(
    "values", [[0, 1, 2], [1, 2, 3], [0, 128, 255], [0, 64, 128, 192], list(range(20)), [7, 9, 40]]
)
def test_a_map_of_labels_is_asked_about(tmp_path, suffix, values):
    path = save(np.tile(np.array(values, np.uint8), (4, 1)), tmp_path / f"map{suffix}")
    ask = (
        rf"two phases in map{suffix}, got {len(values)} whole numbers from {values[0]} to {values[-1]}, which may be "
        r"labels of phases: take load_phases\(..., labels=True\) for one channel each, or a threshold, such as thres"
    )
    for load in (load_phase, load_phases):
        with pytest.raises(ValueError, match=ask):
            load(path)
    assert len(load_phases(path, labels=True)) == len(values)
    level = otsu_threshold(values)
    wanted = torch.tensor(values).expand(4, -1) > level
    assert torch.equal(load_phase(path, threshold=level), wanted.float())
    assert torch.equal(load_phases(path, labels=False)[1], wanted.float())


@pytest.mark.parametrize(
    "grey",
    [
        np.repeat([[0.0, 0.5, 1.0]], 4, 0),  # no whole numbers
        np.arange(24).reshape(4, 6),  # each value once
        np.tile(np.arange(50, 80), (4, 1)),  # many that count from elsewhere
        np.tile(np.arange(65), (4, 1)),
        np.repeat([[3, 200]], 4, 0),
    ],
)
def test_grey_values_are_not_asked_about(tmp_path, grey):
    np.save(tmp_path / "a.npy", grey)
    assert torch.equal(load_phase(tmp_path / "a.npy"), torch.from_numpy(grey > otsu_threshold(grey)).float())


def test_otsu_leaves_out_what_a_mask_hides():
    values, hidden = np.array([0, 1, 8, 9, 1000]), np.array([False] * 4 + [True])
    assert otsu_threshold(np.ma.array(values, mask=hidden)) == otsu_threshold(values[~hidden]) == 1


def test_files_that_are_no_image(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*missing.png"):
        load_phase(tmp_path / "missing.png")
    with pytest.raises(FileNotFoundError, match=r"no file .*; it is a folder"):
        load_phase(tmp_path)
    for path in (3, None, b"a.png", [tmp_path]):
        with pytest.raises(TypeError, match="expected the name of a file, got"):
            load_phase(path)
    for content in (b"", b"text"):
        (tmp_path / "text.png").write_bytes(content)
        with pytest.raises(ValueError, match=r"text.png is no image that can be read: .* save it as .tif or .npy$"):
            load_phase(tmp_path / "text.png")
        (tmp_path / "text.TIF").write_bytes(content)
        with pytest.raises(ValueError, match=r"text.TIF is no image that can be read: .* save it as .png or .npy$"):
            load_phase(tmp_path / "text.TIF")
        (tmp_path / "text.npy").write_bytes(content)
        with pytest.raises(ValueError, match=r"text.npy is no array that can be read; save it with numpy.save"):
            load_phase(tmp_path / "text.npy")
    save(np.random.default_rng(0).integers(256, size=(64, 64), dtype=np.uint8), tmp_path / "half.png")
    whole = (tmp_path / "half.png").read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"half.png is no image that can be read"):
        load_phase(tmp_path / "half.png")


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("RGB", "expected a grey image in a.tif, got colour mode RGB; save one channel"),
        ("RGBA", "got colour mode RGBA"),
        ("CMYK", r"got colour mode CMYK; save one channel as grey, .*getchannel\(0\)"),
        ("LA", r"got transparency \(mode LA\); save it without alpha"),
    ],
)
def test_pictures_that_are_not_grey(tmp_path, mode, message):
    Image.new(mode, (2, 2)).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=message):
        load_phase(tmp_path / "a.tif")


@pytest.mark.parametrize("suffix", [".gif", ".tif", ".png"])
def test_pictures_of_several_frames(tmp_path, suffix):
    first, second = Image.new("L", (4, 4), 0), Image.new("L", (4, 4), 255)
    first.save(tmp_path / f"a{suffix}", save_all=True, append_images=[second])
    wanted = f"expected one picture in a{suffix}, got 2 frames; save the one you want by itself, or .* with load_volume"
    with pytest.raises(ValueError, match=wanted):
        load_phase(tmp_path / f"a{suffix}")
