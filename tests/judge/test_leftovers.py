"""What a program that succeeded left undone. Pure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lockstep.harness.judge.engine_rules import EngineRules
from lockstep.harness.judge.history import Entry, History, Left, Message
from lockstep.harness.judge.leftovers import MOST, leftovers
from lockstep.harness.judge.snapshot import CaseSnapshot, Limit
from lockstep.harness.trace.state import RankState, Status
from tests.judge.test_standing import WORLD, case


def ended(*histories: History) -> CaseSnapshot:
    """Ranks that have returned in order."""
    states = {rank: RankState(rank, status=Status.RETURNED, gone=True) for rank in range(len(histories))}
    return case(states, dict(enumerate(histories)))


def texts(whole: CaseSnapshot) -> list[str]:
    """Of all findings."""
    return [finding.text for finding in leftovers(whole)]


def test_requests_that_nobody_waited_for() -> None:
    """With what they are, and the line that began them; ranks alike together."""
    left = [
        Left(WORLD.key, "send", 1, 7, 2, ""), Left(WORLD.key, "recv", -1, -1, 1, ""), Left(WORLD.key, "recv", 0, 7, 1, ""),
        Left(WORLD.key, "barrier", -1, -1, 3, ""),
    ]  # fmt: skip
    messages = [
        Message(1, WORLD.key, True, 1, 7, 1, "", True, "", "", "a.py:1 in f"),
        Message(2, WORLD.key, True, 1, 7, 2, "", True, "", "", "a.py:2 in f"),
        Message(3, WORLD.key, False, -1, -1, 1, "", False, "", "", "a.py:3 in f"),  # this one did block
    ]
    entries = [Entry(4, WORLD.key, 3, "barrier", "", "", -1, "a.py:4 in f", posted=True)]
    whole = ended(*(History(rank, left=left, messages=messages, entries=entries) for rank in (0, 1)))
    assert texts(whole) == [
        "the isend to rank 1 of tag 7 on mpi world, begun at a.py:2 in f, was never waited for by ranks 0-1",
        "the irecv from any rank on mpi world was never waited for by ranks 0-1",
        "the irecv from rank 0 of tag 7 on mpi world was never waited for by ranks 0-1",
        "the ibarrier on mpi world, begun at a.py:4 in f, was never waited for by ranks 0-1",
    ]
    many = [Left(WORLD.key, "send", 1, tag, 1, "") for tag in range(MOST + 2)]
    assert len(texts(ended(History(0, left=many)))) == MOST


def test_communicators_that_nobody_freed() -> None:
    """With the line that made them; of a rank that communicates unseen nothing is said."""
    whole = ended(History(0, left=[Left(WORLD.key, "", -1, 0, 0, "a.py:9 in f")]), History(1))
    assert texts(whole) == ["mpi world, made at a.py:9 in f, was never freed by rank 0"]
    whole.states[0].opaque.append("ctypes")
    assert texts(whole) == []


@pytest.mark.parametrize(
    ("sent", "taken", "said"), [(1, 0, "a message of"), (3, 1, "2 messages of"), (2, 2, ""), (1, 2, "")]
)
def test_messages_that_nobody_received(sent: int, taken: int, said: str) -> None:
    """How many, and the line that sent the last."""
    messages = [
        Message(at, WORLD.key, True, 1, tag, at, "", False, "", "", f"a.py:{at} in f")
        for at, tag in ((1, 7), (2, 7), (3, 8))
    ]
    whole = ended(History(0, messages=messages), History(1))
    whole.states[0].sent[WORLD.key, 1, 7] = sent
    whole.states[1].taken.all[WORLD.key, 0, 7] = taken
    was = "was" if said.startswith("a ") else "were"
    way = f"{said} tag 7 from rank 0 to rank 1 on mpi world, sent at a.py:2 in f, {was} never received"
    assert texts(whole) == ([way] if said else [])
    if said:
        order = whole.states[1].order
        order.receive(WORLD.key, 0, 8, 1, 0)
        assert texts(whole) == [way]
        order.receive(WORLD.key, -1, 7, 1, 0)
        assert texts(whole) == []  # that one may have taken it
    whole.states[1].order.unknown.add((WORLD.key, "recv"))
    assert texts(whole) == []


@pytest.mark.parametrize("rank", [0, 1])
def test_who_is_not_counted_left_nothing_for_certain(rank: int) -> None:
    """A rank whose events were lost, or that communicates unseen."""
    for how in ("blind", "opaque"):
        whole = ended(History(0), History(1))
        whole.states[0].sent[WORLD.key, 1, 7] = 1
        assert len(texts(whole)) == 1
        if how == "blind":
            whole.states[rank].blind = True
        else:
            whole.states[rank].opaque.append("ctypes")
        assert texts(whole) == []


def test_where_nothing_is_said() -> None:
    """Of engines, of cases that were ended, and where a rank did not end in order."""
    whole = ended(History(0, left=[Left(WORLD.key, "", -1, 0, 0, "")]), History(1))
    assert len(texts(whole)) == 1
    assert texts(replace(whole, rules=EngineRules())) == []
    assert texts(replace(whole, limit=Limit.DEADLINE)) == []
    whole.states[1].status = Status.RAISED
    assert texts(whole) == []
