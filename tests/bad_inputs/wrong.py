"""Which values are wrong for a parameter: told from its name, its annotation and a value that is right."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

Wrong = Iterator[tuple[str, Any]]
CHOICES = {  # words to choose from, by the name of the parameter
    "boundary",
    "cut",
    "dtype",
    "encoder",
    "decoder",
    "loss",
    "material",
    "method",
    "optimizer",
    "precision",
    "reduction",
    "schedule",
    "against",
    "experiment",
    "rock",
    "other",
    "device",
    "data_set",
}


def wrong_values(parameter: inspect.Parameter, good: Any) -> Wrong:
    """Labels and wrong values; None is wrong unless it is the default or the annotation allows it."""
    annotation, name = str(parameter.annotation).strip("'\""), parameter.name
    if parameter.default is not None and "None" not in annotation and annotation != "Any":
        yield "None", None
    yield from _by_name_or_annotation(name, annotation, good)


def _by_name_or_annotation(name: str, annotation: str, good: Any) -> Wrong:
    if name in BY_NAME:
        yield from BY_NAME[name]
    elif "PhaseValues" in annotation:
        yield from _phase_values()
    elif "Tensor" in annotation and isinstance(good, Tensor):
        yield from _tensors(good)
    elif "Tensor" in annotation or annotation == "Any":
        yield from _arrays(good)
    elif "PathLike" in annotation or annotation.startswith("Path"):
        yield from [("a number", 3), ("a list", ["a"])]
    elif annotation.startswith("str") or "Literal" in annotation or annotation == "Reduction":
        yield "a number", 3
        if name in CHOICES:
            yield from [
                ("no such word", "no such word"),
                ("another case", str(good).swapcase() + "X"),
                ("a list", ["a"]),
            ]
    elif annotation.startswith("bool"):
        yield from [("text", "false"), ("a number", 2), ("a list", [True])]
    elif annotation.startswith("int"):
        yield from [("text", "2"), ("a fraction", 1.5), ("true", True), ("a list", [1]), ("NaN", math.nan)]
        yield from [("below", -1)]
    elif annotation.startswith("float"):
        yield from [("text", "a"), ("NaN", math.nan), ("infinite", math.inf), ("a list", [[1.0]]), ("below", -1.0)]
    elif annotation.startswith("tuple"):
        yield from [
            ("a number", 3),
            ("text", "ab"),
            ("one of it", good[:1]),
            ("fractions", (1.5, 2.5)),
            ("NaN", (math.nan,) * 2),
        ]
        yield from [("falling", (5, 1)), ("below", (-1, 2))]
    elif annotation.startswith(("Sequence", "Mapping", "Iterable", "dict", "list")):
        yield from [("a number", 3), ("a list of numbers", [0.5]), ("empty", type(good)())]
    elif annotation.startswith("Callable"):
        yield from [("a number", 3), ("text", "a")]
    elif annotation[:1].isupper():  # a class of one's own: VAE, TrainingConfig, LineSample, Axes, ...
        yield from [("a number", 3), ("text", "a"), ("another object", object()), ("the class", type(good))]
    else:
        raise AssertionError(f"no rule for {name}: {annotation}; add one to tests/bad_inputs/wrong.py")


def _tensors(good: Tensor) -> Wrong:
    yield from [("text", "a"), ("a list", good.tolist()), ("an array", good.detach().numpy())]
    yield "a masked array", np.ma.array(good.detach().numpy(), mask=False)
    yield "complex", good.detach().to(torch.complex64)
    if good.is_floating_point():
        yield "whole numbers", good.detach().long()
        yield "NaN", torch.full_like(good, torch.nan)
        yield "infinite", torch.full_like(good, torch.inf)
    yield "of 0 axes", torch.zeros(())
    if good.ndim:
        yield "no numbers", good.detach().new_zeros(*good.shape[:-1], 0)
        yield "one axis", good.detach().new_zeros(3)
    if good.is_floating_point() and good.numel() and good.min() >= 0 and good.max() <= 1:
        yield "from 0 to 255", 1 + 255 * good.detach()
        yield "below", -1 - good.detach()


def _arrays(good: Any) -> Wrong:
    array = np.asarray(good)
    yield from [("text", "a"), ("complex", array.astype(complex)), ("words", np.full(array.shape, "a"))]
    yield from [("lists of different lengths", [[1.0], [1.0, 2.0]]), ("no numbers", np.zeros((0, 0)))]
    yield "NaN", np.full(array.shape, np.nan)


def _phase_values() -> Wrong:
    yield from [("text", "ab"), ("a number", 3.0), ("none", ()), ("words", ["a", "b"])]
    yield from [
        ("NaN", (math.nan, 1.0)),
        ("infinite", (1.0, math.inf)),
        ("below", (-2.0, 1.0)),
        ("too many", (0.2,) * 5),
    ]
    yield from [("complex", torch.ones(2, dtype=torch.complex64)), ("different lengths", [[1.0], [1.0, 2.0]])]
    yield "a masked array", np.ma.array([0.3, 0.2], mask=[True, False])


BY_NAME: dict[str, list[tuple[str, Any]]] = {
    "boundary": [("no such word", "closed"), ("a number", 3), ("one too few", ("open",)), ("a mix", ("open", 2))],
    "spacing": [("text", "px"), ("zero", 0), ("below", (1.0, -1.0)), ("NaN", math.nan), ("too many", (1.0,) * 5)],
    "pairs": [
        ("a number", 3),
        ("text", "01"),
        ("no such phase", [(0, 99)]),
        ("one of it", [(0,)]),
        ("fractions", [(0.5, 1)]),
    ],
    "directions": [
        ("angles", [0, 45]),
        ("none", []),
        ("zero", [(0, 0)]),
        ("text", "up"),
        ("number 0", 0),
        ("a fraction", 2.5),
    ],
    "first": [("a number", 3), ("text", "right"), ("one of it", (1,)), ("fractions", (0.5, 1.0))],
    "second": [
        ("a number", 3),
        ("text", "right"),
        ("one of it", (1,)),
        ("fractions", (0.5, 1.0)),
        ("two", [(0, 1), (0, 2)]),
    ],
    "ndim": [("text", "2"), ("zero", 0), ("a fraction", 2.0), ("too many", 9), ("true", True)],
    "axis": [("text", "x"), ("too far", 7), ("a fraction", -1.0), ("a list", [-1])],
    "mask": [
        ("text", "a"),
        ("complex", torch.ones(2, 2, dtype=torch.complex64)),
        ("another shape", torch.ones(3, 2)),
        ("a number", 1.0),
        ("from 0 to 255", torch.full((8, 8), 255.0)),
        ("NaN", torch.full((8, 8), torch.nan)),
    ],
    "shape": [("a number", 36), ("text", "ab"), ("fractions", (2.0, 18.0)), ("too small", (2, 2)), ("below", (-2, -2))],
    "extra_terms": [("a number", 3), ("text", "a"), ("a list of numbers", [1.0])],
    "extra_weights": [
        ("text", "a"),
        ("NaN", math.nan),
        ("infinite", math.inf),
        ("a list of text", ["a"]),
        ("too many", [1.0, 2.0]),
    ],
    "fraction": [("text", "a"), ("above", 2.0), ("below", -0.5), ("NaN", math.nan), ("a list", [0.5])],
    "device": [("no such word", "gpu"), ("a number", 3.5)],
    "radius": [("text", "a"), ("below", -1.0), ("NaN", math.nan), ("a list", [1.0])],
    "threshold": [("text", "a"), ("NaN", math.nan), ("a list", [1.0])],
    "labels": [("text", "yes"), ("a number", 3.5), ("words", ["a", "b"])],
    "title": [],  # whatever has a text
    "unit": [],
    "description": [],
    "command": [],
    "commit": [],
    "html": [],
}
