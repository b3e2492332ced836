"""Pictures of your own as a source of images to learn from: a folder of them, split so that no two splits share one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from microtutor.checks import check_bool, check_choice, check_count, check_number, check_path
from microtutor.environment import find_device
from microtutor.microstructures.grey import read_grey, read_stack
from microtutor.microstructures.images import ask_about_labels, grey_level
from microtutor.microstructures.micro2d import load_micro2d, structures_in
from microtutor.microstructures.rock import RockCrops, strips, turned
from microtutor.microstructures.samples import SPLITS, Images, Sample, sent, stream

PICTURES = (".png", ".tif", ".tiff", ".npy", ".bmp", ".jpg", ".jpeg", ".pgm", ".gif")
ENOUGH = 10  # pictures, to split by picture
HDF5, MOST_STRUCTURES = (".h5", ".hdf5"), 2000  # of MICRO2D, whose file holds more than fit into memory


Box = tuple[tuple[int, int], tuple[int, int]]  # [first, last) of rows and of columns


@dataclass(frozen=True)
class FolderSample(Sample):
    """Crops of pictures and where they were cut.

    Attributes:
        images: (n, 1, size, size) float32 in {0, 1}; the phase of interest is 1.
        picture: (n,) int64; the number of the picture in `ImageFolder.names`.
        corner: (n, 2) int64; the pixel of the crop with the lowest row and column.
    """

    picture: Tensor
    corner: Tensor


class Picture(NamedTuple):
    """A picture that was read: the name of its file, its phase of interest, and a hash of its grey values."""

    name: str
    phase: Tensor
    hash: str


class _Found(NamedTuple):
    """What a folder holds."""

    pictures: tuple[Picture, ...]
    copies: tuple[str, ...]
    ignored: tuple[str, ...]


@dataclass(frozen=True)
class ImageFolder(Images[FolderSample]):
    """Pictures in a folder, as crops to learn from and others to test on; no two splits share a picture or a pixel.

    The pictures are the files that end in .png, .tif, .tiff, .npy, .bmp, .jpg, .jpeg, .pgm or .gif; `ignored` names the
    others, and folders within the folder are not looked into. All pictures are read at once, and one that cannot be
    read is named. Equal pictures count once; `copies` names the others. Pictures may differ in size.

    Of n different pictures, if there are 10 or more, a tenth is for validation and a tenth for testing, rounded, and
    the others are for training. Which ones, follows from a hash of their grey values: it does not change when files are
    renamed or saved in another format, and is the same on every machine.

    Of fewer pictures, each is cut across its longer side: validation is its low end, test its high end, train the
    middle, as `strips` gives them, with a gap of 4 % of that side. If one is too short for this, three pictures or more
    are split by picture after all, one for validation and one for testing.

    A picture with sides of exactly `size` is used whole. From larger ones crops are cut at random places, from each
    picture as often as its area says. A split that has only whole pictures gives each of them equally often.

    Args:
        folder: the folder, or the file of one large picture.
        size: height and width of the crops in pixels; no picture may be smaller.
        threshold: in grey values of the files, one for all of them. By default each has its own, Otsu's: see
            `otsu_threshold`.
        dark: the phase of interest is the dark one instead of the bright one.
        label: for maps of labels, such as 2: the number of the phase of interest. In palette pictures it is the number
            of the colour.
        augment: turn and flip the crops for training at random, which is right only for a material without a direction;
            never those of other splits.

    Raises:
        FileNotFoundError: no such folder.
        TypeError: an argument is of another type.
        ValueError: there are no pictures in it, one cannot be read, is smaller than size, is a map of labels or has one
            phase only; or they are too few and too small for three splits.

    >>> ImageFolder("no_such_folder")
    Traceback (most recent call last):
    FileNotFoundError: expected a folder of pictures, got no_such_folder, which is not there
    """

    folder: str | os.PathLike
    size: int = 64
    threshold: float | None = None
    dark: bool = False
    label: int | None = None
    augment: bool = False
    _found: _Found = field(init=False, repr=False, compare=False)
    _boxes: dict[str, list[tuple[int, Box]]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", check_path(self.folder, name="folder"))
        check_count(self.size, name="size")
        _check_reading(self.threshold, self.dark, self.label)
        check_bool(self.augment, name="augment")
        found = _read(*_files(Path(self.folder)), self.threshold, self.dark, self.label)
        object.__setattr__(self, "_found", found)
        for picture in found.pictures:
            if min(picture.phase.shape) < self.size:
                raise ValueError(
                    f"expected pictures of at least {self.size} x {self.size} pixels, got {_extent(picture)} in "
                    f"{picture.name}; take a smaller size, or move it out of the folder"
                )
        object.__setattr__(self, "_boxes", self._split())

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the pictures, in the order of their numbers."""
        return tuple(picture.name for picture in self._found.pictures)

    @property
    def ignored(self) -> tuple[str, ...]:
        """The names of the files that are no pictures."""
        return self._found.ignored

    @property
    def copies(self) -> tuple[str, ...]:
        """The names of pictures that are equal to another one, and are left out."""
        return self._found.copies

    @property
    def fingerprint(self) -> str:
        """Tells two collections of pictures apart, by a hash of their phases; their names and order do not count."""
        phases = (repr(tuple(p.phase.shape)).encode() + p.phase.numpy().tobytes() for p in self._found.pictures)
        return sha256("".join(sorted(sha256(phase).hexdigest() for phase in phases)).encode()).hexdigest()[:16]

    @property
    def by_picture(self) -> bool:
        """Whether each picture is in one split, and not each split in all pictures."""
        return len(self._found.pictures) >= ENOUGH or any(self._strips(p) is None for p in self._found.pictures)

    def boxes(self, split: str) -> list[tuple[int, Box]]:
        """What a split may use: numbers of pictures, each with the extent [first, last) of rows and of columns."""
        return self._boxes[check_choice(split, SPLITS, name="split")]

    def crops(self, split: str) -> int:
        """How many crops of a split fit side by side: how many there are that share no pixel."""
        sides = ([(last - first) // self.size for first, last in box] for _, box in self.boxes(split))
        return sum(rows * columns for rows, columns in sides)

    def whole(self, split: str) -> bool:
        """Whether a split has no choice of places: each of its pictures is used whole."""
        return all(last - first == self.size for _, box in self.boxes(split) for first, last in box)

    def sample(
        self, n: int, *, seed: int = 0, device: str | torch.device = "cpu", split: str = "test", index: int = 0
    ) -> FolderSample:
        """Cut n crops at random places. Equal arguments give equal crops, on every device and machine.

        Args:
            n: number of crops.
            seed, index: choose the random stream.
            split: train, validation or test.
            device: where the crops go.
        """
        generator, device = stream(n, seed, split, index), find_device(device)
        boxes = self.boxes(split)
        extents = torch.tensor([box for _, box in boxes])
        first, sides = extents[..., 0], extents[..., 1] - extents[..., 0]
        if self.whole(split):
            rounds = [torch.randperm(len(boxes), generator=generator) for _ in range(-(-n // len(boxes)))]
            chosen = torch.cat(rounds)[:n]
        else:
            ends = sides.prod(1).cumsum(0)
            pixel = torch.randint(int(ends[-1]), (n,), generator=generator)
            chosen = torch.searchsorted(ends, pixel, right=True)
        place = torch.rand(n, 2, generator=generator, dtype=torch.float64)
        corner = first[chosen] + (place * (sides[chosen] - self.size + 1)).long()
        turn = torch.randint(8, (n,), generator=generator)
        picture = torch.tensor([number for number, _ in boxes])[chosen]
        images = torch.empty(n, 1, self.size, self.size, dtype=torch.float32)
        for image, p, (row, column), t in zip(images, picture.tolist(), corner.tolist(), turn.tolist()):
            crop = self._found.pictures[p].phase[row : row + self.size, column : column + self.size]
            image[0] = turned(crop, t) if self.augment and split == "train" else crop
        return FolderSample(*(sent(x, device) for x in (images, picture, corner)))

    def _strips(self, picture: Picture) -> dict[str, tuple[int, int]] | None:
        longer = max(picture.phase.shape)
        return strips(longer, self.size, max(4 * longer // 100, 1))

    def _split(self) -> dict[str, list[tuple[int, Box]]]:
        """What each split may use, as `boxes` tells it."""
        pictures = self._found.pictures
        parts: dict[str, list[tuple[int, Box]]] = {split: [] for split in SPLITS}
        if not self.by_picture:
            for number, picture in enumerate(pictures):
                height, width = picture.phase.shape
                for split, extent in (self._strips(picture) or {}).items():
                    parts[split].append((number, ((0, height), extent) if width > height else (extent, (0, width))))
            return parts
        if len(pictures) < 3:
            longer = max(max(picture.phase.shape) for picture in pictures)
            raise ValueError(
                f"expected at least three different pictures to train, validate and test on, or larger ones to cut in "
                f"three, got {len(pictures)} of at most {longer} pixels for crops of size {self.size}; take a smaller "
                "size, or add pictures"
            )
        tenth = max(1, round(len(pictures) / 10))
        order = sorted(range(len(pictures)), key=lambda number: pictures[number].hash)
        for split, numbers in zip(
            ("test", "validation", "train"), (order[:tenth], order[tenth : 2 * tenth], order[2 * tenth :])
        ):
            for number in sorted(numbers):
                height, width = pictures[number].phase.shape
                parts[split].append((number, ((0, height), (0, width))))
        return parts


def images_from(
    path: str | os.PathLike,
    size: int = 64,
    *,
    threshold: float | None = None,
    dark: bool = False,
    label: int | None = None,
    augment: bool = False,
) -> ImageFolder | RockCrops:
    """Images to learn from, from what a path names: a folder of pictures, one large picture, or a volume.

    A file of several slices, which is a .zip, a .tif of several frames or a .npy of three axes, is a volume; its crops
    are cut from its slices as they are, normal to axis 0. So is an HDF5 file of MICRO2D (.h5, .hdf5), of which the
    first 2,000 structures are read, see `load_micro2d`.

    Args:
        path: a folder or a file.
        size, threshold, dark, label, augment: as for `ImageFolder`.

    Raises:
        FileNotFoundError, TypeError, ValueError: as `ImageFolder` and `RockCrops`.

    >>> images_from("no_such_folder")
    Traceback (most recent call last):
    FileNotFoundError: expected a folder of pictures, got no_such_folder, which is not there
    """
    path = check_path(path, name="path")
    _check_reading(threshold, dark, label)
    if not (path.is_file() and _is_volume(path)):
        return ImageFolder(path, size, threshold, dark, label, augment)
    state = path.stat()
    volume = _read_volume(path.absolute(), (state.st_size, state.st_mtime_ns), threshold, dark, label)
    crops = RockCrops(volume, size, augment, axes=(0,))
    for split in SPLITS:
        crops.sample(1, split=split)
    return crops


def _check_reading(threshold: float | None, dark: bool, label: int | None) -> None:
    if threshold is not None:
        check_number(threshold, name="threshold")
    check_bool(dark, name="dark")
    if label is not None:
        check_count(label, name="label", minimum=0)
        if threshold is not None or dark:
            raise ValueError("expected either a label or a threshold (with dark or not), got both; leave one out")


def pictures_in(folder: Path) -> tuple[list[Path], tuple[str, ...]]:
    """The pictures of a folder, or the one file, in the order of their names, and the names of other files.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: there are no pictures in it.

    >>> pictures_in(Path("no_such_folder"))
    Traceback (most recent call last):
    FileNotFoundError: expected a folder of pictures, got no_such_folder, which is not there
    """
    if folder.is_file():
        found = [folder]
    elif folder.is_dir():
        found = sorted((path for path in folder.iterdir() if path.is_file()), key=lambda path: path.name)
    else:
        raise FileNotFoundError(f"expected a folder of pictures, got {folder}, which is not there")
    visible = [path for path in found if path.name[0] != "."]
    pictures = [path for path in visible if path.suffix.lower() in PICTURES]
    ignored = tuple(path.name for path in visible if path not in pictures)
    if not pictures:
        there = f"only {', '.join(ignored[:3])}{' and others' if ignored[3:] else ''}" if ignored else "no file"
        raise ValueError(f"expected pictures ({', '.join(PICTURES)}) in {folder}, got {there}")
    return pictures, ignored


def _files(folder: Path) -> tuple[tuple[tuple[Path, int, int], ...], tuple[str, ...]]:
    """The files of pictures, each with what changes when it is written anew, and the names of other files."""
    pictures, ignored = pictures_in(folder)
    states = ((path.absolute(), path.stat()) for path in pictures)
    return tuple((path, state.st_size, state.st_mtime_ns) for path, state in states), ignored


@lru_cache(maxsize=2)
def _read(
    files: Sequence[tuple[Path, int, int]],
    ignored: tuple[str, ...],
    threshold: float | None,
    dark: bool,
    label: int | None,
) -> _Found:
    """All pictures, read once as long as the files are the same."""
    pictures, copies, seen = [], [], set()
    for path, *_ in files:
        picture = _read_picture(path, threshold, dark, label)
        (copies.append(picture.name) if picture.hash in seen else pictures.append(picture))
        seen.add(picture.hash)
    return _Found(tuple(pictures), tuple(copies), ignored)


def _read_picture(path: Path, threshold: float | None, dark: bool, label: int | None) -> Picture:
    grey = np.ascontiguousarray(read_grey(path, labels=label is not None), np.float64)
    phase = _phase(grey, path.name, threshold, dark, label)
    return Picture(path.name, phase, sha256(repr(grey.shape).encode() + grey.astype("<f8").tobytes()).hexdigest())


def _phase(grey: np.ndarray, name: str, threshold: float | None, dark: bool, label: int | None) -> Tensor:
    """The phase of interest of a picture, or of a volume, if it has two phases."""
    if label is not None:
        found = torch.from_numpy(grey == label)
        if not found.any() or found.all():
            raise ValueError(
                f"expected the label {label} and others in {name}, got values from {grey.min():g} to {grey.max():g} "
                f"{'without it' if not found.any() else 'and nothing else'}; take another label, or move {name} away"
            )
        return found
    if grey.min() == grey.max():
        raise ValueError(
            f"expected two phases in {name}, got the grey value {grey.min():g} only; move it out of the folder"
        )
    if threshold is None:
        ask_about_labels(grey, name, "label=... for one phase, or ")
    bright = torch.from_numpy(grey > grey_level(grey, threshold, name))
    return ~bright if dark else bright


def _is_volume(path: Path) -> bool:
    """Whether a file holds several slices; of one that cannot be read, the reader of pictures says so."""
    if path.suffix.lower() in (".zip", *HDF5):
        return True
    try:
        if path.suffix.lower() == ".npy":
            return np.load(path, mmap_mode="r", allow_pickle=False).ndim == 3
        from PIL import Image

        with Image.open(path) as image:
            return getattr(image, "n_frames", 1) > 1
    except Exception:  # whatever a broken file makes a library say
        return False


@lru_cache(maxsize=2)
def _read_volume(path: Path, state: tuple[int, int], threshold: float | None, dark: bool, label: int | None) -> Tensor:
    """The phase of interest of a volume, read once as long as its file is the same."""
    if path.suffix.lower() in HDF5:
        if threshold is not None or label is not None:
            raise ValueError(f"expected no threshold and no label for {path.name}, whose structures have two phases")
        structures = load_micro2d(path, number=min(structures_in(path), MOST_STRUCTURES))
        return ~structures if dark else structures
    return _phase(read_stack(path), path.name, threshold, dark, label)


def _extent(picture: Picture) -> str:
    """As 64 x 64."""
    return " x ".join(map(str, picture.phase.shape))
