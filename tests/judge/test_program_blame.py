"""Who is to blame in a program that logs no decisions, rule by rule. Pure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lockstep.harness.judge.decide import decide
from lockstep.harness.judge.graph import Stuck
from lockstep.harness.judge.history import Entry, History, Message
from lockstep.harness.judge.program_blame import hang_blame, stall_blame
from lockstep.harness.judge.program_order import Course, first_shift
from lockstep.harness.judge.snapshot import CaseSnapshot
from lockstep.harness.judge.unreceived import unreceived
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import STREAM_WAITER, CommInfo, RankState, Status
from lockstep.harness.trace.wait import Wait
from lockstep.harness.vocabulary import Cause, Outcome
from tests.judge.test_standing import case

WORLD, SUB = (CommInfo(f"mpi:{name}", "mpi", name, (0, 1, 2)) for name in ("world", "sub"))
OTHER = CommInfo("mpi:other", "mpi", "other", (0, 2))


def entry(at: int, op: str, site: str = "", comm: CommInfo = WORLD, seq: int = 0, posted: bool = False) -> Entry:
    """A collective as the event at that place, by default of that number too."""
    return Entry(at, comm.key, seq or at, op, "", "", -1, site, posted=posted)


def told(*ranks: list[Entry], waits: tuple[Wait | None, ...], thread: int = 0) -> CaseSnapshot:
    """Ranks that entered these collectives and stand in those waits, in which they lack each other."""
    states = {rank: RankState(rank, number=9, waiters={thread: wait}) for rank, wait in enumerate(waits)}
    histories = {rank: History(rank, entries=entries) for rank, entries in enumerate(ranks)}
    for rank, entries in enumerate(ranks):
        for one in entries:
            states[rank].entered[one.comm] = max(states[rank].entered.get(one.comm, 0), one.seq)
    whole = case(states, histories)
    for history in histories.values():
        history.comms = {info.key: info for info in (WORLD, SUB)}
    knot = [
        Stuck(rank, thread, wait, tuple(other for other in range(len(ranks)) if other != rank))
        for rank, wait in enumerate(waits)
        if wait is not None
    ]
    return replace(whole, knot=knot, comms={info.key: (info.kind, info.name) for info in (WORLD, SUB)})


def wait(comm: CommInfo, seq: int, op: str = "barrier", site: str = "", need: Need = Need.ALL) -> Wait:
    """In a collective."""
    return Wait(comm.key, seq, op, need, -1, 0, 0, "", "", site=site)


def test_one_group_under_two_names() -> None:
    """Ranks that wait for each other in the making of it are told with the names; those of two lines make two groups."""
    site = "train.py:7 in main"
    whole = told([], [], [], waits=tuple(wait(comm, 1, "new_group", site) for comm in (WORLD, SUB, WORLD)))
    blame = hang_blame(whole, False)
    assert blame is not None
    assert blame.site == "new_group"
    assert blame.text == (
        "The group of ranks 0-2 is made at train.py:7 in main under different names: world on ranks 0,2; sub on rank 1"
    )
    lines = told([], [], waits=(wait(WORLD, 1, "new_group", "a.py:1 in f"), wait(SUB, 1, "new_group", "a.py:2 in f")))
    assert hang_blame(lines, False) is None
    assert hang_blame(told([], [], waits=(wait(WORLD, 1), wait(SUB, 1))), False) is None


def test_a_blocking_collective_and_one_that_does_not_block() -> None:
    """MPI never pairs them, and so the text tells them apart; the fewest are to blame."""
    entries = [entry(1, "allreduce", "a.py:3 in main", posted=rank == 1) for rank in range(3)]
    blame = hang_blame(told(*([one] for one in entries), waits=(wait(WORLD, 1, "allreduce"),) * 3), True)
    assert blame is not None
    assert blame.ranks == (1,)
    assert "rank 1 entered non-blocking allreduce at a.py:3 in main" in blame.text
    assert blame.text.count("non-blocking") == 1


@pytest.mark.parametrize(("where", "seen"), [(SUB, True), (WORLD, False)])
def test_a_mismatch_that_nobody_waits_in_any_more(where: CommInfo, seen: bool) -> None:
    """Of what nothing proves it is no reason: whoever was in it has come out of that communicator."""
    parts = [[entry(1, op, comm=SUB), entry(2, "barrier")] for op in ("bcast", "allreduce")]
    blame = stall_blame(told(*parts, waits=(wait(where, 2, need=Need.TIMED),) * 2))
    assert (blame is not None) is seen
    ended = told(*parts, waits=(wait(where, 2),) * 2)
    ended.states[0].status = Status.RAISED
    assert stall_blame(ended) is None


def test_a_stream_and_a_message_say_nothing_of_lines() -> None:
    """Of the waits of a knot those of the host's collectives tell who has passed a line by."""
    early, late = entry(2, "barrier", "a.py:5 in main"), entry(2, "bcast", "a.py:9 in main", SUB, 1)
    parts = [[entry(1, "barrier", "a.py:3 in main"), one] for one in (early, late)]
    waits = (wait(WORLD, 2, site="a.py:5 in main"), wait(SUB, 1, "bcast"))
    blame = hang_blame(told(*parts, waits=waits), False)
    assert blame is not None
    assert (blame.ranks, blame.site) == ((1,), "world.barrier")
    assert "mpi world barrier #2 (at a.py:5 in main)" in blame.text
    assert hang_blame(told(*parts, waits=waits, thread=STREAM_WAITER), False) is None
    assert hang_blame(told(*parts, waits=(wait(WORLD, 2, "recv", need=Need.RECV), None)), False) is None


