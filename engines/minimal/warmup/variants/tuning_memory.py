"""Where the autotuner's buffers come from (sgl-project/sglang#18908)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from lockstep.engines.minimal.spec.points import Point

Allocate = Callable[[], None]  # symmetric memory: a collective of the data plane


class TuningMemory(Protocol):
    """Asked by ranks that choose tactics."""

    def begin(self, allocate: Allocate) -> None:
        """The autotuner's phase begins."""

    def tune(self, allocate: Allocate) -> None:
        """This rank is about to tune."""


class Private:
    """Sound: from the rank's own memory."""

    def begin(self, allocate: Allocate) -> None:
        """Nobody else takes part."""

    def tune(self, allocate: Allocate) -> None:
        """Nobody else takes part."""


class Symmetric(Private):
    """From symmetric memory that ranks that tune allocate by a collective, without those that do not
    (sgl-project/sglang#18908)."""

    def tune(self, allocate: Allocate) -> None:
        """With whoever comes."""
        allocate()


class SymmetricOnAll(Private):
    """The same on all ranks, once, before they tune (a mend of sgl-project/sglang#18908)."""

    def begin(self, allocate: Allocate) -> None:
        """With all."""
        allocate()


TUNING_MEMORY = Point[TuningMemory](
    "tuning_memory",
    "the autotuner's buffers; `symmetric`: ranks that tune allocate them by a collective, `symmetric-on-all`: all "
    "ranks, once, before they tune (sglang#18908)",
    {"private": Private(), "symmetric": Symmetric(), "symmetric-on-all": SymmetricOnAll()},
)
