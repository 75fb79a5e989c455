"""Ranks that wait for each other, and that something rare, or somebody outside, lets go on: none of it is a hang."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lockstep.harness.host.ports import free_port
from lockstep.harness.vocabulary import Outcome
from tests.attach.launch import python, watch

LATE_S = 12.0  # when a rank that is missing would have been called so long since
MEETING = "import torch.distributed as dist; dist.init_process_group('gloo'); dist.barrier(); dist.destroy_process_group()"


@pytest.mark.parametrize("mode", ["timer", "interrupted"])
def test_a_thread_or_a_signal_that_comes_late(tmp_path: Path, mode: str) -> None:
    """A thread of the C library calls back, a process of the job sends Ctrl-C: what seemed a deadlock goes on."""
    verdict = watch(python("programs/woken_ranks.py", mode), 2, tmp_path)
    assert verdict.outcome is Outcome.SUCCESS, verdict.text


def test_a_rank_that_is_started_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A world that is larger than what the command starts may be joined from elsewhere: it is waited for."""
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2", "GLOO_SOCKET_IFNAME": "lo"}
    argv = [sys.executable, "-c", MEETING]
    others: list[subprocess.Popen[bytes]] = []
    environment = {**os.environ, **place, "RANK": "1"}
    starting = threading.Timer(LATE_S, lambda: others.append(subprocess.Popen(argv, env=environment)))
    for name, value in {**place, "RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    starting.start()
    try:
        verdict = watch(argv, 1, tmp_path)
        starting.join()
        assert [other.wait(60) for other in others] == [0]
    finally:
        starting.cancel()
        for other in others:
            other.kill()
            other.wait()
    assert verdict.outcome is Outcome.SUCCESS, verdict.text
