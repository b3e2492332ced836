"""The sources of the micrographs: what is refused, and what is said without a network. Nothing here needs either."""

import dataclasses
import hashlib
import http.server
import re
import threading

import pooch
import pytest
import requests

from microtutor.downloads import cache_folder
from microtutor.microstructures import datasets, load_li2018
from microtutor.microstructures.datasets import DATASETS, available, fetch, files

CONTENT = b"a small micrograph"
NAME = "li2018/alloy_resized.npy"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder of its own, and a checksum in the table that CONTENT has."""
    monkeypatch.setenv("MICROTUTOR_DATA", str(tmp_path / "cache"))
    sums = {"example_microstructures": {"alloy_resized.npy": hashlib.sha256(CONTENT).hexdigest()}}
    monkeypatch.setitem(DATASETS, "li2018", dataclasses.replace(DATASETS["li2018"], files=sums))
    return tmp_path / "cache"


@pytest.fixture
def offline(monkeypatch):
    def get(*_, **__):
        raise requests.exceptions.ConnectionError("no network")

    monkeypatch.setattr(requests, "get", get)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server of this machine in place of GitHub; what it serves lies in the folder given back."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path / "served"))

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{running.server_address[1]}"
        monkeypatch.setattr(
            datasets, "_source", lambda name: (f"{address}/{name}", hashlib.sha256(CONTENT).hexdigest())
        )
        yield tmp_path / "served"
        running.shutdown()
        thread.join()


def put(folder, content=CONTENT):
    path = folder / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


# --- what lies in the cache -------------------------------------------------------------------------------------------
def test_a_file_of_the_cache_is_taken_from_there(cache, offline):
    path = put(cache)
    assert fetch(NAME) == path
    assert available(NAME)


@pytest.mark.parametrize("content", [b"a small micrograpH", CONTENT + b"\n", b""])
def test_a_changed_file_is_refused_and_left_alone(cache, offline, content):
    path = put(cache, content)
    with pytest.raises(ValueError, match=r"expected .*alloy_resized.npy with the sha256 \w{64}, got \w{64}") as error:
        fetch(NAME)
    assert "delete it, and it is downloaded again from https://raw.githubusercontent.com/" in str(error.value)
    assert path.read_bytes() == content
    with pytest.raises(ValueError, match="is damaged"):
        load_li2018("alloy")


# --- what does not ----------------------------------------------------------------------------------------------------
def test_without_network_it_says_what_to_put_where(cache, offline):
    data = DATASETS["li2018"]
    url = f"https://raw.githubusercontent.com/{data.repository}/{data.commit}/example_microstructures/alloy_resized.npy"
    with pytest.raises(
        FileNotFoundError, match=re.escape(f"{NAME} is not in {cache} and cannot be downloaded")
    ) as error:
        load_li2018("alloy")
    message = str(error.value)
    assert f"get it from {url} and put it there as {cache / NAME}" in message
    assert "set MICROTUTOR_DATA to the folder that holds li2018/alloy_resized.npy" in message
    assert not available(NAME)
    assert not (cache / NAME).exists()


def test_a_file_is_downloaded_once(cache, server):
    put(server)
    assert fetch(NAME).read_bytes() == CONTENT
    (server / NAME).unlink()
    assert fetch(NAME) == cache / NAME


def test_a_download_with_another_checksum_is_not_kept(cache, server):
    put(server, b"another file")
    with pytest.raises(ValueError, match=r"no longer gives the file with the sha256 \w{64}; nothing is kept of it"):
        fetch(NAME)
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_a_source_that_has_no_such_file(cache, server):
    server.mkdir()
    with pytest.raises(FileNotFoundError, match=r"cannot be downloaded \(HTTPError\)"):
        fetch(NAME)


def test_a_cache_that_cannot_be_written_to(cache, server):
    put(server)
    cache.parent.mkdir(exist_ok=True)
    cache.write_text("a file in place of the folder", encoding="utf-8")
    with pytest.raises(FileNotFoundError, match="cannot be downloaded"):
        fetch(NAME)


def test_the_cache_of_the_user(monkeypatch):
    monkeypatch.delenv("MICROTUTOR_DATA", raising=False)
    assert cache_folder() == pooch.os_cache("microtutor")


# --- the table --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", DATASETS)
def test_the_table_is_complete(name):
    data = DATASETS[name]
    assert re.fullmatch(r"[\w-]+/[\w-]+", data.repository)
    assert re.fullmatch(r"[0-9a-f]{40}", data.commit)
    assert data.licence.startswith(("CC BY 4.0", "MIT"))
    assert "https://doi.org/10." in data.citation
    sums = [sha256 for folder in data.files.values() for sha256 in folder.values()]
    assert all(re.fullmatch(r"[0-9a-f]{64}", sha256) for sha256 in sums)
    assert len(set(sums)) == len(sums) == len(set(files(name)))


def test_names_that_are_none():
    with pytest.raises(ValueError, match="expected a data set, one of li2018, steel, rock, superalloy, got 'wood'"):
        files("wood")
    with pytest.raises(ValueError, match=r"expected a file of rock, one of rock/berea.zip, .*, got 'rock/marble.zip'"):
        fetch("rock/marble.zip")
    with pytest.raises(ValueError, match="expected a file of rock"):
        available("rock/marble.zip")
    with pytest.raises(ValueError, match="expected a data set"):
        fetch("../secrets")


@pytest.mark.network
@pytest.mark.parametrize("name", ["li2018/pmma_resized.npy", "rock/ketton.zip", "superalloy/spot2_0d_0.tif"])
def test_the_public_source_still_gives_the_file(name, tmp_path, monkeypatch):
    monkeypatch.setenv("MICROTUTOR_DATA", str(tmp_path))
    assert fetch(name).is_file()
