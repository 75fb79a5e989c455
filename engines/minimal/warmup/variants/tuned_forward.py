"""The autotuner's forward of a shape that its cache knows (NVIDIA/TensorRT-LLM#14240)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.base.batch import Shape
from lockstep.engines.minimal.spec.points import Point
from lockstep.harness.trace import Recorder


class TunedForward(Protocol):
    """Asked before each of its forwards."""

    def skips(self, shape: Shape, hit: bool, recorder: Recorder) -> bool:
        """Whether it is left out, where the cache knows the shape (`hit`) or not."""


class Run:
    """Sound: its peers may have something to tune."""

    def skips(self, shape: Shape, hit: bool, recorder: Recorder) -> bool:
        """Never."""
        return False


class SkipOnHit:
    """It is left out: the rank enters the next step's collectives while its peers tune (NVIDIA/TensorRT-LLM#14240)."""

    def skips(self, shape: Shape, hit: bool, recorder: Recorder) -> bool:
        """When there is nothing to tune."""
        choice = "skip" if hit else "run"
        recorder.decision("autotuner.forward", shape.label, choice, f"num_tokens={shape.num_tokens}", deviates=hit)
        return hit


TUNED_FORWARD = Point[TunedForward](
    "tuned_forward",
    "the autotuner's forward of a shape that its cache knows; `skip-on-hit`: it is left out (#14240)",
    {"run": Run(), "skip-on-hit": SkipOnHit()},
)
