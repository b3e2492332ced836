"""Every parameter of every public name, with values that are wrong for it: each is answered in one clear sentence.

The wrong values follow from the signatures (`bad_inputs/wrong.py`). For a new public name, one good call is to be added
to `bad_inputs/calls.py`; without it the first test fails.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import pkgutil
import traceback
import warnings
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

import microtutor
from microtutor.statistics import autocorrelation
from tests.bad_inputs.calls import CALLS, FILES, Call
from tests.bad_inputs.wrong import wrong_values

PACKAGE = Path(microtutor.__file__).parent
INTERNAL = {  # modules that only the package itself calls
    "checks": "asks the questions that this test asks of the others",
    "files": "writes what others have checked",
    "workers": "is asked by tables and experiments, whose workers are tried",
    "downloads": "fetches what the tables of micrographs and weights name",
    "cli": "has a table of its own, tests/test_bad_commands.py",
}
RESULTS = {  # what functions return or warn of, made by nobody else
    "Boundary", "Bounds", "ConductivityFields", "Convergence", "ConvergenceWarning", "StiffnessBounds",
    "StiffnessFields", "FieldSample", "FolderSample", "Images", "LineSample", "RockSample", "Sample", "VAEOutput",
    "CropEvaluation", "Designs", "Diversity", "Evaluation", "LatentSummary", "LiveFigure", "PictureFigure", "Summary",
    "Case", "Exercise", "Micrograph", "Outcome", "PictureTable", "Placed", "Representativity",
}  # fmt: skip
PYTHONS = (  # words of Python and of other libraries, which would come through if a value were used unasked
    "required positional", "unexpected keyword", "is not subscriptable", "is not iterable", "not supported between",
    "unsupported operand", "has no attribute", "could not convert", "invalid literal", "os.PathLike object",
    "scalar type",
)  # fmt: skip


@functools.cache
def public_names() -> dict[str, Any]:
    """What `__all__` names, or where there is none, what a module defines without an underscore."""
    found = {f"microtutor.{name}": getattr(microtutor, name) for name in microtutor.__all__}
    for info in pkgutil.iter_modules(microtutor.__path__):
        if info.name in INTERNAL:
            continue
        module = importlib.import_module(f"microtutor.{info.name}")
        own = [n for n, o in vars(module).items() if getattr(o, "__module__", "") == module.__name__ and n[0] != "_"]
        found |= {f"{module.__name__}.{n}": getattr(module, n) for n in getattr(module, "__all__", own)}
    return {name: thing for name, thing in found.items() if callable(thing) and name.split(".")[-1] not in RESULTS}


def cases() -> list[Any]:
    """One for each wrong value: the name, the parameter, and the label of the value."""
    made = []
    for name, call in CALLS.items():
        parameters = inspect.signature(public_names()[name]).parameters if name in public_names() else {}
        for parameter in parameters.values():
            if parameter.name not in call.skip:
                good = good_arguments(name)[parameter.name]
                labels = [label for label, _ in _wrong(parameter, good)]
                assert len(labels) == len(set(labels)), (name, parameter.name)
                made += [
                    pytest.param(name, parameter.name, label, id=case(name, parameter.name, label)) for label in labels
                ]
    plt.close("all")
    return made


def case(name: str, parameter: str, label: str) -> str:
    return f"{name.removeprefix('microtutor.')}({parameter}={label})"


@functools.cache
def good_arguments(name: str) -> dict[str, Any]:
    return CALLS[name].arguments()


def _wrong(parameter: inspect.Parameter, good: Any) -> list[tuple[str, Any]]:
    if parameter.kind is parameter.VAR_POSITIONAL:
        return [(label, (value,)) for label, value in wrong_values(parameter, good[0])]
    return list(wrong_values(parameter, good))


def ask(name: str, call: Call, /, **changes: Any) -> Any:
    """Make the call, with changes."""
    function, arguments = public_names()[name], call.arguments() | changes
    kinds = {p.name: p.kind for p in inspect.signature(function).parameters.values()}
    each = [n for n in arguments if kinds[n] is inspect.Parameter.VAR_POSITIONAL]
    before = [arguments.pop(n) for n in list(arguments) if each and kinds[n] is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    args = [*before, *(one for n in each for one in arguments.pop(n))]
    return call.then(function(*args, **arguments))


def is_raised_on_purpose(error: BaseException) -> bool:
    """Whether the last thing that happened is a raise statement of the package."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    if PACKAGE not in Path(last.filename).parents:
        return False
    return (last.lineno or 0) in lines_of_raises(last.filename)


