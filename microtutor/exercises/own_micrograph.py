"""Exercises of the chapter Bring your own micrograph."""

from __future__ import annotations

from microtutor.exercises.checking import Exercise

EXERCISES: dict[str, Exercise] = {}
