"""How good a reconstruction is: the paper's metrics, measured instead of judged by eye, and what they are worth."""

from microtutor.evaluation.baselines import Baselines
from microtutor.evaluation.diversity import Diversity, diversity
from microtutor.evaluation.held_out import evaluate_on, evaluate_on_seeds, source_for, trained_with
from microtutor.evaluation.latents import LatentSummary, latent_summary
from microtutor.evaluation.metrics import (
    PAPER,
    ROWS,
    Evaluation,
    aligned_data_error,
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
    prior_samples,
    readings,
)
from microtutor.evaluation.validity import count_lines, line_faults, valid_lines

__all__ = [
    "CROP_ROWS",
    "PAPER",
    "ROWS",
    "Baselines",
    "CropEvaluation",
    "Diversity",
    "Evaluation",
    "LatentSummary",
    "aligned_data_error",
    "chord_length_distance",
    "count_lines",
    "diversity",
    "evaluate",
    "evaluate_crop_reconstructions",
    "evaluate_crops",
    "evaluate_on",
    "evaluate_on_seeds",
    "evaluate_reconstructions",
    "find_vertical",
    "latent_summary",
    "line_faults",
    "prior_samples",
    "readings",
    "report",
    "source_for",
    "table",
    "trained_with",
    "valid_lines",
]
