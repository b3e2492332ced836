"""The benchmark for a card, tried without one: nobody should learn on a GPU that costs money that it does not start."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


@pytest.fixture
def gpu():
    specification = importlib.util.spec_from_file_location("benchmarks_gpu", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_every_part_but_the_compiled_one_runs_on_a_cpu(gpu, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--device", "cpu"])
    assert gpu.main() == 0
    said = capsys.readouterr().out
    for line in ("copy on the device", "line images of 32 x 32", "a step in each precision", "training, images per s"):
        assert line in said
    for name in ("classroom", "laptop"):
        for precision in ("auto", "no", "bf16"):
            (line,) = [each for each in said.splitlines() if each.split()[:2] == [name, precision]]
            assert int(line.split()[-1]) > 0
    assert "Error" not in said


def test_what_a_card_cannot_do_is_told_and_the_rest_goes_on(gpu, monkeypatch):
    def full(config, *, steps):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nand more")

    monkeypatch.setattr(gpu, "estimate_minutes", full)
    assert gpu.speed(gpu.PRESETS["laptop"], tiny=False).endswith("CUDA out of memory. Tried to allocate 2 GiB.")
    monkeypatch.setattr(gpu, "estimate_minutes", lambda config, *, steps: 2.0)
    assert gpu.speed(gpu.PRESETS["laptop"].replace(steps=60, batch_size=10), tiny=False) == "5"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_without_a_card_nothing_is_measured(gpu, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gpu.py"])
    assert gpu.main() == 1
    assert "no CUDA device here, so nothing was measured" in capsys.readouterr().out
