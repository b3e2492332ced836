"""Training on other images than lines, and with a decoder that takes noise."""

import json
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from microtutor.losses import StatisticsLoss, WeightedLoss, aligned_correlation
from microtutor.microstructures import ImageFolder, LineImages, OverlappingDiscs, RockCrops, seeded_generator
from microtutor.models import VAE
from microtutor.statistics import canonical_form
from microtutor.training import CHECKPOINT, LOG, PRESETS, TrainingConfig, loop, read_log, train
from microtutor.training.log import COLUMNS

OWN = TrainingConfig(
    material="own",
    size=32,
    channels=4,
    latent_dim=3,
    steps=6,
    batch_size=4,
    validate_every=3,
    validation_images=6,
    checkpoint_every=2,
    device="cpu",
)
NOISY = OWN.replace(noise_dim=5)


class Stripes:
    """Stripes of random width: the smallest source of images there is."""

    def sample(self, n, *, seed=0, device="cpu", split="test", index=0):
        generator = seeded_generator(seed, ("train", "validation", "test").index(split), index)
        width = torch.randint(2, 20, (n, 1, 1, 1), generator=generator)
        return SimpleNamespace(images=(torch.arange(32) < width).float().expand(n, 1, 32, 32).clone().to(device))


def weights(vae):
    return torch.cat([value.double().flatten() for value in vae.state_dict().values()])


def run(folder, config=OWN, **options):
    return train(config, folder, progress=False, source=Stripes(), **options)


# --- sources ----------------------------------------------------------------------------------------------------------
def test_sources_of_a_configuration():
    assert TrainingConfig(count=(3, 6), size=64).source() == LineImages((3, 6), 64)
    assert PRESETS["rock"].source() == RockCrops("berea", size=128)
    assert TrainingConfig(material="ketton", size=64).source() == RockCrops("ketton", size=64)
    with pytest.raises(ValueError, match=r"expected a source of images for material='own': train\("):
        OWN.source()
    with pytest.raises(ValueError, match=r"expected material to be 'lines', 'berea', .* or 'own', got 'granite'"):
        TrainingConfig(material="granite")


@pytest.fixture
def folder(tmp_path):
    """Twelve pictures of discs."""
    (tmp_path / "pictures").mkdir()
    for i, image in enumerate(OverlappingDiscs(0.4, 4, 32).sample(12).images[:, 0]):
        Image.fromarray((255 * image).byte().numpy()).save(tmp_path / "pictures" / f"{i}.png")
    return tmp_path / "pictures"


def test_images_in_files_are_a_material(folder, tmp_path):
    config = OWN.replace(material="images", folder=str(folder), augment=True)
    assert config.source() == ImageFolder(str(folder), 32, augment=True)
    assert TrainingConfig(**json.loads(json.dumps(config.as_dict()))) == config
    vae = train(config, tmp_path / "run", progress=False)
    held_out = ImageFolder(folder, 32).sample(6, split="validation").images
    error = StatisticsLoss()(vae.reconstruct(held_out), held_out).item()
    assert read_log(tmp_path / "run")["validation_statistics_error"][-1] == pytest.approx(error, rel=1e-4)
    said = json.loads((tmp_path / "run" / "training.json").read_text(encoding="utf-8"))
    assert said["fingerprint"] == ImageFolder(folder, 32).fingerprint


