"""Exercises of the chapter What helped, and what did not."""

from __future__ import annotations

from microtutor.exercises.checking import Exercise

EXERCISES: dict[str, Exercise] = {}
