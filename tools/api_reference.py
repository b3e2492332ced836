"""The reference of the package: its public names, how their docstrings become pages, and the links that lead to them.

A name is public unless it begins with an underscore. It is documented once, on a page in `book/api`, in the section of
the file in which it is written: as `microtutor.statistics.autocorrelation` where the door of the folder lists it, else
with the name of its file, as `microtutor.statistics.fft.pair_means`. `tests/book/test_api.py` holds the pages true.

This module is an extension of Sphinx (`local_extensions` in `_config.yml`). Inline code on any page that names exactly
one of these names, such as `autocorrelation` or `vae.decode`, becomes a link to it.
"""

import importlib
import inspect
import re
import typing
from pathlib import Path
from typing import Any

import microtutor

PACKAGE = Path(microtutor.__file__).parent
SECTION = re.compile(r"( *)(Returns|Yields):$")
MARKUP = re.compile(r"^ *\* |(?P<code>`[^`]+`)|(?P<special>[\\*|]|(?<=\w)_(?!\w))")  # bullets stay; see `escaped`
NAME = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*")
MEMBERS = {"attribute", "method", "property"}


# --- public names -----------------------------------------------------------------------------------------------------
def modules() -> list[str]:
    """The files of the package by their full names: no doors, but `microtutor.cli`, which starts the command."""
    paths = [path.relative_to(PACKAGE.parent).with_suffix("") for path in PACKAGE.rglob("*.py")]
    return [*sorted(".".join(path.parts) for path in paths if path.name[0] != "_"), "microtutor.cli"]


def door_of(module: str) -> str:
    return module if module == "microtutor.cli" else module.rpartition(".")[0]


def listed_in(module: str) -> dict[str, object]:
    """What `__all__` of a file or a door lists; nothing of the package, whose names are those of its files."""
    loaded = importlib.import_module(module)
    return {} if module == "microtutor" else {name: getattr(loaded, name) for name in getattr(loaded, "__all__", ())}


def is_defined(thing: Any) -> bool:
    """Whether something is a function or a class, also one behind a cache."""
    return inspect.isclass(thing) or inspect.isfunction(inspect.unwrap(thing))


