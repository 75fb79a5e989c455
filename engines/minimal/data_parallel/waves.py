"""Waves: whether an engine core runs, is paused or asleep, and what messages between steps change of that.

Sources: vllm-project/vllm#16277 (waves), #39366 (two-phase pause), #44483 (sleep).
"""

from __future__ import annotations

from collections.abc import Callable

from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.data_parallel.variants.resume import RESUME
from lockstep.engines.minimal.data_parallel.variants.start_wave import START_WAVE
from lockstep.engines.minimal.forward.context import RankContext


class Waves:
    """One core's. `core`: over what engine cores agree; `unfinished`: requests that this one may work on."""

    def __init__(self, context: RankContext, core: Communicator, unfinished: Callable[[], int]) -> None:
        self.context, self.core, self._unfinished = context, core, unfinished
        self.running = False  # vLLM's `engines_running`: this rank's copy of what the last agreement said
        self.paused = False  # its scheduler
        self.pausing = False  # asked to pause, and not all ranks are known to have been
        self.asleep: set[str] = set()
        self.wave = 0
        self.resumes = 0
        self._start = START_WAVE.of(context.settings)
        self._resume = RESUME.of(context.settings)

    @property
    def has_work(self) -> bool:
        """Whether there may be something to run on some rank, as far as this one knows."""
        return self.running or bool(self._unfinished())

    def begin(self) -> None:
        """The first wave: whether any rank has requests."""
        self.running = any(self.core.allgather(self._unfinished(), "requests"))

    def agree(self) -> None:
        """All ranks tell whether they have work or are to pause; whether any goes on. A wave ends where none does."""
        states = self.core.allgather((bool(self._unfinished()), self.pausing), "unfinished")
        self.running = any(unfinished or pausing for unfinished, pausing in states)
        if all(pausing for _, pausing in states):
            self.pausing, self.paused, self.running = False, True, False

    def end(self) -> None:
        """No rank has work."""
        self.wave += 1

    def add_request(self) -> None:
        """This rank has one more request."""
        self.running = self.running or not self.paused

    def start(self) -> None:
        """The coordinator's message that another rank has work. It may come late."""
        if self.running:
            return
        starts = self._start.starts(self.paused)
        choice, detail = "start" if starts else "ignore", f"paused={int(self.paused)}"
        self.context.recorder.decision("decode.start_wave", f"wave={self.wave}", choice, detail, self.paused)
        self.running = starts

    def pause(self) -> None:
        """In two phases: keep stepping until all ranks are known to pause; or at once."""
        if not self._start.two_phase:
            self.paused = True
        elif not self.paused:
            self.pausing = self.running = True

    def resume(self) -> None:
        """All ranks start together; a resume of what is not paused is a duplicate and has nobody to wait for."""
        duplicate = self._resume.duplicate(self.paused, self.running)
        self.resumes += 1
        choice = "return" if duplicate else "synchronize"
        detail = f"paused={int(self.paused)} running={int(self.running)}"
        deviates = duplicate and self._resume.mistakes
        self.context.recorder.decision("decode.resume", f"resume={self.resumes}", choice, detail, deviates)
        if duplicate:
            return
        self.paused = False
        self.running = any(self.core.allgather(self._unfinished(), "resume"))

    def sleep(self) -> None:
        """Give the KV cache's memory back."""
        self.asleep = {"weights", "kv_cache"}
        self.context.pool.discard()

    def wake_up(self, tag: str | None) -> None:
        """Take it again; `tag`: only that part wakes."""
        woken = {tag} if tag else set(self.asleep)
        if "kv_cache" in woken & self.asleep:
            self.context.pool.restore()
        self.asleep -= woken
        if not self.asleep:  # as upstream: whoever is all awake goes on
            self.resume()
