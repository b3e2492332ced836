"""The panels of the page "Playground" in a real browser: what they compute is what the package computes.

The panels are opened from a folder, without a server and without the book around them, so that no book has to be built.
"""

import base64
import io
import json
import re
import shutil

import numpy as np
import pytest
import torch
from outline import ROOT
from PIL import Image

from microtutor.losses import StatisticsLoss
from microtutor.statistics import autocorrelation, radial_average

STATIC = ROOT / "book" / "_static"
BLOCK = re.compile(r"```\{raw\} html\n(?::file: (\S+)\n)?(.*?)```", re.DOTALL)
SHEETS = 100


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A bare page with the panels of book/playground.md."""
    folder = tmp_path_factory.mktemp("live")
    shutil.copytree(STATIC, folder / "_static")
    found = BLOCK.findall((ROOT / "book" / "playground.md").read_text(encoding="utf-8"))
    blocks = "\n".join(text or (ROOT / "book" / file).read_text(encoding="utf-8") for file, text in found)
    page = folder / "book" / "playground.html"
    page.parent.mkdir()
    page.write_text(f'<!doctype html><html lang="en"><meta charset="utf-8"><body>{blocks}', encoding="utf-8")
    return page.as_uri()


@pytest.fixture
def page(browser, address):
    """The page, ready; nothing may be asked of a server, and nothing said on the console."""
    problems: list[str] = []
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "request", lambda request: request.url.startswith(("file:", "data:", "blob:")) or problems.append(request.url)
    )
    page.on("requestfailed", lambda request: problems.append(f"not found: {request.url}"))
    page.goto(address)
    page.wait_for_selector(".mt-playground.mt-live")
    yield page
    page.close()
    assert problems == []


def reading(page):
    """Volume fraction, shift and f as the panel says them."""
    page.wait_for_timeout(100)  # a drawing is read at the next frame
    text = page.inner_text(".mt-playground .mt-reading")
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", text)]


def spot(page, selector, down, right, n=64):
    """A place on the screen: the middle of a pixel of a canvas."""
    page.locator(selector).scroll_into_view_if_needed()
    box = page.locator(selector).bounding_box()
    return box["x"] + (right + 0.5) * box["width"] / n, box["y"] + (down + 0.5) * box["height"] / n


def colours(page, selector):
    """Red, green, blue and opacity of each pixel of a canvas."""
    address = page.evaluate("(name) => document.querySelector(name).toDataURL()", selector)
    with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as picture:
        return np.array(picture.convert("RGBA"), dtype=int)


ROUNDING = 1  # of a colour between 0 and 255
SHEET, MAP = ".mt-stack > canvas:first-child", 'canvas[aria-label^="Map of f, zero"]'


@pytest.mark.parametrize("boundary", ["periodic", "open"])
def test_the_map_is_that_of_the_package(page, compute, boundary):
    rng = np.random.default_rng(0)
    for index in range(SHEETS):
        n = (8, 16, 64, 128)[index % 4]
        m = (rng.random((n, n)) < rng.random()).astype(float)
        (f,) = compute(page, f"[microtutor.fourier.autocorrelation(m, {n}, '{boundary}')]", m=m.ravel())
        expected = autocorrelation(torch.from_numpy(m), boundary=boundary).numpy()
        np.testing.assert_allclose(f.reshape(n, n), expected, atol=1e-12)


def test_radial_average_error_and_gradient_are_those_of_the_package(page):
    rng = np.random.default_rng(1)
    m, other = rng.random((2, 16, 16))
    f = autocorrelation(torch.from_numpy(other))
    calls = "[microtutor.fourier.radialAverage(f, 16), microtutor.fourier.errorAndGradient(m, f, 16)]"
    curve, found = json.loads(
        page.evaluate(
            f"""([m, f]) => {{ const [curve, found] = {calls};
            return JSON.stringify([[...curve], {{ error: found.error, gradient: [...found.gradient] }}]); }}""",
            [m.ravel().tolist(), f.ravel().tolist()],
        )
    )
    np.testing.assert_allclose(curve, radial_average(f).numpy(), atol=1e-12)
    image = torch.from_numpy(m)[None, None].requires_grad_()
    loss = (autocorrelation(image) - f).square().mean()
    loss.backward()
    assert image.grad is not None
    assert found["error"] == pytest.approx(float(loss.detach()), rel=1e-9)
    np.testing.assert_allclose(np.reshape(found["gradient"], (16, 16)), image.grad.numpy()[0, 0], atol=1e-12)
    target = torch.from_numpy(other)[None, None]
    assert found["error"] == pytest.approx(float(StatisticsLoss()(image.detach(), target)), rel=1e-6)


def test_a_line_is_drawn_and_its_map_is_read(page):
    page.get_by_role("button", name="Clear").click()
    page.mouse.move(*spot(page, SHEET, 10, 20))
    page.mouse.down()
    page.mouse.move(*spot(page, SHEET, 40, 20), steps=5)
    page.mouse.up()
    m = torch.zeros(64, 64, dtype=torch.float64)
    m[10:42, 20:22] = 1  # the pen is two pixels wide
    f = autocorrelation(m)
    page.mouse.move(*spot(page, MAP, 32 + 5, 32 + 1))
    phi, down, right, value = reading(page)
    assert phi == pytest.approx(float(f[0, 0]), abs=5e-5)
    assert (down, right) == (5, 1)
    assert value == pytest.approx(float(f[5, 1]), abs=5e-5)


def test_keys_draw_and_move_the_shift(page):
    page.get_by_role("button", name="Clear").click()
    page.locator(SHEET).focus()
    for key in ("ArrowLeft", "Shift+ArrowUp", " ", "ArrowDown", "ArrowDown", "ArrowDown", " "):
        page.keyboard.press(key)
    assert reading(page)[0] == pytest.approx(8 / 4096, abs=5e-5)  # two dots of 2 x 2 pixels
    page.locator(MAP).focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    assert reading(page)[1:] == [3, 0, pytest.approx(4 / 4096, abs=5e-5)]


def test_shift_and_half_turn_leave_the_map_as_it_is(page):
    page.wait_for_timeout(100)
    before, drawn = colours(page, MAP), colours(page, SHEET)
    for name in ("Shift it", "Turn it by 180°"):
        page.get_by_role("button", name=name).click()
        page.wait_for_timeout(100)
        assert np.abs(colours(page, MAP) - before).max() <= ROUNDING
        assert np.abs(colours(page, SHEET) - drawn).max() == 255


def test_two_images_with_one_map(page):
    page.get_by_role("button", name="Two images with one map").click()
    images = [colours(page, f'canvas[aria-label="Image {name} of the pair"]') for name in "AB"]
    maps = [colours(page, f'canvas[aria-label="Map of image {name}"]') for name in "AB"]
    assert np.abs(images[0] - images[1]).max() == 255
    assert np.abs(maps[0] - maps[1]).max() <= ROUNDING


def test_a_challenge_is_scored_and_solved(page):
    page.get_by_label("Challenge", exact=True).select_option("one line")
    page.wait_for_timeout(100)
    assert "Solved below 1e-6" in page.inner_text(".mt-news")
    page.get_by_label("Example").select_option("one line")
    page.get_by_role("button", name="Shift it").click()
    page.wait_for_timeout(100)
    assert page.inner_text(".mt-news").startswith("Solved: the statistics error is 0,")


def test_a_file_that_is_no_picture_leaves_the_drawing(page, tmp_path):
    before = reading(page)
    (tmp_path / "notes.png").write_text("no picture", encoding="utf-8")
    page.set_input_files("input[type=file]", tmp_path / "notes.png")
    page.wait_for_timeout(300)
    assert "notes.png is no picture that this browser can read" in page.inner_text(".mt-news")
    assert reading(page) == before


def test_a_picture_is_brought_to_the_sheet_and_the_panel_says_so(page, tmp_path):
    picture = np.full((300, 500), 255, dtype=np.uint8)
    picture[:, 175:250] = 0  # of the middle 300 columns, a quarter
    Image.fromarray(picture).save(tmp_path / "picture.png")
    page.set_input_files("input[type=file]", tmp_path / "picture.png")
    page.wait_for_timeout(300)
    assert "500 × 300 pixels" in page.inner_text(".mt-news")
    assert reading(page)[0] == pytest.approx(75 / 300, abs=0.02)


def test_a_larger_sheet_and_an_open_border(page):
    page.get_by_role("button", name="128 px").click()
    assert reading(page)[0] == pytest.approx(0.0684, abs=5e-5)
    page.get_by_role("button", name="open").click()
    page.wait_for_timeout(100)
    assert page.get_by_role("button", name="open").get_attribute("aria-pressed") == "true"
    assert page.get_by_role("button", name="periodic").get_attribute("aria-pressed") == "false"


FRAME = 1000 / 30  # milliseconds, at 30 frames a second


@pytest.mark.quiet
@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize("boundary", ["periodic", "open"])
def test_thirty_frames_a_second(page, size, boundary):
    """The shortest of ten: what the page needs by itself, whatever else this machine does."""
    page.get_by_role("button", name=f"{size} px").click()
    page.get_by_role("button", name=boundary).click()
    took = []
    for _ in range(10):
        page.get_by_role("button", name="Swap black and white").click()
        page.wait_for_timeout(50)
        took.append(float(page.locator(".mt-playground .mt-reading").get_attribute("data-milliseconds")))
    assert min(took) < FRAME


@pytest.mark.parametrize("target", ["one line", "a laminate", "a disc"])
def test_the_loss_goes_down(page, target):
    page.emulate_media(reduced_motion="reduce")  # all steps at once
    page.get_by_label("Target", exact=True).select_option(target)
    page.locator(".mt-descent").get_by_role("button", name="Run").click()
    page.wait_for_function("/After 300 steps/.test(document.querySelector('.mt-descent .mt-reading').textContent)")
    assert float(page.inner_text(".mt-descent .mt-reading").split()[-1].rstrip(".")) < 1e-6


@pytest.mark.parametrize("width", [390, 700, 1200])
def test_letters_of_a_curve_are_as_large_on_any_page(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(300)
    letters = "parseFloat(getComputedStyle(svg.querySelector('text')).fontSize)"
    scale = "svg.clientWidth / svg.viewBox.baseVal.width"
    sizes = page.evaluate(f"[...document.querySelectorAll('.mt-curve')].map((svg) => {letters} * {scale})")
    assert len(sizes) == 2  # of the playground, and of the loss that goes down
    assert sizes == pytest.approx([12, 12], rel=0.02)


def test_without_typed_arrays_the_page_says_so(browser, address):
    page = browser.new_page()
    page.add_init_script("delete window.Float64Array")
    page.goto(address)
    assert "could not start" in page.locator(".mt-playground").get_by_role("alert").inner_text()
    assert page.locator(".mt-playground img").count() == 1
    page.close()


def test_without_scripts_a_picture_and_a_link_stay(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert page.locator(".mt-playground img").get_attribute("alt")
    assert page.locator(".mt-playground a").count() == 1
    context.close()
