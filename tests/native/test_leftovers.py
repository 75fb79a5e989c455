"""What compiled MPI programs leave undone when they succeed, under the native recorder: told as findings, never red."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from lockstep.harness.environment import NATIVE
from lockstep.harness.vocabulary import Outcome
from tests.attach.launch import watch
from tests.native.recorder import compiled, library, marked


@pytest.fixture(autouse=True)
def natively(monkeypatch: pytest.MonkeyPatch) -> None:
    """MPI is recorded in C."""
    library()
    monkeypatch.setenv(NATIVE, "1")


def test_what_is_left_is_told(tmp_path: Path) -> None:
    """Each request, message and communicator once, with the line that made it, for all ranks alike."""
    verdict = watch([compiled("leaves.c", tmp_path), "untidy"], 2, tmp_path)
    assert verdict.outcome is Outcome.SUCCESS, verdict.text
    assert Counter(finding.kind.value for finding in verdict.findings) == {
        "unwaited-request": 2,
        "unreceived-message": 1,
        "unfreed-communicator": 1,
    }
    everything = " ".join(finding.text for finding in verdict.findings)
    assert all(f"leaves.c:{marked('leaves.c', mark)} " in everything for mark in ("kept", "lies", "never", "split")), (
        everything
    )


def test_nothing_is_told_of_a_tidy_program(tmp_path: Path) -> None:
    """Freed, tested and cancelled requests, messages taken by probes and wildcards, freed communicators."""
    verdict = watch([compiled("leaves.c", tmp_path), "tidy"], 2, tmp_path)
    assert (verdict.outcome, [finding.text for finding in verdict.findings]) == (Outcome.SUCCESS, []), verdict.text
