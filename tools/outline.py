"""What the book consists of and where it is found, read from `_config.yml`, `_toc.yml` and `pyproject.toml`."""

import tomllib
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


def version() -> str:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def tag() -> str:
    """The tag of the release that install cells and Colab links name, such as v1.2.3."""
    return f"v{version()}"


def wheel_address() -> str:
    """Where the wheel of that release is: what a chapter installs in Colab."""
    return f"{address()}/releases/download/{tag()}/microtutor-{version()}-py3-none-any.whl"


def colab_address(chapter: str) -> str:
    """The link that opens the Colab edition of a chapter, named without suffix."""
    repository = address().removeprefix("https://github.com/")
    return f"https://colab.research.google.com/github/{repository}/blob/{tag()}/colab/{chapter}.ipynb"


def pages() -> list[str]:
    """Every page of the table of contents in order, without suffix, such as "book/fft_loss"."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [toc["root"], *(page for part in toc["parts"] for page in files(part["chapters"]))]


def files(entries: list[dict]) -> list[str]:
    """The pages of a list in the table of contents, each followed by those that stand below it."""
    return [page for entry in entries for page in (entry["file"], *files(entry.get("sections", [])))]


def chapters() -> list[Path]:
    """The pages that are notebooks, as paths, in the order in which they are read."""
    notebooks = [ROOT / f"{page}.ipynb" for page in pages()]
    return [path for path in notebooks if path.exists()]
