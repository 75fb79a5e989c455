"""All have come, to different operations: what is found, what is proved, and who is to blame. Pure."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.harness.judge.decide import decide
from lockstep.harness.judge.history import Entry, History
from lockstep.harness.judge.limits import SOON_S
from lockstep.harness.judge.mismatch import LIBRARY, TAIL, Mismatch, hopeless, libraries, mismatches, recent, standing
from lockstep.harness.judge.pairing import never_pair, operation, token
from lockstep.harness.judge.snapshot import Limit
from lockstep.harness.trace import Recorder, layout
from lockstep.harness.trace.event import RECORD, Kind, Need
from lockstep.harness.trace.state import CommInfo, RankState, Wait
from lockstep.harness.vocabulary import Cause, Outcome
from tests.judge.spmd import VERSIONS, Call, Run

OPS = ("barrier", "all_reduce", "broadcast_all")
GROUPS = ((0, 1, 2), (0, 1), (2,), (1, 2))
CALLS = st.builds(Call, st.sampled_from((0, 0, 1, 3)), st.sampled_from(("barrier", "all_reduce", "all_to_all")), st.just(1))


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """Three ranks, each with calls of its own on groups that it is in, run for a while in any order."""
    common = draw(st.lists(CALLS, max_size=4))
    calls = []
    for rank in range(3):
        mine = common if draw(st.booleans()) else draw(st.lists(CALLS, max_size=4))
        calls.append([call for call in mine if rank in GROUPS[call.group]])
    run = Run(GROUPS, calls)
    for _ in range(draw(st.integers(0, 24))):
        ready = run.moves()
        if not ready:
            break
        run.step(draw(st.sampled_from(ready)))
    return run


@settings(max_examples=600, deadline=None)
@given(runs())
def test_what_is_proved_never_ends_and_what_never_ends_is_proved(run: Run) -> None:
    """At any moment the knot holds only ranks that wait for ever; when nobody moves any more, it holds all of them."""
    now = {found.rank for found in run.knot()}
    at = {rank: run.entered[rank] for rank in now}
    forever = run.finish()
    assert now <= forever
    assert {rank: run.entered[rank] for rank in now} == at
    assert {found.rank for found in run.knot()} == forever


@settings(max_examples=300, deadline=None)
@given(runs())
def test_a_mismatch_is_told_as_one(run: Run) -> None:
    """A knot in which somebody came to something else is a mismatch, and its text has both sides' operations and lines."""
    if not run.finish() or not any(found.others for found in run.knot()):
        return
    verdict = decide(run.case())
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.HANG, Cause.MISMATCH, True)
    assert verdict.blame is not None
    assert len(verdict.blame.choices) > 1
    assert all(what in verdict.text for what in verdict.blame.choices)


def entry(op: str, comm: str = "gloo:world", root: int = -1, posted: bool = False) -> Entry:
    """One that a rank entered as number 3."""
    return Entry(1, comm, 3, op, "", "", -1, "train.py:7 in main", root=root, posted=posted)


@pytest.mark.parametrize(
    ("mine", "theirs", "never"),
    [
        (entry("barrier"), entry("all_reduce"), True),
        (entry("barrier"), entry("all_reduce (DistributedDataParallel)"), True),
        (entry("all_gather_single"), entry("all_gather_into_tensor"), False),
        (entry("all_gather"), entry("all_gather_into_tensor"), False),  # one way over the wire
        (entry("all_reduce"), entry("reduce_scatter"), False),
        (entry("all_reduce"), entry("all_reduce"), False),
        (entry("broadcast", root=1), entry("broadcast", root=0), True),  # each takes the other for the root
        (entry("broadcast", root=1), entry("broadcast", root=1), False),
        (entry("barrier"), entry("an operation of tomorrow"), False),
        (entry("barrier", "nccl:world"), entry("all_reduce", "nccl:world"), False),  # nothing is measured
    ],
)
def test_what_never_pairs(mine: Entry, theirs: Entry, never: bool) -> None:
    """Only what was measured of this version of the library, by whatever name the operation is called."""
    assert never_pair(VERSIONS, mine, theirs, 0, 1, (0, 1), True) is never
    assert not never_pair({"gloo": "gloo 2.12.0"}, mine, theirs, 0, 1, (0, 1), True)
    assert not never_pair({}, mine, theirs, 0, 1, (0, 1), True)


