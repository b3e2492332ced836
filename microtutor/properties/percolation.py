"""Whether a phase has a way through: connected paths that go once around the periodic cell."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from microtutor.checks import check_bool, check_phase
from microtutor.statistics.clusters import number_clusters


def percolates(image: Tensor, *, corners: bool = True) -> Tensor:
    """Whether a phase has a path around the periodic cell along x (right) and along y (down).

    Args:
        image: phase indicator in [0, 1], shape (..., H, W); pixels of at least 0.5 belong to the phase.
        corners: whether pixels that share only a corner are connected. In `effective_conductivity` flux passes wherever
            there is a path without corners, none where there is not even one with them, and some corners straight on.

    Returns:
        Bool tensor of shape (..., 2): along x, along y.

    >>> percolates(torch.tensor([[0.0, 1.0]] * 2))  # vertical layers
    tensor([False,  True])
    """
    image = check_phase(image)
    check_bool(corners, name="corners")
    masks = (image.detach() >= 0.5).cpu().numpy().reshape(-1, *image.shape[-2:])
    # open: on the torus, parts are joined, and which way around is lost
    labels, _ = number_clusters(masks, ("open", "open"), diagonals=corners)
    found = [_directions(parts, corners) for parts in labels]
    return torch.tensor(found, device=image.device).reshape(*image.shape[:-2], 2)


def _directions(labels: np.ndarray, corners: bool) -> tuple[bool, bool]:
    """Along x and along y, from the connected parts of the open image and the steps across its borders.

    Each step across a border leads from one part to another (or itself) in the next copy of the cell. Walk along such
    steps and write down in which copy each part is met first; meeting it again in another copy closes a path around.
    """
    steps = _steps_across(labels, corners)
    along = [False, False]
    met: dict[int, tuple[int, int]] = {}
    for start in steps:
        if start in met:
            continue
        met[start] = (0, 0)
        waiting = [start]
        while waiting:
            part = waiting.pop()
            for other, x, y in steps[part]:
                copy = (met[part][0] + x, met[part][1] + y)
                if other not in met:
                    met[other] = copy
                    waiting.append(other)
                along = [was or there != here for was, there, here in zip(along, copy, met[other])]
    return along[0], along[1]


def _steps_across(labels: np.ndarray, corners: bool) -> dict[int, set[tuple[int, int, int]]]:
    """For each connected part: the parts it touches across the borders, with the change of cell in x and y."""
    rows, columns = np.indices(labels.shape)
    steps: dict[int, set[tuple[int, int, int]]] = {}
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1))[: 4 if corners else 2]:
        y, x = (rows + down) // labels.shape[0], (columns + right) // labels.shape[1]
        other = np.roll(labels, (-down, -right), (0, 1))
        crossing = ((x != 0) | (y != 0)) & (labels > 0) & (other > 0)
        here = np.stack([labels[crossing], other[crossing], x[crossing], y[crossing]], 1)
        for a, b, dx, dy in np.unique(here, axis=0).tolist():
            steps.setdefault(a, set()).add((b, dx, dy))
            steps.setdefault(b, set()).add((a, -dx, -dy))
    return steps
