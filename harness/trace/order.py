"""In which order a rank began its messages: by that, and by what was taken, it is known which message goes to which receive.

What is kept is bounded: a receive that is known to have ended is forgotten as soon as no earlier one could have taken its
message. Where the order is not known, or has grown too long to keep, it says so. No clock, no I/O.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field

ANY = -1
MOST_RECEIVES = 256  # of one communicator: those that are kept
MOST_RUNS = 64  # of one communicator and receiver: changes of the tag that are kept


@dataclass(slots=True)
class Receive:
    """A receive that was begun: what it asks for, and, if it is known to have ended, whose message it took."""

    peer: int
    tag: int
    seq: int
    took: tuple[int, int] | None = None  # sender, tag
    doubtful: bool = False  # it was taken back, perhaps too late

    def matches(self, sender: int, tag: int) -> bool:
        """Whether it would take such a message."""
        return self.peer in (ANY, sender) and self.tag in (ANY, tag)

    def meets(self, peer: int, tag: int) -> bool:
        """Whether there is a message that it and a receive of such a peer and tag would take."""
        return (ANY in (self.peer, peer) or self.peer == peer) and (ANY in (self.tag, tag) or self.tag == tag)


@dataclass(slots=True)
class Sends:
    """The tags of messages to one receiver, in order, as runs of one tag; `before`: of those that are forgotten, by tag."""

    runs: deque[list[int]] = field(default_factory=deque)
    before: dict[int, int] = field(default_factory=dict)

    def add(self, tag: int) -> None:
        """One more."""
        if self.runs and self.runs[-1][0] == tag:
            self.runs[-1][1] += 1
            return
        self.runs.append([tag, 1])
        if len(self.runs) > MOST_RUNS:
            oldest, count = self.runs.popleft()
            self.before[oldest] = self.before.get(oldest, 0) + count


@dataclass(slots=True)
class Order:
    """Of one rank. Keys name communicator and peer."""

    receives: dict[str, list[Receive]] = field(default_factory=lambda: defaultdict(list))
    gone: dict[tuple[str, int, int], int] = field(default_factory=dict)  # (comm, from, tag) -> taken by receives not kept
    sends: dict[tuple[str, int], Sends] = field(default_factory=lambda: defaultdict(Sends))
    unknown: set[tuple[str, str]] = field(default_factory=set)  # (comm, verb) that have no order that we know
    lost: bool = False  # events are missing: nothing of it is known, nor will be
    _threads: dict[tuple[str, str], int] = field(default_factory=dict)

    def known(self, comm: str, verb: str) -> bool:
        """Whether the order of its sends, or receives, is."""
        return not self.lost and (comm, verb) not in self.unknown

    def send(self, comm: str, to: int, tag: int, thread: int) -> None:
        """A send was begun."""
        self._by(comm, "send", thread)
        self.sends[comm, to].add(tag)

    def receive(self, comm: str, peer: int, tag: int, seq: int, thread: int) -> None:
        """A receive was begun."""
        self._by(comm, "recv", thread)
        if not self.known(comm, "recv"):
            return
        self.receives[comm].append(Receive(peer, tag, seq))
        if len(self.receives[comm]) > MOST_RECEIVES:
            self._lose(comm)

    def took(self, comm: str, asked: tuple[int, int, int], message: tuple[int, int]) -> None:
        """A receive, by the peer, tag and number that it was begun with, has ended with this message: its sender and tag."""
        if not self.known(comm, "recv"):
            return
        for receive in self.receives[comm]:
            if (receive.peer, receive.tag, receive.seq) == asked:
                receive.took = message
                receive.doubtful = False
                self._forget(comm)
                return
        self._lose(comm)

    def probed(self, comm: str, peer: int, tag: int, message: tuple[int, int], thread: int) -> None:
        """A probe has taken a message out."""
        self._by(comm, "recv", thread)
        if self.known(comm, "recv"):
            self.receives[comm].append(Receive(peer, tag, 0, message))
            self._forget(comm)

    def cancel(self, comm: str, asked: tuple[int, int, int], doubtful: bool) -> None:
        """A receive was taken back, perhaps too late; or it turned out that it was too late."""
        for receive in self.receives[comm] if self.known(comm, "recv") else ():
            if (receive.peer, receive.tag, receive.seq) == asked:
                receive.doubtful = doubtful

    def doubted(self, comm: str, asked: tuple[int, int, int]) -> bool:
        """Whether a receive was taken back, perhaps too late."""
        return any(one.doubtful for one in self.receives.get(comm, ()) if (one.peer, one.tag, one.seq) == asked)

    def _by(self, comm: str, verb: str, thread: int) -> None:
        """What two threads begin has no order that their events tell."""
        if self._threads.setdefault((comm, verb), thread) != thread:
            self._lose(comm, verb)

    def _lose(self, comm: str, verb: str = "recv") -> None:
        self.unknown.add((comm, verb))
        if verb == "recv":
            self.receives.pop(comm, None)

    def _forget(self, comm: str) -> None:
        """Drop what has ended and could not have left its message to an earlier one that is kept."""
        kept: list[Receive] = []
        for receive in self.receives[comm]:
            if receive.took is not None and not any(one.meets(receive.peer, receive.tag) for one in kept):
                key = (comm, *receive.took)
                self.gone[key] = self.gone.get(key, 0) + 1
            else:
                kept.append(receive)
        self.receives[comm] = kept
