"""The operations of an MPI communicator: their names for people, and whom each surely needs before it can end."""

from __future__ import annotations

from typing import Any, NamedTuple

from lockstep.harness.trace.event import Need


class Operation(NamedTuple):
    """`rule`: who needs whom. `root`: which argument it is, -1: none. `same`: whether all pass as much (upper case only)."""

    name: str
    rule: str = "all"  # all, from-root, to-root, prefix
    root: int = -1
    same: bool = False


_PLAIN = {
    "barrier": Operation("barrier"),
    "bcast": Operation("bcast", "from-root", 1),
    "gather": Operation("gather", "to-root", 1),
    "scatter": Operation("scatter", "from-root", 1),
    "allgather": Operation("allgather"),
    "alltoall": Operation("alltoall"),
    "reduce": Operation("reduce", "to-root", 2),
    "allreduce": Operation("allreduce"),
    "scan": Operation("scan", "prefix"),
    "exscan": Operation("exscan", "prefix"),
}
_BUFFERS = {
    "Barrier": Operation("barrier"),
    "Bcast": Operation("bcast", "from-root", 1, True),
    "Gather": Operation("gather", "to-root", 2),
    "Gatherv": Operation("gather", "to-root", 2),
    "Scatter": Operation("scatter", "from-root", 2),
    "Scatterv": Operation("scatter", "from-root", 2),
    "Allgather": Operation("allgather"),
    "Allgatherv": Operation("allgather"),
    "Alltoall": Operation("alltoall"),
    "Alltoallv": Operation("alltoall"),
    "Alltoallw": Operation("alltoall"),
    "Reduce": Operation("reduce", "to-root", 3),
    "Allreduce": Operation("allreduce", "all", -1, True),
    "Reduce_scatter": Operation("reduce_scatter"),
    "Reduce_scatter_block": Operation("reduce_scatter"),
    "Scan": Operation("scan", "prefix"),
    "Exscan": Operation("exscan", "prefix"),
}
COLLECTIVES = {**_PLAIN, **_BUFFERS, **{f"I{name.lower()}": operation for name, operation in _BUFFERS.items()}}
MAKERS = {
    "Split": "split",
    "Split_type": "split_type",
    "Dup": "dup",
    "Dup_with_info": "dup",
    "Clone": "dup",
    "Create": "create",
}
SENDS = ("send", "ssend", "isend", "issend", "bsend", "ibsend", "Send", "Ssend", "Isend", "Issend", "Bsend", "Ibsend")
RECEIVES = ("recv", "irecv", "Recv", "Irecv")
BOTH = {
    "sendrecv": ("sendobj", "dest", "sendtag", "recvbuf", "source", "recvtag", "status"),
    "Sendrecv": ("sendbuf", "dest", "sendtag", "recvbuf", "source", "recvtag", "status"),
    "Sendrecv_replace": ("buf", "dest", "sendtag", "source", "recvtag", "status"),
}
# They neither block nor count: what they tell may be asked at any time. A probe that looks is no wait, and one that waits
# counts as running.
HARMLESS = {
    "Get_rank", "Get_size", "Get_name", "Set_name", "Get_group", "Get_attr", "Set_attr", "Delete_attr", "Get_info",
    "Set_info", "Get_errhandler", "Set_errhandler", "Call_errhandler", "Create_errhandler", "Create_keyval", "Free_keyval",
    "Get_topology", "Is_inter", "Is_intra", "Is_revoked", "Compare", "Get_parent", "Free", "free", "Disconnect", "py2f",
    "Iprobe", "iprobe", "Probe", "probe", "Attach_buffer", "Detach_buffer", "toint",
}  # fmt: skip


def needs(operation: Operation, root: Any, rank: int, arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[Need, int]:
    """Whom the operation needs on this rank, and its root (-1: none).

    Where a member's share may be empty (the v forms, buffers without elements) an implementation may leave it out; a prefix
    needs the ranks below only.
    """
    peer = root if operation.rule in ("from-root", "to-root") and isinstance(root, int) else -1
    if operation.rule == "prefix" or (operation.rule != "all" and peer < 0):
        return Need.NOBODY, peer
    if operation.rule == "from-root":
        need = Need.NOBODY if rank == peer else Need.ROOT
    elif operation.rule == "to-root":
        need = Need.ALL if rank == peer else Need.NOBODY
    else:
        need = Need.ALL
    if any(_may_be_empty(argument) for argument in (*arguments, *named.values())):
        need = Need.NOBODY
    return need, peer


def size(operation: Operation, arguments: tuple[Any, ...]) -> int:
    """Elements, where every member must pass the same number and it is plain to see."""
    if not operation.same or not arguments:
        return -1
    for argument in arguments[:2]:
        found = getattr(argument, "size", None)
        if isinstance(found, int):
            return found
    return -1


def _may_be_empty(argument: Any) -> bool:
    """A buffer without elements, or one with counts, of which some may be 0."""
    if isinstance(argument, (list, tuple)) and any(_is_buffer(item) for item in argument[:1]):
        counted = any(isinstance(item, (int, list, tuple)) or _is_buffer(item) for item in argument[1:])
        return counted or _may_be_empty(argument[0])
    return _is_buffer(argument) and getattr(argument, "size", 0) == 0


def _is_buffer(argument: Any) -> bool:
    return hasattr(argument, "__array_interface__") or isinstance(argument, (bytearray, memoryview))
