"""What this machine is: the device to compute on, and the report that belongs into every question for help."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata

import torch

PACKAGES = ("torch", "torchvision", "numpy", "scipy", "accelerate", "safetensors", "matplotlib", "ipywidgets")


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
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"expected a device such as 'auto', 'cpu', 'cuda' or 'mps', got {device!r}") from error
    there = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available, "cpu": lambda: True}
    if not there.get(found.type, lambda: False)():
        raise ValueError(
            f"device {device!r} is not to be had here; use device='auto' or 'cpu' "
            "(in Colab: Runtime > Change runtime type > GPU)"
        )
    return found


def report_environment(*, show: bool = True) -> dict[str, str]:
    """Print, and return, the versions and the device that results depend on.

    >>> sorted(report_environment(show=False))[:3]
    ['accelerate', 'device', 'ipywidgets']
    """
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
