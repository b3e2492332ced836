"""What a kernel has in Colab and nowhere else, for `make rehearse`, which lays this file among IPython's startup files.

The modules of `google.colab` that chapters may use answer as they do there when nobody is at the keyboard: nothing is
uploaded, no Drive is there. `%pip` takes the one line that installs this package, which is installed
already, and no other: chapters get by with what Colab has.
"""

import json
import os
import resource
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from IPython import get_ipython

INSTALL = "REHEARSAL_INSTALL"  # the variable in which tools/rehearse.py says which line that is
installed = []


def pip(line: str) -> None:
    expected = os.environ[INSTALL]
    if line.strip() != expected:
        raise ValueError(
            f"expected `%pip {expected}`, got `%pip {line.strip()}`; chapters install nothing else in Colab"
        )
    installed.append(line)


def upload() -> dict:
    """What Colab gives when the reader picks no file."""
    return {}


def download(filename: str) -> None:
    if not Path(filename).is_file():
        raise FileNotFoundError(f"Cannot find file: {filename}")


def mount(mountpoint: str, force_remount: bool = False, **options) -> None:
    """Nothing: a chapter writes to the Drive only where its reader asks for it."""


def facts() -> str:
    """What the rehearsal asks at the end of a chapter, as JSON."""
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return json.dumps({"megabytes": megabytes, "installed": len(installed)})


def module(name: str, is_package: bool = False, **contents) -> ModuleType:
    made = ModuleType(name)
    made.__spec__ = ModuleSpec(name, loader=None, is_package=is_package)  # others look it up: accelerate does
    made.__dict__.update(contents)
    sys.modules[name] = made
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, made)
    return made


module("google", is_package=True, __path__=[])
module("google.colab", is_package=True, __path__=[], rehearsal=facts)
module("google.colab.files", upload=upload, download=download)
module("google.colab.drive", mount=mount)
module("google.colab.output", enable_custom_widget_manager=lambda: None)
get_ipython().register_magic_function(pip, "line", "pip")
