"""Transfers: a context server sends the KV of each computed prompt away, and its blocks are free only when that is done.

Sources: NVIDIA/TensorRT-LLM#14020, #17379, where nothing is reaped while no step runs.
"""

from __future__ import annotations

import threading

from lockstep.engines.minimal.base.requests import Request
from lockstep.engines.minimal.forward.context import RankContext
from lockstep.engines.minimal.serving.scheduler import Scheduler
from lockstep.engines.minimal.serving.variants.transfer_check import TRANSFER_CHECK

POLL_S = 0.5  # how long a rank drives a transfer while it has nothing that fits


class Transfers:
    """What this rank sends, if it is of a context server. `received` stands for the memory of the side that decodes."""

    def __init__(self, context: RankContext) -> None:
        self.context = context
        self.sending: dict[int, tuple[Request, threading.Thread]] = {}
        self.received: dict[int, list[object]] = {}
        self.released: set[int] = set()
        self._on = context.settings.workload.context_only
        self._check = TRANSFER_CHECK.of(context.settings)

    def check(self, number: int, scheduler: Scheduler) -> None:
        """The status that ranks with the same requests exchange. Then there may be more room."""
        context = self.context
        if not self._on or context.apart:
            return
        stuck = scheduler.stuck and bool(self.sending)
        if self._check.comes(number, stuck, context.manager.free_blocks, context.tp, context.recorder):
            if stuck:
                self._drive(None)
            everywhere = context.tp.allgather(sorted(self.released | self._done()), "transfer status")
            self._release(set(everywhere[0]).intersection(*everywhere))
            scheduler.admit(number)

    def step_done(self, finished: list[Request], scheduler: Scheduler) -> None:
        """Send the KV of these requests, which keep their blocks; give the blocks back of what has been sent from here."""
        if not self._on:
            return
        for request in finished:
            thread = threading.Thread(target=self._send, args=(request,), name=f"transfer {request.ident}", daemon=True)
            self.sending[request.ident] = (request, thread)
            thread.start()
        if scheduler.stuck and self.sending:
            self._drive(POLL_S)
        if self.context.apart or self._check.releases_alone:
            self._release(self._done())

    def finish(self) -> None:
        """Wait for all of them."""
        for _, thread in self.sending.values():
            thread.join()
        self._release(self._done())

    def _drive(self, seconds: float | None) -> None:
        """Wait for the oldest one."""
        next(iter(self.sending.values()))[1].join(seconds)

    def _done(self) -> set[int]:
        return {ident for ident, (_, thread) in self.sending.items() if not thread.is_alive()}

    def _release(self, idents: set[int]) -> None:
        for ident in idents & self.sending.keys():
            self.context.manager.free(self.sending.pop(ident)[0].blocks)
            self.released.add(ident)

    def _send(self, request: Request) -> None:
        self.context.faults.aside("decode", f"transfer request={request.ident}")
        self.received[request.ident] = [self.context.pool.read(block) for block in request.blocks]
