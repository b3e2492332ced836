"""The glossary explains the terms that the chapters link, and no others; each entry leads to a chapter."""

import re
from collections import Counter

import nbformat
import pytest
from outline import ROOT, chapters
from plain_markdown import Directive, blocks, source, terms

PAGE = "book/glossary"
TERM = re.compile(r"\{term\}`(?:[^`<]*<([^>`]+)>|([^`<]+))`")


def entries() -> dict[str, str]:
    """What stands below each term."""
    (body,) = (
        block.body for block in blocks(source(PAGE)) if isinstance(block, Directive) and block.name == "glossary"
    )
    return dict(re.findall(r"^(\S.*)\n((?:[ ]{2}.+\n?)+)", body, re.MULTILINE))


def used(path) -> Counter[str]:
    texts = (cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown")
    return Counter(" ".join((a or b).split()).lower() for text in texts for a, b in TERM.findall(text))


def test_every_entry_is_read():
    assert sorted(term.lower() for term in entries()) == sorted(terms())
    assert {page for page, _ in terms().values()} == {PAGE}


@pytest.mark.parametrize(("term", "text"), entries().items(), ids=str)
def test_an_entry_explains_in_whole_sentences_and_leads_to_a_chapter(term, text):
    said, _, end = " ".join(text.split()).rpartition(" [](")
    assert 5 < len(said.split()) < 80
    assert said.endswith(".")
    assert (ROOT / "book" / end.removesuffix(")")).suffix == ".ipynb"


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_a_chapter_links_terms_that_the_glossary_explains_each_once_or_twice(path):
    found = used(path)
    assert found, "no term is linked to the glossary"
    assert not set(found) - set(terms())
    assert not [term for term, times in found.items() if times > 2], "link a term where it comes first"


def test_no_entry_is_without_use():
    everywhere = {term for path in chapters() for term in used(path)}
    assert not set(terms()) - everywhere
