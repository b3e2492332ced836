"""What a command refuses before the first second of work: files that it would harm, and questions without an answer."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from microtutor.files import (
    CHECKPOINT,
    CONFIG_FILE,
    LOG,
    RUN_FILE,
    WEIGHT_FILE,
    check_outputs,
    check_writable,
)

SIZES = (128, 64)  # of crops from images of one's own, the largest that fits
STEPS = ((500, 2000), (5000, 4000))  # below so many crops for training that share no pixel: at most so many steps
WEIGHT_FILES = (CONFIG_FILE, WEIGHT_FILE)
RUN_FILES = (*WEIGHT_FILES, RUN_FILE, LOG, CHECKPOINT)


def check_fits(count: int, pixels: int, name: str) -> None:
    """Raise ValueError if so many images of so many pixels cannot be held in memory; takes none of it to try."""
    import torch

    try:
        torch.empty(count, pixels)
    except (RuntimeError, TypeError, OverflowError, MemoryError):
        raise ValueError(
            f"expected {name} whose images fit into memory, got {count} images of {pixels} pixels; take fewer"
        ) from None


def check_preset(name: str, presets: Mapping[str, Any]) -> str:
    """Give back the name of a preset, or raise ValueError that lists those there are."""
    if name not in presets:
        raise ValueError(f"expected a preset out of {', '.join(presets)}, got {name!r}")
    return name


def replace_or_rename(option: str) -> str:
    """What to do about a file that is there already, for an option that names another."""
    return f"add --overwrite to replace it, or choose another name with {option}"


def check_suffix(path: Path, *suffixes: str, what: str = "an output") -> None:
    """Raise ValueError unless a path ends in one of the suffixes, in small or capital letters."""
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"expected {what} file ending in {' or '.join(suffixes)}, got {path}")


def check_folder(folder: Path) -> None:
    """Raise ValueError or OSError if no files can be written into a folder, be it there or not."""
    if os.path.lexists(folder) and not folder.is_dir():
        raise ValueError(f"expected a folder for --output, got the file {folder}; choose another name")
    check_writable(folder / RUN_FILES[0])


def check_sizes(config: Any, images: int) -> None:
    """Refuse a run whose network, weights to start from or images cannot be had, or do not fit into memory."""
    import torch

    for name in ("batch_size", "validation_images", "images"):
        check_fits(getattr(config, name) or 1, config.size**2, f"--set {name}")
    check_fits(images, config.size**2, "--held-out")
    shape = config.replace(initial_weights=None, pretrained=config.pretrained and config.encoder == "compact")
    try:
        with torch.device("meta"):  # a network of sizes without numbers
            numbers = sum(parameter.numel() for parameter in shape.model().parameters())
        torch.empty(numbers)
    except (RuntimeError, TypeError, OverflowError, MemoryError):
        sizes = ", ".join(f"{name}={getattr(config, name)}" for name in ("latent_dim", "channels", "noise_dim", "size"))
        raise ValueError(f"expected a network that fits into memory, got one of {sizes}; take smaller ones") from None
    if config.initial_weights is not None:
        config.model()  # says why not


def on_images(config: Any, images: Path, chosen: Collection[str]) -> tuple[Any, str]:
    """A run on images in files, its size and steps chosen by what is there, and a line that says what was chosen.

    The size is the largest of `SIZES` that fits the images in every split, and is not above the preset's; the steps are
    the preset's, or fewer for few images, see `STEPS`.

    Args:
        config: of the preset, with the folder and how files are to be read.
        images: the folder or file as it was typed.
        chosen: names of choices that the user has made, which are kept.
    """
    if images.name.isdigit() and not images.exists():
        raise ValueError(
            f"expected a folder of pictures, or a volume, for --images, got {images}, which is not there; the number "
            f"of images to evaluate on is --held-out {images}"
        )
    sizes = [config.size] if "size" in chosen else [size for size in SIZES if size <= config.size] or [config.size]
    for size in sizes:
        config = config.replace(size=size)
        try:
            source = config.source()
            break
        except ValueError:
            if size == sizes[-1]:
                raise
    crops = source.crops("train")
    if "steps" not in chosen:
        config = config.replace(steps=min([config.steps, *(steps for below, steps in STEPS if crops < below)]))
    return config, f"{images}: {_in_words(source)}; size {config.size}, {config.steps} steps"


def _in_words(source: Any) -> str:
    """What images there are for which split."""
    from microtutor.microstructures import ImageFolder

    three = ("train", "validation", "test")
    if not isinstance(source, ImageFolder):
        sides = " x ".join(map(str, source.volume.shape))
        numbers = " + ".join(str(source.crops(split)) for split in three)
        return f"a volume of {sides} voxels, cut into blocks, {numbers} crops side by side for {', '.join(three)}"
    said = f"{len(source.names)} picture{'s' if source.names[1:] else ''}"
    if source.by_picture:
        said += f", {' + '.join(str(len(source.boxes(split))) for split in three)} for {', '.join(three)}"
    else:
        numbers = " + ".join(str(source.crops(split)) for split in three)
        said += f", each cut into blocks, {numbers} crops side by side for {', '.join(three)}"
    for names, what in ((source.copies, "equal to another"), (source.ignored, "no picture")):
        if names:
            said += f"; left out as {what}: {', '.join(names[:3])}{f' and {len(names) - 3} more' if names[3:] else ''}"
    return said


def check_run(output: Path, resume: bool, start: str | None, record: Path | None, overwrite: bool) -> None:
    """Refuse a run that would write over other weights, those that it starts from, or a record over the run."""
    check_folder(output)
    files = {f"the run's {name}": output / name for name in RUN_FILES}
    begins = {} if start is None else {f"the {name} that it starts from": Path(start, name) for name in WEIGHT_FILES}
    going_on = resume and (output / CHECKPOINT).is_file()
    there = [name for name in (*WEIGHT_FILES, CHECKPOINT) if os.path.lexists(output / name)]
    if there and not going_on:
        how = "add --resume to go on, or choose" if CHECKPOINT in there else "choose"
        raise FileExistsError(f"{output} already holds a run ({', '.join(there)}); {how} another folder for --output")
    check_outputs(files, begins, overwrite=True)
    if record is not None:
        check_suffix(record, ".json", what="a record")
        advice = replace_or_rename("--record")
        check_outputs({"--record": record}, files | begins, overwrite=overwrite, advice=advice)


def source_of(weights: str, size: int, material: str | None, count: str | None, *, unseen: bool) -> Any:
    """What to measure weights for images of that size on: what they saw, unless others are meant.

    Numbers of lines that are typed are meant.
    """
    from microtutor.evaluation import source_for, trained_with

    config, lines = trained_with(weights), fewest_and_most(count)
    shown = material or (config.material if config else None)
    if count is not None and shown in ("berea", "ketton", "images"):
        raise ValueError(f"expected --count, a number of lines, with line images only, got it with {shown}")
    meant = unseen or (count is not None and (config is None or config.material == "lines"))
    return source_for(weights, size, material=material, count=lines, unseen=meant)


def fewest_and_most(count: str | None) -> tuple[int, int] | None:
    """Two numbers from text such as 1-4."""
    if count is None:
        return None
    low, _, high = count.partition("-")
    if not (low.isascii() and low.isdigit() and high.isascii() and high.isdigit()):
        raise ValueError(f"expected count as fewest-most, for example 1-4, got {count!r}")
    return int(low), int(high)
