"""A command, run in this process as it would be typed."""

import inspect

from typer.testing import CliRunner, Result

from microtutor.cli import app

# older versions mix both streams unless told not to; newer ones cannot
_APART = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}


def run(*arguments: object) -> Result:
    return CliRunner(**_APART).invoke(app, [str(argument) for argument in arguments])
