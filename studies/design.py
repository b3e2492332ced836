"""Structures with a wanted property, against random search, look-up and Bayesian optimisation: python studies/design.py

On rock and on lines, targets are spread over the middle 96 % of the training data. Each rival has as many solves for a
target as `design` needed for its structures. Writes microtutor/results/design.json.
"""

from __future__ import annotations

import argparse
import math
import shlex
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.linear_model import BayesianRidge
from torch import Tensor

from microtutor.design import LEVELS, Designs, design, property_named
from microtutor.environment import current_commit, report_environment
from microtutor.evaluation import diversity
from microtutor.files import read_json, write_json
from microtutor.microstructures import LineImages, RockCrops
from microtutor.models import VAE, Prior
from microtutor.reconstruction.flips import brightest
from microtutor.records import RESULTS
from microtutor.statistics import canonical_form

CONTRAST, EACH, LIBRARY, HELD_OUT = 10.0, 5, 1000, 300
FIRST, CANDIDATES = 10, 500  # of Bayesian optimisation: random solves to begin with, places to choose among
BEYOND = {"10 % below the least": 0.9, "10 % above the greatest": 1.1, "half as much again": 1.5, "three times": 3.0}
Numbers = dict[str, Any]
Measure = Callable[[Tensor], Tensor]


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=50, help="on rock; a tenth of it on lines")
    parser.add_argument("--searches", type=int, default=4, help="targets of Bayesian optimisation, on rock")
    parser.add_argument(
        "--library", type=int, default=LIBRARY, help="training images to look up; a fifth of it on lines"
    )
    parser.add_argument("--case", action="append", help="rock; lines; lines, anisotropy; by default all, one by one")
    parser.add_argument("--record", type=Path, default=RESULTS / "design.json", help="JSON file to write")
    chosen, commit, began = parser.parse_args(words), current_commit(), time.process_time()
    command = shlex.join(["python", "studies/design.py", *(sys.argv[1:] if words is None else words)])
    torch.set_num_threads(1)
    few = max(2, chosen.targets // 10)
    cases = {
        "rock": ("berea", RockCrops("berea"), "conductivity", chosen.targets, chosen.searches, chosen.library),
        "lines": ("lines-1-4", LineImages(), "conductivity", few, 1, chosen.library // 5),
        "lines, anisotropy": ("lines-1-4", LineImages(), "anisotropy", few, 1, chosen.library // 5),
    }
    for name in chosen.case or cases:
        print(name, file=sys.stderr, flush=True)
        weights, source, wanted, targets, searches, library = cases[name]
        task = Task(VAE.from_pretrained(weights), source, wanted, library)
        found = {"weights": weights, "property": wanted, "library": library} | task.report(targets, searches)
        about = {
            "command": "python studies/design.py",
            "commit": commit,
            "environment": report_environment(show=False),
            "threads": 1,
            "contrast": CONTRAST,
            "structures": EACH,
        }
        done = {"command": command, "seconds": round(time.process_time() - began, 1)}
        write_json(chosen.record, (read_json(chosen.record) or {}) | about | {name: done | found})


class Task:
    """One material and one property, with a library of training images, their latents and their properties."""

    def __init__(self, vae: VAE, source: Any, wanted: str, library: int):
        self.vae, self.property, self.measure = vae, wanted, property_named(wanted, CONTRAST)
        self.images = source.sample(library, seed=0, split="train").images
        self.held_out = source.sample(min(HELD_OUT, library), seed=0, split="test").images
        self.latents, self.values = self.encoded(self.images), self.measured(self.images)
        self.prior = vae.prior or Prior.fit(self.latents, 1)

    @torch.no_grad()
    def encoded(self, images: Tensor) -> Tensor:
        return torch.cat([self.vae.encode(canonical_form(part))[0] for part in images.split(64)])

    @torch.no_grad()
    def measured(self, images: Tensor) -> Tensor:
        return torch.cat([self.measure(part[:, 0]) for part in images.split(64)])

    @torch.no_grad()
    def cut(self, latents: Tensor) -> Tensor:
        return (self.vae.decode(latents) > 0.5).float()

    def report(self, targets: int, searches: int) -> Numbers:
        """How near each method comes to targets over the middle of the data, and what lies beyond."""
        low, high = self.values.quantile(torch.tensor([0.02, 0.98])).tolist()
        wanted = torch.linspace(low, high, targets).tolist()
        chosen = {round(i) for i in np.linspace(0, targets - 1, searches)}
        made, rows, ratios, began = [], {}, [], time.process_time()
        for seed, target in enumerate(wanted):
            made.append(design(self.vae, target, property=self.property, prior=self.prior, n=EACH, seed=seed))
        seconds = (time.process_time() - began) / (EACH * targets)
        for seed, (target, mine) in enumerate(zip(wanted, made)):
            ratios.append(self.variety(mine))
            for name, errors in self.rivals(target, int(mine.calls.sum()), seed, search=seed in chosen).items():
                rows.setdefault(name, []).append(errors)
        errors = torch.stack([one.errors for one in made])
        few = errors[sorted(chosen)]
        calls, levels = (torch.cat([getattr(one, name) for one in made]) for name in ("calls", "levels"))
        return {
            "data": {"least": _five(self.values.min()), "greatest": _five(self.values.max()), "2 %": low, "98 %": high},
            "prior": "of the weights" if self.vae.prior else "one Gaussian, fitted to the library",
            "targets": targets,
            "seconds_per_structure": _five(seconds),
            "calls": {"median": int(calls.median()), "greatest": int(calls.max())},
            "level": {"least": _five(levels.min()), "greatest": _five(levels.max())},
            "usual": _five(torch.cat([one.usual for one in made]).float().mean()),
            "diversity_ratio": _five(np.median(ratios)),
            "methods": {"design": _summary(errors)}
            | {name: _summary(torch.stack(all_)) for name, all_ in rows.items()},
            "design, at the targets of Bayesian optimisation": _summary(few),
            "curve": [[_five(t), _five(e.max()), int(o.usual.sum())] for t, e, o in zip(wanted, errors, made)],
            "beyond": self.beyond(),
            "forward": self.forward(),
        }

    def variety(self, mine: Designs) -> float:
        """Distance of the structures from each other, over that of as many training images with the nearest values."""
        nearest = (self.values - mine.target).abs().argsort()[:EACH]
        return diversity(mine.images, self.images[nearest]).ratio

    def rivals(self, target: float, calls: int, seed: int, *, search: bool) -> dict[str, Tensor]:
        """Relative errors of the best structures of each rival."""
        latents = self.prior.sample(calls, seed=10_000 + seed)
        picks = torch.randperm(len(self.values), generator=torch.Generator().manual_seed(seed))[:calls]
        found = {
            "random search": self.measured(self.cut(latents)),
            "look-up, as many solves": self.values[picks],
            "look-up, the whole library": self.values,
            "random search, then the level of the cut": self.levelled(latents, target, calls),
        }
        if search:
            found["Bayesian optimisation"] = self.optimised(latents, target, calls)
        return {name: (values / target - 1).abs().sort().values[:EACH] for name, values in found.items()}

    @torch.no_grad()
    def levelled(self, latents: Tensor, target: float, calls: int) -> Tensor:
        """Half the solves for draws; then the best of them are cut at other levels, found by halving intervals."""
        latents = latents[: max(EACH, calls // 2)]
        values = self.measured(self.cut(latents))
        best = (values - target).abs().argsort()[:EACH]
        grey, result = self.vae.decode(latents[best])[:, 0], values[best]
        high, low = ((grey > level).flatten(1).sum(1) for level in LEVELS)
        count = (low + high) // 2
        for _ in range((calls - len(latents)) // EACH):
            value = self.measure(brightest(grey, count[:, None]))
            few = value < target  # more of the phase conducts better; of anisotropy that is a guess
            low, high = torch.where(few, count, low), torch.where(few, high, count)
            result = torch.where((value - target).abs() < (result - target).abs(), value, result)
            count = (low + high) // 2
        return result

    def optimised(self, latents: Tensor, target: float, calls: int) -> Tensor:
        """A Gaussian process of the property over latents; each solve goes where the error should fall the most."""
        pool = self.prior.sample(CANDIDATES, seed=20_000)
        x, y = latents[:FIRST].double().numpy(), self.measured(self.cut(latents[:FIRST])).double().numpy()
        scale = math.sqrt(x.shape[1])
        kernel = ConstantKernel(1.0) * RBF(scale, (scale / 10, scale * 100)) + WhiteKernel(1e-3, (1e-6, 1.0))
        for step in range(calls - len(y)):
            how: Any = "fmin_l_bfgs_b" if step % 5 == 0 else None
            process = GaussianProcessRegressor(kernel, normalize_y=True, optimizer=how)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                process.fit(x, y)
            kernel = process.kernel_
            best = torch.from_numpy(x[np.abs(y - target).argmin()]).float()
            places = pool if step % 2 else best + 0.3 * (pool - pool.mean(0))  # anywhere, and near the best, by turns
            mean, spread = map(np.asarray, process.predict(places.double().numpy(), return_std=True))
            chosen = places[expected_improvement(mean, spread, target, np.abs(y - target).min()).argmax()]
            x = np.vstack([x, chosen.double().numpy()])
            y = np.append(y, self.measured(self.cut(chosen[None])).item())
        return torch.from_numpy(y)

    def beyond(self) -> dict[str, Numbers]:
        """Targets outside of the data: hit or missed, and whether the latents are still usual."""
        rows = {}
        for name, factor in BEYOND.items():
            target = factor * (self.values.min() if factor < 1 else self.values.max()).item()
            try:
                mine = design(self.vae, target, property=self.property, prior=self.prior, n=EACH)
            except ValueError as error:
                rows[name] = {"target": _five(target), "refused": str(error)}
                continue
            rows[name] = {
                "target": _five(target),
                "hits": int(mine.hits.sum()),
                "usual": int(mine.usual.sum()),
                "nearest": _five(mine.values[mine.errors.argmin()]),
                "calls": mine.calls.tolist(),
            }
        return rows

    def forward(self) -> dict[str, Numbers]:
        """From latents to the property of the image that they were encoded from, on held-out images, with intervals."""
        train, test = self.latents.double().numpy(), self.encoded(self.held_out).double().numpy()
        known, wanted = self.values.double().numpy(), self.measured(self.held_out).double().numpy()
        kernel = ConstantKernel(1.0) * RBF(math.sqrt(train.shape[1])) + WhiteKernel(1e-2)
        models = {
            "ridge": BayesianRidge(),
            "Gaussian process": GaussianProcessRegressor(kernel, normalize_y=True),
        }
        rows = {}
        for name, model in models.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(train, known)
            mean, spread = model.predict(test, return_std=True)
            inside = np.abs(mean - wanted) < norm.ppf(0.95) * spread
            rows[name] = {
                "r2": _five(1 - np.square(mean - wanted).sum() / np.square(wanted - wanted.mean()).sum()),
                "inside_90_percent_interval": _five(inside.mean()),
                "median_half_width": _five(np.median(norm.ppf(0.95) * spread)),
                "held_out": len(wanted),
            }
        return rows


def expected_improvement(mean: np.ndarray, spread: np.ndarray, target: float, best: float) -> np.ndarray:
    """Mean of max(0, best - |P - target|) for normal P, by the middles of 64 slices of equal probability.

    >>> expected_improvement(np.array([1.0, 3.0]), np.array([1e-9, 1e-9]), 1.5, 1.0).round(3)
    array([0.5, 0. ])
    """
    slices = norm.ppf((np.arange(64) + 0.5) / 64)
    drawn = mean[:, None] + spread[:, None] * slices
    return np.maximum(0, best - np.abs(drawn - target)).mean(1)


def _summary(errors: Tensor) -> Numbers:
    """Of relative errors (targets, structures): how many are within 1 % and 0.2 %, the median and the greatest."""
    return {
        "within 1 %": _five((errors <= 0.01).float().mean()),
        "within 0.2 %": _five((errors <= 0.002).float().mean()),
        "median error": _five(errors.median()),
        "greatest error": _five(errors.max()),
        "structures": errors.numel(),
    }


def _five(value: Any) -> float:
    return float(f"{float(value):.5g}")


if __name__ == "__main__":
    main()
