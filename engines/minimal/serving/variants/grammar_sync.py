"""Over whom ranks agree on how many grammars are compiled (sgl-project/sglang#3600)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.forward.context import RankContext
from lockstep.engines.minimal.spec.points import Point


class GrammarSync(Protocol):
    """Asked in each step."""

    def note(self, number: int, waiting: bool, context: RankContext) -> None:
        """A step begins, with requests that wait for their grammar or without."""

    def counts(self, ready: int, context: RankContext) -> list[int]:
        """How many are ready on each rank that has a say, where so many are on this one."""


class OwnGroup:
    """Sound: over the ranks that have the same requests."""

    def note(self, number: int, waiting: bool, context: RankContext) -> None:
        """They all wait, or none does."""

    def counts(self, ready: int, context: RankContext) -> list[int]:
        """Of the attention group, of one rank under attention DP."""
        return [ready] if context.apart else context.tp.allgather(ready, "ready grammars")


class GlobalGroup:
    """Over all ranks, under attention DP too, where only the rank comes that owns the request (sgl-project/sglang#3600)."""

    def note(self, number: int, waiting: bool, context: RankContext) -> None:
        """Whether this rank is about to meet all others."""
        if context.apart and context.settings.workload.grammars:
            choice = "meet" if waiting else "pass"
            context.recorder.decision("decode.grammars", f"step={number}", choice, deviates=waiting)

    def counts(self, ready: int, context: RankContext) -> list[int]:
        """Of all ranks."""
        return context.world.allgather(ready, "ready grammars")


GRAMMAR_SYNC = Point[GrammarSync](
    "grammar_sync",
    "over whom ranks agree on how many grammars are compiled; `global-group`: all ranks, under attention DP too",
    {"own-group": OwnGroup(), "global-group": GlobalGroup()},
)
