"""The end of a case on the watchdog's own host: no process, file or GPU memory of it stays; what did is a finding."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from lockstep.harness.host.leftovers import Leftovers
from lockstep.harness.judge.verdict import Finding, Verdict
from lockstep.harness.vocabulary import FindingKind, Outcome

Local = tuple[set[int], set[str]]  # processes and files


class Teardown:
    """Looks after the processes that carry a case's token, and after its files, on this host. Made before the launch."""

    def __init__(self, token: str) -> None:
        self._leftovers = Leftovers(token)
        self._leftovers.note_gpus()

    def finish(self, verdict: Verdict, end: Callable[[], Collection[Finding]], left: Callable[[], Local]) -> Verdict:
        """End the case in order with `end`, then look; the verdict, with what was found.

        `left`: what its ranks of this host have told of, as it is then.
        """
        elsewhere = end()
        pids, files = left()
        found = [Finding(FindingKind.LEAK, leak.text, leak.facts) for leak in self._leftovers.clear(pids, files)]
        if verdict.outcome is Outcome.INVALID:
            found = []
        return replace(verdict, findings=(*verdict.findings, *elsewhere, *found))
