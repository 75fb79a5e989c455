"""Calls in which the host waits for its GPU: for the collectives that it has handed over, or for what is not known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lockstep.harness.attach import device_work, recording
from lockstep.harness.attach.calls import Again, Issued
from lockstep.harness.attach.recorded import Call
from lockstep.harness.attach.recording import Recording
from lockstep.harness.attach.sites import call_site
from lockstep.harness.trace.event import Need


class Synchronizing:
    """A wait of the host for collectives that it has handed to a GPU."""

    def __init__(self, again: Again, waited: Sequence[Issued]) -> None:
        self.again, self.waited = again, waited

    def ended(self, result: Any) -> None:
        """They have ended."""
        self.again.ended(result)
        device_work.end(self.waited)

    def failed(self, error: BaseException) -> None:
        """Who knows."""
        self.again.failed(error)


class Streams:
    """A wait of the host for its streams, of which it is not known what keeps them."""

    def __init__(self, found: Recording) -> None:
        self.wait = found.recorder.synchronize()

    def ended(self, result: Any) -> None:
        """It has ended."""
        self.wait.__exit__(None, None, None)

    def failed(self, error: BaseException) -> None:
        """It has ended, with an error."""
        self.wait.__exit__(None, None, None)


def waiting(name: str, waited: Sequence[Issued]) -> Call | None:
    """A call of this name that waits for these; None in a process that is no rank."""
    found = recording.existing()
    if found is None or not found.listening:
        return None
    if not waited:
        return Streams(found)
    return Synchronizing(found.several(name, Need.EVERY, waited, call_site(found.recorder)), waited)
