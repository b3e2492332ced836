"""Let the pages of the book ask no other server for anything, so that they work without internet and from a file.

Mathematics is set by MathJax, which an installed package holds: what a page may load of it is copied to `_static`. It
draws formulas as pictures (SVG), as a browser that opens a page from a file may refuse to load fonts for it. Thebe,
which would run code on a far server, is left out. A page loads no script that it can do without, and writes nothing to
the console of a browser. This module is an extension of Sphinx (`local_extensions` in `_config.yml`).
"""

import re
import shutil
from importlib.resources import as_file, files
from pathlib import Path

MATHJAX = "mathjax"  # the folder in _static
# What tex-svg.js asks for: macros of TeX when a formula uses them; the rest when a reader chooses it in MathJax's menu.
PARTS = ["tex-svg.js", "input/tex/extensions", "output/chtml.js", "output/chtml", "a11y", "sre/mathmaps/base.json"]
PARTS += ["sre/mathmaps/en.json"]


def copy_mathjax(static: Path) -> None:
    """Copy MathJax and its licence from the package django-static-mathjax into a folder of static files.

    Raises:
        FileNotFoundError: the package holds another version of MathJax, without one of the parts.
    """
    with as_file(files("mathjax") / "static" / "mathjax") as source:
        target = static / MATHJAX
        for part in PARTS:
            path = source / "es5" / part
            (target / part).parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, target / part, dirs_exist_ok=True)
            else:
                shutil.copy(path, target / part)
        shutil.copy(source / "LICENSE", target / "LICENSE")


# The theme loads its icons twice: as a font, and as a script of 1.5 MB that a page would have to wait for.
ICONS = re.compile(r'<script src="([^"]*fontawesome\.js[^"]*)"></script>')
# Firefox loads no font for a page that is opened from a file: then, and only then, the script draws the icons.
ICONS_WITHOUT_FONT = """<script>window.addEventListener("load", () => {
  const draw = () => document.head.append(Object.assign(document.createElement("script"), { src: "%s" }));
  document.fonts.load('900 1em "Font Awesome 6 Free"').then((found) => { if (!found.length) draw(); }, draw);
});</script>"""
ICON_OF_A_BRAND = ("fab fa-github", "fas fa-code-branch")  # the only one, for which a page would load another font
SCRIPT = re.compile(r"<script>.*?</script>", re.DOTALL)
MATHEMATICS = re.compile(r"\s*<script>window\.MathJax = .*?</script>\s*<script[^>]*tex-svg\.js\"></script>", re.DOTALL)


def silenced(script: str) -> str:
    """A script of the theme that does not report what it does: the console then shows only what is wrong.

    >>> silenced('console.log("done"); console.info(1); console.error("not done");')
    'void ("done"); void (1); console.error("not done");'
    """
    return re.sub(r"\bconsole\.(log|info|debug)\(", "void (", script)


def lightened(page: str) -> str:
    """A built page without what it need not load: MathJax where no formula is, icons as a script, and a second font.

    The scripts in the page are silenced, too.

    >>> lightened('<script src="a/fontawesome.js"></script>').count("fontawesome.js"), lightened("no script")
    (1, 'no script')
    """
    page = ICONS.sub(lambda script: ICONS_WITHOUT_FONT % script[1], page).replace(*ICON_OF_A_BRAND)
    page = SCRIPT.sub(lambda script: silenced(script[0]), page)
    return page if 'class="math' in page or "text_latex" in page else MATHEMATICS.sub("", page)


# --- the extension of Sphinx ------------------------------------------------------------------------------------------
def leave_out_thebe(app) -> None:
    """Take back what sphinx_thebe has set up: Jupyter Book loads it even where no button asks for it."""
    for listeners in app.events.listeners.values():
        for listener in list(listeners):
            if listener.handler.__module__ == "sphinx_thebe":
                app.disconnect(listener.id)
    app.registry.css_files[:] = [entry for entry in app.registry.css_files if entry[0] != "sphinx-thebe.css"]


def finish(app, error) -> None:
    if error is not None or app.builder.format != "html":
        return
    site = Path(app.outdir)
    copy_mathjax(site / "_static")
    for path in (site / "_static").rglob("*.js"):
        if MATHJAX not in path.parts:
            path.write_text(silenced(path.read_text(encoding="utf-8")), encoding="utf-8")
    for path in site.rglob("*.html"):
        if "_static" not in path.relative_to(site).parts:
            path.write_text(lightened(path.read_text(encoding="utf-8")), encoding="utf-8")


def setup(app) -> dict:
    leave_out_thebe(app)
    app.connect("config-inited", lambda app, config: setattr(config, "mathjax_path", f"{MATHJAX}/tex-svg.js"))
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
