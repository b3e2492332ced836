"""Guards of the Colab edition: it is up to date, plain notebooks show it, and solutions stay closed until opened."""

import ast
import builtins
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from outline import ROOT, address, chapters, colab_address, tag
from plain_markdown import Book, Label, NotKnown, Writer, labels_in_text, numbers

from colab import BOX, FOLDER, Edition, edition, only_draws, opened, stale, whole_edition

RAW = (r":::", r"\{[a-z][\w:]*\}`", r"(?m)^\([\w-]+\)=", r"\$\$[ ]*\([\w-]+\)[ ]*$", r"\{\{", r"\\label\{")
RELATIVE_LINK = re.compile(r"\]\((?!https://)[^)]*\)|(?:src|href)=[\"'](?!https://)")
FOLDED = re.compile(r"(<summary>.*?</summary>).*?</details>", re.DOTALL)
SOLUTION = re.compile(r"^:::\{solution-(start|end)\}.*\n(?::class:.*\n)?:::$", re.MULTILINE)


@pytest.fixture(scope="module")
def book() -> Book:
    return Book.read()


@pytest.fixture(scope="module")
def whole() -> dict[Path, str]:
    return whole_edition()


@pytest.fixture(scope="module")
def editions(whole) -> dict[str, nbformat.NotebookNode]:
    return {path.stem: nbformat.reads(text, 4) for path, text in whole.items()}


def written(source: str, book: Book, page: str = "book/fft_loss") -> str:
    return Writer(book, page, "cell 7 (x)").text(source)


def visible(notebook: nbformat.NotebookNode) -> str:
    """What a reader sees before opening anything: folded text only by its summary, forms only by their titles."""
    texts = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            texts.append(FOLDED.sub(r"\1", cell.source))
        elif cell.metadata.get("cellView") == "form":
            texts += re.findall(r"^# @.*", cell.source, re.MULTILINE)
        else:
            texts.append(cell.source)
    return "\n\n".join(texts)


def parts(path) -> Iterator[tuple[int, nbformat.NotebookNode, str]]:
    """The pieces of a chapter's cells, each with the number of its solution, or 0 if it is in none."""
    solution, latest = 0, 0
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            yield solution, cell, cell.source
            continue
        start = 0
        for match in SOLUTION.finditer(cell.source):
            yield solution, cell, cell.source[start : match.start()]
            latest += match[1] == "start"
            solution, start = latest if match[1] == "start" else 0, match.end()
        yield solution, cell, cell.source[start:]


def test_it_is_up_to_date(whole):
    found = stale(whole)
    assert not found, f"the Colab edition is stale: {', '.join(found)}; run make colab"


