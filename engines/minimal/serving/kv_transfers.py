"""Transfers: a context server sends the KV of each computed prompt away, and its blocks are free only when that is done.

Sources: NVIDIA/TensorRT-LLM#14020, where a rank's own free blocks decide whether it enters the status all-gather, and
#17379, where nothing is reaped while no step runs.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from lockstep.engines.minimal.base.block_manager import BlockManager
from lockstep.engines.minimal.base.protocols import Communicator, KvCache
from lockstep.engines.minimal.base.requests import Request
from lockstep.engines.minimal.failure.faults import Faults
from lockstep.engines.minimal.serving.scheduler import Scheduler
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.trace import Recorder

POLL_S = 0.5  # how long a rank drives a transfer while it has nothing that fits


@dataclass(slots=True)
class Transfers:
    """What this rank sends. `received` stands for the memory of the side that decodes."""

    settings: Settings
    manager: BlockManager
    pool: KvCache | None
    tp: Communicator
    recorder: Recorder
    faults: Faults
    sending: dict[int, tuple[Request, threading.Thread]] = field(default_factory=dict)
    received: dict[int, list[object]] = field(default_factory=dict)
    released: set[int] = field(default_factory=set)

    def start(self, requests: list[Request]) -> None:
        """Send the KV of these requests. They keep their blocks."""
        for request in requests:
            thread = threading.Thread(target=self._send, args=(request,), name=f"transfer {request.ident}", daemon=True)
            self.sending[request.ident] = (request, thread)
            thread.start()

    def check(self, number: int, scheduler: Scheduler) -> None:
        """The status that ranks with the same requests exchange, always or behind a gate. Then there may be more room."""
        if not self.settings.workload.context_only or self.settings.parallel.attention_dp:
            return
        habit = self.settings.habits.transfer_check
        stuck = scheduler.stuck and bool(self.sending)
        if habit != "always":
            choice, detail = "check" if stuck else "go on", f"free_blocks={self.manager.free_blocks}"
            self.recorder.decision("decode.transfer_check", f"step={number}", choice, detail, deviates=stuck)
        enter = any(self.tp.allgather(stuck, "transfer gate")) if habit == "any" else stuck or habit == "always"
        if enter:
            if stuck:
                next(iter(self.sending.values()))[1].join()
            everywhere = self.tp.allgather(sorted(self.released | self._done()), "transfer status")
            self._release(set(everywhere[0]).intersection(*everywhere))
            scheduler.admit(number)

    def reap(self, wait: bool) -> None:
        """After a step: give the blocks back of what has been sent from this rank. `wait`: drive a transfer for a while."""
        if wait and self.sending:
            next(iter(self.sending.values()))[1].join(POLL_S)
        if self.settings.parallel.attention_dp or self.settings.habits.transfer_check != "always":
            self._release(self._done())

    def finish(self) -> None:
        """Wait for all of them."""
        for _, thread in self.sending.values():
            thread.join()
        self._release(self._done())

    def _done(self) -> set[int]:
        return {ident for ident, (_, thread) in self.sending.items() if not thread.is_alive()}

    def _release(self, idents: set[int]) -> None:
        for ident in idents & self.sending.keys():
            self.manager.free(self.sending.pop(ident)[0].blocks)
            self.released.add(ident)

    def _send(self, request: Request) -> None:
        self.faults.aside("decode", f"transfer request={request.ident}")
        if self.pool is not None:
            self.received[request.ident] = [self.pool.read(block) for block in request.blocks]
