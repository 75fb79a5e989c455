"""Who agrees on graph or eager for the drafter (sgl-project/sglang#32527)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.spec.points import Point


class DraftGraph(Protocol):
    """Asked where there is a graph."""

    def voters(self, tp: Communicator, attention_tp: Communicator) -> Communicator | None:
        """Who votes: all ranks (`tp`), those that share attention, or nobody but this one."""


class Agree:
    """Sound: all ranks."""

    def voters(self, tp: Communicator, attention_tp: Communicator) -> Communicator | None:
        """All."""
        return tp


class AgreeAttentionTp:
    """The attention group, which is the rank alone (the first mend of sgl-project/sglang#32527)."""

    def voters(self, tp: Communicator, attention_tp: Communicator) -> Communicator | None:
        """That group."""
        return attention_tp


class Local:
    """Nobody (sgl-project/sglang#32527)."""

    def voters(self, tp: Communicator, attention_tp: Communicator) -> Communicator | None:
        """This rank."""
        return None


DRAFT_GRAPH = Point[DraftGraph](
    "draft_graph",
    "who agrees on graph or eager for the drafter: all ranks; `agree-attention-tp`: the attention group, which is the "
    "rank alone; `local`: nobody",
    {"agree": Agree(), "agree-attention-tp": AgreeAttentionTp(), "local": Local()},
)
