"""Weights on disk: written whole, with their configuration and a checksum, and looked at before they are used."""

from __future__ import annotations

import hashlib
import json
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from microtutor.checks import quote
from microtutor.downloads import fetch_from
from microtutor.files import CARD_FILE, CONFIG_FILE, WEIGHT_FILE, replacing, write_json

WEIGHTS = Path(__file__).parent.parent / "weights"
CONFIG = {"latent_dim", "encoder", "decoder", "size", "channels", "canonical", "frozen"}
LATER = {"noise_dim": 0, "prior": 0}  # choices that older weights do not name
SHA256 = "sha256"  # of model.safetensors, in config.json or in the card beside it; older weights have neither
PRIOR = "prior."  # how parts of it begin, which are small and keep their precision: a density does not bear rounding
PRECISIONS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
WRAPPERS = ("module.", "_orig_mod.")  # what DistributedDataParallel and torch.compile put before names of weights


def write_weights(folder: Path, config: dict[str, Any], state: dict[str, Tensor], dtype: torch.dtype | None) -> None:
    """Write model.safetensors and config.json; what for, and what it refuses, is told in `VAE.save_pretrained`."""
    if dtype is not None and dtype not in PRECISIONS:
        raise TypeError(f"expected dtype out of {', '.join(map(str, PRECISIONS))}, got {quote(dtype)}")
    weights = {}
    for name, value in state.items():
        value = value.detach().cpu().contiguous()
        kept = dtype is None or not value.is_floating_point() or name.startswith(PRIOR)
        weights[name] = value if kept else value.to(dtype)
    if broken := _not_finite(weights):
        raise ValueError(
            f"expected finite weights, got NaN or infinity in {broken}; nothing is written"
            + ("" if dtype is None else f"; if they are finite in the network, {dtype} cannot hold them")
        )
    # One entry of metadata: the order of two would be random.
    content = save(weights, metadata={"config": json.dumps(config)})
    with replacing(folder / WEIGHT_FILE) as temporary:
        temporary.write_bytes(content)
    write_json(folder / CONFIG_FILE, config | {SHA256: hashlib.sha256(content).hexdigest()})


def read_weights(name: str, hub_options: dict[str, Any]) -> tuple[Path, dict[str, Any], dict[str, Tensor]]:
    """The folder of the named weights, the configuration of their VAE, and the weights, if all are as written."""
    folder, file = _find(name, hub_options)
    try:
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        content = file.read_bytes()
        weights = load(content)
        stored = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")]).get("__metadata__", {})
        stored = json.loads(stored.get("config", "null"))
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"the weights in {folder} are damaged ({error}); copy or download them again") from error
    named = set(config) - {SHA256} if isinstance(config, dict) else set()
    if named | set(LATER) != CONFIG | set(LATER):
        raise ValueError(f"expected the configuration of a VAE in {folder / CONFIG_FILE}, got {str(config)[:200]}")
    written = config.pop(SHA256, None) or _sha256_of_card(folder)
    if written is not None and written != (found := hashlib.sha256(content).hexdigest()):
        raise ValueError(
            f"the weights in {folder} are damaged (expected the sha256 {written}, got {found}); copy or download them "
            "again"
        )
    if stored is not None and (other := {k: v for k, v in stored.items() if config.get(k, LATER.get(k)) != v}):
        was = ", ".join(f"{k}={v!r}" for k, v in other.items())
        raise ValueError(
            f"the weights in {folder} do not fit the network of its config.json: they were saved with {was}"
        )
    weights = _unwrapped(weights)
    if broken := _not_finite(weights):
        raise ValueError(f"the weights in {folder} are of no use: NaN or infinity in {broken}; train or copy them anew")
    return folder, config, weights


def _sha256_of_card(folder: Path) -> str | None:
    """The checksum in the card beside weights, if there is one; a card may be anything."""
    try:
        card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return card.get(SHA256) if isinstance(card, dict) else None


def _unwrapped(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights by the names of the network itself, where it was saved inside of something.

    >>> list(_unwrapped({"module._orig_mod.to_latent.bias": torch.zeros(1)}))
    ['to_latent.bias']
    """
    while prefix := next((w for w in WRAPPERS if weights and all(name.startswith(w) for name in weights)), ""):
        weights = {name.removeprefix(prefix): value for name, value in weights.items()}
    return weights


def _not_finite(weights: dict[str, Tensor]) -> str:
    """The name of the first weights that are NaN or infinite; empty if all are finite."""
    floats = (name for name, value in weights.items() if value.is_floating_point() and not value.isfinite().all())
    return next(floats, "")


def misfit(weights: dict[str, Tensor], needed: dict[str, Tensor]) -> str:
    """How weights differ from those that a network needs, the first of them; empty if they do not."""
    for name in (*needed, *weights):
        if name not in weights:
            return f"there is no {name}"
        if name not in needed:
            return f"{name} is not part of it"
        found, wanted = weights[name], needed[name]
        if found.shape != wanted.shape or found.is_floating_point() != wanted.is_floating_point():
            return (
                f"{name} has shape {tuple(found.shape)} and {found.dtype}, not {tuple(wanted.shape)} and {wanted.dtype}"
            )
    return ""


def shipped_weights() -> list[str]:
    """Names of the weights that come with the package, be it inside it or as a download that it knows.

    >>> "lines-1-4" in shipped_weights()
    True
    """
    return sorted(path.parent.name for path in WEIGHTS.glob(f"*/{CARD_FILE}"))


def _find(name: str, hub_options: dict[str, Any]) -> tuple[Path, Path]:
    """The folder that holds config.json of the named weights, and their model.safetensors."""
    shipped = name in shipped_weights()
    folder = WEIGHTS / name if shipped else Path(name)
    if folder.is_dir():
        if hub_options:
            raise TypeError(f"expected options for a hub id only, got {', '.join(hub_options)} for the folder {folder}")
        file = folder / WEIGHT_FILE
        missing = [path.name for path in (folder / CONFIG_FILE, file) if not path.is_file()]
        if shipped and missing == [file.name]:
            return folder, _fetch_shipped(name)
        if missing:
            raise FileNotFoundError(
                f"expected {' and '.join(missing)} in {folder}; is it a folder written by save_pretrained?"
            )
        return folder, file
    known = f"expected one of {', '.join(shipped_weights())}, a folder, or a hub id owner/name; got {name!r}"
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise FileNotFoundError(known)
    try:
        folder = Path(snapshot_download(name, allow_patterns=[CONFIG_FILE, WEIGHT_FILE], **hub_options))
    except TypeError:  # an option that there is not
        raise
    except Exception as error:
        raise FileNotFoundError(f"{known}, and the hub does not give it: {type(error).__name__}") from error
    return folder, folder / WEIGHT_FILE


def _fetch_shipped(name: str) -> Path:
    """model.safetensors of weights that the wheel leaves out: from the repository, at the tag of this release."""
    package = metadata.metadata("microtutor")
    addresses = dict(entry.split(", ", 1) for entry in package.get_all("Project-URL", []))
    repository = addresses["Repository"].removeprefix("https://github.com/")
    file = f"{name}/{WEIGHT_FILE}"
    url = f"https://raw.githubusercontent.com/{repository}/v{package['Version']}/microtutor/weights/{file}"
    return fetch_from(
        url, json.loads((WEIGHTS / name / CARD_FILE).read_text(encoding="utf-8"))["sha256"], f"weights/{file}"
    )
