"""Makes nbval, which runs the chapters, wait long enough and leave nothing behind.

nbval gives up on a cell whose next message takes more than five seconds, which a busy machine can need, and it runs a
chapter in the folder of the chapter. Here each chapter gets a minute per message and an empty folder of its own, as it
does when the book is built (`run_in_temp` in `_config.yml`) and in `tools/execute.py`. A chapter whose micrographs
cannot be had is skipped, and the reason is said.
"""

import tempfile

import pytest

SECONDS_PER_MESSAGE = 60


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("nbval", False) or config.getoption("nbval_lax", False):
        from nbval import plugin

        plugin.RunningKernel = in_an_empty_folder(plugin.RunningKernel)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if type(item).__name__ == "IPyNbCell":
            item.output_timeout = SECONDS_PER_MESSAGE
            if reason := reason_not_to_run(item):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_report_collectionfinish(items: list[pytest.Item]) -> list[str]:
    cells = {item.path: item for item in items if type(item).__name__ == "IPyNbCell"}
    reasons = {path.name: reason_not_to_run(item) for path, item in cells.items()}
    return [f"{name} is not run: {reason}" for name, reason in reasons.items() if reason]


def reason_not_to_run(item: pytest.Item) -> str:
    """Why the chapter of a cell cannot be run: micrographs that cannot be had; empty if it can."""
    from stored_outputs import reason_not_to_run  # pytest knows the folder tools only by now

    return reason_not_to_run(item.path)


def in_an_empty_folder(kernel_class: type) -> type:
    """The same kernel class, but its working directory is a temporary one that lives as long as the kernel."""

    class Kernel(kernel_class):
        def __init__(self, *args, **options):
            self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
            super().__init__(*args, **(options | {"cwd": self.folder.name}))

        def stop(self):
            super().stop()
            self.folder.cleanup()

    return Kernel
