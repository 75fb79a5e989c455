"""Whether ranks agree on what a guided decoder turns off, which only the last pipeline stage has
(NVIDIA/TensorRT-LLM#17667)."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.spec.points import Point


class Entry(NamedTuple):
    """What is entered: the general phase, and the attention shapes that a guided decoder turns off."""

    general: bool
    attention: bool


class PhaseEntry(Protocol):
    """Asked under the guard `agree` of the general phase."""

    def entry(self, own: bool, world: Communicator) -> Entry:
        """What this rank enters that by itself would enter both, or neither."""


class Agree:
    """Sound: on both."""

    def entry(self, own: bool, world: Communicator) -> Entry:
        """If all do."""
        agreed = _all(own, world)
        return Entry(agreed, agreed)


class GeneralOnly:
    """Not on the attention shapes, as upstream since the follow-up of NVIDIA/TensorRT-LLM#17667."""

    def entry(self, own: bool, world: Communicator) -> Entry:
        """The general phase if all do."""
        return Entry(_all(own, world), own)


class Own:
    """Not at all, as before it (NVIDIA/TensorRT-LLM#17667)."""

    def entry(self, own: bool, world: Communicator) -> Entry:
        """By itself."""
        return Entry(own, own)


def _all(own: bool, world: Communicator) -> bool:
    return all(bool(other) for other in world.allgather(own, "can run general"))


PHASE_ENTRY = Point[PhaseEntry](
    "phase_entry",
    "under the guard `agree` of the general phase: whether ranks agree on what a guided decoder turns off, which only "
    "the last pipeline stage has; `general-only`: not for the attention shapes, as upstream since the follow-up of "
    "#17667; `own`: not at all, as before",
    {"agree": Agree(), "general-only": GeneralOnly(), "own": Own()},
)
