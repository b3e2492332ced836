import json
import re
import signal
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from microtutor import files
from microtutor.files import replacing, write_csv, write_json


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_when_the_block_ends_well(tmp_path):
    target = tmp_path / "new" / "folder" / "file.txt"
    with replacing(target) as temporary:
        temporary.write_text("all of it", encoding="utf-8")
        assert temporary.parent == target.parent
        assert not target.exists()
    assert target.read_text(encoding="utf-8") == "all of it"
    assert names(target.parent) == ["file.txt"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interruption_leaves_the_old_file_and_nothing_else(tmp_path, error):
    target = tmp_path / "file.txt"
    target.write_text("old", encoding="utf-8")

    def write():
        with replacing(target) as temporary:
            temporary.write_text("half of", encoding="utf-8")
            raise error

    with pytest.raises(error):
        write()
    assert target.read_text(encoding="utf-8") == "old"
    assert names(tmp_path) == ["file.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not replace a file that is open; see the next test")
def test_the_old_file_is_whole_until_the_new_one_is(tmp_path):
    """Renaming leaves what a reader has open as it was; writing over it would not."""
    target = tmp_path / "file.txt"
    target.write_text("old", encoding="utf-8")
    with open(target, encoding="utf-8") as reader:
        with replacing(target) as temporary:
            temporary.write_text("new and longer", encoding="utf-8")
        assert reader.read() == "old"
    assert target.read_text(encoding="utf-8") == "new and longer"


@pytest.fixture
def windows(monkeypatch):
    """A system that, as Windows does, refuses to replace a file as often as told, and a clock that does not wait."""
    refusals, waited = [0], []
    rename = Path.replace

    def replace(self, target):
        if refusals[0] and Path(target).exists():
            refusals[0] -= 1
            raise PermissionError(13, "Access is denied", str(self), 5, str(target))
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(files.time, "sleep", waited.append)
    return refusals, waited


def test_a_file_that_another_program_has_open(tmp_path, windows):
    windows[0][0] = 1000
    write_json(tmp_path / "new.json", {})  # nothing is there to be open
    (tmp_path / "log.csv").write_text("old", encoding="utf-8")
    expected = (
        f"cannot write {tmp_path / 'log.csv'}: Access is denied; close it in every other program that has it open"
    )
    with pytest.raises(OSError, match=re.escape(expected)):
        write_csv(tmp_path / "log.csv", [{"step": 1}])
    assert (tmp_path / "log.csv").read_text(encoding="utf-8") == "old"
    assert names(tmp_path) == ["log.csv", "new.json"]
    assert sum(windows[1]) < 2  # seconds


def test_a_file_that_another_program_reads_for_a_moment(tmp_path, windows):
    windows[0][0] = 2
    (tmp_path / "a.json").write_text("old", encoding="utf-8")
    write_json(tmp_path / "a.json", ["new"])
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == ["new"]
    assert len(windows[1]) == 2
    assert names(tmp_path) == ["a.json"]


@pytest.mark.skipif(sys.platform != "win32", reason="only Windows refuses to replace a file that is open")
def test_an_open_file_on_windows_itself(tmp_path):
    (tmp_path / "a.json").write_text("old", encoding="utf-8")
    with open(tmp_path / "a.json", encoding="utf-8"), pytest.raises(OSError, match="close it in every other program"):
        write_json(tmp_path / "a.json", ["new"])
    assert names(tmp_path) == ["a.json"]


def test_text_is_the_same_on_every_system(tmp_path):
    """Not in the letters of this system's language, nor with its line ends."""
    write_json(tmp_path / "a.json", {"unit": 1})
    assert (tmp_path / "a.json").read_bytes() == b'{\n  "unit": 1\n}\n'
    write_csv(tmp_path / "a.csv", [{"length (µm)": 1}])
    assert (tmp_path / "a.csv").read_bytes() == "length (µm)\r\n1\r\n".encode()


def test_json_round_trip(tmp_path):
    content = {"a": [1, 2.5, None], "b": {"c": "text"}}
    write_json(tmp_path / "a.json", content)
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == content
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"a": object()})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == content


@pytest.mark.parametrize("inside", ["", "deeper"])
def test_a_file_in_place_of_the_folder(tmp_path, inside):
    (tmp_path / "taken").write_text("", encoding="utf-8")
    target = tmp_path / "taken" / inside / "a.json"
    with pytest.raises(
        OSError, match=rf"cannot write {re.escape(str(target))}: .*; choose a folder with room that you may write to"
    ):
        write_json(target, {})
    assert names(tmp_path) == ["taken"]


@contextmanager
def no_room():
    """No file may grow beyond 1,000 bytes, as on a full disk. Only around the call: pytest writes files of its own."""
    resource = pytest.importorskip("resource", reason="Windows sets no limit to the size of files")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk(tmp_path):
    with pytest.raises(OSError, match=r"cannot write .*a.json: .*; choose a folder with room"), no_room():
        write_json(tmp_path / "a.json", ["x" * 2000])
    assert names(tmp_path) == []
