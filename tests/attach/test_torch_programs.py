"""Real torch.distributed programs, unmodified: started by an MPI launcher, by torchrun, and by themselves."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from lockstep.harness.vocabulary import Cause, FindingKind, Outcome
from lockstep.harness.watchdog.listener import Silent
from lockstep.harness.watchdog.ranks.rank_table import RankTable
from tests.attach.launch import BIN, HERE, python, watch, watchdog

MPIEXEC = (2, python("torch_program.py"))
SPAWN = (1, python("torch_program.py"))
TORCHRUN = (1, [str(BIN / "torchrun"), "--nproc-per-node", "2", str(HERE / "torch_program.py")])


@pytest.mark.parametrize(
    ("how", "program", "outcome", "cause"),
    [
        (MPIEXEC, "clean", Outcome.SUCCESS, Cause.NONE),
        (MPIEXEC, "kill_one", Outcome.CRASH, Cause.SIGNAL),
        (TORCHRUN, "deadlock", Outcome.HANG, Cause.DEADLOCK),
        (TORCHRUN, "raise_one", Outcome.RAISE, Cause.SOME_RANKS),
        (SPAWN, "raise_one", Outcome.RAISE, Cause.SOME_RANKS),
    ],
)
def test_outcome(how: tuple[int, list[str]], program: str, outcome: Outcome, cause: Cause, tmp_path: Path) -> None:
    """Each gets its outcome and cause, whoever started the ranks; the first that failed is to blame, not who followed."""
    processes, argv = how
    verdict = watch([*argv, program], processes, tmp_path)
    assert (verdict.outcome, verdict.cause) == (outcome, cause), verdict.text
    assert verdict.proved is (True if outcome is Outcome.HANG else None)
    assert [rank.rank for rank in verdict.ranks] == [0, 1]
    assert FindingKind.LEAK not in [finding.kind for finding in verdict.findings]
    if program.endswith("_one"):
        assert verdict.blame is not None
        assert verdict.blame.ranks == (1,)
    if outcome is Outcome.HANG:
        assert {(line.rank, line.op, line.lacks) for line in verdict.knot} == {
            (0, "all_reduce", (1,)),
            (1, "all_reduce", (0,)),
        }
        assert all("torch_program.py:" in line.site for line in verdict.knot)
        assert (tmp_path / "flight-recorder-rank-0.json").exists()


def test_slow_is_not_a_hang(tmp_path: Path) -> None:
    """While a rank computes, no snapshot is taken for a knot."""
    dog = watchdog([*MPIEXEC[1], "slow"], 2, tmp_path)
    assert dog.watch().outcome is Outcome.SUCCESS
    assert dog.state.proof.judged_moving > 0
    assert dog.state.proof.proved == 0


@pytest.mark.parametrize("program", ["deadlock", "raise_one"])
def test_a_killed_supervisor_is_no_verdict(program: str, tmp_path: Path) -> None:
    """kill -9 of one when something would be judged: neither a hang nor a raise, whatever the other rank tells then."""
    dog = watchdog([*MPIEXEC[1], program], 2, tmp_path)
    killed: list[int] = []

    class Killer(Silent):
        def tick(self, ranks: RankTable) -> None:
            due = dog.state.proof.candidate or any(one.state.failed or not one.alive for _, one in ranks)
            if due and dog.state.registry.complete() and not killed and not dog.state.liveness_round.open:
                killed.append(dog.state.registry[0].supervisor)
                os.kill(killed[0], signal.SIGKILL)

    dog.listener = Killer()
    verdict = dog.watch()
    assert killed
    assert (verdict.outcome, verdict.cause) == (Outcome.INVALID, Cause.NODE_LOST), verdict.text
