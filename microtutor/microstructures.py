"""Phase images to learn from: the line images of the paper, drawn afresh from a seed, and your own, read from files."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from microtutor.checks import check_count, describe
from microtutor.files import replacing, write_csv

SPLITS = ("train", "validation", "test")
PAPER_SIZE = 224
TRIES = 50
REJECTION_DISTANCE = 10
MOST_LABELS = 64  # an image of more distinct values is taken for a grey one unless its labels are listed


def seeded_generator(*seed: int) -> torch.Generator:
    """A CPU random generator that depends on the numbers given (but for zeros at their end), and on nothing else.

    >>> a, b = seeded_generator(0, 1), seeded_generator(0, 1)
    >>> bool(torch.rand((), generator=a) == torch.rand((), generator=b))
    True
    """
    state = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


def load_phase(path: str | os.PathLike, *, threshold: float | None = None, dark: bool = False) -> Tensor:
    """Read a grey or black-and-white image file as a phase indicator, 1 where the grey value is above the threshold.

    Args:
        path, threshold, dark: as for `load_phases`.

    Returns:
        float32 in {0, 1}, shape (height, width).

    Raises:
        FileNotFoundError, ValueError: as `load_phases`.
    """
    return load_phases(path, threshold=threshold, dark=dark)[1]


def load_phases(
    path: str | os.PathLike,
    *,
    threshold: float | None = None,
    labels: bool | Sequence[float] | None = None,
    dark: bool = False,
) -> Tensor:
    """Read an image file as phases, one channel each: two by a threshold, or one for each label.

    Args:
        path: a grey image of 1, 8, 16 or 32 bits, whole numbers or floats: .png, .tif or another format that Pillow
            reads, or a two-dimensional .npy array.
        threshold: in grey values of the file; pixels above it are bright. By default Otsu's: see `otsu_threshold`.
        labels: True if every value of the file names a phase (lowest first); or the values that do, in the order of
            the phases.
        dark: the phase of interest, which comes second, is the dark one instead of the bright one.

    Returns:
        float32 in {0, 1}, shape (phases, height, width); each pixel is 1 in one phase. By a threshold there are two:
        the ground and the phase of interest.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no image, a colour image, one with transparency or of several frames; by a threshold, an image of
            one grey value or a threshold outside its grey values; by labels, values that are none.
    """
    path = Path(path)
    grey = _read_grey(path)
    if labels is None or labels is False:
        bright = torch.from_numpy(grey > _level(grey, threshold, path.name))
        phase = ~bright if dark else bright
        return torch.stack([~phase, phase]).float()
    if threshold is not None or dark:
        raise ValueError("expected either labels or a threshold (with dark or not), got both")
    return torch.from_numpy(grey == _label_values(grey, labels, path.name)[:, None, None]).float()


def otsu_threshold(values: Any) -> float:
    """The grey value that splits an image best in two: the means of both classes lie as far apart as can be.

    Of all ways to cut the grey values in two, the one with the greatest variance between the classes (equally, the
    least within them) is taken; the first one if several are equally good. All distinct values are tried, so the
    result does not depend on a choice of bins.

    Args:
        values: grey values, an array or tensor of any shape, with at least two different ones.

    Returns:
        The greatest value of the darker class: values > otsu_threshold(values) are the brighter one.

    Raises:
        TypeError: values are no real numbers.
        ValueError: values are empty, not finite, or all the same.

    Source: Otsu, IEEE Trans. Syst. Man Cybern. 9, 62-66 (1979).

    >>> otsu_threshold([0, 1, 8, 9])
    1.0
    """
    array = np.asarray(values)
    if array.dtype.kind not in "buif":
        raise TypeError(f"expected grey values as real numbers, got {describe(values)}")
    grey, counts = np.unique(array, return_counts=True)
    grey = grey.astype(np.float64)
    if not len(grey) or not np.isfinite(grey).all():
        raise ValueError(f"expected at least one grey value, all of them finite, got {describe(values)}")
    if len(grey) == 1:
        raise ValueError(f"expected at least two grey values, got only {grey[0]:g}: Otsu's threshold is undefined")
    darker, mean = np.cumsum(counts)[:-1], np.average(grey, weights=counts)
    difference = np.cumsum(counts * (grey - mean))[:-1]
    between = difference**2 / (darker * (array.size - darker).astype(np.float64))
    return float(grey[between.argmax()])


def _level(grey: np.ndarray, threshold: float | None, name: str) -> float:
    """The threshold given, if it splits the image in two, or else Otsu's."""
    low, high = float(grey.min()), float(grey.max())
    if not low < high:
        raise ValueError(f"expected at least two grey values in {name}, got only {low:g}: no threshold splits it")
    level = otsu_threshold(grey) if threshold is None else threshold
    if not low <= level < high:
        raise ValueError(f"expected a threshold in [{low:g}, {high:g}), the grey values of {name}, got {level:g}")
    return level


