"""The watchdog: launches one case, watches all its ranks through their supervisors, and judges it.

A verdict falls as soon as it is certain: every rank has ended, or a knot in the wait-for graph is proved. Only what no
proof reaches is judged by limits of time.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.judge.decide import decide
from harness.judge.graph import Stuck
from harness.judge.opinions import opinions
from harness.judge.picture import Limit
from harness.judge.verdict import Cause, Finding, Outcome, Verdict
from harness.launch.job import Job, free_port
from harness.launch.launcher import Launcher, LaunchError
from harness.launch.rank_map import RankMap
from harness.scenario.case import Case
from harness.trace import layout
from harness.trace.state import Status
from harness.watch import wire
from harness.watch.dump_files import read_json, read_pickle
from harness.watch.files import CaseFiles
from harness.watch.head import Head
from harness.watch.members import Members
from harness.watch.misplaced import misplaced
from harness.watch.picture import picture
from harness.watch.plan import LAUNCH, STATE, STATE_FOLDER, TOKEN, Plan
from harness.watch.progress import Progress
from harness.watch.proof import SETTLE_S, Proof
from harness.watch.teardown import Teardown

POLL_MS = 10
SUPERVISOR = [sys.executable, "-m", "harness.watch.supervisor"]


class Watchdog:
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
        self.case = case
        self.launch = launch
        self.argv = tuple(argv)
        self.launcher = launcher
        self.rank_map = rank_map or RankMap.on_this_host(case.ranks)
        self.members = self._nobody()
        self.proof = Proof(self.members)
        self.files = CaseFiles(folder)
        self.folder = folder
        self.token = secrets.token_hex(8)
        self.dirty = False
        self.stacks_missing: set[int] = set()
        self.dumps: dict[str, bytes] = {}  # of other tools, by file name
        self.stopped: Callable[[], bool] = lambda: False  # Ctrl-C, for a watchdog that is not in the main thread
        self.on_tick: Callable[[Members], None] = lambda members: None  # for a progress display

    def watch(self) -> Verdict:
        """Run the case to its verdict and end everything that it started, whatever happens."""
        teardown = Teardown(self.token, self.members)
        with Head(self.rank_map.address) as head:
            try:
                job = self._launch(head)
            except LaunchError as error:
                return Verdict(Outcome.INVALID, Cause.LAUNCH, str(error))
            try:
                verdict = self._judge(head, job)
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

    def _nobody(self) -> Members:
        """The members before anybody has come."""
        return Members(self.case.ranks)

    def _launch(self, head: Head) -> Job:
        plan = Plan(
            endpoint=head.endpoint,
            server_key=head.server_key,
            public_key=head.client_public,
            secret_key=head.client_secret,
            argv=self.argv,
            spec=self.case.spec,
            world=self.case.ranks,
            capacity=layout.DEFAULT_CAPACITY,
            nodes=tuple(node.ranks for node in self.rank_map.nodes),
            chosen=self.rank_map.head is not None and self.rank_map.head.chosen,
        )
        # Each case its own: where NCCL's RAS of the job listens, at the first of its processes on a host.
        ras = {"NCCL_RAS_ADDR": os.environ.get("NCCL_RAS_ADDR", f"localhost:{free_port()}")}
        between = {STATE: str((self.folder / STATE_FOLDER).resolve()), LAUNCH: str(self.launch)}
        environment = {**plan.environment(), TOKEN: self.token, **between, **ras}
        self.started_s = time.monotonic()
        self.progress = Progress(self.started_s)
        return Job(self.launcher, self.rank_map, SUPERVISOR, environment, self.folder / "launcher.log")

    # --- until the verdict ----------------------------------------------------------------------------------------

    def _judge(self, head: Head, job: Job) -> Verdict:
        while True:
            self._listen(head, POLL_MS)
            if self.stopped():
                raise KeyboardInterrupt
            now = time.monotonic()
            self.on_tick(self.members)
            verdict = self._lost(job, now) or self._certain(head, now) or self._limit(now)
            if verdict is not None:
                return verdict

    def _listen(self, head: Head, timeout_ms: int) -> None:
        for rank, message in head.receive(timeout_ms):
            self._take(head, rank, message)

    def _take(self, head: Head, rank: int, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "hello":
            self.members.join(rank, message["host"], message["pid"], message["supervisor"], message["machine"])
        member = self.members[rank]
        member.heard_s = time.monotonic()
        if kind == "delta":
            self.members.take(rank, message)
            self.files.delta(rank, self.case.ranks, message)
            self.dirty = True
            if member.state.status is Status.ABORTED:
                head.send(rank, "acknowledge", number=member.state.number)
        elif kind == "output":
            self.files.output(rank, message["data"])
        elif kind == "ended":
            member.end(message["code"], member.heard_s)
            member.oom_killed = message["oom"]
            self.dirty = True
        elif kind == "confirmed":
            member.confirmed = message["epoch"]
        elif kind == "stacks":
            self.files.stacks(rank, message["text"], message["error"])
            self.stacks_missing.discard(rank)
        elif kind == "dump":
            self.dumps[message["name"]] = message["data"]
            self.files.dump(message["name"], message["data"])
        elif kind == "left":
            member.left |= set(message["paths"])
        elif kind == "bye":
            member.said_bye = True

    def _certain(self, head: Head, now: float) -> Verdict | None:
        """A verdict that needs no limit: all ranks have ended, an engine cannot go on, or a knot is proved."""
        unable = any(member.state.status is Status.UNABLE for _, member in self.members)
        if unable or (self.members.settled() and not self._aborting()):
            return self._verdict([], now)
        knot = self.proof.confirm(now)
        if self.proof.withdrawn:
            text = "a proved knot moved: ranks communicate in ways that write no events, so nothing can be proved here"
            return self._invalid(Cause.HARNESS, text, now)
        if knot and (self.proof.quiet() or now - (self.proof.first_proved_s or now) >= SETTLE_S):
            return self._verdict(knot, now)
        if self.dirty and (knot or not self.proof.pending()):
            self.dirty = False
            self._ask(head, self.proof.look())
        return None

    def _ask(self, head: Head, ranks: Sequence[int]) -> None:
        """Ask ranks whether they still stand where they stood."""
        for rank in ranks:
            head.send(rank, "confirm", epoch=self.proof.epoch)

    def _aborting(self) -> bool:
        """Whether a rank has called abort and its launcher has not yet killed the job."""
        return any(m.state.status is Status.ABORTED and m.alive for _, m in self.members)

    def _lost(self, job: Job, now: float) -> Verdict | None:
        """The job ended, or part of it fell silent, before it could be judged."""
        if job.exit_code() is not None:
            if any(m.state.status is Status.ABORTED for _, m in self.members):
                # The launcher answers MPI_Abort by killing the supervisors too: the engines died with them.
                for _, member in self.members:
                    if member.alive:
                        member.end(-9, now)
                return self._verdict([], now)
            cause = Cause.NODE_LOST if self.members.complete() else Cause.LAUNCH
            return self._invalid(cause, f"the launcher ended ({job.exit_code()}) before a verdict:\n{job.tail()}", now)
        if not self.members.complete() and now - self.started_s > self.case.limits.launch_s:
            missing = sorted(self.members.missing())
            text = f"no supervisor of rank {missing} within {self.case.limits.launch_s:.0f} s:\n{job.tail()}"
            return self._invalid(Cause.LAUNCH, text, now)
        if (wrong := misplaced(self.rank_map, self.members.places())) is not None:
            return self._invalid(Cause.LAUNCH, wrong, now)
        silent = self._silent(now)
        if silent:
            return self._invalid(Cause.NODE_LOST, f"the supervisors of ranks {silent} fell silent", now)
        return None

    def _silent(self, now: float) -> list[int]:
        """The supervisors that have said nothing for too long."""
        return [rank for rank, member in self.members if now - member.heard_s > wire.SILENCE_S]

    def _limit(self, now: float) -> Verdict | None:
        """A verdict by time: unproved, and only where no proof was found."""
        states, limits = self.members.states(), self.case.limits
        self.progress.update(states, now)
        if self.proof.first_proved_s is not None:
            return None
        if self.progress.livelock(states, now, limits.livelock_s):
            return self._verdict([], now, limit=Limit.LIVELOCK)
        if now - self.started_s > limits.deadline_s:
            return self._verdict([], now, limit=Limit.DEADLINE)
        return None

    def _verdict(self, knot: list[Stuck], now: float, limit: Limit | None = None) -> Verdict:
        advancing = self.progress.advancing(now, self.case.limits.livelock_s)
        return decide(picture(self.members, self.proof, knot, limit, advancing, self.started_s, now))

    def _invalid(self, cause: Cause, text: str, now: float) -> Verdict:
        return Verdict(Outcome.INVALID, cause, text.strip(), start_to_verdict_s=now - self.started_s)

    # --- after it -------------------------------------------------------------------------------------------------

    def _collect_stacks(self, head: Head) -> None:
        self.stacks_missing = {rank for rank, member in self.members if member.exit_code is None}
        for rank in self.stacks_missing:
            head.send(rank, "stacks")
        self._listen_until(head, lambda: not self.stacks_missing, 30.0)

    def _opinions(self, verdict: Verdict) -> list[Finding]:
        """What the dumps of other tools say."""
        by_pid = {member.pid: rank for rank, member in self.members}
        status = read_json(self.dumps.get("nccl-ras.json", b""))
        flights = {rank: read_pickle(self.dumps.get(f"flight-recorder-rank-{rank}.pickle", b"")) for rank, _ in self.members}
        return opinions(status, {rank: dump for rank, dump in flights.items() if dump}, by_pid, verdict.blame)

    def _release(self, head: Head) -> None:
        """Let parked engines finish as they would have."""
        head.send_all("release")
        done = lambda: all(member.exit_code is not None for _, member in self.members)  # noqa: E731
        self._listen_until(head, done, self.case.limits.teardown_s)

    def _end(self, head: Head, job: Job) -> None:
        head.send_all("end")
        alive = job.exit_code() is None
        done = lambda: job.exit_code() is not None or self._said_bye()  # noqa: E731
        self._listen_until(head, done, self.case.limits.teardown_s if alive and head.known else 0.0)
        job.end(patience_s=self.case.limits.teardown_s if self.members.complete() else 1.0)

    def _said_bye(self) -> bool:
        return all(member.said_bye for _, member in self.members)

    def _listen_until(self, head: Head, done: Callable[[], bool], timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not done() and time.monotonic() < deadline:
            self._listen(head, POLL_MS)
