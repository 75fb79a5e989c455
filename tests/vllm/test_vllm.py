"""vLLM on CPU, unmodified, under `lockstep watch`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PYTHON = HERE.parents[1] / ".venv-vllm" / "bin" / "python"
ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_HOST_IP": "127.0.0.1",
    "GLOO_SOCKET_IFNAME": "lo",
    "HF_HUB_OFFLINE": "1",
    "PYTHONPATH": str(HERE),
}


@pytest.mark.vllm
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("what", "deadline_s", "outcome", "cause"),
    [
        ("", 800, "success", ""),
        ("kill", 800, "crash", "signal"),
        # vLLM catches what a worker raises and waits for the answer of the first worker, which waits for the second.
        ("raise", 300, "hang", "stall"),
        ("stop", 300, "hang", "stall"),
    ],
)
def test_verdict(what: str, deadline_s: int, outcome: str, cause: str, tmp_path: Path) -> None:
    """A clean start is a success; a worker that is killed, raises or stands still is named, and nothing unseen is proved."""
    lockstep = str(Path(sys.executable).parent / "lockstep")
    words = [lockstep, "watch", "--json", "--deadline", str(deadline_s), "--", str(PYTHON), str(HERE / "program.py")]
    env = {**os.environ, **ENVIRONMENT}
    words += [what] if what else []
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=880, check=False)
    verdict = json.loads(done.stdout)
    assert (verdict["outcome"], verdict["cause"]) == (outcome, cause), done.stderr[-3000:]
    assert [rank["rank"] for rank in verdict["ranks"]] == [0, 1]
    assert verdict["proved"] is not True
    if what:
        assert verdict["blame"]["ranks"] == [1]
