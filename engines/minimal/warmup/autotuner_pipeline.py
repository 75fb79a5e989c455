"""The autotuner's cache on its way through the pipeline: each stage tunes with what the stages before it have found.

Source: NVIDIA/TensorRT-LLM `AutoTuner.cache_pp_recv`, `cache_pp_send` and `clean_pp_flag` (#10011).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.trace import Recorder


@dataclass(slots=True)
class CacheHandOff:
    """One rank's part in it. With one stage nothing is sent."""

    settings: Settings
    pp: Communicator
    recorder: Recorder
    cache: dict[str, int] = field(default_factory=dict)  # tunable operation -> tactic
    tuning: bool = False
    received: bool = False  # in this pass

    @contextmanager
    def tuned(self) -> Iterator[None]:
        """One pass of the autotuner: a forward in which `choose_one` is called for each tunable operation."""
        habit = self.settings.habits.cache_hand_off
        self.tuning = True
        try:
            yield
            if habit == "after":
                self.receive()  # a stage without a tunable operation has not received yet, and its sender waits
                self.send()
            elif habit == "in-forward":
                self._send_if_tuned()
        finally:
            if habit == "always":  # also when an error leaves the pass
                self.receive()
                self.send()
            self.tuning = self.received = False  # clean_pp_flag

    def choose_one(self, operation: str) -> None:
        """A tunable operation is met in the forward: take over what the stage before has found, then choose."""
        if self.tuning:
            if self.settings.habits.cache_hand_off != "always":
                self.receive()
            self.cache.setdefault(operation, len(self.cache))

    def _send_if_tuned(self) -> None:
        tuned = bool(self.cache)
        choice = "tuned" if tuned else "no-operation"
        self.recorder.decision("autotuner.hand_off", "pass", choice, f"operations={len(self.cache)}", deviates=not tuned)
        if tuned:
            self.send()

    def receive(self) -> None:
        """Take over what the stage before has found, once a pass."""
        if self.pp.rank > 0 and not self.received:
            self.received = True
            self.cache |= self.pp.recv(self.pp.rank - 1, "tactics")

    def send(self) -> None:
        """Hand it on to the stage behind."""
        if self.pp.rank < self.pp.size - 1:
            self.pp.send(self.cache, self.pp.rank + 1, "tactics")
