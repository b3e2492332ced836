"""Where pieces of work that do not depend on each other are done: here, in several processes, or on a dask cluster."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

from microtutor.checks import check_count, check_text

AHEAD = 4  # pieces per worker that wait for it: enough to keep it busy, few enough to stop soon
MOST_WORKERS = 1024
Item = TypeVar("Item")
Result = TypeVar("Result")


def spread(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int = 1, scheduler: str | None = None
) -> Iterator[tuple[Item, Result]]:
    """Each item with what the function makes of it, in the order in which they are ready.

    Args:
        function: of one item; with several workers it has to be one that other processes can import, or a
            `functools.partial` of one.
        items: what to work on, taken as they are needed.
        workers: processes of this machine, each with one thread; 1 works in this process.
        scheduler: address of a dask scheduler, such as tcp://10.0.0.1:8786, whose workers then do the work. They need
            the same package and see the same files.

    Raises:
        TypeError, ValueError: as the checks of workers and scheduler say.
        ModuleNotFoundError: a scheduler without dask's distributed.
        RuntimeError: a worker was killed, mostly for want of memory.

    >>> list(spread(abs, [-1, 2]))
    [(-1, 1), (2, 2)]
    """
    check_workers(workers, scheduler)
    return _spread(function, items, workers, scheduler)


def check_workers(workers: int, scheduler: str | None) -> None:
    """Raise TypeError or ValueError if there can be no such workers."""
    check_count(workers, name="workers", below=MOST_WORKERS + 1)
    if scheduler is not None:
        if not check_text(scheduler, name="scheduler").partition("://")[2]:
            raise ValueError(f"expected scheduler as an address such as tcp://10.0.0.1:8786, got {scheduler!r}")
        if workers != 1:
            raise ValueError(f"expected either workers or a scheduler, which has its own, got workers={workers} too")


def _spread(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, scheduler: str | None
) -> Iterator[tuple[Item, Result]]:
    if workers == 1 and scheduler is None:
        for item in items:
            yield item, function(item)
        return
    with _executor(workers, scheduler) as (executor, number):
        waiting = iter(items)
        running: dict[Future, Any] = {}
        try:
            while True:
                for item in islice(waiting, AHEAD * number - len(running)):
                    running[executor.submit(function, item)] = item
                if not running:
                    return
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(done), done.result()
        except BrokenProcessPool as error:
            raise RuntimeError(
                "a worker ended before its work was done, mostly for want of memory; take fewer workers"
            ) from error
        finally:
            for future in running:
                future.cancel()


@contextmanager
def _executor(workers: int, scheduler: str | None) -> Iterator[tuple[Executor, int]]:
    """What runs functions elsewhere, and how many at a time."""
    if scheduler is None:
        context = multiprocessing.get_context("spawn")  # a fork of a process with threads can hang
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_on_one_thread) as executor:
            yield executor, workers
        return
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'expected dask\'s distributed for a scheduler, which is not installed; type pip install "microtutor[dask]"'
        ) from error
    try:
        client = Client(scheduler, timeout=10)
    except (OSError, ValueError) as error:
        raise ValueError(f"expected a dask scheduler at {scheduler}, got no answer; look whether it runs") from error
    with client:
        number = sum(dict(client.ncores()).values())  # type: ignore[call-overload]
        if not number:
            raise ValueError(f"expected workers at the scheduler {scheduler}, got none; start some with dask worker")
        with client.get_executor() as executor:
            yield executor, number


def _on_one_thread() -> None:
    """Before PyTorch is imported in a process: its threads, and those of the libraries under it."""
    os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    import torch

    torch.set_num_threads(1)
