"""Crops of rock: the splits share nothing, and each crop is what its label says."""

import itertools
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from microtutor.microstructures import RockCrops, load_volume
from microtutor.microstructures.rock import ROCK_SPLITS

LEARNING = ("train", "validation", "test")
VOLUME = torch.rand(50, 62, 75, generator=torch.Generator().manual_seed(0)) < 0.3  # no two places alike


def voxels(crops, split):
    """Which voxels of the volume a split may use, as its blocks say."""
    mask = np.zeros(crops.volume.shape, bool)
    for _, box in crops.blocks(split):
        mask[tuple(slice(*extent) for extent in box)] = True
    return mask


# --- the blocks -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [(50, 62, 75), (100, 100, 100), (25, 25, 25)])
def test_splits_share_no_voxel_and_no_neighbour(shape):
    crops = RockCrops(torch.zeros(shape, dtype=torch.bool), size=8)
    masks = {split: voxels(crops, split) for split in LEARNING}
    gap = 4 * min(shape) // 100
    assert gap >= 1
    for a, b in itertools.permutations(LEARNING, 2):
        reach = ndimage.maximum_filter(masks[a], 2 * gap + 1)
        assert not (reach & masks[b]).any()
    assert masks["train"].mean() > 0.4
    assert voxels(crops, "all").all()


def test_the_blocks_of_berea():
    crops = RockCrops(torch.zeros(400, 400, 400, dtype=torch.bool))
    assert crops.blocks("train") == [((0, 1, 2), ((48, 352),) * 3)]
    assert crops.blocks("validation")[1] == ((1,), ((0, 352), (0, 32), (0, 352)))
    assert crops.blocks("test")[2] == ((2,), ((48, 400), (48, 400), (368, 400)))


@pytest.mark.parametrize("split", ROCK_SPLITS)
def test_crops_lie_in_their_blocks_and_use_all_of_them(split):
    crops = RockCrops(VOLUME, size=20, augment=False)
    sample = crops.sample(4000, split=split)
    mask, used = voxels(crops, split), np.zeros(VOLUME.shape, bool)
    for image, axis, corner in zip(sample.images, sample.axis.tolist(), sample.corner.tolist()):
        place = tuple(slice(c, c + (1 if k == axis else 20)) for k, c in enumerate(corner))
        assert mask[place].all()
        assert torch.equal(image[0].bool(), VOLUME[place].squeeze(axis))
        used[place] = True
    assert used[mask].mean() > 0.9
    assert sample.axis.bincount().min() > 1000


# --- the crops --------------------------------------------------------------------------------------------------------
def test_shape_and_values():
    sample = RockCrops(VOLUME, size=24).sample(5)
    assert sample.images.shape == (5, 1, 24, 24)
    assert sample.images.dtype == torch.float32
    assert sample.images.unique().tolist() == [0, 1]
    assert len(sample[1:3]) == 2
    assert torch.equal(sample[1:3].corner, sample.corner[1:3])


def symmetries(image):
    return [turned.rot90(k) for turned in (image, image.T) for k in range(4)]


def test_only_training_crops_are_turned():
    plain, turned = RockCrops(VOLUME, size=16, augment=False), RockCrops(VOLUME, size=16)
    for split in ("validation", "test", "all"):
        assert torch.equal(plain.sample(20, split=split).images, turned.sample(20, split=split).images)
    a, b = plain.sample(400, split="train"), turned.sample(400, split="train")
    assert torch.equal(a.corner, b.corner)
    used = [
        [torch.equal(found, wanted) for wanted in symmetries(image)].index(True)
        for image, found in zip(a.images[:, 0], b.images[:, 0])
    ]
    assert np.bincount(used, minlength=8).min() > 20  # each of the eight about 50 times


def test_equal_arguments_give_equal_crops():
    crops = RockCrops(VOLUME, size=16)
    before = torch.random.get_rng_state()
    assert torch.equal(crops.sample(20, seed=3).images, RockCrops(VOLUME, size=16).sample(20, seed=3).images)
    assert torch.equal(torch.random.get_rng_state(), before)
    streams = [crops.sample(30, seed=seed, index=index).images for seed in (0, 1) for index in (0, 1)]
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(streams, 2))


def test_batches_are_those_of_training():
    crops = RockCrops(VOLUME, size=16)
    for start, batch in enumerate(itertools.islice(crops.batches(5, seed=3), 3)):
        assert torch.equal(batch.images, crops.sample(5, seed=3, split="train", index=start).images)
        assert torch.equal(batch.images, next(crops.batches(5, seed=3, start=start)).images)


