"""Held-out images: which ones weights are measured on, and what of them counts."""

import json

import pytest
import torch
from PIL import Image

from microtutor.evaluation import evaluate, evaluate_on, source_for, trained_with
from microtutor.microstructures import ImageFolder, LineImages, OverlappingDiscs, RockCrops
from microtutor.models import VAE
from microtutor.training import TrainingConfig

TINY = TrainingConfig(size=32, channels=4, steps=3, batch_size=4, validate_every=1, validation_images=4, device="cpu")


@pytest.mark.parametrize(
    ("source", "usable"),
    [
        (LineImages(count=(0, 1), size=32), lambda m: m.sum((1, 2, 3)) > 0),
        (OverlappingDiscs(fraction=0.1, radius=8, size=32), lambda m: m.sum((1, 2, 3)) > 0),
        (OverlappingDiscs(fraction=0.95, radius=8, size=32), lambda m: m.mean((1, 2, 3)) < 1),
    ],
)
def test_images_of_one_phase_are_left_out(source, usable, capsys):
    vae, images = VAE(size=32, channels=4), source.sample(40).images
    left = int(usable(images).sum())
    assert 0 < left < 40
    assert evaluate_on(vae, source, 40).images == left
    assert capsys.readouterr().err == f"left out {40 - left} of 40 images, which have one phase only\n"


def test_a_data_set_is_named_after_a_rock_with_a_name_only():
    volume = torch.rand(25, 25, 25, generator=torch.Generator().manual_seed(0)) < 0.5
    assert evaluate_on(VAE(size=16, channels=4), RockCrops(volume, size=16), 4).data_set == ""


# --- the material that weights saw ------------------------------------------------------------------------------------
def folder_of(path, said, name="training.json"):
    path.mkdir()
    (path / name).write_text(json.dumps(said), encoding="utf-8")
    return path


def test_weights_are_measured_on_their_own_material(tmp_path):
    run = folder_of(tmp_path / "run", TINY.replace(count=(3, 6)).as_dict() | {"precision": "no", "processes": 2})
    assert trained_with(run) == TINY.replace(count=(3, 6))
    assert source_for(run, 32) == LineImages((3, 6), 32)
    assert source_for("lines-1-4", 224) == LineImages((1, 4), 224)
    assert source_for("berea-noise", 128) == RockCrops("berea", size=128)
    rock = folder_of(tmp_path / "rock", {"configuration": {"material": "ketton", "size": 128}}, "card.json")
    assert source_for(rock, 128) == source_for(rock, 128, material="ketton") == RockCrops("ketton", size=128)


@pytest.mark.parametrize(
    ("name", "options", "message", "unseen"),
    [
        ("berea", {"material": "lines"}, "'berea' saw in training, berea, got lines", LineImages((1, 4), 64)),
        ("berea", {"material": "ketton"}, "'berea' saw in training, berea, got ketton", RockCrops("ketton", size=64)),
        ("lines-1-4", {"material": "berea"}, "saw in training, lines, got berea", RockCrops("berea", size=64)),
        ("lines-1-4", {"count": (3, 6)}, "saw in training, 1-4 lines, got 3-6 lines", LineImages((3, 6), 64)),
        ("lines-3-6", {"count": (1, 4)}, "saw in training, 3-6 lines, got 1-4 lines", LineImages((1, 4), 64)),
    ],
)
def test_other_material_must_be_asked_for(name, options, message, unseen):
    with pytest.raises(ValueError, match=f"expected the material that .*{message}; take unseen=True to measure there"):
        source_for(name, 64, **options)
    assert source_for(name, 64, unseen=True, **options) == unseen


def test_material_that_nobody_knows(tmp_path):
    own = folder_of(tmp_path / "own", TINY.replace(material="own").as_dict())
    for options in ({}, {"material": "lines"}, {"unseen": True}):
        with pytest.raises(
            ValueError, match=r"with a source of the user's own \(material='own'\), .* evaluate_on\(vae"
        ):
            source_for(own, 32, **options)
    assert source_for(own, 32, material="lines", unseen=True) == LineImages(size=32)
    for name in ("owner/name", tmp_path):
        assert trained_with(name) is None
        with pytest.raises(
            ValueError, match="expected a material, lines, berea or ketton, as nothing beside the weights"
        ):
            source_for(name, 32)
        assert source_for(name, 32, material="lines", count=(2, 3)) == LineImages((2, 3), 32)
    with pytest.raises(ValueError, match="expected material to be 'lines', 'berea' or 'ketton', got 'granite'"):
        source_for("lines-1-4", 32, material="granite")


