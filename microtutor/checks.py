"""What every public function asks of its input, and the sentences it answers with."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Collection, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

T = TypeVar("T")


class ConvergenceWarning(UserWarning):
    """An iteration stopped before its result was as accurate as asked for; the message says how far it got, and why."""


def level_of_the_user() -> int:
    """How far up the line is that called this package, as `warnings.warn` counts where this function is called.

    Between the two lie as many calls inside torch as its version makes.
    """
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in ("microtutor", "torch"):
        frame, level = frame.f_back, level + 1
    return level


def describe(x: Any) -> str:
    """Say in a few words what a value is, for error messages."""
    if isinstance(x, Tensor):
        return f"a tensor of shape {tuple(x.shape)} and dtype {x.dtype}"
    shape = getattr(x, "shape", None)
    if isinstance(shape, Sequence) and not isinstance(x, type):
        return f"a {type(x).__name__} of shape {tuple(shape)}"
    if isinstance(x, (int, float, str, bool)):
        return f"{quote(x)} ({type(x).__name__})"
    return "None" if x is None else f"a {type(x).__name__}"


def quote(x: Any, *, most: int = 80) -> str:
    """A value as it was written, cut to one short line; arrays in words, for error messages."""
    if hasattr(x, "shape") or (isinstance(x, Sequence) and any(hasattr(one, "shape") for one in x)):
        return describe(x)
    text = " ".join(repr(x).split())
    return text if len(text) <= most else f"{text[: most - 3]}..."


def check_field(x: Any, *, ndim: int = 2, name: str = "image", empty: bool = False, finite: bool = True) -> Tensor:
    """Return x if it is a finite, non-empty float tensor with at least ndim axes.

    With empty=True a batch may hold no images, but every image must hold pixels. With finite=False nothing is read of
    the values, for what is asked at each step of a training.

    Raises:
        TypeError: x is no tensor, or its dtype is not a float.
        ValueError: x has too few axes, is empty, or holds NaN or infinity.
    """
    check_count(ndim, name="ndim", minimum=0)
    if not isinstance(x, Tensor):
        check_tensor(x, name=f"the {name}")
    if not x.is_floating_point():
        advice = "take its .real or .abs()" if x.is_complex() else "convert it with .float()"
        raise TypeError(f"expected the {name} as a float tensor, got {describe(x)}; {advice}")
    if x.ndim < ndim:
        axes = "..., height, width" if ndim == 2 else "..., depth, height, width" if ndim == 3 else "..."
        raise ValueError(f"expected the {name} with at least {ndim} axes ({axes}), got {describe(x)}")
    if 0 in (x.shape[x.ndim - ndim :] if empty else x.shape):
        raise ValueError(f"expected the {name} with at least one pixel, got {describe(x)}")
    if finite and not math.isfinite(x.detach().sum().item()) and not bool(torch.isfinite(x.detach()).all()):
        raise ValueError(
            f"expected finite values in the {name}, got NaN or infinity; find them with torch.isfinite, and where a "
            "mask can be given, set them to 0 there and in the mask"
        )
    return x


def check_tensor(x: Any, *, name: str) -> Tensor:
    """Return x if it is a tensor; what else comes is told how to become one, with its mask if it has one."""
    if isinstance(x, Tensor):
        return x
    advice = "convert it with torch.as_tensor(...).float()"
    if is_masked(x):
        advice = (
            "convert its values, torch.as_tensor(x.filled(0)).float(), and hand over what it hides as "
            "mask=torch.as_tensor(~numpy.ma.getmaskarray(x)).float()"
        )
    raise TypeError(f"expected {name} as a torch tensor, got {describe(x)}; {advice}")


def check_phase(
    m: Any, *, ndim: int = 2, name: str = "phase image", tolerance: float = 1e-4, empty: bool = False
) -> Tensor:
    """Return m if it is a phase indicator: a float tensor with values in [0, 1].

    Raises:
        TypeError: m is no tensor, or neither float nor bool.
        ValueError: as `check_field`, or values outside [0, 1].
    """
    if isinstance(m, Tensor) and m.dtype == torch.bool:
        m = m.float()
    if isinstance(m, Tensor) and not (m.is_floating_point() or m.is_complex()) and m.numel():
        low, high = m.min().item(), m.max().item()
        raise TypeError(
            f"expected a {name} with float values in [0, 1], got {describe(m)} with values in [{low}, {high}]; "
            "divide by 255 or threshold it first, for example (image > 127).float()"
        )
    check_field(m, ndim=ndim, name=name, empty=empty, finite=False)
    if not m.numel():
        return m
    low, high = (limit.item() for limit in m.detach().aminmax())
    if -tolerance <= low and high <= 1 + tolerance:  # neither holds of NaN, which both limits are if one value is
        return m
    check_field(m, ndim=ndim, name=name, empty=empty)
    raise ValueError(
        f"expected a {name} with values in [0, 1], got values in [{low:.4g}, {high:.4g}]; "
        "divide by 255 or threshold it first"
    )


def check_same_shape(a: Tensor, b: Tensor, names: tuple[str, str]) -> None:
    """Raise TypeError unless a and b are tensors, ValueError unless they have equal shapes."""
    for x, name in zip((a, b), names):
        check_tensor(x, name=name)
    if a.shape != b.shape:
        raise ValueError(
            f"expected {names[0]} and {names[1]} of the same shape, got {tuple(a.shape)} and {tuple(b.shape)}"
        )


def check_broadcast(a: Tensor, b: Tensor, names: tuple[str, str]) -> None:
    """Raise ValueError unless the shapes of two tensors broadcast to one."""
    try:
        torch.broadcast_shapes(a.shape, b.shape)
    except RuntimeError:
        raise ValueError(
            f"expected {names[0]} and {names[1]} of shapes that broadcast, got {tuple(a.shape)} and {tuple(b.shape)}"
        ) from None


def check_count(value: Any, *, name: str, minimum: int | None = 1, below: int | None = None) -> int:
    """Return value as an int if it is a whole number of at least `minimum`, and below a limit if there is one."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"expected {name} as a whole number, got {describe(value)}")
    number = int(value)
    if minimum is not None and number < minimum:
        raise ValueError(f"expected {name} of at least {minimum}, got {number}")
    if below is not None and number >= below:
        raise ValueError(f"expected {name} of at least {minimum} and below {below}, got {number}")
    return number


