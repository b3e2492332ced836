import pytest
import torch

from microtutor.training.finite import FirstNotFinite, all_finite, is_finite

BAD = [torch.nan, torch.inf, -torch.inf]


@pytest.mark.parametrize("bad", BAD)
def test_the_first_step_is_remembered(bad):
    seen = FirstNotFinite("cpu")
    assert seen.step() is None
    for step, value in ((1, 0.0), (2, bad), (3, 1.0), (4, bad)):
        seen.note(step, torch.tensor([0.5, value]))
        assert seen.step() == (None if step == 1 else 2)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_finite_tensors(bad, dtype):
    fine = torch.linspace(-1, 1, 12, dtype=dtype).reshape(3, 4)
    wrong = fine.clone()
    wrong[2, 1] = bad
    assert is_finite(fine)
    assert not is_finite(wrong)
    assert all_finite([fine, fine[:0], torch.tensor(3)])
    assert not all_finite([fine, wrong, fine])


def test_large_sums_in_half_precision_are_finite():
    assert is_finite(torch.full((1000,), 6e4, dtype=torch.float16))
