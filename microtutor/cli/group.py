"""The command that all others belong to."""

from __future__ import annotations

import os

import typer

from microtutor.cli.answers import Commands

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The road from images to numbers without writing Python.",
)


@app.callback()
def settings() -> None:
    """Set, before any command, what has to be set before PyTorch is imported."""
    # Of PyTorch's threads on Linux, before it is imported: one that waits spins for a moment only. By default it spins
    # on, and beside a second training takes up to six times as long as alone, not about twice (results/threads.json).
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")
