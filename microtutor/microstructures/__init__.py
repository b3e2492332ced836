"""Phase images to learn from: the paper's line images, textures, real micrographs and rock, and your own."""

from microtutor.microstructures.closed_form import (
    Checkerboard,
    FieldSample,
    GaussianFields,
    IndependentPixels,
    Laminate,
    OverlappingDiscs,
    RandomMosaic,
    Rectangle,
)
from microtutor.microstructures.folder import FolderSample, ImageFolder, images_from
from microtutor.microstructures.images import load_phase, load_phases, otsu_threshold, otsu_thresholds
from microtutor.microstructures.lines import PAPER_SIZE, LineImages, LineSample
from microtutor.microstructures.micro2d import load_micro2d
from microtutor.microstructures.micrographs import (
    load_duplex_steel,
    load_li2018,
    load_superalloy,
    load_superalloy_grey,
)
from microtutor.microstructures.reader import Micrograph, read_micrograph
from microtutor.microstructures.rock import RockCrops, RockSample, load_rock, load_volume
from microtutor.microstructures.samples import Images, Sample, seeded_generator

__all__ = [
    "PAPER_SIZE",
    "Checkerboard",
    "FieldSample",
    "FolderSample",
    "GaussianFields",
    "ImageFolder",
    "Images",
    "IndependentPixels",
    "Laminate",
    "LineImages",
    "LineSample",
    "Micrograph",
    "OverlappingDiscs",
    "RandomMosaic",
    "Rectangle",
    "RockCrops",
    "RockSample",
    "Sample",
    "images_from",
    "load_duplex_steel",
    "load_li2018",
    "load_micro2d",
    "load_phase",
    "load_phases",
    "load_rock",
    "load_superalloy",
    "load_superalloy_grey",
    "load_volume",
    "otsu_threshold",
    "otsu_thresholds",
    "read_micrograph",
    "seeded_generator",
]
