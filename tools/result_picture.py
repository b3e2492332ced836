"""Draw the picture of README and index from the shipped weights: python tools/result_picture.py"""

import io
from pathlib import Path

from matplotlib.figure import Figure
from outline import ROOT
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from microtutor.evaluation import evaluate_reconstructions
from microtutor.microstructures import LineImages
from microtutor.models import VAE
from microtutor.plotting import show_pairs
from microtutor.statistics import canonical_form

PICTURE = ROOT / "book" / "_static" / "result.png"


def save(figure: Figure, *, dpi: int, path: Path, description: str = "") -> None:
    """Save a figure of few colours as a PNG with a palette, which is about half as large."""
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=dpi, facecolor="white")
    more = PngInfo()
    more.add_text("Description", description)
    with Image.open(drawn) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True, pnginfo=more)


def main() -> None:
    vae = VAE.from_pretrained("lines-1-4")
    sample = LineImages().sample(8, seed=3)
    made = vae.reconstruct(sample.images)
    figure = show_pairs(canonical_form(sample.images), made)
    save(figure, dpi=90, path=PICTURE)
    errors = evaluate_reconstructions(made, sample).per_image["statistics_error"]
    print(f"{PICTURE.name}: statistics errors {', '.join(f'{e:.1e}' for e in errors)}")


if __name__ == "__main__":
    main()
