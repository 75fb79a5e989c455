"""How the last stage finds that a request is finished, and what it tells the others (NVIDIA/TensorRT-LLM#16131)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lockstep.engines.minimal.base.protocols import StepOutput
from lockstep.engines.minimal.base.requests import Request
from lockstep.engines.minimal.spec.points import Point


@dataclass(frozen=True, slots=True)
class SampleState:
    """What the last stage sampled. `finish_reasons`, one a row: None where it went by host criteria (`host_stop`)."""

    output: StepOutput
    finish_reasons: tuple[str, ...] | None
    host_stop: bool


class StopCriteria(Protocol):
    """Of the last stage."""

    def state(self, requests: Sequence[Request], output: StepOutput) -> SampleState:
        """What it tells of a step."""


class Device:
    """Sound: the device says of each request why it is finished."""

    def state(self, requests: Sequence[Request], output: StepOutput) -> SampleState:
        """With all reasons."""
        return SampleState(output, tuple(map(_reason, requests)), False)


class Host:
    """The host finds it, and says so to the others, which then do the same (the mend of NVIDIA/TensorRT-LLM#16131)."""

    def state(self, requests: Sequence[Request], output: StepOutput) -> SampleState:
        """Without reasons, marked."""
        return SampleState(output, None, True)


class HostUnmarked:
    """The host finds it and does not say so: the others read reasons that are not there (NVIDIA/TensorRT-LLM#16131)."""

    def state(self, requests: Sequence[Request], output: StepOutput) -> SampleState:
        """Without reasons, and without a word."""
        return SampleState(output, None, False)


def _reason(request: Request) -> str:
    """`length` where the tokens that this step gives at least end the request; else nothing."""
    return "length" if len(request.output) + 1 >= request.limit else ""


STOP_CRITERIA = Point[StopCriteria](
    "stop_criteria",
    "how the last stage finds that a request is finished; `host`: it says so to the others, which then do the same; "
    "`host-unmarked`: it does not (#16131)",
    {"device": Device(), "host": Host(), "host-unmarked": HostUnmarked()},
)
