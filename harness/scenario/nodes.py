"""How a scenario deals its ranks to nodes: `nodes` and `ranks_per_node`. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lockstep.harness.scenario.document import Keys
from lockstep.harness.scenario.frame import Frame


def node_counts(frame: Frame, ranks: int) -> tuple[int, ...]:
    """The ranks of each node, in the order of ranks; empty where the scenario does not say. It has nothing wrong."""
    count, each = frame.nodes, frame.ranks_per_node
    if isinstance(each, list):
        return tuple(each)
    if count is not None:
        return (ranks // count,) * count
    return () if each is None else (each,) * (ranks // each)


def wrong_nodes(frame: Frame, ranks: int) -> Iterator[tuple[Keys, str]]:
    """What does not add up, as its path and a sentence with advice."""
    count, each = frame.nodes, frame.ranks_per_node
    if isinstance(each, list):
        if sum(each) != ranks:
            yield (
                ("ranks_per_node",),
                f"{each} adds up to {sum(each)} ranks, and there are {ranks}; {_list_for(len(each), ranks)}",
            )
        elif count is not None and count != len(each):
            yield ("nodes",), f"{count} is not the {len(each)} nodes of ranks_per_node; leave nodes out"
    elif count is not None and count > ranks:
        yield ("nodes",), f"{count} nodes are too many for {ranks} ranks; every node has at least one"
    elif count is not None and each is not None and count * each != ranks:
        yield (
            ("ranks_per_node",),
            f"{each} on each of {count} nodes is {count * each} ranks, and there are {ranks}; leave it out",
        )
    elif count is not None and ranks % count:
        yield ("nodes",), f"{ranks} ranks cannot be dealt evenly to {count} nodes; {_list_for(count, ranks)}"
    elif each is not None and ranks % each:
        yield ("ranks_per_node",), f"{ranks} ranks are no multiple of {each}; {_list_for(-(-ranks // each), ranks)}"


def _list_for(count: int, ranks: int) -> str:
    """Advice: a list that would do."""
    if not 1 <= count <= ranks:
        return "give one number for each node"
    even, more = divmod(ranks, count)
    return f"for example ranks_per_node: {[even + (number < more) for number in range(count)]}"
