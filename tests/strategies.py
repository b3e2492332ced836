"""Images for property-based tests: small, two-valued or of 256 greys; and all that are equivalent to one."""

import hypothesis.strategies as st
import torch
from hypothesis.extra import numpy as nps
from torch import Tensor


def _shapes(side: int) -> st.SearchStrategy:
    return st.tuples(st.integers(1, side), st.integers(1, side))


@st.composite
def phase_images(draw, *, side: int = 6) -> Tensor:
    """Any image (H, W) of whole 255ths in [0, 1], float64: many shrink to two values."""
    most = draw(st.sampled_from([1, 2, 255]))
    grey = draw(nps.arrays("int64", draw(_shapes(side)), elements=st.integers(0, most)))
    return torch.from_numpy(grey).double() / most


@st.composite
def symmetric_images(draw) -> Tensor:
    """Images that some shift or inversion leaves as they are: the hard ones for a canonical form."""
    m = draw(phase_images(side=4))
    kind = draw(st.sampled_from(["even", "mirrored", "periodic", "laminate", "checkerboard", "one pixel", "constant"]))
    height, width = m.shape
    rows, columns = torch.arange(2 * height)[:, None], torch.arange(2 * width)
    if kind == "even":
        return (m + m.flip((0, 1))) / 2
    if kind == "mirrored":
        return torch.cat([m, m.flip(1)], 1)
    if kind == "periodic":
        return m.repeat(draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    if kind == "laminate":
        return m[:, :1].expand(height, 2 * width).clone()
    if kind == "checkerboard":
        return ((rows + columns) % 2).double()
    if kind == "one pixel":
        return ((rows == 0) & (columns == 0)).double()
    return torch.full((height, width), m[0, 0].item(), dtype=torch.float64)


def equivalent_images(image: Tensor) -> Tensor:
    """Every cyclic shift of an image (H, W) and of its inversion, (2 H W, H, W)."""
    height, width = image.shape
    return torch.stack(
        [
            version.roll((down, right), (0, 1))
            for version in (image, image.flip((0, 1)))
            for down in range(height)
            for right in range(width)
        ]
    )
