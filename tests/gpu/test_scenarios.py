"""The GPU scenarios under the real harness on this machine's GPU: every verdict as expected, and nothing stays."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lockstep.harness.host.gpus import gpus

LOCKSTEP = str(Path(sys.executable).parent / "lockstep")
TWINS = ("skipped-replay", "different-graphs", "out-of-memory-in-forward")


@pytest.mark.parametrize("name", TWINS)
def test_verdicts(name: str, tmp_path: Path) -> None:
    """Verdict, blame and findings as the scenario says; the evidence names the device; the memory is back."""
    before = gpus()[0].used_bytes
    command = [LOCKSTEP, "run", f"scenarios/gpu/{name}.yaml", "--reports", str(tmp_path), "--run-id", "it"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for path in (tmp_path / "it" / "cases").glob("*/verdict.json"):
        verdict = json.loads(path.read_bytes())
        assert all(end["environment"]["device"]["name"] for end in verdict["ranks"])
        assert "leak" not in [finding["kind"] for finding in verdict["findings"]]
    assert gpus()[0].used_bytes - before < 64 << 20


def test_same_tokens_as_on_the_cpu(tmp_path: Path) -> None:
    """The same requests give the same greedy tokens on both devices."""
    tokens = {}
    for device in ("cpu", "cuda"):
        scenario = ["scenarios/tensorrt_llm/max-batch-size-1.yaml", "-k", "attention=agree"]
        command = [LOCKSTEP, "run", *scenario, "--device", device]
        subprocess.run([*command, "--reports", str(tmp_path), "--run-id", device], capture_output=True, check=True)
        paths = sorted((tmp_path / device / "cases").glob("*/verdict.json"))
        verdicts = [json.loads(path.read_bytes()) for path in paths]
        tokens[device] = [[end["result"]["tokens"] for end in verdict["ranks"]] for verdict in verdicts]
    assert tokens["cpu"] == tokens["cuda"]
