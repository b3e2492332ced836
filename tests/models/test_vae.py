import hashlib
import json
import os
import random
import re
import shutil
from pathlib import Path

import pooch
import pytest
import requests
import torch
from outline import address, tag
from safetensors.torch import load_file, save

from microtutor.microstructures import LineImages
from microtutor.models import DECODERS, ENCODERS, VAE, shipped_weights, weights
from microtutor.models.networks import patch_side
from microtutor.models.vae import LOG_VARIANCE_RANGE
from microtutor.statistics import canonical_form
from tests.models.files import file_of

TINY = {"size": 32, "channels": 4, "latent_dim": 3}


def tiny(**changes):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return VAE(**TINY | changes).eval()


def images(n=4, size=32):
    return LineImages(size=size).sample(n).images


# --- shapes -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [16, 32, 64, 112, 128, 224])
@pytest.mark.parametrize("channels", [4, 8])
def test_compact_networks(size, channels):
    out = VAE(latent_dim=5, size=size, channels=channels)(images(2, size))
    assert out.reconstruction.shape == (2, 1, size, size)
    assert out.mean.shape == out.log_variance.shape == (2, 5)
    assert 0 < out.reconstruction.min() <= out.reconstruction.max() < 1
    assert patch_side(size) == (4 if size < 128 else 8)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("frozen", [False, True])
def test_resnet18(decoder, frozen):
    network = VAE(encoder="resnet18", decoder=decoder, size=64, channels=8, frozen=frozen)
    out = network.train()(images(2, 64))
    assert out.reconstruction.shape == (2, 1, 64, 64)
    out.reconstruction.mean().backward()
    learning = {name for name, p in network.named_parameters() if p.grad is not None}
    backbone = {name for name, _ in network.named_parameters() if name.startswith("encoder.backbone")}
    assert backbone
    assert learning.isdisjoint(backbone) if frozen else learning >= backbone
    assert "encoder.to_colour.weight" in learning


def test_paper_decoder_with_compact_encoder():
    assert tiny(decoder="paper").decode(torch.zeros(2, 3)).shape == (2, 1, 32, 32)


@pytest.mark.parametrize(("encoder", "least"), [("resnet18", 11e6), ("resnet50", 23e6), ("resnet152", 58e6)])
def test_parameters_of_the_paper(encoder, least):
    with torch.device("meta"):  # counted, not made
        network = VAE(encoder=encoder, decoder="paper", frozen=True)
    trainable = {name: p.numel() for name, p in network.named_parameters() if p.requires_grad}
    assert sum(p.numel() for p in network.decoder.parameters()) == 1_085_021
    assert sum(p.numel() for p in network.encoder.backbone.parameters()) > least
    if encoder == "resnet152":
        assert sum(trainable.values()) == 4_255_349
    assert sum(p.numel() for p in network.decoder.coarse.parameters()) == 1_085_021 - 4  # 39 x 39 pixels, then 1 x 1
    assert not any("backbone" in name for name in trainable)


def test_paper_decoder_draws_39_pixels():
    with torch.device("meta"):
        assert VAE(decoder="paper").decoder.coarse(torch.zeros(2, 9)).shape == (2, 3, 39, 39)


def test_all_names_can_be_built():
    with torch.device("meta"):
        for encoder in ENCODERS:
            for decoder in DECODERS:
                assert VAE(encoder=encoder, decoder=decoder).config["encoder"] == encoder


def test_resnets_take_sizes_the_compact_networks_cannot():
    assert VAE(encoder="resnet18", decoder="paper", size=50).eval()(images(1, 50)).reconstruction.shape[-1] == 50


def test_pretrained_weights_come_from_torchvision(monkeypatch):
    from torchvision import models

    asked = []
    plain = models.get_model
    monkeypatch.setattr(models, "get_model", lambda name, weights: asked.append((name, weights)) or plain(name))
    VAE(encoder="resnet18", size=64, pretrained=True)
    VAE(encoder="resnet18", size=64)
    assert asked == [("resnet18", "DEFAULT"), ("resnet18", None)]


