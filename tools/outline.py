"""What the book consists of, read from `_config.yml` and `_toc.yml`."""

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]


def config() -> dict:
    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))


def address() -> str:
    """The project's public address, such as https://github.com/owner/name."""
    return config()["repository"]["url"]


def branch() -> str:
    return config()["repository"]["branch"]


def pages() -> list[str]:
    """Every page of the table of contents in order, without suffix, such as "book/fft_loss"."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]


def chapters() -> list[Path]:
    """The pages that are notebooks, as paths, in the order in which they are read."""
    notebooks = [ROOT / f"{page}.ipynb" for page in pages()]
    return [path for path in notebooks if path.exists()]
