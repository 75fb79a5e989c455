"""Real mpi4py programs, unmodified, one for each way in which they can end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lockstep.harness.vocabulary import Cause, FindingKind, Outcome
from tests.attach.launch import BIN, python, watch, watchdog

RANKS = 2
LAST = RANKS - 1


@pytest.mark.parametrize(
    ("program", "outcome", "cause", "blame"),
    [
        ("clean", Outcome.SUCCESS, Cause.NONE, None),
        ("deadlock", Outcome.HANG, Cause.DEADLOCK, None),
        ("both_receive", Outcome.HANG, Cause.DEADLOCK, None),
        ("idle_threads", Outcome.HANG, Cause.DEADLOCK, None),
        ("raise_one", Outcome.HANG, Cause.ORPHANED, LAST),
        ("kill_one", Outcome.HANG, Cause.ORPHANED, LAST),
        ("return_early", Outcome.HANG, Cause.ORPHANED, LAST),
        ("finalize_early", Outcome.HANG, Cause.DEADLOCK, None),
        ("exit_without_finalize", Outcome.HANG, Cause.ORPHANED, LAST),
        ("abort", Outcome.CRASH, Cause.ABORT, LAST),
    ],
)
def test_outcome(program: str, outcome: Outcome, cause: Cause, blame: int | None, tmp_path: Path) -> None:
    """Each program gets its outcome and cause; a hang is proved, its waits name the program's lines, and nothing leaks."""
    verdict = watch(python("mpi_program.py", program), RANKS, tmp_path)
    assert (verdict.outcome, verdict.cause) == (outcome, cause), verdict.text
    assert verdict.proved is (True if outcome is Outcome.HANG else None)
    assert all("mpi_program.py:" in line.site for line in verdict.knot)
    assert FindingKind.LEAK not in [finding.kind for finding in verdict.findings]
    if blame is not None:
        assert verdict.blame is not None
        assert verdict.blame.ranks == (blame,)


@pytest.mark.parametrize("below", [False, True], ids=["own-ranks", "below-mpiexec"])
def test_an_error_that_ends_the_job_is_that_rank_s(below: bool, tmp_path: Path) -> None:
    """Under `python -m mpi4py` an error ends the job from C code, when Python has ended: it is told all the same."""
    argv = [sys.executable, "-m", "mpi4py", *python("mpi_program.py", "raise_one")[1:]]
    launcher = [str(BIN / "mpiexec"), "-n", str(RANKS)]
    verdict = watch([*launcher, *argv], 1, tmp_path) if below else watch(argv, RANKS, tmp_path)
    assert (verdict.outcome, verdict.cause) == (Outcome.RAISE, Cause.SOME_RANKS), verdict.text
    assert "RuntimeError: no more blocks" in verdict.text
    assert verdict.blame is not None
    assert verdict.blame.ranks == (LAST,)


def test_what_is_not_seen_is_never_proved(tmp_path: Path) -> None:
    """A collective past mpi4py makes the ranks wait for ever; since it was not seen it is a stall, which says why."""
    verdict = watch(python("mpi_program.py", "through_ctypes"), RANKS, tmp_path, deadline_s=12.0)
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.HANG, Cause.STALL, False), verdict.text
    (finding,) = (finding for finding in verdict.findings if finding.kind is FindingKind.NOT_VISIBLE)
    assert "MPI_Barrier is called through ctypes" in finding.text
    assert "through_ctypes" in (tmp_path / "stacks" / f"rank-{LAST}.txt").read_text()


def test_a_thread_that_may_still_come_keeps_a_knot_from_being_proved(tmp_path: Path) -> None:
    """While a thread that has never communicated sleeps, what its peers wait for may still come; and it does."""
    dog = watchdog(python("mpi_program.py", "late_thread"), RANKS, tmp_path)
    assert dog.watch().outcome is Outcome.SUCCESS
    assert dog.state.proof.proved == 0


def test_who_waits_in_finalize_for_one_that_computes_is_waited_for(tmp_path: Path) -> None:
    """MPI_Finalize may be called, or left to the interpreter's end: in either of them a rank has come to it."""
    dog = watchdog(python("mpi_program.py", "finalize_late"), 3, tmp_path)
    assert dog.watch().outcome is Outcome.SUCCESS
    assert dog.state.proof.proved == 0


def test_evidence(tmp_path: Path) -> None:
    """A hang leaves the events and the stacks of every rank."""
    watch(python("mpi_program.py", "deadlock"), RANKS, tmp_path)
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    wanted = {f"rank-{rank}.events" for rank in range(RANKS)} | {f"stacks/rank-{rank}.txt" for rank in range(RANKS)}
    assert wanted | {"launcher.log"} <= names
