"""Exercises of the chapter What the statistics know, and what they do not."""

from __future__ import annotations

from microtutor.exercises.checking import Exercise

EXERCISES: dict[str, Exercise] = {}
