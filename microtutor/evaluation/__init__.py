"""How good a reconstruction is: the paper's metrics, measured instead of judged by eye, and what they are worth."""

from microtutor.evaluation.baselines import Baselines
from microtutor.evaluation.diversity import Diversity, diversity
from microtutor.evaluation.metrics import (
    PAPER,
    ROWS,
    Evaluation,
    aligned_data_error,
    count_lines,
    evaluate,
    evaluate_reconstructions,
    find_vertical,
)
from microtutor.evaluation.paper_table import report, table
from microtutor.evaluation.rock import (
    CROP_ROWS,
    CropEvaluation,
    chord_length_distance,
    evaluate_crop_reconstructions,
    evaluate_crops,
    readings,
)
from microtutor.evaluation.rock_report import at_own_fraction, prior_samples, realisation_report, rock_report

__all__ = [
    "CROP_ROWS",
    "PAPER",
    "ROWS",
    "Baselines",
    "CropEvaluation",
    "Diversity",
    "Evaluation",
    "aligned_data_error",
    "at_own_fraction",
    "chord_length_distance",
    "count_lines",
    "diversity",
    "evaluate",
    "evaluate_crop_reconstructions",
    "evaluate_crops",
    "evaluate_reconstructions",
    "find_vertical",
    "prior_samples",
    "readings",
    "realisation_report",
    "report",
    "rock_report",
    "table",
]
