"""What the recorder hands out: a communicator, a wait in progress, a captured graph. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from lockstep.harness.trace.event import Kind, Need


class Writer(Protocol):
    """What writes records. The recorder; it hands these out, so they must not import it."""

    def write(self, kind: int, comm: int, seq: int, a: int = 0) -> None:
        """Write one record."""


class Comm:
    """A communicator as the recorder knows it: an id within the rank and the number of its last collective."""

    __slots__ = ("busy", "id", "key", "members", "number", "p2p", "unordered")

    def __init__(self, ident: int, key: str, members: tuple[int, ...]) -> None:
        self.id = ident
        self.key = key
        self.members = members
        self.number = 0
        self.p2p: dict[tuple[str, int, int], int] = {}
        # Of an attached process: what is being begun, by which thread and how; and whether sends once overtook each other.
        self.busy: dict[object, tuple[int, Need]] = {}
        self.unordered = False


class Wait:
    """A blocking operation in progress: a context manager that writes EXIT when the operation has ended."""

    __slots__ = ("comm", "op", "recorder", "seq")

    def __init__(self, recorder: Writer, comm: Comm, seq: int, op: int) -> None:
        self.recorder = recorder
        self.comm = comm
        self.seq = seq
        self.op = op

    def __enter__(self) -> Wait:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        # An operation that raised has ended too: the rank runs again.
        self.recorder.write(Kind.EXIT, self.comm.id, self.seq, self.op)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A captured graph as the recorder knows it: the string that describes it, and its collectives by communicator."""

    text: int
    counts: tuple[tuple[Comm, int], ...]
