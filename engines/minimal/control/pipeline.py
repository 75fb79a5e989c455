"""The pipeline: what its stages tell each other beside hidden states: new requests, the schedule, and what was sampled.

Sources: NVIDIA/TensorRT-LLM `_executor_loop_pp` as of #9659, #10665 and #16131. With one stage nothing is sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lockstep.engines.minimal.base.protocols import Communicator, Device, Pending, StepOutput
from lockstep.engines.minimal.base.requests import Request
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.trace import Recorder

MAX_PP_RETRY_COUNT = 500  # upstream's name; each a hundredth of a second
RETRY_S = 0.01


@dataclass(frozen=True, slots=True)
class SampleState:
    """What the last stage sampled. `finish_reasons`, one a row: None where it went by host criteria (`host_stop`)."""

    output: StepOutput
    finish_reasons: tuple[str, ...] | None
    host_stop: bool


@dataclass(slots=True)
class Pipeline:
    """This rank's place in its pipeline. `pp` has one rank of each stage, by stage."""

    settings: Settings
    pp: Communicator
    recorder: Recorder
    device: Device
    pending: list[Pending] = field(default_factory=list)  # sends that have not been waited for

    @property
    def first(self) -> bool:
        """Whether this is the stage that takes requests in."""
        return self.pp.rank == 0

    @property
    def last(self) -> bool:
        """Whether this is the stage that samples."""
        return self.pp.rank == self.pp.size - 1

    @property
    def decides(self) -> bool:
        """Whether this stage schedules by its own free blocks."""
        return self.first or self.settings.habits.pp_schedule == "own"

    def requests(self, arrived: list[Request]) -> list[Request]:
        """The new requests of this iteration: what has arrived at the first stage, on every stage."""
        if not self.first:
            arrived = [Request(*plain) for plain in self.pp.recv(self.pp.rank - 1, "requests")]
        if not self.last:
            self._hand_on([(request.ident, request.prompt, request.limit, request.image) for request in arrived])
        return arrived

    def _hand_on(self, plain: list[tuple[int, list[int], int, bytes]]) -> None:
        if self.settings.habits.request_send == "wait":
            self.pp.send(plain, self.pp.rank + 1, "requests")
            return
        # Waited for only before the next one: until then nobody drives the transfer (#10665).
        while self.pending:
            self.pending.pop().wait()
        self.pending.append(self.pp.isend(plain, self.pp.rank + 1, "requests"))

    def schedule(self, number: int, active: list[Request], start: Callable[[int], bool]) -> None:
        """With one decider: the first stage's schedule, whose requests the others `start` in their turn.

        Raises RuntimeError when one of them never has room here.
        """
        if self.pp.size == 1 or self.settings.habits.pp_schedule == "own":
            return
        wanted = [request.ident for request in active]
        if not self.first:
            wanted = list(self.pp.recv(self.pp.rank - 1, "schedule"))
        if not self.last:
            self.pp.send(wanted, self.pp.rank + 1, "schedule")
        missing = [ident for ident in wanted if ident not in {request.ident for request in active}]
        for ident in missing:
            self._start(number, ident, start)

    def _start(self, number: int, ident: int, start: Callable[[int], bool]) -> None:
        for attempt in range(MAX_PP_RETRY_COUNT):
            if start(ident):
                return
            if attempt == 0:
                self.recorder.decision("decode.schedule", f"step={number}", "retry", f"request={ident}", deviates=True)
            time.sleep(RETRY_S)  # a transfer that ends gives its blocks back
        raise RuntimeError(f"request {ident}, which the first pipeline stage has scheduled, never had room on this one")

    def output(self, number: int, active: Sequence[Request], output: StepOutput) -> StepOutput:
        """What the last stage sampled, on every stage, by way of a ring; and why requests are finished."""
        if self.pp.size == 1:
            return output
        after, before = (self.pp.rank + 1) % self.pp.size, (self.pp.rank - 1) % self.pp.size
        host = self.settings.habits.stop_criteria
        if self.last:
            reasons = tuple(_reason(request, output) for request in active) if host == "device" else None
            state = SampleState(output, reasons, host == "host")
        else:
            if self.device.lazy:
                self.recorder.decision("decode.hidden", f"step={number}", "keep", deviates=True)
            state = self.pp.recv(before, "sample state")
            self.device.hand_on()
            self._finish(active, state)
        if self.pp.rank != self.pp.size - 2:
            self.pp.send(state, after, "sample state")
        return StepOutput(state.output.next_tokens, self._drafts(number, state.output.drafts))

    def _finish(self, active: Sequence[Request], state: SampleState) -> None:
        """A stage that samples nothing goes by the device's reasons, unless it is told that there are none (#16131)."""
        if state.host_stop:
            return
        reasons: Any = state.finish_reasons
        for number, request in enumerate(active):
            request.stopped = bool(reasons[number])

    def _drafts(self, number: int, drafts: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
        """The draft worker hands its tokens on by a message of its own, if it has layers to draft with (#12555)."""
        if not self.settings.drafts.length:
            return drafts
        after, before = (self.pp.rank + 1) % self.pp.size, (self.pp.rank - 1) % self.pp.size
        if self.last and self.settings.habits.mtp_layers == "removed":
            self.recorder.decision("decode.drafts", f"step={number}", "none", "mtp_layers=0", deviates=True)
            return ((),) * len(drafts)
        if not self.last:
            drafts = self.pp.recv(before, "drafts")
        if self.pp.rank != self.pp.size - 2:
            self.pp.send(drafts, after, "drafts")
        return drafts


def _reason(request: Request, output: StepOutput) -> str:
    """`length` where the tokens that this step gives at least end the request; else nothing."""
    return "length" if len(request.output) + 1 >= request.limit else ""
