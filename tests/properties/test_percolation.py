import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from microtutor.properties import effective_conductivity, percolates
from tests.properties.images import random_image
from tests.strategies import phase_images


def rows(*lines):
    return torch.tensor([[float(c == "#") for c in line] for line in lines])


@pytest.mark.parametrize(
    ("image", "along_x", "along_y"),
    [
        (rows("#"), True, True),
        (rows("."), False, False),
        (rows("##", ".."), True, False),
        (rows("...", ".#.", "..."), False, False),
        (rows(".#.", "###", ".#."), True, True),
        (rows("#..", ".#.", "..#"), True, True),  # a diagonal goes around both ways at once
        (rows("#.#", "...", "#.#"), False, False),  # one island around the corner of the cell
        (rows("##..", ".##.", "..##", "...."), False, False),  # the stair is interrupted
        (rows("##..", "..##", "....", "...."), True, False),
        (rows("#...", ".###", "...."), True, False),
    ],
)
def test_by_hand(image, along_x, along_y):
    assert percolates(image).tolist() == [along_x, along_y]
    assert percolates(image.mT).tolist() == [along_y, along_x]
    for down in range(image.shape[0]):
        for right in range(image.shape[1]):
            assert percolates(image.roll((down, right), (0, 1))).tolist() == [along_x, along_y]


def test_corners():
    diagonal = torch.eye(4)
    assert percolates(diagonal).tolist() == [True, True]
    assert percolates(diagonal, corners=False).tolist() == [False, False]
    assert percolates(rows("##.", ".##", "#.#"), corners=False).tolist() == [True, True]


def test_a_batch_and_grey_pixels():
    images = torch.stack([rows("##", ".."), rows("#.", "#.")])[:, None]
    assert percolates(images).tolist() == [[[True, False]], [[False, True]]]
    assert torch.equal(percolates(images), percolates(0.5 * images))


@given(phase_images(), st.integers(0, 10**6))
def test_flux_in_a_vacuum_follows_the_paths(image, seed):
    for m in ((image >= 0.5).double(), random_image(*image.shape, seed)):
        flows = effective_conductivity(m, (0.0, 1.0), tolerance=1e-9).diagonal() > 1e-6
        assert (flows >= percolates(m, corners=False)).all()
        assert (flows <= percolates(m)).all()


def test_bad_input():
    with pytest.raises(ValueError, match=r"values in \[0, 1\]"):
        percolates(torch.full((2, 2), 3.0))
