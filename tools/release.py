"""Turn the files into those of a release: python tools/release.py 1.2.3

The version has one home, `pyproject.toml`, and the changelog says which versions are out. This script sets both, and
whatever names the tag of a release: the citation file, the install cells, links to Colab and to downloads, the Colab
edition. It commits, tags and pushes nothing, but prints the commands that do; the tag starts
`.github/workflows/release.yml`. All or nothing: if something fails, the files are as they were.

With --notes and a tag it prints the entry of the changelog for this tag, if these are the files of that release.
"""

import datetime
import re
import subprocess
import sys
from pathlib import Path

from outline import ROOT, address, branch, tag, version

VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
COMING = r"(?im)^## (?:.*, )?not yet released$"
OUT = r"(?m)^## (\d+\.\d+\.\d+), (\d{4}-\d\d-\d\d)$"
# history, and what is made from the rest
LEFT_ALONE = ("CHANGELOG.md", "colab/", "microtutor/results/", "microtutor/weights/")


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def git(*arguments: str) -> str:
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(
            f"a release is made with git, in a clone of the repository; here it failed: {error}"
        ) from error


def number(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")))


def has_tag(release: str) -> bool:
    return bool(git("tag", "--list", f"v{release}"))


def released() -> dict[str, str]:
    """The date of each version that is out, as the changelog has it."""
    return dict(re.findall(OUT, text("CHANGELOG.md")))


def entry(heading: str) -> str:
    """What the changelog says below the first heading of this form, up to the next version; empty if there is none."""
    found = re.search(heading, changelog := text("CHANGELOG.md"))
    return re.split(r"(?m)^## ", changelog[found.end() :])[0].strip() if found else ""


def refuse_unless_ready(new: str) -> None:
    """One sentence on what is missing for a release of that version, before anything is written."""
    if not VERSION.fullmatch(new):
        raise SystemExit(f"expected a version of three numbers, got {new!r}; for example: make release VERSION=1.2.3")
    out = released()
    last = max(out, key=number, default="")
    if last and number(new) <= number(last):
        raise SystemExit(f"expected a version higher than {last}, which is out since {out[last]}, got {new}")
    if has_tag(new):
        raise SystemExit(f"expected a version without a tag, got {new}: the tag v{new} is there; take a higher one")
    if not entry(COMING):
        raise SystemExit(
            "expected an entry of CHANGELOG.md under the heading '## Not yet released', got none; "
            "say there what a reader can notice, and commit it"
        )
    if changed := git("status", "--porcelain").splitlines():
        raise SystemExit(
            f"expected a working tree without changes, got {len(changed)}, {changed[0][3:]} among them; "
            "commit them or put them away first"
        )


def relinked(content: str, old: str, new: str) -> str:
    """The text with each address of this project that names the release old turned into that of the release new."""
    repository = re.escape(address().removeprefix("https://github.com/"))
    old = re.escape(old)
    content = re.sub(rf"(\b{repository}(?:\.git)?(?:/[a-z]+)*[/@])v{old}(?!\w|\.\w)", rf"\g<1>v{new}", content)
    files = rf"(\b{repository}/releases/download/v{re.escape(new)}/[a-z-]+-){old}(?=-|\.zip|\.tar)"
    return re.sub(files, rf"\g<1>{new}", content)


def changes(new: str, date: str) -> dict[Path, str]:
    """The new text of each file that a release of that version changes, but for the Colab edition."""
    texts = {}
    for name in git("ls-files").splitlines():
        if not name.startswith(LEFT_ALONE):
            try:
                texts[name] = relinked(text(name), version(), new)
            except UnicodeDecodeError:  # a picture
                continue
    for name, before, after in (
        ("pyproject.toml", r'(?m)^version = ".*"$', f'version = "{new}"'),
        ("CITATION.cff", r"(?m)^version: .*(\ndate-released: .*)?$", f"version: {new}\ndate-released: {date}"),
        ("CHANGELOG.md", COMING, f"## {new}, {date}"),
    ):
        texts[name], count = re.subn(before, after, texts.get(name, text(name)), count=1)
        if not count:
            raise SystemExit(f"{name} has no line of the form {before}")
    return {ROOT / name: after for name, after in texts.items() if after != text(name)}


def write(texts: dict[Path, str]) -> None:
    """Write every file, then the Colab edition; if anything fails, bring back what git holds of them."""
    from microtutor.files import replacing  # here only: it takes seconds, and a refusal should not

    try:
        for path, content in texts.items():
            with replacing(path) as temporary:
                temporary.write_text(content, encoding="utf-8", newline="\n")
                temporary.chmod(path.stat().st_mode)
        subprocess.run([sys.executable, ROOT / "tools" / "colab.py"], cwd=ROOT, check=True)
    except BaseException:
        git("restore", "--", "colab", *(str(path) for path in texts))
        print("The release could not be made; every file is as it was.", file=sys.stderr)
        raise


def what_is_left(new: str) -> str:
    return f"""To publish it:

    git add --all
    git commit -m "Release {new}"
    git tag -a v{new} -m "microtutor {new}"
    git push origin v{new}

The tag starts the workflow "release", which builds the book and attaches the wheel and the classroom zip to
{address()}/releases/tag/v{new} (half an hour). When they are there, so that the chapters find them:

    git push origin {branch()}"""


def notes(wanted: str) -> str:
    """The entry of the changelog for the release that these files are."""
    if wanted != tag() or version() not in released():
        raise SystemExit(
            f"expected the tag of the release that these files are, got {wanted!r}: pyproject.toml says {version()}, "
            f"and CHANGELOG.md {released().get(version(), 'not yet released')}; run make release first, then tag"
        )
    return entry(rf"(?m)^## {re.escape(version())}, .*$")


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--notes"] and len(arguments) == 2:
        print(notes(arguments[1]))
        return
    new = arguments[0] if len(arguments) == 1 else ""
    if new == version() and new in released() and not has_tag(new):
        print(f"These are the files of {new} already, of {released()[new]}. {what_is_left(new)}")
        return
    refuse_unless_ready(new)
    texts = changes(new, datetime.date.today().isoformat())
    write(texts)
    print(f"Set the version {new} in {len(texts)} files, and made the Colab edition anew. {what_is_left(new)}")


if __name__ == "__main__":
    main(sys.argv[1:])
