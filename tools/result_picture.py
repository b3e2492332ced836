"""Draw the picture of README and index from the shipped weights: python tools/result_picture.py"""

from pathlib import Path

import torch

from microtutor.evaluation import evaluate
from microtutor.microstructures import LineImages
from microtutor.models import VAE
from microtutor.plotting import show_pairs
from microtutor.statistics import canonical_form

PICTURE = Path(__file__).resolve().parents[1] / "book" / "_static" / "result.png"


def main() -> None:
    vae = VAE.from_pretrained("lines-1-4")
    sample = LineImages().sample(8, seed=3)
    originals = canonical_form(sample.images)
    figure = show_pairs(originals, vae.reconstruct(sample.images))
    figure.savefig(PICTURE, dpi=90, facecolor="white")
    error = evaluate(vae, sample).per_image["statistics_error"]
    print(f"{PICTURE.name}: statistics errors {', '.join(f'{e:.1e}' for e in torch.atleast_1d(error))}")


if __name__ == "__main__":
    main()