def _label_values(grey: np.ndarray, labels: bool | Sequence[float], name: str) -> np.ndarray:
    """The values that name phases: all of the image, or those listed."""
    found = np.unique(grey)
    if labels is True:
        if len(found) > MOST_LABELS or (found != found.round()).any():
            raise ValueError(
                f"expected at most {MOST_LABELS} labels, all of them whole numbers, in {name}, got {len(found)} values "
                f"from {found[0]:g} to {found[-1]:g}; take a threshold, or list the labels"
            )
        return found
    values = np.asarray(labels)
    if values.ndim != 1 or values.dtype.kind not in "uif" or not len(values) or len(np.unique(values)) < len(values):
        raise ValueError(f"expected labels=True or different values such as [0, 128, 255], got {labels!r}")
    others = found[~np.isin(found, values)]
    if len(others):
        listed = ", ".join(f"{value:g}" for value in values)
        raise ValueError(f"expected nothing but the labels {listed} in {name}, got also {others[0]:g}")
    return values


def _read_grey(path: Path) -> np.ndarray:
    """The grey values of an image file, (height, width), in float64."""
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    array = _read_array(path) if path.suffix == ".npy" else _read_picture(path)
    if array.ndim != 2 or not array.size or array.dtype.kind not in "buif" or not np.isfinite(array).all():
        raise ValueError(f"expected a finite array (height, width) in {path.name}, got {array.dtype} {array.shape}")
    return array.astype(np.float64)


def _read_array(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path.name} is no array of numbers that can be read") from error


def _read_picture(path: Path) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(path) as image:
            frames, mode = getattr(image, "n_frames", 1), image.mode
            if frames == 1 and (mode in ("1", "L", "F") or mode.startswith("I")):
                return np.asarray(image)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path.name} is no image that can be read; use .png, .tif or .npy") from error
    if frames > 1:
        raise ValueError(f"expected one picture in {path.name}, got {frames} frames; save the one you want by itself")
    if mode in ("LA", "La"):
        raise ValueError(f"expected a grey image in {path.name}, got transparency (mode {mode}); save it without alpha")
    raise ValueError(
        f"expected a grey image in {path.name}, got colour mode {mode}; save one channel as grey, for example with "
        'PIL.Image.open(...).convert("L").save(...)'
    )


@dataclass(frozen=True)
class LineSample:
    """Line images and what was drawn in them.

    Attributes:
        images: (n, 1, size, size) float32 in {0, 1}; the lines are 1.
        vertical: (n,) bool; True where the lines run along the height.
        count: (n,) int64; the number of lines drawn.
    """

    images: Tensor
    vertical: Tensor
    count: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: slice | Tensor) -> LineSample:
        """The chosen images with their labels; a slice or an index tensor, so that the batch axis stays."""
        if isinstance(index, int):
            raise TypeError(f"expected a slice or an index tensor, got {index}; write sample[{index}:{index + 1}]")
        return LineSample(*(getattr(self, field.name)[index] for field in fields(self)))


