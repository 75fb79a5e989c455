"""The judge against brute force: every interleaving of many small random programs, and what may come after each state."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.harness.judge.graph import stuck
from lockstep.harness.trace import Comm, Need, Recorder, layout
from lockstep.harness.trace.event import RECORD, Record
from lockstep.harness.trace.state import RankState, Status, Wait
from tests.judge.programs import (
    COLLECTIVES,
    Op,
    Program,
    State,
    collectives,
    ended,
    explore,
    freed_by_anything,
    messages,
    random_program,
)

PROGRAMS = 10_000
FEW = 500  # where there is no time for all
STATES = 6  # of each program, drawn at random, beside all in which nothing moves any more
NEEDS = {"send": Need.NOBODY, "ssend": Need.SSEND, "recv": Need.RECV, "barrier": Need.ALL, "timed": Need.TIMED}
Snapshot = tuple[dict[int, RankState], dict[str, tuple[int, ...]]]


def need_of(op: Op, rank: int) -> Need:
    """Whom an operation needs, for this rank."""
    if op.name == "bcast":
        return Need.NOBODY if op.peer == rank else Need.ROOT
    if op.name == "gather":
        return Need.ALL if op.peer == rank else Need.NOBODY
    return NEEDS[op.name]


def direct(program: Program, state: State) -> Snapshot:
    """The snapshot of a state, written down at once."""
    states: dict[int, RankState] = {}
    for rank in range(program.size):
        mine = states[rank] = RankState(rank)
        mine.status = _status(program, state, rank)
        mine.entered = {f"c{c}": collectives(program, state, rank, c) for c, _ in enumerate(program.comms)}
        for peer in range(program.size):
            for tag in range(2):
                mine.sent["c0", peer, tag] = messages(program, state, rank, ("send", "ssend"), peer, tag)
                mine.received["c0", peer, tag] = messages(program, state, rank, ("recv",), peer, tag)
        mine.order.unknown.add(("c0", "recv"))  # it is not written down here
        mine.waiters[0] = None
        if state.inside[rank]:
            op = program.ops[rank][state.at[rank]]
            number = (
                collectives(program, state, rank, op.comm)
                if op.name in COLLECTIVES
                else (mine.received if op.name == "recv" else mine.sent)["c0", op.peer, op.tag]
            )
            mine.waiters[0] = Wait(f"c{op.comm}", number, op.name, need_of(op, rank), op.peer, op.tag, 0, "", "")
    return states, {f"c{c}": members for c, members in enumerate(program.comms)}


def _status(program: Program, state: State, rank: int) -> Status:
    if not ended(program, state, rank):
        return Status.RUNNING
    return Status.RAISED if program.ends[rank] == "raise" else Status.RETURNED


def by_events(program: Program, state: State) -> Snapshot:
    """The same snapshot, from events that each rank's recorder writes and that are folded as the watchdog folds them."""
    states: dict[int, RankState] = {}
    members: dict[str, tuple[int, ...]] = {}
    for rank in range(program.size):
        texts: list[str] = []
        memory = bytearray(layout.ring_bytes(64))
        recorder = Recorder(memory, 64)
        comms: dict[int, Comm] = {
            c: recorder.comm("mpi", f"c{c}", group) for c, group in enumerate(program.comms) if rank in group
        }
        for number, op in enumerate(program.ops[rank][: state.at[rank] + state.inside[rank]]):
            wait = _enter(recorder, comms[op.comm], op, rank, program)
            if number < state.at[rank]:
                wait.__exit__(None, None, None)
        if ended(program, state, rank):
            recorder.raised(RuntimeError("x")) if program.ends[rank] == "raise" else recorder.returned()
        at = layout.STRINGS
        (used,) = layout.U64.unpack_from(memory, layout.STRINGS_USED)
        while at < layout.STRINGS + used:
            (length,) = layout.STRING_HEAD.unpack_from(memory, at)
            texts.append(memory[at + 4 : at + 4 + length].decode())
            at += 4 + length
        raw = memory[layout.RECORDS : layout.RECORDS + recorder.last * RECORD.size]
        mine = states[rank] = RankState(rank)
        mine.apply((Record._make(fields) for fields in RECORD.iter_unpack(raw)), texts.__getitem__)
        members |= {info.key: info.members for info in mine.comms.values()}
    return states, members


def _enter(recorder: Recorder, comm: Comm, op: Op, rank: int, program: Program):  # type: ignore[no-untyped-def]  # noqa: ANN202
    place = comm.members.index(op.peer)
    if op.name == "recv":
        return recorder.recv(comm, place, op.tag)
    if op.name in ("send", "ssend"):
        return recorder.send(comm, place, op.tag, synchronous=op.name == "ssend")
    return recorder.collective(comm, op.name, need=need_of(op, rank), root=place)