def test_pretrained_weights_without_internet(monkeypatch):
    from torchvision import models

    def offline(name, weights):
        raise OSError("no route to host")

    monkeypatch.setattr(models, "get_model", offline)
    with pytest.raises(
        OSError, match=r"cannot download .* of resnet18 \(no route to host\); connect .*pretrained=False"
    ):
        VAE(encoder="resnet18", size=64, pretrained=True)


# --- latents ----------------------------------------------------------------------------------------------------------
def test_noise_is_drawn_in_training_and_left_out_in_evaluation():
    network, x = tiny(), images()
    mean, log_variance = network.encode(x)
    out = network(x)
    assert torch.equal(out.mean, mean)
    assert torch.equal(out.reconstruction, network.decode(mean))
    noise = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    wanted = network.decode(mean + noise * (0.5 * log_variance).exp())
    torch.testing.assert_close(network(x, noise).reconstruction, wanted)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        assert not torch.equal(network.train()(x).reconstruction, network(x).reconstruction)


def test_log_variance_is_bounded():
    network = tiny()
    network.to_latent.bias.data[3:] = torch.tensor([-1e4, 0, 1e4])
    low, _, high = network.encode(images(1))[1][0]
    assert (low, high) == LOG_VARIANCE_RANGE


# --- reconstruct ------------------------------------------------------------------------------------------------------
def test_reconstruct_is_decode_of_the_mean():
    network, x = tiny(), images(5)
    wanted = network.decode(network.encode(canonical_form(x))[0])
    for batch_size in (2, 5, 64):
        made = network.reconstruct(x, batch_size=batch_size)
        torch.testing.assert_close(made, wanted, rtol=0, atol=1e-6)
        assert not made.requires_grad
    plain = tiny(canonical=False)
    torch.testing.assert_close(plain.reconstruct(x), plain.decode(plain.encode(x)[0]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("shift", [(5, 0), (0, -9), (13, 20)])
def test_reconstruct_does_not_see_shifts_and_inversion(shift):
    x = images()
    moved = x.roll(shift, (-2, -1)).flip((-2, -1))
    assert torch.equal(tiny().reconstruct(moved), tiny().reconstruct(x))
    assert not torch.equal(tiny(canonical=False).reconstruct(moved), tiny(canonical=False).reconstruct(x))


@pytest.mark.parametrize("training", [True, False])
def test_reconstruct_leaves_the_mode_as_it_was(training):
    network = VAE(encoder="resnet18", size=32, channels=4).train(training)  # batch norm behaves differently in each
    made = network.reconstruct(images())
    assert network.training is training
    assert all(module.training is training for module in network.modules())
    assert torch.equal(made, network.eval().reconstruct(images()))


def test_reconstruct_leaves_the_mode_after_an_error(monkeypatch):
    network = tiny().train()
    monkeypatch.setattr(network, "decode", lambda latents, noise: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        network.reconstruct(images())
    assert network.training


@pytest.mark.parametrize("dtype", [torch.bool, torch.float64, torch.bfloat16])
def test_reconstruct_takes_images_of_any_precision(dtype):
    assert torch.equal(tiny().reconstruct(images().to(dtype)), tiny().reconstruct(images()))


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-5), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("noise_dim", [0, 2])
def test_networks_of_another_precision(dtype, atol, noise_dim):
    network = tiny(noise_dim=noise_dim)
    wanted = network.reconstruct(images())
    made = network.to(dtype).reconstruct(images())
    assert made.dtype == dtype
    torch.testing.assert_close(made.float(), wanted, rtol=0, atol=atol)
    assert network.decode(torch.zeros(1, 3)).dtype == dtype


@pytest.mark.gpu
def test_reconstruct_on_a_gpu():
    x = images()
    made = tiny().cuda().reconstruct(x)
    assert made.device.type == "cpu"
    torch.testing.assert_close(made, tiny().reconstruct(x), rtol=0, atol=1e-2)


# --- a decoder that takes noise ---------------------------------------------------------------------------------------
def test_noise_stands_beside_the_latents():
    network = tiny(noise_dim=2)
    z, e = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(1))
    made = network.decode(z[:, :3], e[:, :2])
    assert torch.equal(made, network.decoder(torch.cat([z[:, :3], e[:, :2]], 1)))
    assert not torch.equal(made, network.decode(z[:, :3]))
    torch.testing.assert_close(network.decode(z[:, :3])[2:], network.decode(z[2:, :3]))  # one draw for every image
    assert tiny(noise_dim=2, decoder="paper").decode(z[:, :3], e[:, :2]).shape == made.shape


def test_forward_decodes_each_latent_vector_as_often_as_there_is_noise():
    network, x = tiny(noise_dim=2), images(3)
    noise, e = torch.randn(3, 3), torch.randn(6, 2)
    out = network(x, noise, e)
    z = out.mean + noise * (0.5 * out.log_variance).exp()
    assert out.mean.shape == (3, 3)
    torch.testing.assert_close(out.reconstruction, torch.cat([network.decode(z, e[:3]), network.decode(z, e[3:])]))
    assert torch.equal(network(x).reconstruction, network.decode(out.mean))  # in evaluation mode always the same
    assert not torch.equal(network.train()(x, noise).reconstruction, network(x, noise).reconstruction)
    with pytest.raises(ValueError, match=r"expected noise of shape \(3, 2\), got"):
        network(x, noise, e[:4])


def test_reconstruct_is_the_first_realisation():
    network, x = tiny(noise_dim=2), images()
    made = network.reconstruct(x)
    torch.testing.assert_close(made, network.decode(network.encode(canonical_form(x))[0]))
    torch.testing.assert_close(made, network.realisations(x, n=1)[:, 0])
    assert not torch.allclose(made, network.decode(network.encode(canonical_form(x))[0], torch.zeros(4, 2)))


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_realisations(batch_size):
    network, x = tiny(noise_dim=2), images(3)
    made = network.realisations(x, n=5, seed=1, batch_size=batch_size)
    assert made.shape == (3, 5, 1, 32, 32)
    assert not made.requires_grad
    torch.testing.assert_close(
        made, network.realisations(x.roll(4, -1), n=5, seed=1)
    )  # an equivalent image has the same
    torch.testing.assert_close(made[1:2], network.realisations(x[1:2], n=5, seed=1))  # whatever else is in the batch
    assert len({m.numpy().tobytes() for m in made[0]}) == 5
    assert not torch.allclose(made, network.realisations(x, n=5, seed=2))


def test_without_noise_there_is_one_image():
    with pytest.raises(ValueError, match="expected a decoder that takes noise, got one with noise_dim=0"):
        tiny().realisations(images())
    with pytest.raises(ValueError, match=r"expected noise of shape \(4, 0\), got a tensor of shape \(4, 1\)"):
        tiny().decode(torch.zeros(4, 3), torch.zeros(4, 1))


@pytest.mark.parametrize("value", [2.0, torch.zeros(4, 3), torch.zeros(3, 2)])
def test_bad_noise(value):
    network = tiny(noise_dim=2)
    with pytest.raises(ValueError, match=r"expected noise of shape \(4, 2\), got"):
        network.decode(torch.zeros(4, 3), value)


def test_weights_from_before_there_was_noise_are_loaded(tmp_path):
    tiny().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    del config["noise_dim"]
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert VAE.from_pretrained(tmp_path).noise_dim == 0


# --- on disk ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"noise_dim": 2},
        {"decoder": "paper", "canonical": False},
        {"encoder": "resnet18", "frozen": True, "channels": 8},
    ],
)
def test_round_trip(tmp_path, changes):
    network = tiny(**changes)
    network.save_pretrained(tmp_path / "weights")
    assert sorted(os.listdir(tmp_path / "weights")) == ["config.json", "model.safetensors"]
    loaded = VAE.from_pretrained(tmp_path / "weights")
    assert not loaded.training
    assert loaded.config == network.config
    assert (loaded.canonical, loaded.size, loaded.latent_dim) == (network.canonical, 32, 3)
    assert loaded.state_dict().keys() == network.state_dict().keys()
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    trainable = [p.requires_grad for p in network.parameters()]
    assert [p.requires_grad for p in loaded.parameters()] == trainable
    assert torch.equal(loaded.reconstruct(images()), network.reconstruct(images()))


