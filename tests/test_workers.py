"""Work that is spread over processes and over a dask cluster is the same work."""

import os
from functools import partial

import pytest

from microtutor.workers import spread

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def half(number, by=2):
    if number == 13:
        raise ValueError("expected another number than 13")
    return number / by


def keep(found, pairs):
    """The pairs, each put into what was found as it comes."""
    for item, result in pairs:
        found[item] = result
        yield item, result


def die(_):
    os._exit(1)


def test_here_one_after_the_other():
    assert list(spread(half, iter([4, 6]))) == [(4, 2.0), (6, 3.0)]


def test_items_are_taken_as_they_are_needed():
    taken = []

    def items():
        for k in range(10):
            taken.append(k)
            yield k

    next(spread(half, items()))
    assert taken == [0]


def test_in_several_processes():
    found, items = {}, (*range(12), 13, *range(100, 200))
    with pytest.raises(ValueError, match="another number than 13"):
        found.update(pair for pair in keep(found, spread(partial(half, by=4), items, workers=2)))
    assert found == {k: k / 4 for k in found}
    assert 0 in found
    assert 199 not in found  # what waits is not begun after an error


def test_a_worker_that_is_killed():
    with pytest.raises(RuntimeError, match="a worker ended before its work was done"):
        list(spread(die, [1], workers=2))


def test_on_a_dask_cluster():
    distributed = pytest.importorskip("distributed", reason="needs dask's distributed")
    quiet = {"dashboard_address": None, "processes": False, "n_workers": 2, "threads_per_worker": 1}
    with distributed.LocalCluster(**quiet, protocol="tcp://", silence_logs=50) as cluster:
        found = dict(spread(half, range(12), scheduler=cluster.scheduler_address))
        assert found == {k: k / 2 for k in range(12)}
        with pytest.raises(ValueError, match="another number than 13"):
            list(spread(half, [13], scheduler=cluster.scheduler_address))


def test_no_scheduler_answers(monkeypatch):
    distributed = pytest.importorskip("distributed", reason="needs dask's distributed")

    def client(*args, **more):
        raise OSError("timed out")

    monkeypatch.setattr(distributed, "Client", client)
    with pytest.raises(ValueError, match="expected a dask scheduler at tcp://127"):
        list(spread(half, [1], scheduler="tcp://127.0.0.1:1"))


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"workers": 0}, "expected workers"),
        ({"workers": 2.5}, "expected workers"),
        ({"scheduler": "here"}, "expected scheduler as an address such as tcp"),
        ({"workers": 2, "scheduler": "tcp://127.0.0.1:1"}, "expected either workers or a scheduler"),
    ],
)
def test_bad_choices(choices, message):
    with pytest.raises((TypeError, ValueError), match=message):
        spread(half, [1], **choices)