@functools.cache
def lines_of_raises(file: str) -> set[int]:
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    raises = [node for node in ast.walk(tree) if isinstance(node, ast.Raise)]
    return {line for node in raises for line in range(node.lineno, (node.end_lineno or 0) + 1)}


def faults(error: BaseException) -> list[str]:
    """What is wrong with an answer; nothing if it is one clear sentence."""
    text = str(error)
    found = [f"Python's own words: {words}" for words in PYTHONS if words in text]
    if not isinstance(error, (TypeError, ValueError, FileNotFoundError)):
        found.append(f"a {type(error).__name__}")
    if not is_raised_on_purpose(error):
        found.append("not raised by the package")
    if error.__context__ is not None and not error.__suppress_context__:
        found.append(f"on top of a {type(error.__context__).__name__}")
    if "\n" in text or len(text) > 500:
        found.append("more than a sentence")
    if "expected" not in text or "got" not in text:
        found.append("does not say what was expected and what came")
    return found


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, array in FILES.items():
        np.save(name, array)
    with torch.random.fork_rng(devices=[]):
        yield
    plt.close("all")


def test_every_public_name_has_a_good_call():
    assert not public_names().keys() - CALLS.keys(), "add a good call of these to tests/bad_inputs/calls.py"
    assert not CALLS.keys() - public_names().keys(), "these are no longer public"
    for name, call in CALLS.items():
        missing = (
            inspect.signature(public_names()[name]).parameters.keys() - good_arguments(name).keys() - call.skip.keys()
        )
        assert not missing, f"the good call of {name} leaves out {missing}"


def test_there_are_hundreds():
    assert len({case(*param.values) for param in cases()}) >= 1000


GOOD = [name for name, call in CALLS.items() if call.good]


@pytest.mark.parametrize("name", GOOD)
def test_the_good_call(name):
    ask(name, CALLS[name])


@pytest.mark.parametrize("name", [name for name, call in CALLS.items() if call.refusal])
def test_the_good_call_that_is_refused(name):
    with pytest.raises(FileNotFoundError, match=CALLS[name].refusal):
        ask(name, CALLS[name])


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("mode", ["inference_mode", "float64"])
def test_the_good_call_in_other_modes(name, mode):
    """Works, or is refused in one sentence."""
    torch.set_default_dtype(torch.float64 if mode == "float64" else torch.float32)
    found = []
    try:
        with torch.inference_mode(mode == "inference_mode"):
            ask(name, CALLS[name])
    except Exception as error:
        found = [*faults(error), str(error)] if faults(error) or mode == "float64" else []
    finally:
        torch.set_default_dtype(torch.float32)
    assert not found


def test_what_counts_as_one_clear_sentence():
    def answer(function: Any, *args: Any) -> list[str]:
        try:
            function(*args)
        except Exception as error:
            return faults(error)
        return ["accepted"]

    def faults_of(text):
        def refuse():
            raise ValueError(text)

        return answer(refuse)

    assert answer(autocorrelation, torch.full((2, 2), 9.0)) == []
    assert "not raised by the package" in answer(int, "a")
    assert "not raised by the package" in answer(autocorrelation)
    assert "Python's own words: required positional" in answer(autocorrelation)
    assert "a KeyError" in answer({}.__getitem__, "a")
    assert "more than a sentence" in faults_of("expected a,\ngot b")
    assert "does not say what was expected and what came" in faults_of("wrong")


@pytest.mark.parametrize(("name", "parameter", "label"), cases())
def test_one_sentence(name, parameter, label):
    call = CALLS[name]
    signature = inspect.signature(public_names()[name]).parameters[parameter]
    value = dict(_wrong(signature, good_arguments(name)[parameter]))[label]
    if label in call.right.get(parameter, ()):
        if call.good:
            ask(name, call, **{parameter: value})
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ask(name, call, **{parameter: value})
    except Exception as error:
        found, words = faults(error), f"{type(error).__name__}: {error}"
    else:
        found, words = ["accepted"], ""
    if call.refusal and call.refusal in words:
        found.append("refused for what is wrong with the good call too")
    assert not found, f"{found} {words}"
    assert {path.name for path in Path().iterdir()} == FILES.keys(), "something was written before the refusal"
