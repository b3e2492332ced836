"""Effective properties of an image: what a material with this microstructure conducts, and how stiff it is."""

from microtutor.checks import ConvergenceWarning
from microtutor.properties.bounds import (
    Bounds,
    StiffnessBounds,
    hashin_shtrikman_bounds,
    hashin_shtrikman_stiffness_bounds,
    laminate_conductivity,
    laminate_stiffness,
    voigt_reuss_bounds,
)
from microtutor.properties.conductivity import ConductivityFields, conductivity_fields, effective_conductivity
from microtutor.properties.percolation import percolates
from microtutor.properties.solver import Convergence
from microtutor.properties.stiffness import StiffnessFields, effective_stiffness, lame_constants, stiffness_fields

__all__ = [
    "Bounds",
    "ConductivityFields",
    "Convergence",
    "ConvergenceWarning",
    "StiffnessBounds",
    "StiffnessFields",
    "conductivity_fields",
    "effective_conductivity",
    "effective_stiffness",
    "hashin_shtrikman_bounds",
    "hashin_shtrikman_stiffness_bounds",
    "lame_constants",
    "laminate_conductivity",
    "laminate_stiffness",
    "percolates",
    "stiffness_fields",
    "voigt_reuss_bounds",
]
