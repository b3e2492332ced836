"""Measuring on held-out images: which ones weights are measured on, and the evaluation on images of a source."""

from __future__ import annotations

import os
import sys
from dataclasses import fields
from pathlib import Path

from microtutor.checks import check_bool, check_choice, check_count, quote
from microtutor.evaluation.metrics import Evaluation, evaluate
from microtutor.evaluation.rock import CropEvaluation, evaluate_crops
from microtutor.files import CARD_FILE, RUN_FILE, read_json
from microtutor.microstructures import ImageFolder, LineImages, LineSample, RockCrops
from microtutor.microstructures.rock import PORES_ARE_DARK
from microtutor.microstructures.samples import ask, check_images
from microtutor.models import VAE, shipped_weights
from microtutor.models.vae import check_vae
from microtutor.models.weights import WEIGHTS
from microtutor.training.config import ImageSource, TrainingConfig


def _beside(name: str | os.PathLike) -> Path:
    """The folder in which weights with that name lie, if they lie in one."""
    return WEIGHTS / str(name) if str(name) in shipped_weights() else Path(name)


def trained_with(name: str | os.PathLike) -> TrainingConfig | None:
    """The configuration that weights were trained with, as the run or the card beside them says; None if neither does.

    Args:
        name: as for `VAE.from_pretrained`; of a hub id nothing is known.

    Raises:
        TypeError: name is no name.
        ValueError: the file beside them is damaged.

    >>> trained_with("lines-3-6").count
    (3, 6)
    """
    if not isinstance(name, (str, os.PathLike)):
        raise TypeError(f"expected the name of weights or of their folder, got {quote(name)}")
    folder = _beside(name)
    said = read_json(folder / RUN_FILE) or (read_json(folder / CARD_FILE) or {}).get("configuration")
    if not said:
        return None
    known = {field.name for field in fields(TrainingConfig)}
    try:
        return TrainingConfig(**{key: value for key, value in said.items() if key in known})
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"what stands beside the weights in {folder} is the configuration of no run: {error}"
        ) from error


def source_for(
    name: str | os.PathLike,
    size: int,
    *,
    material: str | None = None,
    count: tuple[int, int] | None = None,
    unseen: bool = False,
) -> ImageSource:
    """What to measure weights on: the material that they were trained on, unless another one is asked for.

    Args:
        name: as for `VAE.from_pretrained`.
        size: side of the images, as the network has it.
        material: lines, berea or ketton; by default their own, which may also be images in files.
        count: fewest and most lines; by default their own. Of rock there is no such choice.
        unseen: whether another material than their own, or other numbers of lines, are meant to be.

    Raises:
        TypeError: an argument is of another type.
        FileNotFoundError: they were trained on images in files, which are no longer there.
        ValueError: nothing says what they were trained on and material is None; they were trained with a source of the
            user's own; the images in files are others now; or the material or the numbers of lines are others, and
            unseen is False.

    >>> source_for("lines-3-6", 224)
    LineImages(count=(3, 6), size=224)
    >>> source_for("berea", 128, material="lines")
    Traceback (most recent call last):
    ValueError: expected the material that 'berea' saw in training, berea, got lines; take unseen=True to measure there
    """
    if material is not None:
        check_choice(material, ("lines", *PORES_ARE_DARK), name="material")
    count = None if count is None else LineImages(count).count
    check_bool(unseen, name="unseen")
    config, named = trained_with(name), quote(str(name))
    if config is None and material is None:
        raise ValueError(
            f"expected a material, lines, berea or ketton, as nothing beside the weights {named} says what they saw"
        )
    if config is not None and config.material == "own" and not (material and unseen):
        raise ValueError(
            f"the weights {named} were trained with a source of the user's own (material='own'), which is not stored; "
            "measure them in Python: evaluate_on(vae, source)"
        )
    if config is not None:
        material, count = _seen(config, named, material, count, unseen=unseen)
    if material == "lines":
        return LineImages(count or (1, 4), size)
    if count is not None:
        raise ValueError(f"expected count, a number of lines, with line images only, got it with {material}")
    if material == "images" and config is not None:
        return _images_of(config.replace(size=size), name)
    return RockCrops(str(material), size=size)


