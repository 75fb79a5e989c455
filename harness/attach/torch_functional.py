"""Functional collectives, and DistributedDataParallel: what torch issues from C++, below the methods of ProcessGroup."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from lockstep.harness.attach import cuda_graphs, recording, torch_compiled, torch_works
from lockstep.harness.attach.recorded import recorded
from lockstep.harness.attach.sites import call_site
from lockstep.harness.attach.torch_groups import Group, count, group_of, groups, look_for_unseen
from lockstep.harness.attach.torch_ops import gpu_of
from lockstep.harness.trace.event import Need

# Function -> which argument names the group. Each issues one operation, or one for each tensor of a list.
FUNCTIONS = {
    "broadcast": 2, "all_reduce": 2, "all_gather_single": 2, "all_gather_tensor": 2, "reduce_scatter_single": 3,
    "reduce_scatter_tensor": 3, "all_reduce_coalesced": 2, "all_gather_single_coalesced": 1,
    "all_gather_into_tensor_coalesced": 1, "reduce_scatter_single_coalesced": 3, "reduce_scatter_tensor_coalesced": 3,
    "all_to_all_single": 3,
}  # fmt: skip

_inside = threading.local()


def wrap(module: Any) -> None:
    """Wrap the functions of _functional_collectives. What is being compiled is left alone."""
    for name, place in FUNCTIONS.items():
        if hasattr(module, name):
            setattr(module, name, _function(name, place, getattr(module, name), module))
    if hasattr(module, "wait_tensor"):
        module.wait_tensor = _unless_compiling(torch_works.waiting(module.wait_tensor), module.wait_tensor)
    torch_compiled.wrap(lambda name, group, arguments: _begin(name, _group(module, group), arguments))


class Functional:
    """A functional collective: it issues one operation, or one for each tensor of a list. How many is known after it.

    The first is posted before, as all others are.
    """

    def __init__(self, name: str, group: Group, may_be_empty: bool, gpu: int) -> None:
        self.name, self.group, self.may_be_empty, self.gpu = name, group, may_be_empty, gpu
        look_for_unseen()
        found = recording.current()
        self.before = group.count
        self.issued = found.start(group.comm, name, -1, Need.ALL, -1, call_site(found.recorder))
        self.post = found.recorder.post
        _inside.yes = True
        group.issuing += 1

    def ended(self, result: Any) -> None:
        """It was issued: its tensors stand for it."""
        self._close()
        issued, group = self.issued, self.group
        for _ in range(group.count - self.before - 1):
            issued = issued._replace(seq=self.post(group.comm, self.name))
        if group.count == self.before:
            recording.opaque(f"{self.name} of {group.comm.key} is not counted by its backend")
        need = Need.TIMED if group.limit_s else Need.ALL
        if self.may_be_empty or self.gpu >= 0:  # who waits for what a GPU does holds up a stream, and comes back at once
            need = Need.NOBODY
        issued = issued._replace(need=need, limit_s=group.limit_s, gpu=self.gpu)
        for tensor in result if isinstance(result, (list, tuple)) else (result,):
            torch_works.remember(getattr(tensor, "elem", tensor), issued)

    def failed(self, error: BaseException) -> None:
        """Nobody knows whether the others count it."""
        self._close()
        recording.opaque(f"{self.name} of {self.group.comm.key} raised when it was issued")

    def _close(self) -> None:
        _inside.yes = False
        self.group.issuing -= 1
        pg = self.group.pg()
        if pg is not None:
            self.group.count = count(pg)


def _function(name: str, place: int, original: Callable[..., Any], module: ModuleType) -> Callable[..., Any]:
    def prepare(arguments: tuple[Any, ...], named: dict[str, Any]) -> Functional | None:
        group = _group(module, named.get("group", arguments[place] if len(arguments) > place else None))
        return _begin(name, group, arguments)

    return _unless_compiling(recorded(original, prepare), original)


def _begin(name: str, group: Group | None, arguments: tuple[Any, ...]) -> Functional | None:
    if group is None or getattr(_inside, "yes", False):  # some are made of others
        return None
    if cuda_graphs.captured_now():
        recording.opaque(f"{name} of {group.comm.key} was captured into a graph: its replays write no events")
        return None
    return Functional(name, group, _may_be_empty(arguments), gpu_of(arguments))


def _unless_compiling(wrapped: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def call(*arguments: Any, **named: Any) -> Any:
        if sys.modules["torch"].compiler.is_compiling():
            return original(*arguments, **named)
        return wrapped(*arguments, **named)

    return call


def _c10d() -> Any:
    return sys.modules["torch.distributed.distributed_c10d"]


def _group(module: ModuleType, group: Any) -> Group | None:
    """The process group that a functional collective is told in one of many ways; None where it is not one of ours."""
    if not groups or group is None:
        return None
    try:
        name = module._resolve_group_name(group)
        return group_of(_c10d()._resolve_process_group(name))
    except Exception:
        return None  # the function itself says what is wrong


def _may_be_empty(arguments: tuple[Any, ...]) -> bool:
    first = arguments[0] if arguments else None
    tensors = first if isinstance(first, (list, tuple)) else (first,)
    if any(getattr(tensor, "numel", lambda: 0)() == 0 for tensor in tensors):
        return True
    return any(isinstance(argument, (list, tuple)) and 0 in argument for argument in arguments[1:] if argument is not first)


def wrap_data_parallel(module: ModuleType) -> None:
    """The all-reduces of a backward pass come from C++: they are counted by the group, see `look_for_unseen`."""
    kind = module.DistributedDataParallel
    original = kind.__init__

    def prepare(arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        distributed_c10d = _c10d()
        pg = named.get("process_group")
        if pg is None and not named.get("device_mesh") and distributed_c10d.is_initialized():
            pg = distributed_c10d._get_default_group()
        group = group_of(pg)
        if group is not None:
            group.data_parallel = True

    kind.__init__ = recorded(original, prepare)
