"""The notebooks of the course: from the package into a folder of the reader's own."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from microtutor.checks import check_choice, check_each, check_path, check_text
from microtutor.files import check_writable, replacing

# In the order in which they are read.
CHAPTERS = (
    "microstructures",
    "counting_pairs",
    "fft_way",
    "borders_masks_phases",
    "what_statistics_know",
    "fft_loss",
    "gauge",
    "vae",
    "training",
    "judging",
    "knobs",
    "what_helped",
    "pca_or_vae",
    "own_micrograph",
    "real_micrographs",
    "realisations",
    "rock_vae",
    "train_own",
    "properties",
    "design",
)
_WINDOWS = os.name == "nt"
_PACKAGE = Path(__file__).parent
_SOURCES = (_PACKAGE / "chapters", _PACKAGE.parent / "colab")  # in an installed package, and in a clone


class Placed(NamedTuple):
    """What became of each notebook, by file name: copied just now, there already and equal, or there and different."""

    copied: list[str]
    equal: list[str]
    kept: list[str]


def file_name(chapter: str) -> str:
    """The name of a chapter's notebook in the reader's folder; its number puts it in its place in the list.

    Raises:
        ValueError: there is no such chapter.

    >>> file_name("counting_pairs")
    '02_counting_pairs.ipynb'
    """
    return f"{CHAPTERS.index(check_choice(chapter, CHAPTERS, name='chapter')) + 1:02d}_{chapter}.ipynb"


def place_chapters(folder: str | os.PathLike, names: Sequence[str] = ()) -> Placed:
    """Copy the notebooks of chapters, all of them if none is named, into a folder; no file that is there is changed.

    Raises:
        TypeError: folder is no path, or names is no list of names.
        ValueError: there is no such chapter, or the folder is a file.
        FileNotFoundError: this package came without notebooks.
        OSError: the folder cannot be written to.
    """
    folder = check_path(folder, name="folder")
    unknown = [name for name in check_each(names, check_text, name="names") if name not in CHAPTERS]
    if unknown:
        raise ValueError(f"expected chapters out of {', '.join(CHAPTERS)}; got {', '.join(unknown)}")
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"expected a folder for the notebooks, got the file {folder}; choose another name")
    notebooks = {name: _notebook(name) for name in CHAPTERS if name in names or not names}
    check_writable(folder / file_name(CHAPTERS[0]))
    placed = Placed([], [], [])
    for name, notebook in notebooks.items():
        target = folder / file_name(name)
        if not os.path.lexists(target):
            with replacing(target, overwrite=False) as temporary:
                temporary.write_bytes(notebook)
            placed.copied.append(target.name)
        elif target.is_file() and target.read_bytes() == notebook:
            placed.equal.append(target.name)
        else:
            placed.kept.append(target.name)
    return placed


def how_to_open(folder: str | os.PathLike) -> str:
    """What to type, on this system and with this Python, to open a folder of notebooks in the browser.

    Where the word jupyter would start that of another Python, or none, this Python is named in full. Where JupyterLab
    is missing, how to install it is said first.

    Raises:
        TypeError: folder is no path.
    """
    folder, steps = check_path(folder, name="folder"), []
    if not (importlib.util.find_spec("jupyterlab") and importlib.util.find_spec("ipykernel")):
        steps = [f"{_this_python()} -m pip install jupyterlab ipykernel"]
    found = shutil.which("jupyter")
    ours = found is not None and Path(found).parent == Path(sysconfig.get_path("scripts"))
    starter = "jupyter lab" if ours and not steps else f"{_this_python()} -m jupyterlab"
    return "\n".join([*steps, f"{starter} {_quoted(str(folder))}"])


def _notebook(name: str) -> bytes:
    """The bytes of a chapter's notebook."""
    for source in _SOURCES:
        path = source / f"{name}.ipynb"
        if path.is_file():
            return path.read_bytes()
    raise FileNotFoundError(
        f"this copy of microtutor has no notebook of the chapter {name}; in a clone of the repository, `make colab` "
        "makes it; elsewhere, install microtutor again"
    )


def _this_python() -> str:
    """How a shell starts this Python: PowerShell wants an & before a program in quotes."""
    program, here = Path(sys.executable), Path.cwd()
    word = _quoted(str(program.relative_to(here) if program.is_relative_to(here) else program))
    return f"& {word}" if word.startswith('"') else word


def _quoted(word: str) -> str:
    """A word as the shell of this system wants it; those of Windows know double quotes only."""
    if not _WINDOWS:
        return shlex.quote(word)
    return f'"{word}"' if set(word) & set(" &()';,@") else word
