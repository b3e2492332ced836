"""Pictures of images, of their statistics, and of training runs. Each function returns a matplotlib figure."""

from microtutor.plotting.pictures import (
    COLOURS,
    MAP,
    draw_image,
    draw_radial,
    draw_statistics,
    show_difference,
    show_images,
    show_micrograph,
    show_pairs,
    show_summary,
)
from microtutor.plotting.runs import show_error_distributions, show_logs, show_sweep

__all__ = [
    "COLOURS",
    "MAP",
    "draw_image",
    "draw_radial",
    "draw_statistics",
    "show_difference",
    "show_error_distributions",
    "show_images",
    "show_logs",
    "show_micrograph",
    "show_pairs",
    "show_summary",
    "show_sweep",
]
