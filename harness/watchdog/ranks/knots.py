"""The knots among the ranks of a program and the processes beside them, as the graph finds them. No sockets, no clock."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from lockstep.harness.judge.graph import Hopeless, Stuck, stuck
from lockstep.harness.judge.lacking import Holders
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import RankState, Status
from lockstep.harness.trace.wait import PROCESS
from lockstep.harness.watchdog.ranks.absent_ranks import AbsentRanks
from lockstep.harness.watchdog.ranks.communicators import Communicators
from lockstep.harness.watchdog.ranks.process_table import Process, ProcessRecord, ProcessTable
from lockstep.harness.watchdog.ranks.sleepers import ALARM, FORKED, INTERRUPTIBLE, NAMED, OWN, PARKED, STORE, Sleepers

States = Mapping[int, RankState]


@dataclass(slots=True)
class Knots:
    """`closed`: the last one takes it for granted that nobody can come any more."""

    ranks: Mapping[int, ProcessRecord]
    processes: ProcessTable
    comms: Communicators
    absent: AbsentRanks
    sleepers: Sleepers
    closed: bool = False
    _of_last: set[int] = field(default_factory=set)

    def look(self, states: States, others: Collection[Process], hopeless: Hopeless) -> list[Stuck]:
        """The waits that can never end. When nobody is left who could start another process, who has not come never will.

        `others`: living processes that are no ranks.
        """
        self.closed = False
        found = self._find(states, others, hopeless, surely=True)
        self._of_last = {wait.rank for wait in found}
        return found

    def assumed(self, states: States, others: Collection[Process], hopeless: Hopeless) -> list[Stuck]:
        """The same where nobody acts but those that can be seen: it is no proof."""
        closed = self.closed
        found = self._find(states, others, hopeless, surely=False)
        self.closed = closed
        overseen = communicates(found) and bool(self.sleepers.overseers())
        if overseen and self.overseen():
            return []
        always = (NAMED, STORE, FORKED, ALARM)
        kinds = always if communicates(found) else (*always, INTERRUPTIBLE)
        return found if overseen or any(wait.wait.end.startswith(kinds) for wait in found) else []

    def overseen(self) -> bool:
        """Whether somebody who has started ranks may yet do something about them, and was not seen to turn in a loop."""
        return not all(one is not None and one.turning.all_turn for one in self.sleepers.overseers().values())

    def hold(self, states: States, others: Collection[Process], hopeless: Hopeless) -> bool:
        """Whether what the last knot took for granted is still so: who could come, and who could wake those that sleep."""
        closed, knot = self.closed, self._of_last
        found = {wait.rank for wait in self.look(states, others, hopeless)}
        self.closed, self._of_last = closed, knot
        return knot <= found and (not closed or not others)

    def at_rest(self, states: States, hopeless: Hopeless) -> set[int]:
        """Everybody who sleeps for nobody that could ever wake it, ranks or not."""
        found = stuck(self.sleepers.states(states), self.comms.members, False, hopeless, self.sleepers.holders())
        return {wait.rank for wait in found}

    def _find(self, states: States, others: Collection[Process], hopeless: Hopeless, surely: bool) -> list[Stuck]:
        """Who has started ranks, and looks after them now and then, may end those that wait for long."""
        found = self._stuck(states, others, hopeless, surely)
        return [] if surely and communicates(found) and self.sleepers.overseers() else found

    def _stuck(self, states: States, others: Collection[Process], hopeless: Hopeless, surely: bool) -> list[Stuck]:
        """Who sleeps for others is stuck only with everybody else: whoever is awake could end one of them, which is an act
        too, or open what it holds."""
        told, holders = self.sleepers.states(states), self.sleepers.holders(surely)
        whole = self._graph(told, others, hopeless, holders)
        asks = _asks_a_store(whole) and not (communicates(whole) and self._all_seen())
        if not asks and self._everybody(whole, others, surely):
            return whole
        alone = {name: held for name, held in holders.items() if name.startswith(OWN)}
        found = self._graph(told, others, hopeless, alone)
        return found if communicates(found) else []

    def _graph(self, states: States, others: Collection[Process], hopeless: Hopeless, holders: Holders) -> list[Stuck]:
        self.closed = False
        if self.processes.complete() and not others:
            absent = {rank: record.state for rank, record in self.absent.records().items()}
            found = stuck({**states, **absent}, self.comms.members, hopeless=hopeless, holders=holders)
            living = {rank for rank, one in self.ranks.items() if one.alive and one.state.status is Status.RUNNING}
            if living and living <= {wait.rank for wait in found}:
                self.closed = True
                return found
        return stuck(states, self.comms.members, closed=False, hopeless=hopeless, holders=holders)

    def _everybody(self, knot: Sequence[Stuck], others: Collection[Process], surely: bool) -> bool:
        """Whether no process of the job is left that is not in a knot, and nothing else can wake one of them."""
        nodes = {wait.rank for wait in knot}
        living = {rank for rank, record in self.ranks.items() if record.alive}
        beside = {self.sleepers.of_supervisor(number, pid) for number, pid in others}
        woken = any(record.wakers for rank, record in self.ranks.items() if rank in nodes)
        whole = self.processes.complete() and bool(living | beside) and living | beside <= nodes and not woken
        return whole and (communicates(knot) or not _may_serve(knot, surely))

    def _all_seen(self) -> bool:
        """Whether there is no rank, on a host that is not watched for instance, that could set a key unseen."""
        return all(rank in self.ranks for group in self.comms.members.values() for rank in group)


def communicates(knot: Sequence[Stuck]) -> bool:
    """Whether a rank is in it in a communicator: who starts processes may end those that only sleep, when they are needed no
    more."""
    return any(wait.rank < PROCESS and wait.wait.need is not Need.HOLDERS for wait in knot)


def _may_serve(knot: Sequence[Stuck], surely: bool) -> bool:
    """Whether a process may stand as it should until somebody presses Ctrl-C."""
    return any(wait.wait.end.startswith((PARKED, INTERRUPTIBLE) if surely else PARKED) for wait in knot)


def _asks_a_store(knot: Sequence[Stuck]) -> bool:
    """Whether somebody waits for a key: the store may serve others, whom nobody sees."""
    return any(wait.wait.end.startswith(STORE) for wait in knot)
