"""When kernels are compiled (NVIDIA/TensorRT-LLM#17376)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.spec.points import Point
from lockstep.harness.trace import Recorder


class FirstTouch(Protocol):
    """Asked before the warm-up."""

    def begin(self, compile_all: Callable[[], None], tp: Communicator, recorder: Recorder) -> None:
        """Nothing is compiled yet."""


class InForward:
    """Where they are first needed, which is sound without a deadline on a peer's start (NVIDIA/TensorRT-LLM#17376)."""

    def begin(self, compile_all: Callable[[], None], tp: Communicator, recorder: Recorder) -> None:
        """Not now."""


class Prewarm:
    """Before the warm-up, with a barrier behind: no rank enters a collective while one still compiles (the mend of
    NVIDIA/TensorRT-LLM#17376)."""

    def begin(self, compile_all: Callable[[], None], tp: Communicator, recorder: Recorder) -> None:
        """Compile, and wait for the others."""
        with recorder.phase("prewarm"):
            compile_all()
            tp.allgather(1, "prewarm")


FIRST_TOUCH = Point[FirstTouch](
    "first_touch",
    "when kernels are compiled; `prewarm`: before the warm-up, with a barrier behind (#17376)",
    {"in-forward": InForward(), "prewarm": Prewarm()},
)
