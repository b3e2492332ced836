"""Images from statistics: gradient descent on the pixels until their two-point statistics are the wanted ones."""

from microtutor.checks import ConvergenceWarning
from microtutor.reconstruction.search import reconstruct

__all__ = ["ConvergenceWarning", "reconstruct"]
