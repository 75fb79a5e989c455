"""Who sleeps for whom outside of communicators, from what supervisors tell, against a simulation of who can be woken."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.harness.channel.to_watchdog import Around, Stands
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import Status
from lockstep.harness.trace.wait import PROCESS, Wait
from lockstep.harness.watchdog.proof import Proof
from lockstep.harness.watchdog.ranks.program_ranks import ProgramRanks
from lockstep.harness.watchdog.sleep_watch import QUIET_S, SleepWatch

PIPES = 4
Thread = list[tuple[str, int]]  # the ends that it sleeps for: a kind and a number; of a pipe, or of a lock of its own


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    """Ranks and other processes with threads; who holds the writing ends of pipes; who is at work; what is not known."""
    size = draw(st.integers(2, 5))
    ends = st.sampled_from([("pipe", number) for number in range(PIPES)] + [("own", 0), ("semaphore", 0)])
    threads = st.lists(st.lists(ends, min_size=1, max_size=2, unique=True), min_size=1, max_size=2)
    return {
        "ranks": draw(st.integers(1, size)),
        "threads": [draw(threads) for _ in range(size)],
        "awake": draw(st.sets(st.integers(0, size - 1), max_size=2)),
        "held": [draw(st.sets(st.integers(0, size - 1))) for _ in range(PIPES)],
        "unknown": draw(st.sets(st.integers(0, PIPES - 1), max_size=1)),
    }


def told(world: dict[str, Any], process: int) -> list[dict[str, Any]]:
    """A process's threads as its supervisor would tell them."""
    found: list[dict[str, Any]] = []
    for number, ends in enumerate(world["threads"][process]):
        listed: list[Any] = []
        for kind, pipe in ends:
            holders = (
                None if kind == "semaphore" or pipe in world["unknown"] else sorted(p + 100 for p in world["held"][pipe])
            )
            listed.append([kind, str(pipe) if kind != "own" else "", [] if kind == "own" else holders])
        found.append({"thread": number, "op": "get", "site": "", "steps": [1, 1], "ends": listed})
    return found


def table(world: dict[str, Any]) -> ProgramRanks:
    """What the watchdog knows when all have answered once. Process n has id 100 + n; the first are ranks."""
    found = ProgramRanks(1)
    found.joined(0, "host", 1)
    size = len(world["threads"])
    found.processes.commands[0].alive = tuple(range(100, 100 + size))
    for rank in range(world["ranks"]):
        found.came((0, rank), 100 + rank)
        record = found.processes.records[0, rank]
        record.rank, record.state.rank, record.state.number = rank, rank, 1
        found._ranks[rank] = record
    found.looks_around = True
    answer(found, world, 0)
    return found


def answer(found: ProgramRanks, world: dict[str, Any], epoch: int) -> None:
    """All tell what they sleep in."""
    for rank in range(world["ranks"]):
        held = tuple(json.dumps(one) for one in told(world, rank))
        doubts = ("it may",) if rank in world["awake"] else ()
        found.processes.records[0, rank].confirm(Stands(rank, epoch, 1, doubts, (), 0, held))
    processes = [
        json.dumps({"pid": 100 + p, "threads": told(world, p), "doubts": ["it may"] if p in world["awake"] else []})
        for p in range(world["ranks"], len(world["threads"]))
    ]
    found.sleepers.take(0, Around(epoch, tuple(processes)))


def woken(world: dict[str, Any]) -> set[int]:
    """Simulated: whoever is awake may write into what it holds, and wakes all that sleep for it; a lock of its own nobody
    else can give."""
    everybody = set(range(len(world["threads"])))
    awake = set(world["awake"])
    if any(pipe in world["unknown"] for p in everybody for t in world["threads"][p] for kind, pipe in t if kind == "pipe"):
        awake |= {
            p
            for p in everybody
            for t in world["threads"][p]
            for kind, pipe in t
            if kind == "pipe" and pipe in world["unknown"]
        }
    while True:
        fresh = {
            process
            for process in everybody - awake
            for thread in world["threads"][process]
            for kind, pipe in thread
            if (kind == "pipe" and awake & world["held"][pipe]) or (kind == "semaphore" and awake)
        }
        if not fresh:
            return awake
        awake |= fresh


@settings(max_examples=400, deadline=None)
@given(worlds())
def test_who_is_stuck_is_never_woken(world: dict[str, Any]) -> None:
    """A knot is found exactly when nobody of the job can be woken any more, and then it is all of them."""
    knot = {stuck.rank for stuck in table(world).knot()}
    asleep = set(range(len(world["threads"]))) - woken(world)
    nodes = {rank if rank < PROCESS else rank - PROCESS - 100 for rank in knot}
    assert nodes <= asleep
    assert bool(nodes) == (len(asleep) == len(world["threads"]))


LOST_REPLY: dict[str, Any] = {
    "ranks": 2, "threads": [[[("pipe", 0)]], [[("pipe", 1)]], [[("pipe", 2)], [("own", 0)]]], "awake": set(),
    "held": [{2}, {2}, {0, 1, 2}, set()], "unknown": set(),
}  # fmt: skip


