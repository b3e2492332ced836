"""Equal statistics, equal properties? The recorded study of that chapter: python studies/properties.py

For line images, rock and cut Gaussian fields it compares the conductivity of originals with that of images which have
(nearly) their two-point statistics, found by gradient descent or drawn by a VAE. Writes
microtutor/results/properties.json.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from microtutor.environment import current_commit, report_environment
from microtutor.files import write_json
from microtutor.losses import StatisticsLoss
from microtutor.microstructures import GaussianFields, LineImages, RockCrops
from microtutor.models import VAE
from microtutor.models.weights import WEIGHTS
from microtutor.properties import effective_conductivity, effective_stiffness, percolates
from microtutor.reconstruction import reconstruct
from microtutor.records import RESULTS
from microtutor.statistics import autocorrelation

SEED = 0
PAIRS = 16  # originals of each material
STEPS = 800  # of gradient descent
OTHERS = 500  # unrelated images among which the nearest is looked for
CONTRASTS = (10.0, 1000.0)
PROPERTIES: dict[str, Callable[[Tensor], Tensor]] = {
    **{f"phase conducts {c:g}": lambda m, c=c: effective_conductivity(m, (1.0, c)) for c in CONTRASTS},
    **{f"matrix conducts {c:g}": lambda m, c=c: effective_conductivity(m, (c, 1.0)) for c in CONTRASTS},
    "phase 10 times as stiff": lambda m: effective_stiffness(m, (1.0, 10.0)),
}


def binary(images: Tensor) -> Tensor:
    return (images >= 0.5).to(images.dtype)


def evaluated(images: Tensor) -> dict[str, Tensor]:
    """Images (n, H, W) of two values, their properties and which of their phases percolate."""
    values = {name: function(images) for name, function in PROPERTIES.items()}
    paths = torch.cat([percolates(images), percolates(1 - images)], -1)
    return {"image": images, "paths": paths} | values


def compared(originals: dict[str, Tensor], others: dict[str, Tensor]) -> dict[str, list[float]]:
    """Differences of pairs: of statistics, of volume fractions, and of properties, relative to the original's."""
    n = len(others["image"])
    a, b = {k: v[:n] for k, v in originals.items()}, others
    error = StatisticsLoss("none")(b["image"], a["image"])
    share, other = a["image"].mean((-2, -1)), b["image"].mean((-2, -1))
    result = {
        "statistics_error": error,
        "volume_fraction_difference": (other - share).abs() / share,
        "same_paths": (a["paths"] == b["paths"]).all(-1).float(),
    }
    for name in PROPERTIES:
        change = (b[name] - a[name]).flatten(1).norm(dim=1)
        result[name] = change / a[name].flatten(1).norm(dim=1)
    return {name: [float(f"{x:.5g}") for x in values.tolist()] for name, values in result.items()}


def nearest(originals: Tensor, others: Tensor) -> Tensor:
    """Of the others, for each original, the one whose statistics are nearest to its own."""
    spectra = StatisticsLoss().spectrum(others)
    loss = StatisticsLoss("none")
    found = [loss(original.expand_as(others), target_spectrum=spectra).argmin() for original in originals]
    return others[torch.stack(found)]


def studied(name: str, originals: Tensor, others: Tensor, vae: str | None) -> dict[str, Any]:
    """All comparisons of one material; images (n, H, W)."""
    begun = time.perf_counter()
    target = autocorrelation(originals)
    parts = [reconstruct(part, seed=SEED, steps=STEPS) for part in target.split(8)]
    made = {
        "gradient descent": binary(torch.cat(parts)),
        "nearest unrelated": nearest(originals, others),
        "unrelated": others[: len(originals)],
    }
    if vae:
        with torch.no_grad():
            made["VAE"] = binary(VAE.from_pretrained(vae).reconstruct(originals[:, None])[:, 0])
    reference = evaluated(originals)
    kinds = {kind: compared(reference, evaluated(images)) for kind, images in made.items()}
    seconds = time.perf_counter() - begun
    print(f"{name}: {seconds:.0f} s", flush=True)
    for kind, values in kinds.items():
        medians = {key: f"{torch.tensor(v).median().item():.2g}" for key, v in values.items()}
        print(f"  {kind}: {medians}", flush=True)
    values = {key: [float(f"{x:.5g}") for x in reference[key][:, 0, 0].tolist()] for key in PROPERTIES}
    return {"kinds": kinds, "first component of the originals": values, "vae": vae, "seconds": round(seconds)}


def rock_model() -> str | None:
    return "berea" if (WEIGHTS / "berea").is_dir() else None


def main() -> None:
    torch.set_num_threads(1)
    begun, commit = time.perf_counter(), current_commit()
    n = PAIRS + OTHERS
    materials: dict[str, Any] = {}
    for name, count in (("lines-1-4", (1, 4)), ("lines-3-6", (3, 6))):
        images = LineImages(count=count).sample(n, seed=SEED).images[:, 0]
        materials[name] = studied(name, images[:PAIRS], images[PAIRS:], name)
    rock = RockCrops("berea", size=128)
    pores = rock.sample(PAIRS, seed=SEED).images[:, 0]
    others = rock.sample(OTHERS, seed=SEED, split="train").images[:, 0]
    materials["berea"] = studied("berea", pores, others, rock_model())
    fields = GaussianFields(fraction=0.5, size=128).sample(n, seed=SEED).images[:, 0]
    materials["gaussian-field"] = studied("gaussian-field", fields[:PAIRS], fields[PAIRS:], None)
    path = RESULTS / "properties.json"
    # studies/properties_peers.py writes there as well
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    record = before | {
        "command": "python studies/properties.py",
        "seed": SEED,
        "commit": commit,
        "environment": report_environment(show=False),
        "wall_time_seconds": round(time.perf_counter() - begun),
        "precision": "float32, tolerance 1e-4; all images thresholded at 0.5",
        "materials": materials,
    }
    write_json(path, record)


if __name__ == "__main__":
    main()
