"""What a log says at its end of cases that are not as expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockstep.harness.campaign.display import SHORT_LOG, Display
from lockstep.harness.report.record import CaseRecord
from lockstep.harness.stop_signals import StopSignals
from tests.report.samples import NAMES, case, hang, store


@pytest.mark.parametrize(("cases", "again"), [(SHORT_LOG, False), (SHORT_LOG + 1, True)])
def test_the_end_of_a_long_log(cases: int, again: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What failed stands there once more, with its sentence and its command; all that did not fail does not."""
    run = store(tmp_path, NAMES[:2])
    run.record(CaseRecord(case(NAMES[0]), hang(), False, ["outcome: expected success, got hang"], "run it again", 1.0))
    run.record(CaseRecord(case(NAMES[1]), hang(), True, [], "again", 1.0))
    wrong, right = run.lines
    display = Display(cases, StopSignals())
    display.recall([wrong, *[right] * (cases - 1)])
    told = capsys.readouterr().err
    wanted = [f"NOT AS EXPECTED {NAMES[0]}: hang (deadlock, proved)", "    outcome: expected success, got hang"]
    wanted += [f"    {hang().text}", "    again: run it again"]
    assert told.splitlines() == (wanted if again else [])
