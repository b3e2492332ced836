"""Pictures of images, of their statistics, and of training runs. Each function returns a matplotlib figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from torch import Tensor

from microtutor.checks import (
    check_bool,
    check_choice,
    check_count,
    check_field,
    check_number,
    check_phase,
    check_same_shape,
    check_tensor,
    describe,
    quote,
)
from microtutor.evaluation import PAPER, Evaluation
from microtutor.statistics import autocorrelation, radial_average

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe & Ito: safe for the colour-blind
MAP = "cividis"  # perceived alike with and without colour vision
PAPER_STYLE = {"color": "0.35", "linestyle": "--", "linewidth": 1}


def show_images(images: Tensor, titles: Sequence[str] | None = None, *, columns: int = 8, side: float = 1.4) -> Figure:
    """Phase images side by side, the phase black on white as the paper draws it.

    Args:
        images: (..., H, W) in [0, 1]; leading axes are flattened.
        titles: one per image.
        columns: images in a row.
        side: width of an image in inches.

    Raises:
        TypeError, ValueError: no phase images, another number of titles, or fewer than one column.

    >>> len(show_images(torch.eye(4).expand(3, 4, 4)).axes)
    3
    """
    flat = check_phase(images).detach().cpu().reshape(-1, *images.shape[-2:])
    columns = min(check_count(columns, name="columns"), len(flat))
    check_number(side, name="side", above=0)
    if titles is not None and (isinstance(titles, str) or len(titles) != len(flat)):
        got = quote(titles) if isinstance(titles, str) else f"{len(titles)}"
        raise ValueError(f"expected one title for each of {len(flat)} images, got {got}")
    rows = -(-len(flat) // columns)
    title_room = 0.25 if titles is not None else 0
    figure, axes = plt.subplots(
        rows, columns, figsize=(side * columns, (side + title_room) * rows), squeeze=False, layout="constrained"
    )
    for i, ax in enumerate(axes.flat):
        if i < len(flat):
            draw_image(ax, flat[i], titles[i] if titles is not None else None)
        else:
            ax.remove()
    return figure


def draw_image(ax: Axes, image: Tensor, title: str | None = None) -> None:
    """Draw one phase image (H, W) into axes."""
    if check_tensor(image, name="the image").ndim != 2:
        raise ValueError(f"expected one image, shape (height, width), got {describe(image)}")
    ax.imshow(image.detach().cpu().numpy(), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    ax.xaxis.set_major_locator(NullLocator())
    ax.yaxis.set_major_locator(NullLocator())
    if title:
        ax.set_title(title, fontsize=9)


def draw_statistics(
    ax: Axes,
    f: Tensor,
    title: str | None = None,
    *,
    centred: bool = False,
    vmax: float | None = None,
    colorbar: bool = True,
    pixel_size: float = 1.0,
    unit: str = "px",
) -> None:
    """Draw a map of statistics (H, W) into axes, zero shift in the middle.

    Args:
        f: the statistics; zero shift at index 0, or in the middle already if centred.
        vmax: value of the brightest colour; the largest value of f by default.
        pixel_size, unit: side of a pixel, and its unit, for the axes.
    """
    f, scale = _one_map(f), _check_length(pixel_size)
    f = f if centred else torch.fft.fftshift(f, dim=(-2, -1))
    height, width = f.shape
    edges = (-(width // 2) - 0.5, width - width // 2 - 0.5, height - height // 2 - 0.5, -(height // 2) - 0.5)
    left, right, bottom, top = (scale * edge for edge in edges)
    picture = ax.imshow(
        f.numpy(), cmap=MAP, vmin=0, vmax=vmax, extent=(left, right, bottom, top), interpolation="nearest"
    )
    ax.set_xlabel(f"shift along width ({unit})", fontsize=8)
    ax.set_ylabel(f"shift along height ({unit})", fontsize=8)
    ax.tick_params(labelsize=7)
    if title:
        ax.set_title(title, fontsize=9)
    if colorbar:
        bar = ax.figure.colorbar(picture, ax=ax, shrink=0.8)
        bar.ax.tick_params(labelsize=7)
        bar.set_label("probability f(r)", fontsize=8)


def show_statistics(
    f: Tensor,
    title: str | None = None,
    *,
    centred: bool = False,
    side: float = 3.6,
    pixel_size: float = 1.0,
    unit: str = "px",
) -> Figure:
    """A map of statistics (H, W) with its colour bar.

    >>> len(show_statistics(autocorrelation(torch.eye(4))).axes)  # the map and its colour bar
    2
    """
    check_number(side, name="side", above=0)
    _check_length(pixel_size)
    f = _one_map(f)
    figure, ax = plt.subplots(figsize=(side * 1.25, side), layout="constrained")
    draw_statistics(ax, f, title, centred=centred, pixel_size=pixel_size, unit=unit)
    return figure


def draw_radial(
    ax: Axes,
    f: Tensor,
    title: str | None = None,
    *,
    centred: bool = False,
    pixel_size: float = 1.0,
    unit: str = "px",
) -> None:
    """Draw the autocorrelation (H, W) of a two-valued phase, averaged over directions, and where it starts and ends.

    It starts at the volume fraction φ, its value at zero shift. Where the two ends of a shift know nothing of each
    other, both lie in the phase with probability φ²: a phase without long-range order ends there.

    Args:
        f: the autocorrelation; zero shift at index 0, or in the middle if centred.
        pixel_size, unit: side of a pixel, and its unit, for the axis of distances.
    """
    f, scale = _one_map(f), _check_length(pixel_size)
    curve = radial_average(f, centred=centred)
    distance, fraction = scale * np.arange(len(curve)), float(curve[0])
    ax.axhline(fraction, color=COLOURS[1], linestyle="--", linewidth=1, label=f"φ = {fraction:.3g}")
    ax.axhline(fraction**2, color=COLOURS[2], linestyle=":", linewidth=1.5, label=f"φ² = {fraction**2:.3g}")
    ax.plot(distance, curve.numpy(), color=COLOURS[0], marker=".", markersize=3)
    ax.set_xlabel(f"distance ({unit})", fontsize=8)
    ax.set_ylabel("probability f, mean over directions", fontsize=8)
    ax.set_xlim(left=0)
    ax.set_ylim(bottom=0)
    ax.tick_params(labelsize=7)
    ax.legend(fontsize=8)
    ax.spines[["top", "right"]].set_visible(False)
    if title:
        ax.set_title(title, fontsize=9)


def show_radial(
    f: Tensor, title: str | None = None, *, centred: bool = False, pixel_size: float = 1.0, unit: str = "px"
) -> Figure:
    """The autocorrelation (H, W) of a two-valued phase over distance, between φ and φ²; see `draw_radial`.

    >>> (ax,) = show_radial(autocorrelation(torch.eye(4)), pixel_size=0.5, unit="µm").axes
    >>> ax.lines[-1].get_xdata().tolist(), ax.get_xlabel()
    ([0.0, 0.5, 1.0], 'distance (µm)')
    """
    f = _one_map(f)
    _check_length(pixel_size)
    figure, ax = plt.subplots(figsize=(4.2, 3), layout="constrained")
    draw_radial(ax, f, title, centred=centred, pixel_size=pixel_size, unit=unit)
    return figure


def show_summary(
    m: Tensor, f: Tensor, title: str | None = None, *, pixel_size: float = 1.0, unit: str = "px"
) -> Figure:
    """One phase image, its autocorrelation, and the same averaged over directions, side by side.

    Args:
        m: phase indicator (H, W) in [0, 1].
        f: what `autocorrelation(m)` returns, shape (H, W).
        title: stands above the image.
        pixel_size, unit: side of a pixel, and its unit, for the axes.

    >>> len(show_summary(torch.eye(4), autocorrelation(torch.eye(4))).axes)  # with the colour bar of the map
    4
    """
    check_same_shape(m, f, ("the image", "its statistics"))
    f, m = _one_map(f), check_phase(m)
    _check_length(pixel_size)
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(10.5, 3), layout="constrained")
    draw_image(left, m, title)
    draw_statistics(middle, f, pixel_size=pixel_size, unit=unit)
    draw_radial(right, f, pixel_size=pixel_size, unit=unit)
    return figure


def _one_map(f: Tensor) -> Tensor:
    """The statistics of one image; shifts without pairs are NaN, and stay blank."""
    check_field(torch.where(f.isnan(), 0, f) if isinstance(f, Tensor) else f, name="statistics")
    f = f.detach().cpu()
    if f.ndim != 2:
        raise ValueError(f"expected the statistics of one image, shape (height, width), got {describe(f)}")
    return f


def _check_length(pixel_size: float) -> float:
    return check_number(pixel_size, name="pixel_size", above=0)


def _named(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Values by their names, at least one."""
    if not isinstance(values, Mapping) or not values:
        raise TypeError(f"expected {name} by name, at least one, as {{'mine': ...}}, got {quote(values)}")
    return values


