"""The wait-for graph of a situation of which nothing is proved, from the data in which it is told. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from lockstep.harness.judge.verdict import RankEnd, WaitLine
from lockstep.harness.report.pages.wait_graph import WaitGraph, graph_of


def situation_graph(ranks: Sequence[Mapping[str, Any]], blamed: Collection[int] = ()) -> WaitGraph:
    """Of the ranks, each with its waits: as `lockstep peek` tells them, and waits.json."""
    return graph_of([line for rank in ranks for line in wait_lines(rank)], [_end(rank) for rank in ranks], blamed)


def unproved_graph(ranks: Sequence[Mapping[str, Any]], blamed: Collection[int]) -> WaitGraph:
    """The same from a file, which may hold anything: then nothing is drawn."""
    try:
        return situation_graph(ranks, blamed)
    except (LookupError, ValueError, TypeError, AttributeError):
        return WaitGraph((), ())


def _end(rank: Mapping[str, Any]) -> RankEnd:
    return RankEnd(int(rank["rank"]), str(rank["status"]), str(rank["phase"]), str(rank["shape"]))


def wait_lines(rank: Mapping[str, Any]) -> list[WaitLine]:
    """Its waits. A thread of a library that waits for its own process tells nothing beside others."""
    waits = [wait for wait in rank["waits"] if wait["comm"] or wait["site"]] or rank["waits"]
    return [
        WaitLine(
            int(rank["rank"]),
            str(wait["comm"]),
            str(wait["kind"]) if wait["comm"] else "process",
            str(wait["name"]),
            str(wait["op"]),
            int(wait["seq"]),
            str(wait["phase"]),
            str(rank["shape"]),
            tuple(wait["for"]),
            bool(wait["stream"]),
            site=str(wait["site"]),
        )
        for wait in waits
    ]
