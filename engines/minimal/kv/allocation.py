"""Allocation: which KV blocks a request gets, and what becomes of them when it is done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from lockstep.engines.minimal.base.block_manager import BlockManager
from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.base.requests import Request
from lockstep.engines.minimal.kv.variants.block_ids import BLOCK_IDS
from lockstep.engines.minimal.spec.settings import Settings


class Allocation(Protocol):
    """What the scheduler asks for blocks."""

    def open(self, world: Communicator) -> None:
        """Decoding begins."""

    def begin(self, number: int) -> None:
        """An iteration begins."""

    def prefetch(self, waiting: Iterable[Request]) -> None:
        """These requests are about to be started, as far as there is room."""

    def start(self, request: Request, tokens: int) -> list[int] | None:
        """Blocks for a request of so many tokens; None where they do not fit."""

    def release(self, request: Request) -> None:
        """A request is done."""

    def clear(self) -> None:
        """Decoding ends: every block comes back."""


class PlainAllocation:
    """Blocks of the free list, for one request each."""

    def __init__(self, settings: Settings, manager: BlockManager, tp: Communicator) -> None:
        self.manager = manager
        self._sharers = None if settings.parallel.attention_dp else tp
        self._sent_away = settings.workload.context_only  # then a transfer gives the blocks back
        self._ids = BLOCK_IDS.of(settings)

    def open(self, world: Communicator) -> None:
        """Nothing to open."""

    def begin(self, number: int) -> None:
        """Nothing to do."""

    def prefetch(self, waiting: Iterable[Request]) -> None:
        """Nothing to fetch."""

    def start(self, request: Request, tokens: int) -> list[int] | None:
        """Free ones."""
        return self._ids.allocate(tokens, self.manager, self._sharers)

    def release(self, request: Request) -> None:
        """They are free again, unless they are still being sent."""
        if not self._sent_away:
            self._ids.free(request.blocks, self.manager, self._sharers)

    def clear(self) -> None:
        """All are back."""
