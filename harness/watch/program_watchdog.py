"""The watchdog of a program that knows nothing of us: its processes come and go, and some of them are ranks."""

from __future__ import annotations

import os
import secrets
import subprocess
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
from harness.judge.verdict import Cause, Finding, Verdict
from harness.launch.job import Job, free_port
from harness.launch.launcher import Launcher
from harness.launch.rank_map import RankMap
from harness.scenario.case import Case
from harness.trace import layout
from harness.trace.state import Status
from harness.watch import wire
from harness.watch.crowd import Command, Crowd
from harness.watch.dump_files import read_json
from harness.watch.head import Head
from harness.watch.picture import picture
from harness.watch.plan import TOKEN, Plan
from harness.watch.progress import Progress
from harness.watch.proof import SETTLE_S
from harness.watch.watchdog import Watchdog

SUPERVISOR = [sys.executable, "-m", "harness.watch.program"]
LOOK_AGAIN_S = 0.5  # a thread that kept a knot from being proved may fall asleep without an event
LINGER_S = 3.0  # what ranks are given to end when the command that started them has ended


class ProgramWatchdog(Watchdog):
    """Judges one launch of a program. Use once."""

    members: Crowd

    def __init__(
        self, case: Case, argv: Sequence[str], launcher: Launcher, folder: Path, rank_map: RankMap | None = None
    ) -> None:
        super().__init__(case, argv, launcher, folder, rank_map=rank_map)
        self.looked_s = 0.0
        self.stacks_of: set[int] = set()
        self.dumps_of: set[tuple[int, int]] = set()
        self.stdin = subprocess.DEVNULL
        self.on_output: Callable[[str, bytes], None] = lambda stream, data: None  # what the program prints, as it comes

    def _nobody(self) -> Crowd:
        return Crowd(self.case.ranks)

    def _launch(self, head: Head) -> Job:
        spec = {
            "env": self.case.spec.get("env", {}),
            "cwd": self.case.spec.get("cwd"),
            "stdin": self.stdin != subprocess.DEVNULL,
            "port": free_port(),
            "master": self.rank_map.first_address,
            "environ": {"TMPDIR": os.environ.get("TMPDIR")},
        }
        plan = Plan(
            endpoint=head.endpoint,
            server_key=head.server_key,
            public_key=head.client_public,
            secret_key=head.client_secret,
            argv=self.argv,
            spec=spec,
            world=self.case.ranks,
            capacity=layout.DEFAULT_CAPACITY,
            nodes=tuple(node.ranks for node in self.rank_map.nodes),
            chosen=self.rank_map.head is not None and self.rank_map.head.chosen,
        )
        ras = {"NCCL_RAS_ADDR": os.environ.get("NCCL_RAS_ADDR", f"localhost:{free_port()}")}
        environment = {**plan.environment(), TOKEN: self.token, "LOCKSTEP_WORLD_ID": secrets.token_hex(4), **ras}
        self.started_s = time.monotonic()
        self.progress = Progress(self.started_s)
        log = self.folder / "launcher.log"
        return Job(self.launcher, self.rank_map, SUPERVISOR, environment, log, ours=False, stdin=self.stdin)

    # --- until the verdict ----------------------------------------------------------------------------------------

    def _take(self, head: Head, rank: int, message: dict[str, Any]) -> None:
        """A message of the supervisor with this number; `proc` is one of its processes."""
        kind, crowd, now = message["type"], self.members, time.monotonic()
        if kind == "hello":
            who = (message["host"], message["pid"], message["supervisor"])
            crowd.commands[rank] = Command(*who, now, machine=message["machine"])
        command = crowd.commands[rank]
        command.heard_s = now
        process = (rank, message.get("proc", -1))
        if kind == "came":
            crowd.came(process, message["pid"], message["argv"])
        elif kind == "delta":
            one = crowd.told(process, message, now)
            self.dirty = True
            if one.state.status is Status.ABORTED:
                head.send(rank, "acknowledge", proc=process[1], number=one.state.number)
        elif kind == "gone":
            crowd.gone(process, message["code"], now, message["oom"])
            self.dirty = True
        elif kind == "ended":
            command.exit_code, command.ended_s = message["code"], now
            self.dirty = True
        elif kind == "processes":
            command.alive, command.unseen = message["alive"], message["unseen"]
            self.dirty = True
        elif kind == "scanned":
            command.scanned = message["epoch"]
        elif kind == "confirmed":
            one = crowd.processes[process]
            one.doubts = one.confirm(message)
            one.confirmed = message["epoch"]
        elif kind == "output":
            self.files.program_output(rank, message["stream"], message["data"])
            self.on_output(message["stream"], message["data"])
        elif kind == "stacks":
            self._stacks(process, message)
        elif kind == "stacks_done":
            self.stacks_of.discard(rank)
        elif kind == "dump":
            self.dumps[message["name"]] = message["data"]
            self.files.dump(message["name"], message["data"])
        elif kind == "dumped":
            self._dumped(process, message["text"])
        elif kind == "left":
            command.left |= set(message["paths"])
        elif kind == "bye":
            command.said_bye = True

    def _certain(self, head: Head, now: float) -> Verdict | None:
        if self.proof.doubts and now - self.looked_s > LOOK_AGAIN_S:
            self.dirty = True
        return super()._certain(head, now) or self._lingering(now)

    def _lingering(self, now: float) -> Verdict | None:
        """The commands have ended, and left ranks behind."""
        commands = self.members.commands.values()
        if not self.members.complete() or any(c.exit_code is None or now - c.ended_s < LINGER_S for c in commands):
            return None
        return None if self.proof.pending() else self._verdict([], now)

    def _ask(self, head: Head, ranks: Sequence[int]) -> None:
        self.looked_s = time.monotonic()
        asked: dict[int, list[int]] = {index: [] for index in self.members.commands} if ranks else {}
        for rank in ranks:
            index, serial = self.members[rank].process
            asked[index].append(serial)
        for index, serials in asked.items():
            head.send(index, "confirm", epoch=self.proof.epoch, procs=serials)

    def _silent(self, now: float) -> list[int]:
        return [index for index, c in self.members.commands.items() if now - c.heard_s > wire.SILENCE_S]

    def _limit(self, now: float) -> Verdict | None:
        """By the deadline only: a program without milestones is not known to turn in circles."""
        self.progress.update_by_events(self.members.states(), now)
        if self.proof.first_proved_s is None and now - self.started_s > self.case.limits.deadline_s:
            return self._verdict([], now, limit=Limit.DEADLINE)
        return None

    def _invalid(self, cause: Cause, text: str, now: float) -> Verdict:
        self._write_events()
        return super()._invalid(cause, text, now)

    def _verdict(self, knot: list[Stuck], now: float, limit: Limit | None = None) -> Verdict:
        if knot:
            self.members.admit_absent()
        self._write_events()
        advancing = self.progress.advancing(now, min(self.case.limits.livelock_s, self.case.limits.deadline_s / 4))
        seen = picture(self.members, self.proof, knot, limit, advancing, self.started_s, now, self.members.rank_of)
        commands = [c.exit_code for _, c in sorted(self.members.commands.items())]
        doubts = [f"rank {rank}: {doubt}" for rank, found in self.proof.doubts.items() for doubt in found] if limit else []
        unseen, failures = [*self.members.unseen(), *doubts], self.members.failures()
        return decide(replace(seen, attached=True, roots=commands, unseen=unseen, failures=failures))

    # --- after it -------------------------------------------------------------------------------------------------

    def _write_events(self) -> None:
        """The event log of each rank; which process is which rank is known for certain only now."""
        for rank, one in self.members:
            self.files.events(rank, len(list(self.members)), one.clock_ns, bytes(one.records), one.strings, one.state.lost)

    def _collect_stacks(self, head: Head) -> None:
        self.dumps_of = {one.process for one in self.members.processes.values() if one.alive and one.rank is not None}
        head.send_all("dump")
        self._listen_until(head, lambda: not self.dumps_of, SETTLE_S * 2)
        self.stacks_of = set(self.members.commands)
        head.send_all("stacks")
        self._listen_until(head, lambda: not self.stacks_of, 60.0)

    def _stacks(self, process: tuple[int, int], message: dict[str, Any]) -> None:
        one = self.members.processes.get(process)
        name = f"rank-{one.rank}" if one is not None and one.rank is not None else f"process-{message['pid']}"
        self.files.stacks_of(name, message["text"], message["error"])

    def _dumped(self, process: tuple[int, int], text: str) -> None:
        """The Flight Recorder of a rank, as it gave it itself."""
        self.dumps_of.discard(process)
        rank = self.members.processes[process].rank
        if text and rank is not None:
            name = f"flight-recorder-rank-{rank}.json"
            self.dumps[name] = text.encode()
            self.files.dump(name, text.encode())

    def _opinions(self, verdict: Verdict) -> list[Finding]:
        by_pid = {member.pid: rank for rank, member in self.members}
        status = read_json(self.dumps.get("nccl-ras.json", b""))
        flights = {rank: read_json(self.dumps.get(f"flight-recorder-rank-{rank}.json", b"")) for rank, _ in self.members}
        return opinions(status, {rank: dump for rank, dump in flights.items() if dump}, by_pid, verdict.blame)

    def _release(self, head: Head) -> None:
        """Nothing is parked here."""

    def _said_bye(self) -> bool:
        return all(command.said_bye for command in self.members.commands.values())
