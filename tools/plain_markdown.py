"""Turn the Markdown of the book, with its directives, roles and labels, into what a plain notebook can show.

    book = Book.read()
    Writer(book, "book/fft_loss", "cell 3").text("By {eq}`eq-fft-parseval` ...")    # "By (5.3) ..."

Boxes become quotations, references become words with links to the site, and numbers are those of the site: figures,
equations and exercises count from 1 in each chapter, and chapters count on from part to part. What is not known here
is an error that names its place, so that no reader ever sees a raw directive.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import outline
import yaml
from pybtex.database import Entry, parse_file

DIRECTIVE = re.compile(
    r"^(?P<colons>:{3,})\{(?P<name>[\w:-]+)\}[ ]*(?P<argument>.*)\n(?P<body>(?:.*\n)*?)(?P=colons)[ ]*$", re.MULTILINE
)
OPTION = re.compile(r"^:([\w-]+):[ ]*(.*)\n?", re.MULTILINE)
TARGET = re.compile(r"^\(([\w-]+)\)=$\n*(?=(?:#+ (.*))?)", re.MULTILINE)  # and the heading that follows
# What comes first wins, so that nothing inside code or mathematics is taken for a role or a link.
INLINE = re.compile(
    r"^(?P<fence>`{3,}|~{3,})[^\n{]*\n(?:[^\n]*\n)*?(?P=fence)[ ]*$"
    r"|\$\$(?P<equation>.+?)\$\$(?:[ ]*\((?P<label>[\w-]+)\))?"
    r"|(?<![\\$])\$(?! )[^$]+?\$"
    r"|\{(?P<role>[a-z][\w:]*)\}`(?P<content>[^`]+)`"
    r"|(?<!`)(?P<ticks>`{1,2})(?!`).+?(?<!`)(?P=ticks)(?!`)"
    r"|\]\((?P<link>[^)\s]+)\)",
    re.MULTILINE | re.DOTALL,
)
FORGOTTEN = re.compile(r":::.*|^`{3,}\{.*|\{[a-z][\w:]*\}`.*|^\([\w-]+\)=$|\{\{.*|\[\^.*|^%.*|^\+\+\+.*", re.MULTILINE)
PICTURES = (".png", ".svg", ".jpg", ".webp")
BOXES = ("note", "tip", "hint", "important", "warning", "caution", "attention", "danger", "error", "seealso")
NUMBERED = {"figure": "Fig.", "exercise-start": "Exercise"}


TEACH = "write it otherwise, or teach it to tools/plain_markdown.py"


class NotKnown(ValueError):
    """A construct of the book's Markdown that has no plain form yet."""


@dataclass(frozen=True)
class Directive:
    """A block between colons: `name` with its argument, options and body."""

    name: str
    argument: str
    options: dict[str, str]
    body: str


@dataclass(frozen=True)
class Label:
    """What a label stands for, in words such as "Fig. 2.1" or "(5.3)", and where the site shows it."""

    words: str
    page: str
    anchor: str


@dataclass(frozen=True)
class Book:
    """The addresses of the book, what its labels stand for, and what it cites."""

    site: str
    files: str
    raw: str
    labels: dict[str, Label]
    entries: dict[str, Entry]

    @classmethod
    def read(cls) -> "Book":
        owner, name = outline.address().removeprefix("https://github.com/").split("/")
        labels: dict[str, Label] = {}
        for path in outline.chapters():
            page = str(path.relative_to(outline.ROOT).with_suffix(""))
            for key, label in labels_of(page):
                if key in labels:
                    raise ValueError(f"{page}: the label {key} is there twice, also in {labels[key].page}; rename one")
                labels[key] = label
        return cls(
            site=f"https://{owner}.github.io/{name}",
            files=f"{outline.address()}/blob/{outline.tag()}",
            raw=f"https://raw.githubusercontent.com/{owner}/{name}/{outline.tag()}",
            labels=labels,
            entries=dict(parse_file(str(outline.ROOT / "book" / "references.bib")).entries),
        )

    def page(self, page: str, anchor: str = "") -> str:
        """The address of a page of the site, such as "book/fft_way"."""
        return f"{self.site}/{page}.html" + (f"#{anchor}" if anchor else "")


def blocks(text: str, names: tuple[str, ...] = ()) -> Iterator[str | Directive]:
    """The text, cut into plain pieces and directives, in order; with names, other directives stay in the pieces.

    >>> [block if isinstance(block, str) else block.name for block in blocks("a\\n:::{note}\\nb\\n:::\\nc")]
    ['a\\n', 'note', '\\nc']
    """
    start = 0
    for match in DIRECTIVE.finditer(text):
        if names and match["name"] not in names:
            continue
        yield text[start : match.start()]
        options, body = {}, match["body"]
        while option := OPTION.match(body):
            options[option[1]] = option[2].strip()
            body = body[option.end() :]
        yield Directive(match["name"], match["argument"].strip(), options, body.strip("\n"))
        start = match.end()
    yield text[start:]


