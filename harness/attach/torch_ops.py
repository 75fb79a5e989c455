"""The operations of a process group: their names for people, and whom each surely needs before it can end."""

from __future__ import annotations

from typing import Any

from lockstep.harness.attach.operations import Operation
from lockstep.harness.trace.event import Need

OPERATIONS = {
    "allreduce": Operation("all_reduce", "all", same=0),
    "allreduce_coalesced": Operation("all_reduce_coalesced", "all", same=0),
    "broadcast": Operation("broadcast", "from-root", same=0),
    "reduce": Operation("reduce", "to-root", same=0),
    "allgather": Operation("all_gather", "all"),
    "_allgather_base": Operation("all_gather_into_tensor", "all", same=1),
    "all_gather_single": Operation("all_gather_into_tensor", "all", same=1),
    "allgather_coalesced": Operation("all_gather_coalesced", "all"),
    "allgather_into_tensor_coalesced": Operation("all_gather_into_tensor_coalesced", "all"),
    "all_gather_single_coalesced": Operation("all_gather_into_tensor_coalesced", "all"),
    "gather": Operation("gather", "to-root"),
    "gather_single": Operation("gather", "to-root", same=1),
    "gather_into_tensor": Operation("gather", "to-root", same=1),
    "scatter": Operation("scatter", "from-root"),
    "reduce_scatter": Operation("reduce_scatter", "all"),
    "_reduce_scatter_base": Operation("reduce_scatter_tensor", "all", same=0),
    "reduce_scatter_single": Operation("reduce_scatter_tensor", "all", same=0),
    "reduce_scatter_tensor_coalesced": Operation("reduce_scatter_tensor_coalesced", "all"),
    "reduce_scatter_single_coalesced": Operation("reduce_scatter_tensor_coalesced", "all"),
    "alltoall": Operation("all_to_all", "all"),
    "alltoall_base": Operation("all_to_all_single", "all"),
    "all_to_all_single": Operation("all_to_all_single", "all"),
    "barrier": Operation("barrier", "all"),
    "monitored_barrier": Operation("monitored_barrier", "to-and-from-root"),
}
P2P = ("send", "recv", "recv_anysource")
# After these nothing that is written down of a group holds: its members are others, or write into each other's memory.
UNTOLD = {"reconfigure": "was given other members", "new_window": "has a window, which is written to without an event"}


def describe(name: str, arguments: tuple[Any, ...], named: dict[str, Any], rank: int) -> tuple[Need, int, int]:
    """Whom the operation needs on this rank, its root (a rank in the group, -1: none), and its size where all have the same.

    An operation on nothing may end without anybody: libraries leave it out.
    """
    operation = OPERATIONS[name]
    monitored = operation.rule == "to-and-from-root"  # from the first, which cannot be chosen
    root = _root(arguments, named) if operation.rooted else 0 if monitored else -1
    need = operation.need(rank, root)
    size = _elements(arguments[operation.same]) if 0 <= operation.same < len(arguments) else -1
    if monitored or name == "barrier":
        return need, root, size
    for argument in (*arguments, *named.values()):
        if _has_empty(argument):
            return Need.NOBODY, root, size
    return need, root, size


def gpu_of(arguments: tuple[Any, ...]) -> int:
    """The GPU whose tensors it works on, which the host does not wait for; -1: none."""
    for argument in arguments[:2]:
        for tensor in _tensors(argument):
            if getattr(tensor, "is_cuda", False):
                return int(tensor.get_device())
    return -1


def has(argument: Any, name: str) -> bool:
    """Whether objects of its kind have an attribute of this name. Asked once of a kind: each miss takes a microsecond."""
    key = (type(argument), name)
    found = _kinds.get(key)
    if found is None:
        found = _kinds[key] = hasattr(argument, name)
    return found


_kinds: dict[tuple[type, str], bool] = {}


def _root(arguments: tuple[Any, ...], named: dict[str, Any]) -> int:
    if isinstance(root := named.get("root"), int):
        return root
    for argument in (*arguments, *named.values()):
        if has(argument, "rootRank") and isinstance(root := argument.rootRank, int):
            return root
    return arguments[1] if len(arguments) > 1 and type(arguments[1]) is int else -1


def _tensors(argument: Any) -> list[Any]:
    if type(argument) is list and len(argument) == 1 and has(argument[0], "numel"):
        return argument  # as nearly always
    if has(argument, "numel"):
        return [argument]
    if isinstance(argument, (list, tuple)):
        return [tensor for item in argument for tensor in _tensors(item)]
    return []


def _elements(argument: Any) -> int:
    return sum(int(tensor.numel()) for tensor in _tensors(argument))


def _has_empty(argument: Any) -> bool:
    """A tensor without elements, or a split (of an all-to-all) of no rows."""
    if has(argument, "numel"):
        return int(argument.numel()) == 0
    if isinstance(argument, (list, tuple)):
        for item in argument:
            if item == 0 if type(item) is int else _has_empty(item):
                return True
    return False