def test_mpi_is_known_only_where_it_was_measured() -> None:
    """MPI's algorithms change with the number of ranks and their hosts: beyond what was measured nothing is proved."""
    versions = {"mpi": "MPICH 5.0.2"}
    mine, theirs = entry("barrier", "mpi:world"), entry("allgather", "mpi:world")
    assert never_pair(versions, mine, theirs, 0, 1, (0, 1), True)
    assert not never_pair(versions, mine, theirs, 0, 1, (0, 1), False)
    assert not never_pair(versions, mine, theirs, 0, 1, tuple(range(64)), True)


def test_counts_for_each_member_make_another_operation() -> None:
    """A rank in allgather where another one is in allgatherv is told as a mismatch; what was measured goes for either."""
    versions = {"mpi": "MPICH 5.0.2"}
    mine, theirs, meets = (entry(op, "mpi:world") for op in ("allgather", "allgatherv", "barrier"))
    assert token(mine) != token(theirs)
    assert not never_pair(versions, mine, theirs, 0, 1, (0, 1), True)
    assert never_pair(versions, theirs, meets, 0, 1, (0, 1), True)
    assert not never_pair(versions, entry("ibarrier", "mpi:world"), entry("ialltoallw", "mpi:world"), 0, 1, (0, 1), True)


def test_a_root_and_its_peers_do_different_parts() -> None:
    """What was measured of the root goes for the root alone: a leaf of MPI's gather leaves before anybody has come."""
    versions = {"mpi": "MPICH 5.0.2"}
    mine, theirs = entry("gather", "mpi:world", root=0), entry("barrier", "mpi:world")
    assert never_pair(versions, mine, theirs, 0, 1, (0, 1), True)
    assert not never_pair(versions, mine._replace(root=1), theirs, 0, 1, (0, 1), True)
    leaf, unknown = entry("broadcast", root=0), entry("broadcast")
    assert not never_pair(VERSIONS, unknown, leaf, 0, 1, (0, 1), True)  # nobody knows its part
    assert not never_pair(VERSIONS, leaf, unknown, 1, 0, (0, 1), True)


def test_one_way_over_the_wire_is_of_one_library() -> None:
    """gloo's all_reduce and reduce_scatter are one operation there, and two where nobody has looked."""
    assert token(entry("all_reduce")) == token(entry("reduce_scatter"))
    assert token(entry("all_reduce", "nccl:world")) != token(entry("reduce_scatter", "nccl:world"))


GLOO = {0: VERSIONS, 1: VERSIONS, 2: VERSIONS}
MPICH = {rank: {"mpi": "MPICH 5.0.2"} for rank in range(3)}


@pytest.mark.parametrize(
    ("ops", "group", "versions", "hosts", "lost"),
    [
        (("barrier", "all_reduce"), (0, 1), GLOO, "aa", {0: (1,), 1: (0,)}),
        (("barrier", "all_reduce"), (0, 1), {**GLOO, 1: {"gloo": "gloo 2.12.0"}}, "aa", {}),  # the other one may be another
        (("barrier", "all_reduce"), (0, 1), {0: VERSIONS}, "aa", {}),
        (("barrier", "tomorrow's"), (0, 1), GLOO, "aa", {}),
        (("barrier", "all_reduce", None), (0, 1, 2), GLOO, "aaa", {0: (1,), 1: (0,)}),  # who has not come is no reason
        (("barrier", "tomorrow's", None), (0, 1, 2), GLOO, "aaa", {}),
        (("barrier", "tomorrow's", "all_reduce"), (0, 1, 2), GLOO, "aaa", {0: (2,), 2: (0,)}),
        (("barrier", "allgather"), (0, 1), MPICH, "aa", {0: (1,), 1: (0,)}),
        (("barrier", "allgather"), (0, 1), MPICH, "ab", {}),  # on two hosts nothing was measured
        (("barrier", "allgather", None), (0, 1, 2), MPICH, "aaa", {}),  # nor of three ranks
    ],
)
def test_whose_wait_is_hopeless(
    ops: tuple[str | None, ...],
    group: tuple[int, ...],
    versions: dict[int, dict[str, str]],
    hosts: str,
    lost: dict[int, tuple[int, ...]],
) -> None:
    """Of one in which somebody has come to what surely never pairs with it, in this version, which both of them tell."""
    comm = f"{next(iter(versions[0]))}:world"
    entries = {rank: entry(op, comm) for rank, op in enumerate(ops) if op}
    states = {rank: waiting(op=op, comm=comm) if op else RankState(rank) for rank, op in enumerate(ops)}
    found = [Mismatch(comm, 3, entries, tuple(entries))]
    said = hopeless(states, found, {comm: group}, versions, dict(enumerate(hosts)))
    assert said == {(rank, comm, 3): others for rank, others in lost.items()}


