"""microtutor: learn what a microstructure is from its two-point statistics.

The road the data takes, and the modules on it, in this order:

    microstructures -> statistics -> losses -> models -> training -> evaluation

with `reconstruction` beside it, and `plotting`, `widgets` and the command line at its end.
"""

from importlib import metadata

from microtutor.environment import report_environment

__version__ = metadata.version("microtutor")

__all__ = ["__version__", "report_environment"]
