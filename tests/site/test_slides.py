"""The slides of each chapter in a real browser: pages turn, all formulas are set, and everything fits on its page."""

import pytest
from outline import chapters
from plain_markdown import Book
from slides import slides

SHOWN = "() => [...document.querySelectorAll('section')].findIndex((one) => one.classList.contains('shown'))"
PROBLEMS = r"""() => {
  const problems = [];
  for (const formula of document.querySelectorAll(".math"))
    if (!formula.querySelector("mjx-container svg")) problems.push("not drawn: " + formula.textContent);
  for (const wrong of document.querySelectorAll("[data-mml-node=merror]")) problems.push(wrong.textContent);
  document.querySelectorAll("section").forEach((one, number) => {
    const inside = one.querySelector(".inside");
    if (inside.scrollHeight > inside.clientHeight + 1) problems.push(`page ${number + 1} is too full`);
    for (const picture of one.querySelectorAll("img"))
      if (!picture.naturalWidth || picture.clientHeight < 200) problems.push(`page ${number + 1}: no picture`);
  });
  return problems;
}"""


@pytest.fixture(scope="module")
def book() -> Book:
    return Book.read()


@pytest.mark.slow
@pytest.mark.parametrize("chapter", chapters(), ids=lambda path: path.stem)
def test_slides_fit_turn_and_print(browser, tmp_path, book, chapter):
    file = tmp_path / "slides.html"
    file.write_text(slides(chapter, book), encoding="utf-8")
    page, problems = browser.new_page(viewport={"width": 1024, "height": 768}), []
    page.on("request", lambda request: request.url.startswith(("data:", "file:")) or problems.append(request.url))
    page.on("console", lambda said: problems.append(said.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(file.as_uri())
    page.wait_for_function("window.set || !window.MathJax")
    assert page.evaluate(PROBLEMS) == []
    assert page.evaluate(SHOWN) == 0
    for key, shown in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("Home", 0), ("ArrowLeft", 0)):
        page.keyboard.press(key)
        assert page.evaluate(SHOWN) == shown
    page.keyboard.press("End")
    pages = page.evaluate(SHOWN) + 1
    assert pages == page.locator("section").count()
    printed = page.pdf(prefer_css_page_size=True)
    assert printed.count(b"/Type /Page\n") == pages
    assert problems == []
    page.close()
