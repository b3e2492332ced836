"""The pages in book/api: every public name of the package once, in the order of the map, and none that does not exist.

What is told of a built book is told of the one in `_build`: see `tests/book/test_site.py`.
"""

import importlib
import inspect
import re
from collections import Counter

import pytest
from api_reference import as_markup, door_of, is_defined, named, public_names
from outline import ROOT, chapters, pages

from tests.book.test_map import listed
from tests.book.test_site import SITE, reason_to_skip
from tests.test_bad_inputs import public_names as called

PAGES = [ROOT / f"{page}.md" for page in pages() if page.startswith("book/api/")]
TEXT = "".join(page.read_text(encoding="utf-8") for page in PAGES)
ENTRY = re.compile(r"^\.\. (?:auto(function|class|exception)|py:(data)):: ([\w.]+)$", re.MULTILINE)
NAMES = public_names()
built = pytest.mark.skipif(bool(reason_to_skip()), reason=reason_to_skip())


def thing(name: str) -> object:
    door, _, short = name.rpartition(".")
    return getattr(importlib.import_module(door), short)


def kind(name: str) -> str:
    """The word of the directive that documents a name."""
    found = thing(name)
    if inspect.isclass(found):
        return "exception" if issubclass(found, BaseException) else "class"
    return "function" if is_defined(found) else "data"


def test_each_public_name_stands_on_one_page_and_no_other_name():
    found = Counter(name for *_, name in ENTRY.findall(TEXT))
    assert {name: times for name, times in found.items() if times > 1} == {}
    assert set(found) == set(NAMES), "write each public name into the section of its file in book/api"


def test_each_entry_says_what_kind_of_thing_it_is():
    wrong = {name for function, data, name in ENTRY.findall(TEXT) if kind(name) != function + data}
    assert not wrong


def test_nothing_that_is_imported_or_called_is_left_out():
    """Another way to the same names: what lies behind each door, and the table of good calls."""
    documented = {id(thing(name)) for name in NAMES}
    assert not {name for name, found in called().items() if id(found) not in documented}
    for door in {door_of(module) for module in NAMES.values()} - {"", "microtutor"}:
        loaded = importlib.import_module(door)
        assert not {name for name in loaded.__all__ if id(getattr(loaded, name)) not in documented}, door


def test_every_page_is_in_the_table_of_contents():
    assert sorted(PAGES) == sorted((ROOT / "book" / "api").glob("*"))


def test_sections_follow_the_map_and_hold_the_names_of_their_files():
    rows = [row for group in ("The road", "Its ground", "Beside the road", "For the book") for row in listed(group)]
    sections = re.split(r"^## `([\w.]+)`$", TEXT, flags=re.MULTILINE)[1:]
    found = dict(zip(sections[::2], sections[1::2], strict=True))
    with_names = [row for row in rows if f"microtutor.{row}" in NAMES.values()]
    assert [module for module in found if module != "microtutor"] == with_names
    for module, text in found.items():
        home = "microtutor" if module == "microtutor" else f"microtutor.{module}"
        assert {NAMES[name] for *_, name in ENTRY.findall(text)} == {home}


def test_map_and_readme_lead_to_the_reference():
    assert "](api/road.md)" in (ROOT / "book" / "code_map.md").read_text(encoding="utf-8")
    assert "](book/api/road.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in NAMES if kind(name) in {"function", "class", "exception"}])
def test_each_name_has_a_docstring_and_so_have_the_methods_of_a_class(name):
    found = thing(name)
    methods = [part for key, part in vars(found).items() if key[0] != "_"] if inspect.isclass(found) else []
    methods = [getattr(part, "__func__", part) for part in methods]
    wanted = [found, *(part for part in methods if inspect.isfunction(part))]
    assert [part.__qualname__ for part in wanted if not (part.__doc__ or "").strip()] == []


def test_markup():
    lines = [
        "The mean of `f` and `g_`, with *images:",
        "",
        "* a point of x_ and |x|",
        "",
        "Returns:",
        "    Two: 1.",
        "",
    ]
    lines += ["Source: A book.", "", ">>> 2 * `x`", "4 * x"]
    assert as_markup(lines) == [
        "The mean of ``f`` and ``g_``, with \\*images:",
        "",
        r"* a point of x\_ and \|x\|",
        "",
        ":returns: Two: 1.",
        "",
        "*Source:* A book.",
        "",
        ">>> 2 * `x`",
        "4 * x",
    ]


class Entry:
    def __init__(self, objtype: str):
        self.objtype = objtype


OBJECTS = {
    "microtutor.training.train": Entry("function"),
    "microtutor.cli.commands.train": Entry("function"),
    "microtutor.models.VAE": Entry("class"),
    "microtutor.models.VAE.decode": Entry("method"),
    "microtutor.first.twice": Entry("function"),
    "microtutor.second.twice": Entry("function"),
}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("train", "microtutor.training.train"),
        ("train()", "microtutor.training.train"),
        ("commands.train", "microtutor.cli.commands.train"),
        ("microtutor.models.VAE", "microtutor.models.VAE"),
        ("VAE.decode", "microtutor.models.VAE.decode"),
        ("vae.decode", "microtutor.models.VAE.decode"),
        ("decode", None),
        ("vae", None),
        ("twice", None),
        ("first.twice", "microtutor.first.twice"),
        ("rain", None),
        ("train(images)", None),
        ("microtutor train", None),
    ],
)
def test_inline_code_that_names_one_thing(text, name):
    assert named(text, OBJECTS) == name


@built
def test_each_name_has_its_anchor():
    for page in PAGES:
        html = (SITE / page.relative_to(ROOT)).with_suffix(".html").read_text(encoding="utf-8")
        for *_, name in ENTRY.findall(page.read_text(encoding="utf-8")):
            assert html.count(f' id="{name}"') == 1, name


@built
def test_names_in_chapters_are_links_and_those_in_headings_are_not():
    link = r'<a class="reference internal" href="api/\w+\.html#([\w.]+)"[^>]*><code'
    text = {path.stem: (SITE / f"book/{path.stem}.html").read_text(encoding="utf-8") for path in chapters()}
    assert "microtutor.losses.StatisticsLoss" in re.findall(link, text["fft_loss"])
    assert sum(bool(re.findall(link, html)) for html in text.values()) >= len(text) / 2
    assert not [stem for stem, html in text.items() if re.search(rf"<h\d>[^\n]*{link}", html)]
