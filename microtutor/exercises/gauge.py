"""Exercises of the chapter Why position does not matter: fixing the gauge."""

from __future__ import annotations

from microtutor.exercises.checking import Exercise

EXERCISES: dict[str, Exercise] = {}
