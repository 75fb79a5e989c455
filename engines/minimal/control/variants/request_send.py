"""How a pipeline stage hands new requests on (NVIDIA/TensorRT-LLM#10665)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from lockstep.engines.minimal.base.protocols import Communicator, Pending
from lockstep.engines.minimal.base.requests import PlainRequest
from lockstep.engines.minimal.spec.points import Point


class RequestSend(Protocol):
    """One a stage."""

    def hand_on(self, pp: Communicator, requests: list[PlainRequest]) -> None:
        """To the stage behind."""


class Wait:
    """Sound: until that stage has them."""

    def hand_on(self, pp: Communicator, requests: list[PlainRequest]) -> None:
        """Send and wait."""
        pp.send(requests, pp.rank + 1, "requests")


class Async:
    """Waited for only before the next ones: until then nobody drives the transfer (NVIDIA/TensorRT-LLM#10665)."""

    def __init__(self) -> None:
        self.pending: list[Pending] = []

    def hand_on(self, pp: Communicator, requests: list[PlainRequest]) -> None:
        """Wait for the last ones, begin to send these."""
        while self.pending:
            self.pending.pop().wait()
        self.pending.append(pp.isend(requests, pp.rank + 1, "requests"))


REQUEST_SEND = Point[Callable[[], RequestSend]](
    "request_send",
    "how a pipeline stage hands new requests on; `async`: waited for only before the next ones (#10665)",
    {"wait": Wait, "async": Async},
)
