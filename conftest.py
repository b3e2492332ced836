"""Makes nbval, which runs the chapters, wait long enough and run them as a reader does: in order, in one folder.

nbval gives up on a cell whose next message takes more than five seconds, which a busy machine can need, and it runs
each chapter in the folder of the sources. Here a chapter gets a minute per message, and all chapters of a process share
one temporary folder, in which each keeps to `runs/<chapter>/`: one that writes elsewhere fails. A chapter whose
micrographs cannot be had is skipped, and the reason is said.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

SECONDS_PER_MESSAGE = 60


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("nbval", False) or config.getoption("nbval_lax", False):
        from nbval import plugin

        config.pluginmanager.register(OneFolder(plugin), "one folder for all chapters")


class OneFolder:
    """The folder in which the chapters of a run work, and the check of what each leaves there."""

    def __init__(self, plugin):
        self.temporary = tempfile.TemporaryDirectory(prefix="chapters-", ignore_cleanup_errors=True)
        self.folder = Path(self.temporary.name)
        self.before: dict = {}
        folder = self.temporary.name

        class Kernel(plugin.RunningKernel):
            def __init__(self, *args, **options):
                super().__init__(*args, **(options | {"cwd": folder}))

        self.plugin, self.kernel_class = plugin, plugin.RunningKernel
        plugin.RunningKernel = Kernel

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
        """After the last cell of a chapter, when its kernel has stopped."""
        yield
        if is_cell(item) and (nextitem is None or nextitem.path != item.path):
            from one_folder import contents, strays  # pytest knows the folder tools only by now

            before, self.before = self.before, contents(self.folder)
            if found := strays(before, self.before, item.path.stem):
                names = ", ".join(found)
                pytest.fail(f"{item.path.name} writes outside runs/{item.path.stem}/: {names}", pytrace=False)

    def pytest_unconfigure(self) -> None:
        self.plugin.RunningKernel = self.kernel_class
        self.temporary.cleanup()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not any(is_cell(item) for item in items):
        return
    from outline import chapters

    order = {path: number for number, path in enumerate(chapters())}
    items.sort(key=lambda item: order.get(item.path, -1))  # a stable sort: cells stay in their order
    for item in items:
        if is_cell(item):
            item.output_timeout = SECONDS_PER_MESSAGE
            if reason := reason_not_to_run(item):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_report_collectionfinish(items: list[pytest.Item]) -> list[str]:
    cells = {item.path: item for item in items if is_cell(item)}
    reasons = {path.name: reason_not_to_run(item) for path, item in cells.items()}
    return [f"{name} is not run: {reason}" for name, reason in reasons.items() if reason]


def is_cell(item: pytest.Item) -> bool:
    return type(item).__name__ == "IPyNbCell"


def reason_not_to_run(item: pytest.Item) -> str:
    """Why the chapter of a cell cannot be run: micrographs that cannot be had; empty if it can."""
    from stored_outputs import reason_not_to_run  # pytest knows the folder tools only by now

    return reason_not_to_run(item.path)
