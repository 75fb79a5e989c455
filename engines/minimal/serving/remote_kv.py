"""Remote KV: requests whose prompts were computed elsewhere, and whose KV is there when they are scheduled."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Container

from lockstep.engines.minimal.base.protocols import StepOutput
from lockstep.engines.minimal.base.requests import Request
from lockstep.engines.minimal.forward.context import RankContext


class RemoteKv(ABC):
    """One way in which it comes."""

    def __init__(self, context: RankContext) -> None:
        self.context = context

    @property
    @abstractmethod
    def expected(self) -> Container[int]:
        """Requests whose KV this rank is to fetch."""

    @abstractmethod
    def prepare(self, arrived: list[Request]) -> None:
        """Decoding begins: have the prompts computed. `arrived`: the requests of this rank. All ranks must call it."""

    @abstractmethod
    def fetch(self, request: Request) -> StepOutput:
        """Fill the blocks of a request, and no longer expect it; what came of its prompt."""

    def fill(self, requests: list[Request]) -> None:
        """These requests have just been scheduled."""
        for request in requests:
            if request.ident in self.expected:
                output = self.fetch(request)
                request.accept(output.next_tokens, output.drafts)

    def finish(self) -> None:  # noqa: B027  most ways leave nothing behind
        """Decoding ends. All ranks must call it."""

    def _blocks(self, ident: int, prompt: list[int]) -> list[int]:
        """Blocks to compute a prompt in. Raises MemoryError where there are too few."""
        blocks = self.context.manager.allocate(len(prompt))
        if blocks is None:
            raise MemoryError(f"{self.context.manager.free_blocks} free blocks do not hold prompt {ident}")
        return blocks
