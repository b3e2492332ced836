"""Pictures of one's own: the splits share nothing, each crop is what its label says, and bad folders are refused."""

import itertools
import re

import numpy as np
import pytest
import torch
from PIL import Image

from microtutor.microstructures import ImageFolder, OverlappingDiscs, RockCrops, images_from
from microtutor.microstructures.samples import SPLITS

WHITE = 255


def noise(*shape, seed=0):
    return np.random.default_rng(seed).random(shape) < 0.4


def folder_of(path, *pictures, names=None):
    """A folder with these pictures, True as white, saved as .png."""
    path.mkdir(parents=True, exist_ok=True)
    for i, picture in enumerate(pictures):
        name = names[i] if names else f"picture-{i:03}.png"
        Image.fromarray(np.where(picture, WHITE, 0).astype(np.uint8)).save(path / name)
    return path


def used(source, split):
    """Which pixels of which picture a split may use."""
    masks = {}
    for number, box in source.boxes(split):
        mask = masks.setdefault(number, np.zeros((2000, 2000), bool))
        mask[tuple(slice(*extent) for extent in box)] = True
    return masks


# --- the splits -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("n", "tenth"), [(10, 1), (14, 1), (16, 2), (40, 4)])
def test_many_pictures_are_split_by_picture(tmp_path, n, tenth):
    source = ImageFolder(folder_of(tmp_path, *(noise(32, 32, seed=i) for i in range(n))), 32)
    numbers = {split: {number for number, _ in source.boxes(split)} for split in SPLITS}
    assert source.by_picture
    assert len(numbers["test"]) == len(numbers["validation"]) == tenth
    assert set.union(*numbers.values()) == set(range(n))
    assert sum(map(len, numbers.values())) == n


def test_no_image_is_in_two_splits(tmp_path):
    source = ImageFolder(folder_of(tmp_path, *(noise(32, 32, seed=i) for i in range(20))), 32)
    seen = {split: {image.numpy().tobytes() for image in source.sample(100, split=split).images} for split in SPLITS}
    assert [len(seen[split]) for split in SPLITS] == [16, 2, 2]
    for a, b in itertools.combinations(SPLITS, 2):
        assert not seen[a] & seen[b]


def test_the_split_does_not_follow_from_names_or_formats(tmp_path):
    pictures = [noise(32, 32, seed=i) for i in range(12)]
    a = ImageFolder(folder_of(tmp_path / "a", *pictures), 32)
    b = folder_of(tmp_path / "b", *pictures, names=[f"{97 * i % 50}.tif" for i in range(12)])
    (b / "0.tif").unlink()
    np.save(b / "zero.npy", np.where(pictures[0], WHITE, 0).astype(np.uint8))
    renamed = ImageFolder(b, 32)
    assert renamed.names != a.names
    for split in SPLITS:
        assert images_in(renamed, split) == images_in(a, split)
    assert renamed.fingerprint == a.fingerprint
    (b / "zero.npy").unlink()
    assert ImageFolder(b, 32).fingerprint != a.fingerprint


def test_the_split_is_the_same_on_every_machine(tmp_path):
    pictures = [np.arange(1024).reshape(32, 32) % (i + 2) == 0 for i in range(12)]
    source = ImageFolder(folder_of(tmp_path, *pictures), 32)
    assert [number for number, _ in source.boxes("test")] == [8]
    assert [number for number, _ in source.boxes("validation")] == [4]


def images_in(source, split):
    return {image.numpy().tobytes() for image in source.sample(100, split=split).images}


def test_equal_pictures_count_once(tmp_path):
    pictures = [noise(32, 32, seed=i % 11) for i in range(15)]
    source = ImageFolder(folder_of(tmp_path, *pictures), 32)
    assert len(source.names) == 11
    assert source.copies == tuple(f"picture-{i:03}.png" for i in range(11, 15))
    assert sum(len(source.boxes(split)) for split in SPLITS) == 11


