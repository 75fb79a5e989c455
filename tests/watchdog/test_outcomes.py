"""Real processes under real MPI, one for each way in which a start-up can end; the verdict must say which."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockstep.harness.host.polling import wait_until
from lockstep.harness.judge.verdict import Blame, Verdict
from lockstep.harness.vocabulary import Cause, FindingKind, Outcome
from tests.watchdog.launch import judge, watchdog
from tests.watchdog.ranks import HUNGER_BYTES, WATCHED_S

RANKS = 3
LAST = RANKS - 1


def blame_of(verdict: Verdict) -> Blame:
    """The blame, which must be there."""
    assert verdict.blame is not None, verdict.text
    return verdict.blame


@pytest.mark.parametrize(
    ("program", "outcome", "cause"),
    [
        ("clean", Outcome.SUCCESS, Cause.NONE),
        ("slow", Outcome.SUCCESS, Cause.NONE),
        ("stopped", Outcome.SUCCESS, Cause.NONE),
        ("deadlock", Outcome.HANG, Cause.DEADLOCK),
        ("raise_one", Outcome.HANG, Cause.ORPHANED),
        ("exit_one", Outcome.HANG, Cause.ORPHANED),
        ("kill_one", Outcome.HANG, Cause.ORPHANED),
        ("exit_before_init", Outcome.HANG, Cause.ORPHANED),
        ("return_early", Outcome.HANG, Cause.ORPHANED),
        ("exit_on_error", Outcome.HANG, Cause.ORPHANED),
        ("raise_all", Outcome.RAISE, Cause.ALL_RANKS),
        ("raise_some", Outcome.RAISE, Cause.SOME_RANKS),
        ("exit_all", Outcome.CRASH, Cause.ABORT),
        ("kill_unneeded", Outcome.CRASH, Cause.SIGNAL),
        ("segv_unneeded", Outcome.CRASH, Cause.SIGNAL),
        ("abort", Outcome.CRASH, Cause.ABORT),
        ("abort_after_error", Outcome.CRASH, Cause.ABORT),
        ("replay", Outcome.SUCCESS, Cause.NONE),
        ("skip_replay", Outcome.HANG, Cause.DEADLOCK),
        ("raise_after_launch", Outcome.RAISE, Cause.SOME_RANKS),
    ],
)
def test_outcome(program: str, outcome: Outcome, cause: Cause, tmp_path: Path) -> None:
    """Each program gets its outcome and cause; a hang is proved, and nothing leaks."""
    verdict = judge(program, RANKS, tmp_path)
    assert (verdict.outcome, verdict.cause) == (outcome, cause), verdict.text
    assert verdict.proved is (True if outcome is Outcome.HANG else None)
    assert FindingKind.LEAK not in [finding.kind for finding in verdict.findings]


def test_deadlock_names_rank_and_decision(tmp_path: Path) -> None:
    """A deadlock over two communicators is blamed on the decision that led into it, with its figures."""
    verdict = judge("deadlock", RANKS, tmp_path)
    blame = blame_of(verdict)
    assert (blame.ranks, blame.by, blame.site) == ((LAST,), "decision", "capture.request")
    assert "free_blocks=24 needed_blocks=32" in blame.detail
    assert {(line.rank, line.op, line.lacks) for line in verdict.knot} == {
        (0, "barrier", (LAST,)),
        (1, "barrier", (LAST,)),
        (LAST, "barrier", (0, 1)),
    }
    assert len({line.comm for line in verdict.knot}) == 2


@pytest.mark.parametrize("program", ["hungry", "clean"])
def test_host_memory(program: str, tmp_path: Path) -> None:
    """The most that a rank ever had is known of one that was killed in a hang and of one that ended by itself."""
    first, second = (end.host_memory_bytes or 0 for end in judge(program, 2, tmp_path).ranks)
    assert first > 10 << 20
    assert (second - first > HUNGER_BYTES * 0.9) == (program == "hungry")


def test_hang_in_a_replay_names_operation_and_graph(tmp_path: Path) -> None:
    """Ranks hang in `synchronize`; the knot says in which collective of which graph their streams are, and for whom."""
    verdict = judge("skip_replay", RANKS, tmp_path)
    assert blame_of(verdict).ranks == (LAST,)
    streams = {(line.rank, line.op, line.graph, line.seq, line.lacks) for line in verdict.knot if line.stream}
    assert streams == {(rank, "all_to_all dispatch layer=0", "rows=8", 3, (LAST,)) for rank in range(LAST)}
    assert {line.rank for line in verdict.knot if line.op == "synchronize"} == set(range(LAST))
    assert "of graph rows=8" in verdict.text


def test_orphaned_names_the_rank_that_raised(tmp_path: Path) -> None:
    """When one rank raises and the others wait, the verdict has its rank, error and traceback."""
    verdict = judge("raise_one", RANKS, tmp_path)
    assert blame_of(verdict).ranks == (LAST,)
    raised = next(rank for rank in verdict.ranks if rank.rank == LAST)
    assert (raised.status, raised.error_type) == ("raised", "MemoryError")
    assert "raise_one" in raised.traceback


def test_an_error_that_is_told_outlives_the_abort(tmp_path: Path) -> None:
    """While a rank that failed waits out its grace its peers are no orphans; then the verdict has its first error."""
    verdict = judge("abort_after_error", RANKS, tmp_path)
    assert blame_of(verdict).ranks == (LAST,)
    assert "after RuntimeError: the first error" in verdict.text
    (aborted,) = [rank for rank in verdict.ranks if rank.status == "aborted"]
    assert (aborted.rank, aborted.error_type) == (LAST, "RuntimeError")


def test_no_deadlock_is_proved_while_a_thread_may_end_it(tmp_path: Path) -> None:
    """A rank whose watching thread may still act is not stuck, nor are its peers; when the thread is gone, they are."""
    verdict = judge("watched", RANKS, tmp_path)
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.HANG, Cause.DEADLOCK, True), verdict.text
    assert verdict.last_block_to_verdict_s is not None
    assert verdict.last_block_to_verdict_s > WATCHED_S / 2


@pytest.mark.parametrize("program", ["spin", "gil"])
def test_stall_is_never_called_proved(program: str, tmp_path: Path) -> None:
    """A rank that is busy for ever is a stall by deadline, unproved, blamed on that rank, with stacks of all."""
    verdict = judge(program, RANKS, tmp_path, deadline_s=4.0, livelock_s=2.0)
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.HANG, Cause.STALL, False), verdict.text
    assert blame_of(verdict).ranks == (LAST,)
    stacks = [(tmp_path / "stacks" / f"rank-{rank}.txt").read_text() for rank in range(RANKS)]
    assert program in stacks[LAST]
    assert all("barrier" in text for text in stacks[:LAST])


def test_livelock(tmp_path: Path) -> None:
    """Votes that complete for ever without a milestone are a livelock, blamed on the rank that vetoes."""
    verdict = judge("livelock", RANKS, tmp_path, livelock_s=3.0)
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.HANG, Cause.LIVELOCK, False), verdict.text
    assert blame_of(verdict).ranks == (LAST,)
    assert blame_of(verdict).site == "decode.can_queue"


def test_slow_is_not_a_hang(tmp_path: Path) -> None:
    """At the deadline a case whose milestones still advance is slow, not hung."""
    verdict = judge("too_slow", RANKS, tmp_path, deadline_s=6.0, livelock_s=2.0)
    assert verdict.outcome is Outcome.SLOW, verdict.text


def test_overwritten_events_are_said(tmp_path: Path) -> None:
    """When a ring was overwritten before it was read, the deadlock is still proved and the verdict says what was lost."""
    verdict = judge("flood", RANKS, tmp_path)
    assert (verdict.outcome, verdict.cause) == (Outcome.HANG, Cause.DEADLOCK), verdict.text
    if verdict.events_lost:
        assert FindingKind.EVIDENCE_LOST in [finding.kind for finding in verdict.findings]


@pytest.mark.parametrize("program", ["slow", "stopped"])
def test_no_false_hang_at_any_moment(program: str, tmp_path: Path) -> None:
    """While a rank is slow or stopped, no snapshot is ever taken for a knot."""
    dog = watchdog(program, RANKS, tmp_path)
    assert dog.watch().outcome is Outcome.SUCCESS
    assert dog.state.proof.judged_moving > 0
    assert dog.state.proof.proved == 0


@pytest.fixture
def small_cgroup() -> Iterator[Path]:
    """A memory cgroup of 128 MiB without swap."""
    name = f"lockstep-{os.getpid()}"
    root, limit = Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"  # version 1
    if not root.exists():
        root, limit = Path("/sys/fs/cgroup"), "memory.max"
    group = root / name
    try:
        group.mkdir()
        (group / limit).write_text(str(128 << 20))
    except OSError as error:
        pytest.skip(f"no memory cgroup can be made here: {error}")
    yield group
    wait_until(lambda: not (group / "cgroup.procs").read_text(), 10.0)
    group.rmdir()


def test_oom_kill(small_cgroup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rank that the kernel kills for want of memory is a crash by oom-kill, not by any signal."""
    monkeypatch.setenv("LOCKSTEP_TEST_CGROUP", str(small_cgroup))
    verdict = judge("out_of_memory", RANKS, tmp_path)
    assert (verdict.outcome, verdict.cause) == (Outcome.CRASH, Cause.OOM_KILL), verdict.text
    assert blame_of(verdict).ranks == (LAST,)


def test_evidence_of_every_rank(tmp_path: Path) -> None:
    """A hang leaves the event log and the stacks of every rank, and the launcher's output."""
    judge("deadlock", RANKS, tmp_path)
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    wanted = {f"rank-{rank}.events" for rank in range(RANKS)} | {f"stacks/rank-{rank}.txt" for rank in range(RANKS)}
    assert wanted | {"launcher.log"} <= names
