"""Pictures of images and of their statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import NullLocator
from torch import Tensor

from microtutor.checks import (
    check_bool,
    check_count,
    check_each,
    check_field,
    check_instance,
    check_number,
    check_phase,
    check_same_shape,
    check_text,
    describe,
)
from microtutor.microstructures import Micrograph
from microtutor.statistics import autocorrelation, radial_average

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe & Ito: safe for the colour-blind
MAP = "cividis"  # perceived alike with and without colour vision

MOST_DRAWN = 1000  # pixels along a side of a picture of what was read


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
    if titles is not None and len(check_each(titles, check_text, name="titles")) != len(flat):
        raise ValueError(f"expected one title for each of {len(flat)} images, got {len(titles)}")
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
    """Draw one phase image (H, W) in [0, 1] into axes; of a large one every second pixel, or every third and so on."""
    check_instance(ax, Axes, name="ax")
    if (image := check_phase(image)).ndim != 2:
        raise ValueError(f"expected one image, shape (height, width), got {describe(image)}")
    height, width = image.shape
    step = -(-max(height, width, 1) // MOST_DRAWN)
    style = {"cmap": "gray_r", "vmin": 0, "vmax": 1, "interpolation": "nearest"}
    ax.imshow(image[::step, ::step].detach().cpu().numpy(), extent=(-0.5, width - 0.5, height - 0.5, -0.5), **style)
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
    check_instance(ax, Axes, name="ax")
    check_bool(colorbar, name="colorbar")
    check_number(vmax, name="vmax", above=0, optional=True)
    f, scale = _check_map(f, pixel_size, unit, centred=centred)
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
    check_instance(ax, Axes, name="ax")
    f, scale = _check_map(f, pixel_size, unit, centred=centred)
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


def show_summary(
    m: Tensor,
    f: Tensor,
    title: str | None = None,
    *,
    pixel_size: float = 1.0,
    unit: str = "px",
    centred: bool = False,
    max_shift: int | None = None,
) -> Figure:
    """One phase image, its autocorrelation, and the same averaged over directions, side by side.

    Args:
        m: phase indicator (H, W) in [0, 1].
        f: what `autocorrelation(m)` returns, shape (H, W), or a window of it.
        title: stands above the image.
        pixel_size, unit: side of a pixel, and its unit, for the axes.
        centred: zero shift of f is in the middle, as in windows.
        max_shift: greatest shift to draw, in pixels; by default all that f holds. In the map of a large picture nothing
            could be seen otherwise.

    >>> len(show_summary(torch.eye(4), autocorrelation(torch.eye(4))).axes)  # with the colour bar of the map
    4
    """
    if not check_bool(centred, name="centred"):
        check_same_shape(m, f, ("the image", "its statistics"))
    check_phase(m)
    f, _ = _check_map(f, pixel_size, unit)
    if max_shift is not None:
        reach = check_count(max_shift, name="max_shift")
        middle = [n // 2 for n in f.shape]
        f = f if centred else torch.fft.fftshift(f)
        f = f[tuple(slice(max(0, n - reach), n + reach + 1) for n in middle)]
    centred = centred or max_shift is not None
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(10.5, 3), layout="constrained")
    draw_image(left, m, title)
    draw_statistics(middle, f, pixel_size=pixel_size, unit=unit, centred=centred)
    draw_radial(right, f, pixel_size=pixel_size, unit=unit, centred=centred)
    return figure


def _check_map(f: Tensor, pixel_size: float, unit: str, *, centred: bool = False) -> tuple[Tensor, float]:
    """What is said of a map to be drawn, checked: the statistics of one image, and the side of a pixel.

    Shifts without pairs are NaN, and stay blank.
    """
    check_bool(centred, name="centred")
    check_text(unit, name="unit")
    check_field(torch.where(f.isnan(), 0, f) if isinstance(f, Tensor) else f, name="statistics")
    if f.ndim != 2:
        raise ValueError(f"expected the statistics of one image, shape (height, width), got {describe(f)}")
    return f.detach().cpu(), check_number(pixel_size, name="pixel_size", above=0)


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


def show_difference(made: Tensor, expected: Tensor) -> Figure:
    """Two maps and their difference side by side, such as a learner's and the right one.

    Args:
        made, expected: (H, W) each.

    >>> len(show_difference(torch.eye(3), torch.ones(3, 3)).axes)  # each with a colour bar
    6
    """
    check_same_shape(made, expected, ("the first map", "the second"))
    answer, wanted = (check_field(m, name="map").detach().cpu().double().numpy() for m in (made, expected))
    if answer.ndim != 2:
        raise ValueError(f"expected two maps of shape (height, width), got {describe(made)}")
    largest = float(np.abs(wanted).max()) or 1.0
    figure = Figure(figsize=(6.4, 2.1), layout="constrained")
    panels = {"yours": answer, "expected": wanted, "yours − expected": answer - wanted}
    for ax, (title, values) in zip(figure.subplots(1, 3), panels.items()):
        signed = ax.get_subplotspec().colspan.start == 2
        style = {"cmap": "PuOr_r", "vmin": -largest} if signed else {"cmap": MAP, "vmin": 0.0}
        shown = ax.imshow(values, vmax=largest, **style)
        ax.set_title(title, fontsize=9)
        ax.set(xticks=[], yticks=[])
        figure.colorbar(shown, ax=ax, shrink=0.7).ax.tick_params(labelsize=7)
    return figure


def show_micrograph(micrograph: Micrograph, *, side: float = 3.0) -> Figure:
    """What was read of a micrograph: its grey values, their histogram with the thresholds, and its phases.

    What is left out is striped. A bar tells the scale. Of a volume the three slices through its middle are shown.

    Args:
        micrograph: what `read_micrograph` returns.
        side: width of a picture in inches.

    Raises:
        TypeError, ValueError: it is no micrograph, or side is no length.

    >>> from microtutor.microstructures import read_micrograph
    >>> len(show_micrograph(read_micrograph(np.array([[10, 12, 10], [200, 11, 210]]))).axes)
    3
    """
    check_instance(micrograph, Micrograph, name="micrograph")
    check_number(side, name="side", above=0)
    middles = [None] if micrograph.ndim == 2 else [0, 1, 2]  # axes that the slices are normal to
    rows, columns = (1, 3) if micrograph.ndim == 2 else (2, 4)
    figure, axes = plt.subplots(
        rows, columns, figsize=(side * columns, side * rows + 0.5), squeeze=False, layout="constrained"
    )
    below = axes[-1, -len(middles) :] if rows == 1 else axes[1, :3]
    colours = np.array([to_rgb(colour) for colour in _phase_colours(len(micrograph.phases))])
    inside = micrograph.grey if micrograph.mask is None else micrograph.grey[micrograph.mask.numpy() > 0]
    low, high = float(inside.min()), float(inside.max())
    for axis, upper, lower in zip(middles, axes[0], below):
        grey, number, known, sides = _slice_to_draw(micrograph, axis)
        shade = np.where(known, (grey - low) / max(high - low, 1e-300), 0).clip(0, 1)
        _draw_slice(upper, np.repeat(shade[..., None], 3, axis=-1), known, sides, micrograph.unit)
        _draw_slice(lower, colours[number], known, sides, micrograph.unit)
        if axis is not None:
            upper.set_title(f"across axis {axis}", fontsize=8)
    _draw_histogram(axes[0, len(middles)], micrograph, inside)
    last = axes[-1, -1]
    if rows == 2:
        last.set_axis_off()
    _draw_key(last, micrograph, colours, below=rows == 1)
    figure.suptitle(f"{micrograph.name}: {' × '.join(map(str, micrograph.grey.shape))}, known {micrograph.known:.1%}")
    return figure


def _phase_colours(number: int) -> list:
    """A colour for each phase; of more than there are colours, steps of the map."""
    return (
        list(COLOURS[:number]) if number <= len(COLOURS) else list(plt.get_cmap(MAP)(np.linspace(0, 1, number))[:, :3])
    )


def _slice_to_draw(
    micrograph: Micrograph, axis: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[float, float]]:
    """Grey values, number of the phase and whether it is known, of a picture or the middle slice of a volume.

    Of large ones every second pixel is taken, or every third and so on. The sides are those of the whole.
    """
    place: list[Any] = [slice(None)] * micrograph.ndim
    spacing, shape = list(micrograph.spacing), list(micrograph.grey.shape)
    if axis is not None:
        place[axis] = shape[axis] // 2
        spacing.pop(axis)
        shape.pop(axis)
    step = -(-max(shape) // MOST_DRAWN)
    place = [slice(None, None, step) if part == slice(None) else part for part in place]
    phases, mask = micrograph.phases[(slice(None), *place)], micrograph.mask
    grey = micrograph.grey[tuple(place)].astype(np.float64)
    known = np.ones(grey.shape, bool) if mask is None else mask[tuple(place)].numpy() > 0
    return grey, phases.argmax(0).numpy(), known, (shape[0] * spacing[0], shape[1] * spacing[1])


def _draw_slice(ax: Axes, rgb: np.ndarray, known: np.ndarray, sides: tuple[float, float], unit: str) -> None:
    """Draw colours, with stripes where nothing is known, and a scale bar."""
    height, width = sides
    row, column = np.indices(known.shape)
    stripe = (row + column) // (max(known.shape) // 60 + 1) % 2 == 0
    rgb = np.where(known[..., None], rgb, np.where(stripe[..., None], 1.0, 0.6))
    ax.imshow(rgb, extent=(0, width, height, 0), interpolation="nearest")
    ax.xaxis.set_major_locator(NullLocator())
    ax.yaxis.set_major_locator(NullLocator())
    length = _round_length(width / 3)
    bar = Rectangle((0, -0.08), length / width, 0.025, color="black", clip_on=False, transform=ax.transAxes)
    ax.add_patch(bar)
    ax.set_xlabel(f"{length:g} {unit}", fontsize=8, loc="left", labelpad=16)


def _round_length(most: float) -> float:
    """The greatest of 1, 2, 5, 10, 20, ... that is not above a length."""
    power = 10.0 ** np.floor(np.log10(most))
    return float(max(step * power for step in (1, 2, 5) if step * power <= most * (1 + 1e-9)))


def _draw_histogram(ax: Axes, micrograph: Micrograph, grey: np.ndarray) -> None:
    if micrograph.labels:
        shares = [(grey == value).mean() for value in micrograph.labels]
        ax.bar([f"{value:g}" for value in micrograph.labels], shares, color=COLOURS[0])
        ax.set_xlabel("label", fontsize=8)
        ax.set_ylabel("share of the known pixels", fontsize=8)
    else:
        whole = grey.dtype.kind in "bui"
        grey = grey.ravel().astype(np.uint8) if grey.dtype == bool else grey.ravel()
        ax.hist(grey, bins=min(256, int(np.ptp(grey.astype(np.float64))) + 1) if whole else 256, color="0.6")
        for k, level in enumerate(micrograph.thresholds):
            ax.axvline(level, color=COLOURS[1], linestyle="--", label=None if k else "threshold")
        ax.locator_params(axis="x", nbins=4)  # large grey values would run into each other
        ax.set_xlabel("grey value", fontsize=8)
        ax.set_ylabel("number of known pixels", fontsize=8)
        ax.legend(fontsize=8)
    ax.tick_params(labelsize=7)
    ax.spines[["top", "right"]].set_visible(False)


def _draw_key(ax: Axes, micrograph: Micrograph, colours: np.ndarray, *, below: bool) -> None:
    """The names of the phases and their shares of the known pixels."""
    if len(colours) > len(COLOURS):
        return
    known = len(micrograph.phases[0].reshape(-1)) * micrograph.known
    names = micrograph.phase_names or tuple(f"phase {k}" for k in range(len(colours)))
    keys = [
        Patch(color=colour, label=f"{name}: {float(phase.double().sum()) / known:.3f}")
        for colour, name, phase in zip(colours, names, micrograph.phases)
    ]
    place: dict[str, Any] = {"loc": "upper right", "bbox_to_anchor": (1, -0.02)} if below else {"loc": "center"}
    ax.legend(handles=keys, fontsize=8, frameon=False, **place)
