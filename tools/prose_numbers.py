"""Where each measured number of a chapter comes from: an output, a record, or arithmetic that anyone can redo.

The numbers are those of the text, of the captions of figures and of the texts that stand in place of pictures.
`tests/book/prose_numbers.json` names the source of each number: the id of a code cell of the chapter, whose code or
outputs hold it; a leaf of a record, such as `rock.json berea/error`; a line of arithmetic, such as `= 128 * 128`; or,
for what nothing prints, such as the limit of float16, a number in a question or a place on an axis, `given: ` and
what it is.
A number that changes where it was computed then no longer fits the text, and the test says so.

Run `python tools/prose_numbers.py` after a chapter was rewritten: known sources that still fit are kept, others are
looked for in the cells around the text, nearest first, and what is not found there is printed with its sentence, to be
mended or to be given its source by hand.
"""

import ast
import json
import operator
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from outline import ROOT, chapters

LEDGER = ROOT / "tests" / "book" / "prose_numbers.json"
RESULTS = ROOT / "microtutor" / "results"
NEAR = 12  # cells
PLAIN = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
NUMBER = re.compile(
    rf"(?<![\w.^{{/-])(?P<digits>{PLAIN})"
    r"(?:\s*\\(?:times|cdot)\s*10\^\{?(?P<power>-?\d+)\}?|e(?P<short>[-+]?\d+))?(?P<percent>\s*\\?%)?"
)
OUTPUT = re.compile(rf"(?<![\w.])(?:{PLAIN})(?:e[-+]?\d+)?")
POWER = re.compile(r"(\d)\s*(?:x|×|\\times|\\cdot)\s*10\^?\{?([-+]?\d+)\}?")
ARITHMETIC = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


def said_by(cell: dict) -> str:
    """The text of a markdown cell; of a code cell, the caption of its figure and the text in place of its picture."""
    if cell["cell_type"] == "markdown":
        return "".join(cell["source"])
    about = cell["metadata"].get("mystnb", {})
    return f"{about.get('figure', {}).get('caption', '')} {about.get('image', {}).get('alt', '')}"


def prose(text: str) -> str:
    """What is said in a markdown cell: without code, formulas on lines of their own, headings, roles and addresses."""
    text = re.sub(r"```.*?```|\$\$.*?\$\$", " ", text, flags=re.DOTALL)
    text = re.sub(r"^:\S.*$|^#.*$", " ", text, flags=re.MULTILINE)
    return re.sub(r"(?:\{[a-z:]+\})?`[^`]*`|\]\([^)]*\)", " ", text)


def numbers_of(text: str) -> Iterator[tuple[str, float, float, str]]:
    """Measured numbers of a text: as written, the value, half a unit of its last digit, and the words around it.

    Those with a decimal point, a power of ten, a per cent sign or a thousands comma; small counts are left out.

    >>> [(written, value) for written, value, *_ in numbers_of("3 runs: 1.2e-5, 40 %, and 2.5 of 7,000")]
    [('1.2e-5', 1.2e-05), ('40 %', 40.0), ('2.5', 2.5), ('7,000', 7000.0)]
    """
    for found in NUMBER.finditer(text):
        digits, power = found["digits"].replace(",", ""), found["power"] or found["short"]
        decimals = len(digits.partition(".")[2])
        if power or decimals or found["percent"] or "," in found["digits"]:
            scale = 10.0 ** int(power or 0)
            around = " ".join(text[max(0, found.start() - 60) : found.end() + 30].split())
            written = " ".join(found[0].replace("\\%", "%").split())
            yield written, float(digits) * scale, 0.5 * 10.0**-decimals * scale, around


def fits(value: float, half: float, held: list[float], *, percent: bool) -> bool:
    """Whether one of the numbers held rounds to a value, as it stands or as a share in per cent."""
    scales = (1, 100) if percent else (1,)
    return any(abs(scale * abs(number) - value) <= half * (1 + 1e-6) for number in held for scale in scales)


