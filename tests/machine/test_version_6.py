"""A host whose loopback has IPv6 only: what goes over sockets of ours, of MPI and of torch goes on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.machine.test_faults import LOCKSTEP

ROOT = Path(__file__).parents[2]
ONLY_6 = 'ip link set lo up; ip address del 127.0.0.1/8 dev lo; exec "$@"'


def alone(*words: str | Path) -> list[str]:
    """A command in a network of its own, without an address of version 4."""
    return ["unshare", "--net", "sh", "-ec", ONLY_6, "sh", *map(str, words)]


def possible() -> bool:
    """Whether this user may make such a network, and the kernel knows version 6."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return False
    words = alone(sys.executable, "-c", "import socket; socket.socket(socket.AF_INET6).bind(('::1', 0))")
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not possible(), reason="needs the right to make a network namespace")


@pytest.mark.parametrize(
    ("launcher", "program"),
    [("auto", "mpi_program.py"), ("none", "torch_program.py")],
)
def test_a_deadlock(launcher: str, program: str, tmp_path: Path) -> None:
    """It is proved; ranks of torch meet at the address of version 6 that they were given."""
    words: list[str | Path] = [LOCKSTEP, "watch", "-n", "2", "--launcher", launcher, "--run-id", "x", "--"]
    done = subprocess.run(
        alone(*words, sys.executable, ROOT / "tests" / "attach" / program, "deadlock"),
        cwd=tmp_path,
        env={**os.environ, "GLOO_SOCKET_IFNAME": "lo"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "hang (deadlock, proved)" in done.stderr
    (verdict,) = (tmp_path / "reports/runs/x/cases").glob("*/verdict.json")
    assert [node["address"] for node in json.loads(verdict.read_text())["nodes"]] == ["::1"]


@pytest.mark.timeout(300)
def test_an_engine(tmp_path: Path) -> None:
    """Its store, its data plane and the agents by which replicas read each other's memory use it too."""
    words: list[str | Path] = [LOCKSTEP, "run", "scenarios/vllm/replica-blocks.yaml", "--reports", tmp_path, "--run-id", "x"]
    words += ["-k", "kv_quota=own and remote_blocks=each"]
    done = subprocess.run(
        alone(*words),
        cwd=ROOT,
        env={**os.environ, "GLOO_SOCKET_IFNAME": "lo"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
