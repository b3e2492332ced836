"""Put the weights of a recorded run into the package.

    python studies/ship.py microtutor/results/lines-1-4.json runs/lines-1-4

The weights are stored in float16 and measured as they are stored; the card beside them says where they come from.
"""

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch

from microtutor.evaluation import evaluate_on_seeds
from microtutor.files import CARD_FILE, WEIGHT_FILE, write_json
from microtutor.models import VAE
from microtutor.models.weights import WEIGHTS
from microtutor.records import metrics_by_seed
from microtutor.training import TrainingConfig

IMAGES = {"lines": 1000}  # rock takes longer to measure
IMAGES_OF_ROCK = 200
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
    record = json.loads(record_path.read_text(encoding="utf-8"))
    folder, config = WEIGHTS / record_path.stem, TrainingConfig(**record["configuration"])
    VAE.from_pretrained(run_folder).save_pretrained(folder, dtype=torch.float16)
    vae, source = VAE.from_pretrained(folder), config.source()
    images = IMAGES.get(config.material, IMAGES_OF_ROCK)
    card = {
        "name": folder.name,
        "sha256": hashlib.sha256((folder / WEIGHT_FILE).read_bytes()).hexdigest(),
        "data": f"{source}, split 'train', drawn afresh at every step",
        "evaluated on": f"sample({images}, seed=s) of the same source, split 'test', from the latent means",
        "limits": LIMITS.get(f"{config.material}, {config.loss}", LIMITS[config.material]),
        "metrics": metrics_by_seed(evaluate_on_seeds(vae, source, images)),
    }
    card |= {name: record[name] for name in KEPT if name in record}
    if config.initial_weights is not None:  # the run that this one went on from is recorded beside it
        first = record_path.with_name(f"{Path(config.initial_weights).name}.json")
        card["started from"] = {
            name: value for name, value in json.loads(first.read_text(encoding="utf-8")).items() if name in KEPT
        }
    write_json(folder / CARD_FILE, card)
    print(json.dumps(card["metrics"], indent=2))


if __name__ == "__main__":
    main()
