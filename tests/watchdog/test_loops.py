"""Which threads turn in loops, and when nothing else is left in a program that stands still."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lockstep.harness.channel.to_watchdog import Around, Stands
from lockstep.harness.watchdog.loops import loops_text
from lockstep.harness.watchdog.ranks.program_ranks import ProgramRanks
from lockstep.harness.watchdog.ranks.turning import Turning
from tests.watchdog.test_sleepers import LOST_REPLY, table, told

WAIT: dict[str, Any] = {"turns": True, "thread": 7, "op": "Queue.get", "site": "a.py:1 in f", "text": "may", "steps": [5, 0]}


@pytest.mark.parametrize(
    ("later", "number", "turned"),
    [
        ({"steps": [7, 0]}, 1, True),
        ({"steps": [6, 0]}, 1, False),  # it has slept once
        ({"steps": [9, 0], "site": "a.py:9 in f"}, 1, False),  # it goes on
        ({"steps": [9, 0]}, 2, False),  # it has communicated
        ({"steps": [9, 0], "turns": False}, 1, False),  # it waits for somebody outside
        ({"steps": [9, 0], "thread": 8}, 1, False),
        ({"steps": "nonsense"}, 1, False),
    ],
)
def test_who_turns(later: dict[str, Any], number: int, turned: bool) -> None:
    """Who is in the same wait with a limit at two looks, was woken several times between them, and did nothing else."""
    turning = Turning()
    turning.take([WAIT], 1, ["may"])
    assert not turning.loops
    turning.take([{**WAIT, **later}], number, ["may"])
    assert bool(turning.loops) == turned


def looked(first: dict[str, Any], doubts: tuple[str, ...] = ("may",), waits: bool = True) -> ProgramRanks:
    """Rank 0 in a wait with a limit, at two looks; rank 1 and a process beside them sleep, or the latter is at work."""
    ranks = table(LOST_REPLY)
    for look in (0, 1):
        held = (json.dumps({**first, "steps": [5 + 9 * look, 0]}),)
        ranks[0].confirm(Stands(0, look, 1, doubts, (), 0, held))
        ranks[1].confirm(Stands(1, look, 1, (), (), 0, tuple(json.dumps(one) for one in told(LOST_REPLY, 1))))
        beside = {"pid": 102, "threads": told(LOST_REPLY, 2) if waits else [], "waits": waits, "turning": []}
        doubt = [] if waits else ["it is at work"]
        ranks.sleepers.take(0, Around(look, (json.dumps({**beside, "doubts": doubt}),)))
    return ranks


def test_when_nothing_else_is_left() -> None:
    """All others wait; a thread that computes, of the same process or another, may yet bring something."""
    assert loops_text(looked(WAIT)) == "rank 0 turns in a loop at a.py:1 in f, in Queue.get"
    assert loops_text(looked({**WAIT, "turns": False})) == ""
    assert loops_text(looked(WAIT, ("may", "another thread"))) == ""
    assert loops_text(looked(WAIT, waits=False)) == ""
    ranks = looked(WAIT)
    ranks[0].state.number += 1
    assert loops_text(ranks) == ""
    assert loops_text(table(LOST_REPLY)) == ""


def test_a_process_that_is_no_rank_turns() -> None:
    """It is told as ranks are."""
    ranks = looked({**WAIT, "turns": False})
    loop = {**WAIT, "site": "", "text": ""}
    for look in (2, 3):
        one = {"pid": 102, "threads": [], "doubts": ["may"], "waits": True, "turning": [{**loop, "steps": [9 * look, 0]}]}
        ranks.sleepers.take(0, Around(look, (json.dumps(one),)))
    assert loops_text(ranks).endswith("process 102 turns in a loop, in Queue.get")