def test_a_stale_edition_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr("colab.FOLDER", tmp_path)
    wanted = {tmp_path / "same.ipynb": "a", tmp_path / "changed.ipynb": "b", tmp_path / "new.ipynb": "c"}
    (tmp_path / "same.ipynb").write_text("a", encoding="utf-8")
    (tmp_path / "changed.ipynb").write_text("another b", encoding="utf-8")
    (tmp_path / "old.ipynb").write_text("d", encoding="utf-8")
    assert stale(wanted) == [
        "colab/changed.ipynb is older than book/changed.ipynb",
        "colab/new.ipynb is missing",
        "colab/old.ipynb belongs to no chapter",
    ]


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
class TestNotebook:
    def test_is_valid_and_holds_no_outputs(self, path, editions):
        made = editions[path.stem]
        nbformat.validate(made)
        assert len({cell.id for cell in made.cells}) == len(made.cells)
        code = [cell for cell in made.cells if cell.cell_type == "code"]
        assert not any(cell.outputs or cell.execution_count for cell in code)
        assert made.metadata.get("microtutor") == nbformat.read(path, as_version=4).metadata.get("microtutor")

    def test_begins_with_the_badge_the_title_and_the_install_cell(self, path, editions):
        badge, title, install = editions[path.stem].cells[:3]
        assert f"]({colab_address(path.stem)})" in badge.source
        assert title.source.startswith("# ")
        assert install.metadata.cellView == "form"
        assert install.source.startswith("# @title Install microtutor")
        assert "%pip install" in install.source

    @pytest.mark.parametrize("raw", RAW)
    def test_shows_no_raw_construct(self, path, editions, raw):
        found = [cell.source for cell in editions[path.stem].cells if re.search(raw, cell.source)]
        assert not found

    def test_has_no_relative_link(self, path, editions):
        texts = [cell.source for cell in editions[path.stem].cells if cell.cell_type == "markdown"]
        assert not [match[0] for text in texts for match in RELATIVE_LINK.finditer(without_code(text))]

    def test_every_code_cell_compiles(self, path, editions):
        for cell in editions[path.stem].cells:
            if cell.cell_type == "code":
                compile(TransformerManager().transform_cell(cell.source), cell.id, "exec")

    def test_every_exercise_has_an_answer_cell_and_a_solution(self, path, editions):
        text = path.read_text(encoding="utf-8")
        made = editions[path.stem].cells
        asked = [n for n, cell in enumerate(made) if cell.source.startswith("### Exercise ")]
        assert len(asked) == text.count("{exercise-end}") > 0
        for n, end in zip(asked, [*asked[1:], len(made)]):
            cells = [cell for cell in made[n:end] if cell.cell_type == "code" and "cellView" not in cell.metadata]
            answers = [
                cell.source for cell in cells if re.search(r"^# Your answer|^check\(", cell.source, re.MULTILINE)
            ]
            assert len(answers) == 1, f"{len(answers)} cells for an answer come after {made[n].id}"
        assert sum("open it when you have tried" in cell.source for cell in made) == text.count("{solution-start}")

    def test_shows_nothing_of_a_solution(self, path, editions):
        """No longer piece of its sentences and captions, and no line of its code that is not in an open cell too."""
        seen = visible(editions[path.stem])
        in_the_open = "\n".join(text for solution, _, text in parts(path) if not solution)
        phrases = []
        for solution, cell, text in parts(path):
            if not solution:
                continue
            if cell.cell_type == "code":
                mystnb = cell.metadata.get("mystnb", {"figure": {"caption": ""}, "image": {"alt": ""}})
                phrases += [line.strip() for line in text.split("\n") if len(line.strip()) > 25]
                text = f"{mystnb['figure']['caption']}\n{mystnb['image']['alt']}"
            phrases += [piece.strip() for piece in re.split(r"[][{}$`*()<>\n]", text) if len(piece.strip()) > 25]
        hidden = [phrase for phrase in phrases if phrase not in in_the_open]
        assert len(hidden) > 5
        assert not [phrase for phrase in hidden if phrase in seen]

    def test_run_all_runs_no_solution_and_needs_none(self, path):
        """Open cells use no name that only a solution defines, and a solution uses no name of another."""
        defined, code = set(dir(builtins)) | {"display", "get_ipython"}, TransformerManager()
        in_solution: dict[int, set[str]] = {}
        for solution, cell, text in parts(path):
            if cell.cell_type != "code":
                continue
            tree = ast.parse(code.transform_cell(text))
            bound = names_bound(tree)
            known = in_solution.setdefault(solution, set()) if solution else set()
            known |= bound if solution else set()
            missing = names_used(tree) - defined - known - bound
            assert not missing, f"{path.name}, cell {cell.id}: {sorted(missing)} are defined only in a solution"
            defined |= set() if solution else bound


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$|`[^`\n]+`|\$\$.*?\$\$|\$[^$]+\$", "", text, flags=re.MULTILINE | re.DOTALL)


def names_used(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def names_bound(tree: ast.AST) -> set[str]:
    bound = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
    return bound


def test_only_what_trains_on_a_gpu_asks_for_one(editions):
    assert [name for name, made in editions.items() if "accelerator" in made.metadata] == ["training"]


def test_it_is_small():
    assert sum(path.stat().st_size for path in FOLDER.glob("*.ipynb")) < 2_000_000


# --- single constructs ------------------------------------------------------------------------------------------------
def site(page: str) -> str:
    owner, name = address().removeprefix("https://github.com/").split("/")
    return f"https://{owner}.github.io/{name}/{page}"


def test_chapters_count_on_from_part_to_part():
    assert numbers()["book/microstructures"] == 1
    assert numbers()["book/vae"] == 8
    assert "book/notation" not in numbers()


def test_boxes_become_quotations(book):
    source = "Before.\n\n:::{admonition} Do *this*\n:class: tip\n- one\n\n$$\na\n= b\n$$\n:::\n\nAfter."
    assert written(source, book) == "Before.\n\n> **Do *this***\n>\n> - one\n>\n> $$ a = b $$\n\nAfter."
    assert written(":::{seealso}\nx\n:::", book) == "> **See also**\n>\n> x"
    assert written("::::{note}\n:::{warning}\nx\n:::\n::::", book) == "> **Note**\n>\n> > **Warning**\n> >\n> > x"


def test_equations_have_the_numbers_of_the_site(book):
    last, first = (book.labels[name].words for name in ("eq-fft-parseval", "eq-fft-loss"))
    assert re.fullmatch(r"\(6\.\d\)", last)
    assert written("$$\na = b\n$$ (eq-fft-parseval)", book) == f"$$\na = b\n\\tag{{{last[1:-1]}}}\n$$"
    assert written("$$a$$ (eq-fft-loss)", book) == f"$$a \\tag{{{first[1:-1]}}} $$"
    assert written("By {eq}`eq-fft-parseval`.", book) == f"By {last}."


def test_references_become_words_and_links(book):
    assert written("{numref}`fig-fft-spaces` shows", book) == "Fig. 6.2 shows"
    elsewhere = f"[Fig. 6.2]({site('book/fft_loss.html#fig-fft-spaces')})"
    assert written("{numref}`fig-fft-spaces`", book, "book/gauge") == elsewhere
    target = site("book/own_micrograph.html#own-directions")
    assert written("{ref}`two directions <own-directions>`", book) == f"[two directions]({target})"
    assert written("{ref}`ex-fft-homometric`", book).startswith("[Exercise 6.")
    assert written("[both](own-directions)", book) == f"[both]({target})"
    assert written("(own-directions)=\n### Two", book) == "### Two"
    assert written("{doc}`speed`", book) == f"[How fast, and how large]({site('book/speed.html')})"


def test_terms_lead_to_the_glossary(book):
    masks = site("book/glossary.html#term-mask")
    assert written("a {term}`mask`, {term}`Masks <mask>`", book) == f"a [mask]({masks}), [Masks]({masks})"


def test_figures_and_statements_are_numbered(book):
    labels = book.labels | {
        "fig-x": Label("Fig. 5.20", "book/fft_loss", "fig-x"),
        "thm-x": Label("Theorem 5.1", "book/fft_loss", "thm-x"),
    }
    longer = replace(book, labels=labels)
    figure = written(":::{figure} _static/result.png\n:name: fig-x\n:alt: Lines.\n\nA *caption*.\n:::", longer)
    raw = address().replace("github.com", "raw.githubusercontent.com")
    assert figure == f"![Lines.]({raw}/{tag()}/book/_static/result.png)\n\n**Fig. 5.20.** A *caption*."
    theorem = written(":::{prf:theorem} Mine\n:label: thm-x\nLet $x$.\n:::\n{prf:ref}`thm-x`", longer)
    assert theorem == "> **Theorem 5.1 (Mine)**\n>\n> Let $x$.\nTheorem 5.1"


def test_labels_are_counted_by_kind_and_in_order():
    text = ":::{figure} a.png\n:name: f\n:::\n$$ a $$ (e)\n:::{prf:lemma}\n:label: l\n$$ b $$ (g)\n:::\n(t)=\n# Title"
    counts = Counter()

    def numbered(kind: str) -> str:
        counts[kind] += 1
        return f"5.{counts[kind]}"

    words = {name: label.words for name, label in labels_in_text(text, "book/fft_loss", numbered)}
    assert words == {"f": "Fig. 5.1", "e": "(5.1)", "l": "Lemma 5.1", "g": "(5.2)", "t": "Title"}


def test_citations_name_author_and_year(book):
    references = site("book/references.html")
    assert written("{cite}`torquato2002`", book) == f"([Torquato, 2002]({references}))"
    two = f"([Brown, 1955]({references}); [Torquato, 2002]({references}))"
    assert written("{cite}`torquato2002,brown1955`", book) == two
    assert written("{cite:t}`hashemi2024` say", book) == f"[Hashemi *et al.* (2024)]({references}) say"
    assert "Kingma and Ba" in written("{cite}`kingma2015`", book)


def test_links_become_absolute(book):
    assert written("[a](fft_way.ipynb#masks)", book) == f"[a]({site('book/fft_way.html#masks')})"
    assert (
        written("[a](speed) [b](notation.md)", book)
        == f"[a]({site('book/speed.html')}) [b]({site('book/notation.html')})"
    )
    assert written("[a](#here)", book) == f"[a]({site('book/fft_loss.html#here')})"
    assert written("[a](https://x.org/y.ipynb)", book) == "[a](https://x.org/y.ipynb)"
    assert written("[a](../LICENSE)", book) == f"[a]({address()}/blob/{tag()}/LICENSE)"
    raw = address().replace("github.com", "raw.githubusercontent.com")
    assert written("![a](_static/result.png)", book) == f"![a]({raw}/{tag()}/book/_static/result.png)"


@pytest.mark.parametrize(
    "source",
    [
        "`{eq}` and `[a](b)`",
        "```python\nx = f'{a}`'  # [a](b)\n```",
        "$f[0](x) = \\{a\\}$ and $$ g[1](y) $$",
        "A set {1, 2}, a price of 5 %, and (a)=b.",
    ],
)
def test_code_and_mathematics_stay_as_they_are(book, source):
    assert written(source, book) == source


