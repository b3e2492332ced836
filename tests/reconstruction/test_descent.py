import torch

from microtutor.reconstruction.descent import LBFGS, adam


def bowl(condition):
    """A quadratic loss x A x / 2 for each row, with eigenvalues from 1 to 10**condition; and its lowest point."""
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64, generator=generator)).Q
    stretch = torch.stack([torch.logspace(0, c, 6, dtype=torch.float64) for c in condition])
    matrix = torch.einsum("ik,bk,jk->bij", basis, stretch, basis)
    lowest = torch.randn(len(condition), 6, dtype=torch.float64, generator=generator)

    def evaluate(x, rows):
        slope = torch.einsum("bij,bj->bi", matrix[rows], x - lowest[rows])
        value = ((x - lowest[rows]) * slope).sum(1) / 2
        return value, slope, value

    return evaluate, lowest


def test_lbfgs_finds_the_lowest_point_of_each_row():
    evaluate, lowest = bowl((0, 1, 3))
    found = LBFGS(evaluate, torch.zeros_like(lowest), tolerance=1e-24).run(200, lambda error: None)
    torch.testing.assert_close(found, lowest)


def test_lbfgs_takes_fewer_steps_than_steepest_descent_would():
    evaluate, lowest = bowl((3,))
    steps = []
    LBFGS(evaluate, torch.zeros_like(lowest), tolerance=1e-12).run(1000, steps.append)
    assert len(steps) < 100  # steepest descent needs some thousand at a condition number of 1000


def test_lbfgs_on_a_curved_valley():
    """Rosenbrock's: an L-BFGS that forgets or mixes up its history gets stuck half-way."""

    def evaluate(x, rows):
        x = x.detach().requires_grad_()
        value = (1 - x[:, 0]) ** 2 + 100 * (x[:, 1] - x[:, 0] ** 2) ** 2
        (slope,) = torch.autograd.grad(value.sum(), x)
        return value.detach(), slope, value.detach()

    start = torch.tensor([[-1.2, 1.0], [0.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    found = LBFGS(evaluate, start, tolerance=1e-16).run(200, lambda error: None)
    torch.testing.assert_close(found, torch.ones(3, 2, dtype=torch.float64))


def test_lbfgs_rows_end_one_by_one():
    evaluate, lowest = bowl((0, 3))
    under_way = []
    LBFGS(evaluate, torch.zeros_like(lowest), tolerance=1e-10).run(200, lambda error: under_way.append(len(error)))
    assert under_way[0] == 2
    assert under_way[-1] == 1
    assert under_way == sorted(under_way, reverse=True)


def test_lbfgs_leaves_what_is_good_enough():
    evaluate, lowest = bowl((0, 2))
    found = LBFGS(evaluate, lowest + 1e-9, tolerance=1e-12).run(50, lambda error: None)
    assert torch.equal(found, lowest + 1e-9)


def test_adam_is_torch_adam():
    evaluate, lowest = bowl((1, 2))
    rows, x = torch.arange(2), torch.zeros_like(lowest, requires_grad=True)
    optimizer = torch.optim.Adam([x], lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 30)
    for _ in range(30):
        optimizer.zero_grad()
        x.grad = evaluate(x.detach(), rows)[1]
        optimizer.step()
        schedule.step()
    found = adam(lambda x: evaluate(x, rows)[1], torch.zeros_like(lowest), 30, 0.1, lambda: None)
    torch.testing.assert_close(found, x.detach())
