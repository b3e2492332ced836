"""Writing files: nothing half-written stands under its final name, and nothing that is there is lost unasked."""

from __future__ import annotations

import csv
import json
import os
import platform
import re
import secrets
import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

# What stands in a folder of weights, and in that of a run.
CONFIG_FILE, WEIGHT_FILE, CARD_FILE = "config.json", "model.safetensors", "card.json"
RUN_FILE, LOG, CHECKPOINT = "training.json", "log.csv", "checkpoint.pt"

DAY = 24 * 3600.0  # seconds
_MACHINE = sha256(platform.node().encode()).hexdigest()[:8]
_UNDER_WAY: set[str] = set()  # names of the parts that this process is writing


@contextmanager
def replacing(path: str | os.PathLike, *, overwrite: bool = True) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends well and removed when it does not.

    What killed runs left of the same file is removed.

    Args:
        path: where the file belongs; its folder is made.
        overwrite: take the place of a file that is there; otherwise it is kept, also if it came during the block.

    Raises:
        FileExistsError: it is there, and overwrite is False.
        OSError: the folder cannot be written to, the disk is full, or, on Windows, another program has the file open;
            says which file could not be written.
    """
    path = Path(path)
    _refuse_taken(path, overwrite)
    temporary = path.with_name(f".{path.name}.{_MACHINE}-{os.getpid()}-{secrets.token_hex(3)}.part")
    advice = "choose a folder with room that you may write to"
    _UNDER_WAY.add(temporary.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_old_parts(path)
        yield temporary
        if path.is_file():
            advice = "close it in every other program that has it open, and try again"
        taken = not overwrite and os.path.lexists(path)  # by another program, meanwhile
        if not taken:
            _rename(temporary, path)
    except OSError as error:
        reason = error.strerror or str(error).replace(str(temporary), str(path)).replace(temporary.name, path.name)
        kind = PermissionError if isinstance(error, PermissionError) else OSError
        raise kind(f"cannot write {path}: {reason}; {advice}") from error
    finally:
        with suppress(OSError):  # a disk that can no longer be written to has said so already
            temporary.unlink(missing_ok=True)
        _UNDER_WAY.discard(temporary.name)
    _refuse_taken(path, overwrite=not taken)


def _refuse_taken(path: Path, overwrite: bool) -> None:
    if not overwrite and os.path.lexists(path):
        raise FileExistsError(f"{path} is there already, and is kept; choose another name")


def _rename(temporary: Path, path: Path) -> None:
    """Put a file in the place of another; Windows refuses while any program reads that, be it a virus scanner."""
    for seconds in (0.05, 0.2, 0.8):
        try:
            temporary.replace(path)
            return
        except PermissionError:
            time.sleep(seconds)
    temporary.replace(path)


def read_json(path: Path) -> dict[str, Any] | None:
    """What a JSON file holds, if there is one; it must be a table of names.

    Raises:
        ValueError: it is damaged, or holds something else.
    """
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({error}); remove it, or copy it again") from error
    if not isinstance(content, dict):
        raise ValueError(f"expected names and values in {path}, got a {type(content).__name__}")
    return content


def write_json(path: str | os.PathLike, content: Any) -> None:
    """Write content as indented JSON."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8", newline="\n")