def test_a_wait_that_may_end_is_never_hopeless() -> None:
    """By a limit, alone, by another wait of that number, or since the first of several calls is not the one that is told."""
    comm = "gloo:world"
    found = [Mismatch(comm, 3, {0: entry("barrier"), 1: entry("all_reduce")}, (0,))]

    def lost(mine: RankState) -> bool:
        return bool(hopeless({0: mine, 1: RankState(1)}, found, {comm: (0, 1)}, GLOO, {}))

    assert lost(waiting())
    assert lost(waiting(Need.ROOT, peer=1))
    assert not lost(waiting(Need.ROOT, peer=2))  # the root has not come to anything
    assert not any(lost(waiting(need)) for need in (Need.TIMED, Need.NOBODY))
    assert not lost(waiting(Need.ALL, "recv"))  # a message has a number of its own
    assert not lost(replace(waiting(), kept_out=frozenset({0})))
    other = waiting()
    other.waiters = {0: waiting().waiters[0]._replace(seq=4)}  # type: ignore[union-attr]
    assert not lost(other)


def test_a_rank_tells_its_libraries() -> None:
    """By the kind of communicator; later ones add to them, and what is no object says nothing."""
    memory = bytearray(layout.ring_bytes(64))
    recorder = Recorder(memory, 64)
    recorder.string("another text")
    for told in ({LIBRARY + "mpi": "MPICH 5.0.2", "python": "3.11"}, {LIBRARY + "gloo": "gloo 2.13.0"}, 7):
        recorder.write(Kind.ENVIRONMENT, 0, 0, recorder.string(json.dumps(told)))
    records = memory[layout.RECORDS : layout.RECORDS + recorder.last * RECORD.size]
    assert libraries(records, list(recorder._strings).__getitem__) == {"mpi": "MPICH 5.0.2", **VERSIONS}


def test_as_many_events_are_looked_through_as_are_said() -> None:
    """What a rank waits in stands among its last events, what it runs on among its first."""
    memory = bytearray(layout.ring_bytes(3 * TAIL))
    recorder = Recorder(memory, 3 * TAIL)
    world = recorder.comm("gloo", "world", range(2))
    while recorder.last < TAIL - 1:
        recorder.milestone("x")
    recorder.environment({LIBRARY + "gloo": "gloo 2.13.0"})  # the last that counts
    recorder.environment({LIBRARY + "mpi": "MPICH 5.0.2"})
    recorder.collective(world, "barrier")
    recorder.collective(world, "barrier")
    while recorder.last < 2 * TAIL + 2:
        recorder.milestone("x")
    records = memory[layout.RECORDS : layout.RECORDS + recorder.last * RECORD.size]
    texts = list(recorder._strings).__getitem__
    assert libraries(records, texts) == VERSIONS
    comms = {world.id: CommInfo("gloo:world", "gloo", "world", (0, 1))}
    assert [seq for _, seq in recent(records[: -RECORD.size], texts, comms)] == [1, 2]
    assert [seq for _, seq in recent(records, texts, comms)] == [2]


