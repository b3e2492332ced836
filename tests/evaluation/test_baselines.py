"""The reference methods, against what they are by definition."""

import numpy as np
import pytest
import torch

from microtutor.evaluation import Baselines
from microtutor.losses import StatisticsLoss
from microtutor.microstructures import LineImages
from microtutor.statistics import autocorrelation

LINES = LineImages(size=32)


@pytest.fixture(scope="module")
def references():
    return Baselines(LINES.sample(60, seed=0, split="train").images)


@pytest.fixture(scope="module")
def images():
    return LINES.sample(9, seed=0).images


def test_mean_statistics(references, images):
    mean = autocorrelation(references.images).mean(0)
    expected = (autocorrelation(images) - mean).square().mean((1, 2, 3))
    torch.testing.assert_close(references.mean_errors(images), expected)


def test_nearest_image_is_the_nearest(references, images):
    found = references.nearest_images(images)
    loss = StatisticsLoss("none")
    for image, nearest in zip(images, found):
        errors = loss(references.images, image.expand_as(references.images))[:, 0]
        torch.testing.assert_close(loss(nearest, image)[0], errors.min())


def test_nearest_of_a_shifted_training_image_is_itself(references):
    shifted = references.images[7:9].roll((5, 11), (-2, -1)).flip((-2, -1))
    assert torch.equal(references.nearest_images(shifted), references.images[7:9])


def test_pca_is_the_best_linear_description(references, images):
    f = references.statistics.double().numpy()
    mean = f.mean(0)
    directions = np.linalg.svd(f - mean, full_matrices=False)[2][:5]
    unseen = autocorrelation(images).flatten(1).double().numpy() - mean
    expected = ((unseen - unseen @ directions.T @ directions) ** 2).mean(1)
    np.testing.assert_allclose(references.pca_errors(images, 5).numpy(), expected, rtol=1e-3)


def test_more_components_describe_better(references):
    errors = [references.pca_errors(references.images, k).mean() for k in (1, 3, 9, 30)]
    assert errors == sorted(errors, reverse=True)


def test_images_with_a_gradient(images):
    wanted, found = Baselines(images), Baselines(images.clone().requires_grad_())
    asked = images.clone().requires_grad_()
    for method, more in (("mean_errors", ()), ("pca_errors", (3,)), ("nearest_images", ())):
        made = getattr(found, method)(asked, *more)
        assert torch.equal(made, getattr(wanted, method)(images, *more))
        assert not made.requires_grad


@pytest.mark.parametrize("components", [0, 2.5, "nine"])
def test_components_are_checked(references, images, components):
    with pytest.raises((TypeError, ValueError), match="expected components"):
        references.pca_errors(images, components)


@pytest.mark.parametrize("method", ["mean_errors", "nearest_images", "pca_errors"])
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 1, 16, 16), r"expected images of 32 x 32 pixels, as the training images are, got .*16, 16"),
        (torch.zeros(32, 32), r"expected images of shape \(n, 1, height, width\), got"),
        (torch.zeros(2, 3, 32, 32), r"expected images of shape \(n, 1, height, width\), got"),
        (np.zeros((2, 1, 32, 32)), "expected the phase image as a torch tensor, got a ndarray"),
    ],
)
def test_other_images_than_it_was_made_for(references, method, images, message):
    with pytest.raises((TypeError, ValueError), match=message):
        getattr(references, method)(images, *([3] if method == "pca_errors" else []))
    if images.shape[-1] == 32:
        with pytest.raises((TypeError, ValueError), match=message):
            Baselines(images)


def test_more_components_than_there_can_be(references, images):
    with pytest.raises(
        ValueError, match="expected components of at most 60, as there are 60 training images of 1024 p"
    ):
        references.pca_errors(images, 61)


def test_weighted_components_hold_what_counts(references, images):
    weight = torch.ones(32, 32)
    weight[0, 0] = 1e3  # the volume fraction counts most
    f = autocorrelation(images)
    kept, plain = (references.pca_statistics(images, 3, weight=w) for w in (weight, None))
    assert kept.shape == f.shape
    assert (kept - f)[..., 0, 0].abs().max() < 1e-4 < (plain - f)[..., 0, 0].abs().max()
    assert (kept - f).square().mean() > (plain - f).square().mean()


@pytest.mark.parametrize("weight", [torch.zeros(32, 32), torch.ones(31, 32), 2.0])
def test_weights_are_checked(references, images, weight):
    with pytest.raises(ValueError, match="expected weights above 0 of shape"):
        references.pca_statistics(images, 3, weight=weight)
