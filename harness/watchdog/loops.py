"""Whether nothing is left in a program that stands still but threads that turn in loops. No sockets, no clock."""

from __future__ import annotations

from lockstep.harness.judge.words import ranks_text
from lockstep.harness.trace.state import Status
from lockstep.harness.watchdog.ranks.process_table import ProcessRecord
from lockstep.harness.watchdog.ranks.program_ranks import ProgramRanks
from lockstep.harness.watchdog.ranks.rank_table import RankTable

LISTED = 3  # loops that are told


def loops_text(ranks: RankTable) -> str:
    """Who turns in which loop, where all others wait or turn as well; empty: somebody may be at work, or nobody turns."""
    if not isinstance(ranks, ProgramRanks):
        return ""
    beside = [ranks.sleepers.of_supervisor(number, pid) for number, pid in ranks.others()]
    if any(node not in ranks.sleepers.beside for node in beside):
        return ""
    living = {rank: one for rank, one in ranks if one.alive and one.state.status is Status.RUNNING}
    living |= {node: ranks.sleepers.beside[node] for node in beside}
    if not all(_waits(one) for one in living.values()):
        return ""
    told = [
        f"{ranks_text([node])} turns in a loop{f' at {loop.site}' if loop.site else ''}, in {loop.op}"
        for node, one in living.items()
        for loop in one.turning.loops
    ]
    return "; ".join(dict.fromkeys(told[:LISTED]))


def _waits(one: ProcessRecord) -> bool:
    """Whether all of its threads were in waits, with limits or without, when it last answered, and it has not moved."""
    return one.at_rest or (one.turning.only and one.turning.number == one.state.number)
