"""Hosts that reach each other by IPv6 only: under Open MPI all goes on, and MPICH's launcher, which cannot, says so."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockstep.harness.launch.discovery import find
from tests.cluster.hosts import ROOT, VERSION_6, Cluster
from tests.cluster.support import all_clean, lockstep, verdicts

pytestmark = pytest.mark.timeout(300)
PROGRAM = ROOT / "tests" / "attach" / "torch_program.py"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A head and two hosts."""
    with Cluster(("node1", "node2"), VERSION_6) as made:
        yield made


def test_a_deadlock_between_them(cluster: Cluster) -> None:
    """It is proved, with all hosts by their addresses; its cure succeeds; nothing stays."""
    done = lockstep(cluster, "run", "--hosts", "node1:2,node2:2", "generation-capture-two-nodes")
    if find().name == "hydra":
        assert done.returncode == 3
        assert "MPICH's mpiexec speaks IPv4 only, and eth0 (fd00:77::10) has no such address" in done.stderr
        return
    assert done.returncode == 0, done.stdout + done.stderr
    found = sorted(verdicts(cluster).values(), key=lambda verdict: str(verdict["outcome"]))
    assert [verdict["outcome"] for verdict in found] == ["hang", "success"]
    assert found[0]["proved"] is True
    assert [node["address"] for node in found[0]["nodes"]] == [cluster[name].address for name in ("node1", "node2")]
    all_clean(cluster)


@pytest.mark.skipif(find().name == "hydra", reason="Hydra speaks IPv4 only")
def test_a_program_of_torch(cluster: Cluster) -> None:
    """It meets at the first host's address, and gloo takes the interface that it is told."""
    command: list[str | Path] = [sys.executable, PROGRAM, "deadlock"]
    done = lockstep(cluster, "watch", "--hosts", "node1:1,node2:1", "--", *command)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "hang (deadlock, proved)" in done.stderr
    all_clean(cluster)
