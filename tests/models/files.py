"""Where the numbers of the weights lie: in a checkout all in the package, beside an installed one some in the cache."""

from pathlib import Path

import pytest
from outline import ROOT

from microtutor.downloads import cache_folder
from microtutor.models.weights import WEIGHTS


def file_of(name: str) -> Path:
    """model.safetensors of the named weights; skips the test if an installed package has left them out."""
    inside = WEIGHTS / name / "model.safetensors"
    kept = cache_folder() / "weights" / name / "model.safetensors"
    if inside.is_file() or (ROOT / "microtutor").is_dir():
        return inside
    if not kept.is_file():
        pytest.skip(f"{name} is not in the wheel, and not in the cache folder either: {kept}")
    return kept