def test_non_blocking_is_another_operation() -> None:
    """MPI matches Iallreduce with Iallreduce only; torch posts everything, and means nothing by it."""
    assert operation(entry("allreduce", "mpi:world", posted=True)) == "iallreduce"
    assert operation(entry("all_reduce", posted=True)) == "all_reduce"
    assert token(entry("bcast", "mpi:w", root=0)) != token(entry("bcast", "mpi:w", root=1))


def waiting(need: Need = Need.ALL, op: str = "barrier", comm: str = "gloo:world", peer: int = -1) -> RankState:
    """A rank that waits in number 3 of the world."""
    state = RankState(0, number=5)
    state.waiters[0] = Wait(comm, 3, op, need, peer, 0, 0, "", "")
    return state


def test_without_a_proof_all_must_stand() -> None:
    """Who may go on by himself, writes no events, or will be woken by his library, keeps a mismatch from being judged."""
    entered = {0: {("gloo:world", 3): entry("barrier")}, 1: {("gloo:world", 3): entry("all_reduce")}}
    members = {"gloo:world": (0, 1)}
    both = {0: waiting(), 1: waiting(op="all_reduce")}
    (found,) = mismatches(both, entered, members)
    assert standing([found], both, []) is found
    busy = {0: waiting(), 1: RankState(1, waiters={0: None})}
    assert standing(mismatches(busy, entered, members), busy, []) is None
    assert standing(mismatches(busy, entered, members), busy, [1]) is not None  # C++ has issued it, and says so
    timed = {0: waiting(Need.TIMED), 1: waiting(op="all_reduce")}
    assert standing(mismatches(timed, entered, members), timed, []) is None
    for limit_s, soon in ((SOON_S, True), (SOON_S + 1, False)):
        timed[0].waiters = {0: waiting(Need.TIMED).waiters[0]._replace(limit_s=limit_s)}  # type: ignore[union-attr]
        assert (standing(mismatches(timed, entered, members), timed, []) is None) is soon
    opaque = {0: waiting(), 1: waiting(op="all_reduce")}
    opaque[1].opaque.append("MPI_Barrier through ctypes")
    assert standing(mismatches(opaque, entered, members), opaque, []) is None


def test_messages_have_numbers_of_their_own() -> None:
    """A rank in its third receive is not in the third collective of the same communicator."""
    entered = {0: {("gloo:world", 3): entry("barrier")}, 1: {("gloo:world", 3): entry("all_reduce")}}
    both = {0: waiting(Need.RECV, "recv"), 1: waiting(Need.RECV, "recv")}
    assert mismatches(both, entered, {"gloo:world": (0, 1)}) == []


def test_waits_for_several_are_no_collectives() -> None:
    """A wait for several operations, or for a message that stays, has the number 0 and begins nothing on a communicator."""
    memory = bytearray(layout.ring_bytes(64))
    recorder = Recorder(memory, 64)
    world = recorder.comm("mpi", "world", range(2))
    for need in (Need.EITHER, Need.EVERY, Need.PROBE):
        recorder.write(Kind.ENTER, world.id, 0, recorder.string(f"wait {need.name}"), need, 1)
    recorder.collective(world, "barrier")
    records = memory[layout.RECORDS : layout.RECORDS + recorder.last * RECORD.size]
    texts = list(recorder._strings)
    assert [found.op for found in History.read(0, records, texts).entries] == ["barrier"]
    comms = {world.id: CommInfo("mpi:world", "mpi", "world", (0, 1))}
    assert list(recent(records, texts.__getitem__, comms)) == [("mpi:world", 1)]


def test_by_rule_it_is_the_same_verdict_without_a_proof() -> None:
    """What the library is not known well enough for is a mismatch all the same."""
    run = Run(((0, 1),), [[Call(0, "barrier", 7)], [Call(0, "all_reduce", 6), Call(0, "barrier", 7)]])
    assert run.finish() == {0, 1}
    verdict = decide(run.case(Limit.MISMATCH))
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.HANG, Cause.MISMATCH, False)
    assert verdict.blame is not None
    assert verdict.blame.ranks == (0,)  # it stands behind the line at which the other waits
