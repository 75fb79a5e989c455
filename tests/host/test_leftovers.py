"""Teardown looks after GPU memory. NVML is a stand-in here: tests/gpu has the real one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lockstep.harness.host import leftovers
from lockstep.harness.host.gpus import Gpu
from lockstep.harness.watchdog.teardown.local_cleanup import LocalCleanup

PID = 2**22 + 7  # of no process


def gpu(used: int, processes: dict[int, int] | None = None) -> Gpu:
    """A GPU with so many bytes in use."""
    return Gpu(0, "stand-in", "0", 80 << 30, used, processes or {})


def findings(monkeypatch: pytest.MonkeyPatch, answers: Sequence[list[Gpu]], on_gpus: bool = True) -> list[str]:
    """What teardown finds when NVML answers so, the last answer again and again."""
    left = list(answers)
    monkeypatch.setattr(leftovers, "gpus", lambda: left.pop(0) if len(left) > 1 else left[0])
    monkeypatch.setattr(leftovers, "GPU_GRACE_S", 0.3)
    return [finding.text for finding in LocalCleanup("no-such-token", on_gpus).clear({PID}, set())]


def test_memory_that_comes_back_is_no_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver may take a moment, and small change may stay."""
    assert findings(monkeypatch, [[gpu(0)], [gpu(1 << 30, {PID: 1 << 30})], [gpu(1 << 20)]]) == []


def test_process_that_holds_memory_is_a_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rank's process that is still on the GPU is named."""
    (text,) = findings(monkeypatch, [[gpu(0)], [gpu(1 << 30, {PID: 1 << 30})]])
    assert str(PID) in text


def test_what_others_hold_is_no_leak_of_a_case_without_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranks on the CPU use no GPU: what has come there meanwhile is not theirs."""
    assert findings(monkeypatch, [[gpu(0)], [gpu(1 << 30)]], on_gpus=False) == []


def test_memory_that_nobody_holds_is_a_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that stays in use without any process is named; beside a stranger's process nothing can be said."""
    (text,) = findings(monkeypatch, [[gpu(0)], [gpu(1 << 30)]])
    assert "1024 MiB more" in text
    assert findings(monkeypatch, [[gpu(0)], [gpu(1 << 30, {PID + 1: 1 << 30})]]) == []
