"""torch.cuda.Event: at which place of which stream each was recorded last, and which streams go on after it.

Streams wait for each other by events too (`wait_stream`, `wait_event`), in functions of torch that are written in Python.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from lockstep.harness.attach import cuda_graphs, device_work

Method = Callable[..., Any]


def wrap(module: Any) -> None:
    """Follow the events, where all that torch itself does with them comes by."""
    event, stream = getattr(module, "Event", None), getattr(module, "Stream", None)
    if event is None or not all(
        inspect.isfunction(getattr(kind, name, None))
        for kind, name in (
            (stream, "record_event"),
            (stream, "wait_event"),
            (event, "record"),
            (event, "wait"),
            (event, "__new__"),
        )
    ):
        return
    event.__new__ = staticmethod(_making(event.__new__))
    event.record = _recording(event.record, module)
    event.wait = _waiting(event.wait, module)
    # Who has the handle may record it unseen: another process, or a library in C.
    event.ipc_handle = _sharing(event.ipc_handle)
    event.cuda_event = property(_sharing(event.cuda_event.__get__))
    event.from_ipc_handle = classmethod(_shared_from(event.from_ipc_handle.__func__))


def _making(original: Method) -> Method:
    @functools.wraps(original)
    def new(cls: Any, *arguments: Any, **named: Any) -> Any:
        event = original(cls, *arguments, **named)
        device_work.fresh(event)
        return event

    return new


def _recording(original: Method, module: Any) -> Method:
    @functools.wraps(original)
    def record(self: Any, stream: Any = None) -> Any:
        if cuda_graphs.capturing():  # each replay may record it
            device_work.share(self)
        elif device_work.any_left():
            device_work.record(self, _place(module, stream))  # first: another thread may add to the stream meanwhile
        return original(self, stream)

    return record


def _waiting(original: Method, module: Any) -> Method:
    @functools.wraps(original)
    def wait(self: Any, stream: Any = None) -> Any:
        found = device_work.of_event(self)
        result = original(self, stream)
        if found and not cuda_graphs.capturing() and device_work.of_event(self) == found:
            device_work.order_after(_place(module, stream), self)
        return result

    return wait


def _place(module: Any, stream: Any) -> device_work.Stream:
    stream = module.current_stream() if stream is None else stream
    return int(stream.device_index), int(stream.stream_id)


def _sharing(original: Method) -> Method:
    @functools.wraps(original)
    def shared(self: Any) -> Any:
        device_work.share(self)
        return original(self)

    return shared


def _shared_from(original: Method) -> Method:
    @functools.wraps(original)
    def shared(cls: Any, device: Any, handle: Any) -> Any:
        event = original(cls, device, handle)
        device_work.share(event)
        return event

    return shared
