"""The record of look-ups in large libraries, and that the study looks up what it says."""

import torch

from microtutor.evaluation import Baselines
from microtutor.microstructures import LineImages
from microtutor.records import read_record
from microtutor.statistics import autocorrelation
from studies.lookup import PART, SEED, images_seen, look_up

RECORD = read_record("lookup")


def test_a_larger_library_is_better_and_the_network_better_still_but_not_for_one_line():
    means = [library["mean"] for library in RECORD["libraries"].values()]
    assert list(RECORD["libraries"])[:3] == ["2000", "20000", "40000"]
    assert means == sorted(means, reverse=True)
    network, last = RECORD["network"], list(RECORD["libraries"].values())[-1]
    assert RECORD["test_images"] == 200
    assert network["images_seen"] == images_seen("lines-1-4") == 704_000
    assert 2.5 < last["mean"] / network["mean"] < 2.7
    assert 0.66 < last["network_better"] < 0.67
    for lines in ("2", "3", "4"):  # with one line the look-up is ahead
        assert last["mean_by_lines"][lines] > 2 * network["mean_by_lines"][lines]
    assert last["mean_by_lines"]["1"] < 0.01 * network["mean_by_lines"]["1"]


def test_the_study_finds_the_nearest_image_of_all_parts():
    lines = LineImages(size=32)
    test = lines.sample(20, seed=3)
    (first, _), (errors, count) = look_up(lines, test.images, (PART, 2 * PART + 40))
    library = torch.cat(
        [lines.sample(n, seed=SEED, split="train", index=i).images for i, n in enumerate((500, 500, 40))]
    )
    found = Baselines(library).nearest_images(test.images)
    expected = (autocorrelation(found) - autocorrelation(test.images)).square().mean((-3, -2, -1))
    torch.testing.assert_close(errors, expected, rtol=1e-4, atol=1e-12)
    assert bool((errors <= first).all())
    assert bool((errors < first).any())
    assert set(count.tolist()) <= {1, 2, 3, 4}
