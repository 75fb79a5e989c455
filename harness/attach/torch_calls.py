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

from lockstep.harness.attach import recording, torch_works
from lockstep.harness.attach.calls import Issued, Issuing, Waiting
from lockstep.harness.attach.recorded import Call, recorded
from lockstep.harness.attach.recording import Recording
from lockstep.harness.attach.sites import call_site
from lockstep.harness.attach.torch_groups import Group, count, group_of, limit_s, look_for_unseen, sooner
from lockstep.harness.attach.torch_ops import OPERATIONS, P2P, describe, on_device
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
    if hasattr(kind, "_end_coalescing"):
        kind._end_coalescing = torch_works.coalesced(kind._end_coalescing)
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


class Launching:
    """A collective goes to the GPU. It has no breadcrumb, so the stream counts as running from now on."""

    def __init__(self, found: Recording, group: Group, op: str, size: int) -> None:
        self.group, self.op = group, op
        if group.device is None:
            kind, _, name = group.comm.key.partition(":")
            kind = "nccl" if kind == "gloo" else kind
            group.device = found.recorder.comm(kind, name, group.comm.members, device="cuda", scope=Group.scope)
        torch_works.launched(found, group.device, op, size)
        group.issuing += 1

    def ended(self, result: Any) -> None:
        """It was handed over."""
        _issued(self.group)

    def failed(self, error: BaseException) -> None:
        """Whether it was nobody knows."""
        _issued(self.group)
        recording.opaque(f"{self.op} of {self.group.comm.key} raised when it was issued")


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

    def prepare(found: Recording, group: Group, given: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
        need, root, size = describe(name, given, named, group.rank)
        limit = sooner(group.limit_s, _deadline_s(given, named)) if need in (Need.ALL, Need.ROOT) else 0
        if limit:
            need = Need.TIMED
        if on_device(given):
            return Launching(found, group, op, size)
        what = (group.comm, op, size, need, root, call_site(found.recorder))
        if blocks:
            return Blocking(found, found.collective(*what, limit), group)
        return Posting(found, found.start(*what)._replace(limit_s=limit), group)

    return _of_group(original, prepare)


def _deadline_s(given: tuple[Any, ...], named: dict[str, Any]) -> int:
    """The short deadline that this call has of its own, alone or among its options; 0: none."""
    for argument in (*given, *named.values()):
        timeout = argument if isinstance(argument, timedelta) else getattr(argument, "timeout", None)
        if isinstance(timeout, timedelta) and (limit := limit_s(timeout)):
            return limit
    return 0


def _p2p(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    op = "send" if name == "send" else "recv"
    # gloo may take a message before anybody wants it: a send is never known to wait.
    sure = Need.NOBODY if op == "send" else Need.RECV
    names = ("tensors", "tag") if name == "recv_anysource" else ("tensors", "dstRank" if op == "send" else "srcRank", "tag")

    def prepare(found: Recording, group: Group, arguments: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
        given = {**dict(zip(names, arguments, strict=False)), **named}
        if on_device(arguments):
            recording.opaque("messages of a GPU write no events")
            return None
        peer = int(given[names[1]]) if len(names) == 3 else -1
        if peer >= len(group.comm.members):
            return None
        need = Need.TIMED if group.limit_s and sure is Need.RECV else sure
        issued = found.start_message(group.comm, op, need, peer, int(given["tag"]), call_site(found.recorder))
        return Posting(found, issued._replace(limit_s=group.limit_s), group)

    return _of_group(original, prepare)


def _set_timeout(arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
    group = group_of(arguments[0])
    if group is not None:
        for given in (*arguments[1:], *named.values()):
            group.limit_s = sooner(group.limit_s, limit_s(given) if isinstance(given, timedelta) else 0)
