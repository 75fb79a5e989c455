"""Who waits for whom if no send is buffered: no proof, since a library may take a message before anybody wants it. Pure.

Of a rank that has been in a send for a while, without a receiver, the library has not taken it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lockstep.harness.judge.graph import Stuck, stuck
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import RankState, Wait


def unbuffered(states: Mapping[int, RankState], members: Mapping[str, Sequence[int]]) -> list[Stuck]:
    """The waits that could not end; none where somebody may go on by himself, or writes no events."""
    if not any(_is_send(wait) for state in states.values() for _, wait in state.waits()):
        return []
    strict = {
        rank: replace(state, waiters={thread: _strict(wait) for thread, wait in state.waiters.items()})
        for rank, state in states.items()
    }
    found = stuck(strict, members)
    everybody = {rank for rank, state in states.items() if state.waits() or state.runs}
    return found if {one.rank for one in found} == everybody else []


def _is_send(wait: Wait | None) -> bool:
    return wait is not None and wait.need is Need.NOBODY and wait.op.partition(" ")[0] == "send" and wait.peer >= 0


def _strict(wait: Wait | None) -> Wait | None:
    return wait._replace(need=Need.SSEND) if wait is not None and _is_send(wait) else wait
