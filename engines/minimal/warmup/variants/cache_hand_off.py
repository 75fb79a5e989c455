"""When a pipeline stage takes over the autotuner's cache, and hands it on (NVIDIA/TensorRT-LLM#10011)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.spec.points import Point
from lockstep.harness.trace import Recorder


class HandsOn(Protocol):
    """One stage's part in it."""

    cache: dict[str, int]
    recorder: Recorder

    def receive(self) -> None:
        """Take over what the stage before has found, once a pass."""

    def send(self) -> None:
        """Hand it on to the stage behind."""


class CacheHandOffOrder(Protocol):
    """Told of a pass of the autotuner: a forward with tunable operations, or without."""

    def met(self, stage: HandsOn) -> None:
        """A tunable operation is next."""

    def passed(self, stage: HandsOn) -> None:
        """The forward has ended well."""

    def left(self, stage: HandsOn, failed: bool) -> None:
        """The forward has ended, well or not."""


class After:
    """Sound: at the latest after the forward, where also a stage without a tunable operation takes it over."""

    def met(self, stage: HandsOn) -> None:
        """Tune with what the stage before has found."""
        stage.receive()

    def passed(self, stage: HandsOn) -> None:
        """A stage without a tunable operation has not received yet, and its sender waits."""
        stage.receive()
        stage.send()

    def left(self, stage: HandsOn, failed: bool) -> None:
        """All is done."""


class InForward(After):
    """At its first layer with experts, which also lets it hand the cache on: a stage without one never takes it
    (NVIDIA/TensorRT-LLM#10011)."""

    def passed(self, stage: HandsOn) -> None:
        """Hand it on if there was an operation."""
        tuned = bool(stage.cache)
        choice, detail = "tuned" if tuned else "no-operation", f"operations={len(stage.cache)}"
        stage.recorder.decision("autotuner.hand_off", "pass", choice, detail, deviates=not tuned)
        if tuned:
            stage.send()


class Always(After):
    """Also when the forward has failed: the stage waits in the hand-over, and its error is not seen (found in the code of
    NVIDIA/TensorRT-LLM#10011, reported by nobody)."""

    def met(self, stage: HandsOn) -> None:
        """Not yet."""

    def passed(self, stage: HandsOn) -> None:
        """Not yet."""

    def left(self, stage: HandsOn, failed: bool) -> None:
        """Now, whatever has happened. To do it after an error is this stage's own choice."""
        if failed:
            detail = f"operations={len(stage.cache)}"
            stage.recorder.decision("autotuner.hand_off", "pass", "after-error", detail, deviates=True)
        stage.receive()
        stage.send()


CACHE_HAND_OFF = Point[CacheHandOffOrder](
    "cache_hand_off",
    "when a pipeline stage takes over the autotuner's cache: `in-forward`: at its first layer with experts, which also "
    "lets it hand the cache on; `after`: at the latest after the forward; `always`: also when the forward has failed",
    {"after": After(), "in-forward": InForward(), "always": Always()},
)
