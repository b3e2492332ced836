"""Pack all that a course needs in a room without internet into one zip.

    python tools/classroom.py    # dist/microtutor-classroom-<version>.zip

It holds the built site, the notebooks of the Colab edition, the package as a wheel, the weights that the wheel leaves
out, the micrographs that can be had here with their licences, and pages that say how to use it all. The same files
give the same zip, byte for byte.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from markdown_it import MarkdownIt
from outline import ROOT, version

from microtutor.course import CHAPTERS, file_name
from microtutor.files import CARD_FILE, WEIGHT_FILE, replacing
from microtutor.microstructures import datasets

SITE = ROOT / "_build" / "html"
TEXTS = ROOT / "tools" / "classroom_zip"
WEIGHTS = ROOT / "microtutor" / "weights"
OF_THE_PACKAGE = ["pyproject.toml", "README.md", "LICENSE", "LICENSE-TEXT", "microtutor", "colab"]
DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold
COPYRIGHT = {"rock": "Copyright (c) 2017 Lukas Mosser"}
STYLE = """
body { font: 1rem/1.5 sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color-scheme: light dark; }
pre { overflow-x: auto; padding: 0.6rem; border: 1px solid #8888; border-radius: 4px; }
table { border-collapse: collapse; } td, th { border: 1px solid #8888; padding: 0.3rem 0.6rem; text-align: left; }
"""

Files = dict[str, Path | str]  # by their names in the zip: where a file is, or its text


def reason_not_to_pack(site: Path) -> str:
    """Why there is nothing to pack; empty if there is."""
    if not (site / "index.html").exists():
        return "there is no built book yet: run make book first"
    built = (site / "index.html").stat().st_mtime
    newer = [path for path in (ROOT / "book").glob("**/*.*") if path.stat().st_mtime > built]
    if newer:
        return f"the built book is older than {newer[0].relative_to(ROOT).as_posix()}: run make book first"
    return ""


def build_wheel(folder: Path) -> Path:
    """The wheel of the package, built in a copy: what an earlier build has left in the clone must not get into it."""
    with tempfile.TemporaryDirectory() as copy:
        for name in OF_THE_PACKAGE:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, Path(copy, name), ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, copy)
        command = [sys.executable, "-m", "pip", "wheel", "-q", "--disable-pip-version-check", "--no-deps"]
        date = os.environ | {"SOURCE_DATE_EPOCH": "315532800"}  # 1980, as in the zip
        subprocess.run([*command, "--wheel-dir", folder, copy], check=True, env=date)
    (wheel,) = folder.glob("*.whl")
    return wheel


def notebooks() -> Files:
    """The notebooks of the Colab edition, numbered as in the book, without the badge at their top."""
    files: Files = {}
    for chapter in CHAPTERS:
        notebook = json.loads((ROOT / "colab" / f"{chapter}.ipynb").read_text(encoding="utf-8"))
        first = notebook["cells"][0]
        # The badge is a picture from the web, and opens Colab: in the room neither can be had.
        first["source"] = "".join(first["source"]).split("\n\n", 1)[1]
        files[f"notebooks/{file_name(chapter)}"] = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    return files


def weights(wheel: Path) -> Files:
    """The weights that the wheel leaves out, at the names at which the package looks for them in MICROTUTOR_DATA.

    Raises:
        ValueError: a file of weights is not the one that its card describes.
    """
    inside = zipfile.ZipFile(wheel).namelist()
    found = {}
    for card in sorted(WEIGHTS.glob(f"*/{CARD_FILE}")):
        name, path = card.parent.name, card.parent / WEIGHT_FILE
        if f"microtutor/weights/{name}/{path.name}" in inside:
            continue
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        if sha256 != json.loads(card.read_text(encoding="utf-8"))["sha256"]:
            raise ValueError(
                f"expected {path} with the sha256 in its card, got {sha256}: restore it from the repository"
            )
        found[f"data/weights/{name}/{path.name}"] = path
    return found


def micrographs() -> tuple[Files, dict[str, str]]:
    """The sets of micrographs that are here or can be downloaded, and why the others are neither."""
    found, missing = {}, {}
    for name in datasets.DATASETS:
        try:
            found |= {f"data/{file}": datasets.fetch(file) for file in datasets.files(name)}
        except FileNotFoundError as error:
            missing[name] = str(error)
    return {file: path for file, path in found.items() if file.split("/")[1] not in missing}, missing


def list_of_data(missing: dict[str, str]) -> str:
    """A table of the sets of micrographs, in Markdown."""
    rows = [
        f"| `{name}` | {data.title} | {'no: ' + address(data) if name in missing else 'yes'} |"
        for name, data in datasets.DATASETS.items()
    ]
    return "\n".join(["| set | what it shows | in this zip |", "|---|---|---|", *rows])


def address(data: datasets.DataSet) -> str:
    return f"https://github.com/{data.repository}/tree/{data.commit}"


def licences(missing: dict[str, str]) -> str:
    """Licence, citation and source of each set of micrographs, and the text of the MIT licence."""
    parts = ["Micrographs of microtutor: licences, and what to cite"]
    for name, data in datasets.DATASETS.items():
        parts.append(
            f"{name}: {data.title}\n{'not in this zip' if name in missing else 'in this zip'}\n"
            f"Licence: {data.licence}\nCite: {data.citation}\nFrom: {address(data)}"
            + (f"\n{COPYRIGHT[name]}" if name in COPYRIGHT else "")
        )
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    parts.append("The MIT licence\n\n" + licence[licence.index("Permission is") :].strip())
    return "\n\n\n".join(parts) + "\n"


def start_pages(wheel: Path, missing: dict[str, str]) -> Files:
    """What to read first, as a page and as plain text."""
    text = (TEXTS / "START-HERE.md").read_text(encoding="utf-8")
    values = {"version": version(), "wheel": wheel.name, "chapters": str(len(CHAPTERS)), "data": list_of_data(missing)}
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
    page = f'<!doctype html><html lang="en"><head>{head}<title>Start here</title></head><body>\n{body}</body></html>\n'
    return {"START-HERE.html": page, "START-HERE.txt": text}


def contents(site: Path, wheel: Path) -> tuple[Files, dict[str, str]]:
    """Everything that goes into the zip, and why some micrographs do not."""
    found, missing = micrographs()
    files = start_pages(wheel, missing) | {"start.py": TEXTS / "start.py", f"package/{wheel.name}": wheel}
    files |= {"data/LICENCES.txt": licences(missing)} | found | weights(wheel) | notebooks()
    pages = [path for path in site.rglob("*") if path.is_file() and path.relative_to(site).parts[0] != "reports"]
    return files | {f"site/{path.relative_to(site).as_posix()}": path for path in pages}, missing


def pack(target: Path, files: Files) -> None:
    """Write the zip, in the order of the names and with one date, below one folder named as the zip is."""
    with replacing(target) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(f"{target.stem}/{name}", DATE)
            entry.external_attr = 0o644 << 16  # what everyone may read
            entry.compress_type = zipfile.ZIP_DEFLATED
            content = files[name]
            archive.writestr(entry, content if isinstance(content, str) else content.read_bytes())


def main() -> None:
    if reason := reason_not_to_pack(SITE):
        raise SystemExit(reason)
    target = ROOT / "dist" / f"microtutor-classroom-{version()}.zip"
    with tempfile.TemporaryDirectory() as folder:
        files, missing = contents(SITE, build_wheel(Path(folder)))
        pack(target, files)
    for name, reason in missing.items():
        print(f"without the micrographs {name}: {reason}")
    print(f"{target.relative_to(ROOT)}: {len(files)} files, {target.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