def held_by(cell: dict) -> list[float]:
    """Numbers in the code and in the outputs of a cell."""
    texts = ["".join(cell["source"])]
    for output in cell["outputs"]:
        data = {"text/plain": output.get("text", ""), **output.get("data", {})}
        texts += ["".join(data[kind]) for kind in ("text/plain", "text/html", "text/markdown") if kind in data]
    text = POWER.sub(r"\1e\2", re.sub(r"data:image/[^\"']*", "", " ".join(texts)))
    return [float(number.replace(",", "")) for number in OUTPUT.findall(text)]


def leaves(value: object, path: str = "") -> Iterator[tuple[str, float]]:
    """Each number of a record, by the path that leads to it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}/{key}".removeprefix("/"))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}/{index}".removeprefix("/"))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield path, float(value)


@cache
def record(name: str) -> dict[str, float]:
    return dict(leaves(json.loads((RESULTS / name).read_text(encoding="utf-8"))))


def arithmetic(text: str) -> float:
    """The value of a line of arithmetic.

    >>> arithmetic("100 * (1 - 2 ** -1)")
    50.0
    """

    def value(node: ast.AST) -> float:
        if isinstance(node, ast.BinOp):
            return ARITHMETIC[type(node.op)](value(node.left), value(node.right))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -value(node.operand)
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            return node.value
        raise ValueError(f"expected numbers, + - * / ** and brackets, got {text!r}")

    return value(ast.parse(text, mode="eval").body)


class Chapter:
    """The cells of a chapter, and what each of them holds."""

    def __init__(self, path: Path):
        self.cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        self.place = {cell["id"]: index for index, cell in enumerate(self.cells)}
        self.held = {cell["id"]: held_by(cell) for cell in self.cells if cell["cell_type"] == "code"}

    def numbers(self) -> Iterator[tuple[str, str, float, float, str]]:
        """Each measured number of the text once per cell: cell, as written, value, half a unit, words around it."""
        for cell in self.cells:
            seen = set()
            for written, value, half, around in numbers_of(prose(said_by(cell))):
                if written not in seen:
                    seen.add(written)
                    yield cell["id"], written, value, half, around

    def source_holds(self, source: str, written: str, value: float, half: float) -> bool:
        """Whether a source that the ledger names has the number."""
        percent = written.endswith("%")
        if source.startswith("= "):
            return fits(value, half, [arithmetic(source[2:])], percent=percent)
        if ".json " in source:
            name, _, path = source.partition(" ")
            leaf = record(name).get(path) if (RESULTS / name).exists() else None
            return leaf is not None and fits(value, half, [leaf], percent=percent)
        if source.startswith("given: "):
            return True
        return fits(value, half, self.held.get(source, []), percent=percent)

    def find(self, cell: str, written: str, value: float, half: float) -> str | None:
        """The nearest cell that holds a number; one far from the text may hold it by chance, and is not taken."""
        near = sorted(self.held, key=lambda one: abs(self.place[one] - self.place[cell]))
        near = [one for one in near if abs(self.place[one] - self.place[cell]) <= NEAR]
        return next((one for one in near if self.source_holds(one, written, value, half)), None)


def main() -> None:
    known = json.loads(LEDGER.read_text(encoding="utf-8")) if LEDGER.exists() else {}
    ledger: dict[str, dict[str, dict[str, str]]] = {}
    for path in chapters():
        chapter, of_chapter = Chapter(path), ledger.setdefault(path.stem, {})
        for cell, written, value, half, around in chapter.numbers():
            old = known.get(path.stem, {}).get(cell, {}).get(written)
            kept = old if old and chapter.source_holds(old, written, value, half) else None
            if source := kept or chapter.find(cell, written, value, half):
                of_chapter.setdefault(cell, {})[written] = source
            else:
                print(f"{path.stem} {cell}: {written!r} has no source in: {around}")
    LEDGER.write_text(json.dumps(ledger, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
