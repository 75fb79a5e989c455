"""torch.distributed's process groups as they come: each is announced, with the members and the deadline that it has."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from lockstep.harness.attach import device_work, recording, torch_calls, torch_stores, torch_works
from lockstep.harness.attach.calls import Waiting
from lockstep.harness.attach.recorded import Call, recorded
from lockstep.harness.attach.sites import call_site
from lockstep.harness.attach.torch_groups import (
    Group,
    backward_operations,
    group_of,
    groups,
    issued_in_all,
    limit_s,
    sooner,
    unseen,
)
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.handles import Comm

WORLD = "world"
ENDING = ("destroy_process_group", "_abort_process_group")
TORCH_RANK = (("RANK", "WORLD_SIZE"),)
_pending: list[tuple[Comm, int]] = []  # the world's communicator, announced before its group exists


def wrap(module: ModuleType) -> None:
    """Wrap distributed_c10d, when its own code has run."""
    recording.after_fork.append(groups.clear)
    recording.doubts.append(unseen)
    recording.hidden.append(backward_operations)
    recording.counts.append(issued_in_all)
    torch_calls.wrap(module)
    torch_works.wrap(module)
    torch_stores.wrap(module)
    for name, wrapper in (
        ("init_process_group", _init),
        ("_new_process_group_helper", _helper),
        ("_set_pg_timeout", _timeout),
        *((name, _ending) for name in ENDING if device_work.has_cuda()),
    ):
        if hasattr(module, name):
            setattr(module, name, wrapper(getattr(module, name)))
    expected = recording.expected_rank(TORCH_RANK)
    if expected is not None:
        recording.join(_scope_of(None, None), *expected, firm=False)


def _ending(original: Callable[..., Any]) -> Callable[..., Any]:
    """A group is ended, and with it what it has on a GPU: who waits for the GPU waits for that no more."""
    return recorded(original, lambda arguments, named: device_work.forget())


class Joining(Waiting):
    """The world is made: its ranks meet."""

    __slots__ = ()

    def ended(self, result: Any) -> None:
        """They have met."""
        super().ended(result)
        _pending.clear()

    def failed(self, error: BaseException) -> None:
        """They have not. Who tries again meets in a new world."""
        self.ended(None)


def _init(original: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(original)

    def prepare(arguments: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
        given = _bound(signature, arguments, named)
        place = _place(given) if given is not None else None
        if given is None or place is None:
            return None
        rank, world = place
        store = given.get("store")
        scope = _scope_of(store, given.get("init_method"))
        Group.scope = scope
        recording.join(scope, rank, world)
        found = recording.current()
        # Which gloo this is: what its operations do with one another is known of versions that were measured.
        version = str(sys.modules["torch"].__version__).partition("+")[0]
        found.recorder.environment({"library:gloo": f"gloo {version}"})
        backend = _backend(given.get("backend"))
        comm = found.recorder.comm(backend, WORLD, range(world), scope=scope)
        _pending.append((comm, rank))
        timed = limit_s(given.get("timeout")) or limit_s(getattr(store, "timeout", None))
        # Whether ranks wait for each other here is up to the backend: gloo connects at once, NCCL when it is used.
        need = Need.COME if "gloo" in backend and not timed else Need.NOBODY
        return Joining(found, found.collective(comm, "init", -1, need, -1, call_site(found.recorder)))

    return recorded(original, prepare)


class Announced:
    """A group that is made without a wait of its own: the world's, inside of init_process_group."""

    def __init__(self, comm: Comm, rank: int, limit: int) -> None:
        self.comm, self.rank, self.limit_s = comm, rank, limit

    def ended(self, result: Any) -> None:
        """It exists."""
        _add(result, self.comm, self.rank, self.limit_s)

    def failed(self, error: BaseException) -> None:
        """It does not."""


class Grouping(Waiting):
    """A further group is made: gloo's members connect to each other."""

    __slots__ = ("rank",)
    rank: int

    def ended(self, result: Any) -> None:
        """It exists."""
        super().ended(result)
        _add(result, self.issued.comm, self.rank, self.issued.limit_s)


def _helper(original: Callable[..., Any]) -> Callable[..., Any]:
    """Every group is made here, the world's too."""
    signature = inspect.signature(original)

    def prepare(arguments: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
        given = _bound(signature, arguments, named)
        if given is None:
            return None
        limit = limit_s(given.get("timeout"))
        if _pending:
            return Announced(*_pending[0], limit)
        members = [int(rank) for rank in given["global_ranks_in_group"]]
        mine = given["group_rank"]
        if not Group.scope or mine is None or not 0 <= mine < len(members):
            return None  # this process is no member, or its world is not known
        found = recording.current()
        backend = _backend(given.get("backend"))
        name = str(given.get("group_desc") or f"group {given['group_name']}")
        comm = found.recorder.comm(backend, _unique(name, str(given["group_name"])), members, scope=Group.scope)
        need = Need.NOBODY if "gloo" not in backend else Need.TIMED if limit else Need.ALL
        call = Grouping(found, found.collective(comm, "new_group", -1, need, -1, call_site(found.recorder), limit))
        call.rank = mine
        return call

    return recorded(original, prepare)


def _timeout(original: Callable[..., Any]) -> Callable[..., Any]:
    """A deadline may be set later: from then on the group's operations may end by it."""

    def prepare(arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        given = _bound(inspect.signature(original), arguments, named) or {}
        about = given.get("group")
        for group in groups.values():
            if about is None or group_of(about) is group:
                group.limit_s = sooner(group.limit_s, limit_s(given.get("timeout")))

    return recorded(original, prepare)


def _bound(signature: inspect.Signature, arguments: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any] | None:
    """The arguments by name; None where they are wrong, which torch will say."""
    try:
        return signature.bind(*arguments, **named).arguments
    except TypeError:
        return None


def _add(made: Any, comm: Comm, rank: int, limit: int) -> None:
    pg = made[0] if isinstance(made, tuple) else made
    if hasattr(pg, "_get_sequence_number_for_group"):
        groups[id(pg)] = Group(pg, comm, rank, limit)


def _unique(name: str, ident: str) -> str:
    return name if ident in name else f"{name} {ident}"


def _backend(given: Any) -> str:
    """Its name as we show it. Without one torch takes gloo for the CPU and NCCL for GPUs; ours counts the CPU's."""
    text = str(given).lower() if given is not None else ""
    if text in ("", "undefined", "none") or "cpu:gloo" in text:
        return "gloo"
    return text.removeprefix("backend.")


def _place(given: dict[str, Any]) -> tuple[int, int] | None:
    """Rank and size as init_process_group will find them; None where only it can."""
    rank, world = given.get("rank", -1), given.get("world_size", -1)
    expected = recording.expected_rank(TORCH_RANK)
    if rank >= 0 and world > 0:
        return rank, world
    method = given.get("init_method")
    if given.get("store") is None and method in (None, "env://") and expected is not None:
        return (rank if rank >= 0 else expected[0]), (world if world > 0 else expected[1])
    return None


def _scope_of(store: Any, method: str | None) -> str:
    """What tells this world from another of the same program: where its ranks meet, and how often they were restarted."""
    restarts = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    while hasattr(store, "underlying_store"):
        store = store.underlying_store
    if store is not None:
        place = getattr(store, "port", None) or getattr(store, "path", None) or type(store).__name__
    elif method and not method.startswith("env://"):
        place = method.rpartition(":")[2] if method.startswith("tcp") else method
    else:
        place = os.environ.get("MASTER_PORT", "")
    return f"torch {place} {restarts}"
