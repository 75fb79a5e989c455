"""A lane: what a rank's device does on one communicator, as the host's launches and the device's breadcrumb tell. No I/O."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple


class Launch(NamedTuple):
    """Collectives that were handed over together, up to number `last`, and where the host was then."""

    last: int
    graph: str
    phase: str
    shape: str


@dataclass(slots=True)
class Lane:
    """The collectives of one communicator run one after the other: `entered` of `launched` have begun."""

    comm: str
    stream: str  # lanes on one stream run in the order in which they were handed to it
    launched: int = 0
    entered: int = 0
    inside: bool = False  # the last that has begun has not ended
    op: str = ""  # what it is, as the device says
    since_ns: int = 0  # when it was last seen not to have begun
    launches: deque[Launch] = field(default_factory=deque)  # those that may not have ended
    known: bool = True  # whether `launched` is; after lost events it is not

    @property
    def pending(self) -> bool:
        """Whether collectives were handed over that have not begun, or nobody knows."""
        return self.launched > self.entered or not self.known

    @property
    def position(self) -> tuple[int, int, bool]:
        """What changes with every step."""
        return (self.launched, self.entered, self.inside)

    def launch(self, last: int, graph: str, phase: str, shape: str) -> None:
        """The host handed over the collectives up to number `last`."""
        self.launched = last
        self.known = True
        self.launches.append(Launch(last, graph, phase, shape))
        self._forget()

    def overrun(self, launched: int) -> None:
        """Events were lost. The count is still in the ring, but the host may be handing over more at this moment."""
        self.launched = max(self.launched, launched)
        self.launches.clear()
        self.known = False

    def see(self, entered: int, inside: bool, op: str, seen_ns: int) -> None:
        """The breadcrumb, as it stood after the moment `seen_ns` and before the last events were read."""
        if (entered, inside) != (self.entered, self.inside):
            self.since_ns = seen_ns
        self.entered, self.inside, self.op = entered, inside, op
        self._forget()

    def current(self) -> Launch | None:
        """What the collective in progress was handed over with; None when its event was lost."""
        return self.launches[0] if self.launches and self.launches[0].last >= self.entered else None

    def _forget(self) -> None:
        done = self.entered - self.inside
        while self.launches and self.launches[0].last <= done:
            self.launches.popleft()