def test_it_is_proved_when_nobody_has_run_between_two_answers() -> None:
    """All are asked again, processes that are no ranks too; one whose thread has run takes the candidate back."""
    ranks = table(LOST_REPLY)
    proof = Proof(ranks)
    assert proof.look() == [0, 1, PROCESS + 102]
    answer(ranks, LOST_REPLY, proof.epoch)
    knot = proof.confirm(50.0)
    assert knot is not None
    assert {(stuck.rank, stuck.lacks) for stuck in knot} >= {(0, (PROCESS + 102,)), (PROCESS + 102, (0, 1))}

    proof = Proof(ranks)
    proof.look()
    one = json.dumps({"pid": 102, "threads": [{**t, "steps": [2, 1]} for t in told(LOST_REPLY, 2)], "doubts": []})
    answer(ranks, LOST_REPLY, proof.epoch)
    ranks.sleepers.take(0, Around(proof.epoch, (one,)))
    assert proof.confirm(50.0) is None
    assert proof.refuted == 1


def test_a_rank_that_has_returned_may_still_write() -> None:
    """Its program has ended, its process has not: it is no rank that never comes, and holds what it holds."""
    ranks = table(LOST_REPLY)
    ranks.processes.records[0, 0].state.status = Status.RETURNED
    assert not ranks.knot()


def asking(barrier: bool, served: bool) -> ProgramRanks:
    """Rank 0 waits for a key, and rank 1 too, or in a barrier for rank 0; a process beside them sleeps."""
    ranks = table({**LOST_REPLY, "threads": [[[("own", 0)]], [[("own", 0)]], [[("own", 0)]]]})
    key = Wait("", 0, "TCPStore.get", Need.HOLDERS, -1, 0, 0, "", "", end="store 29500")
    ranks.comms.members = {"gloo:world": (0, 1)}
    for rank in (0, 1):
        ranks[rank].state.waiters = {0: key}
        ranks[rank].state.entered = {"gloo:world": 1}
    if barrier:
        ranks[1].state.entered["gloo:world"] = 2
        ranks[1].state.waiters = {0: Wait("gloo:world", 2, "barrier", Need.ALL, -1, 0, 0, "", "")}
    if served:
        server = {"thread": 9, "op": "TCPStore server 29500", "site": "", "steps": [5, 5], "ends": [["own", "", []]]}
        for steps in ([5, 5], [6, 5], [6, 5]):  # it has nothing to do when it has not run between two answers
            assert not ranks.knot()
            ranks[0].confirm(Stands(0, 0, 1, (), (), 0, (json.dumps({**server, "steps": steps}),)))
    return ranks


def test_a_key_is_waited_for_from_anybody_of_the_job() -> None:
    """It never comes when all of them are stuck, one of them where it communicates, and its server has nothing to do."""
    assert {(s.rank, s.lacks) for s in asking(barrier=True, served=True).knot() if s.wait.end == "store 29500"} == {
        (0, (1, PROCESS + 102))
    }
    assert not asking(barrier=True, served=False).knot()
    assert not asking(barrier=False, served=True).knot()  # somebody from outside may set it
    ranks = asking(barrier=True, served=True)
    answer_awake = {**LOST_REPLY, "awake": {2}, "ranks": 2}
    ranks.sleepers.take(0, Around(1, (json.dumps({"pid": 102, "threads": told(answer_awake, 2), "doubts": ["it may"]}),)))
    assert not ranks.knot()


def test_what_makes_no_sense_proves_nothing() -> None:
    """A supervisor's words that cannot be read are a doubt, or no process at all."""
    ranks = table(LOST_REPLY)
    ranks.processes.records[0, 0].confirm(Stands(0, 1, 1, (), (), 0, ('{"thread": "x"}',)))
    assert ranks.processes.records[0, 0].doubts
    assert not ranks.knot()
    ranks = table(LOST_REPLY)
    ranks.sleepers.take(0, Around(2, ("[]", '{"pid": -1}', "{")))
    assert not ranks.knot()


def test_when_it_is_looked_around() -> None:
    """When nobody has moved for some seconds, then ever more seldom, and from the start again when somebody has."""
    ranks = table(LOST_REPLY)
    watch = SleepWatch(ranks, Proof(ranks))
    assert watch.look(0.0) == []
    assert not ranks.looks_around
    assert watch.look(QUIET_S) == [0, 1]
    assert ranks.looks_around
    assert not watch.answered()
    answer(ranks, LOST_REPLY, watch.proof.epoch)
    assert watch.answered()
    assert not watch.answered()
    assert watch.look(QUIET_S + 0.5) == []
    assert watch.look(QUIET_S + 1.0) == [0, 1]
    ranks[0].state.number += 1
    assert watch.look(QUIET_S + 20.0) == []
    assert not ranks.looks_around
