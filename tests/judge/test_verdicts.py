"""Divergence, blame, findings and the verdict table, on histories built from real events.

Over the size we keep: one way to write histories serves them all, and the table of verdicts is read as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest

from lockstep.harness.judge.decide import decide
from lockstep.harness.judge.engine_rules import EngineRules
from lockstep.harness.judge.graph import stuck
from lockstep.harness.judge.history import History
from lockstep.harness.judge.snapshot import CaseSnapshot, Limit, Process
from lockstep.harness.judge.verdict import Blame, Verdict
from lockstep.harness.trace import Comm, Recorder
from lockstep.harness.trace.ring import Ring, decode
from lockstep.harness.trace.state import RankState, Status
from lockstep.harness.vocabulary import Cause, FindingKind, Outcome


class Stopped(Exception):  # noqa: N818: no error, the end of a script
    """A scripted rank blocks here for ever."""


class Script:
    """One rank that writes events and never really waits."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size
        self.ring = Ring(rank, size)
        self.recorder = Recorder.attach({"LOCKSTEP_RING_FD": str(self.ring.fd)})
        self.world = self.recorder.comm("mpi", "world", range(size))
        self.tp = self.recorder.comm("mpi", "tp", range(size))

    def meet(self, comm: Comm, op: str = "allgather", size: int = -1) -> None:
        """A collective that completes."""
        with self.recorder.collective(comm, op, size):
            pass

    def block(self, comm: Comm, op: str = "allgather") -> None:
        """A collective that does not."""
        self.recorder.collective(comm, op)
        raise Stopped


Program = Callable[[Script], None]


def judged(
    size: int,
    program: Program,
    limit: Limit | None = None,
    codes: dict[int, int] | None = None,
    advancing: bool = False,
    order: Sequence[int] = (),
) -> Verdict:
    """The verdict on `size` ranks that ran `program`, in this order."""
    states, histories, comms, members = {}, {}, {}, {}
    for rank in order or range(size):
        script = Script(rank, size)
        with suppress(Stopped):
            try:
                program(script)
                script.recorder.returned()
            except (RuntimeError, MemoryError) as error:
                script.recorder.raised(error)
        delta = script.ring.read()
        state = states[rank] = RankState(rank)
        state.apply(decode(delta.records), delta.strings.__getitem__)
        histories[rank] = History.read(rank, delta.records, delta.strings)
        for info in state.comms.values():
            comms[info.key], members[info.key] = (info.kind, info.name), info.members
        if codes and rank in codes:
            state.status = Status.DEAD if state.status is not Status.ABORTED else state.status
            state.waiters.clear()
        script.ring.close()
    seen_ns = {rank: (1 + rank) * 10**9 for rank in range(size)}
    processes = {rank: Process("host", 100 + rank, (codes or {}).get(rank), ns) for rank, ns in seen_ns.items()}
    knot = [] if limit else stuck(states, members)
    return decide(CaseSnapshot(states, histories, processes, comms, knot, limit, advancing, 0.01, 2.0, 5, 0, EngineRules()))


def capture(script: Script, short: Sequence[int]) -> None:
    """Graph capture as in NVIDIA/TensorRT-LLM#14986: ranks of `short` have no room for the largest batch."""
    with script.recorder.phase("autotuner"):
        # A harmless difference: the choice depends on the rank's capacity, the collectives do not.
        script.recorder.decision("autotuner.shape", "max-context", "small" if script.rank in short else "large")
        script.meet(script.tp)
    with script.recorder.phase("generation_capture"):
        for size in (32, 16, 8):
            script.recorder.shape(f"bs={size}")
            lacks = size == 32 and script.rank in short
            free = 24 if script.rank in short else 96
            script.recorder.decision(
                "generation_capture.request", f"bs={size}", "left-out" if lacks else "run",
                f"free_blocks={free} needed_blocks={size}", deviates=lacks,
            )  # fmt: skip
            if lacks:
                continue
            last = size == 8 and short and script.rank not in short
            for _ in range(2):
                script.meet(script.tp)
            script.block(script.tp) if last else script.meet(script.tp)
    with script.recorder.phase("clock"):
        script.block(script.world, "barrier") if short else script.meet(script.world, "barrier")


def blame_of(verdict: Verdict) -> Blame:
    """The blame, which must be there."""
    assert verdict.blame is not None, verdict.text
    return verdict.blame


def test_an_engine_that_forgets_to_say_that_it_returned() -> None:
    """Nobody can tell its end from one in the middle of a phase, but the sentence says what its author has forgotten."""

    def program(script: Script) -> None:
        script.recorder.milestone("done")
        raise Stopped

    verdict = judged(2, program, codes={0: 0, 1: 0})
    assert verdict.text == "Rank 0 died: exit status 0, without recorder.returned()."
    assert "recorder" not in judged(2, program, codes={0: 1, 1: 1}).text


