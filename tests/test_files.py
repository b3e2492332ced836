import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from microtutor import files
from microtutor.files import check_outputs, only_writer, replacing, write_csv, write_json


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


# --- what is there is kept --------------------------------------------------------------------------------------------
def test_a_file_that_is_there_is_kept_unless_it_may_be_overwritten(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("mine", encoding="utf-8")

    def write():
        with replacing(target, overwrite=False):
            pytest.fail("the block is not to be entered")

    with pytest.raises(FileExistsError, match=rf"{re.escape(str(target))} is there already, and is kept"):
        write()
    assert target.read_text(encoding="utf-8") == "mine"
    assert names(tmp_path) == ["a.txt"]


def test_a_file_that_comes_meanwhile_is_kept(tmp_path):
    target = tmp_path / "a.txt"

    def write():
        with replacing(target, overwrite=False) as temporary:
            temporary.write_text("this run's", encoding="utf-8")
            target.write_text("another's", encoding="utf-8")

    with pytest.raises(FileExistsError, match="is there already, and is kept"):
        write()
    assert target.read_text(encoding="utf-8") == "another's"
    assert names(tmp_path) == ["a.txt"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "mine.png").write_text("picture", encoding="utf-8")
    (tmp_path / "down").mkdir()
    (tmp_path / "inside" / "run").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def everything(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


@pytest.mark.parametrize(
    "output", ["mine.png", "./mine.png", "down/../mine.png", "link.png", "hard.png", "linked/mine.png"]
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_an_input_is_never_written_over(folder, output, overwrite):
    try:
        (folder / "link.png").symlink_to("mine.png")
        (folder / "linked").symlink_to(folder, target_is_directory=True)
        os.link("mine.png", "hard.png")
    except OSError:
        pytest.skip("this system lets no one make links")
    with pytest.raises(ValueError, match=r"expected another file for --output than the image, got .*, which would be"):
        check_outputs({"--output": output}, {"the image": folder / "mine.png"}, overwrite=overwrite)


@pytest.mark.parametrize(("a", "b"), [("x.npy", "x.npy"), ("x.npy", "down/../x.npy"), ("x.npy", "X.NPY")])
def test_two_outputs_are_two_files(folder, a, b):
    with pytest.raises(ValueError, match=r"expected two files, got x.npy as --output and as --figure"):
        check_outputs({"--output": a, "--figure": b}, overwrite=True)
    check_outputs({"--output": "x.npy", "--figure": "x.png"})
    assert names(folder) == ["down", "inside", "mine.png"]


@pytest.mark.parametrize(
    ("output", "error", "said"),
    [
        ("mine.png", FileExistsError, "mine.png, for --output, is there already; choose another name"),
        ("down", ValueError, "expected a file for --output, got down, which is a folder; add the name of a file"),
        ("mine.png/x.npy", OSError, "cannot write .*x.npy: .*; choose a folder that you may write to"),
        ("mine.png/new/x.npy", OSError, "cannot write .*x.npy: .*; choose a folder that you may write to"),
        ("x" * 300 + ".npy", OSError, "cannot write x.*: .*; choose a folder that you may write to"),
    ],
)
def test_outputs_that_cannot_be_written(folder, output, error, said):
    before = everything(folder)
    with pytest.raises(error, match=said) as caught:
        check_outputs({"--output": output})
    assert ".part" not in str(caught.value)
    assert everything(folder) == before


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="there is no /dev/null here")
def test_a_device_is_no_file_to_replace():
    with pytest.raises(ValueError, match="got /dev/null, which is no file"):
        check_outputs({"--record": "/dev/null"}, overwrite=True)


def test_what_may_be_written_is_not_written_yet(folder):
    before = everything(folder)
    check_outputs({"a": "new/folder/x.npy", "b": "down/x.npy"}, {"the image": "mine.png"})
    check_outputs({"a": "mine.png"}, {"the image": "absent.png"}, overwrite=True)
    assert everything(folder) == before


def test_a_folder_that_may_not_be_written_to(folder, monkeypatch):
    """Simulated, since an administrator may write everywhere."""

    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied", str(arguments[0]))

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(OSError, match=r"cannot write x.npy: Permission denied; choose a folder") as caught:
        check_outputs({"--output": "x.npy"})
    assert ".part" not in str(caught.value)


# --- what killed runs leave -------------------------------------------------------------------------------------------
WRITE_AND_WAIT = """
import sys, time
from microtutor.files import replacing
with replacing(sys.argv[1]) as temporary:
    temporary.write_text("half of")
    print("there", flush=True)
    time.sleep(60)
"""


def test_the_part_of_a_killed_run_goes_and_that_of_a_living_one_stays(tmp_path):
    target = tmp_path / "a b[1].json"
    others = [subprocess.Popen([sys.executable, "-c", WRITE_AND_WAIT, target], stdout=subprocess.PIPE) for _ in "ab"]
    for other in others:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == b"there"
    others[0].kill()
    others[0].wait()
    parts = set(names(tmp_path))
    assert len(parts) == 2
    write_json(target, ["new"])
    (left,) = set(names(tmp_path)) - {target.name}
    assert left in parts
    assert f"-{others[1].pid}-" in left
    others[1].kill()
    others[1].wait()
    write_json(target.with_name("another.json"), [])  # not the same file
    assert left in names(tmp_path)
    write_json(target, ["newer"])
    assert names(tmp_path) == [target.name, "another.json"]
    for other in others:
        other.stdout.close()


def test_two_parts_of_one_process_are_both_under_way(tmp_path):
    with replacing(tmp_path / "a.txt") as first, replacing(tmp_path / "a.txt") as second:
        first.write_text("first", encoding="utf-8")
        second.write_text("second", encoding="utf-8")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "first"  # it ends last
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(("age", "left"), [(0, 1), (2 * files.DAY, 0)])
def test_parts_of_other_machines_go_when_they_are_old(tmp_path, age, left):
    part = tmp_path / f".a.json.0123abcd-{os.getpid()}-abcdef.part"
    part.write_text("half of", encoding="utf-8")
    os.utime(part, (part.stat().st_atime, part.stat().st_mtime - age))
    write_json(tmp_path / "a.json", [])
    assert len(names(tmp_path)) == 1 + left


def test_parts_of_older_versions_go_too(tmp_path):
    (tmp_path / ".a.json.999999999.part").write_text("half of", encoding="utf-8")
    write_json(tmp_path / "a.json", [])
    assert names(tmp_path) == ["a.json"]


def test_no_message_shows_the_temporary_name(tmp_path):
    def write():
        with replacing(tmp_path / "a.png") as temporary:
            raise OSError(f"encoder error -2 when writing image file {temporary}")

    with pytest.raises(OSError, match=r"cannot write .*a.png: encoder error") as caught:
        write()
    assert ".part" not in str(caught.value)


# --- one writer -------------------------------------------------------------------------------------------------------
def test_a_folder_and_each_of_its_files_have_one_writer(tmp_path):
    folder, taken = tmp_path / "new", pytest.raises(FileExistsError, match=r"new(.a.csv)? now; wait for its end, or")
    for _ in range(2):  # the locks stay as files, and are free again
        with only_writer(folder), only_writer(folder, "a.csv"), only_writer(folder, "b.csv"):
            for file in ("", "a.csv"):
                with taken, only_writer(folder, file):
                    pass
