"""What the command says when something goes wrong in the middle of it, and in whose words."""

import ast
import functools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import typer

import microtutor
from microtutor.cli import answers, app
from microtutor.cli.answers import in_options
from tests.commands import run

PACKAGE = Path(microtutor.__file__).parent
COMMAND = [sys.executable, "-m", "microtutor.cli"]


def raising(error: BaseException):
    def fail(*arguments, **options):
        raise error

    return fail


def failing_in_json(*arguments, **options):
    return json.loads("{")  # a library raises, over a value that nobody looked at


@pytest.fixture
def picture(tmp_path, monkeypatch):
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    Image.effect_noise((16, 16), 60).save("mine.png")
    return "mine.png"


@pytest.mark.parametrize(
    ("fail", "code", "said"),
    [
        (raising(ValueError("expected this,\n  got that")), 2, "microtutor: expected this, got that"),
        (raising(KeyError("no_such")), 1, "an error that is not expected, KeyError: 'no_such'; this is a bug"),
        (
            raising(RuntimeError("a\nb")),
            1,
            "RuntimeError: a b; this is a bug of microtutor: please report it at https:",
        ),
        (failing_in_json, 1, "an error that is not expected, JSONDecodeError: Expecting"),
        (lambda *a, **k: [][1], 1, "IndexError: list index out of range; this is a bug"),
        (lambda *a, **k: "a" + 1, 1, "an error that is not expected, TypeError: can only concatenate"),
        (raising(EOFError()), 1, "EOFError"),
        (raising(AssertionError()), 1, "AssertionError"),
        (raising(RecursionError("too deep")), 1, "RecursionError"),
        (raising(MemoryError()), 2, "this takes more memory than there is; take a smaller image"),
        (raising(torch.OutOfMemoryError("CUDA out of memory")), 2, "this takes more memory than there is"),
        (lambda *a, **k: torch.empty(10**15), 2, "this takes more memory than there is"),
        (
            lambda *a, **k: os.listdir("no/such/file"),
            2,
            "microtutor: no/such/file: No such file or directory; look whether",
        ),
        (raising(OSError("/a/.x.npy.0123abcd-17-abcdef.part: gone")), 2, "microtutor: /a/x.npy: gone"),
        (raising(KeyboardInterrupt()), 130, ""),
        (raising(KeyboardInterrupt("go on with resume=True")), 130, "microtutor: go on with resume=True"),
    ],
)
def test_one_line_whatever_goes_wrong(picture, monkeypatch, fail, code, said):
    monkeypatch.setattr("microtutor.statistics.autocorrelation", fail)
    done = run("statistics", picture)
    assert done.exit_code == code
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == bool(said)
    assert "Traceback" not in done.output
    assert sorted(os.listdir()) == ["mine.png"]


@pytest.mark.parametrize(("setting", "shown"), [("1", True), ("0", False), ("", False)])
def test_the_traceback_is_for_those_who_ask(picture, monkeypatch, setting, shown):
    monkeypatch.setattr("microtutor.statistics.autocorrelation", raising(KeyError("no_such")))
    monkeypatch.setenv("MICROTUTOR_DEBUG", setting)
    done = run("statistics", picture)
    assert done.exit_code == 1
    assert ("Traceback" in done.stderr) == shown
    assert done.stderr.splitlines()[-1].startswith("microtutor: an error that is not expected, KeyError")


def test_ctrl_c_that_an_import_turned_into_another_error():
    error = ImportError("numpy failed to import")
    error.__cause__ = KeyboardInterrupt()
    assert answers.answer(error) == 130


