"""What this machine is: the device to compute on, and the report that belongs into every question for help."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import warnings
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from microtutor.checks import check_bool, check_choice, quote

PACKAGES = ("torch", "torchvision", "numpy", "scipy", "accelerate", "safetensors", "matplotlib", "ipywidgets")
PRECISIONS = ("auto", "no", "bf16", "fp16")


def find_device(device: str | torch.device = "auto") -> torch.device:
    """The device of that name; "auto" takes CUDA, then Apple's MPS, then the CPU.

    Raises:
        ValueError: no such device, or it is not there.

    >>> find_device("cpu")
    device(type='cpu')
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    found = device_named(device)
    there = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available, "cpu": lambda: True}
    if not there.get(found.type, lambda: False)():
        raise ValueError(
            f"device {device!r} is not available here; use device='auto' or 'cpu' "
            "(in Colab: Runtime > Change runtime type > GPU)"
        )
    return found


def device_named(device: str | torch.device) -> torch.device:
    """The device of that name, be it there or not.

    Raises:
        ValueError: there is no such kind of device.
    """
    try:
        return torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(f"expected a device such as 'auto', 'cpu', 'cuda' or 'mps', got {quote(device)}") from None


def choose_precision(device: str | torch.device = "auto") -> tuple[str, str]:
    """The precision in which a network is trained fastest on a device, and why, in words.

    Sixteen bits are faster where there are units that compute with them. Elsewhere they are imitated, and a processor
    without such units takes twice as long with them as without, or longer still.

    Args:
        device: as for `find_device`.

    Returns:
        "bf16", "fp16" (with gradient scaling) or "no" (float32), and the reason.

    >>> choose_precision("cpu")[0] in ("bf16", "no")
    True
    """
    kind = find_device(device).type
    if kind == "cuda":
        name = torch.cuda.get_device_name()
        # without the argument a GPU that only imitates bfloat16 answers yes
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16", f"{name} has units for bfloat16"
        return "fp16", f"{name} has no units for bfloat16"
    if kind == "mps":
        return "no", "nothing else has been measured on Apple's GPUs"
    # Processors with AMX have these units too. On Arm, and without oneDNN, the backward pass in bfloat16 is not ours
    # to promise.
    if torch.backends.mkldnn.is_available() and torch.cpu._is_avx512_bf16_supported():
        return "bf16", "this processor has units for bfloat16"
    return "no", "this processor has no units for bfloat16 that PyTorch trains with"


def find_precision(precision: str, device: str | torch.device = "auto") -> str:
    """The precision to train in on a device: the one asked for, or for "auto" the fastest.

    Raises:
        ValueError: there is no such precision; or float16 on the CPU.

    Warns:
        UserWarning: bfloat16 on a device that can only imitate it.

    >>> find_precision("no", "cpu")
    'no'
    """
    check_choice(precision, PRECISIONS, name="precision")
    fastest, reason = choose_precision(device)
    if precision == "auto":
        return fastest
    kind = find_device(device).type
    if precision == "fp16" and kind == "cpu":
        raise ValueError("precision='fp16' needs a GPU; on the CPU use precision='bf16' or 'no'")
    if precision == "bf16" != fastest and kind != "mps":
        warnings.warn(f"precision='bf16' is slow here: {reason}; precision='auto' takes {fastest!r}", stacklevel=2)
    return precision


def report_environment(*, show: bool = True) -> dict[str, str]:
    """Print, and return, the versions, the device and the precision that results depend on.

    Raises:
        TypeError: show is neither True nor False.

    >>> sorted(report_environment(show=False))[:3]
    ['accelerate', 'device', 'ipywidgets']
    """
    check_bool(show, name="show")
    report = {"microtutor": _version("microtutor"), "python": platform.python_version()}
    report |= {name: _version(name) for name in PACKAGES}
    report["system"] = f"{platform.system()} {platform.machine()}"
    report["where"] = "Colab" if "google.colab" in sys.modules else "local"
    device = find_device()
    name = (
        torch.cuda.get_device_name()
        if device.type == "cuda"
        else f"{os.cpu_count()} CPU cores, {torch.get_num_threads()} threads"
    )
    report["device"] = f"{device.type} ({name})"
    report["precision"] = '{} (by "auto": {})'.format(*choose_precision(device))
    if show:
        print("\n".join(f"{key:12} {value}" for key, value in report.items()))
        if device.type == "cpu" and report["where"] == "Colab":
            print("For a GPU: Runtime > Change runtime type > GPU, then run the notebook again from the top.")
    return report


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def current_commit() -> str:
    """The commit of the working tree this package lies in, or "unknown" outside one.

    "with changes" says that files of the package differ from it; a record that has just been written is no such change.
    """
    folder = Path(__file__).parent
    options: dict[str, Any] = {"cwd": folder, "capture_output": True, "timeout": 10}
    try:
        found = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], **options)
        changed = subprocess.run(["git", "status", "--porcelain", ".", ":(exclude)results"], **options)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    if found.returncode:
        return "unknown"
    return found.stdout.decode().strip() + (" with changes" if changed.stdout.strip() else "")
