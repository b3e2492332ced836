"""Phase images to learn from: the line images of the paper, and your own, read from files."""

from microtutor.microstructures.images import load_phase, load_phases, otsu_threshold
from microtutor.microstructures.lines import PAPER_SIZE, SPLITS, LineImages, LineSample, seeded_generator

__all__ = [
    "PAPER_SIZE",
    "SPLITS",
    "LineImages",
    "LineSample",
    "load_phase",
    "load_phases",
    "otsu_threshold",
    "seeded_generator",
]
