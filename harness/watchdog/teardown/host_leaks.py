"""What was left on other hosts, as their supervisors tell when they have looked. No sockets."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from lockstep.harness.channel.message_base import Leaks
from lockstep.harness.host.leftovers import Leak
from lockstep.harness.judge.verdict import Finding
from lockstep.harness.vocabulary import FindingKind
from lockstep.harness.watchdog.presence.registry import SupervisorEntry


@dataclass(slots=True)
class HostLeaks:
    """`awaited`: machines of which one supervisor is looking."""

    awaited: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)

    def told(self, entry: SupervisorEntry, leaks: Leaks) -> None:
        """A supervisor tells what was left on its host."""
        self.awaited.discard(entry.machine)
        self.findings += leak_findings(entry.host, [Leak(text, facts) for text, facts in leaks])


def leak_findings(host: str, leaks: Collection[Leak]) -> list[Finding]:
    """What was left on a host, as findings."""
    return [Finding(FindingKind.LEAK, f"on {host}: {leak.text}", {"host": host, **leak.facts}) for leak in leaks]