@pytest.mark.parametrize(
    ("source", "construct"),
    [
        (":::{margin}\nx\n:::", "{margin}"),
        (":::{note}\nnever ended", ":::{note}"),
        ("{kbd}`x`", "{kbd}"),
        ("{numref}`fig-nowhere`", "'fig-nowhere'"),
        ("{eq}`eq-nowhere`", "'eq-nowhere'"),
        ("{term}`nonsense`", "'nonsense'"),
        ("{cite}`nobody1900`", "'nobody1900'"),
        ("[a](nowhere.ipynb)", "'nowhere.ipynb'"),
        ("Text[^1]", "[^1]"),
        ("{{ version }}", "{{ version }}"),
        ("```{note}\nx\n```", "```{note}"),
    ],
)
def test_what_is_not_known_is_an_error_that_names_its_place(book, source, construct):
    with pytest.raises(NotKnown, match=re.escape(construct)) as error:
        written(source, book)
    assert str(error.value).startswith("book/fft_loss.ipynb, cell 7 (x): ")


# --- solutions --------------------------------------------------------------------------------------------------------
@pytest.fixture
def small(book) -> nbformat.NotebookNode:
    """A chapter of one exercise, whose solution has two cells of code."""
    made = Edition("fft_loss", book)
    label = "ex-fft-homometric"
    sources = [
        ("markdown", f":::{{exercise-start}} Sum\n:label: {label}\n:::\nAdd them.\n:::{{exercise-end}}\n:::"),
        ("markdown", f":::{{solution-start}} {label}\n:class: dropdown\n:::\nLike so:"),
        ("code", "def total(values):\n    return sum(values)\n\n\nfound = [1, 2]"),
        ("markdown", "And so:"),
        ("code", "found.append(3)\n(\n    total(found)\n)  # the sum"),
        ("markdown", ":::{solution-end}\n:::\nNext."),
    ]
    for index, (kind, source) in enumerate(sources):
        made.read(getattr(nbformat.v4, f"new_{kind}_cell")(source, id=f"s-{index}"), index)
    return nbformat.v4.new_notebook(cells=made.cells)


