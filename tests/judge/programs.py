"""Small random programs of ranks, their semantics, and every state that any interleaving reaches.

Written without a look at the judge: a program is run by rules of what each operation waits for, step by step.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

COLLECTIVES = ("barrier", "bcast", "gather", "timed")
ENDS = ("return", "raise", "run")


@dataclass(frozen=True)
class Op:
    """A collective on `comm` (with `root`), or a point-to-point operation with `peer`."""

    name: str  # barrier, bcast, gather, timed (a barrier with a deadline), send, ssend, recv
    comm: int
    peer: int = -1  # root or peer, a rank
    tag: int = 0


@dataclass(frozen=True)
class Program:
    """For each rank its operations and how it ends; for each communicator its members."""

    ops: tuple[tuple[Op, ...], ...]
    ends: tuple[str, ...]
    comms: tuple[tuple[int, ...], ...]

    @property
    def size(self) -> int:
        """Ranks."""
        return len(self.ops)


@dataclass(frozen=True)
class State:
    """For each rank: the number of its next or present operation, and whether it is inside it."""

    at: tuple[int, ...]
    inside: tuple[bool, ...]


def random_program(seed: int) -> Program:
    """A program of 2 to 4 ranks. Half of them are nearly right: the same operations on all ranks, with few changes."""
    chance = random.Random(seed)
    size = chance.choice((2, 2, 3, 3, 4))
    groups = [tuple(range(size))]
    for _ in range(chance.randrange(3)):
        group = tuple(sorted(chance.sample(range(size), chance.randint(2, size))))
        groups.append(group)
    length = 3 if size < 4 else 2
    common = [_collective(chance, groups) for _ in range(length)]
    ops: list[tuple[Op, ...]] = []
    for rank in range(size):
        mine = list(common) if chance.random() < 0.6 else [_any(chance, groups, rank, size) for _ in range(length)]
        if mine and chance.random() < 0.4:
            mine[chance.randrange(len(mine))] = _any(chance, groups, rank, size)
        mine = mine[: chance.choice((length, length, length - 1))]
        ops.append(tuple(op for op in mine if rank in groups[op.comm]))
    ends = tuple(chance.choice(("return", "return", "raise", "run")) for _ in range(size))
    return Program(tuple(ops), ends, tuple(groups))


def _collective(chance: random.Random, groups: list[tuple[int, ...]]) -> Op:
    comm = chance.randrange(len(groups))
    return Op(chance.choice(COLLECTIVES), comm, chance.choice(groups[comm]))


def _any(chance: random.Random, groups: list[tuple[int, ...]], rank: int, size: int) -> Op:
    if chance.random() < 0.6:
        return _collective(chance, groups)
    peer = chance.choice([other for other in range(size) if other != rank])
    return Op(chance.choice(("send", "ssend", "recv")), 0, peer, chance.randrange(2))


def begun(program: Program, state: State, rank: int) -> Iterator[Op]:
    """The operations that a rank has entered."""
    yield from program.ops[rank][: state.at[rank] + state.inside[rank]]


def collectives(program: Program, state: State, rank: int, comm: int) -> int:
    """How many collectives of a communicator a rank has entered."""
    return sum(op.name in COLLECTIVES and op.comm == comm for op in begun(program, state, rank))


def messages(program: Program, state: State, rank: int, names: tuple[str, ...], peer: int, tag: int) -> int:
    """How many point-to-point operations of these names with this peer and tag a rank has entered."""
    return sum(op.name in names and op.peer == peer and op.tag == tag for op in begun(program, state, rank))


def may_end(program: Program, state: State, rank: int) -> bool:
    """Whether the operation that a rank is inside of may end in this state, by the operation's own rule."""
    op = program.ops[rank][state.at[rank]]
    if op.name in COLLECTIVES:
        number = collectives(program, state, rank, op.comm)
        come = {m for m in program.comms[op.comm] if collectives(program, state, m, op.comm) >= number}
        root = rank == op.peer
        if op.name == "timed":
            return True
        if op.name == "bcast":
            return root or op.peer in come
        if op.name == "gather":
            return not root or come == set(program.comms[op.comm])
        return come == set(program.comms[op.comm])
    if op.name == "send":
        return True
    mine = ("send", "ssend") if op.name == "ssend" else ("recv",)
    theirs = ("recv",) if op.name == "ssend" else ("send", "ssend")
    number = messages(program, state, rank, mine, op.peer, op.tag)
    return messages(program, state, op.peer, theirs, rank, op.tag) >= number


def moves(program: Program, state: State) -> Iterator[tuple[int, State]]:
    """Every rank that can make a step, and the state after it."""
    for rank in range(program.size):
        at, inside = state.at[rank], state.inside[rank]
        if inside and may_end(program, state, rank):
            yield rank, _with(state, rank, at + 1, False)
        elif not inside and at < len(program.ops[rank]):
            yield rank, _with(state, rank, at, True)


def _with(state: State, rank: int, at: int, inside: bool) -> State:
    ats, insides = list(state.at), list(state.inside)
    ats[rank], insides[rank] = at, inside
    return State(tuple(ats), tuple(insides))


def explore(program: Program) -> dict[State, frozenset[int]]:
    """Every reachable state, and the ranks that make a step in some continuation of it."""
    first = State((0,) * program.size, (False,) * program.size)
    order: list[State] = []
    after: dict[State, list[tuple[int, State]]] = {}
    work = [first]
    while work:
        state = work.pop()
        if state in after:
            continue
        after[state] = list(moves(program, state))
        order.append(state)
        work += [following for _, following in after[state]]
    # Every step adds to the total, so later totals first gives successors first.
    order.sort(key=lambda state: sum(state.at) * 2 + sum(state.inside), reverse=True)
    movers: dict[State, frozenset[int]] = {}
    for state in order:
        movers[state] = frozenset().union(*({rank} | movers[following] for rank, following in after[state]), frozenset())
    return movers


def freed_by_anything(program: Program, state: State) -> set[int]:
    """The blocked ranks that end their wait when every rank that is not blocked or ended may do anything it likes.

    A rank that may do anything enters every collective, sends and receives everything, again and again; a blocked rank
    that is let go joins in.
    """
    free = {rank for rank in range(program.size) if not state.inside[rank] and not ended(program, state, rank)}
    freed: set[int] = set()
    while True:
        more = {
            rank
            for rank in range(program.size)
            if state.inside[rank] and rank not in freed and _ends_with(program, state, rank, free)
        }
        if not more:
            return freed
        freed |= more
        free |= more


def _ends_with(program: Program, state: State, rank: int, free: set[int]) -> bool:
    """Whether a rank's operation may end when the ranks of `free` do all that they can for it."""
    if may_end(program, state, rank):
        return True
    op = program.ops[rank][state.at[rank]]
    if op.name not in COLLECTIVES:
        return op.peer in free
    number = collectives(program, state, rank, op.comm)
    missing = {m for m in program.comms[op.comm] if collectives(program, state, m, op.comm) < number} - free
    if op.name == "bcast":
        return op.peer not in missing
    return not missing


def ended(program: Program, state: State, rank: int) -> bool:
    """Whether a rank's program is over: it has returned or raised."""
    return state.at[rank] == len(program.ops[rank]) and program.ends[rank] != "run"