def test_a_volume_of_zeros_and_ones_will_do():
    images = [RockCrops(volume, size=16).sample(4).images for volume in (VOLUME, VOLUME.float(), VOLUME.byte())]
    assert torch.equal(images[0], images[1])
    assert torch.equal(images[0], images[2])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("marble",), ValueError, "expected one of berea, ketton or a volume, got 'marble'"),
        ((torch.zeros(5, 5),), TypeError, r"expected a name or a volume \(depth, height, width\) as .*, got a tensor"),
        ((VOLUME.float() / 2,), ValueError, r"expected a volume with values in \{0, 1\}"),
        ((VOLUME.to(torch.complex64),), TypeError, r"expected a volume of real numbers in \{0, 1\}, got a tensor"),
        ((VOLUME, 0), ValueError, "expected size of at least 1, got 0"),
    ],
)
def test_bad_rocks(arguments, error, message):
    with pytest.raises(error, match=message):
        RockCrops(*arguments)


def test_crops_of_volumes_can_be_compared():
    crops, same = RockCrops(VOLUME, size=16), RockCrops(VOLUME.clone(), size=16)
    assert crops == RockCrops(VOLUME, size=16)
    assert hash(crops) == hash(RockCrops(VOLUME, size=16))
    assert crops != same
    assert crops != RockCrops(VOLUME, size=20)
    assert crops != RockCrops("berea", size=16) != crops
    assert RockCrops("berea") == RockCrops("berea") != RockCrops("ketton")
    assert crops != "berea"


@pytest.mark.parametrize("shape", [(5, 100, 100), (100, 12, 100), (100, 100, 1)])
def test_thin_volumes_have_no_blocks(shape):
    crops = RockCrops(torch.arange(np.prod(shape)).reshape(shape) % 2, size=8)
    got = " x ".join(map(str, shape))
    for split in LEARNING:
        with pytest.raises(ValueError, match=rf"at least 13 voxels along each axis .* got {got}; take split='all', or"):
            crops.sample(2, split=split)
    if min(shape) >= 8:
        assert len(crops.sample(2, split="all")) == 2
    else:
        with pytest.raises(ValueError, match=rf"small enough for the all block {got}, in which a crop normal to axis"):
            crops.sample(2, split="all")
    at_least = RockCrops(torch.zeros(13, 40, 40), size=4)
    assert len(at_least.sample(2, split="train")) == 2


def test_crops_that_do_not_fit():
    crops = RockCrops(VOLUME, size=40)
    assert len(crops.sample(3, split="test")) == 3
    with pytest.raises(ValueError, match=r"expected size small enough for the train block 38 x 50 x 57, in .*, got 40"):
        crops.sample(3, split="train")
    with pytest.raises(ValueError, match="expected split to be 'train', 'validation', 'test' or 'all', got 'exam'"):
        crops.sample(3, split="exam")


# --- volumes from files -----------------------------------------------------------------------------------------------
GREY = np.random.default_rng(0).choice(np.array([*range(10, 30), *range(200, 210)], np.uint8), (3, 4, 5))


def write(path, array=GREY):
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        first, *rest = [Image.fromarray(frame) for frame in array]
        first.save(path, save_all=True, append_images=rest)
    return path


@pytest.mark.parametrize("suffix", [".tif", ".npy"])
def test_volumes_of_files(tmp_path, suffix):
    path = write(tmp_path / f"volume{suffix}")
    bright = torch.from_numpy(GREY >= 200)
    assert torch.equal(load_volume(path), bright)
    assert torch.equal(load_volume(path, dark=True), ~bright)
    assert torch.equal(load_volume(path, threshold=10), torch.from_numpy(GREY > 10))
    with zipfile.ZipFile(tmp_path / "volume.zip", "w") as archive:
        archive.write(path, path.name)
        archive.writestr("read me.txt", "hello")
    assert torch.equal(load_volume(tmp_path / "volume.zip"), bright)


