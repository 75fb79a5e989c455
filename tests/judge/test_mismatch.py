"""All have come, to different operations: what is found, what is proved, and who is to blame. Pure."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.harness.judge.decide import decide
from lockstep.harness.judge.history import Entry, History
from lockstep.harness.judge.mismatch import mismatches, recent, standing
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


def test_non_blocking_is_another_operation() -> None:
    """MPI matches Iallreduce with Iallreduce only; torch posts everything, and means nothing by it."""
    assert operation(entry("allreduce", "mpi:world", posted=True)) == "iallreduce"
    assert operation(entry("all_reduce", posted=True)) == "all_reduce"
    assert token(entry("bcast", "mpi:w", root=0)) != token(entry("bcast", "mpi:w", root=1))


def waiting(need: Need = Need.ALL, op: str = "barrier") -> RankState:
    """A rank that waits in number 3 of the world."""
    state = RankState(0, number=5)
    state.waiters[0] = Wait("gloo:world", 3, op, need, -1, 0, 0, "", "")
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
