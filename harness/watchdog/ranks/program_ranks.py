"""The ranks of a program that knows nothing of us: its processes come and go, and some of them are ranks.

No sockets, no clock.
"""

from __future__ import annotations

import signal
from collections.abc import Collection, Mapping, Sequence

from lockstep.harness.channel.to_watchdog import Delta
from lockstep.harness.judge.graph import Hopeless, Stuck
from lockstep.harness.trace.event import RECORD
from lockstep.harness.trace.ring import decode
from lockstep.harness.trace.state import RankState, Status
from lockstep.harness.trace.wait import PROCESS
from lockstep.harness.watchdog.ranks.absent_ranks import AbsentRanks
from lockstep.harness.watchdog.ranks.claims import Claims
from lockstep.harness.watchdog.ranks.command import Command
from lockstep.harness.watchdog.ranks.knots import Knots, communicates
from lockstep.harness.watchdog.ranks.process_table import NOWHERE, Origin, Process, ProcessRecord
from lockstep.harness.watchdog.ranks.rank_table import SPAWNER_S, RankTable
from lockstep.harness.watchdog.ranks.sleepers import Sleepers

ENDED = (-signal.SIGTERM, -signal.SIGKILL)  # by who started it, and would not wait for the interpreter's own end


class ProgramRanks(RankTable):
    """Processes claim ranks as they join worlds; while somebody is left who can start processes, more may come.

    Over the size we keep: most of its methods are the questions of `RankTable`, each answered in a few lines.
    """

    open = True

    def __init__(self, supervisors: int) -> None:
        super().__init__(supervisors)
        self.claims = Claims(self._ranks)
        self.absent = AbsentRanks(self._ranks, self.processes, self.comms, self.claims)
        self.hopeless: Hopeless = {}  # waits that never end, since members came to something else
        self.sleepers = Sleepers(self.processes, self._ranks)
        self._knots = Knots(self._ranks, self.processes, self.comms, self.absent, self.sleepers)

    def __getitem__(self, rank: int) -> ProcessRecord:
        return self.sleepers.beside[rank] if rank >= PROCESS else self._ranks[rank]

    def joined(self, number: int, host: str, pid: int) -> None:
        """A command was started. It may or may not become a rank."""
        self.processes.commands[number] = Command(host, pid)

    def came(self, process: Process, pid: int, origin: Origin = NOWHERE) -> None:
        """A process has handed over its ring."""
        record = self.processes.add(process, pid, RankState(-1, rank_of=self.claims.rank_of))
        record.origin = origin

    def take(self, process: Process, delta: Delta, now_s: float) -> ProcessRecord:
        """New events, by which it may have joined worlds."""
        joins = len(self.processes.records[process].state.joins)
        record = super().take(process, delta, now_s)
        for join in record.state.joins[joins:]:
            replaced = self.claims.restarts
            if self.claims.claim(record, join):
                self._read_again()
            if self.claims.restarts != replaced:
                record.replaced_s = now_s
        return record

    def end(self, record: ProcessRecord, code: int | None, now_s: float, seen_ns: int = 0) -> None:
        """A process has ended. One that said it returned, with a status that says otherwise, has died.

        Status 0 is an end in order, also where the interpreter was not asked (os._exit, exec): what it leaves undone its
        peers will miss.
        """
        state = record.state
        code = state.exit_status if code is None else code
        record.end(code, now_s, seen_ns)
        if state.failed and state.status is Status.DEAD:
            state.status = Status.RAISED
        elif state.status is Status.DEAD and code == 0:
            state.status = Status.RETURNED
        elif state.status is Status.RETURNED and code and not (state.leaving_ns and code in ENDED):
            state.status = Status.DEAD

    def _read_again(self) -> None:
        """Numbers have changed: fold all events once more."""
        self.comms.members.clear()
        for record in self.processes.records.values():
            old = record.state
            fresh = RankState(-1 if record.rank is None else record.rank, rank_of=self.claims.rank_of)
            fresh.apply(decode(bytes(record.records)), record.text)
            if old.lost or old.number * RECORD.size > len(record.records):
                fresh.lost, fresh.blind = old.lost, True
                fresh.opaque.append("events that told its communicators were lost")
            fresh.opaque += [reason for reason in old.opaque if reason not in fresh.opaque]
            fresh.gone = old.gone
            if old.gone:
                fresh.status = old.status
                fresh.waiters.clear()
            record.state = fresh
            self.comms.announce(fresh)

    # --- who is left, and who may come ----------------------------------------------------------------------------

    def others(self) -> set[Process]:
        """They may start more."""
        return self.processes.living() - {(record.process[0], record.pid) for record in self._ranks.values()}

    def overseen(self) -> bool:
        """Whether somebody who has started ranks may yet do something about them."""
        return self._knots.overseen()

    def watchers(self) -> set[Process]:
        """All but those that sleep for nobody who could ever wake them."""
        stuck = self._knots.at_rest(self.states(), self.hopeless)
        return {(number, pid) for number, pid in self.others() if self.sleepers.of_supervisor(number, pid) not in stuck}

    def settled(self) -> bool:
        """The commands and all ranks have ended."""
        return self.processes.over() and not any(record.alive for record in self._ranks.values())

    def knot(self) -> list[Stuck]:
        """As of all ranks, and of the processes that sleep beside them."""
        return self._knots.look(self.states(), self.others(), self.hopeless)

    def assumed_knot(self) -> list[Stuck]:
        """The same where nobody acts whom nobody sees."""
        return self._knots.assumed(self.states(), self.others(), self.hopeless)

    def assumed(self, knot: Sequence[Stuck]) -> list[str]:
        """What such a knot rests on that could not be seen."""
        return self.sleepers.assumed([wait.wait.end for wait in knot], communicates(knot))

    def questions(self, ranks: Sequence[int]) -> Mapping[tuple[int, ...], Collection[int]]:
        """Every supervisor looks again who lives; those of the ranks ask these besides."""
        asked: dict[int, list[int]] = {number: [] for number in self.processes.commands} if ranks else {}
        for rank in ranks:
            if rank < PROCESS:  # of the others their supervisors tell
                number, serial = self._ranks[rank].process
                asked[number].append(serial)
        found: dict[tuple[int, ...], list[int]] = {}
        for number, serials in asked.items():
            found.setdefault(tuple(serials), []).append(number)
        return found

    def answered(self, epoch: int) -> bool:
        """Where it matters whether others are left, every supervisor must have looked again."""
        return not self._knots.closed or all(c.scanned == epoch for c in self.processes.commands.values())

    def holds(self) -> bool:
        """Nobody has appeared meanwhile who could start another process, or who holds what somebody sleeps for."""
        return self._knots.hold(self.states(), self.others(), self.hopeless)

    def may_wake(self, knot: Sequence[Stuck], now_s: float) -> bool:
        """Whether a wait of the knot may yet end because of a member that has ended.

        Its sockets close when its process ends. MPI has none to close: who is past its last exit handler only finalizes it.
        Who starts and watches processes may end those that wait for a dead one, and so does NCCL's watchdog where NCCL hears
        of it.
        """
        patience_s = SPAWNER_S if self.others() else self.settle_s
        for wait in knot:
            for peer in self.comms.members.get(wait.wait.comm, ()):
                one = self._ranks.get(peer)
                if one is None:
                    continue
                if one.replaced_s is not None and now_s - one.replaced_s < patience_s:
                    return True  # what it counts is of its second life, and others may still come out of the first
                if one.state.status is Status.RUNNING:
                    continue
                if not one.alive:
                    if self._on_nccl(wait.wait.comm) and self._ranks[wait.rank].nccl_hears:
                        return True
                    # Who aborts has its launcher end all others.
                    if now_s - one.ended_s < (SPAWNER_S if one.state.aborting else patience_s):
                        return True
                    if self.processes.commands[one.process[0]].heirs:
                        return True  # its sockets may be open in a child, and close with that
                    continue
                leaving = self.comms.kinds[wait.wait.comm][0] == "mpi" and one.leaving_s
                if not leaving or now_s - one.leaving_s < self.settle_s:
                    return True
        return False

    def _on_nccl(self, comm: str) -> bool:
        """Whether operations of a communicator go to GPUs, or may."""
        return any(word in self.comms.kinds[comm][0] for word in ("nccl", "GPU"))

    def everybody(self) -> Mapping[int, ProcessRecord]:
        """Those that never came have a place where the knot rests on them: it must be told who lacks whom."""
        return dict(sorted((self._ranks | (self.absent.records() if self._knots.closed else {})).items()))
