"""Effective properties by codes that others wrote: python studies/properties_peers.py

Adds them to microtutor/results/properties.json.

Needs porespy with openpnm, taufactor and torch-fem. These hold the two ends of a block at given values and let nothing
through its sides. An image and its mirror images make a periodic cell in which just that happens at the borders of the
image, so what is left are the discretisations: finite differences (porespy, taufactor), or finite elements with four
points of integration (torch-fem). Each pixel is cut into n x n, and with n the differences fall.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor

from microtutor.files import write_json
from microtutor.properties import effective_conductivity, effective_stiffness
from microtutor.records import RESULTS

F64 = torch.float64
PEERS = ("porespy", "openpnm", "taufactor", "torch-fem")


def blobs(size: int = 64, *, smooth: float = 4.0, fraction: float = 0.75, seed: int = 2) -> Tensor:
    """Smooth noise of which the given fraction is the phase, (size, size); with these values it percolates."""
    frequency = torch.fft.fftfreq(size, dtype=F64)
    filtered = torch.exp(-2 * (math.pi * smooth) ** 2 * (frequency[:, None] ** 2 + frequency**2))
    noise = torch.randn(1, size, size, generator=torch.Generator().manual_seed(seed), dtype=F64)
    field = torch.fft.ifft2(torch.fft.fft2(noise) * filtered).real[0]
    return (field > field.quantile(1 - fraction)).double()


def refined(image: Tensor, n: int) -> Tensor:
    return image.repeat_interleave(n, 0).repeat_interleave(n, 1)


def mirrored(image: Tensor) -> Tensor:
    image = torch.cat([image, image.flip(-1)], -1)
    return torch.cat([image, image.flip(-2)], -2)


def porespy_conductivity(image: Tensor) -> float:
    """K_xx if only the phase conducts."""
    porespy = import_module("porespy")
    porespy.settings.tqdm["disable"] = True
    return float(1 / porespy.simulations.tortuosity_fd(image.bool().numpy(), axis=1).formation_factor)


def taufactor_conductivity(image: Tensor) -> float:
    """K_xx if only the phase conducts."""
    solver = import_module("taufactor").Solver(image.mT[..., None].to(torch.uint8).numpy(), device="cpu")
    solver.solve(verbose=False, conv_crit=1e-4)
    return torch.as_tensor(solver.D_eff).flatten()[0].item()


def _elements(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Nodes in the unit square, quadrilaterals, and the image's value in each; x to the right and y down."""
    side = image.shape[-1]
    nodes, quads = import_module("torchfem.mesh").rect_quad(side + 1, side + 1, 1.0, 1.0)
    x, y = (nodes[quads].mean(1) * side).long().clamp(max=side - 1).T
    return nodes, quads, image[y, x]


def _in_double(function: Callable[[Tensor], Any], image: Tensor) -> Any:
    """torch-fem takes its precision from torch's default."""
    torch.set_default_dtype(F64)
    try:
        return function(image)
    finally:
        torch.set_default_dtype(torch.float32)


def finite_element_conductivity(image: Tensor) -> float:
    """K_xx if the phase conducts 10 and the matrix 1."""

    def solve(image: Tensor) -> float:
        torchfem, materials = import_module("torchfem"), import_module("torchfem.materials")
        nodes, quads, share = _elements(image)
        model = torchfem.PlanarHeat(nodes, quads, materials.IsotropicConductivity2D(1 + 9 * share))
        left, right = nodes[:, 0] < 1e-9, nodes[:, 0] > 1 - 1e-9
        model.constraints[left | right] = True
        model.temperatures[left] = 1.0
        _, flow, *_ = model.solve()
        return float(flow[left].sum())

    return _in_double(solve, image)


def finite_element_stiffness(image: Tensor) -> tuple[float, float]:
    """C_xxxx and C_xxyy if the phase has Young's modulus 10 and the matrix 1, both Poisson's ratio 0.3."""

    def solve(image: Tensor) -> tuple[float, float]:
        torchfem, materials = import_module("torchfem"), import_module("torchfem.materials")
        nodes, quads, share = _elements(image)
        material = materials.IsotropicElasticityPlaneStrain(E=1 + 9 * share, nu=torch.full_like(share, 0.3))
        model = torchfem.Planar(nodes, quads, material)
        left, right = nodes[:, 0] < 1e-9, nodes[:, 0] > 1 - 1e-9
        top, bottom = nodes[:, 1] < 1e-9, nodes[:, 1] > 1 - 1e-9
        model.constraints[left | right, 0] = True
        model.constraints[top | bottom, 1] = True
        model.displacements[right, 0] = 1.0
        _, force, *_ = model.solve()
        return float(force[right, 0].sum()), float(force[bottom, 1].sum())

    return _in_double(solve, image)


def compared(n: int) -> dict[str, float]:
    """All codes on one image, each of whose pixels is cut into n x n."""
    image = refined(blobs(), n)
    cell = mirrored(image)
    stiffness = effective_stiffness(cell, (1.0, 10.0))
    elements = finite_element_stiffness(image)
    values = {
        "K_xx, phase alone: microtutor": effective_conductivity(cell, (0.0, 1.0))[0, 0].item(),
        "K_xx, phase alone: porespy": porespy_conductivity(image),
        "K_xx, phase alone: taufactor": taufactor_conductivity(image),
        "K_xx, contrast 10: microtutor": effective_conductivity(cell, (1.0, 10.0))[0, 0].item(),
        "K_xx, contrast 10: torch-fem": finite_element_conductivity(image),
        "C_xxxx, contrast 10: microtutor": stiffness[0, 0].item(),
        "C_xxxx, contrast 10: torch-fem": elements[0],
        "C_xxyy, contrast 10: microtutor": stiffness[0, 1].item(),
        "C_xxyy, contrast 10: torch-fem": elements[1],
    }
    return {name: float(f"{value:.6g}") for name, value in values.items()}


def versions() -> dict[str, str]:
    """The versions of the other codes; ends with a sentence where one is missing."""
    try:
        return {name: version(name) for name in PEERS}
    except PackageNotFoundError as error:
        wanted = " ".join(PEERS)
        raise SystemExit(
            f"{error.name} is not installed here; in an environment of its own: pip install {wanted}"
        ) from None


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args(words)
    path = RESULTS / "properties.json"
    record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    record["peers"] = {
        "command": "python studies/properties_peers.py",
        "versions": versions(),
        "image": "64 x 64, smooth noise, fraction 0.75; with its mirror images for microtutor",
        "pixels cut into n x n": {str(n): compared(n) for n in (1, 2)},
    }
    write_json(path, record)
    print(json.dumps(record["peers"], indent=2))


if __name__ == "__main__":
    main()
