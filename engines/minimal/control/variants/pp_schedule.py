"""Who schedules for a pipeline (NVIDIA/TensorRT-LLM#9659)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.spec.points import Point


class PpSchedule(Protocol):
    """Asked by each stage in each step."""

    def decides(self, stage: int) -> bool:
        """Whether a stage schedules by its own free blocks."""

    def wanted(self, pp: Communicator, own: list[int]) -> list[int]:
        """The requests that this stage is to run, where `own` are those that it runs already or has scheduled."""


class First:
    """Sound: the first stage, whose schedule goes from stage to stage."""

    def decides(self, stage: int) -> bool:
        """The first one."""
        return stage == 0

    def wanted(self, pp: Communicator, own: list[int]) -> list[int]:
        """The first stage's."""
        if pp.rank > 0:
            own = list(pp.recv(pp.rank - 1, "schedule"))
        if pp.rank < pp.size - 1:
            pp.send(own, pp.rank + 1, "schedule")
        return own


class Own:
    """Each stage by its own free blocks, which are not the same everywhere (NVIDIA/TensorRT-LLM#9659)."""

    def decides(self, stage: int) -> bool:
        """All of them."""
        return True

    def wanted(self, pp: Communicator, own: list[int]) -> list[int]:
        """This one's."""
        return own


PP_SCHEDULE = Point[PpSchedule](
    "pp_schedule",
    "who schedules for a pipeline: its first stage, or each stage by its own free blocks",
    {"first": First(), "own": Own()},
)