def test_round_trip_in_half_precision(tmp_path):
    network = tiny(encoder="resnet18", channels=8)
    network.save_pretrained(tmp_path, dtype=torch.float16)
    stored = load_file(tmp_path / "model.safetensors")
    assert {value.dtype for value in stored.values()} == {torch.float16, torch.int64}  # batch norm counts its batches
    loaded = VAE.from_pretrained(str(tmp_path))
    for name, value in network.state_dict().items():
        found = loaded.state_dict()[name]
        assert found.dtype == value.dtype
        assert torch.equal(found, value.half().to(value.dtype))


def test_saving_again_replaces(tmp_path):
    tiny().save_pretrained(tmp_path)
    tiny(channels=8).save_pretrained(tmp_path)
    assert VAE.from_pretrained(tmp_path).config["channels"] == 8


@pytest.fixture
def folder(tmp_path):
    tiny().save_pretrained(tmp_path)
    return tmp_path


def test_truncated_weights(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(
        ValueError, match=rf"the weights in {re.escape(str(folder))} are damaged \(.*\); copy or download them again"
    ):
        VAE.from_pretrained(folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.safetensors", b""),
        ("model.safetensors", b"\xff" * 200),
        ("config.json", b'{"latent_dim": 3,'),
        ("config.json", b"\xff\xfe"),
    ],
)
def test_damaged_files(folder, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(
        ValueError, match=rf"the weights in {re.escape(str(folder))} are damaged \(.*\); copy or download them again"
    ):
        VAE.from_pretrained(folder)


@pytest.mark.parametrize(
    "changes", [{"channels": 8}, {"latent_dim": 4}, {"decoder": "paper"}, {"encoder": "resnet18"}, {"noise_dim": 1}]
)
def test_weights_of_another_architecture(folder, changes):
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | changes), encoding="utf-8")
    with pytest.raises(
        ValueError, match=rf"the weights in {re.escape(str(folder))} do not fit the network of its config.json: \w"
    ) as e:
        VAE.from_pretrained(folder)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"latent_dim": 10**9}, "expected latent_dim of at most 65536, got 1000000000"),
        ({"latent_dim": 1e9}, "expected latent_dim as a whole number, got 1000000000.0"),
        ({"latent_dim": None}, "expected latent_dim as a whole number, got None"),
        ({"channels": 10**30}, "expected channels of at most 65536"),
        ({"size": -3}, "expected size of at least 1, got -3"),
        ({"size": "32"}, "expected size as a whole number, got '32'"),
        ({"size": [32]}, "expected size as a whole number, got a list"),
        ({"size": True}, "expected size as a whole number, got True"),
        ({"noise_dim": -1}, "expected noise_dim of at least 0, got -1"),
        ({"encoder": None}, "expected encoder to be 'compact', .*, got None"),
        ({"decoder": {}}, "expected decoder to be .*, got {}"),
        ({"frozen": "no"}, "expected frozen to be True or False, got 'no'"),
    ],
)
@pytest.mark.parametrize("stored", [True, False])  # by older versions the configuration was not
def test_absurd_configurations(folder, changes, message, stored):
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if not stored:
        del config["sha256"]
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        (folder / "model.safetensors").write_bytes(save(load_file(folder / "model.safetensors")))
        assert VAE.from_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(config | changes), encoding="utf-8")
    if stored:
        message = "they were saved with "
    with pytest.raises(ValueError, match=message) as error:
        VAE.from_pretrained(folder)
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)


