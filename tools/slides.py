"""Write the slides of a chapter: one HTML file with its title, figures, questions and exercises, one page each.

The file holds all that it needs, pictures and MathJax included. Arrow keys turn the pages; printed, each slide is a
page of its own. Solutions are left out, and answers to the questions are closed until they are opened.
"""

import base64
import html
import re
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path

import nbformat
import outline
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbformat import NotebookNode
from plain_markdown import PICTURES, Book

from colab import Edition, edition

STYLE = """
@page { size: 1280px 720px; margin: 0; }
* { box-sizing: border-box; }
html, body { margin: 0; background: white; color: #111; font: 28px/1.45 sans-serif; }
section { position: relative; width: 1280px; height: 720px; padding: 40px 56px; overflow: hidden; background: white;
  break-after: page; }
section > .inside { height: 100%; overflow: auto; }
section.figure > .inside { display: flex; flex-direction: column; overflow: hidden; }
section.figure img { flex: 1 1 0; min-height: 0; object-fit: contain; max-width: 100%; }
section.figure .caption { font-size: 22px; line-height: 1.35; }
section.title > .inside { display: flex; flex-direction: column; justify-content: center; }
section.title .inside > * { max-width: 1060px; }
h1 { font-size: 56px; line-height: 1.15; margin: 0 0 0.5em; }
h2 { font-size: 34px; line-height: 1.2; margin: 0 0 0.4em; color: #0b4f8a; }
p, ul, ol, pre, details { margin: 0.4em 0; }
pre, code { font-family: monospace; font-size: 0.85em; }
details { border-left: 6px solid #0b4f8a; padding: 2px 14px; }
summary { cursor: pointer; }
blockquote { border-left: 6px solid #aaa; margin: 0.4em 0; padding: 0 0.8em; }
footer { position: absolute; right: 24px; bottom: 10px; font-size: 16px; color: #555; }
@media screen {
  html { background: #333; overflow: hidden; }
  .turned section { position: absolute; left: 0; top: 0; visibility: hidden; transform-origin: 0 0; }
  .turned section.shown { visibility: visible; }
}
"""
# The size of letters is lessened where a page would not hold all; a window of any size shows a whole page.
SCRIPT = """
const pages = [...document.querySelectorAll("section")];
let page = 0;
function place() {
  const scale = Math.min(innerWidth / 1280, innerHeight / 720);
  const right = (innerWidth - 1280 * scale) / 2, down = (innerHeight - 720 * scale) / 2;
  for (const one of pages) one.style.transform = `translate(${right}px, ${down}px) scale(${scale})`;
}
function turn(to) {
  page = Math.max(0, Math.min(pages.length - 1, to));
  pages.forEach((one, number) => one.classList.toggle("shown", number === page));
  history.replaceState(null, "", "#" + (page + 1));
}
function fit(one) {
  const inside = one.querySelector(".inside");
  for (let size = 28; size > 12 && inside.scrollHeight > inside.clientHeight + 1; size--)
    inside.style.fontSize = size + "px";
}
addEventListener("keydown", (event) => {
  const steps = { ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1 };
  const open = event.target.closest && event.target.closest("summary");
  if (event.key in steps && !(open && event.key === " ")) { event.preventDefault(); turn(page + steps[event.key]); }
  if (event.key === "Home") turn(0);
  if (event.key === "End") turn(pages.length - 1);
});
addEventListener("resize", place);
addEventListener("beforeprint", () => pages.forEach((one) => one.style.transform = ""));
addEventListener("afterprint", place);
document.body.classList.add("turned");
place();
turn(parseInt(location.hash.slice(1) || "1") - 1);
pages.filter((one) => !one.classList.contains("figure")).forEach(fit);
"""
MATHJAX = """
window.MathJax = {
  tex: {
    inlineMath: [["\\\\(", "\\\\)"]],
    displayMath: [["\\\\[", "\\\\]"]],
    packages: { "[-]": ["require", "autoload"] },
  },
  svg: { scale: 0.9 },
  options: { enableMenu: false },
  startup: {
    pageReady: () => MathJax.startup.defaultPageReady().then(() => { pages.forEach(fit); window.set = true; }),
  },
};
"""


class Projected(Edition):
    """The cells from which slides are made: no solutions, and each caption with its picture."""

    def solution_text(self, text: str) -> str:
        return ""

    def read_code(self, cell: NotebookNode, rest: Sequence[str]) -> None:
        if not self.solution:
            self.picture = next(
                (out.data["image/png"] for out in cell.outputs if "image/png" in out.get("data", {})), ""
            )
            super().read_code(cell, rest)

    def add_caption(self, figure: NotebookNode, alt: str) -> None:
        cell = nbformat.v4.new_markdown_cell(self.writer.caption(figure.name, figure.caption))
        cell.metadata.update({"picture": f"data:image/png;base64,{''.join(self.picture.split())}", "alt": alt})
        self.add(cell, "caption")


