"""What importing the package does, and which module may import which."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import microtutor

PACKAGE = Path(microtutor.__file__).parent
ORDER = [
    "checks",
    "files",
    "downloads",
    "course",
    "environment",
    "streams",
    "microstructures.tiff",
    "microstructures.grey",
    "microstructures.images",
    "microstructures.ebsd",
    "microstructures.regions",
    "microstructures.reader",
    "microstructures.samples",
    "microstructures.lines",
    "microstructures.closed_form",
    "microstructures.datasets",
    "microstructures.rock",
    "microstructures.micro2d",
    "microstructures.folder",
    "microstructures.micrographs",
    "microstructures",
    "statistics.fft",
    "statistics.correlations",
    "statistics.readings",
    "statistics.directions",
    "statistics.descriptors",
    "statistics.three_points",
    "statistics.clusters",
    "statistics.interrelations",
    "statistics.blocks",
    "statistics.canonical",
    "statistics.interop",
    "statistics.transformer",
    "statistics.integral_range",
    "statistics.summary",
    "statistics",
    "losses",
    "reconstruction.descent",
    "reconstruction.targets",
    "reconstruction.flips",
    "reconstruction.search",
    "reconstruction",
    "properties.percolation",
    "properties.phases",
    "properties.solver",
    "properties.cell",
    "properties.conductivity",
    "properties.stiffness",
    "properties.bounds",
    "properties",
    "models.networks",
    "models.prior",
    "models.weights",
    "models.refinement",
    "models.vae",
    "models.whitening",
    "models",
    "training.config",
    "training.interruption",
    "training.optimisation",
    "training.finite",
    "training.checkpoint",
    "training.log",
    "training.images",
    "training.loop",
    "training.timing",
    "training",
    "evaluation.validity",
    "evaluation.metrics",
    "evaluation.latents",
    "evaluation.diversity",
    "evaluation.baselines",
    "evaluation.rock",
    "evaluation.held_out",
    "evaluation.paper_table",
    "evaluation",
    "design",
    "plotting.pictures",
    "plotting.runs",
    "plotting",
    "widgets.sliders",
    "widgets.live",
    "widgets",
    "records",
    "workers",
    "tables",
    "experiments",
    "exercises.checking",
    "exercises.small_images",
    "exercises.microstructures",
    "exercises.counting_pairs",
    "exercises.fft_way",
    "exercises.borders_masks_phases",
    "exercises.what_statistics_know",
    "exercises.fft_loss",
    "exercises.gauge",
    "exercises.vae",
    "exercises.training",
    "exercises.judging",
    "exercises.knobs",
    "exercises.what_helped",
    "exercises.pca_or_vae",
    "exercises.own_micrograph",
    "exercises.real_micrographs",
    "exercises.realisations",
    "exercises.rock_vae",
    "exercises.train_own",
    "exercises.properties",
    "exercises.design",
    "exercises.catalogue",
    "exercises",
    "cli.options",
    "cli.beforehand",
    "cli.answers",
    "cli.group",
    "cli.pictures",
    "cli.commands",
    "cli",
    "cli.__main__",
]
DRAWING = {"plotting", "plotting.pictures", "plotting.runs", "widgets.sliders", "widgets.live", "widgets"}
LEARNING = {"statistics.transformer"}  # built on scikit-learn, and imported only when its name is asked for


def source_of(module):
    path = PACKAGE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def imports(module, *, everywhere=True):
    """Names of the modules that a module imports; everywhere=False leaves out imports inside functions."""
    tree = ast.parse(source_of(module).read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    later = {child for function in functions for child in ast.walk(function)}
    found = set()
    for node in ast.walk(tree):
        if node in later and not everywhere:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: write imports in full"
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {p if p.removeprefix("microtutor.") in ORDER else node.module for p in parts}
    return found


def test_every_module_has_its_place_in_the_order():
    files = {path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py")} - {Path("__init__")}
    assert {".".join(path.parts).removesuffix(".__init__") for path in files} == set(ORDER)


@pytest.mark.parametrize("module", ORDER)
def test_modules_import_only_what_lies_before_them(module):
    mine = {name.removeprefix("microtutor.") for name in imports(module) if name.startswith("microtutor.")}
    assert mine <= set(ORDER[: ORDER.index(module)])


@pytest.mark.parametrize("module", ORDER)
def test_only_the_drawing_modules_import_matplotlib_and_widgets(module):
    libraries = {name.split(".")[0] for name in imports(module)}
    assert module in DRAWING or not libraries & {"matplotlib", "ipywidgets"}
    at_once = {name.split(".")[0] for name in imports(module, everywhere=False)}
    assert "torchvision" not in at_once
    assert module in LEARNING or "sklearn" not in at_once


IMPORT_ALL = """
import importlib, logging, os, random, signal, sys, warnings
import accelerate, filelock, huggingface_hub, numpy, safetensors.torch, scipy.ndimage, scipy.sparse.csgraph, torch
import tqdm, typer
from huggingface_hub import PyTorchModelHubMixin, snapshot_download  # imports what they need only when asked for them

def state():
    return {
        "warning filters": list(warnings.filters),
        "environment": dict(os.environ),
        "working folder": os.getcwd(),
        "search path": list(sys.path),
        "Ctrl-C": signal.getsignal(signal.SIGINT),
        "exception hook": sys.excepthook,
        "logging": (logging.root.level, list(logging.root.handlers)),
        "random": (random.getstate(), str(numpy.random.get_state()), torch.random.get_rng_state().tolist()),
        "torch": (
            torch.get_default_dtype(),
            torch.get_num_threads(),
            torch.is_grad_enabled(),
            torch.are_deterministic_algorithms_enabled(),
            torch.get_float32_matmul_precision(),
            torch.backends.cudnn.benchmark,
            torch.backends.cuda.matmul.allow_tf32,
            str(torch.get_default_device()),
        ),
    }

before = state()
for name in sys.argv[1:]:
    importlib.import_module(name)
    after = state()
    changed = {key for key in before if before[key] != after[key]}
    assert not changed, f"importing {name} changes {changed}"
    heavy = {"torchvision", "matplotlib", "ipywidgets", "IPython", "sklearn", "scipy.stats"} & set(sys.modules)
    assert not heavy, f"importing {name} imports {heavy}"
"""


def test_importing_changes_nothing_and_stays_light():
    names = ["microtutor", *(f"microtutor.{module}" for module in ORDER if module not in DRAWING | LEARNING)]
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL, *names], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == done.stderr == ""


def test_public_names():
    for module in ORDER:
        loaded = __import__(f"microtutor.{module}", fromlist=["x"])
        for name in getattr(loaded, "__all__", []):
            assert hasattr(loaded, name), f"{module} has no {name}"
        with pytest.raises(AttributeError, match="no_such_name"):
            loaded.no_such_name  # noqa: B018
    assert set(microtutor.__all__) <= set(dir(microtutor))


def test_the_wheel_holds_every_folder_of_the_package():
    about = PACKAGE.parent / "pyproject.toml"
    if not about.is_file():
        pytest.skip("the package is installed: there is no pyproject.toml beside it")
    said = tomllib.loads(about.read_text(encoding="utf-8"))
    packages = set(said["tool"]["setuptools"]["packages"])
    folders = {".".join(path.parent.relative_to(PACKAGE.parent).parts) for path in PACKAGE.rglob("__init__.py")}
    assert packages >= folders
