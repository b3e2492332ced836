"""How good a reconstruction is: the paper's metrics, measured instead of judged by eye, and what they are worth."""

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
from microtutor.evaluation.references import References
from microtutor.evaluation.report import report, table
from microtutor.evaluation.rock import CROP_ROWS, CropEvaluation, evaluate_crop_reconstructions, evaluate_crops

__all__ = [
    "CROP_ROWS",
    "PAPER",
    "ROWS",
    "CropEvaluation",
    "Diversity",
    "Evaluation",
    "References",
    "aligned_data_error",
    "count_lines",
    "diversity",
    "evaluate",
    "evaluate_crop_reconstructions",
    "evaluate_crops",
    "evaluate_reconstructions",
    "find_vertical",
    "report",
    "table",
]
