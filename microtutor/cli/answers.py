"""What the command answers when something is wrong: one sentence in the words of its own options, and an exit code."""

from __future__ import annotations

import io
import linecache
import os
import re
import signal
import sys
import sysconfig
import traceback
import warnings
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

DEBUG = "MICROTUTOR_DEBUG"
ISSUES = "https://github.com/microtutor/microtutor/issues"
BAD_INPUT, UNEXPECTED, INTERRUPTED, NOBODY_READS = 2, 1, 130, 141
_PACKAGE = Path(__file__).parents[1]
_LIBRARIES = tuple(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
_NO_MEMORY = re.compile(
    r"out of memory|not enough memory|can't allocate memory|Storage size calculation overflowed", re.I
)

# What library sentences advise, and what the command has in place of it; afterwards name=value becomes an option.
_WORDS = (
    (r"expected a source of images for material='own'.*", "material=own takes a class of images, which only Python can "
     "hand over (microtutor.training.train); the command has lines, berea, ketton, and images in files with --images"),
    (r", for example with PIL\.Image\.open\(\.\.\.\)\S*\.save\(\.\.\.\)", ""),
    (r"if its \d+ colours are phases, number them, .*; otherwise save", "save"),
    (r"if each of them is a phase, take load_phases.*", "if each of them is a phase, take labels=True"),
    (r"take load_phases\(\.\.\., labels=True\) for one channel each, or a", "take a"),
    (r", and hand mask=numpy.*", ""),
    (r" \(material='own'\), which is not stored", ", which is not stored"),
    (r"hand over one channel of it, array\[\.\.\., 0\]", "save one channel of it"),
    (r"load the one you want with numpy.load, and hand over the array", "save the one you want as .npy"),
    (r"(read it with numpy.loadtxt|read the one you want), and hand over the array", "save it as .npy"),
    (r"save the one you want by itself, or read a stack of slices with load_volume or read_micrograph",
     "save the one you want by itself"),
    (r"load_(phases reads one picture|volume reads a volume, read_micrograph either)",
     "save one slice of it by itself"),
    (r"set PIL\.Image\.MAX_IMAGE_PIXELS = None before, or save", "save"),
    (r"; is it a folder written by save_pretrained\?", "; is it the folder of a finished run?"),
    (r"\b(a (?:lower|smaller)) (\w+) \(now", r"\1 --set \2 (now"),
)  # fmt: skip
_SETTING = re.compile(r"""\b([a-z]\w*)=('[^']*'|"[^"]*"|\([^()]*\)|[\w.+-]*\w)(?: or '(\w+)')?""")


class Commands(TyperGroup):
    """A group of commands that never shows a traceback."""

    def main(self, *args: Any, standalone_mode: bool = True, **more: Any) -> Any:
        """Run the command of one line, and answer an error with one sentence and the exit code 2 or 1."""
        if not standalone_mode:
            return super().main(*args, standalone_mode=False, **more)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # what a console has no letter for is a question mark in it
                stream.reconfigure(errors="replace")
        try:
            code = super().main(*args, standalone_mode=False, **more)
            sys.stdout.flush()
        except BaseException as error:
            code = answer(error)
        if code == INTERRUPTED:  # a second Ctrl-C would interrupt the end
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: Any) -> Any:
        """Run the command, and show each warning as a note in the words of the command line."""

        def parameters() -> Collection[Any]:
            command = self.commands.get(ctx.invoked_subcommand or "")
            return command.params if command else ()

        def show(message: Warning | str, *where: Any, **more: Any) -> None:
            _say(f"note: {in_options(str(message), parameters())}")

        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("default", category=UserWarning)  # what the user is to know is said once
                warnings.showwarning = show
                return super().invoke(ctx)
        except BaseException as error:
            if hasattr(error, "exit_code"):  # how Typer ends a command, or refuses what was typed
                raise
            raise typer.Exit(answer(error, parameters())) from None


