"""Small MPI programs and every interleaving of their ranks and messages, by MPI's own rules of matching.

Written without a look at the judge. A message that was sent arrives later, in the order of its sender; it goes to the first
receive posted that takes it, else it lies there until one is posted or a probe takes it out.

Over the size we keep: the rules of matching are one text, and half of them would be wrong.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

ANY = -1
POSTS = ("irecv", "issend", "ibarrier")
WAITS = ("wait", "waitall", "waitany", "waitsome")


class Op(NamedTuple):
    """One call: `peer` and `tag` of its message; of a sendrecv those of its receive as `source` and `label`."""

    name: str
    peer: int = ANY
    tag: int = 0
    source: int = ANY
    label: int = 0


class Program(NamedTuple):
    """For each rank its calls, and whether it has ended with the last of them or goes on for ever, unseen."""

    ops: tuple[tuple[Op, ...], ...]
    runs_on: tuple[bool, ...]


class Request(NamedTuple):
    """An operation that was begun. `got`: sender and tag of the message that it has; of others anything that ends it."""

    verb: str  # recv, send, barrier
    peer: int
    tag: int
    got: tuple[int, int] | None = None
    cancelled: bool = False
    told: bool = False  # its end was told to the program

    @property
    def done(self) -> bool:
        """Whether a wait for it ends."""
        return self.got is not None or self.cancelled

    def takes(self, sender: int, tag: int) -> bool:
        """Whether it is a receive that still waits for such a message."""
        return self.verb == "recv" and not self.done and self.peer in (ANY, sender) and self.tag in (ANY, tag)


class Message(NamedTuple):
    """On its way, or there. `request`: of a synchronous send, which of its sender's."""

    sender: int
    tag: int
    request: int


class Rank(NamedTuple):
    """Where a rank is. `waits`: the requests that its present call waits for, None: it is in no call that waits for some.

    `tells`: what its calls were told, in order, as its events say it: (place in program, request, what).
    """

    at: int = 0
    waits: tuple[int, ...] | None = None
    looks: bool = False  # it is in a probe
    requests: tuple[Request, ...] = ()
    tells: tuple[tuple[int, int, tuple[int, int] | None], ...] = ()

    @property
    def blocked(self) -> bool:
        """Whether it is in a call."""
        return self.waits is not None or self.looks

    @property
    def view(self) -> tuple[object, ...]:
        """What its events tell."""
        return (self.at, self.waits, self.looks, self.tells)


class State(NamedTuple):
    """All ranks; messages on their way, by sender and receiver; messages that lie there, in the order in which they came."""

    ranks: tuple[Rank, ...]
    ways: tuple[tuple[Message, ...], ...]
    lying: tuple[tuple[Message, ...], ...]


