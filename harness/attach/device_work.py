"""What this process has handed to its GPUs and has not seen the end of: collectives that a wait for a GPU, or for one of its
streams, waits for too.

Nothing tells when a GPU enters a collective. But it ends none that some member has never handed over, whatever else it has
to do; and a host that waits for all that its GPU was given waits for that.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

from lockstep.harness.attach import recording
from lockstep.harness.attach.calls import Issued

Stream = tuple[int, int]  # GPU, the id of one of its streams
_of_gpu: dict[int, dict[int, Issued]] = {}  # GPU -> communicator's id -> the last collective that surely needs all
_of_stream: dict[Stream, dict[int, Issued]] = {}  # likewise: what the stream itself goes on after
# By an event's id, which a new one clears: weak references to CUDA's events end the process in torch 2.11, whose own code
# leaves them behind.
_of_event: dict[int, dict[int, Issued]] = {}  # what the stream in which it was recorded went on after then
_shared: set[int] = set()  # those that somebody else may record
MOST_EVENTS = 10_000  # of those that are gone as well, nobody knows how many
at_first: list[Callable[[], None]] = []  # what is done as soon as there is something to wait for


def hand_over(gpu: int, issued: Issued) -> None:
    """A collective that needs all its members was given to a GPU."""
    if not _of_gpu:
        for hook in at_first:
            hook()
    _of_gpu.setdefault(gpu, {})[issued.comm.id] = issued


def order(stream: Stream, issued: Issued) -> None:
    """What is given to this stream from now on runs after the collective."""
    _of_stream.setdefault(stream, {})[issued.comm.id] = issued


def fresh(event: Any) -> None:
    """This is a new event, whatever had its id before."""
    _of_event.pop(id(event), None)
    _shared.discard(id(event))


def record(event: Any, stream: Stream) -> None:
    """An event is now that of this place in the stream."""
    if id(event) in _shared:
        return
    if stream in _of_stream and len(_of_event) < MOST_EVENTS:
        _of_event[id(event)] = dict(_of_stream[stream])
    else:
        _of_event.pop(id(event), None)


def share(event: Any) -> None:
    """Others may record this event from now on: a graph, another process, a library that has its handle."""
    _shared.add(id(event))
    _of_event.pop(id(event), None)


def order_after(stream: Stream, event: Any) -> None:
    """What is given to this stream from now on runs after what the event stands for."""
    found = _of_event.get(id(event))
    if found:
        mine = _of_stream.setdefault(stream, {})
        mine.update({comm: new for comm, new in found.items() if comm not in mine or mine[comm].seq < new.seq})


def any_left() -> bool:
    """Whether anything was handed over at all."""
    return bool(_of_gpu)


def of_gpu(gpu: int) -> list[Issued]:
    """What a wait for a whole GPU waits for."""
    return list(_of_gpu.get(gpu, {}).values())


def of_stream(stream: Stream) -> list[Issued]:
    """What a wait for one stream waits for."""
    return list(_of_stream.get(stream, {}).values())


def of_event(event: Any) -> list[Issued]:
    """What a wait for an event waits for."""
    return list(_of_event.get(id(event), {}).values())


def end(waited: Iterable[Issued]) -> None:
    """These have ended: who waited for them goes on."""
    over = {(issued.comm.id, issued.seq) for issued in waited}
    for table in (*_of_gpu.values(), *_of_stream.values(), *_of_event.values()):
        for comm in [comm for comm, issued in table.items() if (comm, issued.seq) in over]:
            table.pop(comm, None)


def forget() -> None:
    """A group is about to be ended: what it has on a GPU may be taken back, so that nothing is known any more."""
    _of_gpu.clear()
    _of_stream.clear()
    _of_event.clear()


def has_cuda() -> bool:
    """Whether this torch was built for CUDA. It need not be wholly imported yet."""
    return hasattr(sys.modules.get("torch._C"), "_cuda_init")


recording.after_fork.append(forget)
