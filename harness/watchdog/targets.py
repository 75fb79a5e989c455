"""What is launched and watched: an engine, or a program that knows nothing of us. All in which launching them differs."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from lockstep import harness
from lockstep.harness.channel.bootstrap import STATE_FOLDER
from lockstep.harness.environment import LAUNCH, STATE, WORLD_ID
from lockstep.harness.host.ports import free_port
from lockstep.harness.host.shared_folder import state_name
from lockstep.harness.interpreter import python_module
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.launch.job import Job
from lockstep.harness.launch.launcher import Launcher
from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.scenario.case import Case
from lockstep.harness.vocabulary import FindingKind, Outcome
from lockstep.harness.watchdog.case_files import CaseFiles
from lockstep.harness.watchdog.evidence import EngineEvidence, Evidence, ProgramEvidence
from lockstep.harness.watchdog.judgement import EngineJudgement, Judgement, ProgramJudgement
from lockstep.harness.watchdog.presence.membership import Membership
from lockstep.harness.watchdog.proof import Proof
from lockstep.harness.watchdog.ranks.engine_ranks import EngineRanks
from lockstep.harness.watchdog.ranks.program_ranks import ProgramRanks
from lockstep.harness.watchdog.ranks.rank_table import RankTable

ENGINE_SUPERVISOR = python_module("lockstep.harness.supervisor.rank")
FORK_CLIENT = [sys.executable, "-I", "-S", str(Path(harness.__file__).parent / "supervisor" / "fork_client.py")]
PROGRAM_SUPERVISOR = python_module("lockstep.harness.supervisor.program")
_SECRET = secrets.token_hex(16)  # of this watchdog: names in folders that all users of a host share cannot be guessed


class Target(Protocol):
    """One launch of a case. Each collaborator of its session is made once."""

    @property
    def case(self) -> Case:
        """The case."""

    @property
    def argv(self) -> Sequence[str]:
        """What each supervisor starts."""

    @property
    def ranks(self) -> RankTable:
        """Its ranks, of which nothing is known before the launch."""

    @property
    def parks(self) -> bool:
        """Whether ranks that have ended hold still until they are released."""

    def judgement(self, proof: Proof, membership: Membership) -> Judgement:
        """By what it is judged."""

    def evidence(self, files: CaseFiles, membership: Membership) -> Evidence:
        """By what its evidence is gathered."""

    def spec(self, rank_map: RankMap) -> dict[str, Any]:
        """What the supervisors are told of the case."""

    def environment(self, folder: Path) -> dict[str, str]:
        """What the ranks find in their environment beside what is always there. `folder`: of the case."""

    def job(self, launcher: Launcher, rank_map: RankMap, environment: dict[str, str], log: Path) -> Job:
        """Start the supervisors. Raises LaunchError."""

    def keeps(self, verdict: Verdict) -> bool:
        """Whether another launch will begin with what this one leaves on its hosts."""

    def state_name(self, folder: Path) -> str:
        """The name on other hosts of what stays there between launches; empty: nothing does."""


class EngineTarget:
    """Ranks that import the recorder. `launch`: which of the case's launches this is, from 1."""

    parks = True

    def __init__(self, case: Case, argv: Sequence[str], launch: int = 1, fork_server: str = "") -> None:
        """`fork_server`: the socket of that from which ranks are forked; empty: each starts by itself."""
        self.case = case
        self.argv = tuple(argv)
        self.ranks = EngineRanks(case.ranks)
        self._launch = launch
        self._fork_server = fork_server

    def judgement(self, proof: Proof, membership: Membership) -> Judgement:
        """By milestones, decisions and proofs."""
        return EngineJudgement(self.case.limits, self.ranks, proof, membership)

    def evidence(self, files: CaseFiles, membership: Membership) -> Evidence:
        """Of ranks numbered from the start."""
        return EngineEvidence(files, self.ranks, membership.clocks)

    def spec(self, rank_map: RankMap) -> dict[str, Any]:
        """All that the scenario says of the ranks."""
        return self.case.spec

    def environment(self, folder: Path) -> dict[str, str]:
        """Where ranks keep what stays between launches, and which launch this is."""
        return {STATE: str((folder / STATE_FOLDER).resolve()), LAUNCH: str(self._launch)}

    def job(self, launcher: Launcher, rank_map: RankMap, environment: dict[str, str], log: Path) -> Job:
        """With the interface and the threads that suit our engines."""
        client = [*FORK_CLIENT, self._fork_server] if self._fork_server else []
        return Job(launcher, rank_map, [*client, *ENGINE_SUPERVISOR], environment, log)

    def keeps(self, verdict: Verdict) -> bool:
        """After a clean success that is not the last."""
        wrong = any(finding.kind is FindingKind.WRONG_RESULT for finding in verdict.findings)
        return verdict.outcome is Outcome.SUCCESS and not wrong and self._launch < self.case.launches

    def state_name(self, folder: Path) -> str:
        """The same for all launches of the case, which are those of one watchdog."""
        return state_name(_SECRET, self.environment(folder)[STATE])


class ProgramTarget:
    """A command, and all below it. `stdin`: where it reads, as for `subprocess`."""

    parks = False

    def __init__(self, case: Case, argv: Sequence[str], stdin: int = subprocess.DEVNULL) -> None:
        self.case = case
        self.argv = tuple(argv)
        self.ranks = ProgramRanks(case.ranks)
        self._stdin = stdin

    def judgement(self, proof: Proof, membership: Membership) -> Judgement:
        """By proofs, and the deadline."""
        return ProgramJudgement(self.case.limits, self.ranks, proof, membership)

    def evidence(self, files: CaseFiles, membership: Membership) -> Evidence:
        """Of processes that become ranks."""
        return ProgramEvidence(files, self.ranks, membership.clocks)

    def spec(self, rank_map: RankMap) -> dict[str, Any]:
        """What the launch of the command needs; the program itself gets nothing of it."""
        self.ranks.absent.port = free_port()
        return {
            "env": self.case.spec.get("env", {}),
            "cwd": self.case.spec.get("cwd"),
            "stdin": self._stdin != subprocess.DEVNULL,
            "port": self.ranks.absent.port,
            "master": rank_map.first_address,
            "environ": {"TMPDIR": os.environ.get("TMPDIR")},
        }

    def environment(self, folder: Path) -> dict[str, str]:
        """What tells the worlds of this launch from others."""
        return {WORLD_ID: secrets.token_hex(4)}

    def job(self, launcher: Launcher, rank_map: RankMap, environment: dict[str, str], log: Path) -> Job:
        """With nothing changed for the program."""
        return Job(launcher, rank_map, PROGRAM_SUPERVISOR, environment, log, ours=False, stdin=self._stdin)

    def keeps(self, verdict: Verdict) -> bool:
        """There is one launch."""
        return False

    def state_name(self, folder: Path) -> str:
        """Nothing stays."""
        return ""
