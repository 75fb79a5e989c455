"""The watchdog of a program that knows nothing of us: its processes come and go, and some of them are ranks."""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lockstep.harness.channel.message_base import never
from lockstep.harness.channel.messages import (
    Came,
    Confirm,
    Confirmed,
    Delta,
    Ended,
    FlightRecord,
    Gone,
    Hello,
    LockHeld,
    News,
    Output,
    Processes,
    Scanned,
    SharedMemory,
    Stacks,
    StacksDone,
    Stands,
    TakeDumps,
    TakeStacks,
)
from lockstep.harness.channel.watchdog_end import Head
from lockstep.harness.environment import WORLD_ID
from lockstep.harness.interpreter import python_module
from lockstep.harness.judge.decide import decide
from lockstep.harness.judge.opinions import opinions
from lockstep.harness.judge.program_rules import ProgramRules
from lockstep.harness.judge.snapshot import Limit
from lockstep.harness.judge.verdict import Finding, Verdict
from lockstep.harness.launch.job import Job, free_port
from lockstep.harness.launch.launcher import Launcher
from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.scenario.case import Case
from lockstep.harness.trace.state import Status
from lockstep.harness.watchdog.dump_decoding import read_json
from lockstep.harness.watchdog.mismatch_watch import MismatchWatch
from lockstep.harness.watchdog.proof import SETTLE_S
from lockstep.harness.watchdog.ranks.process_table import Command, Crowd
from lockstep.harness.watchdog.session import Ground, Vigil
from lockstep.harness.watchdog.snapshot import snapshot

SUPERVISOR = python_module("lockstep.harness.supervisor.program")
OF_A_PROCESS = (Delta, Gone, Stands, LockHeld, FlightRecord)  # messages about one that has come
LOOK_AGAIN_S = 0.5  # a thread that kept a knot from being proved may fall asleep without an event
LINGER_S = 3.0  # what ranks are given to end when the command that started them has ended


