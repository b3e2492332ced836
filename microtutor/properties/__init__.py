"""Effective properties of an image: what a material with this microstructure conducts, and how stiff it is."""

from microtutor.properties.conductivity import ConductivityFields, conductivity_fields, effective_conductivity
from microtutor.properties.percolation import percolates
from microtutor.properties.solver import Convergence, ConvergenceWarning

__all__ = [
    "ConductivityFields",
    "Convergence",
    "ConvergenceWarning",
    "conductivity_fields",
    "effective_conductivity",
    "percolates",
]
