"""Small random programs that send and receive in every way that MPI has, run by MPI's rules of matching, step by step.

Written without a look at the judge: who matches whom is decided by order of posting and by chance, where that is free.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import RankState, Wait

COMM = "c"
ANY = -1


@dataclass
class Request:
    """A receive that was posted, or a send that waits for its receive."""

    need: Need
    peer: int
    tag: int
    seq: int
    took: tuple[int, int] | None = None  # sender and tag, when it has matched; of a send: anything
    cancelled: bool = False
    told: bool = False  # its end is written down

    @property
    def done(self) -> bool:
        """Whether a wait for it would end."""
        return self.took is not None or self.cancelled


@dataclass
class Message:
    """Sent, and not received yet."""

    tag: int
    request: Request | None  # of a synchronous send


Op = tuple[str, int, int]


@dataclass
class Machine:
    """The ranks of one run."""

    programs: list[list[Op]]
    chance: random.Random
    at: list[int] = field(default_factory=list)
    states: dict[int, RankState] = field(default_factory=dict)
    inside: list[list[Request] | None] = field(default_factory=list)  # what a rank's present wait is for
    any_of: list[bool] = field(default_factory=list)
    posted: list[list[Request]] = field(default_factory=list)
    queues: dict[tuple[int, int], list[Message]] = field(default_factory=dict)
    looking: list[tuple[int, int] | None] = field(default_factory=list)  # a probe's peer and tag

    def __post_init__(self) -> None:
        size = len(self.programs)
        self.at, self.inside, self.any_of = [0] * size, [None] * size, [False] * size
        self.posted, self.looking = [[] for _ in range(size)], [None] * size
        self.states = {rank: RankState(rank, waiters={0: None}) for rank in range(size)}
        self.queues = {(a, b): [] for a in range(size) for b in range(size)}

    def position(self, rank: int) -> tuple[int, bool]:
        """Where a rank is."""
        return self.at[rank], self.blocked(rank)

    def blocked(self, rank: int) -> bool:
        """Whether it is in a wait."""
        return self.inside[rank] is not None or self.looking[rank] is not None

    def can_move(self, rank: int) -> bool:
        """Whether a rank can take its next step."""
        waits, looks = self.inside[rank], self.looking[rank]
        if looks is not None:
            return any(self._first(rank, source, looks[1]) is not None for source in self._sources(looks[0]))
        if waits is not None:
            return any(r.done for r in waits) if self.any_of[rank] else all(r.done for r in waits)
        return self.at[rank] < len(self.programs[rank])

    def move(self, rank: int) -> None:
        """End the rank's wait, or begin its next operation."""
        if self.blocked(rank):
            for request in self.inside[rank] or ():
                if request.done:
                    self._tell(rank, request)
            self.inside[rank] = self.looking[rank] = None
            self.states[rank].waiters[0] = None
            return
        kind, peer, tag = self.programs[rank][self.at[rank]]
        self.at[rank] += 1
        if kind in ("send", "ssend"):
            self._send(rank, kind == "ssend", peer, tag)
        elif kind in ("recv", "irecv"):
            request = self._receive(rank, peer, tag)
            if kind == "recv":
                self._wait(rank, [request], Need.EVERY)
        elif kind == "probe":
            self.looking[rank] = (peer, tag)
            self.states[rank].waiters[0] = Wait(COMM, 0, "probe", Need.PROBE, peer, tag, 0, "", "")
        elif kind == "cancel":
            self._cancel(rank)
        elif (left := [r for r in self.posted[rank] if not r.told]) and kind in ("waitall", "waitany"):
            self._wait(rank, left, Need.EVERY if kind == "waitall" else Need.EITHER)

    def _wait(self, rank: int, requests: list[Request], need: Need) -> None:
        self.inside[rank], self.any_of[rank] = requests, need is Need.EITHER
        verb = {Need.RECV: "recv", Need.SSEND: "send"}
        parts = tuple(Wait(COMM, r.seq, verb[r.need], r.need, r.peer, r.tag, 0, "", "") for r in requests)
        one = parts[0] if len(parts) == 1 else Wait("", 0, "several", need, -1, 0, 0, "", "", parts=parts)
        self.states[rank].waiters[0] = one

    def _send(self, rank: int, synchronous: bool, peer: int, tag: int) -> None:
        sent = self.states[rank].sent
        sent[COMM, peer, tag] = sent.get((COMM, peer, tag), 0) + 1
        self.states[rank].order.send(COMM, peer, tag, 0)
        request = Request(Need.SSEND, peer, tag, sent[COMM, peer, tag]) if synchronous else None
        for receive in self.posted[peer]:
            if not receive.done and receive.peer in (ANY, rank) and receive.tag in (ANY, tag):
                receive.took = (rank, tag)
                if request is not None:
                    request.took = (rank, tag)
                break
        else:
            self.queues[rank, peer].append(Message(tag, request))
        if request is not None:
            self._wait(rank, [request], Need.EVERY)

    def _receive(self, rank: int, peer: int, tag: int) -> Request:
        received = self.states[rank].received
        received[COMM, peer, tag] = received.get((COMM, peer, tag), 0) + 1
        request = Request(Need.RECV, peer, tag, received[COMM, peer, tag])
        self.states[rank].order.receive(COMM, peer, tag, request.seq, 0)
        self.posted[rank].append(request)
        sources = self._sources(peer)
        self.chance.shuffle(sources)
        for source in sources:
            found = self._first(rank, source, tag)
            if found is not None:
                self.queues[source, rank].remove(found)
                request.took = (source, found.tag)
                if found.request is not None:
                    found.request.took = (source, found.tag)
                break
        return request

    def _cancel(self, rank: int) -> None:
        """Take back the last receive that has not ended, if that still can be."""
        for request in reversed(self.posted[rank]):
            if not request.told:
                cancelled = self.states[rank].taken.cancelled
                key = (COMM, request.peer, request.tag)
                cancelled[key] = cancelled.get(key, 0) + 1
                self.states[rank].order.cancel(COMM, (request.peer, request.tag, request.seq), request.took is None)
                if request.took is None:
                    request.cancelled = True
                    self._tell(rank, request)
                else:
                    cancelled[key] -= 1
                return

    def _tell(self, rank: int, request: Request) -> None:
        """The end of a receive, as its Status tells it."""
        if request.told or request.need is not Need.RECV:
            return
        request.told = True
        if request.took is not None:
            taken, (source, tag) = self.states[rank].taken, request.took
            taken.all[COMM, source, tag] = taken.all.get((COMM, source, tag), 0) + 1
            self.states[rank].order.took(COMM, (request.peer, request.tag, request.seq), request.took)
            if min(request.peer, request.tag) < 0:
                taken.wild[COMM, source, tag] = taken.wild.get((COMM, source, tag), 0) + 1
                asked = (COMM, request.peer, request.tag)
                taken.open[asked] = taken.open.get(asked, 0) + 1

    def _sources(self, peer: int) -> list[int]:
        return list(range(len(self.programs))) if peer == ANY else [peer]

    def _first(self, rank: int, source: int, tag: int) -> Message | None:
        return next((m for m in self.queues[source, rank] if tag in (ANY, m.tag)), None)


KINDS = (
    "send", "send", "send", "ssend", "recv", "recv", "recv", "irecv", "irecv", "waitall", "waitany", "probe",
    "cancel", "cancel",
)  # fmt: skip


def random_machine(seed: int) -> Machine:
    """Two or three ranks, with up to six operations each."""
    chance = random.Random(seed)
    size = chance.choice([2, 2, 3])
    programs: list[list[Op]] = []
    for _ in range(size):
        ops: list[Op] = []
        for kind in chance.choices(KINDS, k=chance.randint(1, 6)):
            wild = kind in ("recv", "irecv", "probe") and chance.random() < 0.4
            peer = ANY if wild and chance.random() < 0.6 else chance.randrange(size)
            ops.append((kind, peer, ANY if wild and chance.random() < 0.6 else chance.randrange(2)))
        programs.append(ops)
    return Machine(programs, chance)