def test_numbers_of_lines_are_looked_at():
    with pytest.raises(ValueError, match=r"expected count as \(fewest, most\) with fewest <= most .*, got \(5, 1\)"):
        source_for("lines-1-4", 32, count=(5, 1), unseen=True)
    with pytest.raises(TypeError, match=r"expected count as a whole number, got 1.5"):
        source_for("lines-1-4", 32, count=(1.5, 2))
    for material in (None, "ketton"):
        with pytest.raises(ValueError, match="expected count, a number of lines, with line images only, got it with "):
            source_for("berea", 32, material=material, count=(1, 4), unseen=True)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("[]", "expected names and values in .*training.json, got"),
        ("{", "training.json is damaged"),
        ('{"material": "granite"}', "is the configuration of no run: expected material"),
        ('{"size": "large"}', "is the configuration of no run: expected size"),
    ],
)
def test_runs_that_cannot_be_read(tmp_path, said, message):
    (tmp_path / "training.json").write_text(said, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        trained_with(tmp_path)


def test_weights_are_measured_on_the_pictures_they_did_not_see(tmp_path, capsys):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    images = OverlappingDiscs(0.4, 4, 32).sample(20).images
    for i, image in enumerate(images[:, 0]):
        Image.fromarray((255 * image).byte().numpy()).save(pictures / f"{i:02}.png")
    config = TINY.replace(material="images", folder=str(pictures))
    source = ImageFolder(str(pictures), 32)
    run = folder_of(tmp_path / "run", config.as_dict() | {"fingerprint": source.fingerprint})
    assert source_for(run, 32) == source
    vae = VAE(size=32, channels=4)
    found = evaluate_on(vae, source_for(run, 32), 100)
    assert (found.images, found.data_set) == (2, "pictures")
    assert capsys.readouterr().err == "measured on all 2 pictures that are held out, not on 100\n"
    with pytest.raises(ValueError, match="saw in training, images, got lines; take unseen=True"):
        source_for(run, 32, material="lines")
    assert source_for(run, 32, material="lines", unseen=True) == LineImages(size=32)
    (pictures / "07.png").unlink()
    with pytest.raises(ValueError, match=r"expected the very images in .*pictures that .*run' was trained on, got oth"):
        source_for(run, 32)
    pictures.rename(tmp_path / "moved")
    with pytest.raises(
        FileNotFoundError, match=r"expected the images that .* was trained on in .*pictures, got no such"
    ):
        source_for(run, 32)


def test_images_without_labels_of_lines_are_no_line_images():
    with pytest.raises(TypeError, match="for images without labels of lines take evaluate_crops"):
        evaluate(VAE(size=32, channels=4), OverlappingDiscs(0.4, 4, 32).sample(3))


# --- a source of the user's own ---------------------------------------------------------------------------------------
class Own:
    def __init__(self, images):
        self.images = images

    def sample(self, n, *, seed=0, device="cpu", split="test", index=0):
        return self


def test_own_sources_are_looked_at(capsys):
    m = (torch.arange(4 * 1024).reshape(4, 1, 32, 32) % 3 == 0).float()
    vae = VAE(size=32, channels=4)
    assert evaluate_on(vae, Own(m), 4).images == 4
    with pytest.raises(ValueError, match=r"expected source.sample\(4\) to give values in \[0, 1\], got \[0, 255\]"):
        evaluate_on(vae, Own(255 * m), 4)
    with pytest.raises(ValueError, match=r"images of shape \(5, 1, 32, 32\), got \(4, 1, 32, 32\)"):
        evaluate_on(vae, Own(m), 5)
    with pytest.raises(ValueError, match="expected images with both phases in them, got 4 with one phase only"):
        evaluate_on(vae, Own(0 * m), 4)
    with pytest.raises(TypeError, match="expected vae as a VAE, got 'berea'"):
        evaluate_on("berea", Own(m), 4)
    with pytest.raises(TypeError, match="expected source with a method sample"):
        evaluate_on(vae, m, 4)
    assert not capsys.readouterr().out
