"""Cases side by side on two GPUs: each rank has one of its own, and who waits for both is not passed by."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from lockstep.harness.host.gpus import gpus

LOCKSTEP = str(Path(sys.executable).parent / "lockstep")


@dataclass(frozen=True, slots=True)
class Ran:
    """One repetition of a case: when it ran for certain, on which GPUs by the pool, and on which by its ranks."""

    begin_s: float
    end_s: float
    gpus: tuple[str, ...]
    uuids: tuple[str, ...]


@pytest.mark.skipif(len(gpus()) < 2, reason="fewer than two GPUs on this host")
def test_cases_share_two_gpus_fairly(tmp_path: Path) -> None:
    """Two 1-rank cases run side by side, then 2-rank cases one after another on both GPUs; later ones wait for them."""
    command = [
        LOCKSTEP,
        "run",
        "tests/gpu/pool.yaml",
        "--repeat",
        "2",
        "--jobs",
        "auto",
        "--gpu-share",
        "1",
        "--device",
        "cuda",
    ]
    command += ["--reports", str(tmp_path), "--run-id", "it", "--retries", "0"]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "0,1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    plan = json.loads((tmp_path / "it" / "run.json").read_bytes())["plan"]
    ran = [read(json.loads((tmp_path / "it" / "cases" / entry["slug"] / "verdict.json").read_bytes())) for entry in plan]
    assert [len(one.gpus) for one in ran] == [1, 1, 2, 2, 1, 1, 2, 2]
    uuid_of = {one.gpus[0]: one.uuids[0] for one in ran if len(one.gpus) == 1}
    assert len({*uuid_of.values()}) == len(uuid_of) == 2
    for number, one in enumerate(ran):
        assert sorted(one.uuids) == sorted(uuid_of[name] for name in one.gpus)
        for other in ran[number + 1 :]:
            if one.begin_s < other.end_s and other.begin_s < one.end_s:
                assert not {*one.gpus} & {*other.gpus}
    for first, second in ((0, 1), (4, 5)):
        assert ran[first].begin_s < ran[second].end_s
        assert ran[second].begin_s < ran[first].end_s
    for earlier, later in ((1, 2), (2, 3), (3, 4), (3, 5), (5, 6), (6, 7)):
        assert ran[earlier].begin_s < ran[later].begin_s


def read(verdict: dict[str, Any]) -> Ran:
    """From a verdict file. A case holds its GPUs from before its beginning to after its end, as they are here."""
    end_s = datetime.fromisoformat(verdict["recorded"]).timestamp()
    (place,) = verdict["places"]
    uuids = tuple(rank["environment"]["device"]["uuid"] for rank in verdict["ranks"])
    assert {rank["environment"]["device"]["plane"] for rank in verdict["ranks"]} == {"nccl"}
    return Ran(end_s - verdict["seconds"], end_s, tuple(place["gpus"]), uuids)