@pytest.mark.parametrize(("size", "short"), [(4, (3,)), (8, (7,)), (4, (0,)), (4, (0, 1, 2))])
def test_shift_by_one_is_blamed_on_the_rank_that_skipped(size: int, short: tuple[int, ...]) -> None:
    """The ranks block later and elsewhere, and an earlier harmless decision differs: the skip is blamed, with its figures.

    Also when most ranks skip: blame is not the minority.
    """
    verdict = judged(size, lambda script: capture(script, short))
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.HANG, Cause.DEADLOCK, True)
    blame = blame_of(verdict)
    assert (blame.ranks, blame.phase, blame.shape, blame.choice) == (short, "generation_capture", "bs=32", "left-out")
    assert blame.detail == "free_blocks=24 needed_blocks=32"
    assert {line.name for line in verdict.knot} == {"tp", "world"}
    assert FindingKind.MISPAIRED in [finding.kind for finding in verdict.findings]


def test_signature_is_of_the_fault_not_of_the_run() -> None:
    """Other ranks, another size: the same signature. Another fault: another signature."""
    four = judged(4, lambda script: capture(script, (3,)))
    eight = judged(8, lambda script: capture(script, (2,)))
    assert four.signature == eight.signature

    def other(script: Script) -> None:
        with script.recorder.phase("generation_capture"):
            script.block(script.world if script.rank else script.tp)

    assert judged(4, other).signature != four.signature


def test_success_without_findings() -> None:
    """Ranks that do the same have nothing to report."""
    verdict = judged(3, lambda script: script.meet(script.world))
    assert (verdict.outcome, verdict.signature, verdict.findings, verdict.blame) == (Outcome.SUCCESS, "", (), None)


def test_mispaired_success_is_found() -> None:
    """Ranks that meet in one collective with different shapes, and all finish, are a success with a finding."""

    def program(script: Script) -> None:
        with script.recorder.phase("capture"):
            script.recorder.shape("bs=32" if script.rank else "bs=16")
            script.meet(script.tp)

    verdict = judged(3, program)
    assert verdict.outcome is Outcome.SUCCESS
    (finding,) = verdict.findings
    assert finding.kind is FindingKind.MISPAIRED
    assert "bs=16" in finding.text
    assert "ranks 1-2" in finding.text


def test_sizes_that_must_be_equal() -> None:
    """Different sizes in one all-reduce are mis-paired; sizes that may differ are not compared."""
    different = judged(2, lambda script: script.meet(script.tp, "all_reduce", 4 + script.rank))
    assert [finding.kind for finding in different.findings] == [FindingKind.MISPAIRED]
    assert judged(2, lambda script: script.meet(script.tp, "all_to_all", -1)).findings == ()


def test_wrong_results() -> None:
    """A check that a rank reports as false, and tokens that differ between ranks, are wrong results."""

    def program(script: Script) -> None:
        script.recorder.result({"tokens": {"0": [1, script.rank]}, "checks": {"graph_equals_eager": script.rank == 0}})

    kinds = [finding.kind for finding in judged(2, program).findings]
    assert kinds == [FindingKind.WRONG_RESULT] * 2


def test_orphaned_by_an_error() -> None:
    """Who waits for a rank that raised is orphaned; the blame has the error."""

    def program(script: Script) -> None:
        with script.recorder.phase("general"):
            if script.rank == 1:
                raise MemoryError("too big")
            script.block(script.world)

    verdict = judged(3, program)
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.HANG, Cause.ORPHANED, True)
    assert (blame_of(verdict).ranks, blame_of(verdict).by) == ((1,), "raised")
    assert blame_of(verdict).detail == "MemoryError: too big"


def test_orphaned_after_a_divergence_blames_the_divergence() -> None:
    """When a decision parted the ranks and one of them raised over the consequences, the decision is blamed."""

    def program(script: Script) -> None:
        with script.recorder.phase("capture"):
            short = script.rank == 2
            script.recorder.decision("capture.request", "bs=4", "left-out" if short else "run", "", short)
            if not short:
                script.recorder.shape("bs=4")
                script.meet(script.tp)
                script.block(script.tp)
            script.recorder.shape("bs=2")
            script.meet(script.tp)
            raise RuntimeError("strange answer")

    verdict = judged(3, program)
    assert verdict.cause is Cause.ORPHANED
    assert (blame_of(verdict).by, blame_of(verdict).shape) == ("decision", "bs=4")


def test_deadlock_without_decisions() -> None:
    """Without a logged decision the rank is blamed that does not enter what the others entered first."""

    def program(script: Script) -> None:
        script.meet(script.tp)
        if script.rank != 1:
            script.block(script.tp)
        script.block(script.world)

    blame = blame_of(judged(3, program))
    assert (blame.ranks, blame.by) == ((1,), "collective")