def show_pairs(originals: Tensor, reconstructions: Tensor, *, side: float = 1.35) -> Figure:
    """The paper's figure: originals and reconstructions, each above its two-point statistics.

    Both maps of a pair share one colour scale.

    Args:
        originals, reconstructions: (n, 1, H, W) in [0, 1].
    """
    check_same_shape(originals, reconstructions, ("the originals", "the reconstructions"))
    originals, reconstructions = check_phase(originals), check_phase(reconstructions, name="reconstruction")
    if originals.ndim != 4 or originals.shape[1] != 1:
        raise ValueError(f"expected images of shape (n, 1, height, width), got {describe(originals)}")
    check_number(side, name="side", above=0)
    n = len(originals)
    figure, axes = plt.subplots(4, n, figsize=(side * n + 0.4, side * 4), squeeze=False, layout="constrained")
    labels = ("original", "its statistics", "reconstruction", "its statistics")
    for ax, label in zip(axes[:, 0], labels):
        ax.set_ylabel(label, fontsize=8)
    for i in range(n):
        top = None
        for row, images in ((0, originals), (2, reconstructions)):
            image = images[i, 0]
            draw_image(axes[row, i], image)
            f = autocorrelation(image, centred=True).detach().cpu()
            top = float(f.max()) if top is None else top
            axes[row + 1, i].imshow(f.numpy(), cmap=MAP, vmin=0, vmax=top, interpolation="nearest")
            axes[row + 1, i].xaxis.set_major_locator(NullLocator())
            axes[row + 1, i].yaxis.set_major_locator(NullLocator())
    return figure


