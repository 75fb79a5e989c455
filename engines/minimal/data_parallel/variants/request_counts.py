"""Whether ranks agree on a graph for prompts or for generation (NVIDIA/Megatron-LM#3033)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.data_parallel.load import EAGER, Load
from lockstep.engines.minimal.spec.points import Point


class RequestCounts(Protocol):
    """Asked where ranks could use graphs of different kinds."""

    def mode(self, mine: Load) -> str:
        """How this rank runs."""


class Agree:
    """Sound: no graph is for both."""

    def mode(self, mine: Load) -> str:
        """Eager."""
        return EAGER


class Local:
    """Each goes by its own requests (NVIDIA/Megatron-LM#3033)."""

    def mode(self, mine: Load) -> str:
        """Its own."""
        return mine.mode


REQUEST_COUNTS = Point[RequestCounts](
    "request_counts",
    "whether ranks agree on a graph for prompts or for generation; `local`: each goes by its own requests",
    {"agree": Agree(), "local": Local()},
)
