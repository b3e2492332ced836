"""Pictures of evaluations and of training runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from microtutor.checks import check_array, check_bool, check_choice, check_each, check_instance, check_number, quote
from microtutor.evaluation import PAPER, Evaluation
from microtutor.plotting.pictures import COLOURS

PAPER_STYLE = {"color": "0.35", "linestyle": "--", "linewidth": 1}


def show_error_distributions(evaluations: Mapping[str, Evaluation]) -> Figure:
    """The paper's figure: how statistics errors and volume-fraction differences are distributed over images.

    Args:
        evaluations: by the name to write in the legend.
    """
    for name, evaluation in _named(evaluations, "evaluations").items():
        check_instance(evaluation, Evaluation, name=f"evaluations[{name!r}]")
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    errors = {name: e.per_image["statistics_error"].cpu().numpy() for name, e in evaluations.items()}
    differences = {n: 100 * e.per_image["volume_fraction_difference"].cpu().numpy() for n, e in evaluations.items()}
    smallest = max(min((float(e[e > 0].min()) for e in errors.values() if (e > 0).any()), default=0), 1e-10)
    largest = max(smallest, *(float(e.max()) for e in errors.values()))
    bins = np.geomspace(smallest * 0.9, largest * 1.1, 30)
    percents = np.linspace(0, max(40, *(float(d.max()) for d in differences.values())), 30)
    for name, colour in zip(evaluations, cycle(COLOURS)):
        style = {"histtype": "step", "linewidth": 1.8, "color": colour, "label": name}
        left.hist(errors[name].clip(smallest), bins=bins, **style)  # no error at all counts as the smallest
        right.hist(differences[name], bins=percents, **style)
    paper = PAPER.get(next(iter(evaluations.values())).data_set, {})
    if "statistics_error_mean" in paper:
        left.axvline(paper["statistics_error_mean"], **PAPER_STYLE, label="paper, mean")
    if "volume_fraction_difference" in paper:
        right.axvline(100 * paper["volume_fraction_difference"], **PAPER_STYLE, label="paper, mean")
    left.set(xscale="log", xlabel="statistics error of an image", ylabel="images")
    right.set(xlabel="volume-fraction difference (%)", ylabel="images")
    left.legend(fontsize=8, loc="upper left")
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    return figure


def show_logs(
    logs: Mapping[str, Mapping[str, Sequence[float]]], *, against: str = "images", paper: float | None = None
) -> Figure:
    """Learning curves: validation statistics error of one or more runs.

    Args:
        logs: what `microtutor.training.read_log` returns, by the name to write in the legend.
        against: "images", "step" or "seconds".
        paper: a level to draw in, labelled as the paper's.
    """
    labels = {"images": "training images seen", "step": "step", "seconds": "wall time (s)"}
    label = labels[check_choice(against, labels, name="against")]
    check_number(paper, name="paper", above=0, optional=True)
    for name, log in _named(logs, "logs").items():
        _check_log(log, (against, "validation_statistics_error"), name=f"logs[{name!r}]")
    figure, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
    for (name, log), colour in zip(logs.items(), cycle(COLOURS)):
        ax.plot(log[against], log["validation_statistics_error"], color=colour, marker=".", label=name)
    if paper is not None:
        ax.axhline(paper, **PAPER_STYLE, label="paper")
    ax.set(yscale="log", xlabel=label, ylabel="statistics error, held-out images")
    ax.legend(fontsize=8)
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    return figure


def show_sweep(
    sweeps: Mapping[str, Sequence[Mapping[str, Any]]], measures: Mapping[str, str], *, log: bool = True
) -> Figure:
    """How measures change along a knob: the mean over seeds, and a band from the lowest seed to the highest.

    Args:
        sweeps: rows of `microtutor.records.read_runs`, by the name of the knob: one row of panels each.
        measures: label of the axis by the name of the measure: one column of panels each. Errors get a log axis.
        log: whether the knob's axis is logarithmic.

    >>> rows = [{"choice": c, "seed": s, "kl": s + float(c)} for c in "12" for s in (0, 1)]
    >>> len(show_sweep({"beta": rows}, {"kl": "KL (nats)"}).axes)
    1
    """
    _named(measures, "measures")
    check_bool(log, name="log")
    tables = {
        knob: _numbers(rows, ("choice", *measures), name=f"sweeps[{knob!r}]")
        for knob, rows in _named(sweeps, "sweeps").items()
    }
    size = (2.9 * len(measures), 2.4 * len(sweeps))
    figure, axes = plt.subplots(len(sweeps), len(measures), figsize=size, squeeze=False, layout="constrained")
    for row, (knob, runs) in zip(axes, tables.items()):
        choices = sorted({run["choice"] for run in runs})
        for ax, (measure, label), colour in zip(row, measures.items(), cycle(COLOURS)):
            values = [[run[measure] for run in runs if run["choice"] == choice] for choice in choices]
            ax.fill_between(choices, [min(v) for v in values], [max(v) for v in values], color=colour, alpha=0.25)
            ax.plot(choices, [sum(v) / len(v) for v in values], color=colour, marker="o", markersize=4)
            ax.set(xlabel=knob, ylabel=label, xscale="log" if log else "linear")
            if "error" in measure:
                ax.set_yscale("log")
            else:
                ax.set_ylim(bottom=0)
            ax.spines[["top", "right"]].set_visible(False)
    return figure


def _named(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Values by their names, at least one."""
    if not isinstance(values, Mapping) or not values:
        raise TypeError(f"expected {name} by name, at least one, as {{'mine': ...}}, got {quote(values)}")
    return values


def _check_log(log: Any, columns: Sequence[str], *, name: str) -> None:
    """Raise unless a log has these columns, each of as many numbers."""
    for column in columns:
        if column not in check_instance(log, Mapping, name=name):
            raise ValueError(f"expected {name} with a column {column}, as read_log gives it, got {quote(log)}")
    shapes = [check_array(log[column], name=f"column {column} of {name}").shape for column in columns]
    if len(shapes[0]) != 1 or len(set(shapes)) > 1:
        raise ValueError(f"expected as many numbers in each column of {name}, got columns of shapes {shapes}")


def _numbers(rows: Any, columns: Sequence[str], *, name: str) -> list[dict[str, float]]:
    """Some columns of the rows of a table as numbers, which files have as text."""
    each = check_each(rows, check_instance, kind=Mapping, name=name)
    for column in columns:
        if not each or any(column not in row for row in each):
            raise ValueError(f"expected rows with a column {column} in {name}, got {quote(rows)}")
    return [{column: _number(row[column], name=f"{column} of {name}") for column in columns} for row in each]


def _number(value: Any, *, name: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"expected {name} as a number, got {quote(value)}") from None
