"""The ranks of a case: a view on its processes, with the communicators that they have announced. No sockets, no clock.

An engine's ranks are numbered from the start; which process of a program is which rank has to be found out. In this alone,
and in who else may still come, the two kinds of view differ.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence

from lockstep.harness.channel.to_watchdog import Delta
from lockstep.harness.judge.graph import Stuck
from lockstep.harness.trace.state import RankState, Status
from lockstep.harness.watchdog.ranks.communicators import Communicators
from lockstep.harness.watchdog.ranks.process_table import Process, ProcessRecord, ProcessTable

SETTLE_S = 1.0  # what a death is given to wake its peers on the same host
SPAWNER_S = 10.0  # what a process that starts and watches others is given to end those that wait for a dead one


class RankTable(ABC):
    """Ranks by number. `settle_s`: what a death is given to wake its peers, which membership knows.

    `open`: whether processes may come and go below a supervisor.

    Over the size we keep: half of it only names the questions that either kind of view answers its own way.
    """

    open: bool

    def __init__(self, supervisors: int) -> None:
        self.processes = ProcessTable(supervisors)
        self.comms = Communicators()
        self.settle_s = SETTLE_S
        self.looks_around = False  # whether supervisors tell, when they are asked, what the processes beside ranks sleep in
        self._ranks: dict[int, ProcessRecord] = {}

    def __getitem__(self, rank: int) -> ProcessRecord:
        return self._ranks[rank]

    def __iter__(self) -> Iterator[tuple[int, ProcessRecord]]:
        return iter(sorted(self._ranks.items()))

    def states(self) -> dict[int, RankState]:
        """The state of each rank that has reported."""
        return {rank: record.state for rank, record in self._ranks.items()}

    def take(self, process: Process, delta: Delta, now_s: float) -> ProcessRecord:
        """New events of a process."""
        record = self.processes.records[process]
        known = len(record.state.comms)
        record.take(delta)
        if record.state.leaving_ns and not record.leaving_s:
            record.leaving_s = now_s
        if len(record.state.comms) != known:
            self.comms.announce(record.state)
        return record

    def others(self) -> set[Process]:
        """Living processes (supervisor, process id) that are no ranks. Below the supervisor of an engine there are none."""
        return set()

    def watchers(self) -> set[Process]:
        """Those of them that may still do something about the ranks."""
        return self.others()

    def over(self) -> bool:
        """Whether everybody has ended, or an engine cannot go on. Not while a rank has called abort and its launcher has not
        yet killed the job."""
        running = aborting = False
        for record in self._ranks.values():
            status = record.state.status
            running |= status is Status.RUNNING
            aborting |= record.state.aborting and record.alive
            if status is Status.UNABLE:
                return True
        return not running and not aborting and self.settled()

    def end(self, record: ProcessRecord, code: int | None, now_s: float, seen_ns: int = 0) -> None:
        """A rank has ended, or the launcher has killed it."""
        record.end(code, now_s, seen_ns)

    @abstractmethod
    def joined(self, number: int, host: str, pid: int) -> None:
        """A supervisor said hello. `pid`: what it has started."""

    @abstractmethod
    def settled(self) -> bool:
        """Whether no rank runs any more, and none can come."""

    @abstractmethod
    def knot(self) -> list[Stuck]:
        """The waits that can never end, if the present states held together."""

    @abstractmethod
    def questions(self, ranks: Sequence[int]) -> Mapping[tuple[int, ...], Collection[int]]:
        """What is asked so that these ranks confirm that they stand: the supervisors, by which of their processes."""

    @abstractmethod
    def answered(self, epoch: int) -> bool:
        """Whether everybody has answered in `epoch` on whom the last knot rests and who is no rank."""

    @abstractmethod
    def holds(self) -> bool:
        """Whether what the last knot took for granted is still so."""

    @abstractmethod
    def may_wake(self, knot: Sequence[Stuck], now_s: float) -> bool:
        """Whether somebody has ended so recently that a wait of the knot may yet end by it."""

    @abstractmethod
    def everybody(self) -> Mapping[int, ProcessRecord]:
        """All ranks; with a record for each on which the last knot rests and that never came."""
