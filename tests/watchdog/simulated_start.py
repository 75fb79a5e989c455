"""A start-up of many ranks, simulated in virtual time: each rank is a program, and a collective ends when all have entered.

No rank knows what the others do, nor what the judge should say. One that has fewer KV blocks decides otherwise at its first
capture; what comes of that comes from the collectives.
"""

from __future__ import annotations

import functools
import heapq
import random
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

BATCHES = (32, 16, 8, 4, 2, 1)
LAYERS = 4
COMMS = ("world", "tp", "ep")
TP = 8  # ranks of a group of tensor parallelism, neighbours
ENOUGH = 96
TOKENS_A_BLOCK = 32


class Op(NamedTuple):
    """One step of a rank: a method of the recorder and its arguments. A collective is `enter` and, when it ends, `leave`."""

    verb: str
    arguments: tuple[object, ...] = ()


@dataclass(slots=True)
class Script:
    """What one rank does, and when, in seconds of virtual time."""

    times: array[float] = field(default_factory=lambda: array("d"))
    ops: list[Op] = field(default_factory=list)

    def add(self, at: float, op: Op) -> None:
        """One step more."""
        self.times.append(at)
        self.ops.append(op)


@dataclass(frozen=True, slots=True)
class Start:
    """The simulated start-up: a script for each rank, and the ranks that are blocked for ever at its end."""

    scripts: list[Script]
    blocked: frozenset[int]
    seconds: float  # virtual time of the last step
    events: int


def members_of(comm: str, rank: int, size: int, ep: int) -> tuple[int, ...]:
    """The ranks of the communicator of this name that `rank` belongs to: the world, or a group of neighbours."""
    width = {"world": size, "tp": TP, "ep": ep}[comm]
    first = rank - rank % width
    return _neighbours(first, min(first + width, size))


@functools.cache
def _neighbours(first: int, end: int) -> tuple[int, ...]:
    return tuple(range(first, end))


def start_up(blocks: int, random_s: Iterator[float]) -> Iterator[Op | float]:
    """One rank's program: what it does (`Op`), and the seconds that it computes in between."""
    for comm in COMMS:
        yield Op("comm", (comm,))
    yield next(random_s) * 10
    yield Op("enter", ("world", "barrier"))
    yield Op("phase", ("generation_capture",))
    for batch in BATCHES:
        needed = batch * 96 // TOKENS_A_BLOCK
        runs = needed <= blocks
        detail = f"free_blocks={blocks} needed_blocks={needed}"
        yield Op("shape", (f"bs={batch}",))
        yield Op("decision", ("capture.request", f"bs={batch}", "run" if runs else "left-out", detail, not runs))
        if not runs:
            continue
        for layer in range(LAYERS):
            yield next(random_s)
            yield Op("enter", ("tp", "allreduce"))
            yield Op("enter", ("ep", f"all_to_all dispatch layer={layer}"))
            yield next(random_s)
            yield Op("enter", ("ep", f"all_to_all combine layer={layer}"))
        yield Op("milestone", (f"bs={batch}",))
        yield Op("enter", ("tp", "allgather graph used"))
    yield Op("phase", ("",))
    yield Op("enter", ("world", "barrier"))
    yield Op("returned")


def simulate(size: int, blocks: Mapping[int, int], step_s: float = 0.05, ep: int = 64, seed: int = 1) -> Start:
    """Run all ranks until nobody can move. `blocks`: the ranks that have not enough; `step_s`: seconds of a computation;
    `ep`: ranks of a group of expert parallelism."""
    ops: dict[Op, Op] = {}  # all ranks do the same: one object for the same step
    scripts = [Script() for _ in range(size)]
    programs = [start_up(blocks.get(rank, ENOUGH), _durations(seed + rank, step_s)) for rank in range(size)]
    entered: list[dict[str, int]] = [{} for _ in range(size)]
    inside: dict[tuple[str, int, int], list[int]] = {}  # communicator, its first member, number -> who is in it
    done: set[int] = set()
    leave = Op("leave")
    now = 0.0
    work = [(0.0, rank) for rank in range(size)]
    while work:
        now, rank = heapq.heappop(work)
        script = scripts[rank]
        for step in programs[rank]:
            if isinstance(step, float):
                heapq.heappush(work, (now + step, rank))
                break
            script.add(now, ops.setdefault(step, step))
            if step.verb == "enter":
                comm = str(step.arguments[0])
                number = entered[rank][comm] = entered[rank].get(comm, 0) + 1
                group = members_of(comm, rank, size, ep)
                here = inside.setdefault((comm, group[0], number), [])
                here.append(rank)
                if len(here) == len(group):
                    for member in here:
                        scripts[member].add(now, leave)
                        heapq.heappush(work, (now, member))
                    here.clear()
                break
        else:
            done.add(rank)
    blocked = frozenset(range(size)) - done
    return Start(scripts, blocked, now, sum(len(script.ops) for script in scripts))


def _durations(seed: int, mean_s: float) -> Iterator[float]:
    chance = random.Random(seed)
    while True:
        yield chance.uniform(0.5, 1.5) * mean_s