@pytest.mark.parametrize("shapes", [[(100, 40)], [(40, 300), (150, 150)]])
def test_few_large_pictures_are_split_by_blocks_with_gaps(tmp_path, shapes):
    source = ImageFolder(folder_of(tmp_path, *(noise(*shape, seed=i) for i, shape in enumerate(shapes))), 24)
    assert not source.by_picture
    masks = {split: used(source, split) for split in SPLITS}
    for number, shape in enumerate(shapes):
        longer = shape.index(max(shape))
        gap = max(4 * max(shape) // 100, 1)
        for a, b in itertools.permutations(SPLITS, 2):
            ends = [np.flatnonzero(masks[split][number].any(1 - longer))[[0, -1]] for split in (a, b)]
            (low, high) = sorted(ends, key=lambda end: end[0])
            assert low[1] + gap < high[0]
        assert masks["train"][number].sum() >= masks["test"][number].sum() == masks["validation"][number].sum()


def test_crops_lie_in_their_boxes_and_use_all_of_them(tmp_path):
    pictures = [noise(40, 300, seed=1), noise(150, 120, seed=2)]
    source = ImageFolder(folder_of(tmp_path, *pictures), 24)
    for split in SPLITS:
        masks, found = used(source, split), [np.zeros((2000, 2000), bool) for _ in pictures]
        sample = source.sample(2000, split=split)
        for image, number, (row, column) in zip(sample.images, sample.picture.tolist(), sample.corner.tolist()):
            place = (slice(row, row + 24), slice(column, column + 24))
            assert masks[number][place].all()
            assert np.array_equal(image[0].bool().numpy(), pictures[number][place])
            found[number][place] = True
        for number, mask in masks.items():
            assert found[number][mask].mean() > 0.95


def test_pictures_come_as_often_as_their_area_says(tmp_path):
    pictures = [noise(64, 64, seed=i) for i in range(9)] + [noise(32, 32, seed=9), noise(160, 160, seed=10)]
    source = ImageFolder(folder_of(tmp_path, *pictures), 32)
    boxes = source.boxes("train")
    areas = {number: pictures[number].size for number, _ in boxes}
    often = source.sample(20_000, split="train").picture.bincount(minlength=11)
    for number, area in areas.items():
        assert often[number] / 20_000 == pytest.approx(area / sum(areas.values()), rel=0.15)
    assert often.sum() == often[list(areas)].sum()


def test_whole_pictures_come_equally_often(tmp_path):
    source = ImageFolder(folder_of(tmp_path, *(noise(32, 32, seed=i) for i in range(40))), 32)
    assert source.whole("test")
    assert source.crops("test") == 4
    assert source.sample(4).picture.unique().numel() == 4
    assert source.sample(10).picture.unique(return_counts=True)[1].tolist() in map(
        list, set(itertools.permutations([3, 3, 2, 2]))
    )


def test_crops_side_by_side(tmp_path):
    source = ImageFolder(folder_of(tmp_path, noise(70, 200)), 32)
    assert [source.crops(split) for split in SPLITS] == [2 * 3, 2, 2]
    assert not source.whole("test")


def test_three_small_pictures_are_enough(tmp_path):
    pictures = [noise(32, 40, seed=i) for i in range(3)]
    source = ImageFolder(folder_of(tmp_path, *pictures), 32)
    assert sorted(number for split in SPLITS for number, _ in source.boxes(split)) == [0, 1, 2]


# --- the images -------------------------------------------------------------------------------------------------------
def test_equal_arguments_give_equal_images(tmp_path):
    source = ImageFolder(folder_of(tmp_path, noise(100, 300)), 24)
    before = torch.random.get_rng_state()
    again = ImageFolder(tmp_path, 24)
    assert again == source
    assert torch.equal(source.sample(20, seed=3).images, again.sample(20, seed=3).images)
    assert torch.equal(torch.random.get_rng_state(), before)
    streams = [source.sample(30, seed=seed, index=index).images for seed in (0, 1) for index in (0, 1)]
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(streams, 2))


def test_shape_and_values(tmp_path):
    sample = ImageFolder(folder_of(tmp_path, noise(100, 300)), 24).sample(5)
    assert sample.images.shape == (5, 1, 24, 24)
    assert sample.images.dtype == torch.float32
    assert sample.images.unique().tolist() == [0, 1]
    assert torch.equal(sample[1:3].corner, sample.corner[1:3])


def test_only_training_crops_are_turned_and_only_if_asked_for(tmp_path):
    folder = folder_of(tmp_path, noise(100, 300))
    plain, turned = ImageFolder(folder, 24), ImageFolder(folder, 24, augment=True)
    for split in ("validation", "test"):
        assert torch.equal(plain.sample(50, split=split).images, turned.sample(50, split=split).images)
    a, b = plain.sample(400, split="train"), turned.sample(400, split="train")
    assert torch.equal(a.corner, b.corner)
    symmetries = [[t.rot90(k) for t in (image, image.T) for k in range(4)] for image in a.images[:, 0]]
    which = [[torch.equal(f, w) for w in ways].index(True) for ways, f in zip(symmetries, b.images[:, 0])]
    assert np.bincount(which, minlength=8).min() > 20  # each of the eight about 50 times


def test_pictures_are_cut_by_a_threshold(tmp_path):
    grey = np.random.default_rng(0).integers(0, 200, (10, 32, 32), dtype=np.uint8)
    for i, picture in enumerate(grey):
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    for threshold, dark in ((100.0, False), (30.0, True)):
        sample = ImageFolder(tmp_path, 32, threshold=threshold, dark=dark).sample(1)
        wanted = grey[sample.picture[0]] > threshold
        assert np.array_equal(sample.images[0, 0].bool().numpy(), wanted != dark)


