"""Time-outs: requests that wait too long are taken out of the queue."""

from __future__ import annotations

from lockstep.engines.minimal.base.requests import Request
from lockstep.engines.minimal.forward.context import RankContext
from lockstep.engines.minimal.serving.variants.request_clock import REQUEST_CLOCK


class RequestTimeouts:
    """Decides which of the waiting requests have waited too long."""

    def __init__(self, context: RankContext) -> None:
        self.context = context
        self._limit_s = context.settings.timeouts.waiting_s
        self._clock = REQUEST_CLOCK.of(context.settings)

    def abort(self, number: int, waiting: list[Request]) -> None:
        """Take them out of `waiting`."""
        if self._limit_s is None:
            return
        expired = self._expired(number, waiting, self._limit_s)
        if not self.context.apart:
            expired = self._clock.expired(expired, self.context.tp)
        waiting[:] = [request for request in waiting if request.ident not in expired]

    def _expired(self, number: int, waiting: list[Request], limit_s: float) -> list[int]:
        """By this rank's own clock."""
        now = self.context.faults.clock.now()
        expired = [request.ident for request in waiting if now - request.arrived_s > limit_s]
        if waiting:
            oldest = max(now - request.arrived_s for request in waiting)
            choice = f"abort {' '.join(map(str, expired))}" if expired else "keep"
            detail = f"oldest_s={oldest:.0f} timeout_s={limit_s:.0f}"
            self.context.recorder.decision("decode.time_out", f"step={number}", choice, detail, deviates=bool(expired))
        return expired