@cache
def numbers() -> dict[str, int]:
    """The number of each page that has one: parts with `numbered: true` count on from one to the next."""
    toc = yaml.safe_load((outline.ROOT / "_toc.yml").read_text(encoding="utf-8"))
    parts = [part for part in toc["parts"] if part.get("numbered")]
    return {page["file"]: n for n, page in enumerate((p for part in parts for p in part["chapters"]), start=1)}


def labels_of(page: str) -> Iterator[tuple[str, Label]]:
    """Each label of a chapter, with what it stands for."""
    counts: Counter[str] = Counter()

    def numbered(kind: str) -> str:
        counts[kind] += 1
        return f"{numbers()[page]}.{counts[kind]}"

    for cell in json.loads((outline.ROOT / f"{page}.ipynb").read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "markdown":
            yield from labels_in_text("".join(cell["source"]), page, numbered)
        elif name := cell["metadata"].get("mystnb", {}).get("figure", {}).get("name"):
            yield name, Label(f"Fig. {numbered('Fig.')}", page, name)


def labels_in_text(text: str, page: str, numbered) -> Iterator[tuple[str, Label]]:
    for block in blocks(text):
        if isinstance(block, str):
            for match in sorted([*INLINE.finditer(block), *TARGET.finditer(block)], key=lambda match: match.start()):
                if match.re is TARGET:
                    yield match[1], Label(match[2] or "", page, match[1])
                elif match["label"]:
                    yield match["label"], Label(f"({numbered('equation')})", page, f"equation-{match['label']}")
            continue
        label = block.options.get("label") or block.options.get("name")
        kind = NUMBERED.get(block.name) or (block.name.startswith("prf:") and block.name[4:].capitalize())
        if kind and label and "nonumber" not in block.options:
            yield label, Label(f"{kind} {numbered(kind)}", page, label)
        yield from labels_in_text(block.body, page, numbered)


def authors(entry: Entry) -> str:
    """The authors of a work as the site names them: one, two, or the first *et al.*"""
    people = entry.persons["author"]
    names = [" ".join(str(part) for part in [*who.rich_prelast_names, *who.rich_last_names]) for who in people]
    return " and ".join(names) if len(names) < 3 else f"{names[0]} *et al.*"


@dataclass(frozen=True)
class Writer:
    """Writes pieces of one cell in plain Markdown."""

    book: Book
    page: str
    where: str

    def fail(self, construct: str, advice: str) -> NotKnown:
        return NotKnown(f"{self.page}.ipynb, {self.where}: {construct} {advice}")

    def text(self, source: str) -> str:
        """Markdown without directives that cut a notebook into pieces (exercises and solutions)."""
        plain = "".join(self.inline(b) if isinstance(b, str) else self.directive(b) for b in blocks(source))
        visible = INLINE.sub(lambda match: match[0] if match["role"] or match["link"] else "", plain)
        if left := FORGOTTEN.search(visible):
            raise self.fail(repr(left[0]), "has no plain form: " + TEACH)
        return plain.strip("\n")

    def directive(self, block: Directive) -> str:
        if block.name == "admonition":
            return self.box(self.inline(block.argument), block.body)
        if block.name in BOXES:
            return self.box(block.name.capitalize().replace("Seealso", "See also"), block.body)
        if block.name.startswith("prf:"):
            label = self.book.labels.get(block.options.get("label", ""))
            words = label.words if label else block.name[4:].capitalize()
            return self.box(f"{words} ({block.argument})" if block.argument else words, block.body)
        if block.name == "figure":
            picture = f"![{block.options.get('alt', '')}]({self.link(block.argument)})"
            return f"{picture}\n\n{self.caption(block.options.get('name', ''), block.body)}"
        raise self.fail(f"the directive {{{block.name}}}", "is not known: " + TEACH)

    def box(self, title: str, body: str) -> str:
        """A quotation with a title: the one box that every notebook can show."""
        # Mathematics on one line, as the mark of a quotation must not come between its lines.
        inside = re.sub(r"\$\$.+?\$\$", lambda m: " ".join(m[0].split()), self.text(body), flags=re.DOTALL)
        return "\n".join(f"> {line}".rstrip() for line in [f"**{title}**", "", *inside.split("\n")])

    def caption(self, name: str, caption: str) -> str:
        return f"**{self.label(name).words}.** {self.text(caption)}" if name else self.text(caption)

    def inline(self, text: str) -> str:
        return INLINE.sub(self.replaced, TARGET.sub("", text))

    def replaced(self, match: re.Match) -> str:
        if match["equation"] and match["label"]:
            body, end = match["equation"].rstrip(), "\n" if "\n" in match["equation"] else " "
            return f"$${body}{end}\\tag{{{self.label(match['label']).words[1:-1]}}}{end}$$"
        if match["role"]:
            return self.role(match["role"], match["content"])
        if match["link"]:
            return f"]({self.link(match['link'])})"
        return match[0]

    def role(self, role: str, content: str) -> str:
        explicit = re.fullmatch(r"(.*?)\s*<(.*)>", content, re.DOTALL)
        text, target = explicit.groups() if explicit else ("", content)
        if role in ("cite", "cite:p", "cite:t"):
            return self.citation(target, textual=role == "cite:t")
        if role in ("numref", "eq", "prf:ref") and not explicit:
            label = self.label(target)
            return label.words if label.page == self.page else self.linked(label.words, label)
        if role == "ref":
            label = self.label(target)
            if text or label.words:
                return self.linked(text or label.words, label)
        if role == "doc":
            page = self.page_named(target)
            return f"[{text or title(page)}]({self.book.page(page)})"
        if role == "term":
            if target.lower() not in terms():
                raise self.fail(f"the term {target!r}", "is not in the glossary")
            return f"[{text or target}]({self.book.page(*terms()[target.lower()])})"
        raise self.fail(f"{{{role}}}`{content}`", "is not known: " + TEACH)

    def label(self, name: str) -> Label:
        if name not in self.book.labels:
            raise self.fail(f"the label {name!r}", "is in no chapter: correct it, or say what it stands for")
        return self.book.labels[name]

    def linked(self, words: str, label: Label) -> str:
        return f"[{words}]({self.book.page(label.page, label.anchor)})"

    def citation(self, keys: str, textual: bool) -> str:
        """Author and year, linked to the references of the site; several in the order of their authors."""
        address, words = self.book.page("book/references"), []
        for key in keys.split(","):
            entry = self.book.entries.get(key.strip())
            if entry is None:
                raise self.fail(f"the key {key.strip()!r}", "is not in book/references.bib")
            form = "[{} ({})]({})" if textual else "[{}, {}]({})"
            words.append(form.format(authors(entry), entry.fields["year"], address))
        return ", ".join(sorted(words)) if textual else f"({'; '.join(sorted(words))})"

    def link(self, target: str) -> str:
        """A link as it works from anywhere."""
        if re.match(r"(https?|mailto):", target):
            return target
        if target.endswith(PICTURES):
            return f"{self.book.raw}/{self.relative(target)}"
        if label := self.book.labels.get(target):
            return self.book.page(label.page, label.anchor)
        name, _, anchor = target.partition("#")
        if name and not name.endswith((".md", ".ipynb")) and (outline.ROOT / self.relative(name)).exists():
            return f"{self.book.files}/{self.relative(name)}"
        return self.book.page(self.page_named(name) if name else self.page, anchor)

    def relative(self, target: str) -> str:
        """A path as seen from the root of the repository."""
        path = (outline.ROOT / self.page).parent / target
        return str(path.resolve().relative_to(outline.ROOT)).replace("\\", "/")

    def page_named(self, target: str) -> str:
        page = self.relative(re.sub(r"\.(md|ipynb)$", "", target))
        if page not in outline.pages():
            raise self.fail(f"the link to {target!r}", "leads to no page of _toc.yml")
        return page


@cache
def source(page: str) -> str:
    """The Markdown of a page or a chapter."""
    path = outline.ROOT / f"{page}.md"
    if path.exists():
        return path.read_text(encoding="utf-8")
    cells = json.loads(path.with_suffix(".ipynb").read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def title(page: str) -> str:
    found = re.search(r"^# (.+)", source(page), re.MULTILINE)
    if not found:
        raise ValueError(f"{page} has no title: begin it with a line '# Title'")
    return found[1]


@cache
def terms() -> dict[str, tuple[str, str]]:
    """Page and anchor of each term that the book's glossary explains, by the term in small letters."""
    return {
        term.lower(): (page, "term-" + re.sub(r"[^A-Za-z0-9]+", "-", term))
        for page in outline.pages()
        for block in blocks(source(page))
        if isinstance(block, Directive) and block.name == "glossary"
        for term in re.findall(r"^\S.*", block.body, re.MULTILINE)
    }