def is_written_in(module: str, name: str) -> bool:
    """Whether a name is a file's own: a function or class that it defines, or a constant at its top."""
    thing = getattr(importlib.import_module(module), name, None)
    if is_defined(thing):
        return thing.__module__ == module
    path = PACKAGE.parent.joinpath(*module.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return re.search(rf"^(?:\w+, )*{name}(?:, \w+)* = ", source.read_text(encoding="utf-8"), re.MULTILINE) is not None


def public_names() -> dict[str, str]:
    """Every public name as it is documented, with the file in which it is written.

    >>> public_names()["microtutor.statistics.autocorrelation"]
    'microtutor.statistics.correlations'
    """
    found = {"microtutor.__version__": "microtutor"}
    listed = [pair for module in modules() for pair in (listed_in(door_of(module)) | listed_in(module)).items()]
    for module in modules():
        own = vars(importlib.import_module(module))
        names = {name for name, thing in own.items() if is_defined(thing)}
        names |= {name for name, thing in listed if name in own and own[name] is thing}
        of_door = listed_in(door_of(module))
        for name in sorted(names):
            if name[0] != "_" and is_written_in(module, name):
                found[f"{door_of(module) if name in of_door else module}.{name}"] = module
    return found


# --- docstrings -------------------------------------------------------------------------------------------------------
def as_markup(lines: list[str]) -> list[str]:
    """A docstring of the house style in reStructuredText: what comes back is read by napoleon.

    >>> as_markup(["Use `f` or 2 * x.", "", "Returns:", "    A number: 1."])
    ['Use ``f`` or 2 \\\\* x.', '', ':returns: A number: 1.']
    """
    written: list[str] = []
    in_doctest, head = False, ""
    for line in lines:
        in_doctest = bool(line.strip()) and (in_doctest or line.lstrip().startswith(">>> "))
        if in_doctest:
            written.append(line)
        elif section := SECTION.fullmatch(line):
            head = f"{section[1]}:{section[2].lower()}: "  # napoleon would take words before a colon for a type
        else:
            text = escaped(line)
            written.append(head + text.lstrip() if head else re.sub(r"^Source: ", "*Source:* ", text))
            head = ""
    return written


def escaped(line: str) -> str:
    """A line in which inline code is marked twice, and nothing else is taken for markup."""
    return MARKUP.sub(
        lambda found: f"`{found[0]}`" if found["code"] else f"\\{found[0]}" if found["special"] else found[0], line
    )


def write_markup(app, what, name, thing, options, lines: list[str]) -> None:
    lines[:] = as_markup(lines)


def leave_out_fields(app, what, name, thing, skip: bool, options) -> bool | None:
    """Leave out the fields of named tuples, of which Python says "Alias for field number 0": the class tells them."""
    return True if (getattr(thing, "__doc__", None) or "").startswith("Alias for field number") else None


def show_plain_types(app, thing, bound: bool) -> None:
    """Of a parameter of the command, show its type without what is typed for it."""
    if inspect.isfunction(thing) and thing.__module__ == "microtutor.cli.commands":
        thing.__annotations__ = typing.get_type_hints(thing)


# --- links ------------------------------------------------------------------------------------------------------------
def named(text: str, objects: dict) -> str | None:
    """The one documented name that inline code stands for: in full, its last parts, or `vae.decode` for a method."""
    words = text.removesuffix("()")
    if not NAME.fullmatch(words):
        return None
    found = [name for name in objects if f".{name}".endswith(f".{words}")]
    if "." not in words:  # what a reader imports: neither a method nor what only files of the package use
        found = [name for name in found if name.count(".") == 2 and objects[name].objtype not in MEMBERS]
    elif not found and words.count(".") == 1:
        owner, member = words.split(".")
        methods = [name for name in objects if objects[name].objtype in MEMBERS and name.endswith(f".{member}")]
        found = [name for name in methods if name.split(".")[-2].lower() == owner.lower()]
    return found[0] if len(found) == 1 else None


def link_names(app, doctree, docname: str) -> None:
    """Make a link of inline code that names one public name, but for headings, links and that name's own entry."""
    from docutils import nodes
    from sphinx.util.nodes import make_refnode

    objects = app.env.get_domain("py").objects
    for literal in list(doctree.findall(nodes.literal)):
        parents = [literal.parent]
        while parents[-1].parent is not None:
            parents.append(parents[-1].parent)
        if any(isinstance(parent, (nodes.title, nodes.reference, nodes.raw)) for parent in parents):
            continue
        name = named(literal.astext(), objects)
        if name is not None:
            entry = objects[name]
            link = make_refnode(app.builder, docname, entry.docname, entry.node_id, literal.deepcopy(), name)
            literal.replace_self(link)


def find_type(app, env, node, content):
    """Resolve a type in a signature, which autodoc names by the file in which it is written."""
    from sphinx.util.nodes import make_refnode

    objects = env.get_domain("py").objects
    short = node.get("reftarget", "").rpartition(".")[2]
    found = [name for name, entry in objects.items() if name.endswith(f".{short}") and entry.objtype not in MEMBERS]
    if node.get("refdomain") != "py" or len(found) != 1:
        return None
    entry = objects[found[0]]
    return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, content, found[0])


def setup(app) -> dict:
    app.setup_extension("sphinx.ext.autodoc")
    app.setup_extension("sphinx.ext.napoleon")
    app.connect("autodoc-process-docstring", write_markup, priority=400)  # before napoleon
    app.connect("autodoc-skip-member", leave_out_fields)
    app.connect("autodoc-before-process-signature", show_plain_types)
    app.connect("missing-reference", find_type)
    app.connect("doctree-resolved", link_names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