def test_large_networks_are_refused_before_they_are_made(folder, monkeypatch):
    """A configuration of 200 GB beside small weights: the misfit is found on shapes alone."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    del config["sha256"]
    (folder / "model.safetensors").write_bytes(save(load_file(folder / "model.safetensors")))
    (folder / "config.json").write_text(json.dumps(config | {"channels": 2**16, "size": 2**14}), encoding="utf-8")
    with pytest.raises(
        ValueError, match=r"do not fit the network of its config.json: \S+ has shape \(4, 1, 4, 4\) and"
    ):
        VAE.from_pretrained(folder)


def test_a_size_that_no_weight_tells(tmp_path):
    tiny(encoder="resnet18", decoder="paper").save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(json.dumps(config | {"size": 40}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"do not fit the network of its config.json: they were saved with size=32"):
        VAE.from_pretrained(tmp_path)


# --- damage -----------------------------------------------------------------------------------------------------------
def test_the_checksum_is_that_of_the_file(folder):
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["sha256"] == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert "sha256" not in VAE.from_pretrained(folder).config
    for _ in range(5):  # the file of equal weights is the same, byte by byte
        tiny().save_pretrained(folder)
        assert json.loads((folder / "config.json").read_text(encoding="utf-8")) == config


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("flipped", [1, 8])
def test_flipped_bytes_are_refused_or_harmless(folder, name, flipped):
    chance, whole = random.Random(flipped), (folder / name).read_bytes()
    wanted, refused = VAE.from_pretrained(folder), 0
    for _ in range(100):
        damaged = bytearray(whole)
        for _ in range(flipped):
            damaged[chance.randrange(len(whole))] ^= chance.randrange(1, 256)
        (folder / name).write_bytes(damaged)
        try:
            loaded = VAE.from_pretrained(folder)
        except ValueError as error:
            refused += "\n" not in str(error)
        else:
            assert loaded.config == wanted.config
            assert all(torch.equal(a, b) for a, b in zip(loaded.state_dict().values(), wanted.state_dict().values()))
            refused += json.loads(damaged) == json.loads(whole)  # a space became another
    assert refused == 100


def test_a_card_knows_the_checksum_too(folder):
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    card = folder / "card.json"
    card.write_text(json.dumps({"sha256": config.pop("sha256")}), encoding="utf-8")
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert VAE.from_pretrained(folder)
    for other in ("[]", "{}", "no card"):
        card.write_text(other, encoding="utf-8")
        assert VAE.from_pretrained(folder)
    card.write_text('{"sha256": "0"}', encoding="utf-8")
    with pytest.raises(
        ValueError, match=r"are damaged \(expected the sha256 0, got \w{64}\); copy or download them again"
    ):
        VAE.from_pretrained(folder)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_no_numbers(tmp_path, value):
    network = tiny()
    network.save_pretrained(tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()
    with torch.no_grad():
        network.to_latent.bias[1] = value
    with pytest.raises(
        ValueError, match=r"expected finite weights, got NaN or infinity in to_latent.bias; nothing is w"
    ):
        network.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == before
    (tmp_path / "model.safetensors").write_bytes(save(network.state_dict()))
    (tmp_path / "config.json").write_text(json.dumps(network.config), encoding="utf-8")
    with pytest.raises(ValueError, match=r"are of no use: NaN or infinity in to_latent.bias; train or copy them anew"):
        VAE.from_pretrained(tmp_path)


@pytest.mark.parametrize("dtype", [torch.int8, torch.bool, torch.complex64, "float16", 16])
def test_precisions_that_hold_no_weights(tmp_path, dtype):
    with pytest.raises(TypeError, match=r"expected dtype out of torch.float64, torch.float32, .*, got"):
        tiny().save_pretrained(tmp_path / "new", dtype=dtype)
    assert not (tmp_path / "new").exists()


def test_a_precision_that_is_too_small(tmp_path):
    network = tiny()
    with torch.no_grad():
        network.to_latent.bias[0] = 1e6
    with pytest.raises(
        ValueError, match=r"infinity in to_latent.bias; nothing is written; .* torch.float16 cannot hold"
    ):
        network.save_pretrained(tmp_path, dtype=torch.float16)
    network.save_pretrained(tmp_path, dtype=torch.bfloat16)
    assert VAE.from_pretrained(tmp_path)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_weights_saved_inside_of_something(tmp_path, prefix):
    network = tiny()
    weights = {prefix + name: value for name, value in network.state_dict().items()}
    (tmp_path / "model.safetensors").write_bytes(save(weights))
    (tmp_path / "config.json").write_text(json.dumps(network.config), encoding="utf-8")
    loaded = VAE.from_pretrained(tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(loaded.state_dict().values(), network.state_dict().values()))


def test_weights_of_whole_numbers_are_not_floats(tmp_path):
    network = tiny()
    weights = {k: v.view(torch.int32) if k == "to_latent.bias" else v for k, v in network.state_dict().items()}
    (tmp_path / "model.safetensors").write_bytes(save(weights))
    (tmp_path / "config.json").write_text(json.dumps(network.config), encoding="utf-8")
    with pytest.raises(ValueError, match=r"do not fit .*: to_latent.bias has shape \(6,\) and torch.int32, not \(6,\)"):
        VAE.from_pretrained(tmp_path)


@pytest.mark.parametrize("device", ["gpu", "mps:x", "tpu"])
def test_devices_that_there_are_not(folder, device):
    with pytest.raises(ValueError, match=f"(expected a device such as 'auto', .*, got|device) '{device}'"):
        VAE.from_pretrained(folder, device=device)


@pytest.mark.parametrize("name", [None, 3, b"lines-1-4", ["lines-1-4"]])
def test_what_is_no_name(name):
    with pytest.raises(TypeError, match="expected the name of weights or of their folder, got"):
        VAE.from_pretrained(name)


@pytest.mark.parametrize(
    "content", ["[]", "null", "{}", '{"model_type": "bert"}', '{"latent_dim": 3, "encoder": "compact"}']
)
def test_configuration_of_something_else(folder, content):
    (folder / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"expected the configuration of a VAE in .*config.json, got"):
        VAE.from_pretrained(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_missing_file(folder, name):
    (folder / name).unlink()
    with pytest.raises(
        FileNotFoundError, match=rf"expected {name} in {re.escape(str(folder))}; is it a folder written by save_pretra"
    ):
        VAE.from_pretrained(folder)


def test_a_folder_is_looked_up_from_here_and_not_inside_the_package(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert VAE.from_pretrained(".").latent_dim == 3
    (folder / "inside").mkdir()
    monkeypatch.chdir(folder / "inside")
    assert VAE.from_pretrained("..").latent_dim == 3


@pytest.mark.parametrize("name", ["lines", "./no/such/folder", "/no-folder/x", "a/b/c", "", ".", "../weights"])
def test_unknown_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"expected "):
        VAE.from_pretrained(name)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(FileNotFoundError, match=r"expected one of .*, a folder, or a hub id owner/name; got 'line'"):
        VAE.from_pretrained("line")


def test_hub(folder, monkeypatch):
    asked = []
    monkeypatch.setattr(weights, "snapshot_download", lambda name, **options: asked.append((name, options)) or folder)
    assert VAE.from_pretrained("owner/name", revision="v1").latent_dim == 3
    assert asked == [("owner/name", {"allow_patterns": ["config.json", "model.safetensors"], "revision": "v1"})]


def test_options_of_the_hub_are_not_for_folders(folder):
    with pytest.raises(TypeError, match=r"expected options for a hub id only, got revision for the folder"):
        VAE.from_pretrained(folder, revision="v1")
    with pytest.raises(TypeError, match=r"got push_to_hub, repo_id; for the hub call push_to_hub\(repo_id\)"):
        tiny().save_pretrained(folder, push_to_hub=True, repo_id="owner/name")
    with pytest.raises(TypeError, match="colour"):
        VAE.from_pretrained("owner/name", colour="red")


def test_push_to_hub_saves_what_from_pretrained_loads(monkeypatch, tmp_path):
    from huggingface_hub import hub_mixin

    class Hub:
        def __init__(self, token=None):
            pass

        def create_repo(self, repo_id, **options):
            self.repo_id = repo_id
            return self

        def upload_folder(self, folder_path, **options):
            return VAE.from_pretrained(folder_path).config

    monkeypatch.setattr(hub_mixin, "HfApi", Hub)
    assert tiny().push_to_hub("owner/name") == tiny().config


def test_hub_that_does_not_answer(monkeypatch):
    def offline(name, **options):
        raise ConnectionError("no internet")

    monkeypatch.setattr(weights, "snapshot_download", offline)
    with pytest.raises(FileNotFoundError, match=r"got 'owner/name', and the hub does not give it: ConnectionError"):
        VAE.from_pretrained("owner/name")


def test_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "taken").write_text("", encoding="utf-8")
    with pytest.raises(OSError, match=r"cannot write .*taken.*; choose a folder with room"):
        tiny().save_pretrained(tmp_path / "taken")


@pytest.mark.parametrize("name", shipped_weights())
def test_shipped_weights(name):
    assert file_of(name).is_file()
    network = VAE.from_pretrained(name)
    sample = LineImages(size=network.size).sample(2)
    assert network.reconstruct(sample.images).shape == sample.images.shape


# --- weights that the wheel leaves out --------------------------------------------------------------------------------
@pytest.fixture
def left_out(monkeypatch, tmp_path):
    """Where the numbers of berea would lie: not in the package here, with an empty cache folder and no network."""
    package = tmp_path / "package" / "berea"
    package.mkdir(parents=True)
    for name in ("card.json", "config.json"):
        shutil.copy(weights.WEIGHTS / "berea" / name, package)
    monkeypatch.setenv("MICROTUTOR_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(requests, "get", no_network)
    monkeypatch.setattr(weights, "WEIGHTS", package.parent)
    return tmp_path / "data" / "weights" / "berea" / "model.safetensors"


def no_network(*_, **__):
    raise requests.exceptions.ConnectionError("no network")


def test_weights_left_out_are_fetched_once_from_the_release_of_this_version(left_out, monkeypatch):
    whole, asked = left_out.parents[3] / "whole", []
    shutil.copytree(Path(weights.__file__).parents[1] / "weights" / "berea", whole)

    def retrieve(url, known_hash, fname, path):
        asked.append((url, known_hash, path / fname))
        path.mkdir(parents=True)
        shutil.copy(whole / fname, path / fname)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    assert shipped_weights() == ["berea"]
    loaded = [VAE.from_pretrained("berea").state_dict() for _ in range(2)]
    sha256 = hashlib.sha256((whole / "model.safetensors").read_bytes()).hexdigest()
    name = address().removeprefix("https://github.com/")
    url = f"https://raw.githubusercontent.com/{name}/{tag()}/microtutor/weights/berea/model.safetensors"
    assert asked == [(url, f"sha256:{sha256}", left_out)]
    for key, value in VAE.from_pretrained(whole).state_dict().items():
        assert all(torch.equal(value, weights[key]) for weights in loaded)


def test_weights_left_out_without_network_say_where_to_get_them(left_out):
    with pytest.raises(FileNotFoundError, match=r"weights/berea/model.safetensors is not in .* downloaded") as error:
        VAE.from_pretrained("berea")
    message = str(error.value)
    assert "connect to the internet once, or get it from https://raw.githubusercontent.com/" in message
    assert f"put it there as {left_out}" in message
    assert "set MICROTUTOR_DATA to the folder that holds weights/berea/model.safetensors" in message
    assert "classroom zip" in message
    assert not left_out.exists()


def test_weights_left_out_that_were_changed_are_not_loaded(left_out):
    left_out.parent.mkdir(parents=True)
    left_out.write_bytes(b"other weights")
    with pytest.raises(ValueError, match=r"model.safetensors with the sha256 \w{64}, got \w{64}: the file is damaged"):
        VAE.from_pretrained("berea")
    assert left_out.read_bytes() == b"other weights"


def test_options_of_the_hub_are_not_for_weights_left_out(left_out):
    with pytest.raises(TypeError, match="expected options for a hub id only, got revision"):
        VAE.from_pretrained("berea", revision="v1")


# --- bad input --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"encoder": "resnet34"}, ValueError, "expected encoder to be 'compact', 'resnet18', .*, got 'resnet34'"),
        ({"decoder": "big"}, ValueError, "expected decoder to be 'compact' or 'paper', got 'big'"),
        ({"canonical": "none"}, TypeError, r"expected canonical to be True or False, got 'none' \(str\)"),
        ({"frozen": True}, ValueError, "expected frozen=True with a ResNet encoder only, got encoder='compact'"),
        ({"pretrained": True}, ValueError, "expected pretrained=True with a ResNet encoder only, got encoder='comp"),
        ({"size": 100}, ValueError, "expected size as a multiple of 16 pixels, got 100; crop or resize to 96"),
        ({"size": 200}, ValueError, "expected size as a multiple of 32 pixels, got 200; crop or resize to 192"),
        ({"size": 3}, ValueError, "expected size as a multiple of 16 pixels, got 3; crop or resize to 16"),
        ({"size": 64.0}, TypeError, "expected size as a whole number, got 64.0"),
        ({"encoder": ["compact"]}, ValueError, r"expected encoder to be .*, got \['compact'\]"),
        ({"frozen": "false"}, TypeError, r"expected frozen to be True or False, got 'false' \(str\)"),
        ({"pretrained": 0}, TypeError, "expected pretrained to be True or False, got 0"),
        ({"latent_dim": 10**9}, ValueError, "expected latent_dim of at most 65536, got 1000000000"),
        ({"latent_dim": 0}, ValueError, "expected latent_dim of at least 1, got 0"),
        ({"channels": 12}, ValueError, "expected channels below 8 or a multiple of 8, got 12"),
    ],
)
def test_bad_networks(options, error, message):
    with pytest.raises(error, match=message):
        VAE(**options)


@pytest.mark.parametrize("method", ["encode", "forward", "reconstruct"])
@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("image.png", TypeError, "expected images as a torch tensor, got 'image.png'"),
        (torch.zeros(2, 1, 32, 32).numpy(), TypeError, "expected images as a torch tensor, got a ndarray"),
        (
            torch.full((2, 1, 32, 32), 255.0),
            ValueError,
            r"values in \[0, 1\], got values in \[255, 255\]; divide by 255",
        ),
        (torch.full((2, 1, 32, 32), -0.5), ValueError, r"values in \[0, 1\], got values in \[-0.5, -0.5\]"),
        (torch.full((2, 1, 32, 32), torch.nan), ValueError, "finite values"),
        (torch.zeros(2, 1, 32, 32, dtype=torch.complex64), TypeError, "complex64"),
        (torch.zeros(32, 32), ValueError, r"expected images of shape \(batch, 1, 32, 32\), got .*shape \(32, 32\)"),
        (torch.zeros(2, 3, 32, 32), ValueError, r"expected images of shape \(batch, 1, 32, 32\), got"),
        (torch.zeros(2, 1, 64, 64), ValueError, r"expected images of shape \(batch, 1, 32, 32\), got"),
        (torch.zeros(0, 1, 32, 32), ValueError, "at least one"),
        (torch.zeros(2, 1, 32, 32, dtype=torch.uint8), TypeError, "float"),
    ],
)
def test_bad_images(method, value, error, message):
    with pytest.raises(error, match=message):
        getattr(tiny(), method)(value)


@pytest.mark.parametrize("method", ["encode", "forward"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_images_of_another_precision(method, dtype):
    with pytest.raises(
        TypeError, match=r"network's precision, torch.float32, .* convert them with .to\(torch.float32\)"
    ):
        getattr(tiny(), method)(images().to(dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert getattr(tiny(), method)(images()) is not None


@pytest.mark.parametrize("value", [0, -1, 2.0, None])
def test_bad_batch_sizes(value):
    for method in ("reconstruct", "realisations"):
        with pytest.raises(
            (TypeError, ValueError), match=r"expected batch_size (of at least 1|as a whole number), got"
        ):
            getattr(tiny(noise_dim=2), method)(images(), batch_size=value)


def test_networks_do_not_depend_on_the_default_precision(folder):
    wanted = VAE.from_pretrained(folder).reconstruct(images())
    sample = LineImages(size=32).sample(3)
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(VAE.from_pretrained(folder).reconstruct(images()), wanted)
        assert torch.equal(LineImages(size=32).sample(3).images, sample.images)
    finally:
        torch.set_default_dtype(torch.float32)


def test_grey_values_and_nan_are_no_phase():
    with pytest.raises(ValueError, match=r"values in \[0, 1\], got values in \[255, 255\]; divide by 255"):
        tiny().reconstruct(torch.full((1, 1, 32, 32), 255.0))
    with pytest.raises(ValueError, match="NaN or infinity"):
        tiny().reconstruct(torch.full((1, 1, 32, 32), torch.nan))


@pytest.mark.parametrize("value", [[0.0, 0.0, 0.0], torch.zeros(3), torch.zeros(2, 4)])
def test_bad_latents(value):
    with pytest.raises(ValueError, match=r"expected latents of shape \(batch, 3\), got a (list|tensor of shape)"):
        tiny().decode(value)
