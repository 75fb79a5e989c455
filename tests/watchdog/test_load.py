"""A real watchdog under the traffic of many simulated supervisors, and what it makes of its own slowness."""

from __future__ import annotations

import time
from pathlib import Path

from lockstep.harness.vocabulary import Cause, Outcome
from lockstep.harness.watchdog.listener import Silent
from lockstep.harness.watchdog.ranks.rank_table import RankTable
from lockstep.harness.watchdog.session import CaseSession
from lockstep.harness.watchdog.targets import EngineTarget
from tests.watchdog.launch import case
from tests.watchdog.simulated_supervisors import Simulation

RANKS, LACKING = 64, 35


def watchdog(folder: Path, lacking: int, listener: Silent | None = None, **limits: float) -> CaseSession:
    """A watchdog of simulated ranks, of which one may lack blocks."""
    options = ["0.005", str(lacking), "16"]
    patient = {"deadline_s": 90.0, "livelock_s": 60.0, "launch_s": 60.0, **limits}
    return CaseSession(EngineTarget(case("simulated", RANKS, **patient), []), Simulation(1, options), folder, None, listener)


def test_a_deadlock_of_many_ranks(tmp_path: Path) -> None:
    """The rank that lacks blocks is blamed for it; every rank has its event log, though few files are open together."""
    dog = watchdog(tmp_path, LACKING)

    class FewFiles(Silent):
        def tick(self, ranks: RankTable) -> None:
            dog.state.files.most_open = 8

    dog.listener = FewFiles()
    verdict = dog.watch()
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.HANG, Cause.DEADLOCK, True), verdict.text
    assert verdict.blame is not None
    assert verdict.blame.ranks == (LACKING,)
    assert verdict.events_lost == 0
    assert len(list(tmp_path.glob("rank-*.events"))) == RANKS


def test_a_clean_start_of_many_ranks(tmp_path: Path) -> None:
    """No snapshot of moving ranks is taken for a knot."""
    dog = watchdog(tmp_path, -1)
    verdict = dog.watch()
    assert verdict.outcome is Outcome.SUCCESS, verdict.text
    assert dog.state.proof.proved == 0


def test_nobody_is_silent_while_the_watchdog_does_not_listen(tmp_path: Path) -> None:
    """A watchdog that was away for longer than anybody may be silent blames nobody for it; the verdict is the same."""
    away: list[float] = []

    class Away(Silent):
        def tick(self, ranks: RankTable) -> None:
            if ranks.processes.complete() and not away:
                away.append(time.monotonic())
                time.sleep(5.0)

    verdict = watchdog(tmp_path, LACKING, Away(), silence_s=3.0).watch()
    assert away
    assert (verdict.outcome, verdict.cause) == (Outcome.HANG, Cause.DEADLOCK), verdict.text
