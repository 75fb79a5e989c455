"""Ranks that are about to abort. A launcher answers MPI_Abort by killing all supervisors, so that nobody could be called any
more: a rank is let go on only when everybody has shown that it is there.
"""

from __future__ import annotations

from lockstep.harness.channel.to_supervisor import Acknowledge, Call
from lockstep.harness.channel.watchdog_end import Head
from lockstep.harness.watchdog.presence.liveness_round import LivenessRound
from lockstep.harness.watchdog.presence.registry import Registry


class AbortGate:
    """The aborts of a case."""

    def __init__(self, registry: Registry, liveness_round: LivenessRound) -> None:
        self._registry, self._liveness_round = registry, liveness_round
        self._waiting: dict[tuple[int, int], int] = {}  # supervisor, process -> the event to acknowledge
        self._call = 0  # asked when a rank was about to abort; 0: none was

    def note(self, number: int, process: int, event: int) -> None:
        """A process of a supervisor is about to abort, and waits until this event is acknowledged."""
        self._waiting[number, process] = event

    def let(self, head: Head) -> None:
        """Call everybody, and when all have answered let those go on that wait."""
        if not self._waiting:
            return
        if not self._call:
            self._call = self._liveness_round.next()
            head.send_all(Call(self._call))
        if self.known:
            for (number, process), event in self._waiting.items():
                head.send(number, Acknowledge(event, process))
            self._waiting.clear()

    @property
    def known(self) -> bool:
        """Whether a rank aborts, and all supervisors were there when it was about to."""
        return self._call > 0 and self._registry.present(self._call)
