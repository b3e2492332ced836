"""Connected clusters of a phase, and the two-point statistics of pairs within one cluster. Not differentiable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from microtutor.checks import check_bool
from microtutor.statistics.correlations import autocorrelation
from microtutor.statistics.descriptors import prepared_phase
from microtutor.statistics.fft import Boundary, shifts_in_reach, spatial_axes

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
    m, weight, boundaries = prepared_phase(m, mask, boundary, ndim)
    check_bool(diagonals, name="diagonals")
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
    m, weight, boundaries = prepared_phase(m, mask, boundary, ndim)
    shape, options = m.shape[-ndim:], {"boundary": boundaries, "ndim": ndim}
    if not labels.numel():
        return autocorrelation(m, mask=mask, centred=centred, max_shift=max_shift, **options)
    masks = [None] * labels.shape[:-ndim].numel() if weight is None else weight.expand(m.shape).reshape(-1, *shape)
    found = []
    for image, confidence in zip(labels.reshape(-1, *shape), masks, strict=True):
        small, large = _by_size(image)
        parts = _clusters(image, large, m.dtype)
        f = sum(autocorrelation(part, mask=confidence, **options).sum(0) for part in parts)
        found.append(f + _pairs_one_by_one(image, small, confidence, boundaries).to(m))
    return _window(torch.stack(found).reshape(m.shape), ndim, centred, max_shift)


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


def _by_size(labels: Tensor) -> tuple[Tensor, Tensor]:
    """The clusters with so few pixels that counting their pairs is quicker than a transform, and the others."""
    sizes = torch.bincount(labels.flatten())
    sizes[0] = 0
    few = sizes.square() <= labels.numel()
    return ((sizes > 0) & few).nonzero()[:, 0], (~few).nonzero()[:, 0]


def _clusters(labels: Tensor, numbers: Tensor, dtype: torch.dtype) -> Iterator[Tensor]:
    """The images of some clusters of one image, a few at a time; without any, one empty image."""
    if not len(numbers):
        yield torch.zeros_like(labels, dtype=dtype)[None]
    for some in numbers.split(max(1, AT_ONCE // labels.numel())):
        yield (labels == some.reshape(-1, *(1,) * labels.ndim)).to(dtype)


def _pairs_one_by_one(labels: Tensor, numbers: Tensor, weight: Tensor | None, boundaries: Sequence[Boundary]) -> Tensor:
    """The map of the pairs within some clusters of one image, float64, by counting, over the number of all pairs."""
    shape, sides = labels.shape, np.array(labels.shape)
    confidence = np.ones(labels.numel()) if weight is None else weight.cpu().double().flatten().numpy()
    flat = labels.flatten().cpu().numpy()
    order = np.argsort(flat, kind="stable")
    starts = np.asarray(np.searchsorted(flat[order], numbers.cpu().numpy()))
    sizes = np.bincount(flat)[numbers.cpu().numpy()]
    total = np.zeros(flat.size)
    for size in np.unique(sizes):
        pixels = order[starts[sizes == size][:, None] + np.arange(size)]  # (clusters of this size, size)
        places = np.stack(np.unravel_index(pixels, shape), -1)
        shift = places[:, None] - places[:, :, None]
        both = confidence[pixels[:, None]] * confidence[pixels[:, :, None]]
        is_open = np.array([boundary == "open" for boundary in boundaries])
        kept = (~is_open | ((shift >= -(sides // 2)) & (shift < (sides + 1) // 2))).all(-1)
        index = np.asarray(np.ravel_multi_index(tuple(np.moveaxis(shift % sides, -1, 0)), shape))
        total += np.bincount(index[kept], weights=both[kept], minlength=flat.size)
    steps = [np.abs(np.fft.fftfreq(n, 1 / n).round()) for n in shape]
    lengths = [n - step if boundary == "open" else 0 * step + n for n, step, boundary in zip(shape, steps, boundaries)]
    pairs = torch.from_numpy(np.prod(np.stack(np.meshgrid(*lengths, indexing="ij")), 0))
    if weight is not None:
        pairs = pairs * autocorrelation(weight.cpu().double(), boundary=boundaries, ndim=len(shape))
    return torch.from_numpy(total.reshape(shape)) / torch.where(pairs > 1e-12, pairs, torch.inf)


def _window(f: Tensor, ndim: int, centred: bool, max_shift: int | None) -> Tensor:
    """Of whole maps with zero shift at index 0, what the caller wants to see."""
    if check_bool(centred, name="centred") and max_shift is None:
        return torch.fft.fftshift(f, dim=spatial_axes(ndim))
    if max_shift is None:
        return f
    reach = shifts_in_reach(f.shape[-ndim:], max_shift)
    f = torch.fft.fftshift(f, dim=spatial_axes(ndim))
    for axis, (low, high) in zip(spatial_axes(ndim), reach, strict=True):
        f = f.narrow(axis, f.shape[axis] // 2 + low, high - low + 1)
    return f