def test_a_run_goes_on_with_the_same_images_only(folder, tmp_path):
    config = OWN.replace(material="images", folder=str(folder))
    train(config, tmp_path / "run", progress=False)
    moved = config.replace(folder=str(folder.rename(tmp_path / "moved")))
    train(moved, tmp_path / "run", resume=True, progress=False)
    (tmp_path / "moved" / "3.png").unlink()
    with pytest.raises(ValueError, match=r"with other images than those it was begun with: what .*moved holds has"):
        train(moved, tmp_path / "run", resume=True, progress=False)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"material": "images"}, ValueError, "expected folder, where the images are, with material='images', got none"),
        ({"folder": "there"}, ValueError, "expected material='images' beside folder, got 'own'"),
        ({"threshold": 0.0}, ValueError, "expected material='images' beside threshold, got 'own'"),
        ({"label": 0}, ValueError, "expected material='images' beside label, got 'own'"),
        ({"augment": True}, ValueError, "expected material='images' beside augment, got 'own'"),
        ({"dark": "no"}, TypeError, "expected dark to be True or False, got 'no'"),
        ({"folder": 3}, TypeError, "expected folder as text, got 3"),
    ],
)
def test_what_is_said_of_files_is_looked_at(changes, error, message):
    with pytest.raises(error, match=message):
        OWN.replace(**changes)


def test_a_source_belongs_to_material_own(tmp_path):
    with pytest.raises(ValueError, match="expected material='own' beside a source of images, got 'lines'"):
        train(OWN.replace(material="lines"), tmp_path, source=Stripes())


def test_own_images_are_what_is_trained_and_validated_on(tmp_path):
    batches = loop._Run(OWN, tmp_path / "a", resume=False, source=Stripes()).images.batches(2)
    wanted = Stripes().sample(4, split="train", index=2).images
    assert torch.equal(next(batches), canonical_form(wanted))
    vae = run(tmp_path / "b")
    held_out = Stripes().sample(6, split="validation").images
    error = StatisticsLoss()(vae.reconstruct(held_out), held_out).item()
    assert read_log(tmp_path / "b")["validation_statistics_error"][-1] == pytest.approx(error, rel=1e-4)


def test_fixed_own_images(tmp_path):
    batches = loop._Run(OWN.replace(images=9), tmp_path, resume=False, source=Stripes()).images.batches(0)
    widths = set(Stripes().sample(9, split="train").images.sum((1, 2, 3)).tolist())
    assert set(next(batches).sum((1, 2, 3)).tolist()) <= widths


@pytest.mark.parametrize("grey", [1.0, 0.25])
def test_fixed_images_keep_their_grey_values(tmp_path, grey):
    class Grey(Stripes):
        def sample(self, n, **options):
            return SimpleNamespace(images=grey * super().sample(n, **options).images)

    made = loop._Run(OWN.replace(images=9), tmp_path, resume=False, source=Grey())
    assert made.images.fixed is not None
    assert made.images.fixed.dtype == (torch.bool if grey == 1 else torch.float32)
    assert next(made.images.batches(0)).unique().tolist() == [0, grey]


@pytest.mark.parametrize("config", [OWN, NOISY], ids=["plain", "noise"])
def test_resume_is_bit_identical(tmp_path, config):
    whole = run(tmp_path / "whole", config)

    class Broken(Stripes):
        def sample(self, n, *, index=0, split="test", **options):
            if split == "train" and index == 5:
                raise KeyboardInterrupt
            return super().sample(n, index=index, split=split, **options)

    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "parts", progress=False, source=Broken())
    assert torch.load(tmp_path / "parts" / CHECKPOINT, weights_only=True)["step"] == 4
    assert torch.equal(weights(run(tmp_path / "parts", config, resume=True)), weights(whole))


def test_a_checkpoint_from_before_there_were_materials_is_resumed(tmp_path):
    config = OWN.replace(material="lines")
    train(config, tmp_path, progress=False)
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    for name in ("material", "noise_dim", "diversity", "max_correlation"):
        del state["config"][name]
    torch.save(state, tmp_path / CHECKPOINT)
    assert train(config, tmp_path, resume=True, progress=False).latent_dim == 3
    with pytest.raises(ValueError, match=r"changed configuration: noise_dim=2 \(was 0\)"):
        train(config.replace(noise_dim=2), tmp_path, resume=True, progress=False)


def test_configurations_survive_json():
    for config in (PRESETS["rock"], NOISY):
        assert TrainingConfig(**json.loads(json.dumps(config.as_dict()))) == config


