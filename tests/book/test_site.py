"""Guards of the built book. `make book` runs them on what it has just built."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from outline import ROOT, address, branch, chapters, pages

SITE = ROOT / "_build" / "html"
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
