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

    >>> label_clusters(torch.tensor([[1., 0., 1., 1., 0., 1.]]))
    tensor([[1, 0, 2, 2, 0, 1]])

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
    clusters, counts = number_clusters(flat, boundaries, diagonals=diagonals)
    before = (np.cumsum(counts) - counts).reshape(-1, *(1,) * ndim)
    return torch.from_numpy((clusters - before) * flat).reshape(m.shape).to(m.device)


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


def number_clusters(
    phase: np.ndarray, boundaries: Sequence[Boundary], *, diagonals: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Number the connected clusters of images (n, ...) of bool, all in one go, on from image to image.

    On periodic axes the first pixels of an image are put after its last ones, too. Both copies of a pixel belong to one
    cluster, which joins what meets across the border.

    Args:
        phase: where the phase is, shape (n, ...).
        boundaries: "periodic" or "open", for each axis but the first.
        diagonals: as for `label_clusters`.

    Returns:
        The number of the cluster of each pixel, shape of phase, 0 outside; the number of clusters in each image, (n,).

    >>> labels, counts = number_clusters(np.array([[True, False, True], [False, True, False]]), ["periodic"])
    >>> labels.tolist(), counts.tolist()
    ([[1, 0, 1], [0, 2, 0]], [1, 1])
    """
    around = ndimage.generate_binary_structure(phase.ndim - 1, phase.ndim - 1 if diagonals else 1)
    structure = np.stack([np.zeros_like(around), around, np.zeros_like(around)])  # no way from one image to the next
    ends = [(0, 0), *((0, int(boundary == "periodic")) for boundary in boundaries)]
    padded = np.pad(phase, ends, mode="wrap")
    labels = np.empty(padded.shape, dtype=np.int32)
    number = int(ndimage.label(padded, structure, output=labels)) + 1  # type: ignore[arg-type]
    copies = [labels.take((0, -1), axis).swapaxes(0, axis).reshape(2, -1) for axis, end in enumerate(ends) if end[1]]
    first, last = np.concatenate([np.zeros((2, 1), dtype=np.int32), *copies], 1)
    same = coo_array((np.ones(len(first)), (first, last)), shape=(number, number))
    clusters = connected_components(same, directed=False)[1][labels[tuple(slice(n) for n in phase.shape)]]
    # both functions of SciPy number in the order of the first pixels: the background is 0, then image after image
    largest = np.maximum.accumulate(clusters.reshape(len(phase), -1).max(1))
    return clusters, np.diff(largest, prepend=0)


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
