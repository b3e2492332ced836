"""Each exercise: the solution passes, the empty start is neutral, each typical mistake gets its own sentence."""

import pytest

from microtutor.exercises import check
from microtutor.exercises.catalogue import EXERCISES, OF_CHAPTER


def answered(exercise, function):
    """An answer as a learner gives it: a function, or for cases without arguments its value."""
    return function if exercise.cases[0].arguments() else function()


def test_no_two_chapters_use_one_name():
    assert len(EXERCISES) == sum(map(len, OF_CHAPTER.values()))


@pytest.mark.parametrize("name", EXERCISES)
def test_the_solution_is_right(name):
    exercise = EXERCISES[name]
    outcome = check(name, answered(exercise, exercise.solution))
    assert outcome.result == "right", outcome


@pytest.mark.parametrize("name", EXERCISES)
def test_the_empty_start_is_neutral(name):
    def start(*arguments): ...

    exercise = EXERCISES[name]
    for empty in (None, ..., *([start] if exercise.cases[0].arguments() else [])):
        assert check(name, empty).result == "not attempted"


@pytest.mark.parametrize(("name", "mistake"), [(name, m) for name, one in EXERCISES.items() for m in one.mistakes])
def test_each_typical_mistake_gets_its_own_sentence(name, mistake):
    exercise = EXERCISES[name]
    outcome = check(name, answered(exercise, exercise.mistakes[mistake]))
    assert outcome.result == "not yet"
    assert f"typical mistake: {mistake}." in outcome.message


@pytest.mark.parametrize("name", EXERCISES)
def test_there_are_two_mistakes_and_two_hints_at_least(name):
    exercise = EXERCISES[name]
    assert len(exercise.mistakes) >= 2
    assert len(exercise.hints) >= 2
    assert len({case.name for case in exercise.cases}) == len(exercise.cases)
    assert not [text for text in (*exercise.hints, *exercise.mistakes) if text.endswith(".")]


def test_a_large_outcome_can_be_read_from_the_back_of_a_room():
    for answer in (None, lambda f: f, EXERCISES["other-phase"].solution):
        small, large = check("other-phase", answer), check("other-phase", answer, large=True)
        assert large.result == small.result
        banner = repr(large).removesuffix(small.message).rstrip("\n").split("\n")
        assert len(banner) == 5
        assert all(line.isascii() and "#" in line for line in banner)
        assert f"</span> {small.result}</div>" in large._repr_html_()
        assert "font: bold 5em" in large._repr_html_()
        assert large._repr_html_().endswith(small._repr_html_())
    letters = {repr(check("other-phase", answer, large=True)).split("\n")[0] for answer in (None, lambda f: f)}
    assert len(letters) == 2
    with pytest.raises(TypeError, match="expected large to be True or False, got 'yes'"):
        check("other-phase", large="yes")  # pyright: ignore[reportArgumentType]


def test_a_name_that_is_none():
    with pytest.raises(ValueError, match=r"got 'lamniate'; did you mean 'laminate'\?"):
        check("lamniate")
    with pytest.raises(TypeError, match="expected the name of an exercise as text"):
        check(3)  # pyright: ignore[reportArgumentType]
