"""A run's checkpoint: written whole or not at all, and read only if it is undamaged and of this very run."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from microtutor.files import CHECKPOINT, replacing
from microtutor.training.config import TrainingConfig
from microtutor.training.finite import all_finite

HOLDS = {
    "config": dict,
    "step": int,
    "seconds": (float, int),
    "log": list,
    "model": dict,
    "optimizer": dict,
    "schedule": dict,
}


def write_checkpoint(folder: Path, state: Mapping[str, Any]) -> None:
    """Write the state of a run in place of the one before."""
    content = io.BytesIO()  # in memory first: on a full disk torch.save says nothing of the disk
    torch.save(dict(state), content)
    with replacing(folder / CHECKPOINT) as temporary:
        temporary.write_bytes(content.getbuffer())


def read_checkpoint(folder: Path) -> dict[str, Any]:
    """The state of a run, on the CPU.

    Every number is looked at: the file is an archive with a checksum for each tensor, which `torch.load` does not
    compare.

    Raises:
        ValueError: the file is damaged, is no checkpoint, or holds weights that are not finite.
    """
    path = folder / CHECKPOINT
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        state = None if damaged else torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever the bytes lead a reader into
        raise _unusable(path, "it cannot be read") from error
    if damaged:
        raise _unusable(path, f"its part {damaged} has changed since it was written")
    if not isinstance(state, dict):
        raise _unusable(path, "it is not of a run")
    for name, kind in HOLDS.items():
        if not isinstance(state.get(name), kind):
            raise _unusable(path, f"it holds no {name}")
    tensors = [value for value in state["model"].values() if isinstance(value, torch.Tensor)]
    if not tensors or not all_finite(tensors):
        raise _unusable(path, "its weights are not finite")
    return state


def check_same_run(
    state: Mapping[str, Any], config: TrainingConfig, processes: int, folder: Path, *, fingerprint: str | None = None
) -> None:
    """Raise ValueError unless a checkpoint is of a run of this configuration, on as many processes.

    The device may be another one; the precision too, if "auto" chose it or is to choose it; and the folder of the
    images, if they have the same fingerprint.
    """
    mine = config.as_dict()
    theirs = TrainingConfig().as_dict() | state["config"]  # a choice that an older version did not have: the default
    free = {"device", "folder"} | ({"precision"} if "auto" in (mine["precision"], theirs["precision"]) else set())
    changed = [f"{k}={mine[k]!r} (was {theirs[k]!r})" for k in mine if k not in free and mine[k] != theirs[k]]
    if changed:
        raise ValueError(
            f"cannot resume {folder} with a changed configuration: {', '.join(changed)}; "
            "use the old values, or another output folder"
        )
    if state.get("fingerprint", fingerprint) != fingerprint:
        raise ValueError(
            f"cannot resume {folder} with other images than those it was begun with: what {config.folder} holds has "
            "changed since; bring the images back, or use another output folder"
        )
    before = state.get("processes", processes)  # an older version did not say it
    if before != processes:
        raise ValueError(
            f"cannot resume {folder} with another number of processes, {processes} (was {before}), as each step would "
            f"see other images; start {before}, or use another output folder"
        )


def restore(parts: Mapping[str, Any], state: Mapping[str, Any], folder: Path) -> None:
    """Give each part of a run, such as the optimizer, its state by name.

    Raises:
        ValueError: the state of a part is that of another one.
    """
    for name, part in parts.items():
        try:
            part.load_state_dict(state[name])
        except Exception as error:  # as many kinds as there are parts
            raise _unusable(folder / CHECKPOINT, f"its {name} does not fit this run") from error


def _unusable(path: Path, why: str) -> ValueError:
    return ValueError(f"{path} is no readable checkpoint ({why}); delete it to start anew")
