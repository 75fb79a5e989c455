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

from harness.judge.graph import Stuck
from harness.judge.picture import Limit
from harness.judge.verdict import Cause, Finding, Outcome, Verdict
from harness.launch.job import Job, free_port
from harness.launch.launcher import Launcher, LaunchError
from harness.launch.rank_map import RankMap
from harness.scenario.case import Case
from harness.trace import layout
from harness.watch.files import CaseFiles
from harness.watch.head import Head
from harness.watch.members import Members
from harness.watch.misplaced import misplaced
from harness.watch.plan import TOKEN, Plan
from harness.watch.progress import Progress
from harness.watch.proof import SETTLE_S, Proof
from harness.watch.roll_call import RollCall, Step
from harness.watch.roster import Roster
from harness.watch.teardown import Teardown

POLL_MS = 10
CLOSED_S = 1.0  # what a launcher is given to say why a supervisor has gone
JUDGED = {"hello", "delta", "ended", "came", "gone", "processes"}  # messages that may change what is judged


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
        self.roster = Roster(case.ranks)
        self.roll_call = RollCall()
        self.files = CaseFiles(folder)
        self.folder = folder
        self.token = secrets.token_hex(8)
        self.placed = False  # whether it was looked at where the ranks are
        self.dirty = False
        self.changes = 0  # messages that may have changed what is judged
        self.aborts: dict[tuple[int, int], int] = {}  # supervisor, process -> the event to acknowledge
        self.abort_call = 0  # asked when a rank was about to abort; 0: none was
        self.closed_s: float | None = None  # when a supervisor was first seen to have gone
        self.dumps: dict[str, bytes] = {}  # of other tools, by file name
        self.stopped: Callable[[], bool] = lambda: False  # Ctrl-C, for a watchdog that is not in the main thread
        self.on_tick: Callable[[Members], None] = lambda members: None  # for a progress display

    def watch(self) -> Verdict:
        """Run the case to its verdict and end everything that it started, whatever happens."""
        teardown = Teardown(self.token, self.members)
        with Head(self.case.ranks, self.rank_map.address) as head:
            try:
                job = self._launch(head)
            except LaunchError as error:
                return Verdict(Outcome.INVALID, Cause.LAUNCH, str(error))
            try:
                verdict = self._judge(head, job)
                self._write_down()
                if verdict.outcome in (Outcome.HANG, Outcome.SLOW):
                    self._collect_stacks(head)
                    verdict = replace(verdict, findings=(*verdict.findings, *self._opinions(verdict)))
                elif verdict.outcome is Outcome.SUCCESS:
                    self._release(head)
                return teardown.finish(verdict, lambda: self._end(head, job))
            except BaseException:  # Ctrl-C too: nothing may stay behind
                teardown.finish(Verdict(Outcome.INVALID, Cause.HARNESS), lambda: self._end(head, job))
                raise
            finally:
                self.files.close()

    def _launch(self, head: Head) -> Job:
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
            silence_s=self.case.limits.silence_s,
        )
        # Each case its own: where NCCL's RAS of the job listens, at the first of its processes on a host.
        ras = {"NCCL_RAS_ADDR": os.environ.get("NCCL_RAS_ADDR", f"localhost:{free_port()}")}
        environment = {**plan.environment(), TOKEN: self.token, **ras, **self._environment()}
        self.started_s = time.monotonic()
        self.progress = Progress(self.started_s)
        return self._job(environment)

    # --- until the verdict ----------------------------------------------------------------------------------------

    def _judge(self, head: Head, job: Job) -> Verdict:
        while True:
            self._listen(head, POLL_MS)
            if self.stopped():
                raise KeyboardInterrupt
            now = time.monotonic()
            self.on_tick(self.members)
            self._let_abort(head)
            verdict = self._lost(job, now) or self._given(head, self._certain(head, now) or self._limit(now), now)
            if self.proof.withdrawn:
                text = "a proved knot moved: ranks communicate in ways that write no events, so nothing can be proved here"
                return self._invalid(Cause.HARNESS, text, now)
            if verdict is not None:
                return verdict

    def _listen(self, head: Head, timeout_ms: int) -> None:
        for number, message in head.receive(timeout_ms):
            kind, now = message["type"], time.monotonic()
            self.changes += kind in JUDGED
            if kind == "hello":
                self.roster.join(number, message, now)
            entry = self.roster[number]
            entry.heard_s = now
            if kind == "here":
                entry.answered = message["number"]
            elif kind == "bye":
                entry.said_bye = True
            elif kind == "dump":
                self.dumps[message["name"]] = message["data"]
                self.files.dump(message["name"], message["data"])
            else:
                self._take(head, number, message)
        for number in head.closed():
            self.roster[number].closed = True

    def _given(self, head: Head, ground: Ground | None, now: float) -> Verdict | None:
        """The verdict on this ground, as soon as everybody has shown that he was there when it was judged."""
        if ground is None:
            self.roll_call.dismiss()
            return None
        epoch = self.proof.epoch if ground.knot else 0
        present = self.roster.present(self.roll_call.number)
        step = self.roll_call.step((ground.limit, epoch), self.changes, present)
        if step is Step.ASK:
            head.send_all("call", number=self.roll_call.number)
            verdict = self._verdict(ground, now)
            if verdict.outcome is Outcome.INVALID:
                return verdict
            self._held, self._held_s = verdict, now
        return self._stamped(now) if step is Step.GIVE else None

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
        if self.dirty and (knot or not self.proof.pending()) and not self.proof.withdrawn:
            self.dirty = False
            self._ask(head, self.proof.look())
        return None

    def _let_abort(self, head: Head) -> None:
        """Let ranks abort when everybody has shown that he is there: the launcher answers by killing the supervisors too."""
        if not self.aborts:
            return
        if not self.abort_call:
            self.abort_call = self.roll_call.next()
            head.send_all("call", number=self.abort_call)
        if self._abort_is_known():
            for (number, process), event in self.aborts.items():
                head.send(number, "acknowledge", proc=process, number=event)
            self.aborts.clear()

    def _abort_is_known(self) -> bool:
        """Whether a rank aborts, and all supervisors were there when it was about to."""
        return self.abort_call > 0 and self.roster.present(self.abort_call)

    def _lost(self, job: Job, now: float) -> Verdict | None:
        """The job ended, or part of it fell silent, before it could be judged."""
        silence_s = self.case.limits.silence_s
        if self._abort_is_known():
            if job.exit_code() is None and not self.roster.gone(now, silence_s):
                return None
            self.members.kill(now)  # with the supervisors
            return self._verdict(Ground(), now)
        if job.exit_code() is not None:
            return self._invalid(self._why(), f"the launcher ended ({job.exit_code()}) before a verdict:\n{job.tail()}", now)
        if not self.roster.complete() and now - self.started_s > self.case.limits.launch_s:
            text = f"no supervisor of rank {self.roster.missing()} within {self.case.limits.launch_s:.0f} s:\n{job.tail()}"
            return self._invalid(Cause.LAUNCH, text, now)
        if self.roster.complete() and not self.placed:
            self.placed = True
            if wrong := misplaced(self.rank_map, self.roster.places()):
                return self._invalid(Cause.LAUNCH, wrong, now)
        if silent := self.roster.silent(now, silence_s):
            text = f"nothing was heard for {silence_s:.0f} s from {self.roster.where(silent)}"
            return self._invalid(Cause.NODE_LOST, text, now)
        if closed := self.roster.closed():
            self.closed_s = self.closed_s or now
            if now - self.closed_s > CLOSED_S:
                text = f"supervisors ended before a verdict: {self.roster.where(closed)}\n{job.tail()}"
                return self._invalid(Cause.NODE_LOST, text, now)
        return None

    def _why(self) -> Cause:
        """Why the launcher has ended before a verdict."""
        return Cause.NODE_LOST if self.roster.complete() else Cause.LAUNCH

    def _invalid(self, cause: Cause, text: str, now: float) -> Verdict:
        return Verdict(Outcome.INVALID, cause, text.strip(), start_to_verdict_s=now - self.started_s)

    # --- after it -------------------------------------------------------------------------------------------------

    def _end(self, head: Head, job: Job) -> None:
        head.send_all("end")
        alive, limits = job.exit_code() is None, self.case.limits

        def done() -> bool:
            return job.exit_code() is not None or self.roster.gone(time.monotonic(), limits.silence_s)

        self._listen_until(head, done, limits.teardown_s if alive and head.known else 0.0)
        head.send_all("leave")
        job.end(patience_s=limits.teardown_s if self.roster.complete() else 1.0)

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
    def _take(self, head: Head, number: int, message: dict[str, Any]) -> None:
        """A message of a supervisor."""

    @abstractmethod
    def _ask(self, head: Head, ranks: Sequence[int]) -> None:
        """Ask ranks whether they still stand where they stood."""

    @abstractmethod
    def _limit(self, now: float) -> Ground | None:
        """The ground of a verdict by time: unproved, and only where no proof was found."""

    @abstractmethod
    def _verdict(self, ground: Ground, now: float) -> Verdict:
        """The verdict on this ground. What is known stays as it is."""

    def _write_down(self) -> None:  # noqa: B027
        """What could not be written before the verdict."""

    @abstractmethod
    def _collect_stacks(self, head: Head) -> None:
        """Ask for the stacks of all that hangs, and for the dumps of other tools."""

    @abstractmethod
    def _opinions(self, verdict: Verdict) -> list[Finding]:
        """What the dumps of other tools say."""

    @abstractmethod
    def _release(self, head: Head) -> None:
        """Let parked engines finish as they would have."""
