"""The page "Nine numbers" in a real browser: what it draws and computes is what the package does.

As in `test_live.py` the panel is opened from a folder, without a server; the weights are written there as for a book.
"""

import json
import re
import shutil

import live_weights
import numpy as np
import pytest
import torch
from outline import ROOT

from microtutor.models import VAE
from microtutor.statistics import autocorrelation, radial_average

BLOCK = re.compile(r"```\{raw\} html\n(.*?)```", re.DOTALL)
PANEL = ".mt-nine-numbers"
LOADED = f"{PANEL} .mt-sliders"


@pytest.fixture(scope="module")
def vae():
    return VAE.from_pretrained("lines-1-4")


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """The weights as a script, written once."""
    return live_weights.write(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def folder(tmp_path):
    """A bare page with the panel of book/nine_numbers.md, without the weights."""
    shutil.copytree(ROOT / "book" / "_static", tmp_path / "_static")
    blocks = "\n".join(BLOCK.findall((ROOT / "book" / "nine_numbers.md").read_text(encoding="utf-8")))
    page = tmp_path / "book" / "nine_numbers.html"
    page.parent.mkdir()
    page.write_text(f'<!doctype html><html lang="en"><meta charset="utf-8"><body>{blocks}', encoding="utf-8")
    return tmp_path


@pytest.fixture
def asked(folder, script):
    """What the page has asked for; the weights are there."""
    shutil.copy(script, folder / "_static" / "live")
    return []


@pytest.fixture
def page(browser, folder, asked):
    """The page before the decoder is asked for; nothing may be asked of a server, and nothing said on the console."""
    problems: list[str] = []
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.on("requestfailed", lambda request: problems.append(f"not found: {request.url}"))
    page.goto((folder / "book" / "nine_numbers.html").as_uri())
    page.wait_for_selector(f"{PANEL}.mt-live")
    yield page
    page.close()
    assert problems == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.fixture
def loaded(page):
    load(page)
    return page


def load(page):
    page.get_by_role("button", name="Load the decoder").click()
    page.wait_for_selector(LOADED)
    page.wait_for_selector(f"{PANEL} [data-milliseconds]")


def latents(page) -> torch.Tensor:
    """The nine numbers that the panel says."""
    page.wait_for_timeout(600)  # they are decoded at the next frame
    said = re.search(r"\[\[(.*?)\]\]", page.locator(f"{PANEL} details code").text_content())
    assert said
    return torch.tensor([[float(v) for v in said[1].split(", ")]])


def grey(page, label: str) -> np.ndarray:
    """The pixels of a canvas, from 0 for white to 1 for black."""
    values = page.evaluate(
        """(label) => { const canvas = document.querySelector(`canvas[aria-label^="${label}"]`);
        const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
        copy.drawImage(canvas, 0, 0);
        const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
        return Array.from({ length: data.length / 4 }, (_, k) => data[4 * k]); }""",
        label,
    )
    return 1 - np.reshape(values, (224, 224)) / 255


def decoded(vae, z) -> np.ndarray:
    with torch.no_grad():
        return vae.decode(z)[0, 0].numpy()


def error_said(page, which="to the start"):
    said = re.search(rf"{which}: (\d[\d.e-]*\d)", page.inner_text(f"{PANEL} .mt-reading"))
    assert said
    return float(said[1])


def test_nothing_of_the_decoder_is_loaded_before_the_reader_asks(page, asked):
    assert page.locator(f"{PANEL} img").count() == 1
    assert not any(live_weights.FILE in url for url in asked)
    load(page)
    assert sum(live_weights.FILE in url for url in asked) == 1


def test_a_hundred_latents_are_decoded_as_by_the_network_and_their_statistics_are_those_of_the_package(
    loaded, compute, script, vae
):
    text = script.read_text(encoding="ascii").split('"')[1]
    loaded.evaluate("async (text) => { window.net = await microtutor.decoder.load(text); }", text)
    z = vae.prior.sample(100, seed=1)
    with torch.no_grad():
        images = vae.decode(z)[:, 0].numpy()
    for index, (point, image) in enumerate(zip(z.tolist(), images, strict=True)):
        (m,) = compute(loaded, "[microtutor.decoder.decode(net, z)]", z=point)
        np.testing.assert_allclose(m.reshape(224, 224), image, rtol=0, atol=1e-3)
        if index % 10 == 0:
            (f,) = compute(loaded, "[microtutor.evenSide.autocorrelation(m, 224)]", m=m)
            expected = autocorrelation(torch.from_numpy(m).view(224, 224)).numpy()
            np.testing.assert_allclose(f.reshape(224, 224), expected, rtol=0, atol=1e-6)


def test_a_browser_without_webassembly_decodes_the_same(browser, folder, asked, vae):
    page = browser.new_page()
    page.add_init_script("delete window.WebAssembly")
    page.goto((folder / "book" / "nine_numbers.html").as_uri())
    load(page)
    np.testing.assert_allclose(
        grey(page, "The structure that"), decoded(vae, latents(page)), rtol=0, atol=0.5 / 255 + 1e-3
    )
    page.close()


@pytest.mark.parametrize("n", [2, 6, 10, 16, 30, 98, 224])
def test_statistics_of_any_even_side(page, compute, n):
    m = np.random.default_rng(n).random((n, n))
    (f,) = compute(page, f"[microtutor.evenSide.autocorrelation(m, {n})]", m=m.ravel())
    (curve,) = compute(page, f"[microtutor.fourier.radialAverage(f, {n})]", f=f)
    expected = autocorrelation(torch.from_numpy(m))
    np.testing.assert_allclose(f.reshape(n, n), expected.numpy(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(curve, radial_average(expected).numpy(), rtol=0, atol=1e-12)


def test_it_begins_at_a_held_out_image_with_the_original_beside(loaded, vae):
    images = vae.in_form(live_weights.held_out().images)
    with torch.no_grad():
        means = vae.encode(images)[0]
    for index in (0, 5):
        loaded.get_by_label("Start", exact=True).select_option(index=index + 1)  # the first choice is a draw
        np.testing.assert_allclose(latents(loaded), means[index : index + 1], atol=1e-4)
        np.testing.assert_allclose(grey(loaded, "The held-out image"), images[index, 0], atol=1e-3)
        m = torch.from_numpy(decoded(vae, latents(loaded)))
        error = (autocorrelation(m) - autocorrelation(images[index, 0])).square().mean()
        assert error_said(loaded) == pytest.approx(float(error), rel=0.06)  # two digits are said


def test_keys_move_one_number_and_the_picture_follows(loaded, vae):
    before = latents(loaded)
    loaded.get_by_label("latent 4, in standard deviations").focus()
    for _ in range(12):
        loaded.keyboard.press("ArrowRight")
    z = latents(loaded)
    assert float(z[0, 4] - before[0, 4]) == pytest.approx(0.6, abs=0.03)
    others = [0, 1, 2, 3, 5, 6, 7, 8]
    assert torch.equal(z[:, others], before[:, others])
    drawn = grey(loaded, "The structure that")
    np.testing.assert_allclose(drawn, decoded(vae, z), rtol=0, atol=0.5 / 255 + 1e-3)
    assert np.abs(drawn - decoded(vae, before)).max() > 0.2
    loaded.get_by_role("button", name="Back to the start").click()
    assert torch.equal(latents(loaded), before)


def test_a_walk_ends_at_the_other_image(loaded):
    loaded.get_by_label("Other image", exact=True).select_option(index=4)
    start = latents(loaded)
    loaded.get_by_label("Way from the start").focus()
    for _ in range(25):
        loaded.keyboard.press("ArrowRight")
    middle = latents(loaded)
    loaded.keyboard.press("End")
    end = latents(loaded)
    np.testing.assert_allclose(middle, (start + end) / 2, atol=1e-3)
    assert error_said(loaded, "horizontal lines") < 1e-5 < error_said(loaded)
    loaded.get_by_label("Start", exact=True).select_option(index=5)
    assert torch.equal(latents(loaded), end)


def test_a_cut_leaves_black_and_white_and_the_statistics_follow(loaded):
    assert len(np.unique(grey(loaded, "The structure that"))) > 2
    loaded.get_by_role("button", name="Cut at 0.5").click()
    latents(loaded)
    m = grey(loaded, "The structure that")
    assert set(np.unique(m)) == {0, 1}
    assert f"φ = {m.mean():.4f}" in loaded.inner_text(f"{PANEL} .mt-reading")


def test_draws_follow_the_prior(loaded, script, vae):
    loaded.evaluate(
        "async (text) => { window.net = await microtutor.decoder.load(text); }",
        script.read_text(encoding="ascii").split('"')[1],
    )
    loaded.add_script_tag(path=ROOT / "book" / "_static" / "live" / "structures.js")  # random numbers from a seed
    drawn = torch.tensor(
        loaded.evaluate(
            """() => { const next = microtutor.structures.random(1);
            return Array.from({ length: 4000 }, () => microtutor.decoder.drawFromPrior(net, next)); }"""
        )
    )
    ours = vae.prior.sample(4000)
    np.testing.assert_allclose(drawn.mean(0), ours.mean(0), atol=0.1)
    np.testing.assert_allclose(torch.cov(drawn.T), torch.cov(ours.T), atol=0.12)
    density, expected = (vae.prior.log_density(z).median() for z in (drawn, ours))
    assert float(density) == pytest.approx(float(expected), abs=0.3)
    assert float(vae.prior.log_density(torch.randn(4000, 9)).median()) < float(expected) - 1  # what this could not tell
    loaded.get_by_role("button", name="Draw from the prior").click()
    first = latents(loaded)
    assert "no original" in loaded.inner_text(f"{PANEL} .mt-reading")
    loaded.get_by_role("button", name="Draw from the prior").click()
    assert not torch.equal(latents(loaded), first)


@pytest.mark.quiet
def test_a_frame_is_short(loaded):
    """The shortest of twenty: what a frame needs by itself, whatever else this machine does."""
    took = []
    for _ in range(20):
        loaded.get_by_label("latent 0, in standard deviations").press("ArrowRight")
        loaded.wait_for_timeout(200)
        took.append(int(loaded.locator(f"{PANEL} [data-milliseconds]").get_attribute("data-milliseconds")))
    assert min(took) < 60  # milliseconds


@pytest.mark.parametrize("broken", [None, 'microtutor.weights("AAAA");', "// cut off"])
def test_weights_that_do_not_arrive_are_told_and_a_second_try_works(browser, folder, script, broken):
    page = browser.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((folder / "book" / "nine_numbers.html").as_uri())
    target = folder / "_static" / "live" / live_weights.FILE
    if broken:
        target.write_text(broken, encoding="ascii")
    page.get_by_role("button", name="Load the decoder").click()
    again = page.get_by_role("button", name="Try again")
    again.wait_for()
    assert "did not arrive" in page.inner_text(f"{PANEL} .mt-news")
    assert page.locator(f"{PANEL} img").count() == 1
    shutil.copy(script, target)
    again.click()
    page.wait_for_selector(LOADED)
    page.close()
    assert errors == []


@pytest.mark.parametrize(
    ("missing", "said"), [("Float64Array", "no typed arrays"), ("DecompressionStream", "cannot unpack the decoder")]
)
def test_a_browser_that_is_too_old_is_told(browser, folder, missing, said):
    page = browser.new_page()
    page.add_init_script(f"delete window.{missing}")
    page.goto((folder / "book" / "nine_numbers.html").as_uri())
    assert said in page.get_by_role("alert").inner_text()
    assert page.locator(f"{PANEL} img").count() == 1
    page.close()


def test_without_scripts_a_picture_and_a_link_stay(browser, folder):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((folder / "book" / "nine_numbers.html").as_uri())
    assert page.locator(f"{PANEL} img").get_attribute("alt")
    assert page.locator(f'{PANEL} a[href="vae.html"]').count() == 1
    context.close()


def test_a_narrow_page_is_not_wider_than_its_window(loaded):
    loaded.set_viewport_size({"width": 390, "height": 800})
    assert loaded.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_numbers_of_the_text_are_those_of_the_card():
    card = json.loads((ROOT / "microtutor" / "weights" / "lines-1-4" / "card.json").read_text(encoding="utf-8"))
    text = " ".join((ROOT / "book" / "nine_numbers.md").read_text(encoding="utf-8").split())
    measured = card["metrics"]["evaluation seed 0"]
    assert f"its mean is {measured['statistics_error_mean']:.1e}".replace("e-0", "e-") in text
    assert f"its median is {measured['statistics_error_median']:.1e}".replace("e-0", "e-") in text
    assert f"Of {card['prior']['draws']} draws" in text
    assert f"{100 * card['prior']['valid_share']:.1f} % are" in text
