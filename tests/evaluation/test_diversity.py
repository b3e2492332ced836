import math

import pytest
import torch

from microtutor.evaluation import aligned_data_error, diversity
from microtutor.microstructures import LineImages
from microtutor.statistics import autocorrelation
from tests.strategies import equivalent_images


def lines(n, seed=0):
    return LineImages(size=32).sample(n, seed=seed).images


def test_distances_are_those_of_the_best_equivalent_image_found_by_trying_all():
    images = (torch.rand(3, 5, 6, generator=torch.Generator().manual_seed(0)) < 0.4).float()
    found = diversity(images, images)
    pairs = [(0, 1), (0, 2), (1, 2)]
    tried = torch.stack([(equivalent_images(images[i]) - images[j]).square().mean((-2, -1)).min() for i, j in pairs])
    torch.testing.assert_close(found.distances, tried)
    assert found.ratio == 1
    assert found.median == found.unrelated_median == found.distances.median().item()


def test_one_channel_is_what_aligned_data_error_measures():
    images = lines(4)
    found = diversity(images[:2], images[2:])
    torch.testing.assert_close(found.distances, aligned_data_error(images[0], images[1]))
    torch.testing.assert_close(found.unrelated_distances, aligned_data_error(images[2], images[3]))


def test_more_pairs_than_are_aligned_at_a_time():
    images = lines(12)
    distances = diversity(images, images[:2]).distances
    assert len(distances) == 66
    torch.testing.assert_close(distances[-1:], aligned_data_error(images[10], images[11]))


def test_equivalent_images_are_one_realisation():
    image = lines(1)
    same = torch.cat([image, image.roll((3, 7), (-2, -1)), image.flip((-2, -1))])
    found = diversity(same, lines(4, seed=1), target_statistics=autocorrelation(image[0]))
    assert found.ratio < 1e-4
    assert found.statistics_error is not None
    assert found.statistics_error.max() < 1e-12


def test_unrelated_images_that_are_equivalent_images_tell_nothing():
    found = diversity(lines(3), torch.ones(2, 1, 32, 32))
    assert math.isnan(found.ratio)
    assert "ratio nan" in str(found)


def test_channels_move_together():
    bar, dot = torch.zeros(8, 8), torch.zeros(8, 8)
    bar[1:3, 1:7] = dot[4, 4] = 1
    near, far = torch.stack([bar, dot]), torch.stack([bar, dot.roll(2, 0)])
    together = diversity(torch.stack([near, near.roll((2, 1), (-2, -1))]), torch.stack([near, far]))
    assert together.median < 1e-6  # both channels were shifted alike
    assert together.unrelated_median > 0.01  # each channel has an equivalent image, but not by one shift


def test_statistics_error():
    images = lines(3)
    found = diversity(images, images, target_statistics=autocorrelation(images[0]))
    assert found.statistics_error is not None
    assert found.statistics_error[0] < 1e-14  # in a batch of another size an FFT may round otherwise
    wanted = (autocorrelation(images[1]) - autocorrelation(images[0])).square().mean()
    torch.testing.assert_close(found.statistics_error[1], wanted)
    assert diversity(images, images).statistics_error is None


def test_says_what_it_found():
    images = lines(3)
    assert "ratio 1.00" in str(diversity(images, images))
    assert "statistics error at most" in str(diversity(images, images, target_statistics=autocorrelation(images[0])))


@pytest.mark.parametrize(
    ("images", "unrelated", "options", "error", "message"),
    [
        (torch.ones(1, 4, 4), torch.ones(2, 4, 4), {}, ValueError, "expected realisations .* with n of 2 or more, got"),
        (
            torch.ones(2, 4, 4),
            torch.ones(4, 4),
            {},
            ValueError,
            "expected unrelated images .* with n of 2 or more, got",
        ),
        (torch.ones(2, 4, 4), torch.ones(2, 4, 5), {}, ValueError, "the realisations and the unrelated images of the"),
        (2 * torch.ones(2, 4, 4), torch.ones(2, 4, 4), {}, ValueError, r"realisations with values in \[0, 1\], got"),
        ([1], torch.ones(2, 4, 4), {}, TypeError, "expected the realisations as a torch tensor, got a list"),
        (
            torch.ones(2, 4, 4),
            torch.ones(2, 4, 4),
            {"target_statistics": [1.0]},
            TypeError,
            "expected the target statistics as a torch tensor, got a list",
        ),
        (
            torch.ones(2, 4, 4),
            torch.ones(2, 4, 4),
            {"target_statistics": torch.ones(3, 3)},
            ValueError,
            "the realisations and the target statistics of the same shape",
        ),
    ],
)
def test_bad_input(images, unrelated, options, error, message):
    with pytest.raises(error, match=message):
        diversity(images, unrelated, **options)


def test_images_of_true_and_false():
    m = torch.rand(4, 6, 6, generator=torch.Generator().manual_seed(0)) < 0.5
    assert torch.equal(diversity(m[:2], m[2:]).distances, diversity(m[:2].float(), m[2:].float()).distances)
