"""How good a reconstruction is: the paper's metrics, measured instead of judged by eye, and what they are worth."""

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

__all__ = [
    "PAPER",
    "ROWS",
    "Evaluation",
    "References",
    "aligned_data_error",
    "count_lines",
    "evaluate",
    "evaluate_reconstructions",
    "find_vertical",
    "report",
    "table",
]