def check_number(
    value: Any,
    *,
    name: str,
    above: float | None = None,
    minimum: float | None = None,
    below: float | None = None,
    maximum: float | None = None,
    optional: bool = False,
) -> Any:
    """Return value as a float if it is a finite number within the limits, of which `above` and `below` are no part.

    With optional=True it may be None, which comes back as it is.

    >>> check_number(0.5, name="fraction", minimum=0, maximum=1)
    0.5
    >>> check_number(2, name="fraction", minimum=0, maximum=1)
    Traceback (most recent call last):
    ValueError: expected fraction as a finite number of at least 0 and at most 1, got 2
    """
    if optional and value is None:
        return None
    limits = [
        (above, "above", lambda x, limit: x > limit),
        (minimum, "of at least", lambda x, limit: x >= limit),
        (below, "below", lambda x, limit: x < limit),
        (maximum, "at most", lambda x, limit: x <= limit),
    ]
    told = " and ".join(f"{word} {limit:g}" for limit, word, _ in limits if limit is not None)
    wanted = f"expected {name} as a finite number{told and ' '}{told}{', or None' if optional else ''}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{wanted}, got {describe(value)}")
    if not math.isfinite(value) or not all(limit is None or holds(value, limit) for limit, _, holds in limits):
        raise ValueError(f"{wanted}, got {value:g}")
    return float(value)


def check_choice(value: Any, choices: Collection[str], *, name: str) -> Any:
    """Return value if it is one of the words to choose from.

    >>> check_choice("opne", ("periodic", "open"), name="boundary")
    Traceback (most recent call last):
    ValueError: expected boundary to be 'periodic' or 'open', got 'opne'
    """
    if not isinstance(value, str) or value not in choices:
        *others, last = map(repr, choices)
        words = f"{', '.join(others)} or {last}" if others else last
        raise ValueError(f"expected {name} to be {words}, got {quote(value)}")
    return value


def check_bool(value: Any, *, name: str) -> bool:
    """Return value if it is True or False: the text "false", for example, would count as true.

    >>> check_bool("false", name="normalise")
    Traceback (most recent call last):
    TypeError: expected normalise to be True or False, got 'false' (str)
    """
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"expected {name} to be True or False, got {describe(value)}")
    return bool(value)


def check_path(value: Any, *, name: str) -> Path:
    """Return value as a path if it is one, as text or as pathlib has them.

    >>> check_path(3, name="folder")
    Traceback (most recent call last):
    TypeError: expected folder as a path, text or pathlib.Path, got 3 (int)
    """
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"expected {name} as a path, text or pathlib.Path, got {describe(value)}")
    return Path(value)


def check_text(value: Any, *, name: str) -> str:
    """Return value if it is text."""
    if not isinstance(value, str):
        raise TypeError(f"expected {name} as text, got {describe(value)}")
    return value


def check_instance(value: Any, kind: type[T], *, name: str) -> T:
    """Return value if it is of a class.

    >>> check_instance("runs", dict, name="the table")
    Traceback (most recent call last):
    TypeError: expected the table as a dict, got 'runs' (str)
    """
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIO" else "a"
        raise TypeError(f"expected {name} as {article} {kind.__name__}, got {describe(value)}")
    return value


def check_callable(value: Any, *, name: str) -> Any:
    """Return value if it can be called, as functions can.

    >>> check_callable("print", name="say")
    Traceback (most recent call last):
    TypeError: expected say as a function, got 'print' (str)
    """
    if not callable(value):
        raise TypeError(f"expected {name} as a function, got {describe(value)}")
    return value


