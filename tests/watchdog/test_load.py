"""A real watchdog under the traffic of many simulated supervisors, and what it makes of its own slowness."""

from __future__ import annotations

import time
from pathlib import Path

from lockstep.harness.vocabulary import Cause, Outcome
from lockstep.harness.watchdog.engine_session import Watchdog
from lockstep.harness.watchdog.ranks.rank_table import Members
from tests.watchdog.launch import case
from tests.watchdog.simulated_supervisors import Simulation

RANKS, LACKING = 64, 35


def watchdog(folder: Path, lacking: int, **limits: float) -> Watchdog:
    """A watchdog of simulated ranks, of which one may lack blocks."""
    options = ["0.005", str(lacking), "16"]
    patient = {"deadline_s": 90.0, "livelock_s": 60.0, "launch_s": 60.0, **limits}
    return Watchdog(case("simulated", RANKS, **patient), [], Simulation(1, options), folder)


def test_a_deadlock_of_many_ranks(tmp_path: Path) -> None:
    """The rank that lacks blocks is blamed for it; every rank has its event log, though few files are open together."""
    dog = watchdog(tmp_path, LACKING)
    dog.on_tick = lambda members: setattr(dog.files, "most_open", 8)
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
    assert dog.proof.proved == 0


def test_nobody_is_silent_while_the_watchdog_does_not_listen(tmp_path: Path) -> None:
    """A watchdog that was away for longer than anybody may be silent blames nobody for it; the verdict is the same."""
    dog = watchdog(tmp_path, LACKING, silence_s=3.0)
    away: list[float] = []

    def be_away(members: Members) -> None:
        if dog.roster.complete() and not away:
            away.append(time.monotonic())
            time.sleep(5.0)

    dog.on_tick = be_away
    verdict = dog.watch()
    assert away
    assert (verdict.outcome, verdict.cause) == (Outcome.HANG, Cause.DEADLOCK), verdict.text
