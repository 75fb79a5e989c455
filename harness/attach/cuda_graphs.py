"""What is captured into CUDA graphs: their collectives, handed over again at each replay."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from lockstep.harness.attach import device_work, recording
from lockstep.harness.attach.calls import Issued
from lockstep.harness.attach.torch_groups import look_for_unseen
from lockstep.harness.attach.torch_works import current_stream
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.handles import Comm, Manifest


class Captured(NamedTuple):
    """A collective in a graph. `sure`: it ends on no member before all have come."""

    comm: Comm
    op: str
    size: int
    gpu: int
    sure: bool


class Graph(NamedTuple):
    """A captured graph: its last sure collective on each communicator, and how many come after it there."""

    manifest: Manifest
    sure: tuple[tuple[Captured, int], ...]


_capturing: list[Captured] | None = None
_graphs: dict[int, Graph] = {}
_names = 0


def capturing() -> bool:
    """Whether a graph is being captured: what is called then happens at each replay, and not now."""
    return _capturing is not None


def captured_now() -> bool:
    """Whether what this thread calls now is captured: its current stream is; another thread's may go on meanwhile."""
    return _capturing is not None and bool(sys.modules["torch"].cuda.is_current_stream_capturing())


def capture(collective: Captured) -> None:
    """The graph that is being captured has this collective."""
    if _capturing is not None:
        _capturing.append(collective)


def begin() -> None:
    """A capture begins. CUDA allows one at a time in a process."""
    global _capturing
    look_for_unseen()
    _capturing = []


def end(graph: Any) -> None:
    """A capture ends: its manifest is told, if it holds collectives."""
    global _capturing, _names
    found, _capturing = _capturing, None
    look_for_unseen(captured=True)
    if not found:
        return
    _names += 1
    listed = [(captured.comm, captured.op, captured.size) for captured in found]
    manifest = recording.current().recorder.manifest(f"graph {_names}", listed)
    behind: dict[int, int] = {}
    sure: dict[int, tuple[Captured, int]] = {}
    for captured in reversed(found):
        place = behind.get(captured.comm.id, 0)
        behind[captured.comm.id] = place + 1
        if captured.sure:
            sure.setdefault(captured.comm.id, (captured, place))
    _graphs[id(graph)] = Graph(manifest, tuple(sure.values()))


def replay(graph: Any) -> None:
    """A graph is about to be handed over."""
    known = _graphs.get(id(graph))
    if known is not None:
        recording.current().recorder.replay(known.manifest)


def replayed(graph: Any) -> None:
    """It was handed over."""
    known = _graphs.get(id(graph))
    if known is None:
        return
    recorder = recording.current().recorder
    for captured, behind in known.sure:
        comm = captured.comm
        issued = Issued(comm, comm.number - behind, recorder.string(captured.op), Need.ALL, gpu=captured.gpu)
        device_work.hand_over(captured.gpu, issued)
        device_work.order(current_stream(captured.gpu), issued)  # where a graph is launched


def forget(graph: Any) -> None:
    """A graph is reset."""
    _graphs.pop(id(graph), None)
