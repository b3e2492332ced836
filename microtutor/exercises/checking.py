"""How an answer is checked: every case is run, the first difference is shown, and typical mistakes are named."""

from __future__ import annotations

import base64
import ctypes
import html
import io
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from microtutor.checks import check_count, check_instance, describe, quote

RIGHT, NOT_YET, NOT_ATTEMPTED = "right", "not yet", "not attempted"
LOOK = {RIGHT: ("✓", "#00664f"), NOT_YET: ("✗", "#a63f00"), NOT_ATTEMPTED: ("…", "#555")}
LETTERS = {
    letter: rows.split("/")
    for letter, rows in {
        "a": " ### /#   #/#####/#   #/#   #",
        "d": "#### /#   #/#   #/#   #/#### ",
        "e": "#####/#    /#### /#    /#####",
        "g": " ####/#    /#  ##/#   #/ ####",
        "h": "#   #/#   #/#####/#   #/#   #",
        "i": "#####/  #  /  #  /  #  /#####",
        "m": "#   #/## ##/# # #/#   #/#   #",
        "n": "#   #/##  #/# # #/#  ##/#   #",
        "o": " ### /#   #/#   #/#   #/ ### ",
        "p": "#### /#   #/#### /#    /#    ",
        "r": "#### /#   #/#### /#  # /#   #",
        "t": "#####/  #  /  #  /  #  /  #  ",
        "y": "#   #/ # # /  #  /  #  /  #  ",
        " ": "    /    /    /    /    ",
    }.items()
}
SHOWN = 8  # numbers in a row that can be read in a message


@dataclass(frozen=True)
class Case:
    """One question that is put to an answer.

    Attributes:
        name: what it tests, as it stands in a message: "a single pixel".
        arguments: makes the arguments anew, so that an answer which changes them harms nothing. Empty for an exercise
            whose answer is a value.
    """

    name: str
    arguments: Callable[[], tuple] = tuple


@dataclass(frozen=True)
class Exercise:
    """What is asked, what is right, and what is often answered instead.

    Attributes:
        asks: what the answer has to be, as it is told to those who have none: "a function of an image (H, W)".
        solution: a function of the arguments of a case.
        cases: all of them are tried.
        mistakes: typical mistakes, as functions like the solution, each by the sentence that names it.
        hints: numbered from 1, the last one nearly the answer.
        tolerance: relative to the largest value of the solution.
        seconds: that a call may take.
    """

    asks: str
    solution: Callable[..., Any]
    cases: Sequence[Case]
    mistakes: Mapping[str, Callable[..., Any]]
    hints: Sequence[str]
    tolerance: float = 1e-5
    seconds: float = 5.0


@dataclass(frozen=True)
class Outcome:
    """What a check found. In a notebook it shows itself, with a picture where the answer is a map.

    Attributes:
        result: "right", "not yet" or "not attempted".
        message: all that is to be said, in lines.
        maps: of the first case that differs: the answer, what was expected; empty if they are no maps.
        large: whether the result can be read from the back of a room.

    >>> Outcome("right", "right: all 2 cases")
    right: all 2 cases
    """

    result: str
    message: str
    maps: tuple[Tensor, ...] = field(default=(), repr=False)
    large: bool = False

    def __repr__(self) -> str:
        return f"{_banner(self.result)}\n\n{self.message}" if self.large else self.message

    def _repr_html_(self) -> str:
        sign, colour = LOOK.get(self.result, LOOK[NOT_ATTEMPTED])
        first, *rest = self.message.split("\n")
        said = "".join(f"<div>{html.escape(line)}</div>" for line in rest)
        board = (
            f'<div style="background: {colour}; color: white; font: bold 5em/1.6 sans-serif; text-align: center">'
            f'<span aria-hidden="true">{sign}</span> {self.result}</div>'
        )
        return (board if self.large else "") + (
            f'<div style="border-left: 0.4em solid {colour}; padding-left: 0.8em">'
            f'<div style="font-size: 1.3em"><span aria-hidden="true">{sign}</span> {html.escape(first)}</div>'
            f"{said}{self._picture()}</div>"
        )

    def _picture(self) -> str:
        """The answer, what was expected, and their difference, side by side."""
        if not self.maps:
            return ""
        from microtutor.plotting import show_difference  # imports matplotlib, which a right answer does not need

        figure = show_difference(*self.maps)
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=90)
        text = "Three maps: your answer, the expected one, and their difference"
        return f'<img alt="{text}" src="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}">'


