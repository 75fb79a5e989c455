"""The end of a case on all its hosts: nothing of it stays, whatever its outcome, and what did is a finding.

Supervisors end what they have started and say bye; on each other host one of them looks for what is left; then all leave
together. The watchdog looks after its own host itself. A host whose supervisors did not say bye is swept.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable

from lockstep.harness.channel.to_supervisor import End, Leave, Look
from lockstep.harness.channel.watchdog_end import Head
from lockstep.harness.host.leftovers import GPU_GRACE_S, GRACE_S
from lockstep.harness.host.shared_folder import folder_name
from lockstep.harness.launch.interface import is_this_host
from lockstep.harness.launch.job import Job
from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.watchdog.case_state import CaseState

HURRY_S = 4.0  # twice that, and some looking around, is well below the half minute that Slurm gives
LOOK_S = 3 * GRACE_S + GPU_GRACE_S  # what a host is given to look for what is left


class Shutdown:
    """Ends the supervisors of a case, and its launcher. `machine`: what tells the watchdog's own host from others.

    `listen_until`: listens until something is so, for so many seconds at most.
    """

    def __init__(
        self,
        end: Head,
        job: Job,
        state: CaseState,
        machine: str,
        listen_until: Callable[[Callable[[], bool], float], None],
    ) -> None:
        self.job = job
        self._end, self._machine, self._listen_until = end, machine, listen_until
        self._registry, self._ranks, self._host_leaks = state.registry, state.ranks, state.host_leaks
        self._limits = state.judgement.limits

    def supervisors(self, keep: bool, hurry: bool) -> None:
        """Have everybody end and leave. `keep`: another launch will begin with what this one leaves.

        `hurry`: who ends this run also ends its supervisors, and will soon kill what is left; a few seconds must do.
        """
        self._end.send_all(End(keep))
        alive = self.job.exit_code() is None
        self._listen_until(self._gone, self._patience_s(hurry) if alive else 0.0)
        if alive and not hurry:
            self._look()
        self._end.send_all(Leave())

    def launcher(self, hurry: bool) -> None:
        """End the launcher. One whose supervisors have all come and been told to leave ends by itself."""
        try:
            self.job.end(patience_s=self._patience_s(hurry) if self._registry.complete() else 1.0)
        finally:
            # Of supervisors of this host that were killed; they would have removed it.
            shutil.rmtree(self.job.folder.with_name(folder_name(str(self.job.folder))), ignore_errors=True)

    def left_badly(self, rank_map: RankMap) -> list[str]:
        """The other hosts of the map whose supervisors have not all said bye: something may be left there."""
        nodes = enumerate(rank_map.nodes)
        return [node.host for n, node in nodes if not self._left_well(rank_map.ranks_of(n)) and not is_this_host(node.host)]

    def here(self) -> tuple[set[int], set[str]]:
        """The processes of ranks on the watchdog's host, and the shared memory that they have told of."""
        here = self._registry.machines().get(self._machine, [])
        pids = {record.pid for _, record in self._ranks if record.process[0] in here}
        return pids, set(self.files().get(self._machine, ()))

    def files(self) -> dict[str, list[str]]:
        """By machine, the shared memory that its ranks have told of."""
        commands = self._ranks.processes.commands
        machines = self._registry.machines().items()
        return {
            machine: sorted({path for number in numbers if number in commands for path in commands[number].shm_files})
            for machine, numbers in machines
        }

    def _patience_s(self, hurry: bool) -> float:
        return min(self._limits.teardown_s, HURRY_S) if hurry else self._limits.teardown_s

    def _left_well(self, numbers: Iterable[int]) -> bool:
        return all(number in self._registry and self._registry[number].said_bye for number in numbers)

    def _gone(self) -> bool:
        return self.job.exit_code() is not None or self._registry.gone(self._limits.silence_s)

    def _look(self) -> None:
        """Let one supervisor of each other host look, when all of that host have ended what they started."""
        awaited = self._host_leaks.awaited
        for machine, numbers in self._registry.machines().items():
            if machine != self._machine and self._left_well(numbers):
                entries = [self._registry[number] for number in numbers]
                spared, ours = tuple(entry.supervisor for entry in entries), tuple(entry.pid for entry in entries)
                awaited.add(machine)
                self._end.send(numbers[0], Look(spared, ours))
        self._listen_until(lambda: not awaited or self.job.exit_code() is not None, LOOK_S)
