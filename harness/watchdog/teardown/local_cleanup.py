"""The end of a case on the watchdog's own host: no process, file or GPU memory of it stays; what did is a finding."""

from __future__ import annotations

from collections.abc import Collection

from lockstep.harness.host.leftovers import Leftovers
from lockstep.harness.judge.verdict import Finding
from lockstep.harness.vocabulary import FindingKind


class LocalCleanup:
    """Looks after the processes that carry a case's token, and after its files, on this host. Made before the launch.

    `on_gpus`: whether its ranks may use them. Else what others hold there would be taken for what the case has left.
    """

    def __init__(self, token: str, on_gpus: bool) -> None:
        self._leftovers = Leftovers(token)
        if on_gpus:
            self._leftovers.note_gpus()

    def clear(self, pids: Collection[int], files: Collection[str]) -> list[Finding]:
        """End and remove what is left; what there was. `pids`, `files`: what ranks of this host have told of."""
        return [Finding(FindingKind.LEAK, leak.text, leak.facts) for leak in self._leftovers.clear(pids, files)]