def show_error_distributions(evaluations: Mapping[str, Evaluation]) -> Figure:
    """The paper's figure: how statistics errors and volume-fraction differences are distributed over images.

    Args:
        evaluations: by the name to write in the legend.
    """
    for name, evaluation in _named(evaluations, "evaluations").items():
        if not isinstance(evaluation, Evaluation):
            raise TypeError(f"expected evaluations[{name!r}] as evaluate gives it, got {describe(evaluation)}")
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
    for name, log in _named(logs, "logs").items():
        for column in (against, "validation_statistics_error"):
            if not isinstance(log, Mapping) or column not in log:
                raise ValueError(
                    f"expected logs[{name!r}] with a column {column}, as read_log gives it, got {quote(log)}"
                )
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
    for knob, rows in _named(sweeps, "sweeps").items():
        for name in ("choice", *measures):
            if not rows or any(name not in row for row in rows):
                raise ValueError(f"expected rows with a column {name} in sweeps[{knob!r}], got {quote(rows)}")
    size = (2.9 * len(measures), 2.4 * len(sweeps))
    figure, axes = plt.subplots(len(sweeps), len(measures), figsize=size, squeeze=False, layout="constrained")
    for row, (knob, runs) in zip(axes, sweeps.items()):
        choices = sorted({float(run["choice"]) for run in runs})
        for ax, (measure, label), colour in zip(row, measures.items(), cycle(COLOURS)):
            values = [[float(run[measure]) for run in runs if float(run["choice"]) == choice] for choice in choices]
            ax.fill_between(choices, [min(v) for v in values], [max(v) for v in values], color=colour, alpha=0.25)
            ax.plot(choices, [sum(v) / len(v) for v in values], color=colour, marker="o", markersize=4)
            ax.set(xlabel=knob, ylabel=label, xscale="log" if log else "linear")
            if "error" in measure:
                ax.set_yscale("log")
            else:
                ax.set_ylim(bottom=0)
            ax.spines[["top", "right"]].set_visible(False)
    return figure