def check_answer(exercise: Exercise, answer: Any, name: str = "answer", *, hint: int = 0) -> Outcome:
    """Check an answer against all cases of an exercise.

    Args:
        exercise: what is asked.
        answer: a function, or for cases without arguments a value; None or ... if there is none yet.
        name: of the answer, for the messages.
        hint: how many hints to show, 0 for none.

    Raises:
        TypeError, ValueError: exercise is none; hint is no number of a hint.

    >>> twice = Exercise("a function of a number", lambda x: 2 * x, [Case("three", lambda: (3.0,))],
    ...                  {"that is the square": lambda x: x * x}, ["add it to itself"])
    >>> check_answer(twice, lambda x: x * x, "f")
    not yet: three. Expected 6, got 9.
       This looks like a typical mistake: that is the square.
       (There is 1 hint: check(..., hint=1).)
    """
    check_instance(exercise, Exercise, name="the exercise")
    if check_count(hint, name="hint", minimum=0) > len(exercise.hints):
        raise ValueError(f"expected a hint from 1 to {len(exercise.hints)}, got {hint}")
    hints = [f"   Hint {k}: {text}" for k, text in enumerate(exercise.hints[:hint], start=1)]
    if answer is None or answer is ... or (isinstance(answer, (str, list, tuple)) and not len(answer)):
        return Outcome(NOT_ATTEMPTED, "\n".join([f"not attempted yet: expected {exercise.asks}", *hints]))
    found = [_try(exercise, case, answer, name) for case in exercise.cases]
    if all(one.empty for one in found):
        return Outcome(NOT_ATTEMPTED, "\n".join([f"not attempted yet: {name} is still empty", *hints]))
    wrong = [one for one in found if one.fault]
    if not wrong:
        names = ", ".join(case.name for case in exercise.cases)
        return Outcome(RIGHT, f"right: all {len(found)} cases ({names})" if len(found) > 1 else f"right: {names}")
    first, good = wrong[0], [one.case.name for one in found if not one.fault]
    lines = [f"not yet: {first.case.name}. {first.fault}"]
    if mistake := _mistake(exercise, found):
        lines.append(f"   This looks like a typical mistake: {mistake}.")
    if good:
        lines.append(f"   Right in {len(good)} of {len(found)} cases: {', '.join(good)}.")
    left = len(exercise.hints) - hint
    if left:
        many = f"There {'is 1 hint' if left == 1 else f'are {left} hints'}" if not hint else "For the next hint"
        hints.append(f"   ({many}: check(..., hint={hint + 1}).)")
    return Outcome(NOT_YET, "\n".join([*lines, *hints]), first.maps)


# --- one case ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Tried:
    """What came of one case: the answer as a tensor, and what is wrong with it in a sentence, if anything is."""

    case: Case
    value: Tensor | None = None
    fault: str = ""
    empty: bool = False
    maps: tuple[Tensor, ...] = ()


def _try(exercise: Exercise, case: Case, answer: Any, name: str) -> _Tried:
    arguments = case.arguments()
    if callable(answer):
        made, error = _called(answer, case.arguments(), exercise.seconds)
        if isinstance(error, NotImplementedError) or made is ... or (made is None and _is_empty(answer)):
            return _Tried(case, empty=True)
        if isinstance(error, TimeoutError):
            return _Tried(case, fault=f"{name} did not end within {exercise.seconds:g} s: is there a loop without end?")
        if error is not None:
            said = " ".join(str(error).split())[:200]
            call = ", ".join(_briefly(argument) for argument in arguments)
            return _Tried(case, fault=f"{name}({call}) raised {type(error).__name__}: {said}")
    elif arguments:
        return _Tried(case, fault=f"Expected {exercise.asks}, got {quote(answer)}.")
    else:
        made = answer
    expected = _as_tensor(exercise.solution(*arguments))
    assert expected is not None  # a solution gives numbers
    if made is None:
        return _Tried(case, fault=f"{name} gave None: did you forget return?")
    value = _as_tensor(made)
    if value is None:
        return _Tried(case, fault=f"Expected {_kind(expected)}, got {quote(made)}.")
    return _compared(exercise, case, value, expected)


