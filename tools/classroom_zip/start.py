"""Open the notebooks of the course, or check that this laptop can run them; neither needs the internet.

python start.py            # open the notebooks in JupyterLab
python start.py --check    # only check
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NEEDED = ["torch", "torchvision", "numpy", "scipy", "matplotlib", "tqdm", "ipywidgets", "accelerate", "safetensors"]
NEEDED += ["filelock", "huggingface_hub", "sklearn", "pooch", "typer", "PIL", "microtutor", "ipykernel", "jupyterlab"]


def what_is_missing() -> str:
    """What this Python lacks, in one sentence with what to do; empty if it has all."""
    missing = [name for name in NEEDED if not importlib.util.find_spec(name)]
    if missing:
        return f"This Python ({sys.executable}) lacks {', '.join(missing)}: see 'Before the lesson' in START-HERE."
    return ""


def check() -> None:
    """Load every model that comes with the package, and every set of micrographs that is in the folder data."""
    from microtutor.microstructures import datasets
    from microtutor.models import VAE, shipped_weights

    for name in shipped_weights():
        print(f"model {name}: {VAE.from_pretrained(name).latent_dim} latents")
    for name in datasets.DATASETS:
        if datasets.available(name):
            for file in datasets.files(name):
                datasets.fetch(file)  # compares its checksum
        print(f"micrographs {name}: {'here' if datasets.available(name) else 'not in this zip'}")
    print("This laptop is ready.")


def main() -> int:
    problem = what_is_missing()
    if problem:
        print(problem, file=sys.stderr)
        return 1
    os.environ["MICROTUTOR_DATA"] = str(HERE / "data")
    if "--check" in sys.argv:
        check()
        return 0
    return subprocess.call([sys.executable, "-m", "jupyterlab", str(HERE / "notebooks")])


if __name__ == "__main__":
    sys.exit(main())
