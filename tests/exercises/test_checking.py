"""What a check says to answers of every kind; none of them ends in a traceback."""

import re
import time

import numpy as np
import pytest
import torch

from microtutor.exercises import Case, Exercise, Outcome, check_answer

IMAGE = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
MEANS = Exercise(
    asks="a function of an image that gives the mean of each row",
    solution=lambda m: m.mean(1),
    cases=(Case("two rows", lambda: (IMAGE.clone(),)), Case("one row", lambda: (IMAGE[:1].clone(),))),
    mistakes={
        "these are the means of the columns": lambda m: m.mean(0),
        "the sums are not divided": lambda m: m.sum(1),
    },
    hints=("go along the rows", "m.mean(1)"),
    seconds=0.3,
)
MAP = Exercise("a function that doubles an image", lambda m: 2 * m, (Case("an image", lambda: (IMAGE,)),), {}, ())


def said(answer, exercise=MEANS, **more):
    outcome = check_answer(exercise, answer, "means", **more)
    assert repr(outcome) == outcome.message
    assert "Traceback" not in outcome.message
    return outcome


@pytest.mark.parametrize(
    "answer",
    [
        lambda m: m.mean(1),
        lambda m: m.mean(1).float(),
        lambda m: m.mean(1).numpy(),
        lambda m: m.mean(1).tolist(),
        lambda m: m.mean(1) + 1e-9,
        lambda m: m.mean(1).clone().requires_grad_(),
    ],
)
def test_right(answer):
    assert said(answer).result == "right"
    assert said(answer).message == "right: all 2 cases (two rows, one row)"


def docstring_only(m):
    """To be written."""


def dots(m): ...


def passes(m):
    pass


def raises_not_implemented(m):
    raise NotImplementedError


def gives_dots(m):
    return ...


@pytest.mark.parametrize(
    "answer", [None, ..., "", [], docstring_only, dots, passes, raises_not_implemented, gives_dots]
)
def test_not_attempted_is_neutral(answer):
    outcome = said(answer)
    assert outcome.result == "not attempted"
    assert outcome.message.startswith("not attempted yet")


def endless(m):
    while True:
        pass


def spoils_its_argument(m):
    m[:] = 0
    return m.mean(1)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda m: m[5], r"means\(image 2 x 2\) raised IndexError"),
        (lambda m, n: m, "raised TypeError"),
        (lambda: 1, "raised TypeError"),
        (lambda m: print(end=""), "gave None: did you forget return"),
        (lambda m: {"a": 1}, r"Expected an array of shape \(2,\), got"),
        (lambda m: "0.5", r"Expected an array of shape \(2,\), got '0.5'"),
        (lambda m: m, r"Expected an array of shape \(2,\), got shape \(2, 2\)"),
        (lambda m: 0.5, r"Expected an array of shape \(2,\), got a single number"),
        (lambda m: m.mean(1) * float("nan"), "Got NaN or infinity in 2 of 2 values"),
        (lambda m: m.mean(1) + 0j, "Expected real numbers, got complex ones"),
        (lambda m: m.mean(1) + torch.tensor([0.0, 0.25])[: len(m)], r"At \[1\] expected 0.5, got 0.75"),
        (spoils_its_argument, r"At \[0\] expected 0.5, got 0"),
        (torch.ones(2), "Expected a function of an image"),
        (3, "Expected a function of an image"),
        (endless, "did not end within 0.3 s"),
    ],
)
def test_one_sentence_for_what_is_wrong(answer, sentence):
    outcome = said(answer)
    assert outcome.result == "not yet"
    assert outcome.message.startswith("not yet: two rows. ")
    assert re.search(sentence, outcome.message.split("\n")[0]), outcome.message


def test_a_call_without_end_is_ended():
    running = []

    def counts(m):
        while True:
            running.append(time.monotonic())

    said(counts)
    time.sleep(0.3)
    length = len(running)
    time.sleep(0.2)
    assert len(running) == length


def test_typical_mistakes_are_named_only_where_they_fit_in_all_cases():
    assert "typical mistake: the sums are not divided." in said(lambda m: m.sum(1)).message
    once = said(lambda m: m.sum(1) if len(m) == 2 else m.mean(1) + 1)
    assert "typical mistake" not in once.message


def test_cases_that_are_right_are_told():
    outcome = said(lambda m: m.mean(1) * (2 if len(m) == 2 else 1))
    assert "Right in 1 of 2 cases: one row." in outcome.message


def test_hints_are_numbered_and_only_those_asked_for():
    wrong = lambda m: m.sum()  # noqa: E731
    assert "(There are 2 hints: check(..., hint=1).)" in said(wrong).message
    one = said(wrong, hint=1).message
    assert "Hint 1: go along the rows" in one
    assert "m.mean(1)" not in one
    assert "(For the next hint: check(..., hint=2).)" in one
    assert "Hint 2: m.mean(1)" in said(wrong, hint=2).message
    assert "Hint 1" in said(None, hint=1).message
    with pytest.raises(ValueError, match="expected a hint from 1 to 2, got 3"):
        said(wrong, hint=3)


def test_a_map_comes_with_a_picture():
    outcome = check_answer(MAP, lambda m: m)
    assert len(outcome.maps) == 2
    shown = outcome._repr_html_()
    assert '<img alt="Three maps: your answer' in shown
    assert "<img" not in check_answer(MAP, lambda m: 2 * m)._repr_html_()


def test_a_page_shows_what_was_said_and_no_markup_of_the_answer():
    shown = check_answer(MEANS, lambda m: "<b>")._repr_html_()
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown
    assert "✗" in shown
    assert "✓" in Outcome("right", "right: all")._repr_html_()


def test_numpy_functions_are_answers_too():
    assert check_answer(MEANS, lambda m: np.asarray(m).mean(1)).result == "right"
