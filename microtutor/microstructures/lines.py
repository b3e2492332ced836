"""The line images of the paper, drawn afresh from a seed."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from microtutor.checks import check_bool, check_count, quote
from microtutor.environment import find_device
from microtutor.files import replacing, write_csv
from microtutor.microstructures.samples import Images, Sample, sent, stream

PAPER_SIZE = 224
TRIES = 50
REJECTION_DISTANCE = 10


@dataclass(frozen=True)
class LineSample(Sample):
    """Line images and what was drawn in them.

    Attributes:
        images: (n, 1, size, size) float32 in {0, 1}; the lines are 1.
        vertical: (n,) bool; True where the lines run along the height.
        count: (n,) int64; the number of lines drawn.
    """

    vertical: Tensor
    count: Tensor


@dataclass(frozen=True)
class LineImages(Images[LineSample]):
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
    >>> LineImages(count=3)
    Traceback (most recent call last):
    TypeError: expected count as a pair (fewest, most), got 3
    """

    count: tuple[int, int] = (1, 4)
    size: int = PAPER_SIZE

    def __post_init__(self) -> None:
        if not (isinstance(self.count, (tuple, list)) and len(self.count) == 2):
            raise TypeError(f"expected count as a pair (fewest, most), got {quote(self.count)}")
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
        generator, device = stream(n, seed, split, index), find_device(device)
        vertical = torch.rand(n, generator=generator, dtype=torch.float32) < 0.5
        wanted = torch.randint(self.count[0], self.count[1] + 1, (n,), generator=generator)
        along, across, drawn = self._place(wanted, generator)
        rows = torch.where(vertical[:, None, None], along, across)
        columns = torch.where(vertical[:, None, None], across, along)
        images = self._draw(sent(rows, device), sent(columns, device))
        return LineSample(images, sent(vertical, device), sent(drawn.sum(1), device))

    def _place(self, wanted: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Choose the lines: their extents [first, last) along and across, (n, K, 2) each, and which exist, (n, K)."""
        n, most = len(wanted), self.count[1]

        def uniform(low: int, high: Tensor | int) -> Tensor:  # whole numbers low..high, both included
            drawn = torch.rand(n, TRIES, generator=generator, dtype=torch.float32)
            return low + (drawn * (high - low + 1)).long()

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

        if not isinstance(folder, (str, os.PathLike)):
            raise TypeError(f"expected the name of a folder, got {quote(folder)}")
        check_bool(progress, name="progress")
        check_count(n, name="the number of images")
        folder, batch = Path(folder), 500
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
