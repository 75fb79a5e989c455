"""The vigil: one launch of a case, watched from its start to its verdict and to the end of everything that it started.

What the watchdogs of engines and of programs have in common. A verdict falls as soon as it is certain: everybody has ended,
or a knot in the wait-for graph is proved. Only what no proof reaches is judged by limits of time. Before it is given every
supervisor must have shown that it is there: see `roll_call`.
"""

from __future__ import annotations

import os
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lockstep.harness.channel.bootstrap import RAS, Plan
from lockstep.harness.channel.identity import identity
from lockstep.harness.channel.logs import WATCHDOG_LOG, ProcessLog, level
from lockstep.harness.channel.message_base import Leaks
from lockstep.harness.channel.messages import (
    Bye,
    Call,
    Came,
    ClockRead,
    Delta,
    Dump,
    Ended,
    Gone,
    Hello,
    Here,
    LeftOnHost,
    Log,
    News,
    Processes,
    StateFile,
    SupervisorBeat,
)
from lockstep.harness.channel.pacing import BUSY, Share
from lockstep.harness.channel.watchdog_end import Head
from lockstep.harness.environment import LOG, TOKEN
from lockstep.harness.judge.graph import Stuck
from lockstep.harness.judge.snapshot import Limit
from lockstep.harness.judge.verdict import Finding, Verdict
from lockstep.harness.launch import allocation, open_files
from lockstep.harness.launch.errors import LaunchError
from lockstep.harness.launch.job import Job, free_port
from lockstep.harness.launch.launcher import Launcher
from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.scenario.case import Case
from lockstep.harness.trace import layout
from lockstep.harness.vocabulary import Cause, Outcome
from lockstep.harness.watchdog.case_files import CaseFiles
from lockstep.harness.watchdog.presence.abort_gate import Aborts
from lockstep.harness.watchdog.presence.failure_detector import Losses
from lockstep.harness.watchdog.presence.liveness_round import RollCall, Step
from lockstep.harness.watchdog.presence.membership import Attendance
from lockstep.harness.watchdog.progress import Progress
from lockstep.harness.watchdog.proof import SETTLE_S, Proof
from lockstep.harness.watchdog.ranks.rank_table import Members
from lockstep.harness.watchdog.teardown.local_cleanup import Teardown
from lockstep.harness.watchdog.teardown.remote_cleanup import sweep_hosts
from lockstep.harness.watchdog.teardown.shutdown import Closing

POLL_MS = 10
BEHIND_S = 1.0  # a watchdog that is further behind with reading does not judge
JUDGED = (Hello, Delta, Ended, Came, Gone, Processes)  # messages that may change what is judged


@dataclass(frozen=True, slots=True)
class Ground:
    """What a verdict rests on: a proved knot, a limit of time, or (neither) that everybody has ended."""

    knot: Sequence[Stuck] = ()
    limit: Limit | None = None


