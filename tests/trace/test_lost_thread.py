"""A thread whose announcement was overwritten is not forgotten."""

from __future__ import annotations

import threading

from lockstep.harness.trace import Recorder, layout
from lockstep.harness.trace.ring import Ring, decode
from lockstep.harness.trace.state import RankState


def test_a_running_thread_whose_events_were_lost_still_runs() -> None:
    """After an overrun the rank has a running waiter for each thread that ever wrote, so that it is not called stuck."""
    ring = Ring(0, 2, capacity=64)
    recorder = Recorder.attach({layout.RING_FD: str(ring.fd)})
    world = recorder.comm("mpi", "world", range(2))
    other = threading.Thread(target=lambda: recorder.milestone("other"))
    other.start()
    other.join()
    for _ in range(200):
        recorder.milestone("busy")
    recorder.collective(world, "barrier")
    delta = ring.read()
    state = RankState(0)
    state.overrun(delta.lost, ring.entered, ring.threads())
    state.apply(decode(delta.records), list(delta.strings).__getitem__)
    assert delta.lost > 0
    assert state.waiters[1] is None
    ring.close()