def test_files_that_are_no_volume(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*missing.tif"):
        load_volume(tmp_path / "missing.tif")
    (tmp_path / "text.tif").write_text("text", encoding="utf-8")
    with pytest.raises(ValueError, match=r"text.tif is no image that can be read: .* save it as .png or .npy"):
        load_volume(tmp_path / "text.tif")
    with pytest.raises(
        ValueError, match=r"\(depth, height, width\) in flat.npy, got uint8 \(4, 5\); load_phases reads one picture"
    ):
        load_volume(write(tmp_path / "flat.npy", GREY[0]))
    with pytest.raises(ValueError, match=r"expected at least two grey values in grey.npy, got only 10"):
        load_volume(write(tmp_path / "grey.npy", np.full((2, 2, 2), 10)))
    with pytest.raises(ValueError, match=r"expected a threshold in \[10, 209\), .* got 209"):
        load_volume(write(tmp_path / "volume.npy"), threshold=209)
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    with pytest.raises(ValueError, match=r"expected one .tif or .npy in empty.zip, got 0"):
        load_volume(tmp_path / "empty.zip")


@pytest.mark.parametrize("left", [0, 20, 100, 150])
def test_damaged_files(tmp_path, left):
    content = write(tmp_path / "volume.npy").read_bytes()
    (tmp_path / "volume.npy").write_bytes(content[:left])
    with pytest.raises(ValueError, match=r"volume.npy is no array that can be read"):
        load_volume(tmp_path / "volume.npy")
    with zipfile.ZipFile(tmp_path / "volume.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("volume.npy", content)
    packed = bytearray((tmp_path / "volume.zip").read_bytes())
    packed[50 + left % 40] ^= 255  # one wrong byte
    for damaged in (packed, packed[: len(packed) // 2], b""):
        (tmp_path / "volume.zip").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"volume.zip is no archive that can be read"):
            load_volume(tmp_path / "volume.zip")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_volumes_with_holes(tmp_path, value):
    array = GREY.astype(np.float32)
    array[0, 0, 0] = value
    with pytest.raises(ValueError, match=r"expected finite grey values in volume.npy, got NaN or infinity"):
        load_volume(write(tmp_path / "volume.npy", array), threshold=50)


def test_no_pickle_is_loaded(tmp_path):
    np.save(tmp_path / "object.npy", np.array([[[{}]]], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"Object arrays cannot be loaded"):
        load_volume(tmp_path / "object.npy")


# --- slices of some axes only -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("shape", "size", "axes", "cut"),
    [
        ((60, 512, 512), 128, (0,), 1),
        ((20, 1000, 1000), 128, (0,), 1),
        ((100, 400, 400), 128, (0,), 0),  # three blocks of 128 do not fit into 400 with their gaps: across the slices
        ((20, 50, 90), 16, (0,), 2),
        ((90, 50, 20), 16, (2,), 0),
        ((50, 60, 70), 16, (0, 1), 2),
    ],
)
def test_blocks_of_slices_of_some_axes(shape, size, axes, cut):
    crops = RockCrops(torch.zeros(shape, dtype=torch.bool), size=size, axes=axes)
    gap = max(4 * max(shape) // 100, 1)
    ends = {}
    for split in LEARNING:
        ((used, box),) = crops.blocks(split)
        assert used == axes
        assert all(extent == (0, n) for k, (extent, n) in enumerate(zip(box, shape)) if k != cut)
        ends[split] = box[cut]
        assert set(crops.sample(30, split=split).axis.tolist()) == set(axes)
    assert ends["validation"][0] == 0
    assert ends["test"][1] == shape[cut]
    assert ends["train"][0] - ends["validation"][1] == ends["test"][0] - ends["train"][1] == gap
    assert crops.blocks("all") == [(axes, tuple((0, n) for n in shape))]


def test_crops_of_thin_volumes_are_what_their_labels_say():
    volume = torch.rand(3, 70, 120, generator=torch.Generator().manual_seed(1)) < 0.3
    crops = RockCrops(volume, size=20, augment=False, axes=(0,))
    for split in LEARNING:
        sample = crops.sample(50, split=split)
        for image, (z, y, x) in zip(sample.images[:, 0], sample.corner.tolist()):
            assert torch.equal(image.bool(), volume[z, y : y + 20, x : x + 20])


def test_axes_are_looked_at():
    assert RockCrops(VOLUME, size=16, axes=(2, 0)).axes == (0, 2)
    assert RockCrops(VOLUME, size=16, axes=(0,)) != RockCrops(VOLUME, size=16)
    for axes in ((), (0, 0)):
        with pytest.raises(ValueError, match="expected axes as different numbers out of 0, 1 and 2"):
            RockCrops(VOLUME, size=16, axes=axes)
    with pytest.raises(ValueError, match=r"expected axes\[0\] of at least 0 and below 3, got 3"):
        RockCrops(VOLUME, size=16, axes=(3,))
    crops = RockCrops(torch.zeros(5, 50, 50, dtype=torch.bool), size=16, axes=(0,))
    with pytest.raises(ValueError, match="with a side of at least 52 voxels, for three blocks of size 16 with gaps of"):
        crops.sample(1, split="train")


def test_recorded_crops_stay_as_they_are():
    """Shipped weights were trained on the default blocks: the places of the first crops, as they were before."""
    crops = RockCrops(VOLUME, size=16)
    assert crops.sample(3, split="train").corner.tolist() == [[27, 19, 49], [43, 10, 43], [29, 40, 11]]
    assert crops.sample(3, split="train").axis.tolist() == [1, 0, 0]


def test_fingerprints_tell_volumes_apart():
    a, b = RockCrops(VOLUME, size=16), RockCrops(~VOLUME, size=16)
    assert a.fingerprint == RockCrops(VOLUME.float(), size=20).fingerprint != b.fingerprint
    assert RockCrops("berea").fingerprint is None
