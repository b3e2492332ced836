"""Sliders over pictures drawn beforehand: one piece of HTML, moved by the browser alone, without a kernel.

The same HTML works in a notebook (Colab, JupyterLab, VS Code) and in the static pages of the book. Its handlers stand
in the attributes of its own elements and look only at the box they are in. So nothing is global, the same slider can be
shown twice, and no script has to run before it. The controls are hidden until the first picture has loaded: where
scripts are off, that picture and its label stand there alone.
"""

from __future__ import annotations

import io
import math
import sys
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from torch import Tensor

from microtutor.checks import check_count, check_each, check_instance, check_phase, check_text, describe, quote
from microtutor.plotting import COLOURS, draw_statistics
from microtutor.statistics import autocorrelation

PALETTE = 128  # colours of a frame: enough for a map and its labels, and a third of the bytes of a full-colour picture

# Text takes the colour of the page, light or dark; pictures bring their own white ground. `hidden` must win over
# whatever a page says about all its images.
STYLE = """
.microtutor-slider, .microtutor-chooser { max-width: 100%; margin: 0; color: inherit; }
.microtutor-slider [hidden], .microtutor-chooser [hidden] { display: none !important; }
.microtutor-slider img { display: block; max-width: 100%; height: auto; background: white; }
.microtutor-slider .microtutor-controls label { display: flex; gap: 0.7em; align-items: center; max-width: 30em; }
.microtutor-slider input { flex: 1; min-width: 0; margin: 0.4em 5px; color: inherit; }
.microtutor-slider .microtutor-label { margin: 0.2em 0; }
.microtutor-chooser fieldset { display: flex; flex-wrap: wrap; gap: 0.2em 1em; border: 0; margin: 0; padding: 0; }
.microtutor-chooser input { color: inherit; }
.microtutor-chooser legend { float: left; padding: 0; margin: 0; font: inherit; }
.microtutor-slider input:focus-visible, .microtutor-chooser input:focus-visible {
  outline: 2px solid currentColor !important; outline-offset: 2px; }
"""

MOVE = """
const box = this.closest('.microtutor-slider');
const ranges = box.querySelectorAll('input'), pictures = box.querySelectorAll('img');
let place = 0;
for (const range of ranges) place += range.value * range.dataset.stride;
pictures.forEach((picture, i) => { picture.hidden = i !== place; });
const label = pictures[place].dataset.label;
box.querySelector('.microtutor-label').textContent = label;
for (const range of ranges) range.setAttribute('aria-valuetext', label);
"""

CHOOSE = """
this.form.querySelectorAll('.microtutor-panel').forEach((panel, i) => { panel.hidden = i !== Number(this.value); });
"""

SHOW_CONTROLS = """
const box = this.closest('.microtutor-chooser') || this.closest('.microtutor-slider');
for (const controls of box.querySelectorAll('.microtutor-controls')) controls.hidden = false;
"""

HIDDEN = 'hidden="hidden"'  # JupyterLab strips attributes without a value from outputs that it does not trust
OWN_KEYS = "data-lm-suppress-shortcuts"  # JupyterLab would take the arrow keys for itself


@dataclass(frozen=True)
class PictureFigure:
    """Pictures with sliders or buttons that choose one of them; shown when it is the last line of a cell.

    Args:
        html: all of it, with its pictures; needs no other file and no kernel.
        picture: the picture shown first, as PNG.
        text: what a terminal shows.
    """

    html: str = field(repr=False)
    picture: bytes = field(repr=False)
    text: str

    def __repr__(self) -> str:
        return f"<{self.text}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/html": self.html} | still(self.picture, repr(self))


def still(picture: bytes, text: str) -> dict[str, str]:
    """What is shown of an interactive figure where it cannot move; in Colab, which could prefer it, the text alone."""
    picture_data = {} if "google.colab" in sys.modules else {"image/png": b64encode(picture).decode()}
    return picture_data | {"text/plain": text}


