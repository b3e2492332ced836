import json
import resource
import signal
from contextlib import contextmanager

import pytest

from microtutor.files import replacing, write_json


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_when_the_block_ends_well(tmp_path):
    target = tmp_path / "new" / "folder" / "file.txt"
    with replacing(target) as temporary:
        temporary.write_text("all of it")
        assert temporary.parent == target.parent
        assert not target.exists()
    assert target.read_text() == "all of it"
    assert names(target.parent) == ["file.txt"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interruption_leaves_the_old_file_and_nothing_else(tmp_path, error):
    target = tmp_path / "file.txt"
    target.write_text("old")

    def write():
        with replacing(target) as temporary:
            temporary.write_text("half of")
            raise error

    with pytest.raises(error):
        write()
    assert target.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]


def test_the_old_file_is_whole_until_the_new_one_is(tmp_path):
    """Renaming leaves what a reader has open as it was; writing over it would not."""
    target = tmp_path / "file.txt"
    target.write_text("old")
    with open(target) as reader:
        with replacing(target) as temporary:
            temporary.write_text("new and longer")
        assert reader.read() == "old"
    assert target.read_text() == "new and longer"


def test_json_round_trip(tmp_path):
    content = {"a": [1, 2.5, None], "b": {"c": "text"}}
    write_json(tmp_path / "a.json", content)
    assert json.loads((tmp_path / "a.json").read_text()) == content
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"a": object()})
    assert json.loads((tmp_path / "a.json").read_text()) == content


@pytest.mark.parametrize("inside", ["", "deeper"])
def test_a_file_in_place_of_the_folder(tmp_path, inside):
    (tmp_path / "taken").write_text("")
    target = tmp_path / "taken" / inside / "a.json"
    with pytest.raises(OSError, match=rf"cannot write {target}: .*; choose a folder with room that you may write to"):
        write_json(target, {})
    assert names(tmp_path) == ["taken"]


@contextmanager
def no_room():
    """No file may grow beyond 1,000 bytes, as on a full disk. Only around the call: pytest writes files of its own."""
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
