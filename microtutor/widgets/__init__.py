"""Interactive figures: sliders over pictures drawn beforehand, which need no kernel, and live ones, which compute."""

from microtutor.widgets.live import LiveFigure, live_latents, live_overlap, live_threshold
from microtutor.widgets.sliders import PictureFigure, chooser, frame_slider, frames, overlap_figure, shift_sliders

__all__ = [
    "LiveFigure",
    "PictureFigure",
    "chooser",
    "frame_slider",
    "frames",
    "live_latents",
    "live_overlap",
    "live_threshold",
    "overlap_figure",
    "shift_sliders",
]