@dataclass(frozen=True)
class LineImages:
    """The paper's generator: a few parallel lines, all vertical or all horizontal, on an empty ground.

    Each line has a random length (half the image to nearly all of it), thickness and place. A candidate that lies
    nearer than 10 px to a drawn line, centre to centre, while their extents overlap, is drawn again, at most 50 times.
    Lines fit lengthwise; across, they may be clipped by the border. All lengths scale with `size`.

    Args:
        count: fewest and most lines, both included. The paper's set is (1, 4), its harder set (3, 6).
        size: height and width in pixels. The paper's is 224: lengths 112-223, thickness 5-9.

    Source: arXiv 2402.11103, section 2 and the rules of its published code.

    >>> sample = LineImages(count=(1, 4), size=64).sample(5, seed=0)
    >>> sample.images.shape, sample.images.unique().tolist()
    (torch.Size([5, 1, 64, 64]), [0.0, 1.0])
    """

    count: tuple[int, int] = (1, 4)
    size: int = PAPER_SIZE

    def __post_init__(self) -> None:
        if not (isinstance(self.count, (tuple, list)) and len(self.count) == 2):
            raise TypeError(f"expected count as a pair (fewest, most), got {self.count!r}")
        low, high = (check_count(c, name="count", minimum=0) for c in self.count)
        if low > high or high < 1:
            raise ValueError(f"expected count as (fewest, most) with fewest <= most and most >= 1, got {self.count!r}")
        check_count(self.size, name="size", minimum=16)
        object.__setattr__(self, "count", (low, high))

    @property
    def length(self) -> tuple[int, int]:
        """Shortest and longest line, in pixels."""
        scale = self.size / PAPER_SIZE
        return round(112 * scale), math.floor(223 * scale)

    @property
    def thickness(self) -> tuple[int, int]:
        """Thinnest and thickest line, in pixels."""
        scale = self.size / PAPER_SIZE
        return math.ceil(5 * scale), math.ceil(9 * scale)

    @property
    def distance(self) -> int:
        """Least centre-to-centre distance of lines that run side by side, in pixels; it leaves a gap."""
        return max(round(REJECTION_DISTANCE * self.size / PAPER_SIZE), self.thickness[1] + 1)

    def sample(
        self, n: int, *, seed: int = 0, device: str | torch.device = "cpu", split: str = "test", index: int = 0
    ) -> LineSample:
        """Draw n images. Equal arguments give equal images, on every device.

        Args:
            n: number of images.
            seed, split, index: choose the random stream; streams of different splits are independent.
            device: where the images are drawn and stay.

        >>> lines = LineImages(size=64)
        >>> bool((lines.sample(3, seed=1).images == lines.sample(3, seed=1).images).all())
        True
        """
        check_count(n, name="the number of images")
        if split not in SPLITS:
            raise ValueError(f"expected split to be one of {', '.join(SPLITS)}, got {split!r}")
        check_count(seed, name="seed", minimum=0)
        check_count(index, name="index", minimum=0)
        generator = seeded_generator(seed, SPLITS.index(split), index)
        vertical = torch.rand(n, generator=generator) < 0.5
        wanted = torch.randint(self.count[0], self.count[1] + 1, (n,), generator=generator)
        along, across, drawn = self._place(wanted, generator)
        rows = torch.where(vertical[:, None, None], along, across)
        columns = torch.where(vertical[:, None, None], across, along)
        images = self._draw(rows.to(device), columns.to(device))
        return LineSample(images, vertical.to(device), drawn.sum(1).to(device))

    def batches(
        self, batch_size: int, *, seed: int = 0, device: str | torch.device = "cpu", start: int = 0
    ) -> Iterator[LineSample]:
        """Endless fresh training batches; `start` skips that many without drawing them.

        >>> next(LineImages(size=64).batches(8, seed=0)).images.shape
        torch.Size([8, 1, 64, 64])
        """
        index = start
        while True:
            yield self.sample(batch_size, seed=seed, device=device, split="train", index=index)
            index += 1

    def _place(self, wanted: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Choose the lines: their extents [first, last) along and across, (n, K, 2) each, and which exist, (n, K)."""
        n, most = len(wanted), self.count[1]

        def uniform(low: int, high: Tensor | int) -> Tensor:  # whole numbers low..high, both included
            return low + (torch.rand(n, TRIES, generator=generator) * (high - low + 1)).long()

        along, across = torch.zeros(n, most, 2, dtype=torch.long), torch.zeros(n, most, 2, dtype=torch.long)
        centres, drawn = torch.zeros(n, most, dtype=torch.long), torch.zeros(n, most, dtype=torch.bool)
        every = torch.arange(n)
        for k in range(most):
            length, thickness = uniform(*self.length), uniform(*self.thickness)  # (n, TRIES): all candidates at once
            first, centre = uniform(0, self.size - length), uniform(0, self.size - 1)
            near = (centre[:, :, None] - centres[:, None, :]).abs() < self.distance
            overlap = (first[:, :, None] <= along[:, None, :, 1]) & (
                along[:, None, :, 0] <= (first + length)[:, :, None]
            )
            fits = ~(near & overlap & drawn[:, None, :]).any(-1)
            chosen = fits.int().argmax(1)
            drawn[:, k] = fits.any(1) & (k < wanted)
            start, half = first[every, chosen], thickness[every, chosen]
            centres[:, k] = centre[every, chosen]
            along[:, k] = torch.stack([start, start + length[every, chosen]], -1)
            across[:, k] = torch.stack([centres[:, k] - half // 2, centres[:, k] - half // 2 + half], -1)
        return along, across * drawn[..., None], drawn  # a line that is not drawn has thickness 0

    def _draw(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Fill the rectangles rows x columns, (n, K, 2) each, with ones: (n, 1, size, size)."""
        pixel = torch.arange(self.size, device=rows.device)
        in_rows = ((pixel >= rows[..., :1]) & (pixel < rows[..., 1:])).float()  # (n, K, size)
        in_columns = ((pixel >= columns[..., :1]) & (pixel < columns[..., 1:])).float()
        return torch.bmm(in_rows.mT, in_columns).clamp_(max=1)[:, None]

    def write(
        self, folder: str | os.PathLike, n: int, *, seed: int = 0, split: str = "train", progress: bool = True
    ) -> Path:
        """Write n images as PNG (black lines on white, as the paper draws them) with labels.csv beside them.

        Each file is written under a temporary name and renamed; labels.csv comes last, so a folder with labels.csv
        is complete. Returns the path of labels.csv.

        Raises:
            FileExistsError: the folder holds a labels.csv already.
            OSError: the folder cannot be written to, or the disk is full.
        """
        from PIL import Image
        from tqdm import tqdm

        folder, batch = Path(folder), 500
        check_count(n, name="the number of images")
        labels = folder / "labels.csv"
        if labels.exists():
            raise FileExistsError(f"{folder} already holds a set of images (labels.csv); choose an empty folder")
        rows: list[dict[str, str | int]] = []
        with tqdm(total=n, unit="image", disable=not progress) as bar:
            for index in range(math.ceil(n / batch)):
                sample = self.sample(min(batch, n - len(rows)), seed=seed, split=split, index=index)
                pixels = ((1 - sample.images[:, 0]) * 255).byte().numpy()
                for picture, vertical, count in zip(pixels, sample.vertical, sample.count, strict=True):
                    name = f"{len(rows):06d}.png"
                    with replacing(folder / name) as temporary:
                        Image.fromarray(picture).convert("1").save(temporary, format="PNG")
                    orientation = "vertical" if vertical else "horizontal"
                    rows.append({"name": name, "orientation": orientation, "number_of_lines": int(count)})
                bar.update(len(pixels))
        write_csv(labels, rows)
        return labels
