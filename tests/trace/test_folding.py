"""What single events mean for a rank's state, one by one: the cases that random runs of a program seldom come to."""

from __future__ import annotations

import itertools

import pytest

from lockstep.harness.trace import breadcrumb
from lockstep.harness.trace.event import Kind, Need, Record, Took
from lockstep.harness.trace.lane import Launch
from lockstep.harness.trace.runs import pack
from lockstep.harness.trace.state import RankState, Status

TEXTS = [
    "allreduce",
    '{"kind": "mpi", "name": "world", "members": %s, "instance": 1}',
    '{"kind": "nccl", "name": "tp", "members": %s, "instance": 1, "device": "stream 7"}',
    '{"graph": "g1"}',
    "recv",
    "synchronize",
]
OP, HOST, DEVICE, GRAPH, RECV, SYNC = range(len(TEXTS))
WORLD, TP, UNKNOWN = 1, 2, 9  # communicators


class Rank:
    """A state, and events for it. Its communicators have the global ranks 0, 2 and 4."""

    def __init__(self) -> None:
        self.state, self._numbers = RankState(0), itertools.count(1)
        self._texts = [text % (pack((0, 2, 4)),) if "%s" in text else text for text in TEXTS]
        self.tell(Kind.COMM, comm=WORLD, a=HOST)
        self.tell(Kind.COMM, comm=TP, a=DEVICE)
        self.world, self.tp = (self.state.comms[comm].key for comm in (WORLD, TP))

    def tell(self, kind: Kind, **columns: int) -> None:
        """One event."""
        plain = dict.fromkeys(Record._fields, 0)
        number = next(self._numbers)
        record = Record(**{**plain, "kind": int(kind), "time_ns": number * 10, "number": number, **columns})
        self.state.apply([record], self._texts.__getitem__)

    def see(self, entered: int, inside: bool) -> None:
        """A breadcrumb of the device."""
        word = entered * breadcrumb.enter(0) - (entered - inside) * (breadcrumb.enter(0) - (1 << breadcrumb.SITE_BITS))
        self.state.see({TP: word, WORLD: word, UNKNOWN: word}, 5, self._texts.__getitem__)


def test_a_limit_is_of_the_next_timed_wait() -> None:
    """It is used up by the one that it was told for; a wait of another kind, or one that is only begun, leaves it."""
    rank = Rank()
    rank.tell(Kind.LIMIT, size=30)
    rank.tell(Kind.POST, comm=WORLD, seq=1, b=Need.TIMED)
    rank.tell(Kind.ENTER, comm=WORLD, seq=2, b=Need.ALL)
    assert rank.state.waits()[0][1].limit_s == 0
    rank.tell(Kind.ENTER, comm=WORLD, seq=3, b=Need.TIMED)
    assert rank.state.waits()[0][1].limit_s == 30
    rank.tell(Kind.ENTER, comm=WORLD, seq=4, b=Need.TIMED)
    assert rank.state.waits()[0][1].limit_s == 0
    rank.tell(Kind.LIMIT, size=-5)
    assert rank.state.limits == {0: 0}


def test_a_wait_for_streams() -> None:
    """It is for nobody else, on no communicator; the rank goes on by itself until its stream stands in a collective."""
    rank = Rank()
    rank.tell(Kind.WAITER, size=77)
    rank.tell(Kind.ENTER, a=SYNC, b=Need.STREAM)
    ((thread, wait),) = rank.state.waits()
    assert (thread, wait.comm, wait.seq, wait.need, wait.peer, wait.tag) == (0, "", 0, Need.STREAM, 0, 0)
    assert rank.state.busy
    rank.tell(Kind.LAUNCH, comm=TP, seq=1)
    assert rank.state.runs
    rank.see(1, inside=True)
    assert not rank.state.busy
    assert not rank.state.runs
    rank.see(1, inside=False)
    assert rank.state.busy
    rank.tell(Kind.ENTER, comm=WORLD, seq=1, b=Need.ALL)
    assert not rank.state.busy  # a wait of the host is one, whatever the stream does
    rank.tell(Kind.LAUNCH, comm=TP, seq=2)
    assert rank.state.runs


def test_a_stream_in_a_collective() -> None:
    """It waits where its launch says, also when the program has ended; not when its process or its device is gone."""
    rank = Rank()
    rank.tell(Kind.LAUNCH, comm=TP, seq=2, c=2, a=GRAPH)
    assert list(rank.state.lanes[rank.tp].launches) == [Launch(2, "g1", "", "")]
    rank.see(1, inside=True)
    assert (rank.state.entered[rank.tp], rank.state.entered[rank.world]) == (1, 0)
    for status in (Status.RUNNING, Status.RAISED, Status.RETURNED):
        rank.state.status = status
        ((_, wait),) = rank.state.waits()
        assert (wait.comm, wait.seq, wait.need, wait.since_ns) == (rank.tp, 1, Need.ALL, 5)
        assert (wait.peer, wait.tag) == (-1, 0)
    rank.state.status = Status.DEAD
    assert (rank.state.waits(), rank.state.runs) == ([], False)
    rank.state.status = Status.RUNNING
    for lost in ("device_lost", "gone"):
        setattr(rank.state, lost, True)
        assert rank.state.waits() == []
        setattr(rank.state, lost, False)


