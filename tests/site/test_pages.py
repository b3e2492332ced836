"""Opens every page of the built book in a real browser that reaches no other server. `make book` runs it at its end.

The browser is the system's Chromium or Chrome. Where there is none the tests are skipped, and the reason is said; with
MICROTUTOR_NEEDS_BROWSER=1, which `.ci/run` sets, they fail instead.
"""

import functools
import gzip
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest
from outline import pages

from tests.book.test_site import ADDED_BY_SPHINX, SITE, reason_to_skip

WIDTHS = {"phone": 390, "laptop": 1400}
RIM = 1  # pixels: widths are rounded
LEAST_CONTRAST = 4.5  # level AA of WCAG 2
PAGES = sorted({*pages(), *ADDED_BY_SPHINX} - {"index"})  # that one leads on to the first page

pytestmark = pytest.mark.skipif(bool(reason_to_skip()), reason=reason_to_skip())

# Every formula is drawn, in known commands, and no formula has been left as text.
MATHEMATICS = r"""async () => {
  if (window.MathJax) await MathJax.startup.promise;
  const problems = [];
  for (const formula of document.querySelectorAll(".math")) {
    if (!formula.querySelector("mjx-container svg")) problems.push("not drawn: " + formula.textContent);
    if (formula.querySelector('[data-mml-node="merror"], [fill="red"]'))
      problems.push("not understood: " + formula.textContent);
  }
  const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode;
    if (text.parentElement.closest("pre, code, script, style, mjx-container")) continue;
    if (/\\[(\[]|\$\$|\\begin\{/.test(text.data)) problems.push("left as text: " + text.data.trim());
  }
  return problems;
}"""
# Parts of the page that stand out of it, unless they are inside a box that scrolls by itself.
TOO_WIDE = """() => {
  const width = document.scrollingElement.clientWidth;
  const problems = [];
  if (document.scrollingElement.scrollWidth > width)
    problems.push(`the page is ${document.scrollingElement.scrollWidth} px wide in a window of ${width} px`);
  const scrolls = (element) => /auto|scroll/.test(getComputedStyle(element).overflowX);
  for (const element of document.querySelectorAll(".bd-article-container *")) {
    const box = element.getBoundingClientRect();
    if (box.width === 0 || box.right <= width + RIM) continue;
    if (element.closest("mjx-assistive-mml")) continue;  // for screen readers: clipped to nothing
    let parent = element.parentElement;
    while (parent && !scrolls(parent)) parent = parent.parentElement;
    if (!parent) problems.push(`${element.tagName} ${element.className} ends at ${box.right} px of ${width} px`);
  }
  return problems.slice(0, 5);
}""".replace("RIM", str(RIM))
# Contrast of each text with what is painted behind it, by the formula of WCAG 2.
CONTRAST = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const over = (top, below) => below.map((v, i) => top[i] * (top[3] ?? 1) + v * (1 - (top[3] ?? 1)));
  const behind = (element) => {
    if (!element) return [255, 255, 255];
    const colour = numbers(getComputedStyle(element).backgroundColor);
    return colour[3] === 0 ? behind(element.parentElement) : over(colour, behind(element.parentElement));
  };
  const problems = new Set();
  const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
    if (element.closest("script, style, noscript, mjx-container, svg")) continue;
    if (element.closest(".headerlink, .search-button__kbd-shortcut")) continue;  // seen only under the mouse; a hint
    const ground = behind(element);
    const [a, b] = [light(over(numbers(getComputedStyle(element).color), ground)), light(ground)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < LEAST) problems.add(`contrast ${ratio.toFixed(1)}: ${element.className} ${element.innerText}`);
  }
  return [...problems].map((text) => text.slice(0, 120)).slice(0, 5);
}""".replace("LEAST", str(LEAST_CONTRAST))
SLIDERS = ".microtutor-slider"
PANELS = "(chooser) => [...chooser.querySelectorAll('.microtutor-panel')].map((panel) => panel.hidden)"
SHOWN = """(slider) =>
  [...slider.querySelectorAll("img")].map((image, place) => image.checkVisibility() ? place : -1).filter((i) => i >= 0)
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing of each file that is served."""


@pytest.fixture(scope="module")
def server():
    """The address of the built book, served from this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=SITE)) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{site.server_port}"
        site.shutdown()


@pytest.fixture
def opened(browser):
    """Opens an address and gives the page back, with a list of all that went wrong on it up to now."""
    context = browser.new_context(viewport={"width": WIDTHS["laptop"], "height": 900})

    def open_page(address: str):
        page, problems = context.new_page(), []
        page.on("request", lambda request: is_far(request.url) and problems.append(f"asked for {request.url}"))
        page.on("requestfailed", lambda request: problems.append(f"no answer from {request.url}: {request.failure}"))
        page.on("response", lambda answer: answer.status >= 400 and problems.append(f"{answer.status} {answer.url}"))
        page.on("console", lambda said: is_of_the_page(said) and problems.append(f"console: {said.text}"))
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))
        page.goto(address, wait_until="load")
        return page, problems

    yield open_page
    context.close()


