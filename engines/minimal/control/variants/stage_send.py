"""When a pipeline stage hands its hidden states on (jundot/omlx#3521)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.base.protocols import Device
from lockstep.engines.minimal.spec.points import Point
from lockstep.harness.trace import Recorder


class StageSend(Protocol):
    """Of a stage that does not sample."""

    def begin(self, device: Device) -> None:
        """Decoding begins."""

    def before_tokens(self, number: int, recorder: Recorder) -> None:
        """The stage is about to ask for the sampled tokens of a step."""


class Eager:
    """Sound: in the forward, as soon as they are there."""

    def begin(self, device: Device) -> None:
        """The device sends at once."""
        device.lazy = False

    def before_tokens(self, number: int, recorder: Recorder) -> None:
        """They are gone."""


class Lazy:
    """After it has asked for the tokens that the sampling stage makes of them (jundot/omlx#3521)."""

    def begin(self, device: Device) -> None:
        """The device keeps them."""
        device.lazy = True

    def before_tokens(self, number: int, recorder: Recorder) -> None:
        """They are still here."""
        recorder.decision("decode.hidden", f"step={number}", "keep", deviates=True)


STAGE_SEND = Point[StageSend](
    "stage_send",
    "`lazy`: a pipeline stage hands its hidden states on only after it has asked for the sampled tokens",
    {"eager": Eager(), "lazy": Lazy()},
)