def test_what_was_handed_over_without_a_graph() -> None:
    """Its launch has none; on a communicator of the host the count goes up, and never back."""
    rank = Rank()
    rank.tell(Kind.LAUNCH, comm=TP, seq=1)
    assert list(rank.state.lanes[rank.tp].launches) == [Launch(1, "", "", "")]
    for seq in (3, 2):
        rank.tell(Kind.LAUNCH, comm=WORLD, seq=seq)
        assert rank.state.entered[rank.world] == 3
    rank.tell(Kind.LAUNCH, comm=UNKNOWN, seq=1)  # lost with its announcement
    assert rank.state.opaque == []


@pytest.mark.parametrize("lost", ["device_lost", "gone"])
def test_a_stream_that_will_not_run(lost: str) -> None:
    """What was handed to it keeps nobody alive when the device or the process is gone."""
    rank = Rank()
    rank.tell(Kind.ENTER, comm=WORLD, seq=1, b=Need.ALL)
    rank.tell(Kind.LAUNCH, comm=TP, seq=1)
    assert rank.state.runs
    setattr(rank.state, lost, True)
    assert not rank.state.runs


def test_what_a_receive_took() -> None:
    """It is counted by whom it came from; what it had left open also by what it had asked for."""
    rank = Rank()
    plain = {"comm": WORLD, "c": 1, "tag": 5}
    rank.tell(Kind.EXIT, **plain, b=Took.NAMED, site=2, size=5)
    assert rank.state.taken.all == {(rank.world, 2, 5): 1}
    assert (rank.state.taken.wild, rank.state.taken.open) == ({}, {})
    rank.tell(Kind.TOOK, **plain, b=Took.WILD, site=3, size=-1)
    rank.tell(Kind.TOOK, **plain, b=Took.WILD, site=0, size=5)
    rank.tell(Kind.TOOK, **plain, b=Took.PROBED, site=0, size=5)
    assert rank.state.taken.all == {(rank.world, 2, 5): 4}
    assert rank.state.taken.wild == {(rank.world, 2, 5): 3}
    assert rank.state.taken.open == {(rank.world, 4, -1): 1, (rank.world, -1, 5): 1}
    assert rank.state.exits == 1


def test_what_was_taken_back() -> None:
    """Once is one less to come, until it is told that it was not after all; peer -1 is any member."""
    rank = Rank()
    for peer, told in ((0, 1), (2, 1), (2, 1), (2, 0), (-1, 1)):
        rank.tell(Kind.CANCEL, comm=WORLD, c=peer, tag=5, b=told)
    assert rank.state.taken.cancelled == {(rank.world, 0, 5): 1, (rank.world, 4, 5): 1, (rank.world, -1, 5): 1}


def test_a_wait_for_several_operations() -> None:
    """It is for its parts, on no communicator, of no number and with no tag; some that were lost make it no wait."""
    rank = Rank()
    rank.tell(Kind.PART, comm=WORLD, seq=1, a=RECV, b=Need.RECV, c=1, tag=5)
    rank.tell(Kind.ENTER, a=OP, b=Need.EITHER, size=1)
    ((_, wait),) = rank.state.waits()
    assert (wait.comm, wait.seq, wait.peer, wait.tag, wait.need) == ("", 0, -1, 0, Need.EITHER)
    assert [(part.comm, part.seq, part.peer, part.tag) for part in wait.parts] == [(rank.world, 1, 2, 5)]
    rank.tell(Kind.ENTER, a=OP, b=Need.EVERY, size=1)
    assert rank.state.waits() == []
    assert len(rank.state.opaque) == 1


def test_the_end_of_a_program() -> None:
    """Its last exit handler has run when it says so, and not before."""
    rank = Rank()
    assert rank.state.leaving_ns == 0
    rank.tell(Kind.LEAVING)
    assert rank.state.leaving_ns == 30


def test_a_wait_for_a_thing() -> None:
    """It names the end that is waited at, and nobody of a communicator."""
    rank = Rank()
    rank.tell(Kind.ENTER, a=OP, b=Need.HOLDERS, c=RECV)
    ((_, wait),) = rank.state.waits()
    assert (wait.comm, wait.seq, wait.need, wait.peer, wait.tag, wait.end) == ("", 0, Need.HOLDERS, -1, 0, "recv")


def test_who_may_communicate_unseen_runs() -> None:
    """Whatever its threads wait in; who has ended does not."""
    rank = Rank()
    rank.tell(Kind.ENTER, comm=WORLD, seq=1, b=Need.ALL)
    assert not rank.state.runs
    rank.tell(Kind.OPAQUE, a=OP)
    assert rank.state.runs
    rank.state.status = Status.RETURNED
    assert not rank.state.runs
