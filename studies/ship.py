"""Put the weights of a recorded run into the package.

    python studies/ship.py microtutor/results/lines-1-4.json runs/lines-1-4

The latents are whitened first, and a prior is fitted to them. The weights are stored in float16 and measured as they
are stored, as encoded and refined; the card beside them says where they come from.
"""

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from microtutor.evaluation import evaluate_on, evaluate_on_seeds, latent_summary, valid_lines
from microtutor.files import CARD_FILE, WEIGHT_FILE, write_json
from microtutor.models import VAE, finish
from microtutor.models.weights import WEIGHTS
from microtutor.records import metrics_by_seed
from microtutor.statistics import canonical_form
from microtutor.training import TrainingConfig

IMAGES = {"lines": 1000}  # rock takes longer to measure
IMAGES_OF_ROCK = 200
COMPONENTS = 200  # of the prior: the held-out likelihood is best with 100 to 200 of them
STEPS = 50  # of refinement
DRAWS = 500  # from the prior
KEPT = (
    "command",
    "seed",
    "commit",
    "environment",
    "wall_time_seconds",
    "images_seen",
    "trainable_parameters",
    "processes",
    "configuration",
)
LIMITS = {
    "lines": "Knows straight parallel lines of these numbers and sizes only. Reconstructs the canonical form of an "
    "image, not its position. The more lines, the larger the error.",
    "berea, data": "Knows crops of one sandstone at one resolution. Knows roughly where large pores lie; paints the "
    "rest grey: cut at 0.5 it loses two fifths of the pores. See microtutor/results/rock.json for more, and for "
    "another rock.",
    "berea": "Knows crops of one sandstone at one resolution. Where the pores lie is lost, as their statistics do not "
    "say it; fine structure is too ragged. See microtutor/results/rock.json for what else it gets wrong, and for "
    "another rock.",
}


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path, help="of the run; the weights get the name of this file")
    parser.add_argument("run", help="folder of the run")
    chosen = parser.parse_args(words)
    ship(chosen.record, chosen.run)


def ship(record_path: Path, run_folder: str) -> None:
    kept = _kept(record_path)
    folder, config = WEIGHTS / record_path.stem, TrainingConfig(**kept["configuration"])
    source, images = config.source(), IMAGES.get(config.material, IMAGES_OF_ROCK)
    finished = finish(VAE.from_pretrained(run_folder), source, components=COMPONENTS)
    finished.save_pretrained(folder, dtype=torch.float16)
    vae = VAE.from_pretrained(folder)
    refined = {0: evaluate_on(vae, source, images, 0, steps=STEPS)}
    summary = latent_summary(vae, canonical_form(source.sample(images, seed=0).images))
    card = {
        "name": folder.name,
        "sha256": hashlib.sha256((folder / WEIGHT_FILE).read_bytes()).hexdigest(),
        "data": f"{source}, split 'train', drawn afresh at every step",
        "evaluated on": f"sample({images}, seed=s) of the same source, split 'test', from the latent means",
        "limits": LIMITS.get(f"{config.material}, {config.loss}", LIMITS[config.material]),
        "metrics": metrics_by_seed(evaluate_on_seeds(vae, source, images)),
        f"metrics, refined ({STEPS})": metrics_by_seed(refined),
        "latents": {k: float(f"{v:.5g}") if isinstance(v, float) else v for k, v in asdict(summary).items()},
        "prior": {"components": COMPONENTS},
    }
    if config.material == "lines":
        valid = valid_lines(vae.sample(DRAWS, seed=0), config.count).float().mean().item()
        card["prior"] |= {"draws": DRAWS, "valid_share": float(f"{valid:.5g}")}
    card |= kept
    write_json(folder / CARD_FILE, card)
    print(json.dumps({name: value for name, value in card.items() if name not in KEPT}, indent=2))


def _kept(record_path: Path) -> dict[str, Any]:
    """What the card keeps of the record of a run, and of those that it went on from, which lie beside it."""
    record = json.loads(record_path.read_text(encoding="utf-8"))
    kept = {name: record[name] for name in KEPT if name in record}
    before = record["configuration"].get("initial_weights")
    if before is not None:
        kept["started from"] = _kept(record_path.with_name(f"{Path(before).name}.json"))
    return kept


if __name__ == "__main__":
    main()
