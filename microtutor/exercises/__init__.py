"""Instant checks of a learner's own function or number, with feedback that says what is wrong and why."""

from microtutor.exercises.catalogue import check
from microtutor.exercises.checking import Case, Exercise, Outcome, check_answer

__all__ = ["Case", "Exercise", "Outcome", "check", "check_answer"]
