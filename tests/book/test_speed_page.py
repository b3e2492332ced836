"""The page on speed says what microtutor/results/speed.json holds, row by row."""

import re

import pytest
from outline import ROOT

from microtutor.records import read_record

PAGE = (ROOT / "book" / "speed.md").read_text(encoding="utf-8")
RECORD = read_record("speed")
LARGE = RECORD["large"]


def rows_of_maps() -> list[str]:
    names = {
        "64 x 224 x 224, periodic": "64 images of 224 × 224, periodic",
        "2048 x 2048, periodic": "one image of 2048 × 2048, periodic",
        "128 x 128 x 128, periodic": "a volume of 128³, periodic",
        "64 x 224 x 224, open": "64 images of 224 × 224, open",
        "64 x 224 x 224, periodic, memory at hand": "64 images of 224 × 224, periodic, memory at hand",
    }
    found = [(names[title], rows["plain"], rows["autocorrelation"]) for title, rows in RECORD["maps"].items()]
    (loss,) = RECORD["loss"].values()
    found.append(("loss and gradient, 32 images of 224 × 224", loss["plain"], loss["StatisticsLoss"]))
    found.append(("the same, target kept", loss["plain"], loss["StatisticsLoss, target cached"]))
    return [
        f"| {name} | {plain['milliseconds']:.1f} | {ours['milliseconds']:.1f} | {ours['ratio']:.2f} |"
        for name, plain, ours in found
    ]


def rows_of_small_maps() -> list[str]:
    names = {
        "1 x 64 x 64, periodic": "one image of 64 × 64",
        "32 x 64 x 64, periodic": "32 images of 64 × 64",
        "1 x 224 x 224, periodic": "one image of 224 × 224",
    }
    found = [
        (names[title], rows["plain"], rows["autocorrelation"]) for title, rows in RECORD["small maps"]["rows"].items()
    ]
    return [
        f"| {name} | {plain['processor milliseconds']:.3f} | {ours['processor milliseconds']:.3f} "
        f"| {ours['processor ratio']:.2f} |"
        for name, plain, ours in found
    ]


def rows_of_peers() -> list[str]:
    found = []
    for boundary, titles in (("periodic", ["periodic"]), ("open", ["open", "open, ends in a radial curve"])):
        for package, measured in RECORD["peers"].items():
            for title in titles:
                if row := measured["rows"].get(title):
                    difference = row["largest difference"]
                    name = {"porespy": "PoreSpy", "pymks": "PyMKS", "mcrpy": "MCRpy"}.get(package, package)
                    found.append(
                        f"| {name} {measured['version']} | {boundary} | {row['milliseconds']:.0f} "
                        f"| {row['ratio']:.2f} | {'radial curve only' if difference is None else f'{difference:.1e}'} |"
                    )
    return found


def rows_of_memory() -> list[str]:
    plain, ours = LARGE["memory plain"], LARGE["memory open"]
    one, two = LARGE["dask, 1 at work"], LARGE["dask, 2 at work"]
    return [
        f"| plain, zeros to twice the size, 256³ | {plain['peak gigabytes more']:.2f} GB more |",
        f"| `autocorrelation`, open, 256³ | {ours['peak gigabytes more']:.2f} GB more, "
        f"{LARGE['memory, open against plain']:.2f} of it |",
        f"| `autocorrelation_of_blocks`, {LARGE['volume']['gigabytes']:.1f} GB on disk | "
        f"{LARGE['blocks']['peak gigabytes']:.2f} GB in all |",
        f"| its time per voxel | {LARGE['blocks per voxel against in memory, processor']:.2f} "
        "of that in memory, in processor time |",
        f"| dask, one at work, then two | {one['seconds']:.1f} s, then {two['seconds']:.1f} s: "
        f"{LARGE['two at work against one']:.2f} times as fast |",
    ]


def other_facts() -> list[str]:
    return [
        RECORD["date"],
        *(f"on {RECORD[part]['date']}, {RECORD[part]['processor']}" for part in ("small maps", "large")),
        RECORD["processor"],
        *(f"{name} {RECORD['environment'][name]}" for name in ("torch", "numpy", "scipy")),
        f"between {RECORD['load before']:.1f} and {RECORD['load after']:.1f}",
        f"{RECORD['precision']['periodic']:.0e}".replace("e-0", "e-"),
        f"{RECORD['precision']['open, up to half the size']:.0e}".replace("e-0", "e-"),
    ]


EVERY_ROW = rows_of_maps() + rows_of_small_maps() + rows_of_peers() + rows_of_memory()


@pytest.mark.parametrize("line", EVERY_ROW + other_facts())
def test_the_page_says_what_was_measured(line):
    assert line in PAGE


def test_the_page_has_no_row_of_its_own():
    rows = {line for line in PAGE.splitlines() if re.match(r"\|.*\d.*\|$", line)}
    assert rows == set(EVERY_ROW)


def test_the_code_of_the_page_runs(tmp_path, monkeypatch):
    pytest.importorskip("dask.array", reason="the optional extra dask is not installed")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 2
    names: dict = {}
    for code in blocks:
        exec(code, names)
    assert names["f"].shape == names["g"].shape == (17, 17, 17)
    assert (names["f"] - names["g"]).abs().max() < 1e-6
