"""Point every link of the book at another copy of it: python tools/adopt.py owner/name

The public address has one home, `repository.url` in `_config.yml`. This script reads it there, writes the new one in
its place, and does the same in every other file that mentions it: Colab links, install cells, badges, the citation
file. Running it twice changes nothing; running it with the old name brings everything back.
"""

import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOME = "_config.yml"
PLACES = (
    "*.md",
    "*.cff",
    "*.toml",
    ".github/**/*.yml",
    "book/**/*.md",
    "book/**/*.ipynb",
    "colab/*.ipynb",
    "microtutor/**/*.py",
    HOME,  # last: if the script is interrupted, running it again finishes the work
)
FORMS = (
    "github.com/{0}/{1}",
    "raw.githubusercontent.com/{0}/{1}",
    "colab.research.google.com/github/{0}/{1}",
    "{0}.github.io/{1}",
)
OWNER_AND_NAME = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9-]{0,37}[A-Za-z0-9])?)/([A-Za-z0-9._-]{1,100})")


def current(root: Path) -> str:
    """The owner/name that `_config.yml` holds."""
    text = (root / HOME).read_text(encoding="utf-8")
    found = re.search(r"^repository:\s*\n(?:\s+.*\n)*?\s+url:\s*https://github\.com/([\w.-]+/[\w.-]+)\s*$", text, re.M)
    if not found:
        raise SystemExit(f"{HOME} has no repository.url of the form https://github.com/owner/name")
    return found[1]


def rewritten(text: str, old: str, new: str) -> str:
    """The text with each address of the project old (on GitHub, Colab or GitHub Pages) turned into that of new."""
    for form in FORMS:
        address = re.escape(form.format(*old.split("/")))
        text = re.sub(rf"(?<![\w-]){address}(?![\w-]|\.(?!git\b)\w)", form.format(*new.split("/")), text)
    return text


def adopt(root: Path, new: str) -> list[Path]:
    """Rewrite every place under root and return the files that changed."""
    old = current(root)
    changes = {}
    for path in (path for pattern in PLACES for path in sorted(root.glob(pattern))):
        before = path.read_text(encoding="utf-8")
        after = rewritten(before, old, new)
        if after != before:
            changes[path] = after
    for path, text in changes.items():
        unfinished = path.with_name(path.name + ".unfinished")
        unfinished.write_text(text, encoding="utf-8", newline="\n")
        os.replace(unfinished, path)
    return list(changes)


def main(arguments: list[str]) -> None:
    wanted = arguments[0] if len(arguments) == 1 else ""
    valid = OWNER_AND_NAME.fullmatch(wanted)
    if not valid or valid[2] in (".", "..") or valid[2].endswith(".git"):
        raise SystemExit(
            f"expected the owner and the name of a GitHub repository, got {wanted!r}; "
            "for example: make adopt REPO=my-school/microstructures"
        )
    changed = adopt(ROOT, wanted)
    for path in changed:
        print(f"rewrote {path.relative_to(ROOT)}")
    print(f"Every link now points to https://github.com/{wanted}" if changed else f"Every link pointed to {wanted}.")


if __name__ == "__main__":
    main(sys.argv[1:])