@pytest.mark.parametrize(("odd", "cause"), [(False, Cause.ALL_RANKS), (True, Cause.SOME_RANKS)])
def test_raise(odd: bool, cause: Cause) -> None:
    """Ranks that raised while nobody waits are a raise, of all or of some."""

    def program(script: Script) -> None:
        if not odd or script.rank % 2:
            raise RuntimeError("no")

    verdict = judged(4, program)
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.RAISE, cause, None)


@pytest.mark.parametrize(("code", "cause"), [(-9, Cause.SIGNAL), (-11, Cause.SIGNAL), (-6, Cause.ABORT), (3, Cause.ABORT)])
def test_crash(code: int, cause: Cause) -> None:
    """A process that died while nobody waits is a crash by its cause."""
    verdict = judged(3, lambda script: None, codes={1: code})
    assert (verdict.outcome, verdict.cause) == (Outcome.CRASH, cause)
    assert blame_of(verdict).ranks == (1,)


def test_limits() -> None:
    """By limits of time: slow while milestones advance, stall when not, livelock; none of them is called proved."""

    def program(script: Script) -> None:
        script.recorder.decision("decode.can_queue", "step=1", "wait" if script.rank else "queue", "", bool(script.rank))
        raise Stopped

    slow = judged(2, program, Limit.DEADLINE, advancing=True)
    stall = judged(2, program, Limit.DEADLINE)
    livelock = judged(2, program, Limit.LIVELOCK)
    assert (slow.outcome, slow.proved) == (Outcome.SLOW, None)
    assert (stall.cause, stall.proved) == (Cause.STALL, False)
    assert (livelock.cause, livelock.proved, blame_of(livelock).ranks) == (Cause.LIVELOCK, False, (1,))


def test_verdict_survives_json() -> None:
    """A verdict read back from its JSON is the same."""
    verdict = judged(4, lambda script: capture(script, (3,)))
    import json

    assert Verdict.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict


def test_a_crash_over_unequal_messages_is_blamed_on_the_decision() -> None:
    """A library that aborts does so where the longer message comes; the rank that runs another batch is to blame."""

    def program(script: Script) -> None:
        script.recorder.decision("admit", "step=1", "all" if script.rank else "refuse", deviates=not script.rank)
        script.meet(script.tp, "all_reduce", 64 if script.rank else 32)
        script.block(script.tp, "all_reduce")

    verdict = judged(2, program, Limit.DEADLINE, codes={1: -6})
    assert verdict.outcome is Outcome.HANG  # the other one still runs
    done = judged(2, lambda script: _ended(script, program), codes={0: -6, 1: 1})
    assert (done.outcome, done.cause) == (Outcome.CRASH, Cause.ABORT)
    assert (blame_of(done).ranks, blame_of(done).choice) == ((0,), "refuse")


def _ended(script: Script, program: Program) -> None:
    """The same, in a process that dies."""
    with suppress(Stopped):
        program(script)


def test_a_death_by_itself_is_no_matter_of_sizes() -> None:
    """A rank that is killed is to blame for its death, also where ranks have chosen differently before."""

    def program(script: Script) -> None:
        script.recorder.decision("shapes", "list", str(script.rank), deviates=bool(script.rank))
        script.meet(script.tp, "all_reduce", 64)

    verdict = judged(2, program, codes={0: -9, 1: 1})
    assert (verdict.cause, blame_of(verdict).ranks, blame_of(verdict).by) == (Cause.SIGNAL, (0,), "died")


def test_a_communicator_that_one_side_never_made() -> None:
    """Ranks that look for each other under two names wait in two communicators; the name is what parted them."""

    def program(script: Script) -> None:
        name = "cp/7" if script.rank == 0 else "cp/3"
        script.recorder.decision("communicator", "cp", name)
        script.block(script.recorder.comm("gloo", name, range(3)), "rendezvous")

    verdict = judged(3, program)
    assert (verdict.cause, verdict.proved) == (Cause.DEADLOCK, True)
    blame = blame_of(verdict)
    assert (blame.ranks, blame.by, blame.choice) == ((0,), "decision", "cp/7")


def test_a_source_that_waits_for_itself() -> None:
    """All wait for a message of one of them, who waits for it too: it never sent what they wait for."""

    def program(script: Script) -> None:
        script.recorder.recv(script.tp, 0, what="requests")
        raise Stopped

    verdict = judged(2, program)
    assert (verdict.cause, blame_of(verdict).ranks) == (Cause.DEADLOCK, (0,))
    assert blame_of(verdict).text.startswith("Rank 0 never sent what ranks 0-1 waited for in tp recv requests #1")
