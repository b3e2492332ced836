"""Rock: micro-CT volumes of pores, and crops of their slices to learn from, split by blocks."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from microtutor.checks import check_bool, check_choice, check_count, check_number, describe, quote
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
    """Square crops from slices of a rock, normal to all three of its axes, with blocks kept apart for testing.

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

    A volume of fewer than 13 voxels along an axis has no blocks to split into: sample it with split="all".

    Crops of volumes of your own compare equal if the volume is the very same tensor.

    >>> cube = torch.zeros(50, 50, 50, dtype=torch.bool)
    >>> RockCrops(cube, size=32).sample(4, seed=0).images.shape
    torch.Size([4, 1, 32, 32])
    """

    rock: str | Tensor = "berea"
    size: int = 128
    augment: bool = True

    def __post_init__(self) -> None:
        check_count(self.size, name="size")
        check_bool(self.augment, name="augment")
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
        if (self.size, self.augment) != (other.size, other.augment):
            return False
        if isinstance(self.rock, str) and isinstance(other.rock, str):
            return self.rock == other.rock
        return self.rock is other.rock  # == would go voxel by voxel

    @property
    def volume(self) -> Tensor:
        """The whole rock, (depth, height, width)."""
        return _named_rock(self.rock) if isinstance(self.rock, str) else self.rock

    def blocks(self, split: str) -> list[tuple[tuple[int, ...], Box]]:
        """The blocks of a split: the axes that its slices are normal to, and its extent [first, last) along each axis.

        >>> RockCrops(torch.zeros(100, 100, 100), size=16).blocks("train")
        [((0, 1, 2), ((12, 88), (12, 88), (12, 88)))]
        """
        sides = self.volume.shape
        check_choice(split, ROCK_SPLITS, name="split")
        if split == "all":
            return [((0, 1, 2), _box((0, n) for n in sides))]
        if min(sides) < THIN:
            raise ValueError(
                f"expected a volume of at least {THIN} voxels along each axis for splits with blocks of their own, "
                f"got {_extent(sides)}; take split='all', or cut crops from its slices yourself"
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
            image[0] = _turned(crop, t) if self.augment and split == "train" else crop
        return RockSample(*(sent(x, device) for x in (images, axis, corner)))

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


def _extent(sides: Iterable[int]) -> str:
    """As 400 x 400 x 400."""
    return " x ".join(map(str, sides))


def _box(extents) -> Box:
    return tuple(extents)


def _turned(image: Tensor, turn: int) -> Tensor:
    """One of the eight symmetries of a square."""
    image = image.rot90(turn % 4)
    return image.T if turn >= 4 else image


@lru_cache(maxsize=2)
def _named_rock(name: str) -> Tensor:
    return load_rock(name)
