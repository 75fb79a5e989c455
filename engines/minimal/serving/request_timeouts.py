"""Time-outs: requests that wait too long are taken out of the queue, by one rank's clock or by each rank's own.

Source: sgl-project/sglang#27221, where each rank compares the age of a request with its own clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from lockstep.engines.minimal.base.clock import Clock
from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.base.requests import Request
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.trace import Recorder


@dataclass(frozen=True, slots=True)
class TimeOuts:
    """Decides which of the waiting requests have waited too long. `tp`: the ranks that share them."""

    settings: Settings
    tp: Communicator
    clock: Clock
    recorder: Recorder

    def abort(self, number: int, waiting: list[Request]) -> None:
        """Take them out of `waiting`."""
        if self.settings.timeouts.waiting_s is None:
            return
        expired = self._expired(number, waiting)
        if self.settings.habits.request_clock == "first-rank" and not self.settings.parallel.attention_dp:
            expired = self.tp.broadcast(expired, 0, "expired requests")
        waiting[:] = [request for request in waiting if request.ident not in expired]

    def _expired(self, number: int, waiting: list[Request]) -> list[int]:
        """By this rank's own clock."""
        limit, now = self.settings.timeouts.waiting_s or 0.0, self.clock.now()
        expired = [request.ident for request in waiting if now - request.arrived_s > limit]
        if waiting:
            oldest = max(now - request.arrived_s for request in waiting)
            choice = f"abort {' '.join(map(str, expired))}" if expired else "keep"
            detail = f"oldest_s={oldest:.0f} timeout_s={limit:.0f}"
            self.recorder.decision("decode.time_out", f"step={number}", choice, detail, deviates=bool(expired))
        return expired