# --- a decoder that takes noise ---------------------------------------------------------------------------------------
def test_two_images_of_each_latent_vector_are_held_to_the_target(tmp_path):
    run_ = loop._Run(NOISY.replace(data_warm_up=0.0), tmp_path, resume=False, source=Stripes())
    images = next(run_.images.batches(0))
    terms = run_.train_step(images)
    assert torch.equal(terms["target"], torch.cat([images, images]))
    first, second = terms["output"].chunk(2)
    assert not torch.equal(first, second)  # each with noise of its own
    assert terms["aligned_correlation"] == pytest.approx(aligned_correlation(first, second).mean().item(), rel=1e-5)


def test_the_correlation_of_draws_is_logged_where_there_is_noise_only(tmp_path):
    run(tmp_path / "noise", NOISY)
    run(tmp_path / "plain", OWN)
    assert tuple(read_log(tmp_path / "plain")) == COLUMNS
    assert tuple(read_log(tmp_path / "noise")) == (*COLUMNS, "aligned_correlation")
    assert all(0 < value <= 1 for value in read_log(tmp_path / "noise")["aligned_correlation"])
    assert (tmp_path / "noise" / LOG).exists()


def test_the_diversity_term_rises_with_the_statistics_loss():
    config = NOISY.replace(steps=10, data_warm_up=1.0, diversity=100.0, max_correlation=0.2)
    assert [config.loss_at(step).diversity for step in (0, 5, 9)] == pytest.approx([0, 50, 90])
    assert config.loss_at(3).max_correlation == 0.2
    assert OWN.loss_at(5) == WeightedLoss(**vars(OWN.loss_at(5)) | {"diversity": 0.0})  # no noise, no term


def test_the_diversity_term_keeps_the_decoder_from_ignoring_its_noise(tmp_path):
    """Trained alike but for this term, on dots, which can lie anywhere: with it, two decodes differ."""

    class Dots:
        def sample(self, n, *, seed=0, device="cpu", split="test", index=0):
            generator = seeded_generator(seed, ("train", "validation", "test").index(split), index)
            return SimpleNamespace(images=(torch.rand(n, 1, 32, 32, generator=generator) < 0.3).float())

    base = NOISY.replace(steps=50, data_warm_up=0.0, channels=8, validate_every=50, batch_size=8, alpha=20.0)
    alike = {}
    for weight in (0.0, 300.0):
        folder = tmp_path / str(weight)
        vae = train(base.replace(diversity=weight), folder, progress=False, source=Dots())
        made = vae.realisations(Dots().sample(8).images, n=2)
        alike[weight] = aligned_correlation(made[:, 0], made[:, 1]).mean().item()
    assert alike[300.0] < 0.6 < 0.9 < alike[0.0]


@pytest.mark.parametrize(
    ("choice", "error", "message"),
    [
        ({"noise_dim": -1}, ValueError, "expected noise_dim of at least 0, got -1"),
        ({"noise_dim": 0.5}, TypeError, "expected noise_dim as a whole number, got 0.5"),
        ({"diversity": -1.0}, ValueError, "expected diversity as a finite number of at least 0, got -1"),
        (
            {"max_correlation": 1.1},
            ValueError,
            "expected max_correlation as a finite number of at least 0 and at most 1, got 1.1",
        ),
    ],
)
def test_bad_choices(choice, error, message):
    with pytest.raises(error, match=message):
        TrainingConfig(**choice)


def test_weights_of_a_noise_decoder_come_back(tmp_path):
    vae = run(tmp_path, NOISY)
    loaded = VAE.from_pretrained(tmp_path)
    images = Stripes().sample(3).images
    assert loaded.noise_dim == 5
    # the trained one is laid out channels last, which rounds differently
    torch.testing.assert_close(loaded.realisations(images, n=4, seed=2), vae.realisations(images, n=4, seed=2))
    again = VAE.from_pretrained(tmp_path)
    assert torch.equal(loaded.realisations(images, n=4, seed=2), again.realisations(images, n=4, seed=2))
