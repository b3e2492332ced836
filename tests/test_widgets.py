import io
import re
import subprocess
import sys
import types
from base64 import b64decode, b64encode
from html import unescape

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from microtutor.microstructures import otsu_threshold
from microtutor.models import VAE
from microtutor.plotting import COLOURS
from microtutor.statistics import autocorrelation
from microtutor.widgets import (
    chooser,
    frame_slider,
    frames,
    live_latents,
    live_overlap,
    live_threshold,
    overlap_figure,
    shift_sliders,
)
from microtutor.widgets.live import _decoded_figure
from microtutor.widgets.sliders import OWN_KEYS
from tests.sliders import Sliders


@pytest.fixture
def colab(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))


def drawn(attributes):
    """The bytes of a picture."""
    return b64decode(attributes["src"].removeprefix("data:image/png;base64,"))


# --- sliders over pictures drawn beforehand ---------------------------------------------------------------------------
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


def test_frame_slider_holds_a_picture_for_each_place():
    figure = frame_slider([b"a", b"b", b"c"], ["0 px", "1 px", "2 < 3 px"], description="shift", start=2)
    (slider,) = Sliders(figure.html).sliders
    (handle,) = slider.ranges
    assert (handle["min"], handle["max"], handle["value"], handle["step"]) == ("0", "2", "2", "1")
    assert (handle["aria-label"], handle["aria-valuetext"]) == ("shift", "2 < 3 px")
    assert OWN_KEYS in handle
    assert [(p["alt"], p["data-label"], drawn(p)) for p in slider.pictures] == [
        ("shift: 0 px", "0 px", b"a"),
        ("shift: 1 px", "1 px", b"b"),
        ("shift: 2 < 3 px", "2 < 3 px", b"c"),
    ]


def test_without_scripts_one_picture_stands_there_with_its_label():
    figure = frame_slider([b"a", b"b"], ["0 px", "1 & 2 px"], description="shift", start=1)
    (slider,) = Sliders(figure.html).sliders
    assert [drawn(picture) for picture in slider.visible] == [b"b"]
    assert slider.label == "1 & 2 px"
    assert '<div class="microtutor-controls" hidden="hidden">' in figure.html  # and no slider that would not move
    assert [("onload" in picture) for picture in slider.pictures] == [False, True]  # which shows the slider


def test_nothing_is_global():
    figure = chooser([frame_slider([b"a"], ["x"], description="s")] * 2, ["0", "1"], description="latent")
    assert Sliders(figure.html).scripts == 0
    assert Sliders(figure.html).ids == []  # two copies on a page could not tell theirs apart
    assert not re.search("https?:", figure.html)


def test_a_figure_is_shown_as_html_and_elsewhere_as_its_first_picture():
    figure = frame_slider([b"a", b"b"], ["0 px", "1 px"], description="shift", start=1)
    text = "<slider over 2 pictures, first shift: 1 px>"
    assert figure._repr_mimebundle_(include=None, exclude=None) == {
        "text/html": figure.html,
        "image/png": b64encode(b"b").decode(),
        "text/plain": text,
    }
    assert repr(figure) == text


def test_in_colab_the_html_has_no_rival(colab):
    figure = frame_slider([b"a"], ["0 px"], description="shift")
    assert set(figure._repr_mimebundle_()) == {"text/html", "text/plain"}


@pytest.mark.parametrize(("pictures", "labels"), [([], []), ([b"a"], []), ([b"a"], ["x", "y"])])
def test_bad_input(pictures, labels):
    message = f"expected as many labels as pictures, at least one; got {len(labels)} and {len(pictures)}"
    with pytest.raises(ValueError, match=message):
        frame_slider(pictures, labels, description="shift")


@pytest.mark.parametrize("start", [-1, 2])
def test_frame_slider_starts_at_one_of_its_pictures(start):
    with pytest.raises(ValueError, match=f"expected start of at least 0.*, got {start}"):
        frame_slider([b"a", b"b"], ["x", "y"], description="shift", start=start)


def test_chooser_shows_the_first_box_and_a_button_for_each():
    inside = [frame_slider([name.encode()], [name], description="s") for name in "abc"]
    figure = chooser(inside, ["0", "1", "<2>"], description="latent")
    page = Sliders(figure.html)
    assert page.choosers == 1
    assert [drawn(slider.visible[0]) for slider in page.sliders] == [b"a", b"b", b"c"]
    assert page.hidden_panels == [False, True, True]
    assert [(radio["value"], "checked" in radio) for radio in page.radios] == [("0", True), ("1", False), ("2", False)]
    assert not re.search(r"\shidden\b(?!=)", figure.html)  # JupyterLab would strip it, and show all
    assert len({radio["name"] for radio in page.radios}) == 1  # one group, which the arrow keys go through
    assert "&lt;2&gt;" in figure.html
    assert figure.html.startswith('<form class="microtutor-chooser"')  # which keeps two copies apart
    assert figure.picture == b"a"