def answer(error: BaseException, parameters: Collection[Any] = ()) -> int:
    """Say what is wrong in one line on the error stream, and return the exit code of the command.

    Args:
        error: what came out of a command.
        parameters: those of the command, whose names the sentence uses.
    """
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else UNEXPECTED
    if os.environ.get(DEBUG, "0") not in ("", "0"):
        traceback.print_exception(error)
    if _came_from(error, KeyboardInterrupt):
        if str(error) and isinstance(error, KeyboardInterrupt):
            _say(in_options(str(error), parameters))
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):  # as in `microtutor ... | head -1`: nobody is left to speak to
        with suppress(OSError):  # a stream that is no file
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS
    if hasattr(error, "format_message"):
        return _answer_usage(error)
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and _NO_MEMORY.search(str(error))):
        _say(f"this takes more memory than there is; {_how_to_take_less(parameters)}")
        return BAD_INPUT
    if _is_refusal(error):
        _say(in_options(str(error), parameters))
        return BAD_INPUT
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename is not None else ""
        _say(f"{where}{error.strerror or error}; look whether the disk and the network are there")
        return BAD_INPUT
    _say(
        f"an error that is not expected, {type(error).__name__}: {str(error)[:300]}; this is a bug of microtutor: "
        f"please report it at {ISSUES}, with what the same command shows after setting {DEBUG}=1"
    )
    return UNEXPECTED


def in_options(text: str, parameters: Collection[Any]) -> str:
    """A sentence of the library in the words of a command: --name value for name=value, if that is an option of it.

    What is no option but a choice of a training run becomes --set name=value, where the command has --set.
    """
    options = {p.name.rstrip("_"): p for p in parameters if p.opts[0].startswith("--")}
    choices = _choices() if "set" in options else {}

    def option(found: re.Match) -> str:
        name, value, other = found.groups()
        value = value.strip("'\"")
        if name == "labels":
            value = {"True": "all", "False": "none"}.get(value, value)
        tail = f" or {other}" if other else ""
        if name in options:
            flag = getattr(options[name], "is_flag", False)
            return options[name].opts[0] + ("" if flag else f" {value}{tail}")
        return f"--set {name}={value}{tail}" if name in choices else found[0]

    for pattern, words in _WORDS:
        if "--set" in words and not choices:
            continue
        text = re.sub(pattern, words, text)
    return re.sub(r"--set --set", "--set", _SETTING.sub(option, text))


def _choices() -> Mapping[str, Any]:
    from microtutor.training import TrainingConfig

    return TrainingConfig.__dataclass_fields__


def _answer_usage(error: Any) -> int:
    """Typer's own refusals, of an option that is not there or a value that is no number; by default a box of lines."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return error.exit_code
    said = re.sub(r"'(-[\w-]+)'", r"\1", error.format_message()).rstrip(".")
    context = getattr(error, "ctx", None)
    _say(f"{said[:1].lower()}{said[1:]}" + (f"; see {context.command_path} --help" if context else ""))
    return BAD_INPUT


def _is_refusal(error: BaseException) -> bool:
    """Whether the package raised it on purpose: not Python, nor a library, over a value that nobody looked at."""
    if not isinstance(error, (ValueError, TypeError, OSError, FloatingPointError)):
        return False
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return True
    file, line = Path(frames[-1].filename), frames[-1].lineno or 0
    ours = file.is_relative_to(_PACKAGE) or not any(file.is_relative_to(folder) for folder in _LIBRARIES)
    written = linecache.getline(str(file), line).strip()
    return ours and (written.startswith("raise") or not written)


def _came_from(error: BaseException | None, kind: type[BaseException]) -> bool:
    """Whether an error is of a kind, or came while one of it was handled, as when Ctrl-C meets an import."""
    while error is not None:
        if isinstance(error, kind):
            return True
        error = error.__cause__ or error.__context__
    return False


def _how_to_take_less(parameters: Collection[Any]) -> str:
    ways = {
        "number": "--number",
        "images": "--images",
        "held_out": "--held-out",
        "set_": "--set batch_size or --set validation_images",
    }
    fewer = [way for name, way in ways.items() if name in {p.name for p in parameters}]
    return f"take a smaller {' or '.join(fewer)}" if fewer else "take a smaller image"


def _say(text: str) -> None:
    """One line on the error stream; the names under which files are written are nobody's business."""
    line = re.sub(r"\.([^\s/\\]+)\.[0-9a-f]{8}-\d+-[0-9a-f]+\.part", r"\1", " ".join(text.split()))
    try:
        typer.echo(f"microtutor: {line}", err=True)
    except OSError:  # the error stream is closed: the exit code has to do
        return