def _compared(exercise: Exercise, case: Case, value: Tensor, expected: Tensor) -> _Tried:
    if value.shape != expected.shape:
        got = f"shape {tuple(value.shape)}" if value.ndim else "a single number"
        return _Tried(case, value, f"Expected {_kind(expected)}, got {got}.")
    if value.is_complex() and not expected.is_complex():
        return _Tried(case, value.real, "Expected real numbers, got complex ones: take the real part with .real.")
    value = value.to(expected.dtype)
    if not bool(value.isfinite().all()):
        return _Tried(
            case, value, f"Got NaN or infinity in {int((~value.isfinite()).sum())} of {value.numel()} values."
        )
    far = (value - expected).abs()
    limit = _limit(exercise, expected)
    if not bool((far > limit).any()):
        return _Tried(case, value)
    maps = (value.real, expected.real) if value.ndim == 2 and min(value.shape) > 1 else ()
    place = np.unravel_index(int((far > limit).flatten().int().argmax()), value.shape)
    here = tuple(int(k) for k in place)
    at = f"At [{', '.join(map(str, here))}] expected" if value.ndim else "Expected"
    return _Tried(case, value, f"{at} {_number(expected[here])}, got {_number(value[here])}.", maps=maps)


def _mistake(exercise: Exercise, found: Sequence[_Tried]) -> str:
    """The typical mistake whose values are those of the answer in every case, and wrong in one; empty if none is."""
    for sentence, mistaken in exercise.mistakes.items():
        if all(_agrees(exercise, one, mistaken) for one in found):
            return sentence
    return ""


def _agrees(exercise: Exercise, tried: _Tried, mistaken: Callable[..., Any]) -> bool:
    if tried.value is None:
        return False
    value = _as_tensor(mistaken(*tried.case.arguments()))
    if value is None or value.shape != tried.value.shape:
        return False
    return bool(((value - tried.value).abs() <= _limit(exercise, value)).all())


def _banner(result: str) -> str:
    """The words of a result in letters five lines high, for a terminal."""
    rows = ("".join(f"{LETTERS.get(letter, LETTERS[' '])[row]:6}" for letter in result).rstrip() for row in range(5))
    return "\n".join(rows)


def _limit(exercise: Exercise, values: Tensor) -> float:
    """By how much an answer may differ from values."""
    return exercise.tolerance * max(float(values.abs().max()), 1e-12)


# --- calls ------------------------------------------------------------------------------------------------------------
def _called(function: Callable[..., Any], arguments: tuple, seconds: float) -> tuple[Any, BaseException | None]:
    """What a function gives, or raises; a TimeoutError if it takes too long. Its thread is then told to end."""
    result: list[Any] = [None, None]

    def call() -> None:
        try:
            result[0] = function(*arguments)
        except BaseException as error:  # of the learner's own, whatever it is
            result[1] = error

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit))
        return None, TimeoutError()
    return result[0], result[1]


def _is_empty(function: Any) -> bool:
    """Whether a function does nothing: its code is that of one with a docstring, pass or ... alone."""
    code = getattr(function, "__code__", None)
    if code is None:
        return False

    def nothing() -> None:
        pass

    def told() -> None:
        """What is to be done."""

    empty = {of.__code__.co_code for of in (nothing, told)}
    return code.co_code in empty and set(code.co_consts) <= {None, ..., function.__doc__}


# --- words ------------------------------------------------------------------------------------------------------------
def _as_tensor(value: Any) -> Tensor | None:
    """A value as float64 or complex128 on the CPU; None if it is no number and no array of numbers."""
    if isinstance(value, (str, bytes, dict, set)) or callable(value):
        return None
    try:
        tensor = value if isinstance(value, Tensor) else torch.as_tensor(np.asarray(value))
        return tensor.detach().cpu().to(torch.complex128 if tensor.is_complex() else torch.float64)
    except (TypeError, ValueError, RuntimeError):
        return None


def _kind(expected: Tensor) -> str:
    return f"an array of shape {tuple(expected.shape)}" if expected.ndim else "a number"


def _number(value: Tensor) -> str:
    number = complex(value.item()) if value.is_complex() else float(value)
    return f"{number:.6g}" if isinstance(number, float) else f"{number.real:.4g}{number.imag:+.4g}i"


def _briefly(argument: Any) -> str:
    """An argument in a message: small arrays in full, large ones by their shape."""
    if isinstance(argument, Tensor):
        small = argument.ndim == 1 and argument.numel() <= SHOWN
        return str(argument.tolist()) if small else f"image {' x '.join(map(str, argument.shape))}"
    return quote(argument) if isinstance(argument, (int, float, str, tuple, list)) else describe(argument)
