"""Files that are downloaded once and kept: the folder that holds them, and the check of each against its sha256."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

FOLDER_VARIABLE = "MICROTUTOR_DATA"


def cache_folder() -> Path:
    """Where the files are kept: the folder named by the variable MICROTUTOR_DATA, or else the user's cache folder."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    import pooch

    return Path(pooch.os_cache("microtutor"))


def fetch_from(url: str, sha256: str, name: str) -> Path:
    """The path of a file in the cache folder, where it lies as `name`; downloaded from url if it is not there yet.

    It is checked whenever it is asked for, and stands under its name only when it is complete.

    Args:
        url: its public source.
        sha256: its checksum, in hexadecimal digits.
        name: its path inside the cache folder, such as "rock/berea.zip".

    Raises:
        ValueError: its sha256 is another one. Such a file is not used: one that lay in the cache stays there
            untouched, one that was downloaded is not kept.
        FileNotFoundError: it is not in the cache and cannot be downloaded; says where to get it and where to put it.
    """
    path = cache_folder() / name
    if path.is_file():
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != sha256:
            raise ValueError(
                f"expected {path} with the sha256 {sha256}, got {found}: the file is damaged, and is not used; "
                f"delete it, and it is downloaded again from {url}"
            )
        return path
    import pooch

    try:
        pooch.retrieve(url, f"sha256:{sha256}", fname=path.name, path=path.parent)
    except ValueError as error:  # pooch keeps no file whose checksum is wrong
        raise ValueError(f"{url} no longer gives the file with the sha256 {sha256}; nothing is kept of it") from error
    except OSError as error:
        raise FileNotFoundError(
            f"{name} is not in {cache_folder()} and cannot be downloaded ({type(error).__name__}); connect to the "
            f"internet once, or get it from {url} and put it there as {path}, or set {FOLDER_VARIABLE} to the folder "
            f"that holds {name} (there is one in the classroom zip of each release)"
        ) from error
    return path