def test_chooser_takes_no_chooser():
    inner = chooser([frame_slider([b"a"], ["x"], description="s")], ["0"], description="latent")
    with pytest.raises(ValueError, match="expected boxes with sliders, got one with buttons"):
        chooser([inner], ["0"], description="latent")


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


def test_shift_sliders_hold_a_picture_for_each_shift():
    (slider,) = Sliders(shift_sliders(M, down=(0, 2), right=(-1, 0, 3), dpi=30).html).sliders
    down, right = slider.ranges
    assert [(r["aria-label"], r["max"], r["value"]) for r in (down, right)] == [("down", "1", "0"), ("right", "2", "1")]
    assert (down["data-stride"], right["data-stride"]) == ("3", "1")
    assert slider.places == len(slider.pictures) == len({drawn(picture) for picture in slider.pictures}) == 6
    assert [picture["data-label"] for picture in slider.visible] == [slider.label]
    assert slider.label == "r = (0, 0) px: f(r) = 0.0750"
    assert slider.pictures[0]["alt"] == "overlap: r = (0, -1) px: f(r) = 0.0000"
    assert slider.pictures[5]["alt"] == "overlap: r = (2, 3) px: f(r) = 0.0375"
    assert not plt.get_fignums()


def test_shifts_may_come_as_an_array():
    assert repr(shift_sliders(M, torch.tensor([0, 2]), np.arange(-1, 1), dpi=30)) == repr(
        shift_sliders(M, (0, 2), (-1, 0), dpi=30)
    )


@pytest.mark.parametrize("shift", [(1,), (1, 2, 3)])
def test_a_shift_is_two_numbers(shift):
    with pytest.raises(ValueError, match="expected shift as two whole numbers, down and to the right, got"):
        overlap_figure(M, shift)


def test_frames_takes_figures_and_leaves_none_open():
    with pytest.raises(TypeError, match="expected figures as an Iterable, got a Figure"):
        frames(Figure())
    with pytest.raises(TypeError, match="expected each of the figures as a Figure, got a Axes"):
        frames([Figure().add_subplot()])


def test_shift_sliders_need_shifts():
    with pytest.raises(ValueError, match="expected at least one shift down and one to the right, got 0 and 1"):
        shift_sliders(M, (), (0,))


# --- live figures -----------------------------------------------------------------------------------------------------
VIEW = "application/vnd.jupyter.widget-view+json"
# ipywidgets 7, which Colab has, announces itself to a newer kernel package with a warning of that package.
live = pytest.mark.filterwarnings("ignore:The `ipykernel.comm.Comm` class:DeprecationWarning")


@live
def test_a_live_figure_is_a_widget_and_elsewhere_its_picture():
    figure = live_overlap(M)
    bundle = figure._repr_mimebundle_(include=None, exclude=None)
    assert set(bundle) == {VIEW, "image/png", "text/plain"}
    assert bundle[VIEW]["model_id"] == figure.widget.model_id
    assert b64decode(bundle["image/png"]) == figure.picture
    assert bundle["text/plain"] == repr(figure) == "<live figure at r = (0, 0) px: f(r) = 0.0750>"


@live
def test_in_colab_the_widget_has_no_rival(colab):
    assert set(live_overlap(M)._repr_mimebundle_()) == {VIEW, "text/plain"}


def seen(figure):
    """Alternative text and picture of a live figure, as its widget has them now."""
    alt, picture = re.search(
        '<img alt="([^"]*)" src="data:image/png;base64,([^"]*)"', figure.widget.children[1].value
    ).groups()
    return unescape(alt), b64decode(picture)


@live
def test_live_overlap_is_computed_at_the_chosen_shift():
    figure = live_overlap(M, (1, -2))
    down, right = figure.controls.values()
    assert [(s.min, s.max, s.value, s.continuous_update) for s in (down, right)] == [
        (-4, 4, 1, False),
        (-5, 5, -2, False),
    ]
    pictures = {figure.picture}
    for y, x in ((2, -2), (2, 3), (-4, 5)):
        down.value, right.value = y, x
        assert figure.text == f"r = ({y}, {x}) px: f(r) = {abs(autocorrelation(M)[y % 8, x % 10].item()):.4f}"
        assert seen(figure) == (figure.text, figure.picture)
        pictures.add(figure.picture)
    assert len(pictures) == 4
    assert not plt.get_fignums()


@live
def test_live_overlap_takes_one_image_and_a_shift_on_it():
    with pytest.raises(ValueError, match=r"expected one image, shape \(height, width\), got .*\(1, 8, 10\)"):
        live_overlap(M[None])
    with pytest.raises(ValueError, match=r"expected a shift of at most \(4, 5\), half the image, got \(0, 6\)"):
        live_overlap(M, (0, 6))


GREY = np.random.default_rng(0).integers(0, 200, (12, 16), dtype=np.uint8)


