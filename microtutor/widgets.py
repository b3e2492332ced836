"""Interactive figures that work in a notebook and, without a kernel, in the static pages of the book."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

import ipywidgets
import matplotlib.pyplot as plt
from matplotlib.figure import Figure


def frames(figures: Iterable[Figure], *, dpi: int = 60) -> list[bytes]:
    """Draw figures as PNG pictures and close them.

    >>> frames([plt.figure(figsize=(1, 1))])[0][1:4]
    b'PNG'
    """
    pictures = []
    for figure in figures:
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=dpi, facecolor="white")
        plt.close(figure)
        pictures.append(buffer.getvalue())
    return pictures


def frame_slider(
    pictures: Sequence[bytes], labels: Sequence[str], *, description: str, start: int = 0
) -> ipywidgets.VBox:
    """A slider that shows one of some pictures drawn beforehand; the browser alone moves it.

    Args:
        pictures: PNG pictures of one size; see `frames`. Keep them few (about 30) and small.
        labels: what the slider says at each picture.
        description: what the slider changes.
        start: the picture shown first.

    >>> box = frame_slider([b"", b""], ["0 px", "1 px"], description="shift")
    >>> box.children[0].max
    1
    """
    if not pictures or len(pictures) != len(labels):
        raise ValueError(f"expected as many labels as pictures, at least one; got {len(labels)} and {len(pictures)}")
    slider = ipywidgets.IntSlider(
        start, 0, len(pictures) - 1, description=description, readout=False, style={"description_width": "initial"}
    )
    captions = ipywidgets.Stack([ipywidgets.Label(label) for label in labels], selected_index=start)
    stack = ipywidgets.Stack(
        [ipywidgets.Image(value=picture, format="png") for picture in pictures], selected_index=start
    )
    ipywidgets.jslink((slider, "value"), (stack, "selected_index"))
    ipywidgets.jslink((slider, "value"), (captions, "selected_index"))
    return ipywidgets.VBox([slider, captions, stack])


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
