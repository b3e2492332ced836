import csv
import itertools

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from microtutor.microstructures import LineImages, seeded_generator
from microtutor.microstructures.samples import SPLITS

SETS = [(1, 4), (3, 6)]


def measure(sample):
    """The lines of each image, found anew: [(first, last + 1) along, (first, last + 1) across] for each line."""
    for image, vertical in zip(sample.images[:, 0].numpy(), sample.vertical):
        label, _ = ndimage.label(image if vertical else image.T)
        lines = [[(part.start, part.stop) for part in box] for box in ndimage.find_objects(label)]
        for (top, bottom), (left, right) in lines:
            assert (label > 0)[top:bottom, left:right].all()  # a full rectangle, so no line touches another
        yield lines


@pytest.mark.parametrize(
    ("count", "size", "length", "thickness", "distance"),
    [((1, 4), 224, (112, 223), (5, 9), 10), ((3, 6), 224, (112, 223), (5, 9), 10), ((1, 4), 64, (32, 63), (2, 3), 4)],
)
def test_the_rules_of_the_paper(count, size, length, thickness, distance):
    sample = LineImages(count=count, size=size).sample(700, seed=1)
    assert sample.images.shape == (700, 1, size, size)
    assert sample.images.dtype == torch.float32
    assert sample.images.unique().tolist() == [0, 1]
    assert sample.vertical.dtype == torch.bool
    lengths, thicknesses, clipped, starts, centres = [], [], [], [], []
    for lines, drawn in zip(measure(sample), sample.count.tolist()):
        assert len(lines) == drawn
        inside = [[*line, (line[1][0] + line[1][1]) // 2] for line in lines if line[1][0] > 0 and line[1][1] < size]
        for a, b in itertools.combinations(inside, 2):
            overlap = a[0][0] <= b[0][1] and b[0][0] <= a[0][1]
            assert not overlap or abs(a[2] - b[2]) >= distance
        lengths += [last - first for (first, last), _ in lines]
        starts += [first / max(1, size - (last - first)) for (first, last), _ in lines]
        thicknesses += [line[1][1] - line[1][0] for line in inside]
        centres += [line[2] for line in inside]
        clipped += [last - first for _, (first, last) in lines if first == 0 or last == size]
    assert (min(lengths), max(lengths)) == length
    assert sorted(set(thicknesses)) == list(range(thickness[0], thickness[1] + 1))
    assert clipped
    assert max(clipped) <= thickness[1]
    assert np.mean(lengths) == pytest.approx(np.mean(length), rel=0.02)
    assert np.mean(starts) == pytest.approx(0.5, abs=0.02)  # anywhere along, and across
    assert np.mean(centres) == pytest.approx(size / 2, rel=0.03)


@pytest.mark.parametrize(("count", "mean"), [((1, 4), 0.0575), ((3, 6), 0.104)])
def test_what_the_labels_say(count, mean):
    """Volume fractions as measured on an independent program with the same rules."""
    sample = LineImages(count=count).sample(1500, seed=2)
    assert sample.vertical.float().mean().item() == pytest.approx(0.5, abs=0.05)
    share = torch.bincount(sample.count, minlength=8).double() / 1500
    assert share[count[0] : count[1] + 1].sum() == 1
    assert share[count[0] : count[1] + 1].min() > 0.2
    assert sample.images.mean().item() == pytest.approx(mean, rel=0.03)


@pytest.mark.parametrize("count", SETS)
def test_equal_arguments_give_equal_images(count):
    lines = LineImages(count=count, size=64)
    a, b = lines.sample(20, seed=5), lines.sample(20, seed=5)
    for name in ("images", "vertical", "count"):
        assert torch.equal(getattr(a, name), getattr(b, name))


def test_sampling_leaves_torchs_random_numbers_alone():
    before = torch.random.get_rng_state()
    LineImages(size=64).sample(3)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_streams_differ():
    lines = LineImages(count=(3, 6), size=64)
    streams = [{"seed": 0, "split": split, "index": index} for split in SPLITS for index in (0, 1)]
    streams += [{"seed": 1, "split": split} for split in SPLITS]
    images = torch.cat([lines.sample(30, **stream).images for stream in streams])
    assert len(torch.unique(images.flatten(1), dim=0)) == len(images)


def test_seeded_generator_depends_on_every_number():
    seeds = list(itertools.product(range(5), repeat=3))
    draws = [torch.rand((), generator=seeded_generator(*seed)).item() for seed in seeds]
    assert len(set(draws)) == len(seeds)
    assert draws == [torch.rand((), generator=seeded_generator(*seed)).item() for seed in seeds]


@pytest.mark.parametrize("seed", [(2**32,), (0, 1, 2**32 + 5), (-1,)])
def test_seeds_that_would_stand_for_other_streams(seed):
    with pytest.raises(ValueError, match=r"expected seeds of at least 0 and below 2\*\*32 = 4294967296, got"):
        seeded_generator(*seed)
    with pytest.raises(ValueError, match="expected seed"):
        LineImages(size=16).sample(1, seed=seed[-1])


def test_batches():
    lines = LineImages(size=64)
    four = list(itertools.islice(lines.batches(5, seed=3), 4))
    assert len({batch.images.sum().item() for batch in four}) > 1
    for start, batch in enumerate(four):
        skipped = next(lines.batches(5, seed=3, start=start))
        assert torch.equal(skipped.images, batch.images)
        assert torch.equal(skipped.count, batch.count)
        assert torch.equal(batch.images, lines.sample(5, seed=3, split="train", index=start).images)


def test_parts_of_a_sample():
    sample = LineImages(size=64).sample(10)
    assert len(sample) == 10
    for index in (slice(2, 5), torch.tensor([2, 3, 4])):
        part = sample[index]
        assert len(part) == 3
        assert torch.equal(part.images, sample.images[2:5])
        assert torch.equal(part.count, sample.count[2:5])
        assert torch.equal(part.vertical, sample.vertical[2:5])
    with pytest.raises(TypeError, match=r"expected a slice or an index tensor, got 3; write sample\[3:4\]"):
        sample[3]


@pytest.mark.parametrize("size", [16, 32, 63, 100, 448])
def test_other_sizes(size):
    lines = LineImages(count=(1, 3), size=size)
    sample = lines.sample(50)
    for found, drawn in zip(measure(sample), sample.count):
        assert len(found) == drawn
    assert lines.length[1] < size
    assert lines.distance > lines.thickness[1]


# --- files ------------------------------------------------------------------------------------------------------------
def read(folder):
    with open(folder / "labels.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_written_images_are_the_sample(tmp_path, capfd):
    lines, n = LineImages(size=32), 503  # more than one batch of 500
    labels = lines.write(tmp_path / "new", n, seed=4, split="validation", progress=False)
    assert labels == tmp_path / "new" / "labels.csv"
    assert capfd.readouterr() == ("", "")
    first, rest = (lines.sample(k, seed=4, split="validation", index=i) for i, k in enumerate((500, 3)))
    rows = read(labels.parent)
    assert len(rows) == n
    assert len(list(labels.parent.iterdir())) == n + 1
    for sample, part in ((first, rows[:500]), (rest, rows[500:])):
        for image, vertical, count, row in zip(sample.images[:, 0], sample.vertical, sample.count, part, strict=True):
            with Image.open(labels.parent / row["name"]) as png:
                assert png.mode == "1"
                assert np.array_equal(np.asarray(png), image.numpy() == 0)  # black lines on white
            assert row["orientation"] == ("vertical" if vertical else "horizontal")
            assert row["number_of_lines"] == str(count.item())


def test_progress_bar(tmp_path, capfd):
    LineImages(size=32).write(tmp_path, 2)
    assert "2/2" in capfd.readouterr().err


def test_a_finished_set_is_not_overwritten(tmp_path):
    LineImages(size=32).write(tmp_path, 2, progress=False)
    before = read(tmp_path)
    with pytest.raises(FileExistsError, match=r"already holds a set of images \(labels.csv\); choose an empty folder"):
        LineImages(size=32).write(tmp_path, 3, seed=1, progress=False)
    assert read(tmp_path) == before


def test_an_interruption_leaves_nothing_half_written(tmp_path, monkeypatch):
    save, calls = Image.Image.save, []

    def interrupted(self, path, **options):
        calls.append(path)
        if len(calls) == 4:
            path.write_bytes(b"half of it")
            raise KeyboardInterrupt
        save(self, path, **options)

    monkeypatch.setattr(Image.Image, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        LineImages(size=32).write(tmp_path, 9, progress=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000.png", "000001.png", "000002.png"]
    LineImages(size=32).write(tmp_path, 9, progress=False)
    assert len(read(tmp_path)) == 9


def test_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "taken").write_text("", encoding="utf-8")
    with pytest.raises(OSError, match=r"cannot write .*taken.*; choose a folder with room that you may write to"):
        LineImages(size=32).write(tmp_path / "taken", 2, progress=False)


# --- bad input --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"count": 3}, TypeError, r"expected count as a pair \(fewest, most\), got 3"),
        ({"count": (1, 2, 3)}, TypeError, "as a pair"),
        ({"count": (4, 1)}, ValueError, r"fewest <= most and most >= 1, got \(4, 1\)"),
        ({"count": (0, 0)}, ValueError, "most >= 1"),
        ({"count": (-1, 2)}, ValueError, "expected count of at least 0, got -1"),
        ({"count": (1, 2.5)}, TypeError, "expected count as a whole number, got 2.5"),
        ({"size": 8}, ValueError, "expected size of at least 16, got 8"),
        ({"size": "64"}, TypeError, "expected size as a whole number, got '64'"),
    ],
)
def test_bad_sets(options, error, message):
    with pytest.raises(error, match=message):
        LineImages(**options)


@pytest.mark.parametrize(
    ("n", "options", "error", "message"),
    [
        (0, {}, ValueError, "expected the number of images of at least 1, got 0"),
        ("5", {}, TypeError, "expected the number of images as a whole number, got '5'"),
        (5, {"seed": -1}, ValueError, "expected seed of at least 0, got -1"),
        (5, {"seed": 0.5}, TypeError, "expected seed as a whole number, got 0.5"),
        (5, {"split": "exam"}, ValueError, "expected split to be 'train', 'validation' or 'test', got 'exam'"),
        (5, {"index": -1}, ValueError, "expected index of at least 0, got -1"),
        (5, {"device": "gpu"}, ValueError, "expected a device such as 'auto', 'cpu', 'cuda' or 'mps', got 'gpu'"),
        (5, {"device": "meta"}, ValueError, "device 'meta' is not available here; use device='auto' or 'cpu'"),
    ],
)
def test_bad_samples(n, options, error, message):
    with pytest.raises(error, match=message):
        LineImages(size=32).sample(n, **options)