class Machine:
    """The steps that are possible in one program."""

    def __init__(self, program: Program) -> None:
        self.ops = program.ops
        self.size = len(program.ops)

    def first(self) -> State:
        """Before any step."""
        nothing: tuple[tuple[Message, ...], ...] = ((),)
        return State((Rank(),) * self.size, nothing * self.size**2, nothing * self.size)

    def ended(self, state: State, rank: int) -> bool:
        """Whether a rank has made its last call."""
        mine = state.ranks[rank]
        return not mine.blocked and mine.at == len(self.ops[rank])

    def steps(self, state: State) -> Iterator[tuple[int, State]]:
        """Every step: of a rank, or (-1) of a message that arrives."""
        for rank, mine in enumerate(state.ranks):
            if mine.blocked:
                yield from ((rank, after) for after in self._ends(state, rank))
            elif mine.at < len(self.ops[rank]):
                yield rank, self._begins(state, rank)
        for way, messages in enumerate(state.ways):
            if messages:
                yield -1, self._arrives(state, way)

    # --- messages -------------------------------------------------------------------------------------------------

    def _arrives(self, state: State, way: int) -> State:
        receiver = way % self.size
        message, *left = state.ways[way]
        state = state._replace(ways=_put(state.ways, way, tuple(left)))
        for number, request in enumerate(state.ranks[receiver].requests):
            if request.takes(message.sender, message.tag):
                return self._joined(state, receiver, number, message)
        return state._replace(lying=_put(state.lying, receiver, (*state.lying[receiver], message)))

    def _joined(self, state: State, receiver: int, number: int, message: Message) -> State:
        """A receive gets a message; a synchronous send of it ends."""
        state = _with(state, receiver, number, got=(message.sender, message.tag))
        if message.request >= 0:
            state = _with(state, message.sender, message.request, got=(message.sender, message.tag))
        return state

    def _send(self, state: State, rank: int, peer: int, tag: int, synchronous: bool) -> State:
        number = -1
        if synchronous:
            number = len(state.ranks[rank].requests)
            state = _add(state, rank, Request("send", peer, tag))
        way = rank * self.size + peer
        return state._replace(ways=_put(state.ways, way, (*state.ways[way], Message(rank, tag, number))))

    def _receive(self, state: State, rank: int, peer: int, tag: int) -> State:
        number = len(state.ranks[rank].requests)
        request = Request("recv", peer, tag)
        state = _add(state, rank, request)
        for message in state.lying[rank]:
            if request.takes(message.sender, message.tag):
                left = tuple(other for other in state.lying[rank] if other is not message)
                return self._joined(state._replace(lying=_put(state.lying, rank, left)), rank, number, message)
        return state

    # --- calls ----------------------------------------------------------------------------------------------------

    def _begins(self, state: State, rank: int) -> State:
        op, before = self.ops[rank][state.ranks[rank].at], len(state.ranks[rank].requests)
        name = op.name
        if name in ("probe", "mprobe"):
            return _rank(state, rank, looks=True)
        if name in ("send", "ssend", "issend", "sendrecv", "ssendrecv"):
            state = self._send(state, rank, op.peer, op.tag, name.lstrip("i").startswith("ss"))
        if name in ("recv", "irecv"):
            state = self._receive(state, rank, op.peer, op.tag)
        if name.endswith("sendrecv"):
            state = self._receive(state, rank, op.source, op.label)
        if name in ("barrier", "ibarrier"):
            state = self._meet(_add(state, rank, Request("barrier", ANY, 0)))
        if name in ("cancel", "test"):
            state = self._cancel(state, rank) if name == "cancel" else self._test(state, rank)
        if name in WAITS:
            active = tuple(n for n, request in enumerate(state.ranks[rank].requests) if not request.told)
            waits = active[:1] if name == "wait" else active
        else:
            waits = () if name in POSTS else tuple(range(before, len(state.ranks[rank].requests)))
        if waits:
            return _rank(state, rank, waits=waits)
        return _rank(state, rank, at=state.ranks[rank].at + 1)

    def _ends(self, state: State, rank: int) -> Iterator[State]:
        """The ways in which the call that a rank is in may end now."""
        mine = state.ranks[rank]
        op = self.ops[rank][mine.at]
        if mine.waits is None:
            found = self._seen(state, rank, op)
            if found is not None:
                if op.name == "mprobe":
                    left = tuple(other for other in state.lying[rank] if other is not found)
                    state = state._replace(lying=_put(state.lying, rank, left))
                    if found.request >= 0:
                        state = _with(state, found.sender, found.request, got=(found.sender, found.tag))
                    mine = state.ranks[rank]
                    state = _rank(state, rank, tells=(*mine.tells, (mine.at, -1, (found.sender, found.tag))))
                yield _rank(state, rank, looks=False, at=mine.at + 1)
            return
        done = [number for number in mine.waits if mine.requests[number].done]
        if not done or (op.name not in ("waitany", "waitsome") and len(done) < len(mine.waits)):
            return
        for told in [[number] for number in done] if op.name == "waitany" else [done]:
            yield _rank(self._tell(state, rank, told), rank, waits=None, at=mine.at + 1)

    def _seen(self, state: State, rank: int, op: Op) -> Message | None:
        return next((m for m in state.lying[rank] if op.peer in (ANY, m.sender) and op.tag in (ANY, m.tag)), None)

    def _meet(self, state: State) -> State:
        """Barriers that all have entered end."""
        numbers = [[n for n, one in enumerate(rank.requests) if one.verb == "barrier"] for rank in state.ranks]
        for met in zip(*numbers, strict=False):
            for rank, number in enumerate(met):
                if not state.ranks[rank].requests[number].done:
                    state = _with(state, rank, number, got=(0, 0))
        return state

    def _cancel(self, state: State, rank: int) -> State:
        """Take back the last receive whose end was not told; that may be too late."""
        for number, request in reversed(list(enumerate(state.ranks[rank].requests))):
            if request.verb == "recv" and not request.told:
                mine = state.ranks[rank]
                state = _rank(state, rank, tells=(*mine.tells, (mine.at, number, None)))
                return state if request.done else _with(state, rank, number, cancelled=True)
        return state

    def _test(self, state: State, rank: int) -> State:
        active = [number for number, request in enumerate(state.ranks[rank].requests) if not request.told]
        return self._tell(state, rank, [number for number in active[:1] if state.ranks[rank].requests[number].done])

    def _tell(self, state: State, rank: int, numbers: list[int]) -> State:
        for number in numbers:
            mine = state.ranks[rank]
            state = _rank(state, rank, tells=(*mine.tells, (mine.at, number, mine.requests[number].got)))
            state = _with(state, rank, number, told=True)
        return state


