"""Live figures: sliders of ipywidgets whose every move computes something anew, as long as the notebook runs.

Only the controls that ipywidgets 7 and 8 have in common are used, as Colab has 7. What cannot move (a static page, a
stored notebook) shows the figure of the first state as a plain picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from microtutor.checks import check_array, check_count, check_field, check_number, describe
from microtutor.microstructures import otsu_threshold
from microtutor.models import VAE
from microtutor.models.vae import check_vae
from microtutor.plotting import COLOURS, draw_image, draw_statistics
from microtutor.statistics import autocorrelation, volume_fraction
from microtutor.widgets.sliders import (
    check_one_image,
    check_shift,
    frames,
    overlap_figure,
    overlap_label,
    picture_tag,
    still,
)

if TYPE_CHECKING:
    from ipywidgets import ValueWidget

DPI = 88
STEPS = 200  # places of a slider over numbers that are not whole


class LiveFigure:
    """Sliders and a figure that is drawn anew after each move; shown when it is the last line of a cell.

    Args:
        controls: the sliders by name, widgets with a value.
        draw: takes a value for each of them, and returns a figure and a line of text for it.

    `controls` holds the sliders: `.value` of one reads or moves it. `text` and `picture` (PNG) are what is shown now,
    `widget` is all of it as one widget.
    """

    def __init__(self, controls: dict[str, Any], draw: Callable[..., tuple[Figure, str]]):
        import ipywidgets

        self.controls = controls
        self._draw = draw
        self._shown = ipywidgets.HTML()
        self._redraw()
        for control in controls.values():
            control.observe(self._redraw, "value")
        wrap = ipywidgets.Layout(flex_flow="row wrap")
        self.widget = ipywidgets.HBox([ipywidgets.VBox([*controls.values()]), self._shown], layout=wrap)

    def _redraw(self, _: Any = None) -> None:
        figure, self.text = self._draw(*(control.value for control in self.controls.values()))
        (self.picture,) = frames([figure], dpi=DPI)
        self._shown.value = f"<div>{escape(self.text)}</div>" + picture_tag(
            self.picture, self.text, ' style="max-width: 100%; background: white"'
        )

    def __repr__(self) -> str:
        return f"<live figure at {self.text}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        return {"application/vnd.jupyter.widget-view+json": view} | still(self.picture, repr(self))


def live_threshold(image: Any, *, threshold: float | None = None, mask: Any = None) -> LiveFigure:
    """A slider that cuts a grey picture in two: the phase, its volume fraction and the histogram.

    Args:
        image: grey values (H, W), an array or tensor.
        threshold: where the slider begins; Otsu's threshold if None. Brighter pixels are the phase, drawn black.
        mask: 1 or True at the pixels that count, 0 or False elsewhere, (H, W); all of them count if None.

    Raises:
        TypeError: image or mask hold no real numbers.
        ValueError: image is not (H, W) or all of one value, mask does not fit it or leaves nothing, or the threshold
            lies outside the grey values.

    >>> live_threshold(np.array([[0, 1], [8, 9]]))
    <live figure at threshold 1: volume fraction 0.500>
    """
    grey = check_array(image, name="image")
    if grey.ndim != 2:
        raise ValueError(f"expected one grey picture, shape (height, width), got {describe(image)}")
    counts = _pixels_that_count(mask, grey.shape)
    otsu = otsu_threshold(grey[counts])  # which also looks whether these are grey values
    low, high = grey[counts].min().item(), grey[counts].max().item()
    check_number(threshold, name="threshold", minimum=low, maximum=high, optional=True)
    start = otsu if threshold is None else threshold

    def draw(level: float) -> tuple[Figure, str]:
        phase = (grey > level) & counts
        return _threshold_figure(grey, phase, counts, level), (
            f"threshold {level:.5g}: volume fraction {phase.sum() / counts.sum():.3f}"
        )

    return LiveFigure({"threshold": _slider("threshold", start, low, high, whole=grey.dtype.kind in "bui")}, draw)


def live_overlap(m: Tensor, shift: tuple[int, int] = (0, 0)) -> LiveFigure:
    """Two sliders that push a copy over an image, to any pixel: the overlap and f(r), computed anew.

    Args:
        m: phase indicator (H, W) in [0, 1]; it repeats on all sides.
        shift: where the sliders begin, pixels down and to the right; from -H//2 and -W//2 to half the image.

    Raises:
        TypeError: m is no tensor, or the shift holds no whole numbers.
        ValueError: m is not one phase image, or the shift is not two numbers of at most half of it.

    >>> live_overlap(torch.eye(4), (1, 1))
    <live figure at r = (1, 1) px: f(r) = 0.2500>
    """
    m, shift = check_one_image(m), check_shift(shift)
    height, width = (n // 2 for n in m.shape)
    if abs(shift[0]) > height or abs(shift[1]) > width:
        raise ValueError(f"expected a shift of at most ({height}, {width}), half the image, got {shift}")
    f = autocorrelation(m.detach())
    controls = {
        "down": _slider("down", shift[0], -height, height, whole=True),
        "right": _slider("right", shift[1], -width, width, whole=True),
    }
    return LiveFigure(controls, lambda *shift: (overlap_figure(m, shift), overlap_label(f, shift)))


def live_latents(vae: VAE, latents: Tensor, *, start: int = 0) -> LiveFigure:
    """One slider for each latent: the picture that the network decodes from them, and its statistics.

    Args:
        vae: a trained network.
        latents: what its encoder makes of some images, (images, latent_dim). Each slider runs over their range.
        start: the image at which the sliders begin.

    Raises:
        TypeError: vae is no VAE, latents no float tensor, or start no whole number.
        ValueError: latents do not fit the network or are too few for a range, or there is no image `start`.

    >>> live_latents(VAE(latent_dim=2, size=32), torch.tensor([[0.0, 1.0], [0.5, -1.0]])).controls["latent 1"].min
    -1.0
    """
    check_vae(vae)
    check_field(latents, name="latents")
    if latents.ndim != 2 or latents.shape[1] != vae.latent_dim or len(latents) < 2:
        raise ValueError(
            f"expected latents of two images or more, shape (images, {vae.latent_dim}), got {describe(latents)}"
        )
    check_count(start, name="start", minimum=0, below=len(latents))
    low, high = (bound.tolist() for bound in latents.detach().aminmax(dim=0))
    controls = {
        f"latent {i}": _slider(f"latent {i}", value, low[i], high[i]) for i, value in enumerate(latents[start].tolist())
    }

    def draw(*values: float) -> tuple[Figure, str]:
        with torch.no_grad():
            image = vae.decode(latents.new_tensor([values]))[0, 0]
        point = ", ".join(f"{value:+.1f}" for value in values)
        return _decoded_figure(image), f"volume fraction {volume_fraction(image).item():.3f} at z = ({point})"

    return LiveFigure(controls, draw)


def _pixels_that_count(mask: Any, shape: tuple[int, ...]) -> np.ndarray:
    if mask is None:
        return np.ones(shape, bool)
    given = check_array(mask, name="mask")
    if given.shape != shape or not given.any():
        raise ValueError(f"expected a mask of shape {shape} that keeps some pixels, got {describe(mask)}")
    if not np.isin(given, (0, 1)).all():
        raise ValueError(
            f"expected a mask of 0 and 1, got values from {given.min():g} to {given.max():g}; compare it first, for "
            "example mask > 0"
        )
    return given > 0


def _slider(name: str, value: float, low: float, high: float, *, whole: bool = False) -> ValueWidget:
    import ipywidgets

    style = {"description_width": "6em"}
    settings: dict[str, Any] = {"description": name, "continuous_update": False, "style": style}  # drawing takes time
    if whole:
        return ipywidgets.IntSlider(value=math.floor(value), min=int(low), max=int(high), **settings)
    step = (high - low) / STEPS or 1.0  # a latent that never changes still has a slider
    return ipywidgets.FloatSlider(value=value, min=low, max=high, step=step, readout_format=".2f", **settings)


def _threshold_figure(grey: np.ndarray, phase: np.ndarray, counts: np.ndarray, level: float) -> Figure:
    figure, axes = plt.subplots(1, 3, figsize=(8, 2.5), layout="constrained")
    axes[0].imshow(grey, cmap="gray", interpolation="nearest")
    axes[0].set(xticks=[], yticks=[])
    axes[0].set_title("picture", fontsize=9)
    axes[1].hist(grey[counts], bins=64, color=COLOURS[0])
    axes[1].axvline(level, color=COLOURS[1], linewidth=2)
    axes[1].set(xlabel="grey value", ylabel="pixels")
    draw_image(axes[2], torch.from_numpy(phase), "brighter than the threshold")
    return figure


def _decoded_figure(image: Tensor) -> Figure:
    figure, (left, right) = plt.subplots(1, 2, figsize=(6.2, 2.8), layout="constrained")
    draw_image(left, image, "decoded")
    draw_statistics(right, autocorrelation(image), "its statistics")
    return figure
