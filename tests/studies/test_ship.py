"""Weights of a run are put into the package with a card that says where they come from."""

import hashlib
import json

import torch

from microtutor.evaluation import evaluate
from microtutor.models import VAE
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
    monkeypatch.setattr(ship, "IMAGES", {"lines": 4})
    ship.main([str(tmp_path / "tiny.json"), str(run)])
    folder = tmp_path / "weights" / "tiny"
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    assert card["name"] == "tiny"
    assert card["sha256"] == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert card["limits"].startswith("Knows straight parallel lines")
    assert card["metrics"] == json.loads(capsys.readouterr().out)
    assert all(found["images"] == 4 for found in card["metrics"].values())
    assert {name: card[name] for name in ship.KEPT} == {name: made[name] for name in ship.KEPT}
    stored = VAE.from_pretrained(folder).state_dict()
    assert all(torch.equal(value.half(), stored[name].half()) for name, value in vae.state_dict().items())
