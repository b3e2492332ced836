"""A few of the trials of benchmarks/faults.py: runs killed, stopped, starved of disk, damaged or doubled."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def can_mount(folder):
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return False
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
    return done.returncode == 0 and not subprocess.run(["umount", folder]).returncode


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork server, and no signal to kill a process by")
def test_a_few_of_each_kind(tmp_path):
    kinds = ["kill -9", "SIGTERM", "flipped bytes", "two writers"]
    if can_mount(tmp_path):
        kinds += ["full disk", "read-only disk"]
    command = [sys.executable, "benchmarks/faults.py", "--trials", "2", "--kinds", *kinds]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("2 trials, all hold") == len(kinds)
