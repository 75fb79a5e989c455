"""The communicators that the ranks of a case have announced. No sockets, no clock."""

from __future__ import annotations

from dataclasses import dataclass, field

from lockstep.harness.trace.state import RankState


@dataclass(slots=True)
class Communicators:
    """By key, which is the same on every member."""

    members: dict[str, tuple[int, ...]] = field(default_factory=dict)
    kinds: dict[str, tuple[str, str]] = field(default_factory=dict)  # kind, name

    def announce(self, state: RankState) -> None:
        """Take over those that a rank has announced."""
        for info in state.comms.values():
            self.members[info.key] = info.members
            self.kinds[info.key] = (info.kind, info.name)
