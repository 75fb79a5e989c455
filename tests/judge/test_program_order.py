"""Who left the common path, by the order of lines that all ranks run. Pure."""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lockstep.harness.judge.decide import decide
from lockstep.harness.vocabulary import Cause
from tests.judge.spmd import Run, spmd

# The world; two pairs of rows, two of columns; a rank is in one of each.
FOUR = ((0, 1, 2, 3), (0, 1), (2, 3), (0, 2), (1, 3))
KINDS = (0, 1, 3)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(("barrier", "all_reduce"))), min_size=2, max_size=6),
    st.integers(1, 3),
    st.integers(0, 3),
    st.data(),
)
def test_who_leaves_a_line_out_is_to_blame(
    lines: list[tuple[int, str]], rounds: int, culprit: int, data: st.DataObject
) -> None:
    """Of four ranks that run the same lines one leaves out a call: it is named, and not whoever noticed."""
    calls = spmd(FOUR, [*lines, (0, "barrier")], 4, rounds)
    left_out = data.draw(st.integers(0, len(calls[culprit]) - 2))
    calls[culprit] = calls[culprit][:left_out] + calls[culprit][left_out + 1 :]
    run = Run(FOUR, calls)
    assume(run.finish())
    verdict = decide(run.case())
    assume(verdict.cause in (Cause.DEADLOCK, Cause.MISMATCH))
    assert verdict.blame is not None
    # Where the next call of the same group has the same operation the ranks meet in it, and part later, two by two.
    assert culprit in verdict.blame.ranks, verdict.text
