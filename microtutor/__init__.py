"""microtutor: learn what a microstructure is from its two-point statistics.

The road the data takes, and the modules on it, in this order:

    microstructures -> statistics -> losses -> models -> training -> evaluation

with `reconstruction` beside it, and `plotting`, `widgets` and the command line at its end.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from microtutor.environment import report_environment

    __version__: str

__all__ = ["__version__", "report_environment"]


def __getattr__(name: str) -> Any:
    """Names that take time, looked up when they are asked for: the command sets torch's threads before its import."""
    if name == "__version__":
        from importlib import metadata

        return metadata.version("microtutor")
    if name == "report_environment":
        from microtutor.environment import report_environment

        return report_environment
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
