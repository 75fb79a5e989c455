"""The operations of an MPI communicator, and whom a call of them needs with the arguments that it has."""

from __future__ import annotations

from operator import index
from typing import Any

from lockstep.harness.attach.operations import Operation
from lockstep.harness.trace.event import Need

_PLAIN = {
    "barrier": Operation("barrier"),
    "bcast": Operation("bcast", "from-root", 1),
    "gather": Operation("gather", "to-root", 1),
    "scatter": Operation("scatter", "from-root", 1),
    "allgather": Operation("allgather"),
    "alltoall": Operation("alltoall"),
    "reduce": Operation("reduce", "to-root", 2),
    "allreduce": Operation("allreduce"),
    "scan": Operation("scan", "below"),
    "exscan": Operation("exscan", "below"),
}
_BUFFERS = {
    "Barrier": Operation("barrier"),
    "Bcast": Operation("bcast", "from-root", 1, 0),
    "Gather": Operation("gather", "to-root", 2),
    "Gatherv": Operation("gatherv", "to-root", 2, counted=1),
    "Scatter": Operation("scatter", "from-root", 2),
    "Scatterv": Operation("scatterv", "from-root", 2),
    "Allgather": Operation("allgather"),
    "Allgatherv": Operation("allgatherv", counted=1),
    "Alltoall": Operation("alltoall"),
    "Alltoallv": Operation("alltoallv", counted=1),
    "Alltoallw": Operation("alltoallw", counted=1),
    "Reduce": Operation("reduce", "to-root", 3),
    "Allreduce": Operation("allreduce", same=0),
    "Reduce_scatter": Operation("reduce_scatter"),
    "Reduce_scatter_block": Operation("reduce_scatter"),
    "Scan": Operation("scan", "below"),
    "Exscan": Operation("exscan", "below"),
}
BLOCKING = {**_PLAIN, **_BUFFERS}
STARTING = {f"I{name.lower()}": operation for name, operation in _BUFFERS.items()}
PERSISTENT = {f"{name}_init": operation for name, operation in _BUFFERS.items()}
COLLECTIVES = {**BLOCKING, **STARTING, **PERSISTENT}
# What makes a communicator: its name for people. All members of the old one take part, or those of a group.
MAKERS = {
    "Split": "split", "Split_type": "split_type", "Dup": "dup", "Dup_with_info": "dup", "Clone": "dup", "Create": "create",
    "Create_cart": "cart", "Create_graph": "graph", "Create_dist_graph": "graph", "Create_dist_graph_adjacent": "graph",
    "Sub": "sub",
}  # fmt: skip
SENDS = (
    "send", "ssend", "isend", "issend", "bsend", "ibsend", "Send", "Ssend", "Isend", "Issend", "Bsend", "Ibsend", "Rsend",
    "Irsend", "Send_init", "Ssend_init", "Bsend_init", "Rsend_init",
)  # fmt: skip
SEND = ("buf", "dest", "tag")
RECEIVES = ("recv", "irecv", "Recv", "Irecv", "Recv_init")
RECEIVE = ("buf", "source", "tag", "status")
PROBES = ("Probe", "probe", "Mprobe", "mprobe", "Improbe", "improbe")
PROBE = ("source", "tag", "status")
BOTH = {
    "sendrecv": ("sendobj", "dest", "sendtag", "recvbuf", "source", "recvtag", "status"),
    "Sendrecv": ("sendbuf", "dest", "sendtag", "recvbuf", "source", "recvtag", "status"),
    "Sendrecv_replace": ("buf", "dest", "sendtag", "source", "recvtag", "status"),
    "Isendrecv": ("sendbuf", "dest", "sendtag", "recvbuf", "source", "recvtag"),
    "Isendrecv_replace": ("buf", "dest", "sendtag", "source", "recvtag"),
}


def starts(name: str) -> bool:
    """Whether it returns a request at once."""
    return name[0] in "iI" or name.endswith("_init")


def root_of(operation: Operation, arguments: tuple[Any, ...], named: dict[str, Any]) -> int:
    """The root of a call; -1 where it has none. Roots are numbers of any kind; without one it is 0."""
    if not operation.rooted:
        return -1
    given = named.get("root", arguments[operation.root] if len(arguments) > operation.root else 0)
    return max(-1, index(given))


def needs(operation: Operation, root: int, rank: int, arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[Need, int]:
    """Whom the operation needs on this rank, and its root (-1: none).

    Where a member's share is empty, or may be, an implementation may leave it out.
    """
    need = operation.need(rank, root)
    if need is not Need.NOBODY and any(_may_be_empty(argument) for argument in (*arguments, *named.values())):
        need = Need.NOBODY
    if need is not Need.NOBODY and operation.counted >= 0:
        given = named.get("recvbuf", arguments[operation.counted] if len(arguments) > operation.counted else None)
        need = need if _counts(given) else Need.NOBODY
    return need, root if operation.rooted else -1


def size(operation: Operation, arguments: tuple[Any, ...]) -> int:
    """Elements, where every member must pass the same number and it is plain to see."""
    if operation.same < 0:
        return -1
    found = (getattr(argument, "size", None) for argument in arguments[:2])
    return next((number for number in found if isinstance(number, int)), -1)


def _may_be_empty(argument: Any) -> bool:
    """A buffer without elements, alone or as mpi4py lets it be described: buffer, counts or (counts, displacements) ..."""
    if isinstance(argument, (list, tuple)):
        if not argument or _elements(argument[0]) is None:
            return False
        return _elements(argument[0]) == 0 or any(not count > 0 for count in _counts(argument))
    return _elements(argument) == 0


def _counts(argument: Any) -> list[Any]:
    """The counts in the description of a buffer, if there are any."""
    if not isinstance(argument, (list, tuple)) or len(argument) < 2:
        return []
    given = argument[1]
    if isinstance(given, (list, tuple)) and given and _sequence(given[0]) is not None:
        given = given[0]
    return found if (found := _sequence(given)) is not None else [given] if hasattr(given, "__index__") else []


def _sequence(given: Any) -> list[Any] | None:
    return list(given) if isinstance(given, (list, tuple)) or _elements(given) is not None else None


def _elements(argument: Any) -> int | None:
    """How many elements a buffer has; None for what is none."""
    found = getattr(argument, "size", None) if hasattr(argument, "__array_interface__") else None
    if isinstance(found, int):
        return found
    try:
        return memoryview(argument).nbytes
    except TypeError:
        return None
