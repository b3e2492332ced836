"""The commands for pictures of one's own: statistics with its table, and the table of a folder."""

import csv
import json
import math

import numpy as np
import pytest
import torch
from PIL import Image
from typer.main import get_command

from microtutor.cli import app
from microtutor.microstructures import GaussianFields, read_micrograph
from microtutor.models import VAE
from microtutor.properties import effective_conductivity
from microtutor.statistics import autocorrelation, radial_average, summarise
from microtutor.tables import picture_table
from tests.commands import run

MATERIAL = GaussianFields(fraction=0.35, length=3, size=128)


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def phase():
    return MATERIAL.sample(1, seed=3).images[0, 0]


@pytest.fixture
def sem(tmp_path, phase):
    """A picture of a microscope: noise, 20 nm pixels, and a bar with a text field at the bottom."""
    grey = 80 + 90 * phase.numpy() + np.random.default_rng(0).normal(scale=8, size=phase.shape)
    bar = np.full((24, 128), 10.0)
    bar[8:16, 20:60] = 255
    picture = Image.fromarray(np.concatenate([grey, bar]).clip(0, 255).astype(np.uint8))
    picture.save(tmp_path / "sem.tif", resolution=500_000, resolution_unit=3)
    return tmp_path / "sem.tif"


def test_the_command_does_the_page(sem, tmp_path, phase):
    """Bar left out, pixel size from the file, the table in micrometres equal to that of the package."""
    drawings = ["--figure", tmp_path / "map.png", "--look", tmp_path / "look.png"]
    said = run("statistics", sem, "--mask", "info-bar", "--unit", "µm", *drawings)
    assert said.exit_code == 0, said.output
    expected = summarise(phase, spacing=0.02, unit="µm")
    written = {row["name"]: row for row in rows_of(tmp_path / "sem_statistics_table.csv")}
    for reading in expected.readings[:8]:
        row = written[reading.name]
        assert float(row["value"]) == pytest.approx(reading.value, rel=0.02)
        assert float(row["low"]) == pytest.approx(reading.low, rel=0.05, abs=1e-3)
        assert row["unit"] == reading.unit
        assert reading.name in said.output
    assert float(written["share masked"]["value"]) == pytest.approx(24 / 152)
    described = json.loads((tmp_path / "sem_statistics_table.json").read_text(encoding="utf-8"))
    assert described["spacing"] == [0.02, 0.02]
    assert described["boundary"] == "open"
    assert described["representativity"]["phase of interest"]["valid"] is True
    assert any("info bar: rows 128 to 151" in note for note in described["notes"])
    curve = rows_of(tmp_path / "sem_statistics_radial.csv")
    assert float(curve[3]["radius_µm"]) == pytest.approx(0.06)
    for name in ("map.png", "look.png"):
        with Image.open(tmp_path / name) as drawn:
            assert drawn.width > 300


def test_crop_and_a_window(sem, tmp_path, phase):
    options = ["--crop", "0:100,10:", "--max-shift", 12, "--spacing", "2,1", "--output", tmp_path / "f.npy"]
    said = run("statistics", sem, *options)
    assert said.exit_code == 0, said.output
    f = torch.from_numpy(np.load(tmp_path / "f.npy"))
    torch.testing.assert_close(f, autocorrelation(phase[:100, 10:], boundary="open", max_shift=12))
    curve = [float(row["f"]) for row in rows_of(tmp_path / "f_radial.csv")]
    np.testing.assert_allclose(curve, radial_average(f, centred=True, spacing=(2, 1)), rtol=1e-5)


def test_each_of_three_phases_has_its_table(tmp_path):
    labels = np.repeat(np.arange(3, dtype=np.uint8), 40)[:, None].repeat(90, 1)
    np.save(tmp_path / "map.npy", labels)
    asked = run("statistics", tmp_path / "map.npy")
    assert asked.exit_code == 2
    assert "--labels" in asked.stderr
    said = run("statistics", tmp_path / "map.npy", "--labels", "all")
    assert said.exit_code == 0, said.output
    rows = rows_of(tmp_path / "map_statistics_table.csv")
    fractions = {row["phase"]: float(row["value"]) for row in rows if row["name"] == "volume fraction"}
    assert fractions == pytest.approx({"phase 0": 1 / 3, "phase 1": 1 / 3, "phase 2": 1 / 3})
    said = run("statistics", tmp_path / "map.npy", "--labels", "2,1,0", "--overwrite")
    assert said.exit_code == 0, said.output
    assert list(dict.fromkeys(row["phase"] for row in rows_of(tmp_path / "map_statistics_table.csv")))[-1] == "phase 0"


