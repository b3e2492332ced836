import io
import re
from base64 import b64decode
from html import unescape

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from PIL import Image

from microtutor.plotting import COLOURS
from microtutor.statistics import autocorrelation
from microtutor.widgets import chooser, frame_slider, frames, overlap_figure, shift_sliders


@pytest.fixture
def links(monkeypatch):
    """What is linked in the browser, without a kernel."""
    found = []
    monkeypatch.setattr(ipywidgets, "jslink", lambda source, target: found.append((source, target)))
    return found


def shown(html):
    """Label, alternative text and picture of a frame."""
    label, alt, picture = re.fullmatch(
        '<div>(.*)</div><img alt="(.*)" src="data:image/png;base64,(.*)">', html.value
    ).groups()
    return unescape(label), unescape(alt), b64decode(picture)


def test_frames_are_pictures_and_close_their_figures():
    open_before = plt.get_fignums()
    figures = [plt.figure(figsize=(2, 1)), plt.figure(figsize=(2, 1), facecolor="red")]
    pictures = frames(figures, dpi=50)
    assert plt.get_fignums() == open_before
    assert len(pictures) == 2
    for picture in pictures:
        with Image.open(io.BytesIO(picture)) as image:
            assert (image.format, image.size) == ("PNG", (100, 50))
            assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_frames_takes_a_generator():
    assert len(frames(plt.figure(figsize=(1, 1)) for _ in range(25))) == 25  # never more than one open


def test_frames_keep_what_can_be_seen():
    figure = plt.figure(figsize=(2, 2))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.imshow(np.linspace(0, 1, 64).reshape(8, 8), cmap="cividis", interpolation="nearest")
    full = io.BytesIO()
    figure.savefig(full, dpi=100)
    (small,) = frames([figure], dpi=100)
    assert len(small) < len(full.getvalue())
    before, after = (np.asarray(Image.open(io.BytesIO(x)).convert("RGB")).astype(int) for x in (full.getvalue(), small))
    assert np.abs(before - after).mean() < 2  # of 255


def test_frame_slider_shows_the_chosen_picture(links):
    box = frame_slider([b"a", b"b", b"c"], ["0 px", "1 px", "2 < 3 px"], description="shift", start=2)
    slider, stack = box.children
    assert (slider.min, slider.max, slider.value, slider.description) == (0, 2, 2, "shift")
    assert stack.selected_index == 2
    assert [shown(frame) for frame in stack.children] == [
        ("0 px", "shift: 0 px", b"a"),
        ("1 px", "shift: 1 px", b"b"),
        ("2 < 3 px", "shift: 2 < 3 px", b"c"),
    ]
    assert links == [((slider, "value"), (stack, "selected_index"))]


@pytest.mark.parametrize(("pictures", "labels"), [([], []), ([b"a"], []), ([b"a"], ["x", "y"])])
def test_bad_input(pictures, labels):
    message = f"expected as many labels as pictures, at least one; got {len(labels)} and {len(pictures)}"
    with pytest.raises(ValueError, match=message):
        frame_slider(pictures, labels, description="shift")


def test_chooser_shows_the_chosen_box(links):
    inside = [frame_slider([b"a"], ["x"], description="s") for _ in range(3)]
    links.clear()
    buttons, stack = chooser(inside, ["0", "1", "2"], description="latent").children
    assert (buttons.options, stack.selected_index) == (("0", "1", "2"), 0)
    assert list(stack.children) == inside
    assert links == [((buttons, "index"), (stack, "selected_index"))]


def test_chooser_needs_as_many_names_as_boxes():
    with pytest.raises(ValueError, match="expected as many names as boxes, at least one; got 1 and 0"):
        chooser([], ["a"], description="latent")


M = torch.zeros(8, 10)
M[1:4, 2] = M[3:6, 5] = 1  # two lines: the second lies two down and three to the right


@pytest.mark.parametrize("shift", [(0, 0), (2, 3), (-2, -3), (7, 9), (0, 1)])
def test_overlap_figure_is_black_where_image_and_copy_meet(shift):
    figure = overlap_figure(M, shift)
    left, right = figure.axes
    seen = np.asarray(left.images[0].get_array())
    black, blue, orange, white = (
        np.isclose(seen, to_rgb(colour)).all(-1).sum() for colour in ("black", COLOURS[0], COLOURS[1], "white")
    )
    pairs = round(float(autocorrelation(M)[shift] * M.numel()))
    assert (black, blue, orange) == (pairs, 6 - pairs, 6 - pairs)
    assert black + blue + orange + white == M.numel()
    across, down = (float(x[0]) for x in right.lines[-1].get_data())
    assert ((down - shift[0]) % 8, (across - shift[1]) % 10) == (0, 0)
    assert (-4 <= down < 4, -5 <= across < 5) == (True, True)  # on the map
    plt.close(figure)


def test_overlap_figure_takes_one_image():
    with pytest.raises(ValueError, match=r"expected one image, shape \(height, width\), got .*\(1, 8, 10\)"):
        overlap_figure(M[None], (0, 0))


def test_shift_sliders_show_the_chosen_shift(links):
    box = shift_sliders(M, down=(0, 2), right=(-1, 0, 3), dpi=30)
    down, right, stack = box.children
    assert [(s.description, s.max, s.value) for s in (down, right)] == [("down", 1, 0), ("right", 2, 1)]
    assert (stack.selected_index, [row.selected_index for row in stack.children]) == (0, [1, 1])
    assert links[:-1] == [((right, "value"), (row, "selected_index")) for row in stack.children]
    assert links[-1] == ((down, "value"), (stack, "selected_index"))
    labels = [[shown(frame)[0] for frame in row.children] for row in stack.children]
    assert labels[0][0] == "r = (0, -1) px: f(r) = 0.0000"
    assert labels[0][1] == "r = (0, 0) px: f(r) = 0.0750"
    assert labels[1][2] == "r = (2, 3) px: f(r) = 0.0375"
    pictures = {shown(frame)[2] for row in stack.children for frame in row.children}
    assert len(pictures) == 6
    assert not plt.get_fignums()


def test_shift_sliders_need_shifts():
    with pytest.raises(ValueError, match="expected at least one shift down and one to the right, got 0 and 1"):
        shift_sliders(M, (), (0,))
