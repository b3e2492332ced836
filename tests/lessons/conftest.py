"""The lessons that run for minutes are left out unless they are asked for: `make lessons`."""

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "lessons" in config.getoption("markexpr"):
        return
    left_out = [item for item in items if item.get_closest_marker("lessons")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]
