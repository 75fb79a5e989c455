"""transformers' tensor parallelism under torchrun on CPU, unmodified, under `lockstep watch` without a deadline."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TORCHRUN = HERE.parents[1] / ".venv-vllm" / "bin" / "torchrun"
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "HF_HUB_OFFLINE": "1"}


def free_port() -> int:
    """A port that nobody listens at now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.vllm
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("what", "outcome", "ranks"),
    [("", "success", []), ("leave", "hang", [1]), ("raise", "raise", [1]), ("kill", "crash", [1])],
)
def test_verdict(what: str, outcome: str, ranks: list[int], tmp_path: Path) -> None:
    """A clean run is a success; a rank that leaves a pass out, raises or is killed is named, whatever its peer says."""
    lockstep = str(Path(sys.executable).parent / "lockstep")
    launcher = [str(TORCHRUN), "--nproc-per-node", "2", "--master-addr", "127.0.0.1", "--master-port", str(free_port())]
    words = [lockstep, "watch", "--json", "--", *launcher, str(HERE / "program.py"), *([what] if what else [])]
    env = {**os.environ, **ENVIRONMENT}
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=580, check=False)
    verdict = json.loads(done.stdout)
    assert verdict["outcome"] == outcome, done.stderr[-3000:]
    assert [rank["rank"] for rank in verdict["ranks"]] == [0, 1]
    if ranks:
        assert verdict["blame"]["ranks"] == ranks, verdict["text"]
