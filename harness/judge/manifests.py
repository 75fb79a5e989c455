"""What each rank captured, compared: graphs that cannot be replayed together are found before anything hangs. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from lockstep.harness.judge.history import CapturedGraph, History

NOTHING = "nothing more"


@dataclass(frozen=True, slots=True)
class GraphMismatch:
    """The first captured graph (counted from 1) in which ranks differ, and which ranks captured what."""

    number: int
    groups: dict[str, list[int]]


def graph_mismatch(histories: Mapping[int, History]) -> GraphMismatch | None:
    """The first difference in the graphs of ranks that share a communicator; None when they are equal as far as they go.

    A rank that has captured fewer differs only if its capture is over: it has been in another phase since.
    """
    ranks = sorted(histories)
    for number in range(max((len(histories[rank].graphs) for rank in ranks), default=0)):
        groups: dict[str, list[int]] = defaultdict(list)
        for rank in ranks:
            history = histories[rank]
            if number < len(history.graphs):
                groups[_shown(history.graphs[number])].append(rank)
            elif _is_over(history, histories, number):
                groups[NOTHING].append(rank)
        # A group without a communicator between them (stages of a pipeline, replicas) may capture what it likes.
        together = [group for group in groups.values() if group]
        if len(together) > 1 and _meet(histories, together):
            return GraphMismatch(number + 1, dict(groups))
    return None


def _shown(graph: CapturedGraph) -> str:
    """A graph in words: its name, and how many collectives of which kind and size."""
    count: dict[str, int] = defaultdict(int)
    for comm, op, size in graph.collectives:
        kind = op.partition(" ")[0]
        count[f"{comm.partition('#')[0]} {kind}" + (f" of {size}" if size >= 0 else "")] += 1
    listed = ", ".join(f"{n} {what}" for what, n in count.items())
    return f"{graph.name} ({listed or 'no collectives'})"


def _is_over(history: History, histories: Mapping[int, History], number: int) -> bool:
    """Whether this rank has left the phase in which others captured graph `number`."""
    phases = {other.graphs[number].phase for other in histories.values() if number < len(other.graphs)}
    entered = next((at for at, phase in history.phases if phase in phases), None)
    return entered is not None and any(at > entered and phase not in phases for at, phase in history.phases)


def _meet(histories: Mapping[int, History], groups: list[list[int]]) -> bool:
    """Whether ranks of different groups share a communicator of a captured collective."""
    captured = {comm for history in histories.values() for graph in history.graphs for comm, _, _ in graph.collectives}
    known = [{comm for rank in group for comm in histories[rank].comms} & captured for group in groups]
    return any(one & two for at, one in enumerate(known) for two in known[at + 1 :])
