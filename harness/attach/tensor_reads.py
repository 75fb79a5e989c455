"""Reads of a GPU's tensor by the host (`loss.item()`, `.cpu()`, `if found:`), which wait for its current stream.

Nothing is wrapped before the first collective is handed to a GPU. Whoever compares or looks up these methods (tables of
`__torch_function__`) finds them equal to what they were before.
"""

from __future__ import annotations

import sys
import types
from typing import Any

from lockstep.harness.attach import cuda_graphs, device_waits, device_work
from lockstep.harness.attach.recorded import Call, recorded
from lockstep.harness.attach.torch_works import current_stream

READS = ("item", "tolist", "cpu", "__bool__", "__int__", "__float__", "__index__")


class Read:
    """A method of Tensor, recorded where it waits for a GPU."""

    def __init__(self, original: Any, name: str) -> None:
        self.original = original
        self.recorded = recorded(original, lambda arguments, named: _wait(name, arguments[0]))
        for attribute in ("__name__", "__qualname__", "__doc__", "__objclass__", "__text_signature__"):
            if hasattr(original, attribute):
                setattr(self, attribute, getattr(original, attribute))

    def __get__(self, tensor: Any, kind: type | None = None) -> Any:
        """As a function's."""
        return self if tensor is None else types.MethodType(self, tensor)

    def __call__(self, tensor: Any, *arguments: Any, **named: Any) -> Any:
        """What it was, with the wait told."""
        # Of a kind of its own the attributes may be anything, and looking at them may be an act.
        if type(tensor) in _plain and tensor.is_cuda:
            return self.recorded(tensor, *arguments, **named)
        return self.original(tensor, *arguments, **named)

    def __eq__(self, other: object) -> bool:
        """The method that it stands for is the same."""
        return bool(self.original == (other.original if isinstance(other, Read) else other))

    def __hash__(self) -> int:
        """That of the method that it stands for."""
        return hash(self.original)


_plain: list[type] = []


def install() -> None:
    """Record reads from now on."""
    if _plain:
        return
    tensor = sys.modules["torch"].Tensor
    _plain.extend((tensor, sys.modules["torch"].nn.Parameter))
    for name in READS:
        setattr(tensor, name, Read(getattr(tensor, name), name))


def _wait(name: str, tensor: Any) -> Call | None:
    if cuda_graphs.capturing() or not tensor.numel() or tensor.layout is not sys.modules["torch"].strided:
        return None  # there may be nothing to copy
    waited = device_work.of_stream(current_stream(int(tensor.get_device())))
    return device_waits.waiting(name, waited) if waited else None
