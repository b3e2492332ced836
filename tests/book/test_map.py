"""The page "How the code is laid out" is true: its groups, what they import, its numbers and its links."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest
from outline import ROOT, address, branch

import microtutor

PACKAGE = Path(microtutor.__file__).parent
PAGE = (ROOT / "book" / "code_map.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
SOURCE = f"{address()}/blob/{branch()}/microtutor/"
GROUPS = ("The road", "Its ground", "Beside the road", "For the book")
BY_NAME = {"cli"}  # a folder whose door starts the command
MAY_IMPORT = {
    "Its ground": {"Its ground"},
    "The road": {"Its ground", "The road"},
    "Beside the road": {"Its ground", "The road", "Beside the road"},
    "For the book": set(GROUPS),
}
OF_LIBRARIES = {  # private names of other packages, which have no public ones for this
    "checks": {"_getframe"},
    "environment": {"_is_avx512_bf16_supported"},
    "statistics.blocks": {"_mmap"},
    "training.loop": {"_reset_state"},
}


def path_of(module: str) -> Path:
    path = PACKAGE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").removesuffix(".")


MODULES = sorted(module_of(path) for path in PACKAGE.rglob("*.py"))  # the package itself is ""
DOORS = {module for module in MODULES if path_of(module).name == "__init__.py"} - BY_NAME


def section(title: str) -> str:
    """The text under a heading, up to the next heading of its own level, or of that of another group."""
    (level, text) = re.search(rf"^(##+) {title}\n(.*)", PAGE, re.MULTILINE | re.DOTALL).groups()
    return re.split(rf"^(?:#{{2,{len(level)}}}|#+ Its ground)(?: |$)", text, flags=re.MULTILINE)[0]


def listed(title: str) -> list[str]:
    """The modules of a group in the order of the page, each a link in the first column of a table."""
    return re.findall(r"^\| \[`([\w.]+)`\]", section(title), re.MULTILINE)


GROUP = {module: title for title in GROUPS for module in listed(title)}


def tree(module: str) -> ast.Module:
    return ast.parse(path_of(module).read_text(encoding="utf-8"))


def imports(module: str) -> set[tuple[str, str]]:
    """What a module imports from the package, anywhere in it: pairs of module and name."""
    found = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            assert not any(alias.name.split(".")[0] == "microtutor" for alias in node.names), f"{module}: use from"
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "microtutor":
            source = node.module.removeprefix("microtutor").removeprefix(".")
            found |= {(source, alias.name) for alias in node.names}
    return found


def home(module: str, name: str) -> str:
    """The module in which a name is written, found through doors."""
    inside = f"{module}.{name}".removeprefix(".")
    if inside in MODULES:
        return inside
    if module in DOORS:
        return next((home(*pair) for pair in sorted(imports(module)) if pair[1] == name), module)
    return module


def imported(module: str) -> set[str]:
    return {home(*pair) for pair in imports(module)}


def code_lines(module: str) -> set[int]:
    """Lines that hold more than a comment or a docstring."""
    text = path_of(module).read_text(encoding="utf-8")
    silent = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type not in silent]
    lines = {line for token in tokens for line in range(token.start[0], token.end[0] + 1)}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            lines -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return lines


@pytest.mark.parametrize("module", MODULES)
def test_a_function_has_at_most_fifty_lines_of_code(module):
    lines = code_lines(module)
    for node in ast.walk(ast.parse(path_of(module).read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert len(lines & set(range(node.lineno, (node.end_lineno or 0) + 1))) <= 50, node.name


def test_every_module_stands_in_exactly_one_group():
    rows = [module for title in GROUPS for module in listed(title)]
    assert sorted(rows) == sorted(set(MODULES) - DOORS), "the tables of book/code_map.md and the files differ"


@pytest.mark.parametrize("title", GROUPS)
def test_the_numbers_of_the_page(title):
    (row,) = re.findall(rf"^\| {title} \|[^|]*\| (\d+) \| ([\d,]+) \|$", PAGE, re.MULTILINE)
    files, lines = int(row[0]), int(row[1].replace(",", ""))
    assert files == len(listed(title))
    assert lines == pytest.approx(sum(len(code_lines(module)) for module in listed(title)), rel=0.05), (
        "state the number of today"
    )


@pytest.mark.parametrize("module", listed("The road"))
def test_the_road_is_read_from_top_to_bottom(module):
    road = listed("The road")
    later = set(road[road.index(module) :])
    assert not imported(module) & later, f"{module} stands on the page before what it imports"


def test_imports_go_as_the_map_allows():
    allowed = set(re.findall(r"^\| `([\w.]+)` \| `([\w.]+)` \|", section("The road"), re.MULTILINE))
    against = {
        (module, other)
        for module, title in GROUP.items()
        for other in imported(module) - DOORS
        if GROUP[other] not in MAY_IMPORT[title]
    }
    assert against == allowed, "the table of imports that leave the road, in book/code_map.md, says otherwise"


@pytest.mark.parametrize("module", GROUP)
def test_names_of_doors_lead_to_files(module):
    assert not imported(module) & DOORS - {""}, "imported from a door that does not say where the name is written"


@pytest.mark.parametrize("module", sorted(DOORS - {""}))
def test_doors_compute_nothing(module):
    first, *rest = tree(module).body
    assert isinstance(first, ast.Expr)
    for node in rest:
        if isinstance(node, ast.FunctionDef):
            assert node.name == "__getattr__"  # names that are imported when they are asked for
        elif isinstance(node, ast.If):
            assert ast.unparse(node.test) == "TYPE_CHECKING"
        elif isinstance(node, ast.Assign):
            assert ast.unparse(node.targets[0]) == "__all__"
        else:
            assert isinstance(node, (ast.Import, ast.ImportFrom))


def is_private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def own_names(module: str) -> set[str]:
    """Functions, classes, variables, attributes and fields that a module makes itself."""
    nodes = list(ast.walk(tree(module)))
    found = {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    found |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    own = [node for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)]
    return found | {node.attr for node in own if ast.unparse(node.value) == "self"}


@pytest.mark.parametrize("module", MODULES)
def test_no_private_name_is_taken_from_another_module(module):
    assert not {name for _, name in imports(module) if is_private(name)}
    reached = {node.attr for node in ast.walk(tree(module)) if isinstance(node, ast.Attribute)}
    foreign = {name for name in reached if is_private(name)} - own_names(module)
    assert foreign == OF_LIBRARIES.get(module, set())


def test_the_page_links_each_module_to_its_file():
    links = re.findall(r"^\| \[`([\w.]+)`\]\(([^)]*)\)", PAGE, re.MULTILINE)
    assert dict(links) == {module: SOURCE + path_of(module).relative_to(PACKAGE).as_posix() for module in GROUP}


def test_a_stranger_finds_the_gradient_of_the_loss_in_three_clicks():
    (text,) = re.findall(r"^## How the code is laid out\n(.*?)^## ", README, re.MULTILINE | re.DOTALL)
    assert "](book/code_map.md)" in text  # the first click
    before = PAGE.split("\n## ")[0]
    assert f"]({SOURCE}losses.py): begin with the class `StatisticsLoss`" in before  # the second
    defined = {node.name for node in tree("losses").body if isinstance(node, ast.ClassDef)}
    assert "StatisticsLoss" in defined


def test_readme_and_docstring_show_the_same_groups():
    (text,) = re.findall(r"^## How the code is laid out\n(.*?)^## ", README, re.MULTILINE | re.DOTALL)
    rows = dict(re.findall(r"^\| (\w[\w ]*) \| (.*) \|$", text, re.MULTILINE))
    for title in ("The road", "Beside the road", "For the book"):
        told = set(re.findall(r"`([\w.]+)`", rows[title]))
        of_folders = {module.split(".")[0] for module in told if module in DOORS}
        assert told, title
        for module in told - DOORS:
            assert GROUP[module] == title
        for folder in of_folders:
            assert any(other.split(".")[0] == folder for other in listed(title)), f"{folder} has no file in {title}"
    docstring = (microtutor.__doc__ or "").split("\n\n")
    (road,) = (part for part in docstring if part.startswith("    microstructures.samples"))
    assert [line.split()[0] for line in road.splitlines()] == listed("The road")
    (ground,) = (part for part in docstring if part.startswith("Its ground"))
    assert re.findall(r"`([\w.]+)`", ground) == listed("Its ground")
    for title in ("Beside the road", "For the book"):
        (part,) = (part for part in docstring if part.startswith(title))
        for name in re.findall(r"`([\w.]+)`", part):
            assert title in {GROUP[module] for module in GROUP if module == name or module.startswith(f"{name}.")}
