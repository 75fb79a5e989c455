"""Programs that call MPI's library for Fortran, which calls C: as MPICH's does, under the native recorder."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockstep.harness.environment import NATIVE
from lockstep.harness.vocabulary import Cause, FindingKind, Outcome
from tests.attach.launch import watch
from tests.native.recorder import compiled, library, marked


@pytest.fixture(autouse=True)
def natively(monkeypatch: pytest.MonkeyPatch) -> None:
    """MPI is recorded in C."""
    library()
    monkeypatch.setenv(NATIVE, "1")


def program(folder: Path, *flags: str) -> str:
    """The program, linked with the library."""
    made = Path(compiled("fortran.c", folder, "-DLIBRARY", "-shared", "-fPIC")).rename(folder / "libmpifort.so.12")
    return compiled("fortran.c", folder, *flags, "-Wl,--no-as-needed", str(made), f"-Wl,-rpath,{folder}")


def test_a_hang_of_a_fortran_program_is_proved(tmp_path: Path) -> None:
    """Its calls come by in C, and the line is that of the program."""
    verdict = watch([program(tmp_path), "hang"], 2, tmp_path)
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.HANG, Cause.DEADLOCK, True), verdict.text
    assert all(f"fortran.c:{marked('fortran.c', 'receive')} in main" in line.site for line in verdict.knot), verdict.text


def test_a_fortran_program_that_is_right(tmp_path: Path) -> None:
    """It ends, and nothing is told of it."""
    verdict = watch([program(tmp_path), "right"], 2, tmp_path)
    assert (verdict.outcome, [finding.text for finding in verdict.findings]) == (Outcome.SUCCESS, []), verdict.text


def test_what_goes_past_the_recorder_is_no_proof(tmp_path: Path) -> None:
    """The module mpi_f08 calls MPI's library past its profiling interface: such a rank counts as running."""
    verdict = watch([program(tmp_path, "-DMODULE"), "hang"], 2, tmp_path, deadline_s=6.0)
    assert (verdict.outcome, verdict.proved) == (Outcome.HANG, False), verdict.text
    unseen = [finding.text for finding in verdict.findings if finding.kind is FindingKind.NOT_VISIBLE]
    assert "mpi_f08" in " ".join(unseen)
