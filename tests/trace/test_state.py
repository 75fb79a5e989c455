"""Folding events into a rank's state, against a model that follows the same calls."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.judge.history import History
from lockstep.harness.trace import Recorder, layout
from lockstep.harness.trace.event import Kind, Need
from lockstep.harness.trace.handles import Wait as OpenWait
from lockstep.harness.trace.ring import Ring, decode
from lockstep.harness.trace.state import RankState, Status

ACTIONS = st.lists(
    st.sampled_from(["enter world", "enter tp", "exit", "post tp", "send", "recv", "milestone", "phase"]), max_size=40
)


@given(ACTIONS, st.sampled_from(["", "raised", "returned"]), st.integers(1, 20))
def test_fold_follows_the_calls(actions: list[str], end: str, step: int) -> None:
    """Whatever a rank does, and in whatever pieces its events come, its state says where it is and what it has entered."""
    ring = Ring(0, 3)
    recorder = Recorder.attach({layout.RING_FD: str(ring.fd)})
    comms = {"world": recorder.comm("mpi", "world", range(3)), "tp": recorder.comm("mpi", "tp", (0, 2))}
    entered = {"world": 0, "tp": 0}
    sent = received = milestones = exits = 0
    waiting: OpenWait | None = None
    state, strings = RankState(0), list[str]()

    def fold() -> None:
        delta = ring.read()
        strings.extend(delta.strings)
        state.apply(decode(delta.records), strings.__getitem__)

    for number, action in enumerate(actions):
        word, _, name = action.partition(" ")
        if word == "exit" and waiting:
            waiting.__exit__(None, None, None)
            waiting, exits = None, exits + 1
        elif waiting is None and word == "enter":
            waiting = recorder.collective(comms[name], "allgather")
            entered[name] += 1
        elif waiting is None and word == "post":
            recorder.post(comms[name], "allgather")
            entered[name] += 1
        elif waiting is None and word == "send":
            waiting, sent = recorder.send(comms["tp"], 1, 7), sent + 1
        elif waiting is None and word == "recv":
            waiting, received = recorder.recv(comms["tp"], 1, 7), received + 1
        elif word == "milestone":
            recorder.milestone("x")
            milestones += 1
        if number % step == 0:
            fold()
    if end == "raised":
        recorder.raised(ValueError("x"))
    elif end == "returned":
        recorder.returned()
    fold()
    keys = {info.name: info.key for info in state.comms.values()}
    assert state.entered == {keys[name]: count for name, count in entered.items()}
    # Rank 1 of tp is global rank 2.
    assert state.sent == ({(keys["tp"], 2, 7): sent} if sent else {})
    assert state.received == ({(keys["tp"], 2, 7): received} if received else {})
    assert (state.milestones, state.exits, state.number) == (milestones, exits, recorder.last)
    assert state.status is Status(end or "running")
    assert [wait.seq for _, wait in state.waits()] == ([waiting.seq] if waiting and not end else [])
    ring.close()


def test_an_event_that_makes_no_sense_is_no_wait_and_ends_nothing() -> None:
    """Whatever a process writes, its rank counts as running then, and says why nothing is proved of it."""
    ring = Ring(0, 2)
    recorder = Recorder.attach({layout.RING_FD: str(ring.fd)})
    comm = recorder.comm("mpi", "world", range(2))
    recorder.p2p(comm, "recv", Need.RECV, 7, 0, 0)  # no such rank
    recorder.write(Kind.ENTER, 99, 1, recorder.string("barrier"))  # no such communicator
    recorder.write(Kind.ENTER, comm.id, 1, recorder.string("barrier"), 200)  # no such need
    recorder.write(Kind.JOIN, 0, 0, recorder.string("{"))
    recorder.write(Kind.ENTER, 0, 0, recorder.string("waitany"), Need.EITHER, size=2)  # its parts are missing
    recorder.write(Kind.TOOK, comm.id, 0, 0, 9, 5, 0)
    state = RankState(0)
    delta = ring.read()
    state.apply(decode(delta.records), delta.strings.__getitem__)
    ring.close()
    assert state.waiters == {0: None}
    assert len(state.opaque) == 6
    assert state.runs


@given(st.lists(st.sampled_from(["raised", "returned", "error"]), max_size=3))
def test_what_follows_an_abort_is_chance(after: list[str]) -> None:
    """A rank that has called abort did so, however far it gets before its launcher kills it: MPI_Abort may come back."""
    ring = Ring(0, 2)
    recorder = Recorder.attach({layout.RING_FD: str(ring.fd)})
    recorder.abort(3, patience_s=0)
    for what in after:
        if what == "returned":
            recorder.returned()
        elif what == "raised":
            recorder.raised(ValueError("late"))
        else:
            recorder.write(Kind.ERROR, 0, 0, recorder.string("E"), recorder.string("late"), recorder.string(""))
    delta = ring.read()
    state = RankState(0)
    state.apply(decode(delta.records), delta.strings.__getitem__)
    history = History.read(0, delta.records, delta.strings)
    ring.close()
    assert state.status is Status.ABORTED
    assert (history.abort_code, history.error, history.ended_at) == (3, None, 1)  # the first event tells a string
