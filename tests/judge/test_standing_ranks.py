"""How one rank is told where everybody stands: what it waits in, who keeps it out, how it ended. Pure."""

from __future__ import annotations

from dataclasses import replace

from lockstep.harness.judge.history import History
from lockstep.harness.judge.snapshot import Collected
from lockstep.harness.judge.standing import needs, standing_text
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import STREAM_WAITER, RankState, Status, Wait
from tests.judge.test_standing import STACK, case, waiting


def test_how_a_rank_is_told() -> None:
    """With its line where it is in no known wait, with what it waits in beside, and with who keeps Python's lock."""
    told = Collected(stacks={0: STACK}, folder="/home/me")
    histories = {0: History(0), 1: History(1)}
    busy = waiting(0, "recv", 1)
    busy.waiters[1] = None
    both = case({0: busy, 1: RankState(1, waiters={0: None})}, histories, collected=told)
    wait = "mpi world recv #1 of tag 0 at train.py:10 in main"
    assert standing_text(both) == (
        f"rank 0 stands at train.py:18 in save, in acquire (wait), and waits in {wait} for rank 1; "
        "rank 1 is in no known wait"
    )
    unseen = case({0: busy, 1: RankState(1, waiters={0: None})}, histories)
    assert standing_text(unseen).startswith(f"rank 0 waits in {wait} for rank 1, with threads in no known wait")
    kept = replace(waiting(0, "recv", 1), kept_out=frozenset({0}))
    text = standing_text(case({0: kept, 1: waiting(1, "recv", 0)}, histories, collected=told))
    assert text.startswith(
        f"rank 0 waits in {wait} for rank 1, which keeps Python's lock; "
        "for it stands at train.py:18 in save, in acquire (wait)"
    )
    other = replace(waiting(0, "recv", 1), kept_out=frozenset({5}))
    assert "; for it" not in standing_text(case({0: other, 1: waiting(1, "recv", 0)}, histories, collected=told))
    nothing = replace(RankState(0, waiters={0: None}), kept_out=frozenset({0}))
    assert standing_text(case({0: nothing}, {0: History(0)})) == "rank 0 is in no known wait"


def test_how_a_rank_that_has_ended_is_told() -> None:
    """One that was never heard of is missing; any other has died, with what is known of it."""
    states = {rank: RankState(rank, status=Status.DEAD, gone=True) for rank in range(3)}
    states[1].number = 5
    whole = case(states, {rank: History(rank) for rank in range(3)}, codes={2: -9})
    assert standing_text(whole) == "rank 0 is missing; rank 1 died: its process is gone; rank 2 died: SIGKILL"


def test_a_thing_that_nobody_else_holds() -> None:
    """Another thread of the rank may hold it, where it has one or the thing is of its own; else nobody does."""

    def told(end: str, more: bool) -> str:
        state = RankState(0, number=1)
        state.waiters[0] = Wait("", 0, "acquire", Need.HOLDERS, -1, 0, 0, "", "", end=end)
        if more:
            state.waiters[1] = Wait("", 0, "join", Need.HOLDERS, -1, 0, 0, "", "", end="pipe 9")
        return standing_text(replace(case({0: state}, {0: History(0)}), holders={end: {0}, "pipe 9": {0}}))

    assert told("pipe 5", False) == "rank 0 waits in acquire, the other end of which nobody else holds"
    assert "acquire for another of its threads" in told("pipe 5", True)
    assert told("own lock", False) == "rank 0 waits in acquire for another of its threads"


def test_for_whom_a_send_waits() -> None:
    """For its peer, rank 0 too; a wait in a group that nobody knows is for somebody unknown."""
    states = {0: RankState(0, waiters={0: None}), 1: waiting(1, "send", 0, need=Need.NOBODY)}
    whole = case(states, {0: History(0), 1: History(1)})
    assert "rank 1 waits in mpi world send #1 of tag 0 at train.py:11 in main for rank 0" in standing_text(whole)
    wait = states[1].waiters[0]
    assert wait is not None
    states[1].waiters[0] = wait._replace(comm="mpi:unknown")
    assert standing_text(whole).endswith("send #1 of tag 0 at train.py:11 in main")


def test_for_whom_a_receive_waits() -> None:
    """For its peer while nothing has come from it; of one that may end nobody is named."""
    states = {0: RankState(0, waiters={0: None}), 1: waiting(1, "recv", 0)}
    whole = case(states, {0: History(0), 1: History(1)})
    wait = states[1].waiters[0]
    assert wait is not None
    assert needs(whole, 1, 0, wait) == (0,)
    assert standing_text(whole).endswith("recv #1 of tag 0 at train.py:11 in main for rank 0")
    states[0].sent[wait.comm, 1, 0] = 1
    assert needs(whole, 1, 0, wait) == ()
    assert standing_text(whole).endswith("recv #1 of tag 0 at train.py:11 in main")


def test_a_wait_for_several_lists_the_first() -> None:
    """Three of them, and how many more there are."""
    part = waiting(0, "recv", 1).waiters[0]
    assert part is not None
    for count, more in ((3, ""), (4, " and 1 more"), (6, " and 3 more")):
        parts = tuple(part._replace(tag=tag, site="") for tag in range(count))
        several = Wait("", 0, "waitany", Need.EITHER, -1, 0, 0, "", "", site="a.py:3 in f", parts=parts)
        text = standing_text(case({0: RankState(0, waiters={0: several}), 1: RankState(1)}, {0: History(0), 1: History(1)}))
        assert text.count("mpi world recv") == 3
        assert f"{more} at a.py:3 in f" in text
        assert text.startswith("rank 0 waits in waitany of any of mpi world recv #1 of tag 0 for rank 1, ")


def test_a_stream_is_told_as_one() -> None:
    """And no thread is."""
    wait = waiting(0, "barrier", -1, need=Need.ALL).waiters[0]
    for thread, told in (
        (STREAM_WAITER, "its stream mpi world barrier #1"),
        (STREAM_WAITER - 1, "waits in mpi world barrier #1"),
    ):
        states = {0: RankState(0, waiters={thread: wait}), 1: RankState(1)}
        assert told in standing_text(case(states, {0: History(0), 1: History(1)}))