@pytest.mark.parametrize(("returned_in", "blamed"), [(WORLD, 1), (OTHER, 2)])
def test_who_goes_on_where_others_have_returned(returned_in: CommInfo, blamed: int) -> None:
    """Who waits in another group, and never came to what those had entered that have returned, is to blame; where it
    is no member of that, they are.
    """
    parts = [
        [entry(1, "barrier", "a.py:3 in main"), entry(2, "barrier", "a.py:5 in main")],
        [entry(1, "barrier", "a.py:3 in main"), entry(2, "bcast", "a.py:9 in main", SUB, 1)],
        [entry(1, "barrier", "a.py:3 in main"), entry(2, "barrier", "a.py:5 in main", returned_in, 2)],
    ]
    waits = (wait(WORLD, 2, site="a.py:5 in main"), wait(SUB, 1, "bcast", "a.py:9 in main"), None)
    whole = told(*parts, waits=waits)
    whole.states[2].status, whole.histories[2].ended_at = Status.RETURNED, 3
    for rank in (0, 2):
        whole.histories[rank].comms[OTHER.key] = OTHER
    knot = [replace(stuck, lacks=(1,) if stuck.rank == 0 else (2,)) for stuck in whole.knot]
    verdict = decide(replace(whole, knot=knot))
    assert (verdict.outcome, verdict.cause) == (Outcome.HANG, Cause.ORPHANED)
    assert verdict.blame is not None
    assert verdict.blame.ranks == (blamed,), verdict.text


@pytest.mark.parametrize(
    ("mine", "theirs", "ahead"),
    [
        (["a.py:3 in f", "a.py:5 in f"], ["a.py:5 in f", "a.py:9 in f"], (1,)),
        (["a.py:5 in f", "a.py:9 in f"], ["a.py:3 in f", "a.py:5 in f"], (0,)),
        (["a.py:3 in f"], ["a.py:5 in f"], None),  # a branch of each, as far as anybody has seen
        (["a.py:3 in f", "a.py:5 in f"], ["a.py:3 in f", "a.py:5 in f"], None),
        (["", "a.py:5 in f"], ["a.py:3 in f", "a.py:5 in f"], None),  # a line that is not known is no other line
    ],
)
def test_two_ranks_out_of_step(mine: list[str], theirs: list[str], ahead: tuple[int, ...] | None) -> None:
    """Who is at a line that the other one comes to later has left one out; what comes after a gap is not compared."""
    histories = {rank: History(rank) for rank in (0, 1)}
    for rank, sites in enumerate((mine, theirs)):
        histories[rank].entries = [entry(at, "barrier", site) for at, site in enumerate(sites, 1)]
    shift = first_shift(histories, Course(histories))
    assert (shift.left if shift else None) == ahead
    for gap in (1, 2, 3):  # the place of the first event before which some are missing
        histories[0].gap = gap
        assert (first_shift(histories, Course(histories)) is None) is (gap < 3 or ahead is None)


@pytest.mark.parametrize(
    ("peer", "tag", "lies"), [(1, 7, False), (1, 8, True), (-1, 8, False), (1, -1, False), (0, 8, True), (1, 0, True)]
)
def test_who_takes_from_anybody_leaves_nothing_certain(peer: int, tag: int, lies: bool) -> None:
    """A receive that leaves its peer, or its tag, open may have taken any message of that communicator."""
    histories = {rank: History(rank) for rank in (0, 1)}
    histories[1].messages = [Message(1, WORLD.key, True, 0, 7, 1, "", False, "", "")]
    histories[0].messages = [Message(1, WORLD.key, False, peer, tag, 1, "", False, "", "")]
    assert bool(unreceived(histories, 0)) is lies
    assert not unreceived(histories, 1)
    histories[0].gap = 1
    assert not unreceived(histories, 0)


def test_what_ranks_entered_where_no_line_tells_who_is_ahead() -> None:
    """Of a knot the first collective that they entered as different ones is told; else the missing one."""
    waits = (wait(WORLD, 1, site="c.py:1 in h"), wait(SUB, 2, site="d.py:1 in i"), wait(SUB, 2, site="d.py:1 in i"))
    parts = [[entry(1, op, site, SUB, 1)] for op, site in (("bcast", "a.py:9 in f"), *(("allreduce", "b.py:5 in g"),) * 2)]
    whole = told(*parts, waits=waits)
    assert hang_blame(whole, False) is None
    verdict = decide(whole)
    assert verdict.cause is Cause.DEADLOCK
    assert verdict.blame is not None
    assert (verdict.blame.ranks, verdict.blame.site) == ((0,), "sub.bcast")
    assert verdict.text.startswith(
        "Ranks first differ in mpi sub #1: rank 0 entered bcast at a.py:9 in f; ranks 1-2 entered allreduce at b.py:5 in g."
    )
    apart = [[entry(1, "barrier", "a.py:9 in f")], [entry(1, "barrier", "b.py:5 in g", SUB, 1)]]
    whole = told(*apart, waits=(wait(WORLD, 1, site="a.py:9 in f"), wait(SUB, 1, site="b.py:5 in g")))
    assert hang_blame(whole, False) is None
    assert decide(whole).text.startswith("Rank 1 never entered world barrier #1 (at a.py:9 in f), which the others entered.")
