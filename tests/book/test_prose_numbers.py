"""Each measured number in the text of a chapter has a source, and the source still holds it."""

import json

import pytest
from outline import chapters
from prose_numbers import LEDGER, Chapter, arithmetic, fits

CHAPTERS = {path.stem: path for path in chapters()}
SOURCES = json.loads(LEDGER.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", CHAPTERS)
def test_each_number_is_what_its_source_says(name):
    chapter = Chapter(CHAPTERS[name])
    wrong = []
    for cell, written, value, half, around in chapter.numbers():
        source = SOURCES.get(name, {}).get(cell, {}).get(written)
        if source is None or not chapter.source_holds(source, written, value, half):
            wrong.append(f"{written} in {around!r} ({cell}): {source or 'no source'}")
    assert not wrong, "run python tools/prose_numbers.py, and mend what it prints:\n" + "\n".join(wrong)


def test_a_changed_number_is_noticed():
    """In most cases: a cell that prints many numbers may hold the changed one, too (of 342, 46 on the first day)."""
    noticed, tried = 0, 0
    for name, path in CHAPTERS.items():
        chapter = Chapter(path)
        for cell, written, value, half, _ in chapter.numbers():
            source = SOURCES[name][cell][written]
            if not source.startswith("given: "):
                tried += 1
                changed = value + 2 * half * max(1, round(0.13 * value / (2 * half)))
                noticed += not chapter.source_holds(source, written, changed, half)
    assert noticed >= 0.85 * tried, f"only {noticed} of {tried} changed numbers are noticed"


def test_arithmetic_and_rounding():
    assert fits(40, 0.5, [0.404], percent=True)
    assert not fits(40, 0.5, [0.404], percent=False)
    assert not fits(1.2e-5, 0.05e-5, [1.26e-5], percent=False)
    with pytest.raises(ValueError, match="expected numbers"):
        arithmetic("__import__('os')")
