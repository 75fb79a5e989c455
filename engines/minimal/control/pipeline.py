"""The pipeline: what its stages tell each other beside hidden states: new requests, the schedule, and what was sampled.

Sources: NVIDIA/TensorRT-LLM `_executor_loop_pp` as of #9659, #10665 and #16131. With one stage nothing is sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from lockstep.engines.minimal.base.protocols import Communicator, Device, StepOutput
from lockstep.engines.minimal.base.requests import Request
from lockstep.engines.minimal.control.variants.mtp_layers import MTP_LAYERS
from lockstep.engines.minimal.control.variants.pp_schedule import PP_SCHEDULE
from lockstep.engines.minimal.control.variants.request_send import REQUEST_SEND
from lockstep.engines.minimal.control.variants.stage_send import STAGE_SEND
from lockstep.engines.minimal.control.variants.stop_criteria import STOP_CRITERIA, SampleState
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.trace import Recorder

MAX_PP_RETRY_COUNT = 500  # upstream's name; each a hundredth of a second
RETRY_S = 0.01


class Pipeline:
    """This rank's place in its pipeline. `pp` has one rank of each stage, by stage."""

    def __init__(self, settings: Settings, pp: Communicator, recorder: Recorder, device: Device) -> None:
        self.settings, self.pp, self.recorder, self.device = settings, pp, recorder, device
        self._drafting = bool(settings.drafts.length)
        self._requests = REQUEST_SEND.of(settings)()
        self._schedule = PP_SCHEDULE.of(settings)
        self._stop = STOP_CRITERIA.of(settings)
        self._mtp_layers = MTP_LAYERS.of(settings)
        self._send = STAGE_SEND.of(settings)

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
        return self._schedule.decides(self.pp.rank)

    def begin(self) -> None:
        """Decoding begins."""
        self._send.begin(self.device)

    def requests(self, arrived: list[Request]) -> list[Request]:
        """The new requests of this iteration: what has arrived at the first stage, on every stage."""
        if not self.first:
            arrived = [Request(*plain) for plain in self.pp.recv(self.pp.rank - 1, "requests")]
        if not self.last:
            self._requests.hand_on(self.pp, [request.plain for request in arrived])
        return arrived

    def schedule(self, number: int, active: list[Request], start: Callable[[int], bool]) -> None:
        """`start` the requests that the stage which decides has scheduled, in their turn.

        Raises RuntimeError when one of them never has room here.
        """
        running = [request.ident for request in active]
        if self.pp.size > 1:
            for ident in self._schedule.wanted(self.pp, running):
                if ident not in running:
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
        if self.last:
            state = self._stop.state(active, output)
        else:
            self._send.before_tokens(number, self.recorder)
            state = self._from_before("sample state")
            self.device.hand_on()
            _finish(active, state)
        self._hand_round(state, "sample state")
        return StepOutput(state.output.next_tokens, self._drafts(number, state.output.drafts))

    def _drafts(self, number: int, drafts: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
        """The draft worker hands its tokens on by a message of its own, if it has layers to draft with (#12555)."""
        if not self._drafting:
            return drafts
        if not self.last:
            drafts = self._from_before("drafts")
        elif not self._mtp_layers.drafts(number, self.recorder):
            return ((),) * len(drafts)
        self._hand_round(drafts, "drafts")
        return drafts

    def _from_before(self, what: str) -> Any:
        return self.pp.recv((self.pp.rank - 1) % self.pp.size, what)

    def _hand_round(self, value: object, what: str) -> None:
        """To the next stage of the ring, which begins behind the last stage, but to that stage itself."""
        if self.pp.rank != self.pp.size - 2:
            self.pp.send(value, (self.pp.rank + 1) % self.pp.size, what)


def _finish(active: Sequence[Request], state: SampleState) -> None:
    """A stage that samples nothing goes by the device's reasons, unless it is told that there are none (#16131)."""
    if state.host_stop:
        return
    upstream_unchecked: Any = state.finish_reasons
    for number, request in enumerate(active):
        request.stopped = bool(upstream_unchecked[number])
