"""The data plane: the tensor collectives of a forward, whatever library carries them, and the tape of a captured graph."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch

from lockstep.harness.trace import Comm

Tape = list[tuple[Comm, str, int]]  # communicator, operation, elements or -1


@dataclass(frozen=True, slots=True)
class Hooks:
    """Places inside the libraries' work where something may happen to a rank: the engine's faults."""

    before_meeting: Callable[[], None] = lambda: None  # the address is known, the communicator is not yet made
    before: Callable[[str], None] = lambda layer: None  # the work of a layer, its collectives included
    between: Callable[[str], None] = lambda layer: None  # the dispatch and the combine of a layer
    workspace: Callable[[int], None] = lambda tokens: None  # what the experts take for so many tokens, and give back
    before_experts: Callable[[str], None] = lambda layer: None  # of a layer: an operation that the autotuner may tune


class Collectives(Protocol):
    """What the model calls."""

    def all_reduce(self, tensor: torch.Tensor, place: str) -> None:
        """Sum over all members, in place. `place` says what it is for: it tells collectives of one forward apart."""

    def reduce_heads(self, tensor: torch.Tensor, place: str) -> None:
        """Sum over the ranks that share attention heads, in place."""

    def all_to_all(
        self, output: torch.Tensor, source: torch.Tensor, outgoing: Sequence[int], incoming: Sequence[int], place: str
    ) -> None:
        """Send the first `outgoing[0]` rows of `source` to member 0 and so on; `incoming` rows of each come back."""

    def send(self, tensor: torch.Tensor, place: str) -> None:
        """To the next pipeline stage; ends when that has taken it."""

    def recv(self, tensor: torch.Tensor, place: str) -> None:
        """From the stage before, into `tensor`."""


class Link(Protocol):
    """Tensors between pipeline stages."""

    def send(self, tensor: torch.Tensor, place: str) -> None:
        """To the next stage; ends when that has taken it."""

    def recv(self, tensor: torch.Tensor, place: str) -> None:
        """From the stage before."""


class HeadGroup(Protocol):
    """The ranks that share attention heads, where those are not all of the data plane."""

    def all_reduce(self, tensor: torch.Tensor, place: str) -> None:
        """Sum over its members, in place."""


class DataPlane(ABC):
    """Tensor collectives of the ranks that share the experts, with a tape that notes them while a graph is captured."""

    size: int  # members

    def __init__(self) -> None:
        self._tape: Tape | None = None
        self.heads: HeadGroup = self

    @abstractmethod
    def all_reduce(self, tensor: torch.Tensor, place: str) -> None:
        """As `Collectives`."""

    @abstractmethod
    def all_to_all(
        self, output: torch.Tensor, source: torch.Tensor, outgoing: Sequence[int], incoming: Sequence[int], place: str
    ) -> None:
        """As `Collectives`."""

    def deadline(self, seconds: float | None) -> None:
        """The library's own deadline for each collective from now on; None: its long default. Raises where there is none."""
        if seconds is not None:
            raise RuntimeError(f"{type(self).__name__} has no deadline of its own; use device: cpu")

    link: Link | None = None  # to the other pipeline stages, where there are some

    def send(self, tensor: torch.Tensor, place: str) -> None:
        """As `Collectives`. Raises RuntimeError where there is no other stage."""
        self._linked().send(tensor, place)

    def recv(self, tensor: torch.Tensor, place: str) -> None:
        """As `Collectives`. Raises RuntimeError where there is no other stage."""
        self._linked().recv(tensor, place)

    def _linked(self) -> Link:
        if self.link is None:
            raise RuntimeError("this rank has no link to another pipeline stage")
        return self.link

    def reduce_heads(self, tensor: torch.Tensor, place: str) -> None:
        """As `Collectives`."""
        self.heads.all_reduce(tensor, place)

    def begin(self) -> None:  # noqa: B027  most planes have nothing to do
        """A forward begins."""

    def finish(self) -> None:  # noqa: B027
        """A forward ends."""

    @contextmanager
    def taped(self) -> Iterator[Tape]:
        """Note the collectives that are issued meanwhile."""
        tape: Tape = []
        self._tape = tape
        try:
            yield tape
        finally:
            self._tape = None

    @property
    def capturing(self) -> bool:
        """Whether a graph is being captured."""
        return self._tape is not None

    def note(self, comm: Comm, op: str, size: int) -> None:
        """One collective of the graph that is being captured, if one is."""
        if self._tape is not None:
            self._tape.append((comm, op, size))


def check_rows(outgoing: Sequence[int], incoming: Sequence[int]) -> None:
    """Raises ValueError for a member without rows: nobody would wait for it, and the proof counts on everybody's coming."""
    if not all((*outgoing, *incoming)):
        raise ValueError(f"every member needs rows: outgoing {list(outgoing)}, incoming {list(incoming)}")
