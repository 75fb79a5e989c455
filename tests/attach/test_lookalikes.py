"""Real programs that look like a deadlock for a while and are none, and such that are one where it is hard to see."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockstep.harness.vocabulary import Cause, FindingKind, Outcome
from tests.attach.launch import python, watch, watchdog

MPI = (
    "numpy_peer", "base_class", "other_object", "fortran_handle", "cancelled", "to_itself", "futures", "no_such_rank",
    "own_class", "signal_in_main", "native_thread", "lock_held", "lock_kept", "exception_in_our_code", "freed_handles",
)  # fmt: skip
GLOO = (
    "expects_the_deadline",
    "deadline_of_one_operation",
    "helped_before_the_limit",
    "deadline_of_the_start",
    "operators",
    "closed_descriptors",
    "left_to_a_child",
)
HANGING = (
    "default_tag", "any_source", "borders", "grid", "persistent", "waitany", "waitsome", "waitall", "probe", "mprobe",
    "counts", "numpy_root", "prefix", "with_noise", "lock_kept", "asyncio_run", "file_lock",
)  # fmt: skip


@pytest.mark.parametrize(
    ("program", "name", "ranks"),
    [
        *(("correct_mpi.py", name, 2) for name in MPI),
        ("correct_mpi.py", "reduction_in_python", 3),
        *(("correct_gloo.py", name, 2) for name in GLOO),
    ],
)
def test_a_program_that_ends_is_never_called_hung(program: str, name: str, ranks: int, tmp_path: Path) -> None:
    """It ends in order, and at no moment was anything proved of it."""
    dog = watchdog(python(f"programs/{program}", name), ranks, tmp_path)
    verdict = dog.watch()
    assert verdict.outcome is Outcome.SUCCESS, verdict.text
    assert dog.state.proof.proved == 0


@pytest.mark.parametrize("name", HANGING)
def test_a_hang_is_proved(name: str, tmp_path: Path) -> None:
    """It never ends, and is proved to, whatever the program did before."""
    verdict = watch(python("programs/hanging_mpi.py", name), 2, tmp_path)
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.HANG, Cause.DEADLOCK, True), verdict.text
    assert all("hanging_mpi.py:" in line.site for line in verdict.knot)
    assert FindingKind.NOT_VISIBLE not in [finding.kind for finding in verdict.findings]


def test_a_rank_and_its_forked_child(tmp_path: Path) -> None:
    """They end by rule where they wait for each other: a signal from outside could still run a handler in the child."""
    verdict = watch(python("programs/hanging_mpi.py", "forked_child"), 2, tmp_path)
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.HANG, Cause.DEADLOCK, False), verdict.text
    assert any(found.kind is FindingKind.NOT_VISIBLE and "has forked" in found.text for found in verdict.findings)
    assert "in forked_child, in `other.recv(1)` for rank 0" in verdict.text