def _images_of(config: TrainingConfig, name: str | os.PathLike) -> ImageSource:
    """The images in files that weights were trained on, if they are still the same: the splits follow from them."""
    advice = f"bring them back, or measure in Python: evaluate_on(vae, images_from(folder, {config.size}))"
    if not os.path.exists(str(config.folder)):
        raise FileNotFoundError(
            f"expected the images that {quote(str(name))} was trained on in {config.folder}, got no such folder or "
            f"file; {advice}"
        )
    source = config.source()
    known = (read_json(_beside(name) / RUN_FILE) or {}).get("fingerprint")
    if known is not None and known != getattr(source, "fingerprint", None):
        raise ValueError(
            f"expected the very images in {config.folder} that {quote(str(name))} was trained on, got others: some "
            f"were added, changed or taken away, and what is held out now may have been learned from; {advice}"
        )
    return source


def _seen(
    config: TrainingConfig, named: str, material: str | None, count: tuple[int, int] | None, *, unseen: bool
) -> tuple[str, tuple[int, int] | None]:
    """The material and the numbers of lines to measure on, once they are those of training, or meant to be others."""
    material = material or config.material
    if material != config.material:
        other = (config.material, material)
    elif material == "lines":
        count = count or config.count
        other = None if count == config.count else tuple("{}-{} lines".format(*c) for c in (config.count, count))
    else:
        other = None
    if other and not unseen:
        raise ValueError(
            f"expected the material that {named} saw in training, {other[0]}, got {other[1]}; take unseen=True to "
            "measure there"
        )
    return material, count


def evaluate_on(
    vae: VAE, source: ImageSource, images: int = 1000, seed: int = 0, *, steps: int = 0
) -> Evaluation | CropEvaluation:
    """Evaluate on held-out images of a source: as lines if they are lines, otherwise as crops of random material.

    Of pictures in a folder that are used whole, no more are taken than there are; the error stream says so.

    Some metrics do not exist for an image that lacks a phase, an empty one or a crop of one phase. Such images are left
    out: the error stream says how many, and the evaluation's `images` counts those that were measured. With steps above
    0 the latents are refined by so many steps first, see `VAE.reconstruct`.

    Raises:
        TypeError, ValueError: vae is no VAE, or the source does not give images for it; see `checked_images`. Or none
            of them has both phases.
    """
    check_vae(vae)
    images = _at_most(source, images)
    sample = ask(source, images, seed=seed)
    found = check_images(sample, images, vae.size)
    usable = found.flatten(1).amax(1) > 0
    if not isinstance(sample, LineSample):
        usable &= found.flatten(1).amin(1) < 1
    left_out = int((~usable).sum())
    if left_out == images:
        raise ValueError(f"expected images with both phases in them, got {images} with one phase only")
    if left_out:
        print(f"left out {left_out} of {images} images, which have one phase only", file=sys.stderr)
    if isinstance(sample, LineSample):
        return evaluate(vae, sample[usable] if left_out else sample, steps=steps)
    return evaluate_crops(vae, found[usable], data_set=_name_of(source), steps=steps)


def _at_most(source: ImageSource, images: int) -> int:
    """So many images as are asked for, or all different ones that there are, if they are whole pictures."""
    check_count(images, name="the number of images")
    there = source.crops("test") if isinstance(source, ImageFolder) and source.whole("test") else images
    if there < images:
        print(f"measured on all {there} pictures that are held out, not on {images}", file=sys.stderr)
    return min(there, images)


def _name_of(source: ImageSource) -> str:
    """What a table calls the material of a source."""
    if isinstance(source, ImageFolder):
        return Path(source.folder).name
    rock = getattr(source, "rock", "")
    return rock if isinstance(rock, str) else ""


def evaluate_on_seeds(vae: VAE, source: ImageSource, images: int = 1000) -> dict[int, Evaluation | CropEvaluation]:
    """Evaluate on three sets of held-out images; by their seed."""
    return {seed: evaluate_on(vae, source, images, seed) for seed in (0, 1, 2)}
