"""The editions for a class: students see no solution, teachers see all and the plans, slides hold what is projected."""

import functools
import re

import editions
import nbformat
import pytest
from editions import CHECK, EDITIONS, Student, Teacher, knows
from lessons import read
from outline import ROOT, chapters
from plain_markdown import Book
from slides import questions, slides

from colab import edition
from tests.book.test_colab import parts as parts_of

LONG = 25  # characters of a piece of text that stands for the sentence it is from


# Each is made once, and none is changed.
book, parts = functools.cache(Book.read), functools.cache(lambda path: list(parts_of(path)))


@functools.cache
def student(path) -> nbformat.NotebookNode:
    return edition(path, book(), Student)


@functools.cache
def teacher(path) -> nbformat.NotebookNode:
    return edition(path, book(), Teacher)


@functools.cache
def projected(path) -> str:
    return slides(path, book()).split("<script>")[0]


def phrases(path, *, in_solutions: bool) -> set[str]:
    """Pieces of the texts, captions and lines of code of a chapter, inside or outside its solutions."""
    found = set()
    for solution, cell, text in parts(path):
        if bool(solution) != in_solutions:
            continue
        if cell.cell_type == "code":
            found |= {line.strip() for line in text.split("\n")}
            mystnb = cell.metadata.get("mystnb", {})
            text = f"{mystnb.get('figure', {}).get('caption', '')}\n{mystnb.get('image', {}).get('alt', '')}"
        found |= {piece.strip() for piece in re.split(r"[][{}$`*()<>\n]", text)}
    return {phrase for phrase in found if len(phrase) > LONG}


