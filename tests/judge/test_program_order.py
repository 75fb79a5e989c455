"""Who left the common path, by the order of lines that all ranks run. Pure."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lockstep.harness.judge.decide import decide
from lockstep.harness.judge.history import Entry, History
from lockstep.harness.judge.program_order import Course, Order
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


def entries(*steps: tuple[str, str]) -> History:
    """What one rank entered: operations and lines."""
    history = History(0)
    history.entries = [Entry(at, "gloo:world", at, op, "", "", -1, site) for at, (op, site) in enumerate(steps, 1)]
    return history


STEP, LEFT = ("all_gather", "t.py:6 in step"), ("barrier", "t.py:14 in main")


@pytest.mark.parametrize(
    ("waiter", "other", "left"),
    [
        ((STEP, STEP, STEP), (STEP, STEP, LEFT), True),
        ((STEP, STEP, LEFT), (STEP, STEP, STEP), False),  # the same from the other side
        ((STEP,), (LEFT,), False),  # nobody has done it before
        ((STEP, STEP, STEP), (STEP, LEFT), False),  # more than one round
        ((LEFT, STEP, STEP), (LEFT, STEP, LEFT), False),  # the other one is in a round of its own
    ],
)
def test_who_has_left_a_loop_of_another_function(
    waiter: tuple[tuple[str, str], ...], other: tuple[tuple[str, str], ...], left: bool
) -> None:
    """It did as many rounds as the other before this one, and is where that has never been."""
    course = Course({0: entries(*waiter), 1: entries(*other)})
    at, now = course.last(0), course.last(1)
    assert at is not None
    assert now is not None
    assert (course.stands(0, at, 1, now) is Order.BELOW) is left