@live
@pytest.mark.parametrize("picture", [GREY, GREY / 7, torch.from_numpy(GREY), -GREY.astype(int)], ids=str)
def test_live_threshold_cuts_where_the_slider_stands(picture):
    figure = live_threshold(picture)
    grey, slider = np.asarray(picture), figure.controls["threshold"]
    assert slider.value == otsu_threshold(grey)
    before = figure.picture
    slider.value = level = type(slider.value)(np.quantile(grey, 0.3))
    assert figure.text == f"threshold {level:.5g}: volume fraction {(grey > level).mean():.3f}"
    assert seen(figure) == (figure.text, figure.picture)
    assert figure.picture != before


@live
def test_live_threshold_counts_only_what_the_mask_keeps():
    mask = np.ones(GREY.shape)
    mask[:, 8:] = 0
    figure = live_threshold(GREY, threshold=50, mask=torch.from_numpy(mask))
    assert figure.text == f"threshold 50: volume fraction {(GREY[:, :8] > 50).mean():.3f}"


@live
def test_what_the_mask_leaves_out_does_not_move_the_threshold():
    mask, damaged = np.ones(GREY.shape), GREY.astype(float)
    mask[:, 8:], damaged[:, 8:] = 0, np.nan
    slider = live_threshold(damaged, mask=mask).controls["threshold"]
    kept = GREY[:, :8].astype(float)
    assert (slider.value, slider.min, slider.max) == (otsu_threshold(kept), kept.min(), kept.max())
    assert not plt.get_fignums()


@live
@pytest.mark.parametrize(
    ("image", "more", "message"),
    [
        (GREY[None], {}, r"expected one grey picture, shape \(height, width\), got .*\(1, 12, 16\)"),
        (np.ones((3, 3)), {}, "expected at least two grey values, got only 1"),
        (
            GREY,
            {"threshold": 300},
            "expected threshold as a finite number of at least 0 and at most 199, or None, got 300",
        ),
        (GREY, {"mask": np.ones((3, 3))}, r"expected a mask of shape \(12, 16\) that keeps some pixels"),
        (GREY, {"mask": np.zeros((12, 16))}, r"expected a mask of shape \(12, 16\) that keeps some pixels"),
        (GREY, {"mask": GREY}, "expected a mask of 0 and 1, got values from 0 to 199; compare it first"),
    ],
)
def test_live_threshold_says_what_is_wrong(image, more, message):
    with pytest.raises(ValueError, match=message):
        live_threshold(image, **more)


@live
def test_live_latents_decode_where_the_sliders_stand():
    torch.manual_seed(0)
    vae = VAE(latent_dim=3, size=32)
    latents = torch.tensor([[0.5, -1.0, 4.0], [0.0, 1.25, -4.0], [0.25, 0.0, 0.0]])
    figure = live_latents(vae, latents, start=2)
    sliders = [*figure.controls.values()]
    assert [(s.description, s.min, s.max, s.value) for s in sliders] == [
        ("latent 0", 0.0, 0.5, 0.25),
        ("latent 1", -1.0, 1.25, 0.0),
        ("latent 2", -4.0, 4.0, 0.0),
    ]
    before = figure.picture
    sliders[1].value, sliders[2].value = 1.0, 3.0
    with torch.no_grad():
        image = vae.decode(torch.tensor([[0.25, 1.0, 3.0]]))
    assert figure.text == f"volume fraction {image.mean():.3f} at z = (+0.2, +1.0, +3.0)"
    assert seen(figure) == (figure.text, figure.picture)
    assert figure.picture != before
    left, right = _decoded_figure(image[0, 0]).axes[:2]
    np.testing.assert_allclose(left.images[0].get_array(), image[0, 0], atol=1e-6)
    np.testing.assert_allclose(right.images[0].get_array(), autocorrelation(image[0, 0], centred=True), atol=1e-6)
    plt.close("all")


@live
@pytest.mark.parametrize(
    ("latents", "start", "message"),
    [
        (torch.zeros(4, 2), 0, r"expected latents of two images or more, shape \(images, 3\), got .*\(4, 2\)"),
        (torch.zeros(1, 3), 0, "expected latents of two images or more"),
        (torch.zeros(4, 3), 4, "expected start of at least 0 and below 4, got 4"),
        (torch.full((4, 3), torch.nan), 0, "expected finite values in the latents"),
    ],
)
def test_live_latents_say_what_is_wrong(latents, start, message):
    with pytest.raises(ValueError, match=message):
        live_latents(VAE(latent_dim=3, size=32), latents, start=start)


def test_sliders_over_pictures_need_no_ipywidgets():
    code = (
        "import sys; sys.modules['ipywidgets'] = None; from microtutor.widgets import frame_slider; "
        "print(frame_slider([b''], ['a'], description='b'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("<slider over 1 pictures, first b: a>", "")
