"""Operations between two groups, among neighbours, on windows and copies, and that start processes, recorded natively."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockstep.harness.environment import NATIVE
from lockstep.harness.launch.prrte import OVERSUBSCRIBED, ROOT_MAY
from lockstep.harness.trace.event import Kind, Need
from lockstep.harness.trace.ring import decode
from lockstep.harness.vocabulary import Cause, Outcome
from tests.attach.launch import watch
from tests.native.recorder import BIN, compiled, library, marked, recorded


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
    verdict = watch([compiled("several.c", tmp_path), "right", str(tmp_path / "file")], 4, tmp_path)
    assert (verdict.outcome, [finding.text for finding in verdict.findings]) == (Outcome.SUCCESS, []), verdict.text


def test_operations_on_files_are_recorded_and_need_nobody(tmp_path: Path) -> None:
    """MPI promises no wait there, and a disk may take its time: where a rank is can be told, and nothing be proved."""
    words = [str(BIN / "mpiexec"), "-n", "4", compiled("several.c", tmp_path), "right", str(tmp_path / "file")]
    code, came = recorded(words, tmp_path, LD_PRELOAD=str(library()), **ROOT_MAY, **OVERSUBSCRIBED)
    assert (code, len(came)) == (0, 4)
    for one in came:
        delta = one.ring.read()
        found = [
            (delta.strings[record.a], record.b, record.seq) for record in decode(delta.records) if record.kind == Kind.ENTER
        ]
        asked = [entry for entry in found if entry[0].startswith(("write_", "file_"))]
        names = ["write_at_all"] * 2 + ["write_at_all", "write_all_begin", "write_all_end", "file_close"]
        assert asked == [(name, Need.NOBODY, number) for number, name in enumerate(names, 1)]
        one.line.close()
        one.ring.close()
