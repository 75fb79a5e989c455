"""Who waits for whom if no library ended a wait by a limit of its own: a deadlock until the first of them. No proof. Pure.

A program may have meant its limit, and go on after the error; so a short one is left to its library, which is soon.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lockstep.harness.judge.graph import Stuck, stuck
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import RankState, Wait

SOON_S = 60  # a limit that is no longer is waited for


def until_limit(states: Mapping[int, RankState], members: Mapping[str, Sequence[int]]) -> list[Stuck]:
    """The waits that only such limits end, where all of the program are in them; none where one of these is soon, or not
    known, or where somebody may go on by himself, or writes no events."""
    waits = [wait for state in states.values() for _, wait in state.waits()]
    limits = [wait.limit_s for wait in waits if wait.need is Need.TIMED]
    if not limits or min(limits) <= SOON_S:
        return []
    found = stuck({rank: _endless(rank, state) for rank, state in states.items()}, members)
    everybody = {rank for rank, state in states.items() if state.waits() or state.runs}
    return found if {one.rank for one in found} == everybody else []


def _endless(rank: int, state: RankState) -> RankState:
    waiters = {thread: wait and endless(rank, wait) for thread, wait in state.waiters.items()}
    return replace(state, waiters=waiters)


def endless(rank: int, wait: Wait) -> Wait:
    """The same wait without a limit."""
    if wait.need is not Need.TIMED:
        return wait
    verb = wait.op.partition(" ")[0]
    need = Need.RECV if verb == "recv" else Need.ROOT if wait.peer not in (-1, rank) else Need.ALL
    return wait._replace(need=need)


def limit_s(waits: Sequence[Wait]) -> int:
    """The first limit that ends one of them; 0: none is known."""
    return min((wait.limit_s for wait in waits if wait.limit_s), default=0)
