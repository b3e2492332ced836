"""Exercises of the chapter PCA or VAE?."""

from __future__ import annotations

from microtutor.exercises.checking import Exercise

EXERCISES: dict[str, Exercise] = {}
