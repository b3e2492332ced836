"""The decoder that the page "Nine numbers" loads: the package's weights, small enough, the same each time."""

import base64
import gzip
import json
from pathlib import Path

import live_weights
import numpy as np
import torch
from outline import ROOT, config
from safetensors.torch import load, load_file

from microtutor.microstructures import LineImages
from microtutor.models import VAE


def packed(path: Path) -> bytes:
    """What the script holds, as it is packed."""
    return base64.b64decode(path.read_text(encoding="ascii").split('"')[1], validate=True)


def test_the_script_holds_decoder_prior_and_held_out_images(tmp_path):
    path = live_weights.write(tmp_path)
    assert path == tmp_path / "live" / "decoder_weights.js"
    text = path.read_text(encoding="ascii")
    assert text.startswith('microtutor.weights("')
    assert text.endswith('");\n')
    found = load(gzip.decompress(packed(path)))
    stored = load_file(ROOT / "microtutor" / "weights" / live_weights.WEIGHTS / "model.safetensors")
    expected = {name for name in stored if name.startswith(("decoder.", "prior."))}
    assert set(found) == expected | {"held_out.latents", "held_out.images"}
    for name in expected:
        assert torch.equal(found[name], stored[name]), name  # not rounded once more

    vae, sample = VAE.from_pretrained(live_weights.WEIGHTS), live_weights.held_out()
    images = np.unpackbits(found["held_out.images"].numpy(), axis=1).reshape(-1, 1, 224, 224)
    assert np.array_equal(images, vae.in_form(sample.images).numpy())
    assert found["held_out.latents"].shape == (len(images), 9)
    assert float(found["held_out.latents"].abs().max()) < 4  # the sliders' end


def test_weights_are_at_most_four_megabytes_and_the_page_says_how_much_it_loads(tmp_path):
    path = live_weights.write(tmp_path)
    assert len(packed(path)) < 4_000_000
    assert round(path.stat().st_size / 1e6) == 5
    assert "Packed they are less than 4 MB" in (ROOT / "book" / "nine_numbers.md").read_text(encoding="utf-8")
    for file in ("book/nine_numbers.md", "book/_static/live/nine_numbers.js"):
        assert "5 MB" in (ROOT / file).read_text(encoding="utf-8")


def test_it_is_the_same_each_time(tmp_path):
    first, second = (live_weights.write(tmp_path / name).read_bytes() for name in ("a", "b"))
    assert first == second


def test_titles_say_what_is_in_the_images():
    content = live_weights.content()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    sample = live_weights.held_out()
    titles = json.loads(header["__metadata__"]["titles"])
    assert [int(title.split()[0]) for title in titles] == sample.count.tolist()
    assert ["vertical" in title for title in titles] == sample.vertical.tolist()
    assert {bool(v) for v in sample.vertical} == {True, False}
    assert set(sample.count.tolist()) == {1, 2, 3, 4}


def test_held_out_images_are_not_those_of_training():
    trained = LineImages(count=(1, 4)).sample(live_weights.HELD_OUT, seed=live_weights.SEED, split="train")
    assert not torch.equal(trained.images, live_weights.held_out().images)


def test_the_book_writes_it():
    assert config()["sphinx"]["local_extensions"]["live_weights"] == "tools"
