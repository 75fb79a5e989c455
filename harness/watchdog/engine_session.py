"""The watchdog: launches one case, watches all its ranks through their supervisors, and judges it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lockstep.harness.channel.bootstrap import STATE_FOLDER
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
    Release,
    Scanned,
    SharedMemory,
    Stacks,
    StacksDone,
    Stands,
    TakeStacks,
)
from lockstep.harness.channel.watchdog_end import Head
from lockstep.harness.environment import LAUNCH, STATE
from lockstep.harness.host.shared_folder import state_name
from lockstep.harness.interpreter import python_module
from lockstep.harness.judge.decide import decide
from lockstep.harness.judge.engine_rules import EngineRules
from lockstep.harness.judge.opinions import opinions
from lockstep.harness.judge.snapshot import Limit
from lockstep.harness.judge.verdict import Finding, Verdict
from lockstep.harness.launch.job import Job
from lockstep.harness.launch.launcher import Launcher
from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.scenario.case import Case
from lockstep.harness.trace.state import Status
from lockstep.harness.vocabulary import FindingKind, Outcome
from lockstep.harness.watchdog.dump_decoding import read_json, read_pickle
from lockstep.harness.watchdog.ranks.rank_table import Members
from lockstep.harness.watchdog.session import Ground, Vigil
from lockstep.harness.watchdog.snapshot import snapshot
from lockstep.harness.watchdog.stack_sampling import left_out_text, sample

STACKS_S = 30.0
SUPERVISOR = python_module("lockstep.harness.supervisor.rank")


class Watchdog(Vigil):
    """Judges one launch of a case. Use once: `Watchdog(...).watch()`."""

    def __init__(
        self,
        case: Case,
        argv: Sequence[str],
        launcher: Launcher,
        folder: Path,
        launch: int = 1,
        rank_map: RankMap | None = None,
    ) -> None:
        """`launch`: which of the case's launches this is, from 1. `rank_map`: where its ranks run; None: all here."""
        super().__init__(case, argv, launcher, folder, rank_map)
        self.launch = launch
        self.stacks_missing: set[int] = set()

    def _nobody(self) -> Members:
        return Members(self.case.ranks)

    def _spec(self) -> dict[str, Any]:
        return self.case.spec

    def _environment(self) -> dict[str, str]:
        return {STATE: str((self.folder / STATE_FOLDER).resolve()), LAUNCH: str(self.launch)}

    def _job(self, environment: dict[str, str]) -> Job:
        return Job(self.launcher, self.rank_map, SUPERVISOR, environment, self.folder / "launcher.log")

    # --- until the verdict ----------------------------------------------------------------------------------------

    def _take(self, head: Head, number: int, message: News) -> None:
        if isinstance(message, Hello):
            self.members.join(number, message.host, message.pid, message.supervisor)
        member = self.members[number]
        match message:
            case Hello():
                pass
            case Delta():
                self.members.take(number, message)
                self.files.delta(number, self.case.ranks, self.clocks.wall_ns(number), message)
                self.dirty = True
                if member.state.status is Status.ABORTED:
                    self.aborts.note(number, -1, member.state.number)
            case Output():
                self.files.output(number, message.data)
            case Ended():
                member.end(message.code, time.monotonic(), message.seen_ns)
                member.oom_killed = message.oom
                member.peak_bytes = message.peak_bytes
                self.dirty = True
            case Confirmed():
                member.confirmed = message.epoch
            case Stacks():
                self.files.stacks(number, message.text, message.error)
                self.stacks_missing.discard(number)
            case SharedMemory():
                member.left |= set(message.paths)
            case Came() | Gone() | Processes() | Scanned() | Stands() | LockHeld() | FlightRecord() | StacksDone():
                head.refuse(number, message)  # an engine's supervisor sends none of these
            case _:
                never(message)

    def _ask(self, head: Head, ranks: Sequence[int]) -> None:
        head.send_to(ranks, Confirm(self.proof.epoch))

    def _limit(self, now: float, behind: bool) -> Ground | None:
        states, limits = self.members.states(), self.case.limits
        self.progress.update(states, self.roster.listened_s)
        if self.proof.first_proved_s is not None:
            return None
        if self.progress.livelock(states, limits.livelock_s):
            return Ground(limit=Limit.LIVELOCK)
        late = not behind and now - self.started_s > limits.deadline_s  # what nobody has read yet may be a milestone
        return Ground(limit=Limit.DEADLINE) if late else None

    def _verdict(self, ground: Ground, now: float) -> Verdict:
        advancing = self.progress.advancing(self.roster.listened_s, self.case.limits.livelock_s)
        known = (self.members, self.proof, ground.knot, ground.limit, advancing, self.started_s, now)
        return decide(snapshot(EngineRules(), *known, self.clocks.of))

    def _write_down(self) -> None:
        for number, _ in self.roster:
            self.files.clock(number, self.clocks.wall_ns(number))

    def _keeps(self, verdict: Verdict) -> bool:
        wrong = any(finding.kind is FindingKind.WRONG_RESULT for finding in verdict.findings)
        return verdict.outcome is Outcome.SUCCESS and not wrong and self.launch < self.case.launches

    def _state(self) -> str:
        return state_name(self.identity["machine"], self._environment()[STATE])

    # --- after it -------------------------------------------------------------------------------------------------

    def _collect_stacks(self, head: Head, verdict: Verdict) -> None:
        alive = [rank for rank, member in self.members if member.exit_code is None]
        chosen = sample(self.members.states(), alive, verdict.blame.ranks if verdict.blame else ())
        self.files.stacks_left_out(left_out_text(alive, chosen))
        self.stacks_missing = set(chosen)
        head.send_to(chosen, TakeStacks())
        self._listen_until(head, lambda: not self.stacks_missing, STACKS_S)

    def _opinions(self, verdict: Verdict) -> list[Finding]:
        by_pid = self.members.by_pid()
        status = read_json(self.dumps.get("nccl-ras.json", b""))
        flights = {rank: read_pickle(self.dumps.get(f"flight-recorder-rank-{rank}.pickle", b"")) for rank, _ in self.members}
        return opinions(status, {rank: dump for rank, dump in flights.items() if dump}, by_pid, verdict.blame)

    def _complete(self, verdict: Verdict) -> Verdict:
        peaks = {rank: member.peak_bytes for rank, member in self.members}
        ends = [replace(end, host_memory_bytes=peaks.get(end.rank)) for end in verdict.ranks]
        return replace(verdict, ranks=tuple(ends))

    def _release(self, head: Head) -> None:
        head.send_all(Release())
        done = lambda: all(member.exit_code is not None for _, member in self.members)  # noqa: E731
        self._listen_until(head, done, self.case.limits.teardown_s)
