"""The inbox of an engine core: control messages of a client or the coordinator, in the order in which they reach this rank.

The workload says at which of its steps a rank gets a message. So two ranks may get one at different points of their loops,
as with real sockets, and do so every time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lockstep.engines.minimal.spec.groups import Message

CALLS = ("resume", "sleep", "wake_up", "update_weights")  # a client makes them when its last call has returned


@dataclass(slots=True)
class Inbox:
    """Messages that this rank has not taken yet."""

    messages: list[Message] = field(default_factory=list)

    def take(self, steps: int, call_open: bool) -> Message | None:
        """The next one if it has come after `steps` steps. While a call is open its client makes no other."""
        if not self.messages or self.messages[0].step > steps or (call_open and self.messages[0].kind in CALLS):
            return None
        return self.messages.pop(0)

    def wait(self) -> Message | None:
        """The next one, for a rank that has nothing to run until it comes; None when there will be none."""
        return self.messages.pop(0) if self.messages else None