def frames(figures: Iterable[Figure], *, dpi: int = 60) -> list[bytes]:
    """Draw figures as PNG pictures of few colours, and close them.

    Figures that a generator makes are drawn one after the other, so that never more than one is open.

    >>> frames([plt.figure(figsize=(1, 1))])[0][1:4]
    b'PNG'
    """
    from PIL import Image

    check_count(dpi, name="dpi")
    pictures = []
    for figure in check_instance(figures, Iterable, name="figures"):
        check_instance(figure, Figure, name="each of the figures")
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
) -> PictureFigure:
    """A slider that shows one of some pictures drawn beforehand; the browser alone moves it.

    Args:
        pictures: PNG pictures of one size; see `frames`. Keep them few (about 30) and small.
        labels: what stands above each picture, and is read out for it.
        description: what the slider changes.
        start: the picture shown first.

    Raises:
        TypeError: pictures are no bytes, or labels no texts.
        ValueError: there is not one label for each picture, or no picture at the start.

    >>> frame_slider([b"", b""], ["0 px", "1 px"], description="shift")
    <slider over 2 pictures, first shift: 0 px>
    """
    check_text(description, name="description")
    pictures = check_each(pictures, check_instance, kind=bytes, name="pictures")
    labels = check_each(labels, check_text, name="labels")
    if not pictures or len(pictures) != len(labels):
        raise ValueError(f"expected as many labels as pictures, at least one; got {len(labels)} and {len(pictures)}")
    start = check_count(start, name="start", minimum=0, below=len(pictures))
    return _sliders(pictures, labels, description, {description: (len(pictures), start)})


def overlap_figure(m: Tensor, shift: tuple[int, int]) -> Figure:
    """An image under its copy moved by a shift, and beside it the map of its statistics with that shift marked.

    Args:
        m: phase indicator (H, W) in [0, 1]; it repeats on all sides.
        shift: pixels down and to the right.

    >>> len(overlap_figure(torch.eye(4), (1, 1)).axes)
    2
    """
    m, shift = check_one_image(m).detach().cpu(), check_shift(shift)
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


def check_one_image(m: Tensor) -> Tensor:
    """Return m if it is one phase image, shape (height, width)."""
    m = check_phase(m)
    if m.ndim != 2:
        raise ValueError(f"expected one image, shape (height, width), got {describe(m)}")
    return m


def check_shift(shift: tuple[int, int]) -> tuple[int, int]:
    """Return shift if it is whole numbers, how far down and how far to the right."""
    each = check_each(shift, check_count, minimum=None, name="shift")
    if len(each) != 2:
        raise ValueError(f"expected shift as two whole numbers, down and to the right, got {quote(shift)}")
    down, right = each
    return down, right


def overlap_label(f: Tensor, shift: tuple[int, int]) -> str:
    """A shift and the statistics there, in words.

    >>> overlap_label(torch.tensor([[0.25, 0.0], [0.0, 0.125]]), (1, -1))
    'r = (1, -1) px: f(r) = 0.1250'
    """
    down, right = shift
    return f"r = ({down}, {right}) px: f(r) = {f[down % f.shape[0], right % f.shape[1]].abs():.4f}"


def shift_sliders(m: Tensor, down: Sequence[int], right: Sequence[int], *, dpi: int = 60) -> PictureFigure:
    """Two sliders that push a copy over an image, beside its map of statistics; the browser alone moves them.

    Args:
        m: phase indicator (H, W) in [0, 1].
        down, right: the shifts to choose from, in pixels. Each pair of them is a picture of about 5 kB.
        dpi: dots per inch of the pictures.

    >>> shift_sliders(torch.eye(4), (0, 1), (-1, 0, 1))
    <slider over 6 pictures, first overlap: r = (0, 0) px: f(r) = 0.2500>
    """
    check_one_image(m)
    check_count(dpi, name="dpi")
    down, right = (
        check_each(some, check_count, minimum=None, name=name) for some, name in ((down, "down"), (right, "right"))
    )
    if not down or not right:
        raise ValueError(f"expected at least one shift down and one to the right, got {len(down)} and {len(right)}")
    f = autocorrelation(m)
    shifts = [(y, x) for y in down for x in right]
    pictures = frames((overlap_figure(m, shift) for shift in shifts), dpi=dpi)
    labels = [overlap_label(f, shift) for shift in shifts]
    starts = [some.index(0) if 0 in some else 0 for some in (down, right)]
    ranges = {"down": (len(down), starts[0]), "right": (len(right), starts[1])}
    return _sliders(pictures, labels, "overlap", ranges)


