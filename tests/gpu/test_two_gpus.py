"""Ranks with a GPU each, over NCCL: the verdicts of two-rank cases, hangs in replays proved, other tools' opinions kept."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lockstep.harness.host.gpus import gpus

LOCKSTEP = str(Path(sys.executable).parent / "lockstep")
CASES = (
    "generation-capture-asymmetric-dep2[guards.generation_capture=none]",
    "generation-capture-asymmetric-dep2[guards.generation_capture=assert]",
    "generation-capture-asymmetric-dep2[guards.generation_capture=sync-skip]",
    "mismatched-capture[guards.generation_capture=none]",
    "skipped-replay[parallel.tp=2]",
    "communicator-init[faults=raise-1-init]",
    "communicator-init[faults=kill-1-init]",
    "growing-ballast",
    "first-collective[guards.generation_capture=none]",
    "encoder-wrong-group[guards.encoder=global-group]",
    "max-batch-size-1[guards.attention=agree]",
)


@pytest.mark.skipif(len(gpus()) < 2, reason="fewer than two GPUs on this host")
def test_verdicts_over_nccl(tmp_path: Path) -> None:
    """Every verdict is as expected, on NCCL; a hang inside a replayed graph names operation and graph."""
    chosen = [word for ident in CASES for word in ("--case", ident)]
    folders = ["scenarios/tensorrt_llm", "scenarios/sglang", "scenarios/gpu"]
    command = [LOCKSTEP, "run", *folders, *chosen, "--jobs", "3", "--reports", str(tmp_path), "--run-id", "it"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    verdicts = {
        v["case"]: v for v in (json.loads(p.read_bytes()) for p in (tmp_path / "it" / "cases").glob("*/verdict.json"))
    }
    assert set(verdicts) == set(CASES)
    for verdict in verdicts.values():
        environments = [end["environment"] for end in verdict["ranks"] if end["environment"]]
        assert {found["device"]["plane"] for found in environments} <= {"nccl"}
        assert "leak" not in [finding["kind"] for finding in verdict["findings"]]
    replay = verdicts["skipped-replay[parallel.tp=2]"]
    (stream,) = [line for line in replay["knot"] if line["stream"]]
    assert (stream["kind"], stream["rank"], stream["lacks"]) == ("nccl", 0, [1])
    assert stream["graph"].startswith("generation")
    assert "second-opinion" in [finding["kind"] for finding in replay["findings"]]
    # NCCL blocks the host of a rank that comes to the first collective alone, before it has launched anything.
    first = verdicts["first-collective[guards.generation_capture=none]"]
    (stream,) = [line for line in first["knot"] if line["stream"]]
    assert (stream["kind"], stream["rank"], stream["lacks"], stream["seq"]) == ("nccl", 0, [1], 1)
