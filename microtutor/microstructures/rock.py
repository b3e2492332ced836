"""Rock: micro-CT volumes of pores, and crops of their slices to learn from, split by blocks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from math import prod

import torch
from torch import Tensor

from microtutor.checks import check_bool, check_choice, check_count, check_each, check_number, describe, quote
from microtutor.environment import find_device
from microtutor.microstructures.datasets import fetch
from microtutor.microstructures.grey import check_file, read_stack
from microtutor.microstructures.images import ask_about_labels, grey_level
from microtutor.microstructures.samples import SPLITS, Images, Sample, sent, stream

ROCK_SPLITS = (*SPLITS, "all")
THIN = 13  # voxels: of fewer, 8 % are no voxel at all
PORES_ARE_DARK = {"berea": False, "ketton": True}  # as the files have them: see load_rock

Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]  # [first, last) along each axis


def load_rock(name: str) -> Tensor:
    """A segmented micro-CT scan of a rock, True in its pores.

    Berea is a sandstone, 400^3 voxels of 3 um, porosity 0.196; Ketton a limestone of round grains, 256^3 voxels of
    15.2 um, porosity 0.127. The file of Berea marks the pores with 255, that of Ketton the grains; here pores are True
    in both.

    Args:
        name: berea or ketton.

    Returns:
        bool, shape (depth, height, width); statistics take it as it is with ndim=3.

    Raises:
        ValueError, FileNotFoundError: no such name, or as `fetch`.

    Source: scans of Imperial College London, from the repository of Mosser, Dubrule & Blunt, Phys. Rev. E 96, 043309
    (2017); MIT. See DATASETS["rock"] for the citation.
    """
    if not isinstance(name, str) or name not in PORES_ARE_DARK:
        raise ValueError(f"expected one of {', '.join(PORES_ARE_DARK)}, got {quote(name)}")
    return load_volume(fetch(f"rock/{name}.zip"), dark=PORES_ARE_DARK[name])


def load_volume(path: str | os.PathLike, *, threshold: float | None = None, dark: bool = False) -> Tensor:
    """Read a volume of grey values as a phase, True where they are above the threshold.

    Args:
        path: a .tif of several frames, a .npy array (depth, height, width), or a .zip with one such file in it.
        threshold: in grey values of the file. By default Otsu's: see `otsu_threshold`.
        dark: the phase of interest is the dark one instead of the bright one.

    Returns:
        bool, shape (depth, height, width).

    Raises:
        FileNotFoundError: no such file.
        TypeError: an argument is of another type.
        ValueError: no volume of grey values; or one of only one value, of few that may be labels, of several channels
            or times; or a threshold outside its grey values.
    """
    check_bool(dark, name="dark")
    if threshold is not None:
        check_number(threshold, name="threshold")
    name, grey = check_file(path).name, read_stack(path)
    if threshold is None:
        ask_about_labels(grey, name, "(labels == ...) for one phase, saved by itself, or ")
    bright = torch.from_numpy(grey > grey_level(grey, threshold, name))
    return ~bright if dark else bright


@dataclass(frozen=True)
class RockSample(Sample):
    """Crops of rock and where they were cut.

    Attributes:
        images: (n, 1, size, size) float32 in {0, 1}; the pores are 1.
        axis: (n,) int64; the axis of the volume that the slice is normal to, 0, 1 or 2.
        corner: (n, 3) int64; the voxel with the lowest indices.
    """

    axis: Tensor
    corner: Tensor


@dataclass(frozen=True)
class RockCrops(Images[RockSample]):
    """Square crops from slices of a rock, normal to its axes, with blocks kept apart for testing.

    Neighbouring slices of a volume are nearly equal, so a random split would test on what was learned. Here each split
    has blocks of its own. Along an axis of n voxels, t = 8 n / 100 and g = 4 n / 100, both rounded down, g to 1 at
    least; that is 32 and 16 of Berea's 400:

    - train: the cube [t + g, n - t - g)^3 in the middle;
    - validation: three slabs of thickness t at the low faces, [0, t) along one axis, [0, n - t - g) along the others;
    - test: three slabs of thickness t at the high faces, [n - t, n) along one axis, [t + g, n) along the others;
    - all: the whole volume, for a rock that nothing was learned from.

    Blocks of different splits are at least g voxels apart, about the distance beyond which the pores of Berea are not
    correlated. A crop lies in one block. From a slab come only crops parallel to its face; from the cube, of all axes.

    Args:
        rock: berea, ketton, or a volume of your own, (depth, height, width), bool or with values in {0, 1}.
        size: height and width of the crops in voxels.
        augment: turn and flip the crops for training at random; never those of other splits.
        axes: of the volume, those that slices are normal to; (0,) for a stack of few slices, or of voxels that are no
            cubes. By default all three, and the blocks above.

    With fewer axes than three, the volume is cut across one of its axes only: validation is its low end, test its high
    end, train the middle, as `strips` gives them, with a gap of 4 % of the longest side between them. It is the longest
    axis that lies in the slices and is long enough; if none is, the one that all slices are normal to.

    A volume of fewer than 13 voxels along an axis has no blocks for crops of all axes: take axes=(0,), or split="all".

    Crops of volumes of your own compare equal if the volume is the very same tensor.

    >>> cube = torch.zeros(50, 50, 50, dtype=torch.bool)
    >>> RockCrops(cube, size=32).sample(4, seed=0).images.shape
    torch.Size([4, 1, 32, 32])
    """

    rock: str | Tensor = "berea"
    size: int = 128
    augment: bool = True
    axes: tuple[int, ...] = (0, 1, 2)

    def __post_init__(self) -> None:
        check_count(self.size, name="size")
        check_bool(self.augment, name="augment")
        object.__setattr__(self, "axes", _checked_axes(self.axes))
        if isinstance(self.rock, str):
            if self.rock not in PORES_ARE_DARK:
                raise ValueError(f"expected one of {', '.join(PORES_ARE_DARK)} or a volume, got {quote(self.rock)}")
        elif not (isinstance(self.rock, Tensor) and self.rock.ndim == 3):
            raise TypeError(
                f"expected a name or a volume (depth, height, width) as a torch tensor, got {describe(self.rock)}"
            )
        elif self.rock.is_complex():
            raise TypeError(f"expected a volume of real numbers in {{0, 1}}, got {describe(self.rock)}")
        elif self.rock.dtype != torch.bool and not bool(((self.rock == 0) | (self.rock == 1)).all()):
            raise ValueError("expected a volume with values in {0, 1}, got others; threshold it first")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RockCrops):
            return NotImplemented
        if (self.size, self.augment, self.axes) != (other.size, other.augment, other.axes):
            return False
        if isinstance(self.rock, str) and isinstance(other.rock, str):
            return self.rock == other.rock
        return self.rock is other.rock  # == would go voxel by voxel

    @property
    def volume(self) -> Tensor:
        """The whole rock, (depth, height, width)."""
        return _named_rock(self.rock) if isinstance(self.rock, str) else self.rock

    @property
    def fingerprint(self) -> str | None:
        """Tells two volumes apart, by a hash of their voxels; None for a rock with a name."""
        if isinstance(self.rock, str):
            return None
        voxels = self.volume.bool().contiguous().cpu().numpy()
        return sha256(repr(voxels.shape).encode() + voxels.tobytes()).hexdigest()[:16]

    def blocks(self, split: str) -> list[tuple[tuple[int, ...], Box]]:
        """The blocks of a split: the axes that its slices are normal to, and its extent [first, last) along each axis.

        >>> RockCrops(torch.zeros(100, 100, 100), size=16).blocks("train")
        [((0, 1, 2), ((12, 88), (12, 88), (12, 88)))]
        """
        sides = self.volume.shape
        check_choice(split, ROCK_SPLITS, name="split")
        if split == "all":
            return [(self.axes, _box((0, n) for n in sides))]
        if len(self.axes) < 3:
            axis, parts = self._cut_across()
            return [(self.axes, _box(parts[split] if k == axis else (0, n) for k, n in enumerate(sides)))]
        if min(sides) < THIN:
            raise ValueError(
                f"expected a volume of at least {THIN} voxels along each axis for splits with blocks of their own, "
                f"got {_extent(sides)}; take split='all', or axes=(0,) for crops that are normal to one axis only"
            )
        thick = [8 * n // 100 for n in sides]
        apart = [t + max(4 * n // 100, 1) for t, n in zip(thick, sides)]
        if split == "train":
            return [((0, 1, 2), _box((a, n - a) for a, n in zip(apart, sides)))]
        low = split == "validation"
        along = [(0, t) if low else (n - t, n) for t, n in zip(thick, sides)]
        across = [(0, n - a) if low else (a, n) for a, n in zip(apart, sides)]
        return [((axis,), _box(along[k] if k == axis else across[k] for k in range(3))) for axis in range(3)]

    def sample(
        self, n: int, *, seed: int = 0, device: str | torch.device = "cpu", split: str = "test", index: int = 0
    ) -> RockSample:
        """Cut n crops at random places. Equal arguments give equal crops, on every device.

        Args:
            n: number of crops.
            seed, index: choose the random stream.
            split: train, validation, test or all: which blocks to cut from.
            device: where the crops go.

        Raises:
            ValueError: the crops do not fit into the blocks of the split.
        """
        generator, device = stream(n, seed, split, index, splits=ROCK_SPLITS), find_device(device)
        choices = self._choices(split)
        chosen = torch.randint(len(choices), (n,), generator=generator)
        place = torch.rand(n, 3, generator=generator, dtype=torch.float32)
        turn = torch.randint(8, (n,), generator=generator)
        axis = torch.tensor([axis for axis, _ in choices])[chosen]
        first, room = torch.tensor([box for _, box in choices])[chosen].unbind(-1)
        corner = first + (place * room).long()
        images = torch.empty(n, 1, self.size, self.size, dtype=torch.float32)
        for image, a, c, t in zip(images, axis.tolist(), corner.tolist(), turn.tolist()):
            crop = self._cut(a, c)
            image[0] = turned(crop, t) if self.augment and split == "train" else crop
        return RockSample(*(sent(x, device) for x in (images, axis, corner)))

    def crops(self, split: str) -> int:
        """How many crops of a split fit side by side, slice by slice: neighbouring slices are much alike.

        >>> RockCrops(torch.zeros(20, 100, 140), size=32, axes=(0,)).crops("train")
        120
        """
        found = 0
        for axis, corners in self._choices(split):
            sides = (room if k == axis else (room + self.size - 1) // self.size for k, (_, room) in enumerate(corners))
            found += prod(sides)
        return found

    def _cut_across(self) -> tuple[int, dict[str, tuple[int, int]]]:
        """The axis that a volume with slices of fewer axes than three is cut across, and the extent of each split."""
        sides = self.volume.shape
        apart = max(4 * max(sides) // 100, 1)
        inside = {k: set(self.axes) != {k} for k in range(3)}  # whether crops extend along an axis
        for axis in sorted(range(3), key=lambda k: (not inside[k], -sides[k])):
            if parts := strips(sides[axis], self.size if inside[axis] else 1, apart):
                return axis, parts
        raise ValueError(
            f"expected a volume with a side of at least {3 * self.size + 2 * apart} voxels, for three blocks of size "
            f"{self.size} with gaps of {apart}, got {_extent(sides)}; take a smaller size"
        )

    def _choices(self, split: str) -> list[tuple[int, list[tuple[int, int]]]]:
        """All (axis, [(first corner, number of corners)] along each axis) that crops of a split can have."""
        found = []
        for axes, box in self.blocks(split):
            for axis in axes:
                lengths = [1 if k == axis else self.size for k in range(3)]
                corners = [(first, last - first - length + 1) for (first, last), length in zip(box, lengths)]
                if min(room for _, room in corners) < 1:
                    extent = _extent(last - first for first, last in box)
                    raise ValueError(
                        f"expected size small enough for the {split} block {extent}, in which a crop normal to axis "
                        f"{axis} must fit, got {self.size}"
                    )
                found.append((axis, corners))
        return found

    def _cut(self, axis: int, corner: list[int]) -> Tensor:
        return self.volume[tuple(c if k == axis else slice(c, c + self.size) for k, c in enumerate(corner))]


def strips(length: int, least: int, apart: int) -> dict[str, tuple[int, int]] | None:
    """Cut a length for the three splits, with gaps between them: 8 % at each end, or more if a crop needs more.

    Args:
        length: in pixels.
        least: how long each part has to be.
        apart: how long each gap is.

    Returns:
        [first, last) for each split, or None if the length does not suffice for a middle that is as long as the ends.

    >>> strips(100, 20, 4)
    {'train': (24, 76), 'validation': (0, 20), 'test': (80, 100)}
    >>> strips(60, 20, 4)
    """
    end = max(least, 8 * length // 100)
    first, last = end + apart, length - end - apart
    if last - first < end:
        return None
    return {"train": (first, last), "validation": (0, end), "test": (length - end, length)}


def _checked_axes(axes: Sequence[int]) -> tuple[int, ...]:
    """The axes that slices are normal to, in order."""
    found = tuple(check_each(axes, check_count, name="axes", minimum=0, below=3))
    if not found or len(set(found)) < len(found):
        raise ValueError(f"expected axes as different numbers out of 0, 1 and 2, such as (0,), got {quote(axes)}")
    return tuple(sorted(found))


def _extent(sides: Iterable[int]) -> str:
    """As 400 x 400 x 400."""
    return " x ".join(map(str, sides))


def _box(extents) -> Box:
    return tuple(extents)


def turned(image: Tensor, turn: int) -> Tensor:
    """One of the eight symmetries of a square."""
    image = image.rot90(turn % 4)
    return image.T if turn >= 4 else image


@lru_cache(maxsize=2)
def _named_rock(name: str) -> Tensor:
    return load_rock(name)
