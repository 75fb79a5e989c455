"""The wait-for graph: which ranks can never move again. Pure; about linear in ranks times communicators.

A waiter (a thread, or a device stream) may move if it is running, or if everybody that its wait still lacks may move; one
that waits for several operations, if all of them may end, or any, as it asked. A rank may move if one of its waiters may.
The least fixpoint of that rule leaves the stuck set: only something from outside (a library's timeout, a kill) can end
those waits. docs/proof.md explains why that is a proof.

The states given must have held together; making sure of that is the watchdog's work.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lockstep.harness.judge.lacking import Holders, asked, entered, lacking
from lockstep.harness.judge.matchings import may_be_received, may_receive_all
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import RankState, Status, Wait

_TOGETHER = (Need.ALL, Need.COME)  # AND-waits that all ranks of a communicator share
_COMPOUND = (Need.EITHER, Need.EVERY, Need.BELOW)  # to be looked at again whenever somebody moves
_MESSAGES = (Need.RECV, Need.PROBE, Need.SSEND)  # these too, where it depends on the order of messages


@dataclass(frozen=True, slots=True)
class Stuck:
    """A wait that cannot end, and the members that it lacks (global ranks). `others`: those that came to something else."""

    rank: int
    thread: int
    wait: Wait
    lacks: tuple[int, ...]
    others: tuple[int, ...] = ()


def lacked(knot: Iterable[Stuck]) -> set[int]:
    """All ranks that somebody in the knot waits for. Those in one collective share their list, which is looked at once."""
    return {rank for lacks in {id(stuck.lacks): stuck.lacks for stuck in knot}.values() for rank in lacks}


class _Frontier:
    """AND-waits on one communicator. What (comm, seq) lacks grows with seq, so one number says which may end:

    the lowest count among members that cannot move (yet). Members are visited once, in order of their count.
    """

    __slots__ = ("at", "counts", "order", "waits")

    def __init__(self, members: Sequence[int], entered: Mapping[int, int]) -> None:
        self.counts = entered
        self.order = sorted(members, key=entered.__getitem__)
        self.at = 0
        self.waits: list[tuple[int, int]] = []  # (seq, rank), highest seq first

    def released(self, moves: set[int]) -> Iterable[int]:
        """The ranks whose waits on this communicator may end now; each is given once."""
        order, counts = self.order, self.counts
        while self.at < len(order) and order[self.at] in moves:
            self.at += 1
        frontier = counts[order[self.at]] if self.at < len(order) else None
        while self.waits and (frontier is None or self.waits[-1][0] <= frontier):
            yield self.waits.pop()[1]


Hopeless = Mapping[tuple[int, str, int], tuple[int, ...]]  # rank, communicator, number -> who came to something else


def stuck(
    states: Mapping[int, RankState],
    members: Mapping[str, Sequence[int]],
    closed: bool = True,
    hopeless: Hopeless | None = None,
    holders: Holders | None = None,
) -> list[Stuck]:
    """The waits that can never end, by rank. `members` gives the global ranks of each communicator key.

    A rank without a state (it has not reported yet) counts as running. Not `closed`: another process may still be started
    and come in the place of one that has ended, to where ranks first meet. `hopeless`: waits that never end whatever anybody
    does, since members have entered other collectives in their place. `holders`: who holds the ends of things that are
    waited for; whoever of them is not among `states` runs, and so does a wait for an end that is not listed.
    """
    lost = hopeless or {}
    moves = _start(states, members, holders or {})
    view = _View(states, members, holders, lost, moves)
    frontiers = _frontiers(states, members, moves, closed, lost)
    watched: dict[int, list[_Frontier]] = defaultdict(list)
    for frontier in frontiers:
        for rank in frontier.order:
            watched[rank].append(frontier)
    single: dict[int, list[int]] = defaultdict(list)  # rank -> those whose wait it may end
    compound: list[tuple[int, Wait]] = []
    work = list(moves)
    for rank, state in states.items():
        if rank in moves:
            continue
        for _, wait in state.waits():
            if wait.need in (*_TOGETHER, Need.STREAM) or view.others(rank, wait):
                continue  # a host in `synchronize` goes on only after its streams, which are waiters of their own
            lacks = () if wait.need in _COMPOUND else lacking(rank, wait, states, members, holders)
            if wait.need in _COMPOUND or (wait.need in _MESSAGES and not lacks):
                compound.append((rank, wait))
                continue
            if not lacks or any(peer in moves for peer in lacks):
                moves.add(rank)
                work.append(rank)
                break
            for peer in lacks:
                single[peer].append(rank)
    for frontier in frontiers:
        work.extend(_release(frontier, moves))
    work.extend(view.freed(compound))
    while work:
        mover = work.pop()
        for frontier in watched[mover]:
            work.extend(_release(frontier, moves))
        for waiter in single.pop(mover, ()):
            if waiter not in moves:
                moves.add(waiter)
                work.append(waiter)
        if not work:
            work.extend(view.freed(compound))
    return [
        Stuck(rank, thread, part, view.lacks(rank, part), view.others(rank, part))
        for rank, state in sorted(states.items())
        if rank not in moves
        for thread, wait in state.waits()
        for part in view.hopeless_parts(rank, wait)
    ]


@dataclass(slots=True)
class _View:
    """Everybody's states, and who moves so far."""

    states: Mapping[int, RankState]
    members: Mapping[str, Sequence[int]]
    holders: Holders | None
    lost: Hopeless
    moves: set[int]
    # All that wait in one collective lack the same members, so the work is done once for them.
    shared: dict[tuple[str, int], tuple[int, ...]] = field(default_factory=dict)

    def others(self, rank: int, wait: Wait) -> tuple[int, ...]:
        """Who came to something else than this wait is in. Messages have numbers of their own."""
        if wait.op.partition(" ")[0] in ("send", "recv", "probe"):
            return ()
        return self.lost.get((rank, wait.comm, wait.seq), ())

    def freed(self, compound: Iterable[tuple[int, Wait]]) -> set[int]:
        """The ranks that one of these waits lets go now. They are few: all are looked at when nothing else has changed."""
        found = {rank for rank, wait in compound if rank not in self.moves and self.may_end(rank, wait)}
        self.moves |= found
        return found

    def may_end(self, rank: int, wait: Wait) -> bool:
        """Whether a wait may end once all that move have moved, as far as they can."""
        if wait.need is Need.EITHER:
            return any(self.may_end(rank, part) for part in wait.parts)
        if wait.need is Need.EVERY:
            return all(self.may_end(rank, part) for part in wait.parts) and self._may_end_together(rank, wait.parts)
        if self.others(rank, wait):
            return False
        lacks = lacking(rank, wait, self.states, self.members, self.holders)
        if wait.need in (*_TOGETHER, Need.BELOW):
            return self.moves.issuperset(lacks)
        if lacks or wait.need not in _MESSAGES:
            return not lacks or any(peer in self.moves for peer in lacks)
        if wait.need is Need.SSEND:
            return may_be_received(rank, wait, self.states, self.members[wait.comm], self.moves)
        return self._may_end_together(rank, (wait,))

    def _may_end_together(self, rank: int, parts: Sequence[Wait]) -> bool:
        """Whether these receives may all end: each alone may, but two may need the same message."""
        receives: dict[str, list[Wait]] = defaultdict(list)
        for part in parts:
            if part.need in (Need.RECV, Need.PROBE):
                receives[part.comm].append(part)
        return all(
            may_receive_all(rank, listed, self.states, self.members[comm], self.moves) for comm, listed in receives.items()
        )

    def hopeless_parts(self, rank: int, wait: Wait) -> Sequence[Wait]:
        """What of a wait that never ends will not come: those parts that cannot, or all where only together they cannot."""
        return [part for part in wait.parts if not self.may_end(rank, part)] or wait.parts or (wait,)

    def lacks(self, rank: int, wait: Wait) -> tuple[int, ...]:
        """Whom a wait that never ends waits for."""
        others = self.others(rank, wait)
        if others or wait.need not in _TOGETHER:
            found = lacking(rank, wait, self.states, self.members, self.holders)
            return tuple(sorted({*others, *found})) if others else found or asked(rank, wait, self.members)
        key = (wait.comm, wait.seq)
        if key not in self.shared:
            self.shared[key] = lacking(rank, wait, self.states, self.members)
        return self.shared[key]