def check_each(values: Any, check: Callable[..., T], *, name: str, **limits: Any) -> list[T]:
    """Return values as a list if it is a list, tuple, range or array of one axis, and each of them passes a check.

    >>> check_each((1, 2), check_count, name="shifts", minimum=0)
    [1, 2]
    >>> check_each("ab", check_text, name="labels")  # is one text, not two
    Traceback (most recent call last):
    TypeError: expected labels as a list, got 'ab' (str)
    """
    each = values.tolist() if hasattr(values, "tolist") else values
    if isinstance(each, (str, bytes)) or not isinstance(each, Sequence):
        raise TypeError(f"expected {name} as a list, got {describe(values)}")
    return [check(value, name=f"{name}[{i}]", **limits) for i, value in enumerate(each)]


def check_spacing(spacing: Any, ndim: int) -> tuple[float, ...]:
    """The size of a pixel along each of ndim axes, from one number for all or one for each.

    >>> check_spacing(0.5, 2), check_spacing((2, 1), 2)
    ((0.5, 0.5), (2.0, 1.0))
    """
    count = check_count(ndim, name="ndim")
    each = (spacing,) * count if isinstance(spacing, Real) else spacing
    if not isinstance(each, Sequence) or isinstance(each, str) or len(each) != count:
        raise ValueError(
            f"expected spacing as the size of a pixel, or one for each of {count} axes, got {quote(spacing)}"
        )
    return tuple(check_number(one, name="spacing", above=0) for one in each)


def is_masked(x: Any) -> bool:
    """Whether an array brings a mask with it: numpy.ma, or dask.array.ma."""
    return isinstance(x, np.ma.MaskedArray) or isinstance(getattr(x, "_meta", None), np.ma.MaskedArray)


def check_array(x: Any, *, name: str) -> np.ndarray:
    """The one way in for whole arrays, or lists of numbers: x as a numpy array of real numbers.

    Raises:
        TypeError: x brings a mask, which would be lost, or does not hold real numbers.
    """
    if is_masked(x):
        raise TypeError(
            f"expected the {name} without a mask, which cannot be used here, got {describe(x)}; fill it first, "
            "for example x.filled(0)"
        )
    try:
        array = np.asarray(x.detach().cpu() if isinstance(x, Tensor) else x)
    except (TypeError, ValueError, RuntimeError):  # lists of different lengths
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"expected the {name} as an array of real numbers, got {_array_in_words(x)}")
    return array


def split_mask(array: Any, mask: Any, *, name: str = "array") -> tuple[Any, Any]:
    """An array that may be too large for memory, without its mask, and the confidence in its pixels, if there is any.

    What a masked array hides has no confidence; a mask beside it counts in addition. Nothing is read of either.

    >>> values, confidence = split_mask(np.ma.array([1.0, 9.0], mask=[False, True]), None)
    >>> values.tolist(), confidence.tolist()
    ([1.0, 0.0], [1.0, 0.0])

    Raises:
        TypeError: array or mask has no shape, or does not hold real numbers.
        ValueError: their shapes differ, or are not known.
    """
    check_shaped(array, name=name)
    if mask is not None:
        check_shaped(mask, name="mask")
        if tuple(mask.shape) != tuple(array.shape):
            raise ValueError(f"expected the mask with shape {tuple(array.shape)}, got {tuple(mask.shape)}")
        mask, _ = _filled(mask)
    values, hidden = _filled(array)
    if hidden is not None:
        known = (~hidden).astype(np.float64)
        mask = known if mask is None else mask * known
    return values, mask


def check_shaped(x: Any, *, name: str) -> Any:
    """Return x if it has a shape, slices and real numbers, as memory maps, zarr, HDF5 and dask arrays have."""
    shape, dtype = getattr(x, "shape", None), getattr(x, "dtype", None)
    if isinstance(x, Tensor) or shape is None or not hasattr(x, "__getitem__"):
        advice = "call its .numpy()" if isinstance(x, Tensor) else "convert it with numpy.asarray"
        raise TypeError(f"expected the {name} as an array with a shape, got {describe(x)}; {advice}")
    if dtype is not None and np.dtype(dtype).kind not in "biuf":
        raise TypeError(f"expected the {name} as an array of real numbers, got {_array_in_words(x)}")
    if any(n != n for n in shape):  # what dask does not know is NaN
        raise ValueError(
            f"expected the {name} with a known shape, got a dask array of unknown chunks, {tuple(shape)}; call its "
            "compute_chunk_sizes() first"
        )
    return x


def _filled(x: Any) -> tuple[Any, Any]:
    """The values of an array with 0 where it hides some, and where that is; None if it is no masked one."""
    if not is_masked(x):
        return x, None
    if isinstance(x, np.ma.MaskedArray):
        return x.filled(0), np.ma.getmaskarray(x)
    from dask.array import ma

    return ma.filled(x, 0), ma.getmaskarray(x)


def _array_in_words(x: Any) -> str:
    dtype = getattr(x, "dtype", None)
    return describe(x) if dtype is None or isinstance(x, Tensor) else f"{describe(x)} and dtype {dtype}"
