"""Exercises of the chapter Variational autoencoders from scratch."""

from __future__ import annotations

from microtutor.exercises.checking import Exercise

EXERCISES: dict[str, Exercise] = {}