def _start(states: Mapping[int, RankState], members: Mapping[str, Sequence[int]], holders: Holders) -> set[int]:
    """Ranks that move without anybody's help: running ones, and those that nobody has heard of."""
    moves = {rank for rank, state in states.items() if state.runs}
    moves.update(rank for group in (*members.values(), *holders.values()) for rank in group if rank not in states)
    return moves


def _frontiers(
    states: Mapping[int, RankState], members: Mapping[str, Sequence[int]], moves: set[int], closed: bool, lost: Hopeless
) -> list[_Frontier]:
    waits: dict[tuple[str, bool], list[tuple[int, int]]] = defaultdict(list)
    for rank, state in states.items():
        if rank in moves:
            continue
        for _, wait in state.waits():
            if wait.need in _TOGETHER and not lost.get((rank, wait.comm, wait.seq)):
                waits[wait.comm, wait.need is Need.COME and not closed].append((wait.seq, rank))
    found: list[_Frontier] = []
    for (comm, replaced), waiting in waits.items():
        group = [m for m in members[comm] if not (replaced and _ended(states, m))]
        frontier = _Frontier(group, {m: entered(states, m, comm) for m in group})
        frontier.waits = sorted(waiting, reverse=True)
        found.append(frontier)
    return found


def _ended(states: Mapping[int, RankState], rank: int) -> bool:
    return rank in states and states[rank].status is not Status.RUNNING


def _release(frontier: _Frontier, moves: set[int]) -> list[int]:
    fresh: list[int] = []
    for rank in frontier.released(moves):
        if rank not in moves:
            moves.add(rank)
            fresh.append(rank)
    return fresh