def test_bare_numbers_of_a_volume(tmp_path):
    volume = (GaussianFields(fraction=0.4, length=2, size=24).sample(24, seed=0).images[:, 0] * 200).byte().numpy()
    (tmp_path / "scan.raw").write_bytes(volume.tobytes())
    options = ["--shape", "24x24x24", "--dtype", "uint8", "--figure", tmp_path / "scan.png"]
    said = run("statistics", tmp_path / "scan.raw", *options)
    assert said.exit_code == 0, said.output
    names = [row["name"] for row in rows_of(tmp_path / "scan_statistics_table.csv")]
    assert "surface per volume" in names
    f = np.load(tmp_path / "scan_statistics.npy")
    assert f.ndim == 3
    assert f[tuple(n // 2 for n in f.shape)] == pytest.approx((volume > 0).mean(), abs=1e-6)
    wrong = run("statistics", tmp_path / "scan.raw", "--shape", "24x24", "--dtype", "uint8", "--overwrite")
    assert wrong.exit_code == 2
    assert len(wrong.stderr.strip().splitlines()) == 1
    assert "as sides in voxels" in run("statistics", tmp_path / "scan.raw", "--shape", "big", "--overwrite").stderr


# --- many pictures ----------------------------------------------------------------------------------------------------
@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    images = MATERIAL.sample(4, seed=5).images[:, 0]
    for k, image in enumerate(images):
        Image.fromarray((image * 255).byte().numpy()).save(folder / f"p{k}.png")
    Image.new("L", (64, 64), 7).save(folder / "grey.png")
    (folder / "broken.png").write_text("no picture", encoding="utf-8")
    (folder / "notes.txt").write_text("not looked at", encoding="utf-8")
    return folder


def test_a_folder_becomes_a_table(folder, tmp_path):
    VAE(latent_dim=3, size=32, channels=4).save_pretrained(tmp_path / "net")
    options = ["--spacing", 0.5, "--unit", "nm", "--contrast", 10, "--weights", tmp_path / "net"]
    said = run("table", folder, "--output", tmp_path / "t.csv", *options)
    assert said.exit_code == 0, said.output
    assert "4 pictures measured, 2 left out" in said.output
    assert "left out: broken.png" in said.stderr
    rows = rows_of(tmp_path / "t.csv")
    assert [row["picture"] for row in rows] == ["p0.png", "p1.png", "p2.png", "p3.png"]
    phase = read_micrograph(folder / "p2.png").phase
    expected = {one.name: one for one in summarise(phase, spacing=0.5, unit="nm").readings}
    assert float(rows[2]["correlation_length"]) == pytest.approx(expected["correlation length"].value, rel=1e-5)
    assert float(rows[2]["volume_fraction_low"]) == pytest.approx(expected["volume fraction"].low, rel=1e-5)
    k = effective_conductivity(phase, (1.0, 10.0))
    assert float(rows[2]["K_yy"]) == pytest.approx(k[1, 1].item(), rel=1e-4)
    assert all(math.isfinite(float(rows[0][f"latent_{i}"])) for i in (1, 2, 3))
    refused = {row["picture"]: row["reason"] for row in rows_of(tmp_path / "t_refused.csv")}
    assert set(refused) == {"broken.png", "grey.png"}
    assert sorted(file.name for file in tmp_path.glob("t*")) == ["t.csv", "t_refused.csv"]
    again = run("table", folder, "--output", tmp_path / "t.csv")
    assert again.exit_code == 2
    assert "is there already" in again.stderr


def test_a_table_goes_on_where_it_stopped(folder, tmp_path, monkeypatch):
    import microtutor.tables as tables

    measured, interrupted, measure = [], [], tables._row

    def row(path, **choices):
        if path.name == "p2.png" and len(measured) == 4 and not interrupted:
            interrupted.append(True)
            raise KeyboardInterrupt
        measured.append(path.name)
        return measure(path, **choices)

    monkeypatch.setattr(tables, "_row", row)
    output = tmp_path / "t.csv"
    with pytest.raises(KeyboardInterrupt):
        picture_table(folder, output, progress=False)
    assert not output.exists()
    with open(tmp_path / "t.csv.part", "a", encoding="utf-8") as part:
        part.write('["cut')  # as a computer that is switched off leaves it
    with pytest.raises(ValueError, match="expected the choices with which"):
        picture_table(folder, output, dark=True, progress=False)
    assert measured == ["broken.png", "grey.png", "p0.png", "p1.png"]
    found = picture_table(folder, output, progress=False)
    assert measured[4:] == ["broken.png", "grey.png", "p2.png", "p3.png"]  # those left out may have been mended
    assert [r["picture"] for r in found.rows] == ["p0.png", "p1.png", "p2.png", "p3.png"]
    assert not (tmp_path / "t.csv.part").exists()
    monkeypatch.setattr(tables, "_row", measure)
    whole = picture_table(folder, tmp_path / "whole.csv", progress=False)
    assert whole == found


def test_two_workers_make_the_same_table(folder, tmp_path):
    files = sorted(folder.glob("p?.png"))
    alone = picture_table(files, tmp_path / "alone.csv", progress=False)
    together = picture_table(files, tmp_path / "together.csv", workers=2, progress=False)
    assert alone == together


@pytest.mark.parametrize(
    ("pictures", "choices", "message"),
    [
        ("absent", {}, "expected a folder of pictures, got"),
        ([], {}, "expected at least one picture"),
        (["a/x.png", "b/x.png"], {}, "expected pictures of different names, got x.png twice"),
        (["x.png"], {"colour": 3}, "expected choices out of crop"),
        (["x.png"], {"contrast": -1}, "expected contrast as a finite number above 0"),
        (["x.png"], {"workers": 0}, "expected workers"),
        (["x.png"], {"weights": "no-such-weights"}, "no-such-weights"),
        (["x.png"], {}, "expected a picture that can be read, got none of 1; the first, x.png: no file"),
    ],
)
def test_bad_tables(pictures, choices, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((FileNotFoundError, TypeError, ValueError), match=message):
        picture_table(pictures, "t.csv", progress=False, **choices)
    assert not list(tmp_path.glob("t*"))


def test_the_table_is_a_csv_file(folder):
    with pytest.raises(ValueError, match=r"ending in \.csv, got t\.txt"):
        picture_table(folder, "t.txt")


def test_every_option_is_written_in_small_letters():
    """Older versions of typer take a metavar that is the name of the option for the option itself."""
    options = [one for command in get_command(app).commands.values() for one in command.params]
    assert all(name == name.lower() for one in options for name in one.opts)
    assert all((one.metavar or "").lower() != one.name for one in options if one.opts[0].startswith("--"))
