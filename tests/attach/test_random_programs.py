"""Correct programs drawn by a seed, run for real: none is ever called a hang."""

from __future__ import annotations

import os

from benchmarks.random_programs import measure

PROGRAMS = int(
    os.environ.get("RANDOM_PROGRAMS", "12")
)  # more: RANDOM_PROGRAMS=400 pytest tests/attach/test_random_programs.py
SEED = int(os.environ.get("RANDOM_SEED", "1"))


def test_no_correct_program_is_called_a_hang() -> None:
    """Messages, wildcards, cancels, threads, signals, own classes, slow unpickling: all end, and nothing is proved."""
    found = measure(PROGRAMS, SEED, each=6)
    assert found == {"programs": PROGRAMS, "hangs": 0, "other than success": 0}
