"""Put the weights of a recorded run into the package: python tools/ship.py results/lines-1-4.json runs/lines-1-4

The weights are stored in float16 and measured as they are stored; the card beside them says where they come from.
"""

import json
import sys
from pathlib import Path

import torch

from microtutor.files import write_json
from microtutor.microstructures import LineImages
from microtutor.models import VAE
from microtutor.models.vae import WEIGHTS
from microtutor.records import evaluate_on_seeds, metrics_by_seed

IMAGES = 1000


def main(record_path: str, run_folder: str) -> None:
    record = json.loads(Path(record_path).read_text())
    folder = WEIGHTS / Path(record_path).stem
    VAE.from_pretrained(run_folder).save_pretrained(folder, dtype=torch.float16)
    vae = VAE.from_pretrained(folder)
    lines = LineImages(count=tuple(record["configuration"]["count"]), size=vae.size)
    card = {
        "name": folder.name,
        "data": f"LineImages(count={lines.count}, size={lines.size}), split 'train', drawn afresh at every step",
        "evaluated on": f"sample({IMAGES}, seed=s) of the same generator, split 'test', from the latent means",
        "limits": "Knows straight parallel lines of these numbers and sizes only. Reconstructs the canonical form of "
        "an image, not its position. The more lines, the larger the error.",
        "metrics": metrics_by_seed(evaluate_on_seeds(vae, lines, IMAGES)),
    }
    kept = ("command", "seed", "commit", "environment", "wall_time_seconds", "images_seen", "trainable_parameters")
    write_json(folder / "card.json", card | {name: record[name] for name in (*kept, "configuration")})
    print(json.dumps(card["metrics"], indent=2))


if __name__ == "__main__":
    main(*sys.argv[1:])
