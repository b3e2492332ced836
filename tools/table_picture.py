"""Draw the paper's table with the shipped models, for the first page: python tools/table_picture.py

The numbers are those of the models' cards; the picture keeps them in its description, so that a test can compare.
"""

import json
from statistics import mean

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from outline import ROOT
from result_picture import save

from microtutor.evaluation.metrics import PAPER
from microtutor.files import CARD_FILE
from microtutor.models.weights import WEIGHTS
from microtutor.plotting import COLOURS

PICTURE = ROOT / "book" / "_static" / "table.png"
MODELS = {  # in the order of the picture, from the top
    "1 to 4 lines": {
        "the paper, 9 numbers": PAPER["1-4 lines"],
        "pixels compared, 9 numbers": "lines-1-4-data",
        "statistics compared, 9 numbers": "lines-1-4",
        "statistics compared, 32 numbers": "lines-1-4-z32",
    },
    "3 to 6 lines": {"the paper, 9 numbers": PAPER["3-6 lines"], "statistics compared, 9 numbers": "lines-3-6"},
}
PANELS = {  # of the table: title, and what a value is multiplied by
    "statistics_error_mean": ("statistics error, mean", 1),
    "count_accuracy": ("number of lines right, %", 100),
    "volume_fraction_difference": ("volume fraction off by, %", 100),
    "valid_share": ("valid line images, %", 100),
}


def measured(model: str) -> dict[str, float]:
    """The mean of each metric over the test sets of a shipped model, as its card states it, as encoded."""
    card = json.loads((WEIGHTS / model / CARD_FILE).read_text(encoding="utf-8"))
    runs = [values for name, values in card["metrics"].items() if name.startswith("evaluation seed")]
    return {metric: mean(run[metric] for run in runs) for metric in PANELS}


def rows() -> list[tuple[str, dict[str, float]]]:
    """For each row of the picture its name and its metrics, those of the paper or of a card."""
    found = [row for models in MODELS.values() for row in models.items()]
    return [(name, measured(values) if isinstance(values, str) else dict(values)) for name, values in found]


def draw_panel(ax: Axes, metric: str, table: list[tuple[str, dict[str, float]]], heights: list[float]) -> None:
    """The values of one metric; where a source gives none, the row says so."""
    title, factor = PANELS[metric]
    for y, (name, values) in zip(heights, table, strict=True):
        colour, marker = (COLOURS[1], "s") if name.startswith("the paper") else (COLOURS[0], "o")
        if metric in values:
            ax.plot(factor * values[metric], y, marker, color=colour, markersize=8)
        else:
            ax.text(0.5, y, "not given", transform=ax.get_yaxis_transform(), ha="center", va="center", fontsize=9)
    ax.set_title(title, fontsize=10)
    ax.grid(axis="x", alpha=0.3)
    if metric == "statistics_error_mean":
        ax.set_xscale("log")
    else:
        ax.set_xlim(0, 30 if metric == "volume_fraction_difference" else 104)


def draw(table: list[tuple[str, dict[str, float]]]) -> Figure:
    """A row for each model, a panel for each metric."""
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    axes = figure.subplots(1, len(PANELS), sharey=True)
    heights = [-k - (0.6 if k >= len(MODELS["1 to 4 lines"]) else 0) for k in range(len(table))]
    for ax, metric in zip(axes, PANELS, strict=True):
        draw_panel(ax, metric, table, heights)
    axes[0].set_yticks(heights, [name for name, _ in table], fontsize=9)
    axes[0].set_ylim(min(heights) - 0.5, 0.9)
    for y, title in zip((0.45, heights[len(MODELS["1 to 4 lines"])] + 0.45), MODELS, strict=True):
        axes[0].text(-0.02, y, title, transform=axes[0].get_yaxis_transform(), ha="right", fontsize=9, weight="bold")
    return figure


def main() -> None:
    table = rows()
    save(draw(table), dpi=110, path=PICTURE, description=json.dumps(table))
    for name, values in table:
        print(f"{name:34}", "  ".join(f"{metric} {value:.3g}" for metric, value in values.items() if metric in PANELS))


if __name__ == "__main__":
    main()
