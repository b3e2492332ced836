"""Connected clusters of a phase, and the two-point statistics of pairs within one cluster. Not differentiable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from microtutor.statistics.correlations import Boundary, _full_precision, autocorrelation
from microtutor.statistics.descriptors import _prepared

AT_ONCE = 2**22  # numbers in the images of the clusters that are correlated together


def label_clusters(
    m: Tensor,
    *,
    boundary: Boundary | Sequence[Boundary] = "periodic",
    mask: Tensor | None = None,
    ndim: int = 2,
    diagonals: bool = False,
) -> Tensor:
    """Number the connected clusters of a phase: 1, 2, 3, ... in each image, and 0 outside the phase.

    Args:
        m: two-valued phase, 0 or 1, shape (..., H, W).
        boundary: "periodic" joins what meets across opposite borders, "open" does not; or one for each axis.
        mask: confidence in each pixel, shape (H, W) or that of m; pixels with none belong to no cluster.
        ndim: number of spatial axes.
        diagonals: whether pixels that touch at a corner or an edge only are connected, too.

    Returns:
        int64, shape of m, on its device.

    Raises:
        TypeError, ValueError: as `autocorrelation`; m has other values than 0 and 1.

    >>> label_clusters(torch.tensor([[1., 0., 1., 1., 0., 1.]]))
    tensor([[1, 0, 2, 2, 0, 1]])
    """
    m, weight, boundaries = _prepared(m, mask, boundary, ndim)
    if not ((m == 0) | (m == 1)).all():
        raise ValueError(
            "expected a two-valued phase image, 0 or 1, got values between; threshold it: (m > 0.5).float()"
        )
    phase = m == 1 if weight is None else (m == 1) & (weight > 0)
    if not m.numel():
        return torch.zeros_like(m, dtype=torch.long)
    flat = phase.cpu().numpy().reshape(-1, *m.shape[-ndim:])
    labels = np.stack([_labels(image, boundaries, diagonals) for image in flat])
    return torch.from_numpy(labels).reshape(m.shape).to(m.device)


def two_point_cluster(
    m: Tensor,
    *,
    boundary: Boundary | Sequence[Boundary] = "periodic",
    mask: Tensor | None = None,
    ndim: int = 2,
    centred: bool = False,
    max_shift: int | None = None,
    diagonals: bool = False,
) -> Tensor:
    """Two-point cluster function: the chance that x and x + r lie in one and the same connected cluster of the phase.

    It is the sum of the autocorrelations of the clusters, lies between the lineal path and the autocorrelation, and
    stays high at long shifts where a cluster spans the image. Not differentiable.

    Args:
        m: two-valued phase, 0 or 1, shape (..., H, W).
        diagonals: as for `label_clusters`.
        boundary, mask, ndim, centred, max_shift: as for `autocorrelation`; clusters are connected across periodic
            borders, not across open ones, and not through pixels of no confidence.

    Returns:
        C2(r), laid out like the result of `autocorrelation`.

    Raises:
        TypeError, ValueError: as `label_clusters` and `autocorrelation`.

    Source: Torquato, Beasley & Chiew (1988).

    >>> two_point_cluster(torch.tensor([[1., 0., 1., 1., 0., 0.]]))[0].round(decimals=4).abs()
    tensor([0.5000, 0.1667, 0.0000, 0.0000, 0.0000, 0.1667])
    """
    labels = label_clusters(m, boundary=boundary, mask=mask, ndim=ndim, diagonals=diagonals)
    options = {"boundary": boundary, "ndim": ndim, "centred": centred, "max_shift": max_shift}
    like = _full_precision(m if m.is_floating_point() else m.float())
    shape = labels.shape
    if not labels.numel():
        return autocorrelation(like, mask=mask, **options)
    masks = None if mask is None else mask.expand(shape).reshape(-1, *shape[-ndim:])
    found = []
    for i, image in enumerate(labels.reshape(-1, *shape[-ndim:])):
        weight = None if masks is None else masks[i]
        parts = [autocorrelation(part, mask=weight, **options).sum(0) for part in _clusters(image, like.dtype)]
        found.append(sum(parts[1:], start=parts[0]))
    return torch.stack(found).reshape(*shape[:-ndim], *found[0].shape)


def _labels(phase: np.ndarray, boundaries: Sequence[Boundary], diagonals: bool) -> np.ndarray:
    """Labels of one image; on periodic axes its first pixels stand after its last ones too, and tell what is one."""
    structure = ndimage.generate_binary_structure(phase.ndim, phase.ndim if diagonals else 1)
    ends = [(0, int(boundary == "periodic")) for boundary in boundaries]
    labels = np.zeros([n + end for n, (_, end) in zip(phase.shape, ends, strict=True)], dtype=np.int32)
    ndimage.label(np.pad(phase, ends, mode="wrap"), structure, output=labels)
    inside = labels[tuple(slice(n) for n in phase.shape)]
    again = np.pad(inside, ends, mode="wrap")
    number = int(labels.max()) + 1
    same = coo_array((np.ones(labels.size), (labels.ravel(), again.ravel())), shape=(number, number))
    group = connected_components(same, directed=False)[1][inside]
    group[~phase] = -1
    values, first, place = np.unique(group, return_index=True, return_inverse=True)
    background = int(values[0] == -1)
    rank = np.zeros(len(values), dtype=np.int64)
    rank[np.argsort(first[background:]) + background] = np.arange(1, len(values) + 1 - background)
    return rank[place].reshape(phase.shape)


def _clusters(labels: Tensor, dtype: torch.dtype) -> Iterator[Tensor]:
    """The images of the clusters of one image, some at a time; without any cluster, an empty image."""
    count = max(1, int(labels.max()))
    step = max(1, AT_ONCE // labels.numel())
    for i in range(1, count + 1, step):
        numbers = torch.arange(i, min(i + step, count + 1), device=labels.device)
        yield (labels == numbers.reshape(-1, *(1,) * labels.ndim)).to(dtype)
