"""When ranks of a context server exchange which transfers are done (NVIDIA/TensorRT-LLM#14020)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.spec.points import Point
from lockstep.harness.trace import Recorder


class TransferCheck(Protocol):
    """Asked in each step by ranks that share requests."""

    releases_alone: bool  # whether a rank also gives blocks back by what itself has sent

    def comes(self, number: int, stuck: bool, free_blocks: int, tp: Communicator, recorder: Recorder) -> bool:
        """Whether this rank comes to the exchange, where it is `stuck`: none of its requests fits while it sends some."""


class Always:
    """Sound: all come, in each step."""

    releases_alone = False

    def comes(self, number: int, stuck: bool, free_blocks: int, tp: Communicator, recorder: Recorder) -> bool:
        """Yes."""
        return True


class Gated:
    """A rank comes when it is stuck, and finds nobody there whose blocks came back (NVIDIA/TensorRT-LLM#14020)."""

    releases_alone = True

    def comes(self, number: int, stuck: bool, free_blocks: int, tp: Communicator, recorder: Recorder) -> bool:
        """If it is stuck."""
        choice, detail = "check" if stuck else "go on", f"free_blocks={free_blocks}"
        recorder.decision("decode.transfer_check", f"step={number}", choice, detail, deviates=stuck)
        return stuck


class AnyStuck(Gated):
    """All come when one of them is stuck (the mend of NVIDIA/TensorRT-LLM#14020)."""

    def comes(self, number: int, stuck: bool, free_blocks: int, tp: Communicator, recorder: Recorder) -> bool:
        """If any rank is."""
        return any(tp.allgather(super().comes(number, stuck, free_blocks, tp, recorder), "transfer gate"))


TRANSFER_CHECK = Point[TransferCheck](
    "transfer_check",
    "when ranks of a context server exchange which transfers are done: in each step; `gated`: a rank does when none of "
    "its requests fits; `any`: all do when one of them is in that place",
    {"always": Always(), "any": AnyStuck(), "gated": Gated()},
)