def chooser(boxes: Sequence[PictureFigure], names: Sequence[str], *, description: str) -> PictureFigure:
    """Buttons that show one of some figures; the browser alone switches. Sliders inside keep working.

    Args:
        boxes: what `frame_slider` or `shift_sliders` return.
        names: what the buttons say.
        description: what is chosen.

    Raises:
        TypeError: boxes hold something else, or names are no texts.
        ValueError: there is not one name for each box, or a box holds buttons itself.

    >>> chooser([frame_slider([b""], [name], description="value") for name in "ab"], ["0", "1"], description="latent")
    <choice of 2, first latent 0: slider over 1 pictures, first value: a>
    """
    check_text(description, name="description")
    boxes = check_each(boxes, check_instance, kind=PictureFigure, name="boxes")
    names = check_each(names, check_text, name="names")
    if not boxes or len(boxes) != len(names):
        raise ValueError(f"expected as many names as boxes, at least one; got {len(names)} and {len(boxes)}")
    if any("<form" in box.html for box in boxes):
        raise ValueError("expected boxes with sliders, got one with buttons; put all of its boxes into this one")
    radios = "".join(
        f'<label><input type="radio" {OWN_KEYS} name="choice" value="{i}" autocomplete="off" '
        f'{"checked " if i == 0 else ""}onchange="{_attribute(CHOOSE)}"> {escape(name)}</label> '
        for i, name in enumerate(names)
    )
    panels = "".join(
        f'<div class="microtutor-panel"{"" if i == 0 else f" {HIDDEN}"}>{box.html}</div>' for i, box in enumerate(boxes)
    )
    # A form of its own keeps its buttons apart from those of a second copy on the same page.
    controls = f'<fieldset class="microtutor-controls" {HIDDEN}><legend>{escape(description)}&ensp;</legend>{radios}'
    html = f'<form class="microtutor-chooser" onsubmit="return false">{_style()}{controls}</fieldset>{panels}</form>'
    return PictureFigure(
        html, boxes[0].picture, f"choice of {len(boxes)}, first {description} {names[0]}: {boxes[0].text}"
    )


def picture_tag(picture: bytes, alt: str, more: str = "") -> str:
    """A picture as part of the HTML, with a text for those who cannot see it."""
    return f'<img alt="{escape(alt)}" src="data:image/png;base64,{b64encode(picture).decode()}"{more}>'


def _sliders(
    pictures: Sequence[bytes], labels: Sequence[str], subject: str, ranges: dict[str, tuple[int, int]]
) -> PictureFigure:
    """Sliders over pictures; ranges gives each slider's name, number of places and start. The last runs fastest."""
    strides = [math.prod(places for places, _ in [*ranges.values()][i + 1 :]) for i in range(len(ranges))]
    first = sum(stride * start for stride, (_, start) in zip(strides, ranges.values(), strict=True))
    controls = "".join(
        f'<label>{escape(name)} <input type="range" {OWN_KEYS} min="0" max="{places - 1}" step="1" value="{start}" '
        f'data-stride="{stride}" autocomplete="off" aria-label="{escape(name)}" '
        f'aria-valuetext="{escape(labels[first])}" oninput="{_attribute(MOVE)}"></label>'
        for stride, (name, (places, start)) in zip(strides, ranges.items(), strict=True)
    )
    shown = "".join(
        picture_tag(
            picture,
            f"{subject}: {label}",
            f' data-label="{escape(label)}"'
            + (f' onload="{_attribute(SHOW_CONTROLS)}"' if i == first else f" {HIDDEN}"),
        )
        for i, (picture, label) in enumerate(zip(pictures, labels, strict=True))
    )
    label = f'<div class="microtutor-label">{escape(labels[first])}</div>'
    controls = f'<div class="microtutor-controls" {HIDDEN}>{controls}</div>'
    html = f'<div class="microtutor-slider">{_style()}{controls}{label}{shown}</div>'
    return PictureFigure(
        html, pictures[first], f"slider over {len(pictures)} pictures, first {subject}: {labels[first]}"
    )


def _style() -> str:
    return f"<style>{' '.join(STYLE.split())}</style>"


def _attribute(script: str) -> str:
    """A script as the value of an attribute, on one line."""
    return escape(" ".join(script.split()))
