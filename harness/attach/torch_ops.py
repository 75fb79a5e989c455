"""The operations of a process group: their names for people, and whom each surely needs before it can end."""

from __future__ import annotations

from typing import Any, NamedTuple

from lockstep.harness.trace.event import Need


class Operation(NamedTuple):
    """`rule`: who needs whom. `same`: which argument (0: the first) has the same number of elements on every member."""

    name: str
    rule: str  # all, from-root, to-root
    same: int | None = None


OPERATIONS = {
    "allreduce": Operation("all_reduce", "all", 0),
    "allreduce_coalesced": Operation("all_reduce_coalesced", "all", 0),
    "broadcast": Operation("broadcast", "from-root", 0),
    "reduce": Operation("reduce", "to-root", 0),
    "allgather": Operation("all_gather", "all"),
    "_allgather_base": Operation("all_gather_into_tensor", "all", 1),
    "all_gather_single": Operation("all_gather_into_tensor", "all", 1),
    "allgather_coalesced": Operation("all_gather_coalesced", "all"),
    "allgather_into_tensor_coalesced": Operation("all_gather_into_tensor_coalesced", "all"),
    "all_gather_single_coalesced": Operation("all_gather_into_tensor_coalesced", "all"),
    "gather": Operation("gather", "to-root"),
    "scatter": Operation("scatter", "from-root"),
    "reduce_scatter": Operation("reduce_scatter", "all"),
    "_reduce_scatter_base": Operation("reduce_scatter_tensor", "all", 0),
    "reduce_scatter_single": Operation("reduce_scatter_tensor", "all", 0),
    "reduce_scatter_tensor_coalesced": Operation("reduce_scatter_tensor_coalesced", "all"),
    "reduce_scatter_single_coalesced": Operation("reduce_scatter_tensor_coalesced", "all"),
    "alltoall": Operation("all_to_all", "all"),
    "alltoall_base": Operation("all_to_all_single", "all"),
    "all_to_all_single": Operation("all_to_all_single", "all"),
    "barrier": Operation("barrier", "all"),
    "monitored_barrier": Operation("monitored_barrier", "to-and-from-root"),
}
P2P = ("send", "recv", "recv_anysource")


def describe(name: str, arguments: tuple[Any, ...], named: dict[str, Any], rank: int) -> tuple[Need, int, int]:
    """Whom the operation needs on this rank, its root (a rank in the group, -1: none), and its size where all have the same.

    An operation on nothing may end without anybody: libraries leave it out.
    """
    operation = OPERATIONS[name]
    root = _root(arguments, named) if operation.rule in ("from-root", "to-root") else -1
    if operation.rule == "to-and-from-root":
        return (Need.ALL, -1, -1) if rank == 0 else (Need.ROOT, 0, -1)
    if operation.rule == "all":
        need = Need.ALL
    elif root < 0:
        return Need.NOBODY, -1, -1
    elif operation.rule == "from-root":
        need = Need.NOBODY if rank == root else Need.ROOT
    else:
        need = Need.ALL if rank == root else Need.NOBODY
    size = _elements(arguments[operation.same]) if operation.same is not None and len(arguments) > operation.same else -1
    if name != "barrier" and any(_has_empty(argument) for argument in (*arguments, *named.values())):
        return Need.NOBODY, root, size
    return need, root, size


def on_device(arguments: tuple[Any, ...]) -> bool:
    """Whether it works on tensors of a GPU, which the host does not wait for."""
    return any(getattr(tensor, "is_cuda", False) for argument in arguments[:2] for tensor in _tensors(argument))


def _root(arguments: tuple[Any, ...], named: dict[str, Any]) -> int:
    if isinstance(root := named.get("root"), int):
        return root
    for argument in (*arguments, *named.values()):
        if isinstance(root := getattr(argument, "rootRank", None), int):
            return root
    return arguments[1] if len(arguments) > 1 and type(arguments[1]) is int else -1


def _tensors(argument: Any) -> list[Any]:
    if hasattr(argument, "numel"):
        return [argument]
    if isinstance(argument, (list, tuple)):
        return [tensor for item in argument for tensor in _tensors(item)]
    return []


def _elements(argument: Any) -> int:
    return sum(int(tensor.numel()) for tensor in _tensors(argument))


def _has_empty(argument: Any) -> bool:
    """A tensor without elements, or a split (of an all-to-all) of no rows."""
    if hasattr(argument, "numel"):
        return int(argument.numel()) == 0
    if isinstance(argument, (list, tuple)):
        return any(item == 0 if type(item) is int else _has_empty(item) for item in argument)
    return False