def run(notebook: nbformat.NotebookNode) -> tuple[dict, list]:
    """The names and the displayed values after all cells have run."""
    shown: list = []
    names = {"display": shown.append}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
    return names, shown


def test_an_exercise_is_followed_by_an_answer_cell_and_a_closed_solution(small, book):
    words = book.labels["ex-fft-homometric"].words
    number = words.removeprefix("Exercise ")
    assert [cell.source.split("\n")[0] for cell in small.cells[1:]] == [
        f"### {words}: Sum",
        "# Your answer",
        f"<details><summary>Solution to exercise {number}: open it when you have tried</summary>",
        f'# @title Solution {number} {{ display-mode: "form", run: "auto" }}',
        f"<details><summary>Solution to exercise {number}, continued</summary>",
        f'# @title Solution {number}, part 2 (run part 1 first) {{ display-mode: "form", run: "auto" }}',
        "Next.",
    ]
    assert small.cells[1].source.endswith("\n\nAdd them.")


def test_an_answer_cell_of_the_chapter_is_the_only_one(book):
    made, label = Edition("fft_loss", book), "ex-fft-homometric"
    start, end = f":::{{exercise-start}} Sum\n:label: {label}\n:::\nAdd them.", ":::{exercise-end}\n:::"
    made.read_all(
        [
            nbformat.v4.new_markdown_cell(f"{start}\n{end}"),
            nbformat.v4.new_code_cell("def my_sum(a): ...\n\n\ncheck('sum', my_sum)"),
            nbformat.v4.new_markdown_cell(f"{start}\n{end}"),  # without one, at the end of a chapter
        ]
    )
    assert [cell.source.split("\n")[0] for cell in made.cells[1:] if cell.cell_type == "code"] == [
        "def my_sum(a): ...",
        "# Your answer",
    ]


