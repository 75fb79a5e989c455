"""Whether a warm-up request whose workspace does not fit is none (NVIDIA/TensorRT-LLM#13177)."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from lockstep.engines.minimal.base.batch import Attempt
from lockstep.engines.minimal.forward.context import RankContext
from lockstep.engines.minimal.spec.points import Point


class MemoryCheck(Protocol):
    """Asked for each warm-up request."""

    def checked(self, attempt: Attempt, context: RankContext) -> Attempt:
        """The request, or none in its place."""


class NoCheck:
    """Sound: memory is for the forward to find."""

    def checked(self, attempt: Attempt, context: RankContext) -> Attempt:
        """The request."""
        return attempt


class Before:
    """None where the experts' workspace for it surely does not fit, and the phase's guard decides (a mend of
    NVIDIA/TensorRT-LLM#13177)."""

    def checked(self, attempt: Attempt, context: RankContext) -> Attempt:
        """By what is free now."""
        free, batch = context.engine.device.room(), attempt.batch
        if free is None or batch is None:
            return attempt
        needed = batch.num_tokens * context.settings.moe.workspace_bytes
        if needed <= free:
            return attempt
        batch.free(context.manager)
        return replace(attempt, batch=None, reason=f"memory free_bytes={free} needed_bytes={needed}")


MEMORY_CHECK = Point[MemoryCheck](
    "memory_check",
    "`before`: a warm-up request whose workspace does not fit is none, and the phase's guard decides (#13177)",
    {"none": NoCheck(), "before": Before()},
)
