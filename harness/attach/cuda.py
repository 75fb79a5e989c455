"""torch.cuda: waits of the host for its device, and the capture and replay of graphs. Nothing happens without a GPU."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from lockstep.harness.attach import cuda_graphs, recording


def wrap(module: Any) -> None:
    """Waits of the host: torch.cuda.synchronize, and those of streams and events."""
    if not hasattr(module, "synchronize") or not _has_cuda():
        return
    module.synchronize = _synchronizing(module.synchronize)
    for name in ("Stream", "Event"):
        kind = getattr(module, name, None)
        if kind is not None:
            kind.synchronize = _synchronizing(kind.synchronize)


def wrap_graphs(module: ModuleType) -> None:
    """CUDAGraph: what is captured between begin and end, and each replay."""
    if not _has_cuda():
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
    around("replay", before=cuda_graphs.replay)
    around("reset", after=cuda_graphs.forget)


def _synchronizing(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def synchronize(*arguments: Any, **named: Any) -> Any:
        found = recording.existing()
        if found is None or not found.listening:  # no rank
            return original(*arguments, **named)
        with found.recorder.synchronize():
            return original(*arguments, **named)

    return synchronize


def _has_cuda() -> bool:
    """Whether this torch was built for CUDA; it is not wholly imported yet."""
    return hasattr(sys.modules.get("torch._C"), "_cuda_init")
