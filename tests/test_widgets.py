import io

import ipywidgets
import matplotlib.pyplot as plt
import pytest
from PIL import Image

from microtutor.widgets import chooser, frame_slider, frames


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


def test_frame_slider_shows_the_chosen_picture(monkeypatch):
    links = []
    monkeypatch.setattr(ipywidgets, "jslink", lambda source, target: links.append((source, target)))
    box = frame_slider([b"a", b"b", b"c"], ["0 px", "1 px", "2 px"], description="shift", start=2)
    slider, captions, stack = box.children
    assert (slider.min, slider.max, slider.value, slider.description) == (0, 2, 2, "shift")
    assert stack.selected_index == captions.selected_index == 2
    assert [image.value for image in stack.children] == [b"a", b"b", b"c"]
    assert [label.value for label in captions.children] == ["0 px", "1 px", "2 px"]
    moved = [((slider, "value"), (widget, "selected_index")) for widget in (stack, captions)]
    assert links == moved  # by the browser, without a kernel


@pytest.mark.parametrize(("pictures", "labels"), [([], []), ([b"a"], []), ([b"a"], ["x", "y"])])
def test_bad_input(pictures, labels):
    message = f"expected as many labels as pictures, at least one; got {len(labels)} and {len(pictures)}"
    with pytest.raises(ValueError, match=message):
        frame_slider(pictures, labels, description="shift")


def test_chooser_shows_the_chosen_box(monkeypatch):
    links = []
    monkeypatch.setattr(ipywidgets, "jslink", lambda source, target: links.append((source, target)))
    inside = [frame_slider([b"a"], ["x"], description="s") for _ in range(3)]
    links.clear()
    buttons, stack = chooser(inside, ["0", "1", "2"], description="latent").children
    assert (buttons.options, stack.selected_index) == (("0", "1", "2"), 0)
    assert list(stack.children) == inside
    assert links == [((buttons, "index"), (stack, "selected_index"))]


def test_chooser_needs_as_many_names_as_boxes():
    with pytest.raises(ValueError, match="expected as many names as boxes, at least one; got 1 and 0"):
        chooser([], ["a"], description="latent")
