"""Whom a wait still needs, rule by rule: a member too few there would be a wrong proof, one too many a missing one. Pure."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.harness.judge.lacking import UNKNOWN, entered, lacking
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import RankState
from lockstep.harness.trace.wait import Wait

COMM = "mpi:world"
MEMBERS = {COMM: (0, 1, 2), "mpi:other": (0, 1)}


def wait(need: Need, peer: int = -1, tag: int = 7, seq: int = 1, parts: tuple[Wait, ...] = (), end: str = "") -> Wait:
    """Of a rank, on the world."""
    return Wait(COMM, seq, "any", need, peer, tag, 0, "", "", parts=parts, end=end)


def states() -> dict[int, RankState]:
    """Of three ranks, which have begun nothing."""
    return {rank: RankState(rank, number=1) for rank in range(3)}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=3, max_size=3), st.integers(1, 4), st.integers(0, 2), st.integers(0, 2))
def test_a_collective_needs_who_has_not_come(come: list[int], seq: int, rank: int, root: int) -> None:
    """All, the root, or those below: each of them that has entered fewer of that communicator."""
    found = states()
    for member, number in enumerate(come):
        found[member].entered = {COMM: number, "mpi:other": 9}
    behind = tuple(member for member in range(3) if come[member] < seq)
    others = tuple(member for member in behind if member != rank)
    assert lacking(rank, wait(Need.ALL, seq=seq), found, MEMBERS) == others
    assert lacking(rank, wait(Need.COME, seq=seq), found, MEMBERS) == others
    assert lacking(rank, wait(Need.ROOT, root, seq=seq), found, MEMBERS) == tuple({root} & {*behind})
    assert lacking(rank, wait(Need.BELOW, seq=seq), found, MEMBERS) == tuple(m for m in behind if m < rank)
    assert lacking(rank, wait(Need.NOBODY, seq=seq), found, MEMBERS) == ()


def test_who_is_not_known() -> None:
    """Somebody of whom nothing was heard has not come; one whose events were lost may have."""
    found = states()
    del found[2]
    found[1].blind = True
    assert [entered(found, rank, COMM) for rank in range(3)] == [0, UNKNOWN, 0]
    assert lacking(0, wait(Need.ALL), found, MEMBERS) == (2,)
    assert lacking(0, wait(Need.RECV, 1), found, MEMBERS) == lacking(0, wait(Need.SSEND, 1), found, MEMBERS) == ()
    assert lacking(0, wait(Need.RECV, 2), found, MEMBERS) == lacking(0, wait(Need.SSEND, 2), found, MEMBERS) == ()
    assert lacking(1, wait(Need.RECV, 0), found, MEMBERS) == ()  # what it has taken itself is not known


@pytest.mark.parametrize("peer", [0, 2])
@pytest.mark.parametrize(
    ("sent", "seq", "wild", "cancelled", "may_end"),
    [
        (0, 1, 0, 0, False),
        (1, 1, 0, 0, True),
        (1, 2, 0, 0, False),  # the message is that of the receive before, which has not ended yet
        (2, 2, 0, 0, True),
        (2, 2, 1, 0, False),  # an open receive has taken one
        (3, 2, 1, 0, True),
        (2, 3, 0, 1, True),  # one before it takes none
        (1, 3, 0, 1, False),
    ],
)
def test_a_receive_that_names_both(peer: int, sent: int, seq: int, wild: int, cancelled: int, may_end: bool) -> None:
    """It needs as many messages as were begun for it, taken by open ones, and not given back, before it."""
    found = states()
    found[peer].sent = {(COMM, 1, 7): sent, (COMM, 1, 8): 9, ("mpi:other", 1, 7): 9, (COMM, 2 - peer, 7): 9}
    found[1].taken.wild = {(COMM, peer, 7): wild}
    found[1].taken.cancelled = {(COMM, peer, 7): cancelled}
    assert lacking(1, wait(Need.RECV, peer, seq=seq), found, MEMBERS) == (() if may_end else (peer,))


@pytest.mark.parametrize(
    ("peer", "tag", "sent", "taken", "lacks"),
    [
        (-1, 7, 0, 0, (0, 2)),
        (-1, 7, 1, 0, ()),
        (-1, 7, 1, 1, (0, 2)),
        (-1, 8, 1, 0, (0, 2)),  # of another tag
        (-1, -1, 1, 0, ()),
        (0, -1, 1, 0, (0,)),  # of another sender
        (2, -1, 1, 0, ()),
        (2, -1, 1, 1, (2,)),
        (2, 0, 1, 0, (2,)),
    ],
)
def test_a_receive_that_leaves_an_end_open(peer: int, tag: int, sent: int, taken: int, lacks: tuple[int, ...]) -> None:
    """It ends with any message that matches and that no receive which has ended took; a probe is like it."""
    found = states()
    found[2].sent = {(COMM, 1, 7): sent, (COMM, 0, 7): 5, ("mpi:other", 1, 7): 5}
    found[1].taken.all = {(COMM, 2, 7): taken}
    for need in (Need.RECV, Need.PROBE):
        assert lacking(1, wait(need, peer, tag), found, MEMBERS) == lacks
    alone = {COMM: (1,)}
    assert lacking(1, wait(Need.RECV), {1: found[1]}, alone) == (1,)  # nobody is there who could send


def test_a_receive_that_was_taken_back() -> None:
    """It may end without a message where that is doubted, or where nobody knows which one it was."""

    def may_end(cancelled: int = 1, doubted: int = 0, unknown: bool = False, need: Need = Need.RECV) -> bool:
        found = states()
        found[1].taken.cancelled = {(COMM, 0, 7): cancelled}
        for seq in (1, 2, 3):
            found[1].order.receive(COMM, 0, 7, seq, 0)
        if doubted:
            found[1].order.cancel(COMM, (0, 7, doubted), True)
        found[1].order.lost = unknown
        return lacking(1, wait(need, 0, seq=3), found, MEMBERS) == ()

    assert not may_end()
    assert not may_end(doubted=2)
    assert may_end(doubted=3)
    assert may_end(unknown=True)
    assert not may_end(cancelled=0, unknown=True)
    assert not may_end(unknown=True, need=Need.PROBE)  # a probe takes none, and is not taken back


@pytest.mark.parametrize(
    ("begun", "wild", "ended", "seq", "may_end"),
    [
        ({}, {}, {}, 1, False),
        ({(COMM, 1, 7): 1}, {}, {}, 1, True),
        ({(COMM, 1, 7): 1}, {}, {}, 2, False),
        ({(COMM, 1, 7): 1}, {(COMM, 1, 7): 1}, {}, 2, True),  # an open one has taken one before
        ({(COMM, 1, 8): 1, (COMM, 2, 7): 1, ("mpi:other", 1, 7): 1}, {}, {}, 1, False),
        ({(COMM, -1, 7): 1}, {}, {}, 1, True),
        ({(COMM, -1, 7): 1}, {}, {(COMM, -1, 7): 1}, 1, False),  # that one has ended, with another message
        ({(COMM, -1, 7): 2}, {}, {(COMM, -1, 7): 1}, 1, True),
        ({(COMM, 1, -1): 1}, {}, {}, 1, True),
        ({(COMM, -1, -1): 1}, {}, {}, 1, True),
        ({(COMM, -1, 8): 1}, {}, {}, 1, False),
        ({(COMM, 2, -1): 1}, {}, {}, 1, False),
        ({("mpi:other", -1, -1): 1}, {}, {}, 1, False),
    ],
)
def test_a_synchronous_send(
    begun: dict[tuple[str, int, int], int],
    wild: dict[tuple[str, int, int], int],
    ended: dict[tuple[str, int, int], int],
    seq: int,
    may_end: bool,
) -> None:
    """It needs a receive that would take its message, and that has not ended with another one."""
    found = states()
    found[0].received, found[0].taken.wild, found[0].taken.open = begun, wild, ended
    assert lacking(1, wait(Need.SSEND, 0, seq=seq), found, MEMBERS) == (() if may_end else (0,))


def test_waits_for_things_streams_and_several() -> None:
    """An end of which nothing is known may be let go; one that nobody else holds is the rank's own; parts add up."""
    held = {"a": {0, 1, 5}, "b": {1}, "c": ()}
    for end, lacks in (("a", (0, 5)), ("b", (1,)), ("c", (1,)), ("d", ())):
        assert lacking(1, wait(Need.HOLDERS, end=end), states(), MEMBERS, held) == lacks
    assert lacking(1, wait(Need.HOLDERS, end="a"), states(), MEMBERS) == ()
    assert lacking(1, wait(Need.STREAM), states(), MEMBERS) == (1,)
    parts = (wait(Need.RECV, 2), wait(Need.SSEND, 0), wait(Need.RECV, 2, 8), wait(Need.HOLDERS, end="a"))
    assert lacking(1, wait(Need.EVERY, parts=parts), states(), MEMBERS, held) == (2, 0, 5)