class Vigil(ABC):
    """Judges one launch of a case. Use once: `....watch()`."""

    def __init__(
        self, case: Case, argv: Sequence[str], launcher: Launcher, folder: Path, rank_map: RankMap | None = None
    ) -> None:
        """`rank_map`: where its ranks run; None: all here."""
        self.case = case
        self.argv = tuple(argv)
        self.launcher = launcher
        self.rank_map = rank_map or RankMap.on_this_host(case.ranks)
        self.members = self._nobody()
        self.proof = Proof(self.members)
        self.identity = identity()
        self.attendance = Attendance(self.rank_map, self.identity)
        self.roster, self.clocks = self.attendance.roster, self.attendance.clocks
        self.roll_call = RollCall()
        self.losses = Losses(self.roster, self.rank_map, case.limits, self.identity)
        self.aborts = Aborts(self.roster, self.roll_call)
        self.files = CaseFiles(folder)
        self.folder = folder
        self.log = ProcessLog.to_file(folder / WATCHDOG_LOG, level(os.environ))
        self.token = secrets.token_hex(8)
        self.dirty = False
        self.share = Share()  # of the time, for judging
        self.busy = False  # with reading
        self.changes = 0  # messages that may have changed what is judged
        self.dumps: dict[str, bytes] = {}  # of other tools, by file name
        self.on_looked: Callable[[int, Leaks], None] = lambda number, leaks: None
        self.stopped: Callable[[], bool] = lambda: False  # Ctrl-C, for a watchdog that is not in the main thread
        self.on_tick: Callable[[Members], None] = lambda members: None  # for a progress display

    def watch(self) -> Verdict:
        """Run the case to its verdict and end everything that it started, whatever happens."""
        teardown = Teardown(self.token)
        limits, channel = self.case.limits, self.log.theme("channel")
        with Head(self.case.ranks, self.rank_map.address, limits.silence_s, channel) as head:
            try:
                job = self._launch(head)
            except LaunchError as error:
                self.log.close()
                return Verdict(Outcome.INVALID, Cause.LAUNCH, str(error))
            closing = Closing(head, job, self.roster, self.members, self.case.limits, self.identity["machine"])
            closing.listen_until = lambda done, timeout_s: self._listen_until(head, done, timeout_s)
            self.on_looked = closing.looked
            try:
                verdict = self._on_nodes(self._judge(head, job))
                self.log.theme("judge").info("%s (%s): %s", verdict.outcome.value, verdict.cause.value, verdict.text)
                self._write_down()
                if verdict.outcome in (Outcome.HANG, Outcome.SLOW):
                    self._collect_stacks(head, verdict)
                    verdict = replace(verdict, findings=(*verdict.findings, *self._opinions(verdict)))
                elif verdict.outcome is Outcome.SUCCESS:
                    self._release(head)
                end = lambda: self._end(closing, self._keeps(verdict))  # noqa: E731
                return self._complete(teardown.finish(verdict, end, closing.here))
            except BaseException:  # Ctrl-C too: nothing may stay behind
                teardown.finish(
                    Verdict(Outcome.INVALID, Cause.HARNESS),
                    lambda: self._end(closing, hurry=bool(allocation.job())),
                    closing.here,
                )
                raise
            finally:
                self.log.theme("watchdog").info("the end of %s", self.case.id)
                self.log.close()
                self.files.close()

    def _launch(self, head: Head) -> Job:
        open_files_of_user = open_files.allow(self.case.ranks)
        self.files.most_open = open_files.left(self.case.ranks)
        # Each case its own, unless the user has set it.
        ras = "" if RAS in os.environ else f"localhost:{free_port()}"
        plan = Plan(
            endpoint=head.endpoint,
            server_key=head.server_key,
            public_key=head.client_public,
            secret_key=head.client_secret,
            argv=self.argv,
            spec=self._spec(),
            world=self.case.ranks,
            capacity=layout.DEFAULT_CAPACITY,
            nodes=tuple(node.ranks for node in self.rank_map.nodes),
            chosen=self.rank_map.head is not None and self.rank_map.head.chosen,
            cwd=str(Path.cwd()),
            machine=self.identity["machine"],
            ras=ras,
            silence_s=self.case.limits.silence_s,
            log_folder=str(self.folder.resolve()),
            gpus=tuple(node.gpus for node in self.rank_map.nodes),
        )
        environment = {**plan.environment(), TOKEN: self.token, **open_files_of_user, **self._environment()}
        environment |= {RAS: ras} if ras else {}
        environment |= {LOG: os.environ[LOG]} if LOG in os.environ else {}
        self.log.theme("watchdog").info("starting %d ranks of %s by %s", plan.world, self.case.id, self.launcher.name)
        self.started_s = time.monotonic()
        self.progress = Progress(self.roster.listened_s)
        return self._job(environment)

    # --- until the verdict ----------------------------------------------------------------------------------------

    def _judge(self, head: Head, job: Job) -> Verdict:
        while True:
            changes = self.changes
            self._listen(head, POLL_MS)
            self.busy = self.changes - changes > BUSY * self.case.ranks
            if self.stopped():
                raise KeyboardInterrupt
            now = time.monotonic()
            self.on_tick(self.members)
            if head.refusal:
                return self._invalid(Cause.LAUNCH, head.refusal, now)
            self.aborts.let(head)
            # Who is behind with reading knows of nobody that he is silent, or late, or has left without a word.
            behind = not head.listening.drained
            verdict = self._behind(head, now) if behind else self._lost(job, now)
            verdict = verdict or self._given(head, self._certain(head, now) or self._limit(now, behind), now)
            if self.proof.withdrawn:
                text = "a proved knot moved: ranks communicate in ways that write no events, so nothing can be proved here"
                return self._invalid(Cause.HARNESS, text, now)
            if verdict is not None:
                return verdict

    def _listen(self, head: Head, timeout_ms: int) -> None:
        for number, message in head.receive(timeout_ms):
            self.changes += isinstance(message, JUDGED)
            self.attendance.take(head, number, message)
            match message:
                case SupervisorBeat() | Here() | ClockRead() | Bye():
                    pass  # of itself only
                case LeftOnHost():
                    self.on_looked(number, message.leaks)
                case StateFile():
                    self.files.state(self.roster[number].host, message.path, message.data)
                case Dump():
                    self.dumps[message.name] = message.data
                    self.files.dump(message.name, message.data)
                case Log():
                    self.files.supervisor_log(number, message.text)
                case _:
                    self._take(head, number, message)
        for number in head.unread():
            self.members.unread(number)  # it may have been of what its ranks do: nothing can be proved of them
        self.attendance.look(head)
        self.members.settle_s = self.attendance.settle_s

    def _given(self, head: Head, ground: Ground | None, now: float) -> Verdict | None:
        """The verdict on this ground, as soon as everybody has shown that he was there when it was judged."""
        if ground is None:
            self.roll_call.dismiss()
            return None
        epoch = self.proof.epoch if ground.knot else 0
        present = self.roster.present(self.roll_call.number)
        step = self.roll_call.step((ground.limit, epoch), self.changes, present)
        if step is Step.ASK:
            self.log.theme("judge").info(
                "there is a ground, everybody is called: %s", ground.limit or f"{len(ground.knot)} waits"
            )
            head.send_all(Call(self.roll_call.number))
            verdict = self._verdict(ground, now)
            if verdict.outcome is Outcome.INVALID:
                return verdict
            self._held, self._held_s = verdict, now
        return self._stamped(now) if step is Step.GIVE else None

    def _on_nodes(self, verdict: Verdict) -> Verdict:
        """With what is known of the hosts."""
        found, findings = self.attendance.nodes()
        return replace(verdict, nodes=found, findings=(*verdict.findings, *findings))

    def _complete(self, verdict: Verdict) -> Verdict:
        """With what is known of the ranks only when all have ended."""
        return verdict

    def _stamped(self, now: float) -> Verdict:
        """The verdict that was held back, with the time that it took."""
        verdict, more_s = self._held, now - self._held_s
        times = (verdict.last_block_to_verdict_s, verdict.start_to_verdict_s)
        block_s, start_s = (None if time_s is None else time_s + more_s for time_s in times)
        return replace(verdict, last_block_to_verdict_s=block_s, start_to_verdict_s=start_s)

    def _certain(self, head: Head, now: float) -> Ground | None:
        """The ground of a verdict that needs no limit: all have ended, an engine cannot go on, or a knot is proved."""
        if self.members.over():
            return Ground()
        knot = self.proof.confirm(now)
        if knot and (self.proof.quiet() or now - (self.proof.first_proved_s or now) >= SETTLE_S):
            return Ground(knot)
        if self.proof.unasked and self.proof.standing():
            self._ask(head, self.proof.ask_rest())
        may_look = not self.proof.candidate and not self.proof.withdrawn
        # While there is more to read, what is known of different ranks is of different times: most would be refuted.
        fresh = head.listening.behind_s < BEHIND_S
        if self.dirty and may_look and fresh and self.share.due(now, self.busy):
            self.dirty = False
            ranks = self.proof.look()
            self.share.took(now, time.monotonic())
            self._ask(head, ranks)
        return None

    def _behind(self, head: Head, now: float) -> Verdict | None:
        """Nothing is judged by time while there is more to read; when that does not end, nothing can be."""
        late = now - self.started_s > self.case.limits.deadline_s
        if not late or head.listening.behind_s < self.case.limits.silence_s:
            return None
        text = (
            f"the watchdog cannot keep up with {self.case.ranks} ranks: at the deadline it had not read all that had come "
            f"for {head.listening.behind_s:.0f} s; give it a core of its own (docs/scale.md)"
        )
        return self._invalid(Cause.HARNESS, text, now)

    def _lost(self, job: Job, now: float) -> Verdict | None:
        """The verdict when the job, or part of it, has ended or fallen silent before it could be judged."""
        if self.aborts.known:
            silence_s = self.case.limits.silence_s
            if job.exit_code() is None and not (self.roster.gone(silence_s) or self.roster.silent(silence_s)):
                return None
            self.members.kill(now)  # with the supervisors
            return self._verdict(Ground(), now)
        loss = self.losses.look(job, self.started_s, now)
        return self._invalid(*loss, now) if loss else None

    def _invalid(self, cause: Cause, text: str, now: float) -> Verdict:
        return Verdict(Outcome.INVALID, cause, text.strip(), start_to_verdict_s=now - self.started_s)

    # --- after it -------------------------------------------------------------------------------------------------

    def _end(self, closing: Closing, keep: bool = False, hurry: bool = False) -> list[Finding]:
        """End the case on all hosts; what was found there."""
        closing.end(keep, hurry)
        hosts = [] if self.rank_map.local else closing.left_badly(self.rank_map)
        # An allocation that ends gets no more steps, and Slurm kills all that is in it.
        if not hosts or allocation.ending():
            return closing.leaks
        order = {
            "token": self.token,
            "folder": str(closing.job.folder),
            "files": closing.files(),
            "state": self._state(),
            "age_s": time.monotonic() - self.started_s,
        }
        limits = self.case.limits
        return closing.leaks + sweep_hosts(self.launcher, self.rank_map, hosts, order, self.folder, limits.silence_s)

    def _listen_until(self, head: Head, done: Callable[[], bool], timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not done() and time.monotonic() < deadline:
            self._listen(head, POLL_MS)

    # --- what is the engine's or the program's own ----------------------------------------------------------------

    @abstractmethod
    def _nobody(self) -> Members:
        """The members before anybody has come."""

    @abstractmethod
    def _spec(self) -> dict[str, Any]:
        """What the supervisors are told of the case."""

    @abstractmethod
    def _environment(self) -> dict[str, str]:
        """What the ranks find in their environment beside what is always there."""

    @abstractmethod
    def _job(self, environment: dict[str, str]) -> Job:
        """Start the supervisors. Raises LaunchError."""

    @abstractmethod
    def _take(self, head: Head, number: int, message: News) -> None:
        """What a supervisor tells of its engine or command."""

    @abstractmethod
    def _ask(self, head: Head, ranks: Sequence[int]) -> None:
        """Ask ranks whether they still stand where they stood."""

    @abstractmethod
    def _limit(self, now: float, behind: bool) -> Ground | None:
        """The ground of a verdict by time: unproved, and only where no proof was found. `behind`: there is more to read."""

    @abstractmethod
    def _verdict(self, ground: Ground, now: float) -> Verdict:
        """The verdict on this ground. What is known stays as it is."""

    def _keeps(self, verdict: Verdict) -> bool:
        """Whether another launch will begin with what this one leaves on its hosts."""
        return False

    def _state(self) -> str:
        """The name on other hosts of what stays there between launches; empty: nothing does."""
        return ""

    def _write_down(self) -> None:  # noqa: B027
        """What could not be written before the verdict."""

    @abstractmethod
    def _collect_stacks(self, head: Head, verdict: Verdict) -> None:
        """Ask for the stacks of all that hangs, and for the dumps of other tools."""

    @abstractmethod
    def _opinions(self, verdict: Verdict) -> list[Finding]:
        """What the dumps of other tools say."""

    @abstractmethod
    def _release(self, head: Head) -> None:
        """Let parked engines finish as they would have."""