class ProgramWatchdog(Vigil):
    """Judges one launch of a program. Use once."""

    members: Crowd

    def __init__(
        self, case: Case, argv: Sequence[str], launcher: Launcher, folder: Path, rank_map: RankMap | None = None
    ) -> None:
        super().__init__(case, argv, launcher, folder, rank_map=rank_map)
        self.looked_s = 0.0
        self.mismatch = MismatchWatch(self.members, self.proof)
        self.stacks_of: set[int] = set()
        self.dumps_of: set[tuple[int, int]] = set()
        self.stdin = subprocess.DEVNULL
        self.on_output: Callable[[str, bytes], None] = lambda stream, data: None  # what the program prints, as it comes

    def _nobody(self) -> Crowd:
        return Crowd(self.case.ranks)

    def _spec(self) -> dict[str, Any]:
        return {
            "env": self.case.spec.get("env", {}),
            "cwd": self.case.spec.get("cwd"),
            "stdin": self.stdin != subprocess.DEVNULL,
            "port": free_port(),
            "master": self.rank_map.first_address,
            "environ": {"TMPDIR": os.environ.get("TMPDIR")},
        }

    def _environment(self) -> dict[str, str]:
        return {WORLD_ID: secrets.token_hex(4)}

    def _job(self, environment: dict[str, str]) -> Job:
        log = self.folder / "launcher.log"
        return Job(self.launcher, self.rank_map, SUPERVISOR, environment, log, ours=False, stdin=self.stdin)

    # --- until the verdict ----------------------------------------------------------------------------------------

    def _take(self, head: Head, rank: int, message: News) -> None:
        """What the supervisor with this number tells; `proc` is one of its processes."""
        crowd, now = self.members, time.monotonic()
        if isinstance(message, Hello):
            crowd.commands[rank] = Command(message.host, message.pid, message.supervisor)
        command = crowd.commands[rank]
        if isinstance(message, OF_A_PROCESS) and (rank, message.proc) not in crowd.processes:
            head.refuse(rank, message)  # no such process has come
            return
        match message:
            case Hello():
                pass
            case Came():
                crowd.came((rank, message.proc), message.pid, message.argv)
            case Delta():
                one = crowd.told((rank, message.proc), message, now)
                self.dirty = True
                if one.state.status is Status.ABORTED:
                    self.aborts.note(*one.process, one.state.number)
            case Gone():
                crowd.gone((rank, message.proc), message.code, now, message.oom, message.seen_ns)
                self.dirty = True
            case Ended():
                command.exit_code, command.ended_s = message.code, now
                self.dirty = True
            case Processes():
                command.alive, command.unseen = message.alive, message.unseen
                self.dirty = True
            case Scanned():
                command.scanned = message.epoch
            case Stands() | LockHeld():
                one = crowd.processes[rank, message.proc]
                one.doubts = one.confirm(message)
                one.confirmed = message.epoch
            case Output():
                self.files.program_output(rank, message.stream, message.data)
                self.on_output(message.stream, message.data)
            case Stacks():
                self._stacks((rank, message.proc), message)
            case StacksDone():
                self.stacks_of.discard(rank)
            case FlightRecord():
                self._dumped((rank, message.proc), message.text)
            case SharedMemory():
                command.left |= set(message.paths)
            case Confirmed():
                head.refuse(rank, message)  # the supervisor of a program sends none
            case _:
                never(message)

    def _certain(self, head: Head, now: float) -> Ground | None:
        known = self.members.hopeless
        if asked := self.mismatch.look(now):
            self._ask(head, asked)
        self.dirty |= self.members.hopeless != known
        if self.proof.doubts and now - self.looked_s > LOOK_AGAIN_S:
            self.dirty = True
        return super()._certain(head, now) or (Ground() if self._lingering(now) else None)

    def _lingering(self, now: float) -> bool:
        """Whether the commands have ended, and left ranks behind."""
        commands = self.members.commands.values()
        if not self.members.complete() or any(c.exit_code is None or now - c.ended_s < LINGER_S for c in commands):
            return False
        return not self.proof.pending()

    def _ask(self, head: Head, ranks: Sequence[int]) -> None:
        self.looked_s = time.monotonic()
        asked: dict[int, list[int]] = {index: [] for index in self.members.commands} if ranks else {}
        for rank in ranks:
            index, serial = self.members[rank].process
            asked[index].append(serial)
        for index, serials in asked.items():
            head.send(index, Confirm(self.proof.epoch, tuple(serials)))

    def _limit(self, now: float, behind: bool) -> Ground | None:
        """By the deadline only: a program without milestones is not known to turn in circles."""
        self.progress.update_by_events(self.members.states(), self.roster.listened_s)
        if not behind and self.mismatch.found(now) is not None:
            return Ground(limit=Limit.MISMATCH)
        late = not behind and now - self.started_s > self.case.limits.deadline_s
        return Ground(limit=Limit.DEADLINE) if late and self.proof.first_proved_s is None else None

    def _verdict(self, ground: Ground, now: float) -> Verdict:
        window_s = min(self.case.limits.livelock_s, self.case.limits.deadline_s / 4)
        advancing = self.progress.advancing(self.roster.listened_s, window_s)
        known = (self.members, self.proof, ground.knot, ground.limit, advancing, self.started_s, now)
        with self.members.with_absent():
            seen = snapshot(ProgramRules(), *known, self.clocks.of, self.members.rank_of)
            for rank, history in seen.histories.items():
                history.entries += self.members[rank].hidden_entries()
        commands = [c.exit_code for _, c in sorted(self.members.commands.items())]
        doubts = [f"rank {rank}: {doubt}" for rank, found in self.proof.doubts.items() for doubt in found]
        unseen, failures = [*self.members.unseen(), *(doubts if ground.limit else ())], self.members.failures(self.clocks.of)
        return decide(replace(seen, roots=commands, unseen=unseen, failures=failures))

    # --- after it -------------------------------------------------------------------------------------------------

    def _write_down(self) -> None:
        """The event log of each rank; which process is which rank is known for certain only now."""
        with self.members.with_absent():
            ranks = list(self.members)
        for rank, one in ranks:
            wall_ns = self.clocks.wall_ns(self.members.supervisor_of(rank))
            self.files.events(rank, len(ranks), wall_ns, bytes(one.records), one.strings, one.state.lost)

    def _collect_stacks(self, head: Head, verdict: Verdict) -> None:
        self.dumps_of = {one.process for one in self.members.processes.values() if one.alive and one.rank is not None}
        head.send_all(TakeDumps())
        self._listen_until(head, lambda: not self.dumps_of, SETTLE_S * 2)
        self.stacks_of = set(self.members.commands)
        head.send_all(TakeStacks())
        self._listen_until(head, lambda: not self.stacks_of, 60.0)

    def _stacks(self, process: tuple[int, int], message: Stacks) -> None:
        one = self.members.processes.get(process)
        name = f"rank-{one.rank}" if one is not None and one.rank is not None else f"process-{message.pid}"
        self.files.stacks_of(name, message.text, message.error)

    def _dumped(self, process: tuple[int, int], text: str) -> None:
        """The Flight Recorder of a rank, as it gave it itself."""
        self.dumps_of.discard(process)
        rank = self.members.processes[process].rank
        if text and rank is not None:
            name = f"flight-recorder-rank-{rank}.json"
            self.dumps[name] = text.encode()
            self.files.dump(name, text.encode())

    def _opinions(self, verdict: Verdict) -> list[Finding]:
        by_pid = self.members.by_pid()
        status = read_json(self.dumps.get("nccl-ras.json", b""))
        flights = {rank: read_json(self.dumps.get(f"flight-recorder-rank-{rank}.json", b"")) for rank, _ in self.members}
        return opinions(status, {rank: dump for rank, dump in flights.items() if dump}, by_pid, verdict.blame)

    def _release(self, head: Head) -> None:
        """Nothing is parked here."""