STUB = """
import os, signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background job has not
os.kill(os.getpid(), signal.SIGINT)
time.sleep(5)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal to send")
@pytest.mark.parametrize("library", ["typer", "torch", "accelerate"])
def test_ctrl_c_during_the_first_imports(tmp_path, library):
    (tmp_path / f"{library}.py").write_text(STUB, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [*COMMAND, "train", "classroom", "--output", "run"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 130
    assert done.stderr == done.stdout == ""
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")
def test_a_pipe_that_nobody_reads(picture):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*COMMAND, "statistics", picture], stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert done.stderr == ""
    assert done.returncode == 141
    assert (Path.cwd() / "mine_statistics.npy").is_file()  # it writes before it speaks


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_output_that_does_not_fit():
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([*COMMAND, "report-environment"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("microtutor: No space left on device")
    assert len(done.stderr.splitlines()) == 1


def test_usage_in_one_line():
    assert run("train").stderr.lower().startswith("microtutor: missing argument 'preset'; see ")
    assert run("trian").stderr.startswith("microtutor: no such command 'trian'")
    done = run("statistics", "a.png", "--thresold", 3)
    assert done.exit_code == 2
    assert done.stderr.startswith("microtutor: no such option: --thresold")
    done = run("statistics", "a.png", "--threshold", "nan")
    assert "for --threshold: 'nan' is not a finite number; see " in done.stderr


def test_warnings_are_notes_of_one_line(picture):
    done = run("reconstruct", picture, "--output", "realisation.png", "--steps", 3, "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert re.search(r"^microtutor: note: 1 of 1 images stopped within 3 steps", done.stderr, re.M)


# --- the sentences of the library in the words of the command ---------------------------------------------------------
@functools.cache
def parameters(command: str):
    return typer.main.get_command(app).commands[command].params  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("command", "text", "expected"),
    [
        ("train", "run holds a run; pass resume=True to go on", "run holds a run; pass --resume to go on"),
        ("train", "take device='auto' or 'cpu' (in Colab)", "take --device auto or cpu (in Colab)"),
        ("train", "clip=1, or precision='no'", "--set clip=1, or --set precision=no"),
        ("train", "a lower learning_rate (now 0.002)", "a lower --set learning_rate (now 0.002)"),
        ("train", "count=(1, 4) (was (3, 6))", "--set count=(1, 4) (was (3, 6))"),
        ("train", "CUDA_VISIBLE_DEVICES=1 and unknown=3", "CUDA_VISIBLE_DEVICES=1 and unknown=3"),
        ("statistics", "such as threshold=86, to cut", "such as --threshold 86, to cut"),
        ("statistics", "steps=3 is no option of this", "steps=3 is no option of this"),
        ("evaluate", "take unseen=True to measure there", "take --unseen to measure there"),
    ],
)
def test_choices_become_options(command, text, expected):
    assert in_options(text, parameters(command)) == expected


# What only calls from Python can meet: tensors, lists of labels, the hub; what really is to be done in Python; and a
# choice whose name stands in a variable.
NEVER_MET = (
    "a float tensor|the network is|network's precision|push_to_hub|leave NaN out|labels=True or|takes noise, got"
)
NEVER_MET += "|measure them in Python|7=True with a ResNet"


def sentences(*modules: str) -> list[str]:
    """Every sentence that modules raise, with a word for each value in it."""
    found = []
    for module in modules:
        for node in ast.walk(ast.parse((PACKAGE / module).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
                found.append(text_of(node.exc.args[0]))
            elif isinstance(node, (ast.Return, ast.Assign)) and isinstance(node.value, (ast.JoinedStr, ast.Constant)):
                found.append(text_of(node.value))
    return [text for text in found if " " in text and not re.search(NEVER_MET, text)]


def text_of(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join("7" if isinstance(v, ast.FormattedValue) else text_of(v) for v in node.values)
    if isinstance(node, ast.BinOp):
        return text_of(node.left) + text_of(node.right)
    return ""


def python(text: str) -> list[str]:
    """What in a sentence is to be written in Python, not on a command line."""
    left = re.sub(r"--set \w+=\S+|CUDA_VISIBLE_DEVICES=\w+", "", text)
    return re.findall(r"\b\w+=\w+|\w+\(\.*\w*|load_\w+|PIL\.\S+|save_pretrained", left)


@pytest.mark.parametrize(
    ("command", "modules"),
    [
        ("train", ["training/loop.py", "training/config.py", "environment.py", "models/vae.py"]),
        ("reconstruct", ["microstructures/grey.py", "microstructures/images.py"]),
        ("statistics", ["microstructures/grey.py", "microstructures/images.py"]),
        ("evaluate", ["records.py", "models/vae.py"]),
        ("experiment", ["experiments.py"]),
    ],
)
def test_sentences_that_a_command_can_meet_speak_no_python(command, modules):
    said = {text: in_options(text, parameters(command)) for text in sentences(*modules)}
    assert len(said) > 4
    assert not {text: python(words) for text, words in said.items() if python(words)}
