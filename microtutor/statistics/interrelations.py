"""Which of the n * n correlations of n phases are needed, and how the others follow from them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from microtutor.checks import check_bool, check_count, check_field, quote
from microtutor.statistics.fft import checked_pairs, spatial_axes

Pair = tuple[int, int]


def independent_pairs(phases: int, *, fewest: bool = False) -> list[Pair]:
    """Pairs of phases whose correlations determine those of all pairs, for `two_point_statistics` and `complete_set`.

    >>> independent_pairs(3), independent_pairs(3, fewest=True)
    ([(0, 0), (0, 1), (1, 1)], [(0, 0), (0, 1)])

    Args:
        phases: number of phases n.
        fewest: n - 1 pairs only, phase 0 with all but the last. The others then follow by divisions by the spectrum of
            phase 0, which fail where it vanishes, as it does in regular structures. By default the n (n - 1) / 2
            pairs (i, j) with i <= j, none of them the last phase: the others always follow by sums.

    Raises:
        TypeError, ValueError: phases is no whole number of at least 2.

    Source: Niezgoda, Fullwood & Kalidindi (2008), for the n - 1 pairs.
    """
    known = range(check_count(phases, name="phases", minimum=2) - 1)
    return (
        [(0, j) for j in known]
        if check_bool(fewest, name="fewest")
        else list(itertools.combinations_with_replacement(known, 2))
    )


def complete_set(f: Tensor, pairs: Sequence[Pair] | None = None, *, phases: int, ndim: int = 2) -> Tensor:
    """All correlations of an n-phase structure from an independent set of them.

    Three rules are used until nothing new follows: f_ji(r) = f_ij(-r); every point is in one of the phases, so that
    the f_ij add up to the volume fraction of i over j, and to that of j over i; and, where one phase's correlations
    with all others are known, those of the others are f_ab = conj(f_ra) f_rb / f_rr in Fourier space. The division
    loses what it divides by: digits are lost where the spectrum of that phase is small, and where it vanishes nothing
    about the other phases can be known.

    Args:
        f: periodic, whole maps of the pairs, zero shift at index 0, shape (..., pairs, H, W), of phases that are 0 or 1
            and fill the image. Give float64 if the pairs are the fewest.
        pairs: which pairs (i, j) they are; by default `independent_pairs(phases)`.
        phases: number of phases n.
        ndim: number of spatial axes.

    Returns:
        Shape (..., n, n, H, W), as from `two_point_statistics`.

    Raises:
        ValueError: the pairs do not determine all others, or a spectrum that has to be divided by vanishes somewhere;
            it says at how many frequencies.

    Source: Niezgoda, Fullwood & Kalidindi (2008).

    >>> from microtutor.statistics import two_point_statistics
    >>> m = torch.tensor([[[1., 0., 0., 1.]], [[0., 1., 0., 0.]], [[0., 0., 1., 0.]]])  # three phases in a row
    >>> f = two_point_statistics(m, pairs=independent_pairs(3))
    >>> torch.allclose(complete_set(f, phases=3), two_point_statistics(m), atol=1e-6)
    True
    """
    f = check_field(f, ndim=check_count(ndim, name="ndim") + 1, name="statistics", empty=True)
    count = check_count(phases, name="phases", minimum=2)
    chosen = independent_pairs(count) if pairs is None else checked_pairs(pairs, count)
    if len(chosen) != f.shape[-ndim - 1]:
        raise ValueError(
            f"expected one map for each pair of {count} phases, got {f.shape[-ndim - 1]} for {quote(chosen)}"
        )
    known = dict(zip(chosen, f.unbind(-ndim - 1), strict=True))
    _follow_by_sums(known, count, ndim)
    if len(known) < count**2:
        _follow_by_division(known, count, ndim)
        _follow_by_sums(known, count, ndim)
    if len(known) < count**2:
        missing = [pair for pair in itertools.product(range(count), repeat=2) if pair not in known]
        raise ValueError(
            f"expected pairs that determine all others, got {quote(chosen)}, which leave {quote(missing)} open; "
            "take independent_pairs(phases)"
        )
    rows = [torch.stack([known[i, j] for j in range(count)], -ndim - 1) for i in range(count)]
    return torch.stack(rows, -ndim - 2)


def _follow_by_sums(known: dict[Pair, Tensor], count: int, ndim: int) -> None:
    """Add what follows from f_ji(r) = f_ij(-r), and from sums over one of the phases."""
    before = 0
    while before < len(known):
        before = len(known)
        for (i, j), f in list(known.items()):
            known.setdefault((j, i), f.flip(spatial_axes(ndim)).roll((1,) * ndim, spatial_axes(ndim)))
        for i in range(count):
            others = [j for j in range(count) if (i, j) not in known]
            if len(others) == 1 and (i, i) in known:
                fraction = known[i, i][(..., *(slice(1),) * ndim)]
                known[i, others[0]] = fraction - torch.stack([known[i, j] for j in range(count) if j != others[0]]).sum(
                    0
                )
        lone = [i for i in range(count) if (i, i) not in known]
        if len(lone) == 1 and len(known) == count**2 - 1:  # the last phase with itself: all n * n add up to 1
            known[lone[0], lone[0]] = 1 - torch.stack(list(known.values())).sum(0)


def _follow_by_division(known: dict[Pair, Tensor], count: int, ndim: int) -> None:
    """Add the correlations among the other phases from those of one phase with all."""
    full = [i for i in range(count) if all((i, j) in known for j in range(count))]
    if not full:
        return
    like = known[full[0], 0]
    device = "cpu" if like.device.type == "mps" else like.device  # mps has no float64
    spectra = {
        i: torch.fft.fftn(known[full[0], i].to(device, torch.float64), dim=spatial_axes(ndim)) for i in range(count)
    }
    own = spectra[full[0]].real
    pixels = math.prod(own.shape[-ndim:])
    # Rounding leaves about eps * f(0) in each value of f, and root N times that in each of its N frequencies.
    noise = 10 * torch.finfo(like.dtype).eps * pixels**0.5 * known[full[0], full[0]].amax(spatial_axes(ndim), True)
    lost = own <= noise.to(device)
    if lost.any():
        raise ValueError(
            f"expected a spectrum of phase {full[0]} that vanishes nowhere, to divide by, but it does at "
            f"{int(lost.sum())} of {lost.numel()} frequencies, where the other phases cannot be known; "
            "take independent_pairs(phases), from which all follow by sums"
        )
    for i, j in itertools.product(range(count), repeat=2):
        if (i, j) not in known:
            quotient = torch.fft.ifftn(spectra[i].conj() * spectra[j] / own, dim=spatial_axes(ndim)).real
            known[i, j] = quotient.to(like)
