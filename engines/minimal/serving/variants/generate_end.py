"""When a rank leaves `generate`, where every forward needs all ranks (deepspeedai/DeepSpeed#4910, #8262)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lockstep.engines.minimal.base.requests import Request
from lockstep.engines.minimal.forward.context import RankContext
from lockstep.engines.minimal.spec.points import Point


class GenerateEnd(Protocol):
    """Asked before `generate`, and before each of its steps."""

    def calls(self, requests: Sequence[Request]) -> bool:
        """Whether a rank with these prompts calls it."""

    def lengthen(self, requests: Sequence[Request], longest: int) -> None:
        """Set how many tokens each request gets, where the longest asks for so many."""

    def goes_on(self, step: int, unfinished: int, context: RankContext) -> bool:
        """Whether this rank has another step, where so many of its requests are unfinished."""


class Synced:
    """Sound: with all others (`synced_gpus`), the mend of deepspeedai/DeepSpeed#8262."""

    def calls(self, requests: Sequence[Request]) -> bool:
        """Also without prompts."""
        return True

    def lengthen(self, requests: Sequence[Request], longest: int) -> None:
        """As each asks for."""

    def goes_on(self, step: int, unfinished: int, context: RankContext) -> bool:
        """While any rank has something unfinished."""
        return any(context.tp.allgather(unfinished, "unfinished"))


class Eos:
    """At the end of its own requests (deepspeedai/DeepSpeed#8262), or before, without any (#4910)."""

    def calls(self, requests: Sequence[Request]) -> bool:
        """Not without prompts."""
        return bool(requests)

    def lengthen(self, requests: Sequence[Request], longest: int) -> None:
        """As each asks for."""

    def goes_on(self, step: int, unfinished: int, context: RankContext) -> bool:
        """While it has something unfinished itself."""
        choice, detail = "go on" if unfinished else "leave", f"unfinished={unfinished}"
        context.recorder.decision("decode.generate_end", f"step={step}", choice, detail, not unfinished)
        return bool(unfinished)


class MaxLength(Eos):
    """At the longest request's length, as all do that have any (deepspeedai/DeepSpeed#4910: one has none)."""

    def lengthen(self, requests: Sequence[Request], longest: int) -> None:
        """No token ends a request."""
        for request in requests:
            request.limit = longest


GENERATE_END = Point[GenerateEnd](
    "generate_end",
    "when a rank leaves `generate`: with all others (`synced_gpus`); `eos`: at the end of its own requests; "
    "`max-length`: at the longest request's length, if it has any",
    {"synced": Synced(), "eos": Eos(), "max-length": MaxLength()},
)
