"""Over whom the encoder of a prompt with an image reduces (sgl-project/sglang#34442, #36802, #37060)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.spec.points import Point
from lockstep.harness.trace import Recorder


class EncoderGroup(Protocol):
    """Asked for each prompt with an image."""

    def reduces(self, request: int, apart: bool, recorder: Recorder) -> bool:
        """Whether the encoder's shards are summed over all ranks; `apart`: each rank has requests of its own."""


class OwnGroup:
    """Sound: over the attention group, of one rank under attention DP, else of all, which all have the request."""

    def reduces(self, request: int, apart: bool, recorder: Recorder) -> bool:
        """Where all have it."""
        return not apart


class GlobalGroup:
    """Over all ranks, under attention DP too, where only the rank comes that got the image (sgl-project/sglang#34442,
    #36802), or where what does not belong together is summed (sgl-project/sglang#37060)."""

    def reduces(self, request: int, apart: bool, recorder: Recorder) -> bool:
        """Always."""
        if apart:
            recorder.decision("decode.encoder", f"request={request}", "reduce", deviates=True)
        return True


ENCODER = Point[EncoderGroup](
    "encoder",
    "over whom the encoder of a prompt with an image reduces; `global-group`: all ranks, under attention DP too",
    {"own-group": OwnGroup(), "global-group": GlobalGroup()},
)