def _put(row: tuple[tuple[Message, ...], ...], place: int, value: tuple[Message, ...]) -> tuple[tuple[Message, ...], ...]:
    return (*row[:place], value, *row[place + 1 :])


def _rank(state: State, rank: int, **changes: object) -> State:
    mine = state.ranks[rank]._replace(**changes)  # type: ignore[arg-type]
    return state._replace(ranks=(*state.ranks[:rank], mine, *state.ranks[rank + 1 :]))


def _add(state: State, rank: int, request: Request) -> State:
    return _rank(state, rank, requests=(*state.ranks[rank].requests, request))


def _with(state: State, rank: int, number: int, **changes: object) -> State:
    requests = state.ranks[rank].requests
    changed = requests[number]._replace(**changes)  # type: ignore[arg-type]
    return _rank(state, rank, requests=(*requests[:number], changed, *requests[number + 1 :]))


def explore(program: Program, most: int) -> dict[State, frozenset[int]] | None:
    """Every state that can be reached, and the ranks that take a step in some continuation of it; None: more than `most`."""
    machine = Machine(program)
    after: dict[State, list[tuple[int, State]]] = {}
    work = [machine.first()]
    order: list[State] = []
    while work:
        state = work.pop()
        if state in after:
            continue
        if len(after) >= most:
            return None
        after[state] = list(dict.fromkeys(machine.steps(state)))
        order.append(state)
        work += [following for _, following in after[state]]
    # Every step adds to the total, so that those after it come first.
    order.sort(key=_total, reverse=True)
    movers: dict[State, frozenset[int]] = {}
    for state in order:
        found: frozenset[int] = frozenset()
        for rank, following in after[state]:
            found |= movers[following] if rank < 0 else movers[following] | {rank}
        movers[state] = found
    return movers


def _total(state: State) -> int:
    """Grows with every step: begins and ends of calls, and arrivals, which each take a message off its way."""
    calls = sum(3 * (2 * rank.at + rank.blocked) for rank in state.ranks)
    return calls - sum(map(len, state.ways))


KINDS = (
    "send", "send", "send", "ssend", "issend", "sendrecv", "ssendrecv", "recv", "recv", "recv", "irecv", "irecv", "irecv",
    "wait", "waitall", "waitany", "waitsome", "probe", "mprobe", "cancel", "test", "barrier", "ibarrier",
)  # fmt: skip


def random_program(seed: int) -> Program:
    """Two or three ranks with a few calls each; half of the programs never go on after their last one."""
    chance = random.Random(seed)
    size = chance.choice((2, 2, 2, 3))
    wild, tags = chance.choice((0.0, 0.3, 0.6)), chance.choice((1, 2))
    programs = []
    for rank in range(size):
        ops = []
        for name in chance.choices(KINDS, k=chance.randint(1, 5 if size == 2 else 3)):
            peers = [peer for peer in range(size) if peer != rank or chance.random() < 0.2]
            source, label = chance.choice(peers or [rank]), chance.randrange(tags)
            if chance.random() < wild:
                source = ANY
            if chance.random() < wild / 2:
                label = ANY
            to, tag = chance.choice(peers or [rank]), chance.randrange(tags)
            takes = name in ("recv", "irecv", "probe", "mprobe")
            ops.append(Op(name, source, label) if takes else Op(name, to, tag, source, label))
        programs.append(tuple(ops))
    runs_on = chance.random() < 0.2
    return Program(tuple(programs), tuple(runs_on and chance.random() < 0.5 for _ in programs))
