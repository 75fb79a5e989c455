"""Sentences of a verdict: a word in them has one meaning."""

from __future__ import annotations

import signal

import pytest

from lockstep.harness.judge.divergence import Split
from lockstep.harness.judge.words import death_words, decision_text


@pytest.mark.parametrize(
    ("choice", "ranks", "told"),
    [
        ("left-out", [1], "Rank 1 left out warmup.batch bs=8 (room=2); ranks 0,2 chose run"),
        ("run", [0, 2], "Ranks 0,2 chose run at warmup.batch bs=8 (room=2); rank 1 left it out"),
    ],
)
def test_who_does_nothing_chose_no_word(choice: str, ranks: list[int], told: str) -> None:
    """`none` as a choice is told as what was left out: as a guard or an expectation it means other things."""
    split = Split("warmup.batch", "bs=8", "warmup", {"left-out": [1], "run": [0, 2]}, {}, (1,), 0)
    assert decision_text(split, ranks, choice, "room=2") == told


def test_a_full_shared_memory_is_named() -> None:
    """SIGBUS comes with its usual cause and what to do; other signals have their name alone."""
    assert death_words(-signal.SIGBUS).startswith("SIGBUS (as where /dev/shm is full: see `df -h /dev/shm`")
    assert death_words(-signal.SIGSEGV) == "SIGSEGV"
