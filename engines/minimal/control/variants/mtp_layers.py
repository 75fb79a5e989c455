"""Which stages keep the draft layers (NVIDIA/TensorRT-LLM#12555)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.spec.points import Point
from lockstep.harness.trace import Recorder
from lockstep.harness.trace.choice import LEFT_OUT


class MtpLayers(Protocol):
    """Of the last stage, which drafts."""

    def drafts(self, number: int, recorder: Recorder) -> bool:
        """Whether it has draft tokens to hand on in a step."""


class LastStage:
    """Sound: the last stage has them."""

    def drafts(self, number: int, recorder: Recorder) -> bool:
        """It has."""
        return True


class Removed:
    """A rule that drops them from stages that do not draft drops them from the last too (NVIDIA/TensorRT-LLM#12555)."""

    def drafts(self, number: int, recorder: Recorder) -> bool:
        """It has none, and tells nobody."""
        recorder.decision("decode.drafts", f"step={number}", LEFT_OUT, "mtp_layers=0", deviates=True)
        return False


MTP_LAYERS = Point[MtpLayers](
    "mtp_layers",
    "`removed`: the last pipeline stage drops the draft layers too, which it needs",
    {"last-stage": LastStage(), "removed": Removed()},
)