def test_the_phase_of_a_label(tmp_path):
    labels = np.random.default_rng(0).integers(0, 4, (10, 32, 32), dtype=np.uint8)
    for i, picture in enumerate(labels):
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    sample = ImageFolder(tmp_path, 32, label=2).sample(1)
    assert np.array_equal(sample.images[0, 0].bool().numpy(), labels[sample.picture[0]] == 2)
    with pytest.raises(ValueError, match=r"4 whole numbers from 0 to 3, which may be labels of phases: take label=..."):
        ImageFolder(tmp_path, 32)
    with pytest.raises(ValueError, match=r"expected the label 7 and others in 0.png, got values from 0 to 3 without"):
        ImageFolder(tmp_path, 32, label=7)
    with pytest.raises(ValueError, match="expected either a label or a threshold"):
        ImageFolder(tmp_path, 32, label=2, dark=True)


def test_a_picture_that_was_changed_is_read_again(tmp_path):
    folder = folder_of(tmp_path, *(noise(32, 32, seed=i) for i in range(10)))
    before = ImageFolder(folder, 32).fingerprint
    folder_of(tmp_path, noise(33, 32, seed=99))
    assert ImageFolder(folder, 32).fingerprint != before


# --- folders that will not do -----------------------------------------------------------------------------------------
def test_other_files_are_ignored_and_named(tmp_path):
    folder = folder_of(tmp_path, *(noise(32, 32, seed=i) for i in range(10)))
    (folder / "notes.txt").write_text("x", encoding="utf-8")
    (folder / ".hidden.png").write_text("x", encoding="utf-8")
    (folder / "below").mkdir()
    assert ImageFolder(folder, 32).ignored == ("notes.txt",)


def test_bad_folders(tmp_path):
    for folder, error, message in (
        ("absent", FileNotFoundError, "expected a folder of pictures, got .*absent, which is not there"),
        (folder_of(tmp_path / "empty"), ValueError, r"expected pictures \(.png, .*\) in .*empty, got no file"),
        (folder_of(tmp_path / "small", noise(20, 40)), ValueError, "at least 32 x 32 pixels, got 20 x 40 in picture-0"),
        (
            folder_of(tmp_path / "two", noise(40, 50), noise(60, 40)),
            ValueError,
            "at least three different pictures .* got 2 of at most 60 pixels for crops of size 32; take a smaller size",
        ),
        (
            folder_of(tmp_path / "flat", *(noise(32, 32, seed=i) for i in range(9)), np.zeros((32, 32))),
            ValueError,
            "expected two phases in picture-009.png, got the grey value 0 only; move it out of the folder",
        ),
    ):
        with pytest.raises(error, match=message):
            ImageFolder(folder, 32)
    (tmp_path / "empty" / "notes.txt").write_text("x", encoding="utf-8")
    with pytest.raises(ValueError, match=r"got only notes\.txt"):
        ImageFolder(tmp_path / "empty", 32)
    (tmp_path / "small" / "broken.png").write_text("no picture", encoding="utf-8")
    with pytest.raises(ValueError, match=r"broken.png is no image that can be read"):
        ImageFolder(tmp_path / "small", 16)


# --- what a path names ------------------------------------------------------------------------------------------------
def test_a_folder_a_picture_and_volumes(tmp_path):
    pictures = folder_of(tmp_path / "pictures", *(noise(64, 64, seed=i) for i in range(10)))
    assert images_from(pictures, 64) == ImageFolder(pictures, 64)
    (large,) = folder_of(tmp_path / "large", noise(200, 90)).iterdir()
    assert images_from(large, 32) == ImageFolder(large, 32)
    volume = np.where(noise(5, 200, 90), WHITE, 0).astype(np.uint8)
    np.save(tmp_path / "volume.npy", volume)
    first, *others = (Image.fromarray(one) for one in volume)
    first.save(tmp_path / "volume.tif", save_all=True, append_images=others)
    for name in ("volume.npy", "volume.tif"):
        source = images_from(tmp_path / name, 32, dark=True, augment=True)
        assert isinstance(source, RockCrops)
        assert (source.axes, source.size, source.augment) == ((0,), 32, True)
        assert torch.equal(source.volume, torch.from_numpy(volume == 0))
        assert images_from(tmp_path / name, 32, dark=True, augment=True) == source  # read once
    np.save(tmp_path / "labels.npy", np.random.default_rng(0).integers(0, 3, (5, 200, 90), dtype=np.uint8))
    assert images_from(tmp_path / "labels.npy", 32, label=1).volume.float().mean() == pytest.approx(1 / 3, abs=0.01)
    with pytest.raises(ValueError, match=re.escape("3 whole numbers from 0 to 2, which may be labels")):
        images_from(tmp_path / "labels.npy", 32)
    with pytest.raises(ValueError, match="expected a volume with a side of at least 286 voxels, for three blocks"):
        images_from(tmp_path / "volume.npy", 90)


def test_crops_of_discs_are_those_of_the_pictures(tmp_path):
    """A round trip: what a source of this package draws comes back from the files."""
    images = OverlappingDiscs(0.4, 4, 32).sample(12).images
    source = ImageFolder(folder_of(tmp_path, *images[:, 0].bool().numpy()), 32)
    sample = source.sample(30, split="train")
    assert torch.equal(sample.images, images[sample.picture])
