"""Guards of the built book. `make book` runs them on what it has just built."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from outline import ROOT, address, branch, chapters, pages

SITE = ROOT / "_build" / "html"
WIDGETS = re.compile(r'<script type="application/vnd.jupyter.widget-state\+json">(.*?)</script>', re.DOTALL)
SLIDERS = re.compile(r"\b(?:frame_slider|shift_sliders)\(")
SOURCES = [ROOT / "_config.yml", ROOT / "_toc.yml", *(ROOT / "book").glob("*.*")]
ADDED_BY_SPHINX = {"index", "genindex", "search"}


def reason_to_skip() -> str:
    if not (SITE / "index.html").exists():
        return "the book is not built: run `make book`"
    if (SITE / "index.html").stat().st_mtime < max(path.stat().st_mtime for path in SOURCES):
        return "the built book is older than its sources: run `make book`"
    return ""


pytestmark = pytest.mark.skipif(bool(reason_to_skip()), reason=reason_to_skip())


class Page(HTMLParser):
    """The links, images and anchors of one built page."""

    def __init__(self, path: Path):
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.images_without_alt: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.anchors.update(name for name in (attributes.get("id"), attributes.get("name")) if name)
        self.links += [link for link in (attributes.get("href"), attributes.get("src")) if link]
        if tag == "img" and not attributes.get("alt"):
            self.images_without_alt.append(attributes.get("src") or "")


@pytest.fixture(scope="module")
def site() -> dict[Path, Page]:
    return {path: Page(path) for path in SITE.rglob("*.html") if "_static" not in path.parts}


def test_every_page_is_built_and_no_other(site):
    built = {str(path.relative_to(SITE).with_suffix("")) for path in site}
    assert built == {*pages(), *ADDED_BY_SPHINX}


def test_every_chapter_opens_in_colab(site):
    repository = address().removeprefix("https://github.com/")
    for path in chapters():
        link = f"https://colab.research.google.com/github/{repository}/blob/{branch()}/{path.relative_to(ROOT)}"
        assert link in site[SITE / path.relative_to(ROOT).with_suffix(".html")].links


def test_no_internal_link_is_dead(site):
    dead = [
        f"{page.relative_to(SITE)}: {link}" for page in site for link in site[page].links if is_dead(page, link, site)
    ]
    assert not dead


def test_every_image_has_alt_text(site):
    assert not {
        str(page.relative_to(SITE)): site[page].images_without_alt for page in site if site[page].images_without_alt
    }


def test_sliders_move_without_a_kernel():
    """Each slider of a page is linked, in the browser, to as many pictures as it has places, all with alt text."""
    for path in chapters():
        if not SLIDERS.search(path.read_text(encoding="utf-8")):
            continue
        page = (SITE / path.relative_to(ROOT).with_suffix(".html")).read_text(encoding="utf-8")
        assert "@jupyter-widgets/html-manager" in page, f"{path.name}: nothing on the page draws its widgets"
        models = {}
        for state in WIDGETS.findall(page):
            models |= json.loads(state)["state"]
        sliders = [name for name, model in models.items() if model["model_name"] == "IntSliderModel"]
        links = [model["state"] for model in models.values() if model["model_name"] == "LinkModel"]
        assert sliders, f"{path.name}: no slider in the page"
        for name in sliders:
            moved = [models[referred(link["target"][0])] for link in links if referred(link["source"][0]) == name]
            assert moved, f"{path.name}: a slider that moves nothing"
            assert {len(model["state"]["children"]) for model in moved} == {models[name]["state"]["max"] + 1}
        pictures = [m["state"]["value"] for m in models.values() if m["model_name"] == "HTMLModel"]
        assert all(re.search(r'<img alt="[^"]', picture) for picture in pictures if "<img" in picture)
        assert not any(model["model_name"] == "ImageModel" for model in models.values())  # those have no alt text


def referred(reference: str) -> str:
    """The widget that another names in its state."""
    return reference.removeprefix("IPY_MODEL_")


def test_no_chapter_failed():
    assert not list(SITE.glob("reports/**/*.log"))


def is_dead(page: Path, link: str, site: dict[Path, Page]) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return False
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not target.exists():
        return True
    return bool(parts.fragment) and target in site and unquote(parts.fragment) not in site[target].anchors
