"""Of whom stacks are taken: of all ranks where they are few, else of some of each kind. No sockets, no clock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from lockstep.harness.judge import words
from lockstep.harness.trace.state import RankState

MOST = 64  # ranks; a thousand stacks of one place tell no more, and each takes its host some tenths of a second


def sample(states: Mapping[int, RankState], ranks: Iterable[int], blamed: Iterable[int], most: int = MOST) -> list[int]:
    """At most `most` of `ranks`: the blamed ones, then of all that stand in one place the first, the second, and so on.

    Ranks stand in the same place when they wait in the same operations of communicators of the same name, or not at all, in
    one phase.
    """
    wanted = sorted(set(ranks))
    if len(wanted) <= most:
        return wanted
    chosen = [rank for rank in sorted(set(blamed)) if rank in set(wanted)][:most]
    places: dict[object, list[int]] = defaultdict(list)
    for rank in wanted:
        if rank not in chosen:
            places[_place(states[rank])].append(rank)
    turn = 0
    while len(chosen) < most:
        chosen += [group[turn] for group in places.values() if turn < len(group)][: most - len(chosen)]
        turn += 1
    return sorted(chosen)


def left_out_text(ranks: Iterable[int], chosen: Iterable[int]) -> str:
    """Whose stacks were not taken, and why; empty when all were."""
    rest = set(ranks) - set(chosen)
    if not rest:
        return ""
    return (
        f"Stacks were taken of {words.ranks_text(chosen)}: of those to blame, and of some in each place where ranks stand.\n"
        f"They were not taken of {words.ranks_text(rest)}.\n"
    )


def _place(state: RankState) -> object:
    waits = tuple((wait.comm.partition("#")[0], wait.op) for _, wait in state.waits())
    return (state.status, state.phase, state.shape, state.runs, waits)
