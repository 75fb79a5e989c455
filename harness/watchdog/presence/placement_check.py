"""Whether ranks run where they were sent: a launcher that deals them otherwise would be judged as another case. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from lockstep.harness.launch.rank_map import RankMap

Place = tuple[str, str]  # the name of a host, and what tells it from others


def misplaced(rank_map: RankMap, places: Mapping[int, Place]) -> str | None:
    """What is wrong with the places of the ranks that have reported; None: nothing so far.

    Hosts may report another name than that by which they are reached: ranks of one node must be on one host, whatever it is
    called, and those of different nodes on different ones.
    """
    if rank_map.local:
        return None
    first: dict[int, int] = {}  # node -> the first of its ranks that is known
    for rank, place in sorted(places.items()):
        node = rank_map.node_of(rank)
        other = first.setdefault(node, rank)
        if places[other] != place:
            text = f"ranks {other} and {rank} belong on one host ({rank_map.nodes[node].host})"
            return f"{text}, and the launcher started them on {places[other][0]} and {place[0]}"
    for node, rank in sorted(first.items()):
        for before, other in first.items():
            if before < node and places[other] == places[rank]:
                names = f"{rank_map.nodes[before].host} and {rank_map.nodes[node].host}"
                return f"ranks {other} and {rank} belong on different hosts ({names}), and both run on {places[rank][0]}"
    return None
