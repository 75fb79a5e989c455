"""torch.distributed: what is called on a process group is counted.

The wrappers sit on the methods of ProcessGroup, below every Python function of torch.distributed: object collectives,
coalesced ones and whatever a program keeps a reference to end there. What C++ calls by itself is found by the group's own
count of its operations.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import Any

from lockstep.harness.attach import cuda_graphs, device_work, recording, torch_works
from lockstep.harness.attach.calls import Issued, Issuing, Waiting
from lockstep.harness.attach.recorded import Call, recorded
from lockstep.harness.attach.recording import Recording
from lockstep.harness.attach.sites import call_site
from lockstep.harness.attach.torch_groups import Group, count, group_of, limit_s, look_for_unseen, sooner
from lockstep.harness.attach.torch_ops import OPERATIONS, P2P, UNTOLD, describe, gpu_of, has
from lockstep.harness.trace.event import Need


def wrap(module: ModuleType) -> None:
    """Wrap the class ProcessGroup."""
    kind = module.ProcessGroup
    for name in OPERATIONS:
        if hasattr(kind, name):
            setattr(kind, name, _operation(name, getattr(kind, name)))
    for name in P2P:
        if hasattr(kind, name):
            setattr(kind, name, _p2p(name, getattr(kind, name)))
    for name, what in UNTOLD.items():
        if hasattr(kind, name):
            setattr(kind, name, _untold(what, getattr(kind, name)))
    if hasattr(kind, "_end_coalescing"):
        kind._start_coalescing = recorded(kind._start_coalescing, _start_coalescing)
        kind._end_coalescing = torch_works.coalesced(kind._end_coalescing, _end_coalescing)
    for name in ("abort", "shutdown"):
        if hasattr(kind, name) and device_work.has_cuda():
            setattr(kind, name, recorded(getattr(kind, name), lambda arguments, named: device_work.forget()))
    if hasattr(kind, "set_timeout"):
        kind.set_timeout = recorded(kind.set_timeout, _set_timeout)


class OfGroup(Issuing):
    """A call on a process group: while it runs, the group's own count of its operations is not to be compared."""

    __slots__ = ("group",)

    def __init__(self, found: Recording, issued: Issued, group: Group) -> None:
        super().__init__(found, issued)
        self.group = group
        group.issuing += 1

    def ended(self, result: Any) -> None:
        """It has ended, or was issued."""
        _issued(self.group)
        super().ended(result)

    def failed(self, error: BaseException) -> None:
        """One that fails to be issued may or may not have been counted by the others."""
        _issued(self.group)
        super().failed(error)


class Posting(OfGroup):
    """A call that returns a Work."""

    __slots__ = ()

    def ended(self, result: Any) -> None:
        """It was issued: the Work stands for it."""
        super().ended(result)
        torch_works.note(result, self.issued)


class Blocking(OfGroup, Waiting):
    """The one call that returns no Work."""

    __slots__ = ()


class Meeting(Blocking):
    """A barrier, which a library of GPUs waits for in the call. Where it returns a Work, the program waits at once."""

    __slots__ = ()

    def ended(self, result: Any) -> None:
        """It has ended, or was issued."""
        super().ended(result)
        torch_works.note(result, self.issued)


class HandingOver(Posting):
    """A collective goes to the GPU: nothing tells when it enters it, only that it cannot have done so before."""

    __slots__ = ()

    def ended(self, result: Any) -> None:
        """It was handed over, to run after what the current stream has to do; and before what comes, if there is no Work."""
        super().ended(result)
        gpu = self.issued.gpu
        if self.issued.need is Need.ALL:
            device_work.hand_over(gpu, self.issued)
            if result is None:
                device_work.order(torch_works.current_stream(gpu), self.issued)


class Capturing:
    """A collective becomes part of a graph, which hands it over at each replay."""

    def __init__(self, group: Group, collective: cuda_graphs.Captured) -> None:
        self.group, self.collective = group, collective
        group.issuing += 1

    def ended(self, result: Any) -> None:
        """It is part of it."""
        _issued(self.group)
        cuda_graphs.capture(self.collective)

    def failed(self, error: BaseException) -> None:
        """The capture fails with it."""
        _issued(self.group)


