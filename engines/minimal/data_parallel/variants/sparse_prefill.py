"""How ranks run where some have prompts and others nothing (sgl-project/sglang#37561)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.data_parallel.load import EAGER, Load
from lockstep.engines.minimal.spec.points import Point

PREFILL = "prefill"


class SparsePrefill(Protocol):
    """Asked in such a forward."""

    def mode(self, mine: Load) -> str:
        """How this rank runs."""


class MaxLen:
    """Sound: those without make a prompt up, and all replay one graph."""

    def mode(self, mine: Load) -> str:
        """A graph."""
        return PREFILL


class Eager:
    """Sound too: none replays."""

    def mode(self, mine: Load) -> str:
        """Eager."""
        return EAGER


class SumLen:
    """Those with prompts replay, the others run eager: the two exchange tokens in other ways (sgl-project/sglang#37561)."""

    def mode(self, mine: Load) -> str:
        """By its own prompts."""
        return EAGER if mine.idle else PREFILL


SPARSE_PREFILL = Point[SparsePrefill](
    "sparse_prefill",
    "where some ranks have prompts and others nothing: these make a prompt up and all replay one graph; `eager`: none "
    "replays; `sum-len`: those with prompts replay, the others run eager",
    {"max-len": MaxLen(), "eager": Eager(), "sum-len": SumLen()},
)
