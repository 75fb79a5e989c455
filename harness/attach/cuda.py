"""torch.cuda: waits of the host for its device, and the capture and replay of graphs. Nothing happens without a GPU."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from lockstep.harness.attach import cuda_events, cuda_graphs, device_waits, device_work, tensor_reads
from lockstep.harness.attach.recorded import Call, recorded
from lockstep.harness.attach.torch_groups import look_for_unseen


def wrap(module: Any) -> None:
    """Waits of the host: torch.cuda.synchronize, and those of streams and events."""
    if not hasattr(module, "synchronize") or not device_work.has_cuda():
        return
    module.synchronize = recorded(module.synchronize, functools.partial(_for_gpu, module))
    for name, prepare in (("Stream", _for_stream), ("Event", _for_event)):
        kind = getattr(module, name, None)
        if kind is not None:
            kind.synchronize = recorded(kind.synchronize, prepare)
    cuda_events.wrap(module)
    device_work.at_first.append(tensor_reads.install)


def wrap_graphs(module: ModuleType) -> None:
    """CUDAGraph: what is captured between begin and end, and each replay."""
    if not device_work.has_cuda():
        return
    kind = module.CUDAGraph

    def around(name: str, before: Callable[[Any], None] | None = None, after: Callable[[Any], None] | None = None) -> None:
        original = getattr(kind, name)

        @functools.wraps(original)
        def method(self: Any, *arguments: Any, **named: Any) -> Any:
            if before is not None:
                before(self)
            result = original(self, *arguments, **named)
            if after is not None:
                after(self)
            return result

        setattr(kind, name, method)

    around("capture_begin", after=lambda graph: cuda_graphs.begin())
    around("capture_end", after=cuda_graphs.end)
    around("replay", before=cuda_graphs.replay, after=cuda_graphs.replayed)
    around("reset", after=cuda_graphs.forget)


def _for_gpu(module: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
    """All that this process has handed to one GPU."""
    look_for_unseen()
    if not device_work.any_left():  # the GPU may not even have been used yet
        return device_waits.waiting("synchronize", [])
    device = arguments[0] if arguments else named.get("device")
    return device_waits.waiting("synchronize", device_work.of_gpu(_index(module, device)))


def _for_stream(arguments: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
    stream = arguments[0]
    return device_waits.waiting("synchronize", device_work.of_stream((int(stream.device_index), int(stream.stream_id))))


def _for_event(arguments: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
    return device_waits.waiting("synchronize", device_work.of_event(arguments[0]))


def _index(module: Any, device: Any) -> int:
    """The GPU that is meant; the current one where none is named."""
    index = device if device is None or isinstance(device, int) else sys.modules["torch"].device(device).index
    return int(module.current_device() if index is None else index)
