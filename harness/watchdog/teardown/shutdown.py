"""The end of a case on all its hosts: nothing of it stays, whatever its outcome, and what did is a finding.

Supervisors end what they have started and say bye; on each other host one of them looks for what is left; then all leave
together. The watchdog looks after its own host itself. A host whose supervisors did not say bye is swept.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable

from lockstep.harness.channel.message_base import Leaks
from lockstep.harness.channel.messages import End, Leave, Look
from lockstep.harness.channel.watchdog_end import Head
from lockstep.harness.host.leftovers import GPU_GRACE_S, GRACE_S, Leak
from lockstep.harness.host.shared_folder import folder_name
from lockstep.harness.judge.verdict import Finding
from lockstep.harness.launch.interface import is_this_host
from lockstep.harness.launch.job import Job
from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.scenario.case import Limits
from lockstep.harness.vocabulary import FindingKind
from lockstep.harness.watchdog.presence.registry import Roster
from lockstep.harness.watchdog.ranks.rank_table import Members

HURRY_S = 4.0  # twice that, and some looking around, is well below the half minute that Slurm gives
LOOK_S = 3 * GRACE_S + GPU_GRACE_S  # what a host is given to look for what is left


class Closing:
    """Ends the supervisors of a case. `machine`: what tells the watchdog's own host from others."""

    def __init__(self, head: Head, job: Job, roster: Roster, members: Members, limits: Limits, machine: str) -> None:
        self.job = job
        self._head, self._roster, self._members, self._limits, self._machine = head, roster, members, limits, machine
        # Listens until something is so, for so many seconds at most.
        self.listen_until: Callable[[Callable[[], bool], float], None] = lambda done, timeout_s: None
        self._awaited: set[str] = set()  # machines that are to tell what is left on them
        self.leaks: list[Finding] = []

    def end(self, keep: bool, hurry: bool = False) -> None:
        """Have everybody end and leave, then the launcher. `keep`: another launch will begin with what this one leaves.

        `hurry`: who ends this run also ends its supervisors, and will soon kill what is left; a few seconds must do.
        """
        patience_s = min(self._limits.teardown_s, HURRY_S) if hurry else self._limits.teardown_s
        self._head.send_all(End(keep))
        alive = self.job.exit_code() is None
        over = lambda: self.job.exit_code() is not None or self._gone()  # noqa: E731
        self.listen_until(over, patience_s if alive else 0.0)
        if alive and not hurry:
            self._look()
        self._head.send_all(Leave())
        self.job.end(patience_s=patience_s if self._roster.complete() else 1.0)
        # Of supervisors of this host that were killed; they would have removed it.
        shutil.rmtree(self.job.folder.with_name(folder_name(str(self.job.folder))), ignore_errors=True)

    def left_badly(self, rank_map: RankMap) -> list[str]:
        """The other hosts of the map whose supervisors have not all said bye: something may be left there."""
        nodes = enumerate(rank_map.nodes)
        return [node.host for n, node in nodes if not self._left_well(rank_map.ranks_of(n)) and not is_this_host(node.host)]

    def here(self) -> tuple[set[int], set[str]]:
        """The processes of ranks on the watchdog's host, and the shared memory that they have told of."""
        here = self._roster.machines().get(self._machine, [])
        pids = {member.pid for rank, member in self._members if self._members.supervisor_of(rank) in here}
        return pids, set(self.files().get(self._machine, ()))

    def files(self) -> dict[str, list[str]]:
        """By machine, the shared memory that its ranks have told of."""
        left = self._members.left()
        machines = self._roster.machines().items()
        return {machine: sorted({path for n in numbers for path in left.get(n, ())}) for machine, numbers in machines}

    def looked(self, number: int, leaks: Leaks) -> None:
        """A supervisor tells what was left on its host."""
        entry = self._roster[number]
        self._awaited.discard(entry.machine)
        self.leaks += leak_findings(entry.host, [Leak(text, facts) for text, facts in leaks])

    def _left_well(self, numbers: Iterable[int]) -> bool:
        return all(number in self._roster and self._roster[number].said_bye for number in numbers)

    def _gone(self) -> bool:
        return self._roster.gone(self._limits.silence_s)

    def _look(self) -> None:
        """Let one supervisor of each other host look, when all of that host have ended what they started."""
        for machine, numbers in self._roster.machines().items():
            if machine != self._machine and self._left_well(numbers):
                entries = [self._roster[number] for number in numbers]
                spared, ours = tuple(entry.supervisor for entry in entries), tuple(entry.pid for entry in entries)
                self._awaited.add(machine)
                self._head.send(numbers[0], Look(spared, ours))
        self.listen_until(lambda: not self._awaited or self.job.exit_code() is not None, LOOK_S)


def leak_findings(host: str, leaks: Collection[Leak]) -> list[Finding]:
    """What was left on a host, as findings."""
    return [Finding(FindingKind.LEAK, f"on {host}: {leak.text}", {"host": host, **leak.facts}) for leak in leaks]