def test_a_closed_solution_does_nothing_and_an_opened_one_runs(small):
    names, shown = run(small)
    assert "found" not in names
    assert shown == []
    names, shown = run(opened(small))
    assert names["found"] == [1, 2, 3]
    assert shown == [6]
    assert BOX in small.cells[4].source, "opened() has to leave its argument as it is"


@pytest.mark.parametrize(
    ("code", "construct"), [('a = """x\ny"""', "a string over several lines"), ("%pip list", "line 1 of a solution")]
)
def test_a_solution_that_cannot_be_closed_is_an_error(book, code, construct):
    made = Edition("fft_loss", book)
    made.solution = "5.4"
    with pytest.raises(NotKnown, match=construct):
        made.read(nbformat.v4.new_code_cell(code, id="x"), 3)


def test_a_chapter_whose_solution_does_not_end_is_an_error(book, tmp_path):
    cell = nbformat.v4.new_markdown_cell(":::{solution-start} ex-fft-homometric\n:::\nx", id="a")
    path = tmp_path / "fft_loss.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    with pytest.raises(NotKnown, match="is not ended"):
        edition(path, book)


def test_the_command_says_what_is_stale(capsys, monkeypatch, tmp_path, whole):
    import colab
    from colab import main

    monkeypatch.setattr("colab.whole_edition", lambda: {colab.FOLDER / path.name: whole[path] for path in whole})
    assert main(["--check"]) == 0
    assert "up to date" in capsys.readouterr().out
    monkeypatch.setattr("colab.FOLDER", tmp_path)
    (tmp_path / "old.ipynb").write_text("{}", encoding="utf-8")
    assert main(["--check"]) == 1
    assert "Run make colab." in capsys.readouterr().out
    assert main([]) == 0
    assert {path.stem for path in tmp_path.glob("*.ipynb")} == {path.stem for path in chapters()}
    assert (ROOT / "colab" / "vae.ipynb").read_bytes() == (tmp_path / "vae.ipynb").read_bytes()


def test_a_cell_that_only_draws_is_told_from_one_that_others_need():
    draws = "figure, ax = plt.subplots()\nax.plot(x)\nplt.show()"
    assert only_draws(draws, ["print(x)", "figure, ax = plt.subplots()"])
    assert not only_draws(draws, ["ax.plot(2)"])  # a later cell goes on in the figure
    assert not only_draws(f"y = 2 * x\n{draws}", ["%time print(y)", "print(y)"])
    assert not only_draws(f"def double(x):\n    return 2 * x\n\n\n{draws}", [])
    assert not only_draws("print(x)", [])
