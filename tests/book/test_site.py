"""Guards of the built book. `make book` runs them on what it has just built."""

import json
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from outline import ROOT, chapters, colab_address, pages
from plain_markdown import Book

from colab import edition
from tests.sliders import Sliders

SITE = ROOT / "_build" / "html"
SLIDERS = re.compile(r"\b(?:frame_slider|shift_sliders)\(")
LIVE = re.compile(r"\blive_\w+\(")
SOURCES = [ROOT / "_config.yml", ROOT / "_toc.yml", *(ROOT / "book").glob("**/*.*")]
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
    for path in chapters():
        assert colab_address(path.stem) in site[SITE / path.relative_to(ROOT).with_suffix(".html")].links


def test_the_colab_edition_counts_as_the_site_does():
    """Each figure, equation and exercise has there the number that it has on its page."""
    found = {}
    labels = {name: label for name, label in Book.read().labels.items() if re.search(r"\d$|\d\)$", label.words)}
    for name, label in labels.items():
        page = (SITE / f"{label.page}.html").read_text(encoding="utf-8")
        after = page.partition(f'id="{label.anchor}"')[2]
        number = re.search(r'class="(?:caption-number|eqno)">((?:Fig\.|Exercise|[A-Z]\w+)?\s*\(?[\d.]+\)?)', after)
        found[name] = number[1].strip() if number else "no number"
    assert len(labels) > 200
    assert {name: label.words for name, label in labels.items()} == found


def test_the_colab_edition_cites_as_the_site_does():
    """The same authors and years on each page, of citations in brackets."""
    book = Book.read()
    for path in chapters():
        page = re.sub("</?em>", "", page_of(path))
        text = "\n".join(cell.source for cell in edition(path, book).cells if cell.cell_type == "markdown")
        cited = re.findall(r"\[([^]]*, \d{4})\]\([^)]*references\.html\)", text.replace("*", ""))
        assert set(cited) == set(re.findall(r'href="references\.html#[^>]*>([^<]*, \d{4})</a>', page)), path.name


def test_no_internal_link_is_dead(site):
    dead = [
        f"{page.relative_to(SITE)}: {link}" for page in site for link in site[page].links if is_dead(page, link, site)
    ]
    assert not dead


def test_every_image_has_alt_text(site):
    assert not {
        str(page.relative_to(SITE)): site[page].images_without_alt for page in site if site[page].images_without_alt
    }


def test_sliders_have_a_picture_for_each_place():
    """Nothing but the page itself moves them: tests/site moves each in a browser."""
    for path in chapters():
        calls = SLIDERS.search(code_of(path))
        sliders = Sliders(page_of(path)).sliders
        assert bool(sliders) == bool(calls), f"{path.name}: {len(sliders)} sliders on the page"
        for slider in sliders:
            assert slider.ranges, f"{path.name}: pictures without a slider"
            assert slider.places == len(slider.pictures)
            assert len(slider.visible) == 1, f"{path.name}: without scripts not one picture, but {len(slider.visible)}"
            assert all(picture["alt"] for picture in slider.pictures)


def test_live_figures_stand_still_on_the_page():
    """They need a kernel: the page has the picture of their first state, and no script that would draw a widget."""
    live = 0
    for path in chapters():
        page = page_of(path)
        assert not re.search(r"require(\.min)?\.js|html-manager|widget-view\+json", page), path.name
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code" and LIVE.search("".join(cell["source"])):
                live += 1
                text = cell["metadata"]["mystnb"]["image"]["alt"]
                assert f'alt="{text}"' in unescape(page), f"{path.name}: {text}"
    assert live >= 3


def code_of(path: Path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def page_of(path: Path) -> str:
    return (SITE / path.relative_to(ROOT).with_suffix(".html")).read_text(encoding="utf-8")


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
