"""What an engine core does when requests are there and no token is scheduled (vllm-project/vllm#43547)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.spec.points import Point


class ZeroTokenStep(Protocol):
    """Asked in such a step."""

    def runs(self, backend: str | None) -> bool:
        """Whether it runs a dummy."""


class Dummy:
    """Sound: its peers find it in the step's collectives."""

    def runs(self, backend: str | None) -> bool:
        """Always."""
        return True


class ByBackend:
    """Under `external_launcher` only (vllm-project/vllm#43547, #51984)."""

    def runs(self, backend: str | None) -> bool:
        """Under that one."""
        return backend == "external_launcher"


class Skip:
    """It leaves the step's coordination out (vllm-project/vllm#28224)."""

    def runs(self, backend: str | None) -> bool:
        """Never."""
        return False


ZERO_TOKEN_STEP = Point[ZeroTokenStep](
    "zero_token_step",
    "what an engine core does when requests are there and no token is scheduled: a dummy; `by-backend`: one under "
    "`external_launcher` only; `skip`: no forward",
    {"dummy": Dummy(), "by-backend": ByBackend(), "skip": Skip()},
)
