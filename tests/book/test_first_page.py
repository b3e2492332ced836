"""The first page names every chapter, draws it on the map, and adds up the hours that the chapters say."""

import json
import re

import nbformat
import pytest
from outline import ROOT, chapters
from PIL import Image
from table_picture import PICTURE
from table_picture import rows as table_rows

PAGE = (ROOT / "book" / "index.md").read_text(encoding="utf-8")
MAP = (ROOT / "book" / "_static" / "map.svg").read_text(encoding="utf-8")
ROAD = ["microstructures", "counting_pairs", "fft_way", "fft_loss", "gauge", "vae", "training", "judging"]


def minutes(name: str) -> tuple[int, int]:
    """To read a chapter, and for its exercises, as its first box says."""
    text = "\n".join(cell.source for cell in nbformat.read(ROOT / "book" / f"{name}.ipynb", as_version=4).cells)
    found = re.search(r"\*\*Time\*\* (\d+) minutes to read, (\d+) more for the exercises", text)
    assert found, f"{name} says no time"
    return int(found[1]), int(found[2])


def rows(heading: str) -> list[list[str]]:
    """The chapters that are linked in each row of the table under a heading."""
    text = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [re.findall(r"\]\((\w+)\.ipynb\)", line) for line in text.split("\n") if line.startswith("| ")][1:]


def test_the_table_has_every_chapter_in_order():
    assert rows("The chapters") == [[path.stem] for path in chapters()]


def test_the_map_has_a_box_for_every_chapter():
    boxes = re.findall(r'<g id="(\w+)"><rect class="chapter', MAP)
    assert sorted(boxes) == sorted(path.stem for path in chapters())
    assert MAP.count('class="road"') == len(ROAD)  # seven arrows, and the one that explains them


def test_the_week_is_the_road_and_a_picture_of_ones_own():
    week = [name for row in rows("A map of the book") for name in row]
    assert week == [*ROAD, "borders_masks_phases", "own_micrograph"]


def hours(text: str) -> float:
    return float(text.replace(" ½", "").strip()) + 0.5 * ("½" in text)


def test_the_hours_of_the_week_are_those_of_its_chapters():
    days = re.findall(r"^\| \d \| (.*) \| (.*) \|$", PAGE, re.MULTILINE)
    assert len(days) == 5
    total = 0
    for names, said in days:
        found = sum(sum(minutes(name)) for name in re.findall(r"\((\w+)\.ipynb\)", names))
        total += found
        assert hours(said) == pytest.approx(found / 60, abs=0.3)
    (week,) = re.findall(r"One week \(about (\d+) hours in five days\)", PAGE)
    assert int(week) == pytest.approx(total / 60, abs=0.6)


def test_the_hours_of_the_whole_book_are_those_of_its_chapters():
    each = [minutes(path.stem) for path in chapters()]
    (read, more) = re.findall(r"about (\d+) hours to read, and about (\d+) for the exercises", PAGE)[0]
    assert int(read) == pytest.approx(sum(a for a, _ in each) / 60, abs=1)
    assert int(more) == pytest.approx(sum(b for _, b in each) / 60, abs=1)


def test_the_picture_of_the_table_shows_the_numbers_of_the_cards():
    """The picture keeps what it shows; after new weights `python tools/table_picture.py` draws it anew."""
    with Image.open(PICTURE) as picture:
        assert json.loads(picture.info["Description"]) == [[name, values] for name, values in table_rows()]
