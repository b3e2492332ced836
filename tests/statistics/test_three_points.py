import itertools

import pytest
import torch
from hypothesis import given

from microtutor.statistics import autocorrelation, lineal_path, three_point_statistics
from tests.statistics.counting import SHAPES, boundaries, close, grey, mean_of_products, phase, shifts
from tests.strategies import phase_images


@pytest.mark.parametrize("shape", [s for s in SHAPES if s != (3, 3, 3)])
def test_triples_by_counting(shape):
    ndim = len(shape)
    m, mask = phase(*shape, share=0.7), grey(*shape, seed=1) * phase(*shape, seed=2, share=0.8)
    every = list(itertools.product(*(shifts(n) for n in shape)))
    origin, one = every[0], every[len(every) // 3]
    for boundary, weight in itertools.product(boundaries(ndim), (None, mask)):
        options = {"boundary": boundary, "mask": weight, "ndim": ndim}
        wanted = [mean_of_products([m] * 3, [origin, one, two], boundary, weight) for two in every]
        wanted = torch.tensor(wanted, dtype=torch.float64)
        close(three_point_statistics(m, one, **options), wanted.reshape(shape), 1e-13)
        close(three_point_statistics(m, [one] * len(every), every, **options), wanted, 1e-13)


@given(phase_images(side=5))
def test_two_points_are_a_special_case(m):
    m = m.round()
    f = autocorrelation(m)
    close(three_point_statistics(m, (0, 0)), f)
    for r in ((1, 0), (0, 1), (2, 3)):
        here = tuple(i % n for i, n in zip(r, m.shape))
        close(three_point_statistics(m, r, r), f[here])
        close(three_point_statistics(m, r)[0, 0], f[here])
        close(three_point_statistics(m, r).sum(), m.sum() * f[here], 1e-12)
        assert (three_point_statistics(m, r) <= f + 1e-14).all()


def test_three_in_a_row_are_a_segment():
    m = phase(3, 8, 9, share=0.8)
    for boundary in ("periodic", "open"):
        close(three_point_statistics(m, (0, 1), (0, 2), boundary=boundary), lineal_path(m, boundary=boundary)[:, 2])


def test_order_does_not_matter_and_a_mirror_does():
    m = torch.tensor([[1.0, 1, 0, 1, 0, 0, 0, 0]])
    one, two = (0, 1), (0, 3)
    assert three_point_statistics(m, one, two) == three_point_statistics(m, two, one) == 1 / 8
    assert three_point_statistics(m.flip(1), one, two) == 0  # two-point statistics are the same for both


def test_shapes_lists_and_layouts():
    m = phase(2, 3, 6, 5)
    assert three_point_statistics(m, (0, 1)).shape == (2, 3, 6, 5)
    assert three_point_statistics(m, [(0, 1), (2, 2)]).shape == (2, 3, 2, 6, 5)
    assert three_point_statistics(m, (0, 1), (1, 1)).shape == (2, 3)
    assert three_point_statistics(m, [(0, 1)], [(1, 1)]).shape == (2, 3, 1)
    window = three_point_statistics(m, (0, 1), max_shift=1)
    close(window, three_point_statistics(m, (0, 1), centred=True)[..., 2:5, 1:4])
    whole = three_point_statistics(m, (0, 1), boundary="open")
    close(three_point_statistics(m.mT.contiguous().mT, (0, 1), boundary="open"), whole)
    close(three_point_statistics(m > 0, (0, 1), boundary="open").double(), whole, 1e-6)
    close(three_point_statistics(m, torch.tensor([0, 1]).numpy(), boundary="open"), whole)
    for empty in (m[:0], m[:, :0]):
        assert three_point_statistics(empty, (0, 1)).shape == empty.shape
        assert three_point_statistics(empty, (0, 1), (0, 2), boundary="open").shape == empty.shape[:2]
    assert three_point_statistics(m.half(), (0, 1), (0, 2), boundary="open").dtype == torch.float32


def test_no_triples():
    m = torch.ones(3, 4)
    assert three_point_statistics(m, (0, 4), (0, 1), boundary="open").isnan()
    assert three_point_statistics(m, (0, 3), (0, -1), boundary="open").isnan()
    assert three_point_statistics(m, (0, 4), (0, 1)) == 1
    assert three_point_statistics(m, (0, 3), boundary="open")[0].isnan().tolist() == [False, False, True, True]


def test_gradients():
    m, mask = (0.1 + 0.8 * grey(4, 5)).requires_grad_(), grey(4, 5, seed=1)
    for options in ({}, {"boundary": "open"}, {"mask": mask}):
        assert torch.autograd.gradcheck(lambda x: three_point_statistics(x, (0, 1), **options).nan_to_num(), m)  # noqa: B023
        assert torch.autograd.gradcheck(lambda x: three_point_statistics(x, (0, 1), (1, -1), **options), m)  # noqa: B023


def test_bad_shifts():
    m = torch.zeros(4, 5)
    for shift in (1, (1,), (1, 2, 3), (0.5, 1.0), [], [(1, 2), (3,)], "ab"):
        with pytest.raises(ValueError, match="first shift as 2 whole numbers, or a list of such"):
            three_point_statistics(m, shift)
    with pytest.raises(ValueError, match="expected one second shift for each first"):
        three_point_statistics(m, [(0, 1)], [(0, 1), (0, 2)])
    with pytest.raises(ValueError, match="expected one second shift for each first"):
        three_point_statistics(m, (0, 1), [(0, 1)])
