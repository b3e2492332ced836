"""The `microtutor` command: the road from images to numbers without writing Python."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from microtutor.cli.group import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the command that was typed. Ctrl-C ends it without a traceback from the first import on."""
    try:
        __getattr__("app")()
    except KeyboardInterrupt:
        sys.exit(130)


def __getattr__(name: str) -> Any:
    """The commands, imported when they are asked for: `main` is there to catch Ctrl-C meanwhile."""
    if name == "app":
        from microtutor.cli import commands, pictures  # noqa: F401 (they add what they hold to app)
        from microtutor.cli.group import app

        return app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