def disagreements(
    programs: range, snapshot: Callable[[Program, State], Snapshot], spoil: Callable[[Snapshot], None] | None = None
) -> list[str]:
    """Where the judge and brute force differ."""
    found: list[str] = []
    for seed in programs:
        program = random_program(seed)
        movers = explore(program)
        last = [state for state, who in movers.items() if not who]
        some = random.Random(seed).sample(sorted(movers, key=repr), min(STATES, len(movers)))
        for state in {*last, *some}:
            view = snapshot(program, state)
            if spoil:
                spoil(view)
            judged = {s.rank for s in stuck(*view)}
            blocked = {rank for rank in range(program.size) if state.inside[rank]}
            if judged & movers[state]:
                found.append(f"seed {seed}: {judged & movers[state]} are called stuck and move: {state}")
            if judged != blocked - freed_by_anything(program, state):
                found.append(f"seed {seed}: judged {judged}, brute force says {blocked} - freed: {state}")
            if state in last and "run" not in program.ends and judged != blocked:
                found.append(f"seed {seed}: nothing moves any more, {blocked} wait, judged {judged}: {state}")
    return found


def test_judge_agrees_with_brute_force_on_a_few() -> None:
    """The first of the programs below, for a quick look."""
    assert disagreements(range(FEW), direct) == []
    assert disagreements(range(FEW), by_events) == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_judge_agrees_with_brute_force() -> None:
    """On 10,000 programs: what is called stuck never moves again in any interleaving, and what never can is called stuck."""
    assert disagreements(range(PROGRAMS), direct) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_judge_agrees_on_states_folded_from_events() -> None:
    """The same on snapshots that went through the recorder and the fold of events."""
    assert disagreements(range(1500), by_events) == []


def nobody_is_all(view: Snapshot) -> None:
    """A wrong judge: the root of a broadcast is thought to wait for everybody."""
    _waits_for_all(view, Need.NOBODY)


def timed_is_all(view: Snapshot) -> None:
    """A wrong judge: a collective with a deadline is thought to wait for everybody, for ever."""
    _waits_for_all(view, Need.TIMED)


def _waits_for_all(view: Snapshot, need: Need) -> None:
    for state in view[0].values():
        for thread, wait in state.waiters.items():
            if wait and wait.need is need and wait.op in COLLECTIVES:
                state.waiters[thread] = Wait(wait.comm, wait.seq, wait.op, Need.ALL, -1, 0, 0, "", "")


def ended_is_running(view: Snapshot) -> None:
    """A wrong judge: a rank that has ended is thought to come yet."""
    for state in view[0].values():
        state.status = Status.RUNNING


@pytest.mark.parametrize("spoil", [nobody_is_all, timed_is_all, ended_is_running])
def test_brute_force_finds_a_wrong_judge(spoil: Callable[[Snapshot], None]) -> None:
    """The comparison can fail: a judge with a wrong rule is found out."""
    assert disagreements(range(400), direct, spoil)


@settings(max_examples=300, deadline=None)
@given(st.integers(PROGRAMS, 10**9))
def test_judge_agrees_on_any_program(seed: int) -> None:
    """The same for programs that hypothesis chooses."""
    assert disagreements(range(seed, seed + 1), direct) == []


def test_a_running_thread_keeps_its_rank_moving() -> None:
    """A rank is stuck only if each of its waiters is."""
    wait = Wait("c", 1, "barrier", Need.ALL, -1, 0, 0, "", "")
    one, two = RankState(0, entered={"c": 1}, waiters={0: wait}), RankState(1, waiters={0: None, 1: None})
    two.waiters[0] = Wait("d", 1, "barrier", Need.ALL, -1, 0, 0, "", "")
    two.entered = {"d": 1}
    comms = {"c": (0, 1), "d": (0, 1)}
    assert stuck({0: one, 1: two}, comms) == []
    two.waiters[1] = Wait("d", 1, "barrier", Need.ALL, -1, 0, 0, "", "")
    assert {(s.rank, s.thread) for s in stuck({0: one, 1: two}, comms)} == {(0, 0), (1, 0), (1, 1)}


def test_a_rank_that_nobody_has_heard_of_may_still_come() -> None:
    """Until a rank has reported, whoever waits for it is not stuck."""
    wait = Wait("c", 1, "init", Need.ALL, -1, 0, 0, "", "")
    assert stuck({0: RankState(0, entered={"c": 1}, waiters={0: wait})}, {"c": (0, 1)}) == []
