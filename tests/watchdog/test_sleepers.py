"""Who sleeps for whom outside of communicators, from what supervisors tell, against a simulation of who can be woken.

Over the size we keep: the cases by hand are those that the simulation above them cannot draw.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.harness.channel.to_watchdog import Around, Stands
from lockstep.harness.judge.snapshot import Limit
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import Status
from lockstep.harness.trace.wait import PROCESS, Wait
from lockstep.harness.watchdog.mismatch_watch import MismatchWatch
from lockstep.harness.watchdog.proof import Proof
from lockstep.harness.watchdog.ranks.command import Command
from lockstep.harness.watchdog.ranks.program_ranks import ProgramRanks
from lockstep.harness.watchdog.sleep_watch import QUIET_S, SleepWatch
from tests.watchdog.test_process_table import Program

PIPES = 4
Thread = list[tuple[str, int]]  # the ends that it sleeps for: a kind and a number; of a pipe, or of a lock of its own


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    """Ranks and other processes with threads; who holds the writing ends of pipes; who is at work; what is not known."""
    size = draw(st.integers(2, 5))
    ends = st.sampled_from([("pipe", number) for number in range(PIPES)] + [("own", 0), ("semaphore", 0)])
    threads = st.lists(st.lists(ends, min_size=1, max_size=2, unique=True), min_size=1, max_size=2)
    return {
        "ranks": draw(st.integers(0, size)),
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
            holders = None if kind == "pipe" and pipe in world["unknown"] else sorted(p + 100 for p in world["held"][pipe])
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


@pytest.mark.parametrize(
    ("steps", "surely", "by_rule"),
    [((), True, False), ((5, 5), False, False), ((5, 9), False, True), ((5, 9, 9), False, False)],
)
def test_who_has_started_ranks_may_end_those_that_wait(steps: tuple[int, ...], surely: bool, by_rule: bool) -> None:
    """While it is in a wait that ends by itself nothing is proved; and nothing is ended either unless it turns in a loop."""
    ranks = table({**LOST_REPLY, "threads": [[[("own", 0)]], [[("own", 0)]], [[("own", 0)]]]})
    ranks.comms.members = {"gloo:world": (0, 1)}
    ranks[0].state.entered, ranks[1].state.entered = {"gloo:world": 2}, {"gloo:world": 1}
    ranks[0].state.waiters = {0: Wait("gloo:world", 2, "barrier", Need.ALL, -1, 0, 0, "", "")}
    ranks[1].state.status = Status.RETURNED
    ranks.processes.commands[0].overseers = (102,) if steps else ()
    for epoch, switches in enumerate(steps):
        turn = {"turns": True, "thread": 102, "op": "sleep", "site": "", "steps": [switches, 0], "text": ""}
        told = {"pid": 102, "threads": [], "doubts": ["it is in sleep"], "waits": True, "turning": [turn]}
        ranks.sleepers.take(0, Around(epoch, (json.dumps(told),)))
    assert bool(ranks.knot()) is surely
    assert bool(ranks.assumed_knot()) is by_rule
    assert ranks.overseen() is (not surely and not by_rule)
    assert bool(ranks.sleepers.assumed([])) is bool(steps)


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
            assert not ranks.assumed_knot()
            ranks[0].confirm(Stands(0, 0, 1, (), (), 0, (json.dumps({**server, "steps": steps}),)))
    return ranks


def test_a_key_is_waited_for_from_anybody_of_the_job() -> None:
    """It never comes when all of them are stuck, one of them where it communicates, and its server has nothing to do.

    That is no proof: anybody from outside may connect to the server, and set it.
    """
    ranks = asking(barrier=True, served=True)
    assert {(s.rank, s.lacks) for s in ranks.assumed_knot() if s.wait.end == "store 29500"} == {(0, (1, PROCESS + 102))}
    assert ranks.sleepers.assumed(["store 29500"])
    assert not ranks.knot()
    ranks.comms.members = {**ranks.comms.members, "gloo:more": (0, 1, 2)}  # of which one runs where nobody watches
    assert not ranks.assumed_knot()
    assert not asking(barrier=True, served=False).assumed_knot()
    assert not asking(barrier=False, served=True).assumed_knot()  # it may serve others
    answer_awake = {**LOST_REPLY, "awake": {2}, "ranks": 2}
    ranks.sleepers.take(0, Around(1, (json.dumps({"pid": 102, "threads": told(answer_awake, 2), "doubts": ["it may"]}),)))
    assert not ranks.assumed_knot()


def test_a_semaphore_with_a_name_is_no_proof() -> None:
    """Anybody who was told it may open it; where nobody else is seen to have, all that stood at two looks is a verdict."""
    world = {**LOST_REPLY, "threads": [[[("named semaphore", 0)]], *LOST_REPLY["threads"][1:]]}
    ranks = table(world)
    assert not ranks.knot()
    assert {wait.rank for wait in ranks.assumed_knot()} == {0, 1, PROCESS + 102}
    watch = SleepWatch(ranks, Proof(ranks))
    now_s = 0.0
    for looks in range(1, 4):
        watch.look(now_s)
        now_s += QUIET_S + looks
        assert not watch.knot
        assert watch.look(now_s)
        answer(ranks, world, watch.proof.epoch)
        assert watch.answered()
        if looks == 2:
            break
    assert {wait.rank for wait in watch.knot} == {0, 1, PROCESS + 102}
    ranks[0].state.number += 1
    watch.look(now_s + 1.0)
    assert not watch.knot


@pytest.mark.parametrize(
    ("kind", "proved", "assumed"), [("own", True, False), ("interruptible", False, True), ("parked", False, False)]
)
def test_ctrl_c_may_end_the_wait_of_a_main_thread(kind: str, proved: bool, assumed: bool) -> None:
    """Of processes that are no ranks: what it may end is not proved, and what waits for it is left alone."""
    ranks = table({**LOST_REPLY, "ranks": 0})
    processes: list[dict[str, Any]] = [
        {"pid": 100 + process, "threads": told(LOST_REPLY, process), "doubts": []} for process in range(3)
    ]
    processes[2]["threads"][0]["ends"] = [["own", "", []], [kind, "", []]]
    ranks.sleepers.take(0, Around(1, tuple(map(json.dumps, processes))))
    everybody = {PROCESS + 100, PROCESS + 101, PROCESS + 102}
    assert {wait.rank for wait in ranks.knot()} == (everybody if proved else set())
    assert {wait.rank for wait in ranks.assumed_knot()} == (everybody if assumed else set())


def test_who_is_awake_may_end_one_that_others_sleep_for() -> None:
    """So a knot in which somebody sleeps for who holds a thing is one of the whole job; one of locks and collectives not."""
    world = {**LOST_REPLY, "threads": [[[("own", 0)]], [[("pipe", 1)]], [[("own", 0)]]], "held": [set(), {0}, set(), set()]}
    for awake in (set(), {2}):
        ranks = table({**world, "awake": awake})
        ranks.comms.members = {"gloo:world": (0, 1)}
        ranks[0].state.entered, ranks[1].state.entered = {"gloo:world": 1}, {"gloo:world": 0}
        ranks[0].state.waiters = {0: Wait("gloo:world", 1, "barrier", Need.ALL, -1, 0, 0, "", "")}
        assert {wait.rank for wait in ranks.knot()} == (set() if awake else {0, 1, PROCESS + 102})
        ranks[1].sleepers = ()
        ranks[1].state.waiters = {0: Wait("gloo:world", 1, "recv", Need.RECV, 0, 0, 0, "", "")}
        assert {0, 1} <= {wait.rank for wait in ranks.knot()}


def test_what_may_wake_a_rank_beside() -> None:
    """A timer or a handler of one keeps a knot of those that sleep from being proved."""
    ranks = table(LOST_REPLY)
    assert ranks.knot()
    held = tuple(json.dumps(one) for one in told(LOST_REPLY, 0))
    ranks[0].confirm(Stands(0, 1, 1, (), (), 0, held, ("it has armed a timer",)))
    assert not ranks.knot()
    assert not ranks.assumed_knot()


@pytest.mark.parametrize("others", [True, False])
def test_a_thread_that_waits_for_others_keeps_a_limit_from_ending_the_case(others: bool) -> None:
    """A rank in an operation with a limit may go on when others wake another of its threads; itself it does not."""
    end = ["pipe", "1", [100, 101, 102]] if others else ["own", "", []]
    ranks = ProgramRanks(1)
    ranks.processes.commands[0] = Command("host", 50, alive=(100, 101))
    for serial in (0, 1):
        Program(ranks, serial).joins("torch", serial).waits("torch", need=Need.TIMED)
    (comm,) = ranks.comms.members
    for rank in (0, 1):
        ranks[rank].state.waiters = {0: Wait(comm, 1, "recv", Need.TIMED, 1 - rank, 0, 0, "", "", limit_s=300)}
    watch, now_s = MismatchWatch(ranks, Proof(ranks)), 0.0
    found = None
    while now_s < 20.0 and found is None:
        asked, now_s = watch.look(now_s), now_s + 0.25
        for rank in asked:
            state = ranks[rank].state
            thread = {"thread": 7, "op": "Queue.get", "site": "a.py:1", "steps": [1, 1], "ends": [end]}
            ranks[rank].confirm(Stands(rank, watch.proof.epoch, state.number, (), (), 0, (json.dumps(thread),)))
        found = watch.found(now_s)
    assert found is (None if others else Limit.TIMED)
    assert ranks[0].open_waits == (("a thread waits in Queue.get at a.py:1 for others",) if others else ())


def test_why_ranks_that_wait_for_each_other_prove_nothing() -> None:
    """A thread that others may wake takes a candidate back; the line that it waits in is told."""
    world = {**LOST_REPLY, "awake": {2}}
    ranks = table(world)
    ranks.comms.members = {"gloo:world": (0, 1)}
    for rank in (0, 1):
        ranks[rank].sleepers = ()
        ranks[rank].state.waiters = {0: Wait("gloo:world", 1, "recv", Need.RECV, 1 - rank, 0, 0, "", "")}
    proof = Proof(ranks)
    assert proof.look() == [0, 1]
    answer(ranks, world, proof.epoch)
    assert proof.confirm(50.0) is None
    assert proof.open_waits == dict.fromkeys((0, 1), ("a thread waits in get for others",))


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
