"""What was handed to GPUs and is waited for with them. Pure; tests/gpu has programs."""

from __future__ import annotations

import mmap
from types import SimpleNamespace
from typing import Any

import pytest

from lockstep.harness.attach import cuda_graphs, device_work, recording
from lockstep.harness.attach.calls import Issued
from lockstep.harness.judge.graph import stuck
from lockstep.harness.trace import Recorder, layout
from lockstep.harness.trace.event import Kind, Need
from lockstep.harness.trace.ring import Ring, decode
from lockstep.harness.trace.state import RankState, Status


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """The recorder of this process, on memory of its own."""
    found = Recorder(mmap.mmap(-1, layout.ring_bytes(256)), 256)
    monkeypatch.setattr(recording, "_current", SimpleNamespace(recorder=found, listening=True))
    monkeypatch.setattr(cuda_graphs, "current_stream", lambda gpu: (gpu, 7))
    device_work.forget()
    return found


def issued(recorder: Recorder, comm: Any, need: Need = Need.ALL) -> Issued:
    """A collective that was handed to GPU 0."""
    return Issued(comm, recorder.post(comm, "all_reduce", need=need), recorder.string("all_reduce"), need, gpu=0)


def test_the_last_of_each_communicator_is_waited_for(recorder: Recorder) -> None:
    """A GPU is waited for with the last collective of each communicator, a stream with what it goes on after."""
    one, two = (recorder.comm("nccl", name, (0, 1)) for name in ("one", "two"))
    first, second, third = (issued(recorder, comm) for comm in (one, one, two))
    for each in (first, second, third):
        device_work.hand_over(0, each)
    device_work.order((0, 7), first)
    assert device_work.of_gpu(0) == [second, third]
    assert device_work.of_gpu(1) == []
    assert device_work.of_stream((0, 7)) == [first]
    device_work.end([first])
    assert (device_work.of_stream((0, 7)), device_work.of_gpu(0)) == ([], [second, third])
    later = issued(recorder, one)
    device_work.hand_over(0, later)
    device_work.end([second, third])  # what was handed over meanwhile was not waited for
    assert device_work.of_gpu(0) == [later]


def test_an_event_stands_for_what_its_stream_went_on_after(recorder: Recorder) -> None:
    """It keeps the place of its last record, carries it to streams that wait for it, and is nobody's once it is shared."""
    one, two = (recorder.comm("nccl", name, (0, 1)) for name in ("one", "two"))
    first, second, third = (issued(recorder, comm) for comm in (one, two, one))
    mine, other, event = (0, 7), (0, 8), _Event()
    device_work.record(event, mine)
    assert device_work.of_event(event) == []
    device_work.order(mine, first)
    device_work.record(event, mine)
    device_work.order(mine, third)
    assert device_work.of_event(event) == [first]  # what came later is not waited for
    device_work.order(other, second)
    device_work.order_after(other, event)
    assert device_work.of_stream(other) == [second, first]
    device_work.order_after(mine, event)  # it goes on after more already
    assert device_work.of_stream(mine) == [third]
    device_work.end([first])
    assert (device_work.of_event(event), device_work.of_stream(other)) == ([], [second])
    device_work.record(event, mine)
    device_work.share(event)
    device_work.record(event, mine)  # who else records it nobody sees
    assert device_work.of_event(event) == []
    device_work.fresh(event)  # another, with the same id
    device_work.record(event, mine)
    assert device_work.of_event(event) == [third]


class _Event:
    """Stands for one of CUDA's."""


def test_a_replay_hands_over_the_last_sure_collective_of_its_graph(recorder: Recorder) -> None:
    """Of a captured all_reduce, broadcast, all_reduce the second all_reduce's number is waited for after each replay."""
    comm = recorder.comm("nccl", "one", (0, 1))
    graph = object()
    cuda_graphs.begin()
    for op, sure in (("all_reduce", True), ("all_reduce", True), ("broadcast", False)):
        cuda_graphs.capture(cuda_graphs.Captured(comm, op, 8, 0, sure))
    cuda_graphs.end(graph)
    assert not cuda_graphs.capturing()
    for replays in (1, 2):
        cuda_graphs.replay(graph)
        cuda_graphs.replayed(graph)
        (waited,) = device_work.of_gpu(0)
        assert device_work.of_stream((0, 7)) == [waited]
        assert (comm.number, waited.seq, recorder.text(waited.op)) == (3 * replays, 3 * replays - 1, "all_reduce")
    cuda_graphs.forget(graph)
    cuda_graphs.replay(graph)
    assert comm.number == 6


@pytest.mark.parametrize("theirs", [1, 2])
def test_a_host_never_comes_back_from_what_a_peer_never_handed_over(recorder: Recorder, theirs: int) -> None:
    """Who waits for a GPU is stuck when a member that has ended handed over less, replays counted, and else is not."""
    states = {}
    members: dict[str, tuple[int, ...]] = {}
    for rank, count in enumerate((2, theirs)):
        ring = Ring(rank, 2, 256)
        mine = Recorder(ring.memory, 256)
        comm = mine.comm("nccl", "world", (0, 1))
        graph = mine.manifest("graph 1", [(comm, "all_reduce", 8)])
        mine.post(comm, "all_reduce")
        if count == 2:
            mine.replay(graph)
        if rank == 0:
            op = mine.string("all_reduce")
            mine.write(Kind.PART, comm.id, comm.number, op, Need.ALL, -1, 0, -1)
            mine.write(Kind.ENTER, 0, 0, mine.string("synchronize"), Need.EVERY, 0, 0, 1)
        states[rank] = state = RankState(rank)
        state.apply(decode(ring.read().records), mine.text)
        ring.close()
        members = {info.key: info.members for info in state.comms.values()}
    states[1].gone, states[1].status = True, Status.RETURNED
    assert [found.rank for found in stuck(states, members)] == ([0] if theirs == 1 else [])