def is_of_the_page(said) -> bool:
    """Whether a message on the console is about the page; an icon that a browser wants by itself is not."""
    return not said.location["url"].endswith("/favicon.ico")


def sent(file: Path) -> int:
    """Bytes of a file on its way to a reader."""
    content = file.read_bytes()
    return len(gzip.compress(content)) if file.suffix in (".html", ".css", ".js", ".svg") else len(content)


def is_far(address: str) -> bool:
    return not address.startswith(("http://127.0.0.1:", "file:", "data:", "blob:", "about:"))


@pytest.mark.parametrize("name", PAGES)
def test_page_is_complete(opened, server, name):
    page, problems = opened(f"{server}/{name}.html")
    problems += page.evaluate(MATHEMATICS)
    problems += stuck_sliders(page)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function("(scheme) => document.documentElement.dataset.theme === scheme", arg=scheme)
        problems += [f"{scheme}: {problem}" for problem in page.evaluate(CONTRAST)]
        for device, width in WIDTHS.items():
            page.set_viewport_size({"width": width, "height": 900})
            problems += [f"{scheme}, {device}: {problem}" for problem in page.evaluate(TOO_WIDE)]
    assert not problems


@pytest.mark.parametrize("name", pages())
def test_page_is_complete_when_opened_from_a_file(opened, name):
    page, problems = opened((SITE / f"{name}.html").as_uri())
    problems += page.evaluate(MATHEMATICS)
    problems += stuck_sliders(page)
    assert not problems


@pytest.mark.quiet
def test_the_first_page_is_small_and_ready_at_once(browser):
    """Opened from disk: the time until its panel answers, and the bytes that a host would send, texts compressed."""
    times = []
    for _ in range(3):  # the shortest: what the page needs by itself, whatever else this machine does
        page, asked, said = browser.new_page(), set(), []
        page.on("request", lambda request, asked=asked: asked.add(request.url.split("?")[0].split("#")[0]))
        page.on("console", lambda message, said=said: said.append(message.text))
        page.goto((SITE / f"{pages()[0]}.html").as_uri(), wait_until="commit")
        page.get_by_role("button", name="Clear").first.click()
        page.wait_for_function("document.querySelector('.mt-playground .mt-reading').textContent.includes('φ = 0. At')")
        times.append(page.evaluate("performance.now()"))
        page.wait_for_load_state("load")
        page.close()
        files = [Path(url2pathname(urlsplit(url).path)) for url in asked if url.startswith("file:")]
        assert said == []
        assert sum(map(sent, files)) < 500_000, sorted((sent(file), file.name) for file in files)
    assert min(times) < 1500  # milliseconds


@pytest.mark.parametrize("fonts", [True, False])
def test_icons_are_there_with_a_font_and_without(browser, fonts):
    page, asked = browser.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    if not fonts:
        page.route("**/webfonts/*", lambda route: route.abort())
    page.goto((SITE / f"{pages()[0]}.html").as_uri())
    if fonts:
        page.wait_for_function("""document.fonts.check('900 1em "Font Awesome 6 Free"')""")
    else:
        page.locator("svg.fa-bars").first.wait_for()
    assert any("fontawesome.js" in address for address in asked) != fonts
    page.close()


def test_the_site_leads_to_the_first_page(opened, server):
    page, problems = opened(f"{server}/")
    page.wait_for_url(f"{server}/{pages()[0]}.html")
    assert not problems


def stuck_sliders(page) -> list[str]:
    """What is wrong with the pre-drawn sliders of a page: each is moved with the keyboard, by one step."""
    page.evaluate("document.querySelectorAll('details').forEach((box) => { box.open = true; })")
    problems = []
    for chooser in page.locator(".microtutor-chooser").all():
        panels = []
        for button in chooser.locator("input[type=radio]").all():
            button.check()
            panels.append(chooser.evaluate(PANELS))
            problems += [problem for slider in chooser.locator(SLIDERS).all() for problem in stuck(slider)]
        if len(panels) < 2 or len(set(map(str, panels))) < len(panels):
            problems.append("a chooser with buttons that change nothing")
    return problems + [problem for slider in page.locator(SLIDERS).all() for problem in stuck(slider)]


def stuck(slider) -> list[str]:
    """What is wrong with one slider, if it is visible."""
    if not slider.is_visible():
        return []
    problems = []
    for handle in slider.locator("input[type=range]").all():
        before = slider.evaluate(SHOWN)
        at_end = handle.evaluate("(handle) => handle.value === handle.max")
        handle.press("ArrowLeft" if at_end else "ArrowRight")
        after = slider.evaluate(SHOWN)
        if len(before) != 1 or len(after) != 1 or after == before:
            problems.append(f"a slider that moves no picture: {slider.inner_text()[:60]}")
    if slider.evaluate("(slider) => [...slider.querySelectorAll('img')].some((image) => !image.alt)"):
        problems.append("a picture of a slider without alt text")
    return problems
