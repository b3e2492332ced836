"""Phase images to learn from: the paper's line images, real micrographs and rock, and your own, read from files."""

from microtutor.microstructures.images import load_phase, load_phases, otsu_threshold
from microtutor.microstructures.lines import PAPER_SIZE, SPLITS, LineImages, LineSample, seeded_generator
from microtutor.microstructures.micrographs import (
    load_duplex_steel,
    load_li2018,
    load_superalloy,
    load_superalloy_grey,
)
from microtutor.microstructures.rock import RockCrops, RockSample, load_rock, load_volume

__all__ = [
    "PAPER_SIZE",
    "SPLITS",
    "LineImages",
    "LineSample",
    "RockCrops",
    "RockSample",
    "load_duplex_steel",
    "load_li2018",
    "load_phase",
    "load_phases",
    "load_rock",
    "load_superalloy",
    "load_superalloy_grey",
    "load_volume",
    "otsu_threshold",
    "seeded_generator",
]