def slides(path: Path, book: Book) -> str:
    """The slides of a chapter, as the text of an HTML file."""
    pages = list(pages_of(edition(path, book, Projected).cells, book))
    (title, *_) = re.findall(r"<h1>(.*?)</h1>", pages[0][1])
    sections = "\n".join(
        f'<section class="{kind}"><div class="inside">\n{inside}</div>\n'
        f"<footer>{title} · {n} / {len(pages)}</footer></section>"
        for n, (kind, inside) in enumerate(pages, start=1)
    )
    scripts = [SCRIPT, *(mathjax() if 'class="math ' in sections else [])]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{title}: slides</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{sections}\n"
        + "".join(f"<script>{script}</script>\n" for script in scripts)
        + "</body>\n</html>\n"
    )


def mathjax() -> list[str]:
    """Scripts that set the formulas of a page."""
    code = (files("mathjax") / "static" / "mathjax" / "es5" / "tex-svg.js").read_text(encoding="utf-8")
    return [MATHJAX, code.replace("</script", "<\\/script")]


def pages_of(cells: Sequence[NotebookNode], book: Book) -> Iterator[tuple[str, str]]:
    """Kind and content of each page."""
    heading, first = "", True
    for number, cell in enumerate(cells[1:], start=1):  # the first says what an edition is
        if cell.cell_type != "markdown":
            continue
        text = re.split(r"\n> \*\*", cell.source)[0] if first else cell.source
        if first:
            yield "title", rendered(text)
        elif "picture" in cell.metadata:
            yield "figure", figure(heading, cell.metadata.picture, cell.metadata.alt, cell.source)
        elif exercise := re.match(r"### (Exercise .*)", text):
            asked = rendered(f"## {exercise[1]}{text[exercise.end() :]}")
            yield "exercise", "\n".join([asked, *answers(cells[number + 1 :])])
        elif "## Check yourself" in text:
            yield from (("question", rendered(f"## Check yourself\n\n{one}")) for one in questions(text))
        for picture in re.finditer(r"!\[([^\]]*)\]\(([^)]+)\)\n\n(.*)", cell.source):
            yield "figure", figure(heading, inlined(picture[2], book), picture[1], picture[3])
        first = False
        heading = next(reversed(re.findall(r"^#{2,} (.*)", cell.source, re.MULTILINE)), heading)


def answers(cells: Sequence[NotebookNode]) -> Iterator[str]:
    """The starts of answers that have a check, up to the next exercise."""
    for cell in cells:
        if cell.cell_type == "markdown" and cell.source.startswith("### Exercise "):
            return
        if cell.cell_type == "code" and re.search(r"^check\(", cell.source, re.MULTILINE):
            yield f"<pre>{html.escape(cell.source)}</pre>"


def questions(text: str) -> list[str]:
    """The questions of a quiz, each with its answers."""
    return re.findall(r"^\*\*\d+\. .*?(?=^\*\*\d+\. |^#|\Z)", text, re.MULTILINE | re.DOTALL)


def figure(heading: str, picture: str, alt: str, caption: str) -> str:
    image = f'<img alt="{html.escape(alt)}" src="{picture}">'
    return f'{rendered(f"## {heading}")}{image}\n<div class="caption">{rendered(caption)}</div>\n'


def inlined(address: str, book: Book) -> str:
    """A picture of the book as text that an HTML file can hold."""
    path = outline.ROOT / address.removeprefix(f"{book.raw}/")
    kind = {".svg": "svg+xml", ".jpg": "jpeg"}.get(path.suffix, path.suffix[1:])
    assert path.suffix in PICTURES
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def mathematics(content: str, options: dict) -> str:
    left, right = (r"\[", r"\]") if options["display_mode"] else (r"\(", r"\)")
    return f"{left}{html.escape(content)}{right}"


def rendered(text: str) -> str:
    """HTML of plain Markdown. A link leaves its words: a projector follows none."""
    words = re.sub(r"(?<!!)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(https?://[^)\s]*\)", r"\1", text)
    words = re.sub(r"!\[[^\]]*\]\([^)]+\)\n\n.*", "", words)
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    return reader.use(dollarmath_plugin, allow_space=False, renderer=mathematics).render(words)
