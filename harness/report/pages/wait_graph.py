"""The wait-for graph of a verdict as it is drawn: ranks alike are one node, and so is each operation in which they wait.

Pure. Where there are more nodes than can be read, what is alike but for numbers and peers is put together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lockstep.harness.judge.verdict import RankEnd, Verdict, WaitLine
from lockstep.harness.judge.words import capital, ranks_text
from lockstep.harness.vocabulary import Cause

SLEEP = "process"  # the kind of a wait that is no operation of a communicator: a queue, a lock, a joined process
ELSEWHERE = "needs who is no rank: see above"
MOST = 12  # nodes that can be read at once
ENDED = ("raised", "returned", "aborted", "unable", "dead")


class Node(NamedTuple):
    """`library`: of an operation, as its communicator names it; empty: ranks."""

    title: str
    lines: tuple[str, ...]
    library: str = ""
    blamed: bool = False


class Link(NamedTuple):
    """From who waits to the operation, from the operation to whom it needs; by the places of their nodes."""

    source: int
    target: int
    needs: bool


@dataclass(frozen=True, slots=True)
class WaitGraph:
    """What is drawn. `merged`: operations of one kind are together, whatever their numbers."""

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    merged: bool = False
    left_out: int = 0  # nodes for which there was no room

    @property
    def libraries(self) -> list[str]:
        """Whose operations are in it."""
        return list(dict.fromkeys(node.library for node in self.nodes if node.library))


class _Wait(NamedTuple):
    """One rank in one operation."""

    rank: int
    operation: Hashable
    title: str
    line: str
    library: str
    lacks: tuple[int, ...]


def wait_graph(verdict: Verdict) -> WaitGraph:
    """Of a hang; without nodes where nothing is known to wait."""
    blamed = verdict.blame.ranks if verdict.blame else ()
    parted = _parted(verdict) if verdict.cause is Cause.MISMATCH and verdict.blame and len(verdict.blame.choices) > 1 else ()
    return graph_of(verdict.knot, verdict.ranks, blamed, parted)


def graph_of(
    lines: Sequence[WaitLine], ends: Sequence[RankEnd], blamed: Collection[int] = (), parted: Sequence[_Wait] = ()
) -> WaitGraph:
    """Of these waits, and of the ranks in them as they stand. `parted`: what is drawn in place of the waits."""
    for name in (_exact, _alike):
        made = _graph(ends, blamed, parted or _waits(lines, name), merged=name is _alike)
        if len(made.nodes) <= MOST:
            return made
    kept = range(MOST)
    links = tuple(link for link in made.links if link.source in kept and link.target in kept)
    return WaitGraph(made.nodes[:MOST], links, True, len(made.nodes) - MOST)


def _exact(line: WaitLine) -> Hashable:
    """A receive is one with its peers; a collective that of all its members."""
    return (line.comm, line.op, line.seq, line.stream, line.graph, line.lacks if _names_peer(line) else ())


def _alike(line: WaitLine) -> Hashable:
    return (line.kind, line.op, line.stream, line.phase, line.site)


def _names_peer(line: WaitLine) -> bool:
    return any(word in line.op for word in ("recv", "send", "probe"))


def _waits(lines: Sequence[WaitLine], name: Callable[[WaitLine], Hashable]) -> list[_Wait]:
    exact = name is _exact
    # A host's wait for its own stream goes without saying: the stream's wait tells.
    shown = [line for line in lines if line.lacks != (line.rank,)]
    return [_Wait(line.rank, name(line), _title(line, exact), _place(line), line.kind, line.lacks) for line in shown]


def _parted(verdict: Verdict) -> list[_Wait]:
    """Ranks that came to different operations: each needs the others in its own."""
    choices = verdict.blame.choices if verdict.blame else {}
    kinds = {line.rank: line.kind for line in verdict.knot}
    kinds.update({end.rank: "" for end in verdict.ranks if end.rank not in kinds})
    library = next((kind for kind in kinds.values() if kind), _library_of(verdict))
    everybody = [rank for made in choices.values() for rank in made]
    found: list[_Wait] = []
    for what, made in choices.items():
        title, _, site = what.partition(" at ")
        place = short(site)
        lacks = tuple(rank for rank in everybody if rank not in set(made))
        found += [_Wait(rank, what, title, place, library, lacks) for rank in made]
    return found


def _library_of(verdict: Verdict) -> str:
    """That of the first finding which names a communicator."""
    for finding in verdict.findings:
        comm = finding.facts.get("comm")
        if isinstance(comm, str):
            return comm.partition(":")[0]
    return "other"


def _title(line: WaitLine, exact: bool) -> str:
    if line.kind == SLEEP:
        return line.op
    name = " ".join(filter(None, (line.kind, line.name, line.op))) if exact else f"{line.kind} {line.op}"
    return f"{name} #{line.seq}" if exact and line.seq else name


def _place(line: WaitLine) -> str:
    place = short(line.site) or " ".join(filter(None, (line.phase, line.shape)))
    return f"graph {line.graph}, {place}" if line.graph else place


def _graph(ranks_ends: Sequence[RankEnd], blamed: Collection[int], waits: Sequence[_Wait], merged: bool) -> WaitGraph:
    ends = {end.rank: end for end in ranks_ends}
    operations: dict[Hashable, _Wait] = {}
    inside: dict[int, set[Hashable]] = defaultdict(set)
    needed: dict[int, set[Hashable]] = defaultdict(set)
    by_lacks: dict[tuple[Hashable, tuple[int, ...]], None] = {}
    for wait in waits:
        operations.setdefault(wait.operation, wait)
        inside[wait.rank].add(wait.operation)
        by_lacks[wait.operation, wait.lacks] = None
    for operation, lacks in by_lacks:
        for rank in lacks:
            needed[rank].add(operation)
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for rank in sorted({*inside, *needed}):
        alike = (frozenset(inside[rank]), frozenset(needed[rank]), rank in blamed, _standing(ends.get(rank)))
        groups[alike].append(rank)
    nodes: list[Node] = []
    links: list[Link] = []
    for ranks in sorted(groups.values(), key=lambda ranks: (ranks[0] not in blamed, -len(ranks), ranks)):
        lines = (_standing(ends.get(ranks[0])),) if not inside[ranks[0]] else ()
        nodes.append(Node(capital(ranks_text(ranks)), tuple(filter(None, lines)), "", ranks[0] in blamed))
    places = {operation: len(nodes) + at for at, operation in enumerate(operations)}
    for operation, wait in operations.items():
        told = any(lacks for one, lacks in by_lacks if one == operation) or wait.library != SLEEP
        texts = tuple(filter(None, (wait.line, "" if told else ELSEWHERE)))
        nodes.append(Node(wait.title, texts, wait.library or "other"))
    for at, ranks in enumerate(sorted(groups.values(), key=lambda ranks: (ranks[0] not in blamed, -len(ranks), ranks))):
        links += [Link(at, places[one], False) for one in operations if one in inside[ranks[0]]]
        links += [Link(places[one], at, True) for one in operations if one in needed[ranks[0]]]
    return WaitGraph(tuple(nodes), tuple(links), merged)


def short(site: str) -> str:
    """`file:line in function` without the folders of the file."""
    file, colon, rest = site.partition(":")
    return f"{file.rpartition('/')[2]}{colon}{rest}"


def _standing(end: RankEnd | None) -> str:
    """How somebody stands who may be in no wait that is known."""
    if end is None:
        return ""
    if end.status not in ENDED:
        return "" if end.status == "blocked" else "in no known wait"
    return f"{end.status} {end.error_type}".strip()
