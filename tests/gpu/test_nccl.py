"""The NCCL data plane as far as one GPU goes: one member, eager and captured, with breadcrumbs and without."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
import torch.distributed as dist

from lockstep.harness.trace import layout
from lockstep.harness.trace.breadcrumb import Crumb
from tests.gpu.support import device, nccl, recorder_on, step


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    """No process group outlives its test."""
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize("breadcrumbs", [True, False])
def test_captured_collectives_leave_breadcrumbs(breadcrumbs: bool) -> None:
    """Eager and replayed forwards give the same, and the word in the ring counts every collective of both."""
    recorder = recorder_on()
    plane = nccl(recorder, breadcrumbs)
    gpu = device(plane, recorder)
    chance = random.Random(3)
    first = step(chance, 4, "greedy")
    graph = gpu.capture(first, "rows=4")
    assert graph.replay(first) == gpu.eager(first)
    words = recorder.breadcrumbs().cast("Q")
    found = [Crumb.parse(words[comm]) for comm in range(layout.BREADCRUMBS) if words[comm]]
    assert found == ([Crumb(8, None)] if breadcrumbs else [])
