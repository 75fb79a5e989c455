"""What comes after a verdict costs neither the verdict nor what else comes after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockstep.harness.channel.to_watchdog import Delta
from lockstep.harness.environment import TOKEN
from lockstep.harness.host import proc
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.supervisor.ring_reader import RingReader
from lockstep.harness.trace import Need, Recorder
from lockstep.harness.trace.ring import Ring
from lockstep.harness.vocabulary import Cause, FindingKind, Outcome
from lockstep.harness.watchdog.case_files import CaseFiles
from lockstep.harness.watchdog.evidence import Evidence, ProgramEvidence
from lockstep.harness.watchdog.listener import Silent
from lockstep.harness.watchdog.presence.clock_sync import HostClocks
from lockstep.harness.watchdog.presence.membership import Membership
from lockstep.harness.watchdog.ranks.command import Command
from lockstep.harness.watchdog.ranks.program_ranks import ProgramRanks
from lockstep.harness.watchdog.teardown.local_cleanup import LocalCleanup
from tests.watchdog.launch import watchdog

STEPS = {
    "what is known of the hosts": (Membership, "nodes"),
    "the event logs": (Evidence, "write_events"),
    "stacks and dumps": (Evidence, "collect"),
    "second opinions": (Evidence, "with_opinions"),
    "the end of the case on this host": (LocalCleanup, "clear"),
    "what is known of ranks that have ended": (Evidence, "complete"),
}


class Told(Silent):
    """Keeps the verdict that it is told of, and then fails."""

    def __init__(self) -> None:
        self.verdict: Verdict | None = None

    def judged(self, verdict: Verdict) -> None:
        """No disk is always there."""
        self.verdict = verdict
        raise OSError("no space left on device")


def test_every_step_may_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With all of them failing there is the same verdict, each failure is a finding, and nothing of the case stays."""

    def fail(*arguments: object) -> None:
        raise KeyError(7)

    for kind, method in STEPS.values():
        owners = [kind, *kind.__subclasses__()]
        for owner in owners:
            if method in vars(owner):
                monkeypatch.setattr(owner, method, fail)
    dog, told = watchdog("deadlock", 2, tmp_path), Told()
    dog.listener = told
    verdict = dog.watch()
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.HANG, Cause.DEADLOCK, True), verdict.text
    assert told.verdict is not None
    assert (told.verdict.outcome, told.verdict.signature) == (verdict.outcome, verdict.signature)
    lost = [finding.text for finding in verdict.findings if finding.kind is FindingKind.EVIDENCE_LOST]
    assert {*lost} == {
        *(f"{what} failed: KeyError: 7" for what in STEPS),
        "telling of the verdict failed: OSError: no space left on device",
    }
    assert not proc.with_variable(TOKEN, dog.token)


def test_a_rank_that_never_came_has_no_event_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A knot may rest on a rank of which nobody ever heard: those that came have their logs."""
    ranks, clocks = ProgramRanks(1), HostClocks("clock")
    ranks.processes.commands[0] = Command("host", 1, alive=(100,))
    ranks.came((0, 0), 100)
    ring = Ring(-1, 0)
    recorder = Recorder.on(ring.fd)
    recorder.join("mpi", 0, 2, True)
    recorder.collective(recorder.comm("gloo", "world", (0, 1), scope="mpi"), "init", need=Need.COME)
    delta = RingReader(ring).delta()
    assert isinstance(delta, Delta)
    ranks.take((0, 0), delta, 0.0)
    assert [(wait.rank, wait.lacks) for wait in ranks.knot()] == [(0, (1,))]
    assert list(ranks.everybody()) == [0, 1]
    monkeypatch.setattr(HostClocks, "wall_ns", lambda self, number: 0)
    ProgramEvidence(CaseFiles(tmp_path), ranks, clocks).write_events()
    assert [path.name for path in tmp_path.iterdir()] == ["rank-0.events"]
