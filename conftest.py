"""Makes nbval, which runs the chapters, wait long enough and leave nothing behind.

nbval gives up on a cell whose next message takes more than five seconds, which a busy machine can need, and it runs a
chapter in the folder of the chapter. Here each chapter gets a minute per message and an empty folder of its own, as it
does when the book is built (`run_in_temp` in `_config.yml`) and in `tools/execute.py`.
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
