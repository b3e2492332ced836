import itertools

import numpy as np
import pytest
import torch
from hypothesis import given

from microtutor.statistics import autocorrelation, label_clusters, lineal_path, two_point_cluster
from microtutor.statistics import clusters as module
from tests.statistics.counting import SHAPES, boundaries, close, grey, pair_map, phase
from tests.strategies import phase_images


def flooded(m, boundary, diagonals):
    """Clusters by flooding from pixel to pixel, numbered in the order in which their first pixels come."""
    shape, labels, number = m.shape, torch.zeros(m.shape, dtype=torch.long), 0
    steps = [s for s in itertools.product((-1, 0, 1), repeat=m.ndim) if any(s) and (diagonals or sum(map(abs, s)) == 1)]
    for start in np.ndindex(*shape):
        if not m[start] or labels[start]:
            continue
        number += 1
        labels[start], border = number, [start]
        while border:
            x = border.pop()
            for step in steps:
                y = tuple((i + s) % n if b == "periodic" else i + s for i, s, n, b in zip(x, step, shape, boundary))
                if all(0 <= i < n for i, n in zip(y, shape)) and m[y] and not labels[y]:
                    labels[y] = number
                    border.append(y)
    return labels


@pytest.mark.parametrize("shape", [*SHAPES, (7, 6), (2, 2)])
@pytest.mark.parametrize("diagonals", [False, True])
def test_labels_by_flooding(shape, diagonals):
    for boundary, seed in itertools.product(boundaries(len(shape)), range(4)):
        m = phase(*shape, seed=seed)
        options = {"boundary": boundary, "ndim": len(shape), "diagonals": diagonals}
        assert torch.equal(label_clusters(m, **options), flooded(m, boundary, diagonals))
        mask = phase(*shape, seed=seed + 9, share=0.7)
        assert torch.equal(label_clusters(m, mask=mask, **options), flooded(m * mask, boundary, diagonals))


@pytest.mark.parametrize("shape", [(6,), (4, 5), (1, 6), (5, 1), (3, 2, 4)])
def test_pairs_within_clusters_by_counting(shape):
    m, mask = phase(*shape, seed=3), grey(*shape, seed=1) * phase(*shape, seed=2, share=0.8)
    for boundary, weight in itertools.product(boundaries(len(shape)), (None, mask)):
        labels = flooded(m if weight is None else m * (weight > 0), boundary, False)
        wanted = sum(
            (pair_map(part, part, boundary, weight) for part in ((labels == k).double() for k in range(1, 20))),
            start=torch.zeros(shape, dtype=torch.float64),
        )
        found = two_point_cluster(m, boundary=boundary, mask=weight, ndim=len(shape))
        close(found, wanted, 1e-13)


@given(phase_images(side=7))
def test_between_the_lineal_path_and_the_autocorrelation(m):
    m = m.round()
    c, f = two_point_cluster(m), autocorrelation(m)
    assert (c <= f + 1e-14).all()
    half = (m.shape[1] - 1) // 2 + 1
    assert (lineal_path(m)[:half] <= c[0, :half] + 1e-14).all()
    close(c[0, 0], m.mean())
    sizes = torch.bincount(label_clusters(m).flatten())[1:].double()
    close(c.sum(), sizes.square().sum() / m.numel(), 1e-12)


def test_one_cluster_and_many():
    whole = torch.ones(5, 6)
    close(two_point_cluster(whole), autocorrelation(whole), 1e-6)
    board = (torch.arange(6)[:, None] + torch.arange(6)) % 2.0
    alone = two_point_cluster(board)
    assert alone[0, 0] == pytest.approx(0.5)
    assert alone.flatten()[1:].abs().max() < 1e-7
    close(two_point_cluster(board, diagonals=True), autocorrelation(board), 1e-6)


def test_large_clusters_and_small_ones():
    """Some have more pixels than the root of those of the image and are transformed, the others are counted."""
    m, mask = phase(20, 24, seed=1, share=0.5), grey(20, 24)
    sizes = torch.bincount(label_clusters(m).flatten())[1:]
    assert (sizes.square() > m.numel()).sum() > 1 < (sizes.square() <= m.numel()).sum()
    for boundary, weight in itertools.product(boundaries(2), (None, mask)):
        labels = label_clusters(m, boundary=boundary)
        parts = torch.stack([(labels == k).double() for k in range(1, int(labels.max()) + 1)])
        wanted = autocorrelation(parts, boundary=boundary, mask=weight).sum(0)
        close(two_point_cluster(m, boundary=boundary, mask=weight), wanted, 1e-13)


def test_clusters_too_many_for_one_go(monkeypatch):
    m = phase(2, 24, 20, seed=1, share=0.5)
    wanted = two_point_cluster(m)
    monkeypatch.setattr(module, "AT_ONCE", 100)
    close(two_point_cluster(m), wanted)


def test_batches_windows_dtypes():
    m, mask = phase(2, 3, 6, 5), grey(2, 1, 6, 5)
    for options in ({}, {"boundary": "open"}, {"boundary": ("open", "periodic")}):
        whole, labels = two_point_cluster(m, mask=mask, **options), label_clusters(m, **options)
        for i, j in itertools.product(range(2), range(3)):
            close(two_point_cluster(m[i, j], mask=mask[i, 0], **options), whole[i, j])
            assert torch.equal(label_clusters(m[i, j], **options), labels[i, j])
        close(two_point_cluster(m.mT.contiguous().mT, mask=mask, **options), whole)
        window = two_point_cluster(m, mask=mask, max_shift=1, **options)
        close(window, two_point_cluster(m, mask=mask, centred=True, **options)[..., 2:5, 1:4])
    assert two_point_cluster(m > 0).dtype == two_point_cluster(m.half()).dtype == torch.float32
    close(two_point_cluster(m > 0).double(), two_point_cluster(m), 1e-6)
    assert label_clusters(m).dtype == torch.long


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
def test_the_order_in_memory_does_not_matter(axes):
    m = phase(4, 5, 6, seed=2, share=0.6).permute(axes)
    wanted = torch.stack([flooded(image, ("periodic", "periodic"), False) for image in m])
    assert torch.equal(label_clusters(m), wanted)


def test_nothing():
    for m in (torch.zeros(0, 4, 5), torch.zeros(2, 0, 4, 5)):
        assert label_clusters(m).shape == two_point_cluster(m).shape == m.shape
        assert two_point_cluster(m, max_shift=1).shape == (*m.shape[:-2], 3, 3)
    assert label_clusters(torch.zeros(4, 5)).eq(0).all()
    assert two_point_cluster(torch.zeros(4, 5)).eq(0).all()
    assert two_point_cluster(torch.ones(4, 5), mask=torch.zeros(4, 5)).isnan().all()


def test_bad_input():
    with pytest.raises(ValueError, match="expected max_shift of at most 1 for a side of 4 pixels, got 2"):
        two_point_cluster(torch.zeros(4, 5), max_shift=2)
    for function in (label_clusters, two_point_cluster):
        with pytest.raises(ValueError, match="expected a two-valued phase image, 0 or 1, got values between"):
            function(torch.full((3, 3), 0.5))
        with pytest.raises(ValueError, match="at least one pixel"):
            function(torch.zeros(2, 0, 3))
        with pytest.raises(ValueError, match="expected boundary to be"):
            function(torch.zeros(3, 3), boundary="mirror")
        with pytest.raises(ValueError, match=r"mask with spatial shape \(3, 3\)"):
            function(torch.zeros(3, 3), mask=torch.ones(2, 3))
