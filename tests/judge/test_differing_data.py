"""Ranks that hand over other datatypes than their peers, and what cannot be compared. Pure."""

from __future__ import annotations

import pytest

from lockstep.harness.judge.differing_data import MOST, differing_data
from lockstep.harness.judge.history import Entry, History, Message
from lockstep.harness.judge.snapshot import CaseSnapshot
from lockstep.harness.trace.state import RankState
from tests.judge.test_standing import WORLD, case

FLOATS, INTS = "MPI_FLOAT MPI_SUM", "MPI_INT MPI_SUM"


def of(*histories: History) -> CaseSnapshot:
    """Ranks that have done so much."""
    return case({rank: RankState(rank) for rank in range(len(histories))}, dict(enumerate(histories)))


def entered(rank: int, *collectives: tuple[int, str, str]) -> History:
    """A rank that entered these: number, operation, data."""
    entries = [
        Entry(at, WORLD.key, seq, op, "", "", 4, "a.py:3 in f", data=data) for at, (seq, op, data) in enumerate(collectives)
    ]
    return History(rank, entries=entries)


def test_the_first_collective_of_other_data() -> None:
    """It is told with both sides; of one communicator no other is, since what follows may follow from it."""
    same, first, second = (1, "allreduce", INTS), (2, "allreduce", INTS), (3, "allreduce", INTS)
    other = entered(1, same, (2, "allreduce", FLOATS), (3, "allreduce", FLOATS))
    (found,) = differing_data(of(entered(0, same, first, second), other, entered(2, same, first)))
    assert found.text == (
        "collective 2 of mpi world hands over other data: allreduce of 4 MPI_INT with MPI_SUM at a.py:3 in f by ranks 0,2; "
        "allreduce of 4 MPI_FLOAT with MPI_SUM at a.py:3 in f by rank 1"
    )
    assert found.facts["seq"] == 2
    assert differing_data(of(entered(0, same, first), entered(1, same, first))) == []


def test_other_operations_are_told_as_such() -> None:
    """They have other data anyway; and what is not known differs from nothing."""
    assert differing_data(of(entered(0, (1, "allreduce", INTS)), entered(1, (1, "reduce", FLOATS)))) == []
    assert differing_data(of(entered(0, (1, "allreduce", INTS)), entered(1, (1, "allreduce", "")))) == []


def sent(rank: int, *messages: tuple[bool, int, int, str], peer: int | None = None) -> History:
    """A rank that began these with the other one: whether it sends, tag, number, data."""
    to = 1 - rank if peer is None else peer
    begun = [Message(at, WORLD.key, sends, to, tag, seq, "", False, "", "", f"a.py:{seq} in f", 1, data)
             for at, (sends, tag, seq, data) in enumerate(messages)]  # fmt: skip
    return History(rank, messages=begun)


def test_the_first_message_that_is_taken_for_something_else() -> None:
    """Of each two ranks and tag: the n-th send with the n-th receive."""
    mine = sent(0, (True, 7, 1, "MPI_INT"), (True, 7, 2, "MPI_INT"), (True, 7, 3, "MPI_INT"), (True, 8, 1, "MPI_INT"))
    theirs = sent(
        1, (False, 7, 1, "MPI_INT"), (False, 7, 2, "MPI_DOUBLE"), (False, 7, 3, "MPI_DOUBLE"), (False, 8, 1, "MPI_FLOAT")
    )
    found = differing_data(of(mine, theirs))
    assert [one.facts["tag"] for one in found] == [7, 8]
    assert found[0].text == (
        "message 2 of tag 7 on mpi world: rank 0 sends MPI_INT at a.py:2 in f, rank 1 receives MPI_DOUBLE at a.py:2 in f"
    )
    many = range(MOST + 3)
    assert len(differing_data(of(sent(0, *((True, tag, 1, "MPI_INT") for tag in many)),
                                 sent(1, *((False, tag, 1, "MPI_FLOAT") for tag in many))))) == MOST  # fmt: skip


@pytest.mark.parametrize("what", ["wild", "any", "cancelled", "blind", "opaque", "threads send", "threads receive", "begun"])
def test_messages_whose_order_is_not_known(what: str) -> None:
    """Nothing is said of them: the n-th send may be what another receive has taken."""
    receives = [(False, 7, 1, "MPI_FLOAT")]
    whole = of(sent(0, (True, 7, 1, "MPI_INT")), sent(1, *receives))
    assert len(differing_data(whole)) == 1
    sender, receiver = whole.states[0], whole.states[1]
    match what:
        case "wild":
            receiver.taken.wild[WORLD.key, 0, 7] = 1
        case "any":
            whole.histories[1].messages.append(Message(5, WORLD.key, False, -1, 7, 1, "", False, "", ""))
        case "cancelled":
            receiver.taken.cancelled[WORLD.key, 0, 9] = 1
        case "blind":
            sender.blind = True
        case "opaque":
            receiver.opaque.append("ctypes")
        case "threads send":
            sender.order.unknown.add((WORLD.key, "send"))
        case "threads receive":
            receiver.order.unknown.add((WORLD.key, "recv"))
        case "begun":
            whole.histories[1].messages[0] = whole.histories[1].messages[0]._replace(seq=2)
    assert differing_data(whole) == []
