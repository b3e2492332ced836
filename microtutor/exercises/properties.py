"""Exercises of the chapter Equal statistics, equal properties?."""

from __future__ import annotations

from microtutor.exercises.checking import Exercise

EXERCISES: dict[str, Exercise] = {}
