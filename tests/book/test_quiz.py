"""Each part ends with a quiz across its chapters, and each answer of it is explained."""

import re

import pytest
import yaml
from outline import ROOT

from tests.book.test_exercises import LEVELS

TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
PARTS = [(part, following) for part, following in zip(TOC["parts"], TOC["parts"][1:]) if part.get("numbered")]
QUESTION = re.compile(r"^\*\*(\d+)\. ([^\n]+)\*\*(?: \*(\w+)\*)?\n(.*?)(?=^\*\*\d|\Z)", re.MULTILINE | re.DOTALL)
ANSWER = re.compile(r"^<details><summary>([A-D])\. (.+?)</summary>(.+)</details>$", re.MULTILINE)


@pytest.mark.parametrize(("part", "following"), PARTS, ids=[part["caption"] for part, _ in PARTS])
class TestQuiz:
    def quiz(self, following) -> list[tuple[str, ...]]:
        (page,) = following["chapters"]
        return QUESTION.findall((ROOT / f"{page['file']}.md").read_text(encoding="utf-8"))

    def test_comes_after_its_part_and_asks_about_each_chapter(self, part, following):
        text = (ROOT / f"{following['chapters'][0]['file']}.md").read_text(encoding="utf-8")
        assert text.startswith(f"# Quiz: {part['caption']}\n")
        chapters = {chapter["file"].removeprefix("book/") for chapter in part["chapters"]}
        assert set(re.findall(r"^\*To read again:\* \[\]\((\w+)\.ipynb\)$", text, re.MULTILINE)) == chapters
        (number,) = re.findall(r"^(\w+) questions across", text, re.MULTILINE)
        assert {"Eight": 8, "Nine": 9, "Ten": 10}[number] == len(self.quiz(following))

    def test_has_one_right_answer_to_each_question_and_explains_all(self, part, following):
        quiz = self.quiz(following)
        assert [int(number) for number, *_ in quiz] == list(range(1, len(quiz) + 1))
        for _, question, _, rest in quiz:
            answers = ANSWER.findall(rest)
            assert [letter for letter, *_ in answers] == list("ABCD"[: len(answers)])
            assert len(answers) >= 3
            assert question.endswith(("?", "."))
            assert sum(said.startswith("Right: ") for _, _, said in answers) == 1
            assert all(said.startswith(("Right: ", "Not quite: ")) and len(said.split()) > 6 for *_, said in answers)
            assert rest.count("<details>") == len(answers)

    def test_gives_each_question_a_level_and_says_what_the_levels_mean(self, part, following):
        levels = [level for _, _, level, _ in self.quiz(following)]
        assert set(levels) == set(LEVELS), "after each question *easy*, *medium* or *hard*, each at least once"
        text = (ROOT / f"{following['chapters'][0]['file']}.md").read_text(encoding="utf-8")
        introduction = text.split("**1. ")[0]
        assert [introduction.count(f"*{level}*") for level in LEVELS] == [1, 1, 1]

    def test_the_right_letter_cannot_be_guessed(self, part, following):
        right = [
            next(one[0] for one in ANSWER.findall(rest) if one[2].startswith("Right"))
            for *_, rest in self.quiz(following)
        ]
        assert max(right.count(letter) for letter in "ABC") <= 0.7 * len(right)
        assert len(set(right)) > 1
