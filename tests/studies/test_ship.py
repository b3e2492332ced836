"""Weights of a run are put into the package with a card that says where they come from."""

import hashlib
import json

import torch

from microtutor.evaluation import evaluate
from microtutor.models import VAE, finish
from microtutor.records import write_record
from microtutor.training import train
from studies import ship
from tests.test_records import TINY


def test_weights_of_a_run_get_a_card(tmp_path, monkeypatch, capsys):
    run = tmp_path / "run"
    vae = train(TINY, run, progress=False)
    made = write_record(
        tmp_path / "tiny.json",
        command="a command",
        commit="abc",
        config=TINY,
        vae=vae,
        run_folder=run,
        evaluations={0: evaluate(vae, TINY.lines().sample(5))},
    )
    monkeypatch.setattr(ship, "WEIGHTS", tmp_path / "weights")
    for name, value in {"IMAGES": {"lines": 12}, "STEPS": 2, "DRAWS": 3, "COMPONENTS": 1}.items():
        monkeypatch.setattr(ship, name, value)
    monkeypatch.setattr(ship, "finish", lambda vae, source, components: finish(vae, source, images=20, components=1))
    ship.main([str(tmp_path / "tiny.json"), str(run)])
    folder = tmp_path / "weights" / "tiny"
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    assert card["name"] == "tiny"
    assert card["sha256"] == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert card["limits"].startswith("Knows straight parallel lines")
    said = json.loads(capsys.readouterr().out)
    assert said == {name: card[name] for name in said}
    assert {"metrics", "metrics, refined (2)", "latents", "prior"} <= set(said)
    assert card["metrics, refined (2)"]["evaluation seed 0"]["steps"] == 2
    assert card["prior"]["components"] == 1
    assert 0 <= card["prior"]["valid_share"] <= 1
    assert all(found["images"] == 12 for found in card["metrics"].values())
    assert {name: card[name] for name in ship.KEPT} == {name: made[name] for name in ship.KEPT}
    stored, images = VAE.from_pretrained(folder), TINY.lines().sample(4).images
    assert stored.prior is not None
    torch.testing.assert_close(stored.reconstruct(images), vae.reconstruct(images), rtol=0, atol=0.01)  # of float16
