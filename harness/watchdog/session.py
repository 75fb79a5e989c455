"""One launch of a case, watched from its start to its verdict and to the end of everything that it started.

The verdict comes first: it is told as soon as it is certain. What comes after it (event logs, stacks, dumps, second
opinions, the end of the case on all hosts) is done step by step; one that fails is a finding, and costs nothing else.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from lockstep.harness.channel.bootstrap import RAS, Plan
from lockstep.harness.channel.identity import identity
from lockstep.harness.channel.logs import WATCHDOG_LOG, ProcessLog, level
from lockstep.harness.channel.to_supervisor import Release
from lockstep.harness.channel.watchdog_end import Head
from lockstep.harness.environment import LOG, TOKEN
from lockstep.harness.host.ports import local_port
from lockstep.harness.judge.guarded import Guarded
from lockstep.harness.judge.verdict import Finding, Verdict
from lockstep.harness.launch import allocation, open_files
from lockstep.harness.launch.errors import LaunchError
from lockstep.harness.launch.job import Job
from lockstep.harness.launch.launcher import Launcher
from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.trace import layout
from lockstep.harness.vocabulary import Cause, Outcome
from lockstep.harness.watchdog.case_scope import CaseScope
from lockstep.harness.watchdog.case_state import CaseState
from lockstep.harness.watchdog.evidence import ListenUntil
from lockstep.harness.watchdog.listener import Listener, Silent
from lockstep.harness.watchdog.run_loop import RunLoop
from lockstep.harness.watchdog.targets import Target
from lockstep.harness.watchdog.teardown.local_cleanup import LocalCleanup
from lockstep.harness.watchdog.teardown.remote_cleanup import sweep_hosts
from lockstep.harness.watchdog.teardown.shutdown import HURRY_S, Shutdown

SITUATION = "waits.json"


class CaseSession:
    """Judges one launch of a case. Use once: `CaseSession(...).watch()`."""

    def __init__(
        self,
        target: Target,
        launcher: Launcher,
        folder: Path,
        rank_map: RankMap | None = None,
        listener: Listener | None = None,
    ) -> None:
        """`folder`: for what the case leaves. `rank_map`: where its ranks run; None: all here."""
        self.target = target
        self.case = target.case
        self.launcher = launcher
        self.folder = folder
        self.rank_map = rank_map or RankMap.on_this_host(self.case.ranks)
        self.listener = listener or Silent()
        self.identity = identity()
        self.log = ProcessLog.to_file(folder / WATCHDOG_LOG, level(os.environ))
        self.token = secrets.token_hex(8)
        self.state = CaseState(target, folder, self.rank_map, self.identity, self.listener)
        self._keep = False  # what stays between launches
        self._invalid = False

    def watch(self) -> Verdict:
        """Run the case to its verdict and end everything that it started, whatever happens."""
        guarded = Guarded()
        with self.listener.stop_signals.watching(), CaseScope() as scope:
            try:
                verdict = self._watch(scope, guarded)
            except LaunchError as error:
                return Verdict(Outcome.INVALID, Cause.LAUNCH, str(error))
        complete = guarded("what is known of ranks that have ended", lambda: self.state.evidence.complete(verdict), verdict)
        return replace(complete, findings=(*complete.findings, *scope.findings, *guarded.findings))

    def _watch(self, scope: CaseScope, guarded: Guarded) -> Verdict:
        scope.ends_with("the log", self.log.close)
        channel = self.log.theme("channel")
        end = scope.open(Head(self.case.ranks, self.rank_map.address, self.case.limits.silence_s, channel))
        scope.ends_with("the files", self.state.files.close)
        scope.ends_with("the answers to peeks", self.state.peek_folder.close)
        told = self.identity
        guarded("waiting for peeks", lambda: self.state.peek_folder.open(told["host"], told["machine"]), None)
        cleanup = LocalCleanup(self.token, on_gpus=self.case.spec.get("device") != "cpu")
        job = self._launch(end)
        loop = RunLoop(self.state, end, job, self.listener, self.log.theme("judge"))
        shutdown = Shutdown(end, job, self.state, self.identity["machine"], loop.listen_until)
        # In reverse order: supervisors end what they started, then the launcher ends, then nothing may be left.
        scope.ends_with("the case on this host", lambda: self._clean_up(cleanup, shutdown))
        scope.ends_with("the case on other hosts", lambda: self._sweep(shutdown))
        scope.ends_with("the launcher", lambda: shutdown.launcher(self._hurry(scope)))
        scope.ends_with("the supervisors", lambda: shutdown.supervisors(self._keep, self._hurry(scope)))
        verdict = loop.run()
        self.log.theme("judge").info("%s (%s): %s", verdict.outcome.value, verdict.cause.value, verdict.text)
        self._invalid = verdict.outcome is Outcome.INVALID
        return self._with_evidence(verdict, end, loop, guarded)

    def _launch(self, end: Head) -> Job:
        open_files_of_user = open_files.allow(self.case.ranks)
        self.state.files.most_open = open_files.left(self.case.ranks)
        # Each case its own, unless the user has set it.
        ras = "" if RAS in os.environ else local_port()
        plan = Plan(
            endpoint=end.endpoint,
            server_key=end.server_key,
            public_key=end.client_public,
            secret_key=end.client_secret,
            argv=tuple(self.target.argv),
            spec=self.target.spec(self.rank_map),
            world=self.case.ranks,
            capacity=layout.DEFAULT_CAPACITY,
            nodes=tuple(node.ranks for node in self.rank_map.nodes),
            chosen=self.rank_map.head is not None and self.rank_map.head.chosen,
            cwd=str(Path.cwd()),
            machine=self.identity["machine"],
            ras=ras,
            silence_s=self.case.limits.silence_s,
            log_folder=str(self.folder.resolve()),
            state=self.target.state_name(self.folder),
            gpus=tuple(node.gpus for node in self.rank_map.nodes),
        )
        own = self.target.environment(self.folder)
        environment = {**plan.environment(), TOKEN: self.token, **open_files_of_user, **own}
        environment |= {RAS: ras} if ras else {}
        environment |= {LOG: os.environ[LOG]} if LOG in os.environ else {}
        self.log.theme("watchdog").info("starting %d ranks of %s by %s", plan.world, self.case.id, self.launcher.name)
        self.state.judgement.started_s = time.monotonic()
        return self.target.job(self.launcher, self.rank_map, environment, self.folder / "launcher.log")

    def _with_evidence(self, judged: Verdict, end: Head, loop: RunLoop, guarded: Guarded) -> Verdict:
        """The verdict, with what is known beside it; it is told before anything is gathered."""
        evidence = self.state.evidence
        verdict = guarded("what is known of the hosts", lambda: self._on_nodes(judged), judged)
        verdict = guarded("the words of the verdict", lambda: self._retold(verdict), verdict)
        guarded("telling of the verdict", lambda: self.listener.judged(verdict), None)
        guarded("the event logs", evidence.write_events, None)
        if self._something_stands(verdict):
            gather = self._gathers(loop)
            guarded("stacks and dumps", lambda: evidence.collect(end, verdict, gather), None)
            verdict = guarded("the words of the verdict", lambda: self._retold(verdict), verdict)
            if not verdict.knot and verdict.outcome is not Outcome.SLOW and verdict.cause is not Cause.LIVELOCK:
                guarded("where everybody stands", self._keep_situation, None)
            verdict = guarded("second opinions", lambda: evidence.with_opinions(verdict), verdict)
        elif verdict.outcome is Outcome.SUCCESS and self.target.parks:
            guarded("letting ranks end", lambda: self._release(end, loop), None)
        self._keep = self.target.keeps(verdict)
        return verdict

    def _gathers(self, loop: RunLoop) -> ListenUntil:
        """Where Slurm ends everything in half a minute, a few seconds must do."""
        if self.listener.stop_signals.count and allocation.job():
            return lambda done, timeout_s: loop.gather_until(done, min(timeout_s, HURRY_S))
        return loop.gather_until

    def _something_stands(self, verdict: Verdict) -> bool:
        """Whether there is anything left to ask where it stands, and why."""
        hangs = verdict.outcome in (Outcome.HANG, Outcome.SLOW) or verdict.cause is Cause.INTERRUPTED
        return hangs or self.state.judgement.by_limit

    def _keep_situation(self) -> None:
        """Who waits for whom where no knot says it: of a verdict that nothing proves it is all that there is to look at.

        Not of ranks that go on: what is known of each is of another moment then, and would make a picture of no moment.
        """
        if told := self.state.judgement.situation(self.state.evidence.collected()):
            (self.folder / SITUATION).write_text(json.dumps(told, indent=1) + "\n")

    def _retold(self, verdict: Verdict) -> Verdict:
        return self.state.judgement.retold(verdict, self.state.evidence.collected())

    def _on_nodes(self, verdict: Verdict) -> Verdict:
        found, findings = self.state.membership.nodes()
        return replace(verdict, nodes=found, findings=(*verdict.findings, *findings))

    def _release(self, end: Head, loop: RunLoop) -> None:
        """Let parked engines finish as they would have."""
        end.send_all(Release())
        ended = lambda: all(record.exit_code is not None for _, record in self.state.ranks)  # noqa: E731
        loop.listen_until(ended, self.case.limits.teardown_s)

    # --- the end of the case --------------------------------------------------------------------------------------

    def _hurry(self, scope: CaseScope) -> bool:
        """Whether who ends this run will soon end everything else: then a few seconds must do."""
        return (scope.failed or bool(self.listener.stop_signals.count)) and bool(allocation.job())

    def _sweep(self, shutdown: Shutdown) -> Iterable[Finding]:
        """What was found on other hosts; those whose supervisors did not say bye are swept."""
        told = self.state.host_leaks.findings
        hosts = [] if self.rank_map.local else shutdown.left_badly(self.rank_map)
        # An allocation that ends gets no more steps, and Slurm kills all that is in it.
        if not hosts or allocation.ending():
            return told
        order = {
            "token": self.token,
            "folder": str(shutdown.job.folder),
            "files": shutdown.files(),
            "state": self.target.state_name(self.folder),
            "age_s": time.monotonic() - self.state.judgement.started_s,
        }
        silence_s = self.case.limits.silence_s
        return [*told, *sweep_hosts(self.launcher, self.rank_map, hosts, order, self.folder, silence_s)]

    def _clean_up(self, cleanup: LocalCleanup, shutdown: Shutdown) -> Iterable[Finding]:
        """What was found here. Of a case that was not judged nothing is told."""
        found = cleanup.clear(*shutdown.here())
        self.log.theme("watchdog").info("the end of %s", self.case.id)
        return [] if self._invalid else found
