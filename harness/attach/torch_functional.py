"""Functional collectives, and DistributedDataParallel: what torch issues from C++, below the methods of ProcessGroup."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from lockstep.harness.attach import recording, torch_works
from lockstep.harness.attach.shield import shielded
from lockstep.harness.attach.sites import call_site
from lockstep.harness.attach.torch_groups import Group, group_of, groups, look_for_unseen
from lockstep.harness.attach.torch_works import Issued
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


def _function(name: str, place: int, original: Callable[..., Any], module: ModuleType) -> Callable[..., Any]:
    @shielded(original)
    def issue(original: Any, *arguments: Any, **named: Any) -> Any:
        group = _group(module, named.get("group", arguments[place] if len(arguments) > place else None))
        if group is None or getattr(_inside, "yes", False):  # some are made of others
            return original(*arguments, **named)
        look_for_unseen(group)
        recording_ = recording.current()
        recorder = recording_.recorder
        before = group.count
        # Posted before it is issued, as all others are. How many it issues is known after it.
        seq = recorder.post(group.comm, name, need=Need.ALL, site=call_site(recorder))
        _inside.yes = True
        try:
            result = original(*arguments, **named)
        except BaseException:
            recording.opaque(f"{name} of {group.comm.key} raised when it was issued")
            raise
        finally:
            _inside.yes = False
        pg = group.pg()
        if pg is not None:
            group.count = int(pg._get_sequence_number_for_group())
            for _ in range(group.count - before - 1):
                seq = recorder.post(group.comm, name, need=Need.ALL)
            if group.count == before:
                recording.opaque(f"{name} of {group.comm.key} is not counted by its backend")
        need = Need.NOBODY if _may_be_empty(arguments) else Need.ALL
        issued = Issued(group.comm, seq, recorder.string(name), need, -1, 0)
        for tensor in result if isinstance(result, (list, tuple)) else (result,):
            torch_works.remember(getattr(tensor, "elem", tensor), issued)
        return result

    return _unless_compiling(issue, original)


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

    @shielded(original)
    def init(original: Any, self: Any, *arguments: Any, **named: Any) -> None:
        distributed_c10d = _c10d()
        pg = named.get("process_group")
        if pg is None and not named.get("device_mesh") and distributed_c10d.is_initialized():
            pg = distributed_c10d._get_default_group()
        group = group_of(pg)
        if group is not None:
            group.data_parallel = True
        original(self, *arguments, **named)

    kind.__init__ = init
