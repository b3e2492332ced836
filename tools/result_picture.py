"""Draw the picture of README and index from the shipped weights: python tools/result_picture.py"""

from outline import ROOT

from microtutor.evaluation import evaluate_reconstructions
from microtutor.microstructures import LineImages
from microtutor.models import VAE
from microtutor.plotting import show_pairs
from microtutor.statistics import canonical_form

PICTURE = ROOT / "book" / "_static" / "result.png"


def main() -> None:
    vae = VAE.from_pretrained("lines-1-4")
    sample = LineImages().sample(8, seed=3)
    made = vae.reconstruct(sample.images)
    figure = show_pairs(canonical_form(sample.images), made)
    figure.savefig(PICTURE, dpi=90, facecolor="white")
    errors = evaluate_reconstructions(made, sample).per_image["statistics_error"]
    print(f"{PICTURE.name}: statistics errors {', '.join(f'{e:.1e}' for e in errors)}")


if __name__ == "__main__":
    main()
