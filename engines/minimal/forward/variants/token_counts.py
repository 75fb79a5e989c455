"""How a rank knows its peers' tokens in a warm-up forward (vllm-project/vllm#55319, vllm-project/vllm-ascend#10247)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.spec.points import Point


class TokenCounts(Protocol):
    """Asked in each forward."""

    def known(self, own: int, ranks: int, warming_up: bool) -> tuple[int, ...] | None:
        """The tokens of each of `ranks` ranks; None: they are to be gathered."""


class Gather:
    """Sound: it asks them."""

    def known(self, own: int, ranks: int, warming_up: bool) -> tuple[int, ...] | None:
        """Nothing is known before."""
        return None


class Assume:
    """It takes them to have as many as itself in the warm-up, and nobody waits for a rank that is late
    (vllm-project/vllm#55319, vllm-project/vllm-ascend#10247)."""

    def known(self, own: int, ranks: int, warming_up: bool) -> tuple[int, ...] | None:
        """As many as its own, in the warm-up."""
        return (own,) * ranks if warming_up else None


TOKEN_COUNTS = Point[TokenCounts](
    "token_counts",
    "how a rank knows its peers' tokens in a warm-up forward; `assume`: as many as its own",
    {"gather": Gather(), "assume": Assume()},
)
