"""Write what microtutor/results/versions.json holds into the book's page on it, book/what_changed.md.

    python tools/versions_page.py    # `make versions` does it at its end

Only what stands between the two remarks on the page is written; the text around it is written by hand.
"""

from outline import ROOT
from written import rewrite, with_part

from microtutor.records import read_record

PAGE = ROOT / "book" / "what_changed.md"
TOOL = "tools/versions_page.py"
LIBRARIES = ("torch", "torchvision", "numpy", "scipy", "python")
WORDS = {
    "mean volume fraction": "mean volume fraction of the held-out images",
    "statistics_error_mean": "statistics error, mean",
    "statistics_error_median": "statistics error, median",
    "count_accuracy": "number of lines right",
    "volume_fraction_difference": "volume-fraction difference",
    "contrast 10": "blobs that conduct 10 times as well as what is between them",
    "statistics error after 200 steps": "statistics error of an image found from noise in at most 200 steps",
}


def label(name: str) -> str:
    """A measured number in words."""
    subject, _, what = name.partition(": ")
    if subject.startswith("lines"):
        subject = f"`{subject}`"
    return f"{subject}: {WORDS.get(what, what)}"


def spread(values: list[float]) -> str:
    """How far the values of one line lie apart, relative to the largest of them.

    >>> spread([2.0, 2.0]), spread([1.0, 0.98]), spread([1.0, 0.99996])
    ('none', '2 %', '0.004 %')
    """
    if len(set(values)) == 1:
        return "none"
    return f"{100 * (max(values) - min(values)) / max(values):.1g} %"


def changed(record: dict) -> list[str]:
    """The numbers that are not the same, to five digits, with all versions."""
    rows = [row["numbers"] for row in record["rows"].values()]
    return [name for name in rows[0] if len({row[name] for row in rows}) > 1]


def table(record: dict) -> str:
    """The libraries, then the numbers: one column for each environment, and how far its numbers lie apart."""
    rows = list(record["rows"].values())
    lines = ["| | " + " | ".join(f"torch {row['environment']['torch']}" for row in rows) + " | spread |"]
    lines.append("|---|" + "---:|" * (len(rows) + 1))
    for name in LIBRARIES[1:]:
        cells = [row["environment"][name] for row in rows]
        lines.append(f"| {name.replace('python', 'Python')} | {' | '.join(cells)} | |")
    for name in rows[0]["numbers"]:
        values = [row["numbers"][name] for row in rows]
        lines.append(f"| {label(name)} | {' | '.join(f'{value:.5g}' for value in values)} | {spread(values)} |")
    for name in rows[0]["images"]:
        hashes = [row["images"][name] for row in rows]
        same = "none" if len(set(hashes)) == 1 else "differ"
        lines.append(
            f"| sha256 of the first batch of images, {name} | {' | '.join(f'`{h[:8]}`' for h in hashes)} | {same} |"
        )
    return "\n".join(lines)


def facts(record: dict) -> str:
    """When, from which commit and in how long each column was measured, and with which weights."""
    rows = list(record["rows"].values())
    lines = [
        f"- torch {row['environment']['torch']}: measured on {row['date']}, commit `{row['commit']}`, "
        f"{row['environment']['device']}, in {row['wall_time_seconds']:.0f} s on a busy machine."
        for row in rows
    ]
    hashes = " and ".join(f"`{name}` (sha256 `{value[:12]}`)" for name, value in rows[0]["weights"].items())
    return "\n".join([*lines, f"- The weights are {hashes}."])


def with_record(page: str, record: dict) -> str:
    """The text of the page with what a record holds.

    Raises:
        ValueError: the page has no place for it.
    """
    return with_part(page, TOOL, f"{table(record)}\n\n{facts(record)}")


if __name__ == "__main__":
    rewrite(PAGE, with_record(PAGE.read_text(encoding="utf-8"), read_record("versions")))
