"""What this process has handed to its GPUs and has not seen the end of: collectives that a wait for a GPU, or for one of its
streams, waits for too.

Nothing tells when a GPU enters a collective. But it ends none that some member has never handed over, whatever else it has
to do; and a host that waits for all that its GPU was given waits for that.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from lockstep.harness.attach import recording
from lockstep.harness.attach.calls import Issued

Stream = tuple[int, int]  # GPU, the id of one of its streams
_of_gpu: dict[int, dict[int, Issued]] = {}  # GPU -> communicator's id -> the last collective that surely needs all
_of_stream: dict[Stream, dict[int, Issued]] = {}  # likewise: what the stream itself goes on after


def hand_over(gpu: int, issued: Issued) -> None:
    """A collective that needs all its members was given to a GPU."""
    _of_gpu.setdefault(gpu, {})[issued.comm.id] = issued


def order(stream: Stream, issued: Issued) -> None:
    """What is given to this stream from now on runs after the collective."""
    _of_stream.setdefault(stream, {})[issued.comm.id] = issued


def any_left() -> bool:
    """Whether anything was handed over at all."""
    return bool(_of_gpu)


def of_gpu(gpu: int) -> list[Issued]:
    """What a wait for a whole GPU waits for."""
    return list(_of_gpu.get(gpu, {}).values())


def of_stream(stream: Stream) -> list[Issued]:
    """What a wait for one stream waits for."""
    return list(_of_stream.get(stream, {}).values())


def end(waited: Iterable[Issued]) -> None:
    """These have ended: who waited for them goes on."""
    over = {(issued.comm.id, issued.seq) for issued in waited}
    for table in (*_of_gpu.values(), *_of_stream.values()):
        for comm in [comm for comm, issued in table.items() if (comm, issued.seq) in over]:
            table.pop(comm, None)


def forget() -> None:
    """A group is about to be ended: what it has on a GPU may be taken back, so that nothing is known any more."""
    _of_gpu.clear()
    _of_stream.clear()


def has_cuda() -> bool:
    """Whether this torch was built for CUDA. It need not be wholly imported yet."""
    return hasattr(sys.modules.get("torch._C"), "_cuda_init")


recording.after_fork.append(forget)