def write_csv(path: str | os.PathLike, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows, at least one, all with the same keys, under a header of these keys."""
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@contextmanager
def only_writer(folder: str | os.PathLike, file: str = "") -> Iterator[None]:
    """Be the only one who writes into a folder, or into one file of it, until the block ends or the process does.

    The folder is made. The system keeps the lock, on the file `.lock` in the folder, or `.<file>.lock`, so a process
    that is killed leaves none.

    Raises:
        FileExistsError: another process, or another thread of this one, is writing into it.
        OSError: the folder cannot be written to.
    """
    lock = Path(folder, f".{file}.lock" if file else ".lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        held = FileLock(lock).acquire(blocking=False)
    except Timeout:
        raise FileExistsError(
            f"another run is writing into {Path(folder, file)} now; wait for its end, or choose another "
            f"{'file' if file else 'folder'}"
        ) from None
    with held:
        yield


# --- before any work --------------------------------------------------------------------------------------------------
def check_outputs(
    outputs: Mapping[str, str | os.PathLike],
    inputs: Mapping[str, str | os.PathLike] | None = None,
    *,
    overwrite: bool = False,
    advice: str = "choose another name",
) -> None:
    """Refuse files that cannot be written, or would take the place of another file. Writes nothing that stays.

    Args:
        outputs: the files that are going to be written, by what the user calls them.
        inputs: the files that they are made from, which are never written over.
        overwrite: other files may be written over.
        advice: what to do about a file that is there.

    Raises:
        ValueError: an output is an input, the same file as another output, or no file.
        FileExistsError: an output is there, and overwrite is False.
        OSError: its folder cannot be written to.

    >>> check_outputs({"--output": "a.npy", "--figure": "./a.npy"})
    Traceback (most recent call last):
    ValueError: expected two files, got a.npy as --output and as --figure; choose another name for one of them
    """
    paths = {name: Path(path) for name, path in outputs.items()}
    for (name, path), (other, another) in combinations(paths.items(), 2):
        if same_file(path, another):
            raise ValueError(
                f"expected two files, got {path} as {name} and as {other}; choose another name for one of them"
            )
    for name, path in paths.items():
        for source, read in (inputs or {}).items():
            if same_file(path, Path(read)):
                raise ValueError(
                    f"expected another file for {name} than {source}, got {path}, which would be lost; choose another "
                    "name"
                )
        if os.path.lexists(path):
            if not path.is_file():
                kind = "a folder; add the name of a file" if path.is_dir() else "no file; choose another name"
                raise ValueError(f"expected a file for {name}, got {path}, which is {kind}")
            if not overwrite:
                raise FileExistsError(f"{path}, for {name}, is there already; {advice}")
        check_writable(path)


def check_writable(path: str | os.PathLike) -> None:
    """Raise OSError if a file of this name cannot be made, in a folder that is there or is going to be made."""
    path = Path(path)
    folder = next((above for above in path.parents if os.path.lexists(above)), Path.cwd())
    trial = folder / f".{path.name}.{_MACHINE}-{os.getpid()}-{secrets.token_hex(3)}.part"
    try:
        with open(trial, "xb"):
            pass
        trial.unlink()
    except OSError as error:
        raise OSError(
            f"cannot write {path}: {error.strerror or type(error).__name__}; choose a folder that you may write to"
        ) from error


def same_file(a: Path, b: Path) -> bool:
    """Whether two names mean one file, there or not; names that differ in case only may, on some disks."""
    with suppress(OSError):
        return os.path.samefile(a, b)
    one, other = (unicodedata.normalize("NFC", os.path.realpath(path)).casefold() for path in (a, b))
    return one == other and not (os.path.lexists(a) or os.path.lexists(b))


# --- what killed runs leave -------------------------------------------------------------------------------------------
def _remove_old_parts(path: Path) -> None:
    """Remove the parts of a file that no living process is writing; of other machines, those older than a day."""
    name = re.compile(rf"\.{re.escape(path.name)}\.(?:(?P<machine>\w+)-)?(?P<process>\d+)(?:-\w+)?\.part")
    with suppress(OSError):  # a folder that may not be listed has nothing to be removed from
        for part in list(path.parent.iterdir()):
            found = name.fullmatch(part.name)
            if found is None or part.name in _UNDER_WAY:
                continue
            here = found["machine"] in (_MACHINE, None)
            process = int(found["process"])
            with suppress(OSError):
                old = time.time() - part.stat().st_mtime > DAY
                if old if not here else process == os.getpid() or not _is_alive(process):
                    part.unlink()


def _is_alive(process: int) -> bool:
    """Whether a process of this machine runs. On Windows os.kill would end it, so its handle is asked for."""
    if os.name == "nt":
        return _is_alive_on_windows(process)
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # it runs, as somebody else's
    return True


def _is_alive_on_windows(process: int) -> bool:
    import ctypes

    kernel: Any = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined]
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = kernel.OpenProcess(0x1000, False, process)  # PROCESS_QUERY_LIMITED_INFORMATION
    if not handle:
        return ctypes.get_last_error() == 5  # type: ignore[attr-defined]  # ERROR_ACCESS_DENIED: somebody else's
    code = ctypes.c_ulong()
    asked = kernel.GetExitCodeProcess(ctypes.c_void_p(handle), ctypes.byref(code))
    kernel.CloseHandle(ctypes.c_void_p(handle))
    return not asked or code.value == 259  # STILL_ACTIVE
