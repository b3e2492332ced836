"""Against codes that others wrote, as studies/properties_peers.py runs them; skips where they are not installed.

Ours and theirs discretise differently, so they agree the better, the finer the pixels: here each is cut into 2 x 2.
"""

import warnings

import pytest

from microtutor.properties import effective_conductivity, effective_stiffness
from studies import properties_peers as peers

IMAGE = peers.refined(peers.blobs(), 2)
CELL = peers.mirrored(IMAGE)


def theirs(function, *packages):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in packages:
            pytest.importorskip(name, reason=f"needs {name.replace('torchfem', 'torch-fem')} from the package index")
        return function(IMAGE)


def test_a_phase_alone_against_porespy():
    value = theirs(peers.porespy_conductivity, "porespy", "openpnm")
    assert effective_conductivity(CELL, (0.0, 1.0))[0, 0].item() == pytest.approx(value, rel=0.015)


def test_a_phase_alone_against_taufactor():
    value = theirs(peers.taufactor_conductivity, "taufactor")
    assert effective_conductivity(CELL, (0.0, 1.0))[0, 0].item() == pytest.approx(value, rel=0.015)


def test_conductivity_against_finite_elements():
    value = theirs(peers.finite_element_conductivity, "torchfem")
    assert effective_conductivity(CELL, (1.0, 10.0))[0, 0].item() == pytest.approx(value, rel=0.003)


def test_stiffness_against_finite_elements():
    xx, xy = theirs(peers.finite_element_stiffness, "torchfem")
    c = effective_stiffness(CELL, (1.0, 10.0))
    assert c[0, 0].item() == pytest.approx(xx, rel=0.005)
    assert c[0, 1].item() == pytest.approx(xy, rel=0.005)
