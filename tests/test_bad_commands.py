"""Whatever is wrong with what is typed: exit code 2, one line on the error stream, nothing written.

The cases come from the signatures of the commands and of a training run: of every parameter, the words that do not fit
its type, and those that are wrong for what it names. A new parameter is tried the day it appears.
"""

import functools
import inspect
import io
import os
import re
import types
import zipfile
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import torch
import typer
from PIL import Image

from microtutor.cli import app
from microtutor.models import VAE
from microtutor.training import TrainingConfig
from tests.commands import run

COMMANDS = {info.name or info.callback.__name__: info.callback for info in app.registered_commands if info.callback}
# What each command is right with: its arguments, and the options that it cannot do without.
RIGHT: dict[str, tuple[list[str], dict[str, str]]] = {
    "train": (["classroom"], {"output": "run"}),
    "evaluate": (["lines-1-4"], {}),
    "statistics": (["good.png"], {}),
    "table": (["some"], {"output": "new.csv"}),
    "reconstruct": (["good.png"], {"output": "new.png"}),
    "design": (["weights/prior"], {"conductivity": "2.1", "output": "new-design"}),
    "reproduce": ([], {}),
    "experiment": (["beta"], {"output": "new.csv"}),
    "chapters": (["course"], {}),
    "report-environment": ([], {}),
}
PICTURES = [
    "absent",
    "folder/absent",
    "text",
    "empty",
    "cut",
    "colour",
    "alpha",
    "palette",
    "flat",
    "labels",
    "good.png/x",
]
ARRAYS = ["empty", "text", "archive", "pickle", "header", "absurd", "volume", "complex", "nan"]
IMAGES = (
    [f"{name}.png" for name in PICTURES] + [f"{name}.npy" for name in ARRAYS] + ["folder", "stack.tif", "locked.zip"]
)
LONG = "x" * 300
FILES = ["folder{}", "taken{}", "good.png/below{}", "taken{}/a/below{}", f"{LONG}{{}}", "new/{}", "f.wrong", "noend"]
FOLDERS = ["good.png", "good.png/below", "good.png/below/deeper"]
SUFFIXES = {"statistics.output": ".npy", "reconstruct.output": ".png", "experiment.output": ".csv"}
SUFFIXES |= {"record": ".json", "figure": ".png", "look": ".png", "table.output": ".csv"}
READ = {"volume.npy", "nan.npy", "stack.tif"}  # no single picture of grey values, and yet no fault for statistics
# The words that are wrong for what a parameter names, by its name, or that of the command before it.
WRONG: dict[str, list[str]] = {
    "preset": ["homework", "Classroom"],
    "device": ["abacus", "CPU", "cuda:99", "cpu:x"],
    "set_": ["stepz=3", "steps", "=3", "=", "count=(3", "Steps=3"],
    "weights": [f"weights/{name}" for name in ("cut", "text", "list", "other", "absurd", "own", "damaged")]
    + ["folder", "../x", "good.png"],
    "count": ["few", "1", "1-", "-4", "4-1", "1.5-2", "²-4"],
    "material": ["sand", "Lines", "own"],
    "image": IMAGES,
    "statistics.image": [name for name in IMAGES if name not in READ],
    "crop": ["5:5,:", "30:,:", ":,:,:", "2"],
    "mask": ["absent.png", "good.png/x", "info-bar", "0:,0:"],
    "phases": ["1", "7", "2.5"],
    "labels": ["1,1", "7", "0,x"],
    "spacing": ["0", "-1", "1,2,3", "1,nan"],
    "unit": ["µm"],
    "max_shift": ["0", "24"],
    "shape": ["24x24", "big"],
    "dtype": ["uint8"],
    "table.folder": ["absent", "good.png", "folder", "spoilt"],
    "scheduler": ["here", "tcp://"],
    "workers": ["0"],
    "train.images": ["absent", "empty.png", "flat.png", "labels.png", "stack.tif", "nan.npy", "folder", "locked.zip"],
    "label": ["99999"],
    "boundary": ["closed", "Open"],
    "name": ["gamma", "Beta"],
    "names": ["fft-way", "FFT_way"],
    "threshold": ["-1", "255", "1e300", "1,2,"],
    "tolerance": ["-1", "-1e-300"],
    "folder": FOLDERS,
    "train.output": [*FOLDERS, "weights/good", "finished"],
    "reproduce.output": FOLDERS,
    "design.weights": ["weights/good", "weights/noise"],
    "design.output": FOLDERS,
    "design.tolerance": ["0", "1"],
    "design.conductivity": ["1", "10", "-2"],
    "design.anisotropy": ["1.5"],
    "contrast": ["0", "1", "-1"],
    "table.contrast": ["0", "-1"],
}
# What has to be typed beside a parameter so that nothing else is wrong.
BESIDE = {
    "reproduce.output": ["--train"],
}
TINY = "--set size=32 --set channels=8 --set steps=2 --set batch_size=2 --set validation_images=2"
TOO_MANY = "1000000000000000"
TOGETHER = f"""
evaluate lines-1-4 --images {TOO_MANY}
evaluate lines-1-4 --material berea
evaluate berea --count 1-4
evaluate berea --material lines
evaluate berea --material lines --count 1-4
evaluate weights/own --material lines
evaluate weights/unknown
reproduce --output runs
reproduce --images {TOO_MANY}
statistics good.png --output good.png
statistics good.png --figure good.png
statistics good.png --figure good.png --overwrite
statistics good.png --figure folder.png/../good.png --overwrite
statistics good.npy --output good.npy --overwrite
statistics good.png --output x.npy --figure x.npy
statistics good.png --output new/taken.npz
statistics pair.tif
reconstruct good.png --output good.png
reconstruct good.png --output good.png --overwrite
reconstruct realisation-2.png --output realisation.png --number 3 --overwrite
reconstruct good.png --output realisation.png --number 3
reconstruct good.png --output new.png --number {TOO_MANY}
train classroom --output run --record run/training.json
train classroom --output run --record run/model.safetensors
train classroom --output run --record run/TRAINING.json
train classroom --output weights/good --set initial_weights=weights/good --overwrite
train classroom --output weights/good --set initial_weights=weights/good --resume
train classroom --output run {TINY} --set initial_weights=nonsense
train classroom --output run {TINY} --set initial_weights=weights/good --record weights/good/config.json --overwrite
train classroom --output run {TINY} --set material=own
train classroom --output run {TINY} --set precision=fp16 --device cpu
train classroom --output run {TINY} --set size=50
train classroom --output run {TINY} --set frozen=true
train classroom --output run {TINY} --set channels=12
train classroom --output run --set batch_size=100000000000
train classroom --output run --set validation_images=100000000000
train classroom --output run --set images=100000000000
train classroom --output run --held-out 100000000000
train classroom --output finished --resume {TINY}
train classroom --output run --set images=3
train classroom --output run --set seed=4294967296
train classroom --output run --set latent_dim=1000000000000
train classroom --output run --set noise_dim=9000000000000000000
train classroom --output run --set channels=8000000000000
train classroom --output run --set size=3200000000
train classroom --output run --set learning_rate=0
train classroom --output run --set count=4-1
train classroom --output run --set data_warm_up=1.5
experiment beta --output experiments/foreign.csv
experiment beta --output experiments/binary.csv
experiment beta --output experiments/cut.csv
experiment beta --output experiments/other.csv
experiment beta --output experiments/described.csv
design weights/prior --output new-design
design weights/prior --output new-design --anisotropy 4
design weights/prior --output new-design --anisotropy 0.3
design weights/prior --output new-design --conductivity 2 --contrast 1.5
design weights/prior --output new-design --conductivity 2 --number {TOO_MANY}
design weights/prior --output designed --conductivity 2
chapters course gauge gauges
no-such-command
--no-such-option
"""


