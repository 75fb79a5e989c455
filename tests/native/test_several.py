"""Operations between two groups, among neighbours, on windows and copies, and that start processes, recorded natively."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockstep.harness.environment import NATIVE
from lockstep.harness.vocabulary import Cause, Outcome
from tests.attach.launch import watch
from tests.native.recorder import compiled, library, marked


@pytest.fixture(autouse=True)
def natively(monkeypatch: pytest.MonkeyPatch) -> None:
    """MPI is recorded in C."""
    library()
    monkeypatch.setenv(NATIVE, "1")


WAYS = ("inter_barrier", "inter_bcast", "neighbour", "copies", "copying", "fence", "exposure", "spawn")


@pytest.mark.parametrize("way", WAYS)
def test_a_hang_is_proved(way: str, tmp_path: Path) -> None:
    """Whoever is in the operation needs a rank that waits in turn: proved, at the line of the operation."""
    verdict = watch([compiled("several.c", tmp_path), way], 4, tmp_path)
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.HANG, Cause.DEADLOCK, True), verdict.text
    places = [line.site.rpartition("/")[2].partition(" ")[0] for line in verdict.knot]
    assert f"several.c:{marked('several.c', way)}" in places


def test_what_is_late_is_no_hang(tmp_path: Path) -> None:
    """One member comes late to each of them, and all of it ends: nothing is told."""
    verdict = watch([compiled("several.c", tmp_path), "right"], 4, tmp_path)
    assert (verdict.outcome, [finding.text for finding in verdict.findings]) == (Outcome.SUCCESS, []), verdict.text
