"""What a rank's state is made of: how its program stands, what a waiter waits for, which messages were taken."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import NamedTuple

from lockstep.harness.trace.event import Need

NOBODY_YET = 1_000_000  # from here on numbers of ranks whose process is not known
PROCESS = 1 << 40  # from here on numbers of processes that are no ranks
PIDS = 1 << 22  # ... of which those of one host are together: process ids are below that


class Status(enum.Enum):
    """How a rank's program stands. `DEAD` is set by the supervisor, which sees the process end."""

    RUNNING = "running"
    RAISED = "raised"
    RETURNED = "returned"
    ABORTED = "aborted"
    UNABLE = "unable"
    DEAD = "dead"


class Join(NamedTuple):
    """That a process has a rank in a world of ranks. Not `firm`: its environment says so, it has not come yet."""

    scope: str
    rank: int
    world: int
    firm: bool


STORES = "TCPStore "  # so begins what threads are in that serve a store, or ask one: they turn while others wait
TARGET = ", a thread's target,"  # so ends what a thread is in that does nothing else, and has no line of the program


class Wait(NamedTuple):
    """One waiter blocked in one operation. `peer` is the global rank of the root or the peer, -1 for none or any."""

    comm: str
    seq: int
    op: str
    need: Need
    peer: int
    tag: int
    since_ns: int
    phase: str
    shape: str
    graph: str = ""  # the replayed graph that a device stream is in
    site: str = ""  # the program's line that waits
    parts: tuple[Wait, ...] = ()  # of a wait for several: what they are
    limit_s: int = 0  # after how many seconds its library ends it; 0: not known, or it does not
    end: str = ""  # of a wait for anybody who holds the other end of a thing: which end

    @property
    def serves(self) -> bool:
        """Whether it is a thread of a library that waits for whoever asks it: no wait of the program."""
        return not self.comm and self.op.startswith(STORES)


@dataclass(slots=True)
class Taken:
    """The messages that a rank's receives have taken or given back, exactly as far as it tells. Keys: (comm, from, tag)."""

    all: dict[tuple[str, int, int], int] = field(default_factory=dict)  # by receives that have ended
    wild: dict[tuple[str, int, int], int] = field(default_factory=dict)  # ... that had left peer or tag open
    open: dict[tuple[str, int, int], int] = field(default_factory=dict)  # ended wild receives, by what they had asked for
    cancelled: dict[tuple[str, int, int], int] = field(default_factory=dict)  # receives that take none
