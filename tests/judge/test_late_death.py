"""A death that its supervisor sees late, and the error that a peer raises over the socket which it closed. Pure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lockstep.harness.judge.decide import decide
from lockstep.harness.judge.history import History
from lockstep.harness.judge.snapshot import Process
from lockstep.harness.trace.state import RankState, Status
from lockstep.harness.vocabulary import Outcome
from tests.judge.test_standing import case

GLOO = "[../third_party/gloo/gloo/transport/tcp/pair.cc:547] Read error [127.0.0.1]:4242: Connection reset by peer"


@pytest.mark.parametrize(
    ("error", "seen_s", "code", "other_host", "outcome", "blamed"),
    [
        (GLOO, 1.5, -9, False, Outcome.CRASH, 1),
        (GLOO, 9.0, -9, False, Outcome.RAISE, 0),  # who ended the job was patient
        (GLOO, 1.5, -15, False, Outcome.RAISE, 0),  # as launchers end the others
        (GLOO, 1.5, -9, True, Outcome.RAISE, 0),  # the network between them may be gone
        ("HTTPSConnectionPool: Connection reset by peer", 1.5, -9, False, Outcome.RAISE, 0),  # a socket of the program's own
        ("no room for the largest batch", 1.5, -9, False, Outcome.RAISE, 0),
    ],
)
def test_a_death_that_is_seen_late_still_comes_before_the_error_over_its_socket(
    error: str, seen_s: float, code: int, other_host: bool, outcome: Outcome, blamed: int
) -> None:
    """A busy supervisor sees a death long after its peer has raised over it; any other error, or end, keeps its order."""
    states = {0: RankState(0, status=Status.RAISED, gone=True), 1: RankState(1, status=Status.DEAD, gone=True)}
    histories = {
        0: History(0, error=("RuntimeError", error, ""), failed_ns=1_000_000_000, ended_ns=2_000_000_000),
        1: History(1, ended_ns=int(seen_s * 1e9)),
    }
    told = case(states, histories, codes={0: 1, 1: code})
    if other_host:
        told = replace(told, processes={**told.processes, 1: Process("another", 1, code)})
    verdict = decide(told)
    assert verdict.outcome is outcome
    assert verdict.blame is not None
    assert verdict.blame.ranks == (blamed,)