def _to_gpu(found: Recording, group: Group, gpu: int, op: str, size: int, need: Need, root: int) -> Call:
    """What goes to a GPU: on NCCL alone all operations of a group are in one order, that of their numbers."""
    if group.device is None:
        kind, _, name = group.comm.key.partition(":")
        group.device = (
            group.comm if group.sure else found.recorder.comm(f"{kind} on GPUs", name, group.comm.members, scope=Group.scope)
        )
    if gpu != group.gpu:
        group.sure = group.sure and group.gpu < 0  # NCCL has a communicator for each GPU, with an order of its own
        group.gpu = gpu
    surely = need is Need.ALL and group.sure and not group.coalescing
    if cuda_graphs.captured_now():
        return Capturing(group, cuda_graphs.Captured(group.device, op, size, gpu, surely))
    issued = found.start(group.device, op, size, need if surely else Need.NOBODY, root, call_site(found.recorder))
    return HandingOver(found, issued._replace(gpu=gpu), group)


def _issued(group: Group) -> None:
    """Bring the count up to date."""
    group.issuing -= 1
    pg = group.pg()
    if pg is not None:
        group.count = count(pg)


def _of_group(
    original: Callable[..., Any], prepare: Callable[[Recording, Group, tuple[Any, ...], dict[str, Any]], Call | None]
) -> Callable[..., Any]:
    """`original`, which records what `prepare` says of a call on a group that we know, from what the group is given."""

    def known(arguments: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
        group = group_of(arguments[0])
        if group is None:
            return None
        found = recording.current()
        look_for_unseen()
        return prepare(found, group, arguments[1:], named)

    return recorded(original, known)


def _operation(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    op = OPERATIONS[name].name
    blocks = name == "monitored_barrier"
    meets = name == "barrier" and device_work.has_cuda()

    def prepare(found: Recording, group: Group, given: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
        need, root, size = describe(name, given, named, group.rank)
        limit = sooner(group.limit_s, _deadline_s(given, named)) if need in (Need.ALL, Need.ROOT) else 0
        if limit:
            need = Need.TIMED
        gpu = gpu_of(given)
        if gpu >= 0:
            return _to_gpu(found, group, gpu, op, size, need, root)
        what = (group.comm, op, size, need, root, call_site(found.recorder))
        if blocks:
            return Blocking(found, found.collective(*what, limit), group)
        if meets and _is_waited_for(given, named):
            return Meeting(found, found.collective(*what, limit), group)
        issued = found.start(*what)
        return Posting(found, issued._replace(limit_s=limit) if limit else issued, group)

    return _of_group(original, prepare)


def _deadline_s(given: tuple[Any, ...], named: dict[str, Any]) -> int:
    """The short deadline that this call has of its own, alone or among its options; 0: none."""
    for argument in (*given, *named.values()):
        if isinstance(argument, timedelta) or has(argument, "timeout"):
            timeout = getattr(argument, "timeout", argument)
            if isinstance(timeout, timedelta) and (limit := limit_s(timeout)):
                return limit
    return 0


def _is_waited_for(given: tuple[Any, ...], named: dict[str, Any]) -> bool:
    """Whether the call was told that whoever makes it goes on only afterwards."""
    return any(has(one, "asyncOp") and not one.asyncOp for one in (*given, *named.values()))


def _p2p(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    op = "send" if name == "send" else "recv"
    # gloo may take a message before anybody wants it: a send is never known to wait.
    sure = Need.NOBODY if op == "send" else Need.RECV
    names = ("tensors", "tag") if name == "recv_anysource" else ("tensors", "dstRank" if op == "send" else "srcRank", "tag")

    def prepare(found: Recording, group: Group, arguments: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
        given = {**dict(zip(names, arguments, strict=False)), **named}
        if gpu_of(arguments) >= 0:
            recording.opaque("messages of a GPU write no events")
            return None
        peer = int(given[names[1]]) if len(names) == 3 else -1
        if peer >= len(group.comm.members):
            return None
        need = Need.TIMED if group.limit_s and sure is Need.RECV else sure
        issued = found.start_message(group.comm, op, need, peer, int(given["tag"]), call_site(found.recorder))
        return Posting(found, issued._replace(limit_s=group.limit_s), group)

    return _of_group(original, prepare)


def _untold(what: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def prepare(found: Recording, group: Group, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        recording.opaque(f"{group.comm.key} {what}")

    return _of_group(original, prepare)


def _start_coalescing(arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
    group = group_of(arguments[0])
    if group is not None:
        group.coalescing = True


def _end_coalescing(pg: Any) -> None:
    group = group_of(pg)
    if group is not None:
        group.coalescing = False


def _set_timeout(arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
    group = group_of(arguments[0])
    if group is not None:
        for given in (*arguments[1:], *named.values()):
            group.limit_s = sooner(group.limit_s, limit_s(given) if isinstance(given, timedelta) else 0)
