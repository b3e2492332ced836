"""What every test of the package can count on."""

import collections
import functools
import os
import sys

os.environ.setdefault("MPLBACKEND", "Agg")  # figures without a screen
os.environ.setdefault("OMP_NUM_THREADS", "1")  # images here are tiny, and threads that wait on a busy machine are slow

import hypothesis
import pytest
import torch

# "auto" is the CPU in tests, on a Mac as well: the numbers in them are a CPU's, and MPS on GitHub's Macs has no memory.
if os.environ.get("MICROTUTOR_TEST_MPS") != "1":
    torch.backends.mps.is_available = functools.cache(lambda: False)  # torch looks inside the cache of its own

# The same examples every time; `pytest --hypothesis-profile=search` looks for new ones. No deadline: machines are busy.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50, database=None)
hypothesis.settings.register_profile("search", deadline=None, max_examples=1000)
hypothesis.settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reasons = {}
    if not torch.cuda.is_available():
        reasons["gpu"] = "needs a CUDA GPU"
    if os.environ.get("MICROTUTOR_TEST_NETWORK") != "1":
        reasons["network"] = "needs the internet: set MICROTUTOR_TEST_NETWORK=1 to run it"
    if "PYTEST_XDIST_WORKER" in os.environ:
        reasons["quiet"] = "measures time, and other tests run beside it: pytest -m quiet runs it alone"
    for item in items:
        for marker, reason in reasons.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))
    # Files with slow tests or a browser first, then those with many: so no process is left alone at the end.
    number, long = collections.Counter(item.path for item in items), set()
    for item in items:
        if item.get_closest_marker("slow") or "browser" in getattr(item, "fixturenames", ()):
            long.add(item.path)
    items.sort(key=lambda item: (item.path not in long, -number[item.path]))


@pytest.fixture(autouse=True)
def global_state_is_left_alone():
    """Fail a test that changes torch's settings for the tests after it, and put them back."""
    before = torch_settings()
    yield
    after = torch_settings()
    torch.set_default_dtype(before["default dtype"])
    torch.set_grad_enabled(before["grad mode"])
    torch.set_num_threads(before["number of threads"])
    torch.use_deterministic_algorithms(before["deterministic algorithms"])
    changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    assert not changed, f"this test changed torch's global settings (before, after): {changed}"


@pytest.fixture(autouse=True)
def figures_are_closed():
    """Close what an earlier example in a docstring or a test has drawn: some tests count the figures that are open."""
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


def torch_settings() -> dict:
    return {
        "default dtype": torch.get_default_dtype(),
        "grad mode": torch.is_grad_enabled(),
        "number of threads": torch.get_num_threads(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
    }
