"""Where a later pipeline stage takes a graph's input from at its capture (NVIDIA/TensorRT-LLM#3688)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.base.protocols import Device, Step
from lockstep.engines.minimal.spec.points import Point
from lockstep.harness.trace import Recorder


class CaptureRecv(Protocol):
    """Asked before each capture."""

    def before(self, stage: int, step: Step, graph: str, device: Device, recorder: Recorder) -> None:
        """A graph of the shape of `step` is about to be captured."""


class Matched:
    """Sound: each receive of a capture has its send in the capture of the stage before."""

    def before(self, stage: int, step: Step, graph: str, device: Device, recorder: Recorder) -> None:
        """Nothing is received."""


class Unmatched:
    """It receives once more than the stage before sends (NVIDIA/TensorRT-LLM#3688)."""

    def before(self, stage: int, step: Step, graph: str, device: Device, recorder: Recorder) -> None:
        """Receive, on a later stage."""
        if stage:
            recorder.decision("capture.recv", graph, "unmatched", deviates=True)
            device.fill(step)


CAPTURE_RECV = Point[CaptureRecv](
    "capture_recv",
    "`unmatched`: a later pipeline stage receives a graph's input before the capture, though none sends it",
    {"matched": Matched(), "unmatched": Unmatched()},
)
