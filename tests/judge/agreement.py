"""How far the judge and all interleavings of a program agree: what it proves never moves, and what never moves it proves."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from lockstep.harness.judge.graph import stuck
from lockstep.harness.trace.state import RankState
from tests.judge.mpi_events import Events, members
from tests.judge.mpi_machine import Machine, Program, Rank, State, explore, random_program

MOST_STATES = 4000
Judge = Callable[[Mapping[int, RankState], Mapping[str, tuple[int, ...]]], set[int]]


def judge(states: Mapping[int, RankState], comms: Mapping[str, tuple[int, ...]]) -> set[int]:
    """The ranks that are called stuck."""
    return {found.rank for found in stuck(states, comms)}


@dataclass
class Agreement:
    """What was found over many programs."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)  # called stuck, and moves
    missed: list[str] = field(default_factory=list)  # never moves, as its events tell, and not called stuck

    @property
    def proved(self) -> float:
        """The share of the deadlocks that events can tell which is proved."""
        return self.counts["deadlocks proved"] / max(1, self.counts["deadlocks"] - self.counts["deadlocks not decidable"])


def agreement(seeds: Iterable[int], judge: Judge = judge) -> Agreement:
    """Over these programs, each in all of its states."""
    found = Agreement()
    for seed in seeds:
        program = random_program(seed)
        movers = explore(program, MOST_STATES)
        if movers is None:
            found.counts["programs too large"] += 1
            continue
        found.counts["programs"] += 1
        found.counts["states"] += len(movers)
        _compare(seed, program, movers, found, judge)
    return found


def _compare(seed: int, program: Program, movers: dict[State, frozenset[int]], found: Agreement, judge: Judge) -> None:
    machine, comms = Machine(program), members(program)
    views: dict[tuple[object, ...], list[State]] = defaultdict(list)
    for state in movers:
        views[tuple(rank.view for rank in state.ranks)].append(state)
    known: dict[tuple[int, tuple[object, ...]], RankState] = {}

    def told(number: int, rank: Rank) -> RankState:
        key = (number, rank.view)
        if key not in known:
            known[key] = Events(program, number).state(rank)
        return known[key]

    for states in views.values():
        ranks = states[0].ranks
        blocked = {number for number, rank in enumerate(ranks) if rank.blocked}
        if not blocked:
            continue
        found.counts["snapshots"] += 1
        judged = judge({number: told(number, rank) for number, rank in enumerate(ranks)}, comms)
        moving = frozenset().union(*(movers[state] for state in states))
        if judged & moving:
            found.wrong.append(
                f"seed {seed}: {sorted(judged & moving)} called stuck, and may move: {program.ops} at {ranks}"
            )
        dead = [state for state in states if not movers[state] and not any(machine.steps(state))]
        if not dead or any(program.runs_on):
            continue
        found.counts["deadlocks"] += 1
        if moving:
            found.counts["deadlocks not decidable"] += 1  # another state that tells the same goes on
        elif judged == blocked:
            found.counts["deadlocks proved"] += 1
        else:
            found.missed.append(f"seed {seed}: {sorted(blocked - judged)} never move: {program.ops} at {ranks}")
