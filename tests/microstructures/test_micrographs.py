"""The real micrographs: shapes, phases and fractions as they were measured with another program."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from microtutor.downloads import cache_folder
from microtutor.microstructures import (
    load_duplex_steel,
    load_li2018,
    load_rock,
    load_superalloy,
    load_superalloy_grey,
    otsu_threshold,
)
from microtutor.microstructures.datasets import available
from microtutor.microstructures.micrographs import LI2018, SUPERALLOY, SUPERALLOY_GREY, one_hot
from microtutor.statistics import autocorrelation

LI2018_FRACTIONS = {
    "alloy": [0.135, 0.865],
    "carbonate": [0.861, 0.139],
    "ceramics": [0.609, 0.391],
    "composite": [0.562, 0.269, 0.169],
    "copolymer": [0.479, 0.521],
    "pmma": [0.974, 0.026],
    "sandstone": [0.803, 0.197],
}
SUPERALLOY_FRACTIONS = {  # of the secondary and of the tertiary precipitates
    "spot1_0d_0": [0.544, 0.0168],
    "spot1_0d_1": [0.505, 0.0146],
    "spot1_180d_5": [0.514, 0.0247],
    "spot1_180d_6": [0.474, 0.0239],
    "spot2_0d_0": [0.5, 0.0298],
    "spot2_0d_4": [0.557, 0.0184],
    "spot2_180d_3": [0.467, 0.0302],
    "spot2_180d_5": [0.46, 0.0271],
    "spot3_0d_3": [0.475, 0.0191],
    "spot3_180d_2": [0.555, 0.0147],
    "spot4_0d_3": [0.489, 0.0174],
    "spot4_180d_2": [0.4, 0.0399],
    "spot5_0d_0": [0.468, 0.0297],
    "spot5_180d_2": [0.528, 0.0182],
    "spot6_0d_2": [0.488, 0.0281],
    "spot6_180d_7": [0.539, 0.0105],
    "spot7_0d_5": [0.48, 0.0163],
    "spot7_180d_3": [0.454, 0.0243],
}


def needs(*names):
    """Skip a test whose data are neither in the cache folder nor allowed to be downloaded."""
    if not available(*names) and os.environ.get("MICROTUTOR_TEST_NETWORK") != "1":
        pytest.skip(
            f"needs {', '.join(names)}, not in {cache_folder()}: set MICROTUTOR_DATA to a folder that holds them, "
            "or MICROTUTOR_TEST_NETWORK=1 to download them"
        )


def check_phases(phases, shape):
    assert phases.shape == shape
    assert phases.dtype == torch.float32
    assert phases.unique().tolist() == [0, 1]
    assert (phases.sum(0) == 1).all()


@pytest.mark.parametrize("name", LI2018)
def test_li2018(name):
    needs(f"li2018/{name}_resized.npy")
    phases = load_li2018(name)
    check_phases(phases, (len(LI2018_FRACTIONS[name]), 256, 256))
    assert phases.mean((1, 2)).tolist() == pytest.approx(LI2018_FRACTIONS[name], abs=5e-4)


@pytest.mark.parametrize("name", SUPERALLOY)
def test_superalloy(name):
    needs(f"superalloy/{name}_mask.tif")
    phases, secondary, tertiary = load_superalloy(name), *SUPERALLOY_FRACTIONS[name]
    check_phases(phases, (3, 512, 512))
    assert phases.mean((1, 2))[1:].tolist() == pytest.approx([secondary, tertiary], abs=6e-4)
    two = load_superalloy(SUPERALLOY.index(name), phases=2)
    check_phases(two, (2, 512, 512))
    assert torch.equal(two[0], phases[0])


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_mask_of_your_own(tmp_path, mode):
    colours = np.array([[[0, 0, 255], [255, 0, 0], [90, 90, 90]], [[0, 0, 254], [255, 255, 255], [0, 0, 0]]], np.uint8)
    Image.fromarray(colours).convert(mode).save(tmp_path / "mask.png")
    for path in (tmp_path / "mask.png", str(tmp_path / "mask.png")):
        assert load_superalloy(path).argmax(0).tolist() == [[1, 2, 0], [0, 0, 0]]
        assert load_superalloy(path, phases=2)[1].tolist() == [[1, 1, 0], [0, 0, 0]]
    Image.new(mode, (4, 3)).save(tmp_path / "empty.png")
    for phases in (2, 3):
        assert load_superalloy(tmp_path / "empty.png", phases=phases).mean((1, 2)).tolist() == [1, 0, 0][:phases]


def test_files_that_are_no_mask(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*mask.tif"):
        load_superalloy(tmp_path / "mask.tif")
    Image.new("L", (3, 3)).save(tmp_path / "grey.png")
    with pytest.raises(ValueError, match=r"expected red, green and blue in grey.png, got mode L"):
        load_superalloy(tmp_path / "grey.png")
    (tmp_path / "text.png").write_text("text", encoding="utf-8")
    with pytest.raises(ValueError, match=r"text.png is no image that can be read"):
        load_superalloy(tmp_path / "text.png")


@pytest.mark.parametrize("name", SUPERALLOY_GREY)
def test_the_experts_precipitates_are_darker_than_the_matrix(name):
    needs(f"superalloy/{name}.tif", f"superalloy/{name}_mask.tif")
    grey, (matrix, secondary, tertiary) = load_superalloy_grey(name), load_superalloy(name)
    assert grey.shape == (512, 512)
    assert grey.dtype == torch.float32
    assert 0 <= grey.min() < grey.max() <= 255
    bright = grey > otsu_threshold(grey)
    assert bright[matrix == 1].float().mean() > 0.75
    assert bright[secondary == 1].float().mean() < 0.3
    assert bright[tertiary == 1].float().mean() < 0.05
    assert torch.equal(load_superalloy_grey(SUPERALLOY.index(name)), grey)  # one numbering for both


def test_the_matrix_of_a_mask_is_the_micrograph():
    """Grey values outside the coloured precipitates are those of the micrograph: image and mask lie upon each other."""
    needs("superalloy/spot2_0d_0.tif", "superalloy/spot2_0d_0_mask.tif")
    with Image.open(cache_folder() / "superalloy" / "spot2_0d_0_mask.tif") as mask:
        red = torch.from_numpy(np.array(mask)[..., 0])
    matrix = load_superalloy("spot2_0d_0")[0] == 1
    assert torch.equal(red[matrix].float(), load_superalloy_grey("spot2_0d_0")[matrix])


def test_duplex_steel():
    needs("steel")
    phases = load_duplex_steel()
    check_phases(phases, (2, 100, 117))
    assert phases[:, 0, :3].tolist() == [[0, 1, 1], [1, 0, 0]]  # read off the file: ferrite, austenite, austenite
    assert phases.mean((1, 2)).tolist() == pytest.approx([5657 / 11700, 6043 / 11700])


@pytest.mark.parametrize(("name", "side", "porosity"), [("berea", 400, 0.196), ("ketton", 256, 0.127)])
def test_rock(name, side, porosity):
    needs(f"rock/{name}.zip")
    volume = load_rock(name)
    assert volume.shape == (side, side, side)
    assert volume.dtype == torch.bool
    assert volume.float().mean().item() == pytest.approx(porosity, abs=5e-4)
    slices = volume[:: side // 4].float()
    assert autocorrelation(slices)[:, 0, 0].tolist() == pytest.approx(slices.mean((1, 2)).tolist(), rel=1e-4)


def test_the_grains_of_ketton_are_round():
    """Which value the pores have: grains of an oolite are round, so that most of what a pore sees bulges into it."""
    needs("rock/ketton.zip")
    pores = load_rock("ketton")[::16].float()
    block = torch.nn.functional.avg_pool2d(pores[:, None], 9, stride=1)[:, 0]
    middle = pores[:, 4:-4, 4:-4]
    border = middle.diff(dim=1).abs()[:, :, :-1] + middle.diff(dim=2).abs()[:, :-1]
    assert block[:, :-1, :-1][border > 0].mean() < 0.5


def test_one_hot():
    assert one_hot(np.array([[0, 2], [1, 1]])).tolist() == [[[1, 0], [0, 0]], [[0, 0], [1, 1]], [[0, 1], [0, 0]]]


@pytest.mark.parametrize(
    ("load", "argument", "message"),
    [
        (load_li2018, "wood", "expected one of alloy, carbonate, ceramics, composite, copolymer, pmma, sandstone, got"),
        (load_superalloy, "spot9", "expected one of spot2_0d_0, .* or its number, got 'spot9'"),
        (load_superalloy, 18, "or its number, got 18"),
        (load_superalloy, -1, "or its number, got -1"),
        (load_superalloy_grey, "spot1_0d_0", "expected one of spot2_0d_0, spot2_0d_4, .* got 'spot1_0d_0'"),
        (load_rock, "marble", "expected one of berea, ketton, got 'marble'"),
    ],
)
def test_names_that_are_none(load, argument, message):
    with pytest.raises(ValueError, match=message):
        load(argument)


def test_numbers_of_phases_that_are_none():
    with pytest.raises(ValueError, match="expected phases to be 2 or 3, got 4"):
        load_superalloy(0, phases=4)
