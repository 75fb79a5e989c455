"""Sentences of a verdict: a word in them has one meaning."""

from __future__ import annotations

import signal

import pytest

from lockstep.harness.judge.divergence import Split
from lockstep.harness.judge.verdict import WaitLine
from lockstep.harness.judge.words import death_words, decision_text, knot_text, ranks_text, running_text
from lockstep.harness.trace.state import RankState
from lockstep.harness.trace.wait import NOBODY_YET, PROCESS


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


def test_ranks_in_words() -> None:
    """Those that nobody has seen have no number of their own, and processes that are no ranks have theirs."""
    assert ranks_text([3]) == "rank 3"
    assert ranks_text([5, 0, 1, 2]) == "ranks 0-2,5"
    assert ranks_text([NOBODY_YET]) == "1 rank that nobody has seen"
    assert ranks_text([0, NOBODY_YET, NOBODY_YET + 1]) == "rank 0 and 2 ranks that nobody has seen"
    assert ranks_text([PROCESS + 7, PROCESS + 9, 1]) == "rank 1 and processes 7, 9"
    assert ranks_text([PROCESS + 7]) == "process 7"


def test_who_waits_for_whom_in_words() -> None:
    """Ranks in one wait together, with its phase or else its line, and the graph that a stream is in."""

    def line(rank: int, lacks: tuple[int, ...], **more: object) -> WaitLine:
        return WaitLine(rank, "c", "nccl", "tp", "all_reduce", 3, lacks=lacks, **{"phase": "", "shape": "", **more})  # type: ignore[arg-type]

    assert knot_text([line(0, (2,), site="a.py:3 in f"), line(1, (2,), site="a.py:3 in f"), line(2, (0,))]) == (
        "ranks 0-1 wait in nccl tp all_reduce #3 at a.py:3 in f for rank 2; rank 2 waits in nccl tp all_reduce #3 for rank 0"
    )
    assert "nccl tp all_reduce #3 of graph g1 (decode) for rank 1" in (
        knot_text([line(0, (1,), stream=True, graph="g1", phase="decode", site="a.py:3 in f")])
    )
    assert knot_text([line(0, (0,))]) == ""  # it waits for its own stream


def test_who_runs_in_words() -> None:
    """With the phase and the shape that it is in."""
    state = RankState(0, phase="warm-up", shape="bs=8")
    assert running_text([0, 1], state) == "Ranks 0-1 entered no wait and reached no milestone (in warm-up bs=8)"
    assert running_text([2], RankState(0)) == "Rank 2 entered no wait and reached no milestone (in no phase)"
