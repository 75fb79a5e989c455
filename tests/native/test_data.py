"""What compiled MPI programs hand over to each other as something else, under the native recorder: told as findings."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockstep.harness.environment import NATIVE
from lockstep.harness.vocabulary import FindingKind, Outcome
from tests.attach.launch import watch
from tests.native.recorder import compiled, library, marked


@pytest.fixture(autouse=True)
def natively(monkeypatch: pytest.MonkeyPatch) -> None:
    """MPI is recorded in C."""
    library()
    monkeypatch.setenv(NATIVE, "1")


def test_data_of_another_kind_is_told(tmp_path: Path) -> None:
    """Datatypes and reductions that differ: of each communicator the first, and of each channel of messages; with lines."""
    verdict = watch([compiled("data.c", tmp_path), "wrong"], 2, tmp_path)
    assert verdict.outcome is Outcome.SUCCESS, verdict.text
    texts = [finding.text for finding in verdict.findings]
    assert [finding.kind for finding in verdict.findings] == [FindingKind.DIFFERING_DATA] * 5, texts
    everything = " ".join(texts)
    assert "scatter of 1 MPI_INT" in everything
    assert "scatter of 1 MPI_FLOAT" in everything
    assert "allreduce of 1 MPI_INT with MPI_SUM" in everything
    assert "allreduce of 1 MPI_INT with MPI_MAX" in everything
    assert "rank 1 sends MPI_FLOAT" in everything
    for mark in ("scatter", "reduction", "posted", "sent", "received", "kept"):
        assert f"data.c:{marked('data.c', mark)} " in everything


def test_data_that_only_looks_different_is_not_told(tmp_path: Path) -> None:
    """Datatypes made of others, bytes, arguments that do not count, parts without elements, receives from anybody."""
    verdict = watch([compiled("data.c", tmp_path), "right"], 2, tmp_path)
    assert (verdict.outcome, [finding.text for finding in verdict.findings]) == (Outcome.SUCCESS, []), verdict.text
