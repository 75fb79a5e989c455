"""All that the watchdog knows of one case while it runs. Made before the launch: each part is there from the start."""

from __future__ import annotations

from pathlib import Path

from lockstep.harness.channel.identity import Identity
from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.watchdog.case_files import CaseFiles
from lockstep.harness.watchdog.intake import Intake
from lockstep.harness.watchdog.listener import Listener
from lockstep.harness.watchdog.peek_folder import PeekFolder
from lockstep.harness.watchdog.presence.abort_gate import AbortGate
from lockstep.harness.watchdog.presence.failure_detector import FailureDetector
from lockstep.harness.watchdog.presence.membership import Membership
from lockstep.harness.watchdog.proof import Proof
from lockstep.harness.watchdog.stack_round import StackRound
from lockstep.harness.watchdog.targets import Target
from lockstep.harness.watchdog.teardown.host_leaks import HostLeaks


class CaseState:
    """The tables and the state machines of a case. `own`: the identity of the watchdog."""

    def __init__(self, target: Target, folder: Path, rank_map: RankMap, own: Identity, listener: Listener) -> None:
        limits = target.case.limits
        self.ranks = target.ranks
        self.proof = Proof(self.ranks)
        self.membership = Membership(rank_map, own)
        self.registry = self.membership.registry
        self.liveness_round = self.membership.liveness_round
        self.failure_detector = FailureDetector(self.registry, rank_map, limits, own)
        self.abort_gate = AbortGate(self.registry, self.liveness_round)
        self.host_leaks = HostLeaks()
        self.files = CaseFiles(folder)
        self.case_id = target.case.id
        self.peek_folder = PeekFolder(folder)
        self.stack_round = StackRound(self.ranks)
        self.judgement = target.judgement(self.proof, self.membership)
        self.evidence = target.evidence(self.files, self.membership)
        self.intake = Intake(
            self.ranks, self.registry, self.abort_gate, self.evidence, self.stack_round, self.host_leaks, listener
        )