def plain(kind: Any) -> Any:
    """The type that a word has to be of, without None and without what Typer is told."""
    if get_origin(kind) is Annotated:
        return plain(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return next(one for one in get_args(kind) if one is not type(None))
    return kind


@functools.cache
def parameters(command: str) -> dict[str, tuple[Any, Any]]:
    """Of each parameter of a command, its type and what Typer is told about it."""
    hints = get_type_hints(COMMANDS[command], include_extras=True)
    signature = inspect.signature(COMMANDS[command]).parameters
    return {name: (plain(hints[name]), hints[name].__metadata__[0]) for name in signature}


def misfits(kind: Any) -> list[str]:
    """Words that are of no such type."""
    return {
        bool: ["maybe", "2"],
        int: ["lots", "1.5", "nan", "1e3", "", "-1", "9" * 30],
        float: ["lots", "nan", "inf", "-inf", "", "1,5"],
        Path: [""],
    }.get(kind, ["", "nonsense"])


def wrong_words(command: str, name: str) -> list[str]:
    kind, info = parameters(command)[name]
    words = misfits(kind) + WRONG.get(f"{command}.{name}", WRONG.get(name, []))
    if suffix := SUFFIXES.get(f"{command}.{name}", SUFFIXES.get(name)):
        words += [word.replace("{}", suffix) for word in FILES]
    if kind is int and info.min is not None:
        words.append(str(info.min - 1))
    return list(dict.fromkeys(words))


def typed(command: str, name: str, word: str) -> list[str]:
    """A command as it is right, but for one word."""
    arguments, options = RIGHT[command]
    _, info = parameters(command)[name]
    beside = BESIDE.get(f"{command}.{name}", [])
    if isinstance(info, typer.models.ArgumentInfo):
        first = name == next(iter(parameters(command)))
        arguments = [word, *arguments[1:]] if first else [*arguments, word]
    else:
        options = options | {name: word}
    declared = {one: (*i.param_decls, f"--{one}")[0] for one, (_, i) in parameters(command).items() if i.param_decls}
    words = {one: declared.get(one, f"--{one.replace('_', '-')}") for one in options}
    return [command, *beside, *(f"{words[one]}={word}" for one, word in options.items()), "--", *arguments]


def cases() -> list[list[str]]:
    found = [line.split() for line in TOGETHER.strip().splitlines()]
    for command in COMMANDS:
        found += [typed(command, name, word) for name in parameters(command) for word in wrong_words(command, name)]
        arguments, options = RIGHT[command]
        found.append([command, *arguments, "--no-such-option"])
        if arguments or options:
            found.append([command])
    for name, kind in get_type_hints(TrainingConfig).items():
        found += [["train", "classroom", "--output=run", f"--set={name}={word}"] for word in misfits(plain(kind))]
    return found


def in_words(arguments: list[str]) -> str:
    return " ".join(word if len(word) < 100 else "x...x" for word in arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder full of good and bad files, which no case changes."""
    here = tmp_path_factory.mktemp("bad")
    noise = (np.random.default_rng(0).random((24, 24)) > 0.5).astype(np.uint8) * 255
    grey = np.arange(576, dtype=np.uint8).reshape(24, 24)
    pictures(here, noise, grey)
    arrays(here, noise)
    for kind in (".npy", ".png", ".csv", ".json"):
        (here / f"folder{kind}").mkdir()
        (here / f"taken{kind}").write_text("somebody's", encoding="utf-8")
    for name in ("new", "folder", "finished", "designed"):
        (here / name).mkdir()
    for name in ("some", "spoilt"):
        (here / name).mkdir()
    Image.fromarray(noise).save(here / "some" / "good.png")
    (here / "spoilt" / "text.png").write_text("no picture", encoding="utf-8")
    (here / "designed" / "structure-2.png").write_text("somebody's", encoding="utf-8")
    (here / "new" / "taken_radial.csv").write_text("somebody's", encoding="utf-8")
    (here / "finished" / "checkpoint.pt").write_bytes(b"no checkpoint")
    weights(here / "weights")
    experiments(here / "experiments")
    return here


def pictures(here: Path, noise: np.ndarray, grey: np.ndarray) -> None:
    for name in ("good.png", "realisation-2.png", "pair.tif"):
        Image.fromarray(noise).save(here / name)
    (here / "pair_statistics.npy").write_text("of pair.png", encoding="utf-8")
    (here / "text.png").write_text("no picture", encoding="utf-8")
    (here / "empty.png").write_bytes(b"")
    file = io.BytesIO()
    Image.fromarray(noise).save(file, format="PNG")
    (here / "cut.png").write_bytes(file.getvalue()[:-40])
    Image.merge("RGB", [Image.fromarray(one) for one in (noise, grey, grey.T.copy())]).save(here / "colour.png")
    Image.merge("LA", [Image.fromarray(noise), Image.fromarray(grey)]).save(here / "alpha.png")
    coloured = Image.fromarray(noise // 255).convert("P")
    coloured.putpalette([255, 0, 0, 0, 255, 0])
    coloured.save(here / "palette.png")
    Image.new("L", (24, 24), 7).save(here / "flat.png")
    Image.fromarray(grey // 86).save(here / "labels.png")
    Image.fromarray(noise).save(here / "stack.tif", save_all=True, append_images=[Image.fromarray(grey)])


def arrays(here: Path, noise: np.ndarray) -> None:
    np.save(here / "good.npy", noise)
    np.save(here / "volume.npy", np.stack([noise] * 3))
    np.save(here / "complex.npy", noise * 1j)
    np.save(here / "nan.npy", np.where(noise, np.nan, 1.0))
    np.save(here / "pickle.npy", np.array([{}], dtype=object), allow_pickle=True)
    with open(here / "archive.npy", "wb") as file:
        np.savez(file, noise)
    whole = (here / "good.npy").read_bytes()
    (here / "empty.npy").write_bytes(b"")
    (here / "text.npy").write_text("no array", encoding="utf-8")
    (here / "header.npy").write_bytes(whole.replace(b"'shape'", b"'shepe'"))
    (here / "absurd.npy").write_bytes(whole.replace(b"(24, 24), ", b"(9999999999, 99999),")[:200])
    with zipfile.ZipFile(here / "locked.zip", "w") as archive:
        archive.writestr("good.npy", whole)
    content = bytearray((here / "locked.zip").read_bytes())
    for start, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(start) + place] |= 1  # says that it is encrypted
    (here / "locked.zip").write_bytes(content)


def weights(here: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vae = VAE(size=32, channels=8, latent_dim=2)
        VAE(size=32, channels=8, latent_dim=2, prior=1).save_pretrained(here / "prior")
        VAE(size=32, channels=8, latent_dim=2, noise_dim=2, prior=1).save_pretrained(here / "noise")
    names = ("good", "unknown", "own", "damaged", "cut", "text", "list", "other", "absurd")
    for name in names:
        vae.save_pretrained(here / name)
        said = {"own": '{"material": "own"}', "damaged": "{", "good": '{"material": "lines"}'}.get(name)
        if said:
            (here / name / "training.json").write_text(said, encoding="utf-8")
    whole, config = (here / "good" / name for name in ("model.safetensors", "config.json"))
    (here / "cut" / "model.safetensors").write_bytes(whole.read_bytes()[:1000])
    (here / "text" / "model.safetensors").write_text("no weights", encoding="utf-8")
    (here / "list" / "config.json").write_text("[1, 2]", encoding="utf-8")
    text = config.read_text(encoding="utf-8")
    (here / "other" / "config.json").write_text(text.replace('"latent_dim": 2', '"latent_dim": 3'), encoding="utf-8")
    (here / "absurd" / "config.json").write_text(text.replace('"channels": 8', '"channels": 8e99'), encoding="utf-8")


def experiments(here: Path) -> None:
    here.mkdir()
    (here / "foreign.csv").write_text("name,price\napple,3\n", encoding="utf-8")
    (here / "binary.csv").write_bytes(bytes(range(256)))
    (here / "cut.csv").write_text("choice,seed,seconds,kl\n0.01,0,1.0\n0.1,", encoding="utf-8")
    (here / "other.csv").write_text("choice,seed,seconds,kl\nno such,0,1.0,1.0\n", encoding="utf-8")
    (here / "described.json").write_text('{"mine": 1}', encoding="utf-8")


def everything(here: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.is_file() and path.stat().st_mtime_ns) for path in here.rglob("*")}


@pytest.fixture
def no_work(monkeypatch):
    """Work that begins fails at once, and nothing is asked of the internet."""

    def begin(*arguments, **options):
        pytest.fail("work has begun")

    for name in (
        "training.loop._Run.loop",
        "training.images.RunImages._draw",
        "evaluation.held_out.evaluate",
        "evaluation.held_out.evaluate_crops",
        "experiments.train",
        "evaluation.report",
        "reconstruction.search._descend_from_noise",
        "design._Search",
    ):
        monkeypatch.setattr(f"microtutor.{name}", begin)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("microtutor.microstructures.datasets.fetch_from", begin)


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("arguments", [pytest.param(case, id=in_words(case)) for case in cases()])
def test_bad_input_is_answered_in_one_line(folder, monkeypatch, arguments):
    monkeypatch.chdir(folder)
    before = everything(folder)
    done = run(*arguments)
    assert everything(folder) == before
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    said = done.stderr.strip()
    assert said.startswith("microtutor: ")
    assert len(said.splitlines()) == 1
    assert len(said) < 1200
    assert not re.search(r"Traceback|\w+(Error|Exception)\b|\.part|NoneType|object at 0x|a bug of microtutor", said)


def test_every_command_is_known():
    assert set(RIGHT) == set(COMMANDS)
    assert len(cases()) >= 120


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="an administrator may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    picture = tmp_path / "mine.png"
    picture.write_bytes(b"")
    picture.chmod(0)
    done = run("statistics", picture)
    assert done.exit_code == 2
    assert len(done.stderr.strip().splitlines()) == 1