def checks(path, *, in_solutions: bool) -> list[str]:
    sources = (text for solution, cell, text in parts(path) if bool(solution) == in_solutions)
    return [name for source in sources for name in CHECK.findall(source)]


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
class TestStudent:
    def test_holds_no_solution(self, path):
        made = student(path)
        text = nbformat.writes(made)
        hidden = phrases(path, in_solutions=True) - phrases(path, in_solutions=False)
        in_the_open = "\n".join(source for solution, _, source in parts(path) if not solution)
        hidden = {phrase for phrase in hidden if phrase not in in_the_open}
        assert len(hidden) > 5
        assert not [phrase for phrase in hidden if phrase in text]
        assert "olution to exercise" not in text

    def test_keeps_exercises_cells_for_answers_and_checks(self, path):
        cells = student(path).cells
        asked = [number for number, cell in enumerate(cells) if cell.source.startswith("### Exercise ")]
        assert len(asked) == path.read_text(encoding="utf-8").count("{exercise-end}")
        assert all(any(cell.cell_type == "code" for cell in cells[number + 1 : number + 3]) for number in asked)
        kept = [name for cell in cells if cell.cell_type == "code" for name in CHECK.findall(cell.source)]
        assert kept == checks(path, in_solutions=False)

    def test_is_valid_and_empty_of_outputs(self, path):
        made = student(path)
        nbformat.validate(made)
        assert not any(cell.get("outputs") for cell in made.cells)


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
class TestTeacher:
    def test_holds_every_solution_in_the_open(self, path):
        made = teacher(path)
        nbformat.validate(made)
        folded = re.compile(r"<details><summary>.*?</details>", re.DOTALL)
        text = "\n".join(folded.sub("", cell.source) for cell in made.cells)
        shown = [cell for cell in made.cells if cell.cell_type == "code"]
        for solution, cell, source in parts(path):
            if solution and cell.cell_type == "code":
                (same,) = (other for other in shown if other.source == source)
                assert "cellView" not in same.metadata
                assert same.outputs == cell.outputs
            elif solution and not source.isspace():
                words = [piece.strip() for piece in re.split(r"[][{}$`*()<>\n]", source) if len(piece.strip()) > LONG]
                assert not [piece for piece in words if piece not in text]

    def test_holds_each_row_of_the_plans(self, path):
        text = "\n".join(cell.source for cell in teacher(path).cells)
        for minutes, plan in read(ROOT / "book" / "lessons" / f"{path.stem}.md").plans.items():
            for row in plan.rows:
                assert text.count(f"**Lesson of {minutes} minutes, from {row.start} to {row.end}**") == 1

    def test_begins_with_what_stands_on_the_board(self, path):
        first = teacher(path).cells[0].source
        assert all(f"\n- {line}\n" in first for line in read(ROOT / "book" / "lessons" / f"{path.stem}.md").board)

    def test_answers_of_the_quiz_are_open(self, path):
        (quiz,) = (cell.source for cell in teacher(path).cells if "## Check yourself" in cell.source)
        assert quiz.count("<details open>") >= 2 * len(questions(quiz)) > 0
        assert "<details>" not in quiz

    def test_says_what_each_check_recognises(self, path):
        text = "\n".join(cell.source for cell in teacher(path).cells)
        for name in checks(path, in_solutions=False):
            assert knows(name, path.stem) in text


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
class TestSlides:
    def test_hold_each_figure_question_and_exercise_on_one_page(self, path):
        made = projected(path)
        cells = [(cell, source) for solution, cell, source in parts(path) if not solution]
        captions = [
            cell.metadata.mystnb.figure.name for cell, _ in cells if "figure" in cell.metadata.get("mystnb", {})
        ]
        pictures = sum(source.count(":::{figure}") for _, source in cells)
        assert made.count('<section class="figure">') == len(captions) + pictures > 0
        for name in captions:
            assert f"<strong>{book().labels[name].words}.</strong>" in made
        assert made.count('src="data:image/') == len(captions) + pictures
        (quiz,) = (source for _, source in cells if "## Check yourself" in source)
        assert made.count('<section class="question">') == len(questions(quiz)) > 0
        assert made.count('<section class="exercise">') == path.read_text(encoding="utf-8").count("{exercise-end}")
        assert made.count('<section class="title">') == 1
        for name in checks(path, in_solutions=False):
            assert f"check(&quot;{name}&quot;" in made

    def test_ask_no_server_and_hold_no_solution(self, path):
        made = projected(path)
        assert not re.search(r"(?:src|href)=.(?!data:image/)|url\(|@import", made)
        assert "olution to exercise" not in made
        words = re.sub(r"<[^>]*>", "", made)
        secret = phrases(path, in_solutions=True) - phrases(path, in_solutions=False)
        in_the_open = "\n".join(source for solution, _, source in parts(path) if not solution)
        assert not [phrase for phrase in secret if phrase in words and phrase not in in_the_open]


def test_the_command_writes_one_file_for_each_chapter(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(EDITIONS, "student", (lambda path, book: path.stem, ".txt"))
    with pytest.raises(SystemExit, match="expected one of teacher, student, slides, got 'pupil'"):
        editions.main("pupil")
    monkeypatch.setattr(editions.outline, "ROOT", tmp_path)
    monkeypatch.setattr(editions, "FOLDER", tmp_path / "made")
    monkeypatch.setattr(editions.Book, "read", lambda: None)
    monkeypatch.setattr(editions.outline, "chapters", lambda: [tmp_path / "one.ipynb", tmp_path / "two.ipynb"])
    editions.main("student")
    assert capsys.readouterr().out == "2 chapters in made/student\n"
    assert sorted(path.name for path in (tmp_path / "made" / "student").iterdir()) == ["one.txt", "two.txt"]
    assert (tmp_path / "made" / "student" / "one.txt").read_text(encoding="utf-8") == "one"


def test_what_a_teacher_reads_of_a_check():
    said = knows("laminate", "counting_pairs")
    assert said.startswith("> **The check `laminate` names these mistakes**\n>\n> - ")
    assert "\n> 3. both overlaps are" in said
    assert said.count("\n> - ") == 4
    assert r"f\[down, right\] = (m \* m.roll((-down, -right)" in knows("counting-pairs", "counting_pairs")
