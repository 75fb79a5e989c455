"""Whose token count the graph of a dummy goes by (vllm-project/vllm#25906)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.spec.points import Point


class DummyGraph(Protocol):
    """Asked before a dummy's forward."""

    def tokens(self, own: int, largest: int) -> int:
        """Its own count, or the largest of all ranks'."""


class Padded:
    """Sound: the agreed one."""

    def tokens(self, own: int, largest: int) -> int:
        """The largest."""
        return largest


class Unpadded:
    """Its own: a smaller graph, which holds fewer rounds of dispatch (vllm-project/vllm#25906)."""

    def tokens(self, own: int, largest: int) -> int:
        """Its own."""
        return own


DUMMY_GRAPH = Point[DummyGraph](
    "dummy_graph",
    "whether a dummy's graph goes by the agreed token count, or by its own",
    {"padded": Padded(), "unpadded": Unpadded()},
)
