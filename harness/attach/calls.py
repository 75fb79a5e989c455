"""Calls of the program that are written down, from their beginning to their end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from lockstep.harness.trace.event import Need
from lockstep.harness.trace.handles import Comm

if TYPE_CHECKING:
    from lockstep.harness.attach.recording import Recording


class Issued(NamedTuple):
    """An operation that was begun, as whoever waits for it needs to know it."""

    comm: Comm
    seq: int
    op: int  # string id
    need: Need
    peer: int = -1
    tag: int = 0
    limit_s: int = 0  # of a TIMED one: after how many seconds its library ends a wait for it
    gpu: int = -1  # it runs there: who waits for it holds up a stream, and not the host

    @property
    def open(self) -> bool:
        """Whether it is a receive whose sender or tag is known when it has ended."""
        return self.need is Need.RECV and min(self.peer, self.tag) < 0


class Issuing:
    """A call that begins an operation and returns at once."""

    __slots__ = ("issued", "recording")

    def __init__(self, recording: Recording, issued: Issued) -> None:
        self.recording = recording
        self.issued = issued
        recording.occupy(issued)

    def ended(self, result: Any) -> None:
        """It was begun."""
        self.recording.release(self.issued)

    def failed(self, error: BaseException) -> None:
        """Nobody knows whether the others count it."""
        self.recording.release(self.issued)
        self.recording.doubt(self.issued, error)


class Waiting(Issuing):
    """A call that blocks until its operation has ended."""

    __slots__ = ()

    def __init__(self, recording: Recording, issued: Issued) -> None:
        super().__init__(recording, issued)
        recording.block()

    def ended(self, result: Any) -> None:
        """It has ended."""
        self.recording.release(self.issued)
        self.recording.leave(self.issued)

    def failed(self, error: BaseException) -> None:
        """It has ended, with an error."""
        self.recording.release(self.issued)
        self.recording.leave(self.issued)
        self.recording.doubt(self.issued, error)


class Again:
    """A call that waits for what was issued before. It was counted then, so that an error changes nothing."""

    __slots__ = ("issued", "recording")

    def __init__(self, recording: Recording, issued: Issued) -> None:
        self.recording = recording
        self.issued = issued
        recording.block()

    def ended(self, result: Any) -> None:
        """It has ended."""
        self.recording.leave(self.issued)

    def failed(self, error: BaseException) -> None:
        """It has ended, with an error."""
        self.recording.leave(self.issued)
