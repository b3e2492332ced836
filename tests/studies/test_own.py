"""The study of folders of pictures: what it cuts and stores, and what its recorded run says."""

import math

import pytest
import torch

from microtutor.microstructures import GaussianFields, ImageFolder, RockCrops
from microtutor.microstructures.datasets import available
from microtutor.records import read_record
from microtutor.statistics import autocorrelation
from studies.own import raised, reference_rows, save_pictures, side_by_side

NETWORKS = ("network", "network, turned and flipped")


@pytest.mark.skipif(not available("rock/berea.zip"), reason="the scan of Berea is not in the cache folder")
def test_crops_lie_in_the_training_block_and_none_comes_twice():
    found = side_by_side(400)
    assert found.shape == (400, 64, 64)
    ((_, box),) = RockCrops("berea", size=64).blocks("train")
    block = RockCrops("berea", size=64).volume[tuple(slice(*extent) for extent in box)]
    slices = {tile.numpy().tobytes() for k in range(9) for tile in tiles(block[int((k + 0.5) * len(block) / 9)])}
    pictures = {picture.numpy().tobytes() for picture in found}
    assert len(pictures) == 400
    assert len(pictures & slices) >= 100  # a third of them, less the few that are left over


def tiles(whole):
    return whole[:256, :256].unfold(0, 64, 64).unfold(1, 64, 64).reshape(-1, 64, 64)


def test_pictures_come_back_as_they_were(tmp_path):
    pictures = GaussianFields(fraction=0.3, length=3, size=32).sample(12).images[:, 0].bool()
    save_pictures(pictures, tmp_path)
    source = ImageFolder(tmp_path, 32)
    read = torch.cat([source.sample(source.crops(s), split=s).images for s in ("train", "validation", "test")])
    assert sorted(m.tolist() for m in read[:, 0].bool()) == sorted(m.tolist() for m in pictures)


def test_raised_maps_are_such_that_an_image_may_have_them():
    f = autocorrelation(GaussianFields(fraction=0.3, length=3, size=32).sample(3).images)
    assert torch.allclose(raised(f), f, atol=1e-5)  # the square of f(0) is the mean
    low = f - f.mean((-2, -1), keepdim=True) / 2
    assert (low[..., 0, 0] ** 2 > low.mean((-2, -1))).all()
    up = raised(low)
    assert torch.allclose(up[..., 0, 0] ** 2, up.mean((-2, -1)), atol=1e-5)
    assert torch.allclose(up - low, (up - low)[..., :1, :1].expand_as(low), atol=1e-6)


def test_references_know_training_pictures_in_all_positions():
    images = GaussianFields(fraction=0.3, length=3, size=32).sample(40, split="train").images
    rows = reference_rows(images, images[:2].rot90(1, (-2, -1)))
    assert rows["nearest picture, turned and flipped"]["statistics_error_mean"] == pytest.approx(0, abs=1e-10)
    assert rows["nearest picture"]["statistics_error_mean"] > 1e-6
    assert "PCA of the statistics, 32 numbers, then search" in rows


def folders():
    return read_record("own")["folders"].items()


def test_the_record_holds_all_folders():
    assert {n: part["training_pictures"] for n, part in folders()} == {"40": 32, "400": 320, "4000": 3200}


def test_four_hundred_pictures_meet_the_bar():
    """A network from 400 pictures, in a quarter of an hour, is nearer than the nearest of them."""
    methods = read_record("own")["folders"]["400"]["methods"]
    nearest = methods["nearest picture"]["statistics_error_mean"]
    for name in NETWORKS:
        assert methods[name]["statistics_error_mean"] < nearest
        assert methods[name]["training_seconds"] < 900


@pytest.mark.parametrize("n", ["40", "400", "4000"])
def test_the_search_is_ahead_of_the_network(n):
    """As the chapter says."""
    methods = read_record("own")["folders"][n]["methods"]
    (best,) = [
        row for name, row in methods.items() if "search" in name and not name.endswith("16 numbers, then search")
    ]
    assert best["statistics_error_mean"] < methods["network"]["statistics_error_mean"]
    assert math.isfinite(best["seconds_per_image"])
