"""The exercises of the book by name, and the one function that checks them."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from microtutor.checks import check_bool, check_text
from microtutor.course import CHAPTERS
from microtutor.exercises.checking import Exercise, Outcome, check_answer

OF_CHAPTER: dict[str, dict[str, Exercise]] = {
    chapter: import_module(f"microtutor.exercises.{chapter}").EXERCISES for chapter in CHAPTERS
}
EXERCISES: dict[str, Exercise] = {name: one for exercises in OF_CHAPTER.values() for name, one in exercises.items()}


def check(name: str, answer: Any = None, *, hint: int = 0, large: bool = False) -> Outcome:
    """Check your answer to an exercise of the book.

    There are three outcomes: not attempted, not yet, and right. All cases are tried; of the first that differs the
    place, the expected value and yours are shown, and a typical mistake is named. Nothing is stored anywhere.

    Args:
        name: of the exercise, as it stands in the chapter.
        answer: your function, or your value.
        hint: how many of the hints to show.
        large: show the result so that it can be read from the back of a room.

    Raises:
        TypeError, ValueError: there is no such exercise, or no such hint.

    >>> check("other-phase")
    not attempted yet: expected a function of the map f of a phase that gives the map of the other phase
    >>> check("other-phase", lambda f: 1 - 2 * f[0, 0] + f).result
    'right'
    """
    if check_text(name, name="the name of an exercise") not in EXERCISES:
        near = get_close_matches(name, EXERCISES, 1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"expected an exercise out of {', '.join(EXERCISES)}, got {name!r}{meant}")
    called = getattr(answer, "__name__", "answer")
    called = "your function" if called == "<lambda>" else called
    check_bool(large, name="large")
    return replace(check_answer(EXERCISES[name], answer, called, hint=hint), large=large)
