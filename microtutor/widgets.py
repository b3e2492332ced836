"""Interactive figures that work in a notebook and, without a kernel, in the static pages of the book."""

from __future__ import annotations

import html
import io
from base64 import b64encode
from collections.abc import Iterable, Sequence

import ipywidgets
import matplotlib.pyplot as plt
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from torch import Tensor

from microtutor.checks import check_phase, describe
from microtutor.plotting import COLOURS, draw_statistics
from microtutor.statistics import autocorrelation

PALETTE = 128  # colours of a frame: enough for a map and its labels, and a third of the bytes of a full-colour picture
STYLE = {"description_width": "initial"}


def frames(figures: Iterable[Figure], *, dpi: int = 60) -> list[bytes]:
    """Draw figures as PNG pictures of few colours, and close them.

    >>> frames([plt.figure(figsize=(1, 1))])[0][1:4]
    b'PNG'
    """
    from PIL import Image

    pictures = []
    for figure in figures:
        drawn, small = io.BytesIO(), io.BytesIO()
        figure.savefig(drawn, format="png", dpi=dpi, facecolor="white")
        plt.close(figure)
        with Image.open(drawn) as image:
            few = image.convert("RGB").quantize(PALETTE, dither=Image.Dither.NONE)
            few.save(small, format="png", optimize=True)
        pictures.append(small.getvalue())
    return pictures


def frame_slider(
    pictures: Sequence[bytes], labels: Sequence[str], *, description: str, start: int = 0
) -> ipywidgets.VBox:
    """A slider that shows one of some pictures drawn beforehand; the browser alone moves it.

    Args:
        pictures: PNG pictures of one size; see `frames`. Keep them few (about 30) and small.
        labels: what stands above each picture, and is read out for it.
        description: what the slider changes.
        start: the picture shown first.

    >>> box = frame_slider([b"", b""], ["0 px", "1 px"], description="shift")
    >>> box.children[0].max
    1
    """
    if not pictures or len(pictures) != len(labels):
        raise ValueError(f"expected as many labels as pictures, at least one; got {len(labels)} and {len(pictures)}")
    slider = _slider(len(pictures), description, start)
    shown = [_picture(picture, label, description) for picture, label in zip(pictures, labels, strict=True)]
    stack = ipywidgets.Stack(shown, selected_index=start)
    ipywidgets.jslink((slider, "value"), (stack, "selected_index"))
    return ipywidgets.VBox([slider, stack])


def overlap_figure(m: Tensor, shift: tuple[int, int]) -> Figure:
    """An image under its copy moved by a shift, and beside it the map of its statistics with that shift marked.

    Args:
        m: phase indicator (H, W) in [0, 1]; it repeats on all sides.
        shift: pixels down and to the right.

    >>> len(overlap_figure(torch.eye(4), (1, 1)).axes)
    2
    """
    m = check_phase(m).detach().cpu()
    if m.ndim != 2:
        raise ValueError(f"expected one image, shape (height, width), got {describe(m)}")
    copy = m.roll(shift, (0, 1))
    colours = torch.tensor([[to_rgb(c) for c in ("white", COLOURS[1])], [to_rgb(c) for c in (COLOURS[0], "black")]])
    figure, (left, right) = plt.subplots(1, 2, figsize=(6.2, 3), layout="constrained")
    left.imshow(colours[(m > 0.5).long(), (copy > 0.5).long()].numpy(), interpolation="nearest")
    left.set(xticks=[], yticks=[])
    for place, colour, name in ((0, COLOURS[0], "image"), (0.36, COLOURS[1], "copy"), (0.66, "black", "both")):
        left.text(place, 1.04, f"\u25a0 {name}", color=colour, transform=left.transAxes, fontsize=10)
    draw_statistics(right, autocorrelation(m), "its statistics", colorbar=False)
    down, across = ((d + n // 2) % n - n // 2 for d, n in zip(shift, m.shape, strict=True))
    for size, colour, width in ((13, "white", 4), (13, COLOURS[1], 2)):  # a rim, to be seen on any colour
        right.plot(across, down, "o", markersize=size, color=colour, markerfacecolor="none", markeredgewidth=width)
    return figure


def shift_sliders(m: Tensor, down: Sequence[int], right: Sequence[int], *, dpi: int = 60) -> ipywidgets.VBox:
    """Two sliders that push a copy over an image, beside its map of statistics; the browser alone moves them.

    Args:
        m: phase indicator (H, W) in [0, 1].
        down, right: the shifts to choose from, in pixels. Each pair of them is a picture of about 5 kB.
        dpi: dots per inch of the pictures.

    >>> [slider.max for slider in shift_sliders(torch.eye(4), (0, 1), (-1, 0, 1)).children[:2]]
    [1, 2]
    """
    if not len(down) or not len(right):
        raise ValueError(f"expected at least one shift down and one to the right, got {len(down)} and {len(right)}")
    f = autocorrelation(m)
    starts = [list(shifts).index(0) if 0 in shifts else 0 for shifts in (down, right)]
    sliders = [_slider(len(s), name, i) for s, name, i in zip((down, right), ("down", "right"), starts, strict=True)]
    rows = []
    for y in down:
        pictures = frames((overlap_figure(m, (y, x)) for x in right), dpi=dpi)
        labels = [f"r = ({y}, {x}) px: f(r) = {f[y % m.shape[0], x % m.shape[1]].abs():.4f}" for x in right]
        shown = [_picture(picture, label, "overlap") for picture, label in zip(pictures, labels, strict=True)]
        rows.append(ipywidgets.Stack(shown, selected_index=starts[1]))
        ipywidgets.jslink((sliders[1], "value"), (rows[-1], "selected_index"))
    stack = ipywidgets.Stack(rows, selected_index=starts[0])
    ipywidgets.jslink((sliders[0], "value"), (stack, "selected_index"))
    return ipywidgets.VBox([*sliders, stack])


def chooser(boxes: Sequence[ipywidgets.Widget], names: Sequence[str], *, description: str) -> ipywidgets.VBox:
    """Buttons that show one of some widgets; the browser alone switches. Sliders inside keep working.

    Args:
        boxes: for example what `frame_slider` returns.
        names: what the buttons say.
        description: what is chosen.

    >>> chooser([ipywidgets.Label("a"), ipywidgets.Label("b")], ["0", "1"], description="latent").children[0].index
    0
    """
    if not boxes or len(boxes) != len(names):
        raise ValueError(f"expected as many names as boxes, at least one; got {len(names)} and {len(boxes)}")
    style = {"description_width": "initial", "button_width": "2.5em"}
    buttons = ipywidgets.ToggleButtons(options=list(names), index=0, description=description, style=style)
    stack = ipywidgets.Stack(list(boxes), selected_index=0)
    ipywidgets.jslink((buttons, "index"), (stack, "selected_index"))
    return ipywidgets.VBox([buttons, stack])


def _slider(count: int, description: str, start: int) -> ipywidgets.IntSlider:
    return ipywidgets.IntSlider(start, 0, count - 1, description=description, readout=False, style=STYLE)


def _picture(picture: bytes, label: str, description: str) -> ipywidgets.HTML:
    """A picture below its label. Other than `ipywidgets.Image`, it has a text for those who cannot see it."""
    label, alt = html.escape(label), html.escape(f"{description}: {label}")
    source = f"data:image/png;base64,{b64encode(picture).decode()}"
    return ipywidgets.HTML(f'<div>{label}</div><img alt="{alt}" src="{source}">')
