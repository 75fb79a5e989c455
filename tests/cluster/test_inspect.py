"""`lockstep inspect --hosts` on a job of two hosts that was started without Lockstep, from a third one."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

from lockstep.harness.host.polling import wait_until
from tests.cluster.hosts import Cluster

LOCKSTEP = str(Path(sys.executable).parent / "lockstep")
PROGRAM = "tests/inspection/hanging.py"


@pytest.mark.timeout(300)
def test_a_hung_job_of_two_hosts(cluster: Cluster) -> None:
    """Each host's rank is in one report; a host that is not asked is told as one where ranks may be."""
    device, address = next(iter(cluster["node1"].addresses.items()))
    given = {"WORLD_SIZE": "2", "MASTER_ADDR": address, "MASTER_PORT": "29555", "GLOO_SOCKET_IFNAME": device}
    argv = [sys.executable, PROGRAM, "asleep", "/tmp"]
    ranks = [cluster.start(f"node{rank + 1}", argv, {**given, "RANK": str(rank)}) for rank in range(2)]
    try:
        ready = [cluster[f"node{rank + 1}"].path(f"/tmp/ready-{rank}") for rank in range(2)]
        assert wait_until(lambda: all(path.exists() for path in ready), 100.0)

        def inspected(hosts: str) -> tuple[int, dict[str, object]]:
            words = [LOCKSTEP, "inspect", "--hosts", hosts, "hanging.py", "--json"]
            done = cluster.run("login", words, check=False, timeout_s=150)
            return done.returncode, json.loads(done.stdout or "{}")

        found: list[tuple[int, dict[str, object]]] = []
        assert wait_until(lambda: _word(found, inspected("node1:1,node2:1")) == "hang", 100.0), found
        code, said = found[-1]
        assert (code, said["ranks"], said["absent"], said["behind"]) == (1, [0, 1], [], [1])
        assert "(node1, process " in str(said["lines"])
        assert "(node2, process " in str(said["lines"])
        _, alone = inspected("node2:1,node3:1")
        assert (alone["ranks"], alone["absent"]) == ([1], [0])
        assert any("what is on node3: hanging.py: no process on node3" in limit for limit in alone["limits"])  # type: ignore[attr-defined]
    finally:
        for rank in ranks:
            rank.send(signal.SIGKILL)
            rank.wait()


def _word(found: list[tuple[int, dict[str, object]]], answer: tuple[int, dict[str, object]]) -> object:
    found.append(answer)
    return answer[1].get("word")
