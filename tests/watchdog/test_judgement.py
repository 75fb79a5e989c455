"""When a case has had its time: a busy machine decides nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.scenario.case import Limits
from lockstep.harness.watchdog.judgement import STARVED_DEADLINES, EngineJudgement
from lockstep.harness.watchdog.ranks.command import Command

SECONDS = st.floats(0, 1000, allow_nan=False)


@given(st.lists(SECONDS, max_size=4), SECONDS)
def test_time_without_a_processor_counts_for_no_deadline(starved: list[float], passed: float) -> None:
    """The rank that got the least of its machine decides, and no case goes on for ever."""
    commands = {number: SimpleNamespace(starved_s=time_s) for number, time_s in enumerate(starved)}
    ranks = SimpleNamespace(processes=SimpleNamespace(commands=commands))
    limits = Limits(deadline_s=100.0)
    judgement = EngineJudgement(limits, cast(Any, ranks), cast(Any, None), cast(Any, SimpleNamespace()))
    judgement.started_s = 0.0
    longest = 100.0 + min(max(starved, default=0.0), STARVED_DEADLINES * 100.0)
    if abs(passed - longest) > 0.001:
        assert judgement.late(passed) == (passed > longest)


@given(st.lists(st.tuples(SECONDS, st.booleans()), max_size=8))
def test_who_waits_wants_no_processor(told: list[tuple[float, bool]]) -> None:
    """What a library's polling wants counts for no deadline: only what was wanted outside of waits does."""
    command, whole, outside = Command("host", 1), 0.0, 0.0
    for grown, waits in told:
        whole += grown
        outside += 0.0 if waits else grown
        command.wanted(whole, waits)
    assert abs(command.starved_s - outside) < 1e-6
