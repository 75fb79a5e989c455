"""torch.distributed: every process group is announced, and what is called on it is counted.

The wrappers sit on the methods of ProcessGroup, below every Python function of torch.distributed: object collectives,
coalesced ones and whatever a program keeps a reference to end there. What C++ calls by itself is found by the group's own
count of its operations.
"""

from __future__ import annotations

import inspect
import os
import sys
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

from lockstep.harness.attach import recording, torch_works
from lockstep.harness.attach.recording import Recording
from lockstep.harness.attach.shield import shielded
from lockstep.harness.attach.sites import call_site, outside, site_text
from lockstep.harness.attach.torch_ops import OPERATIONS, P2P, describe, on_device
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.handles import Comm

WORLD = "world"
SHORT_S = 600.0
TORCH_RANK = (("RANK", "WORLD_SIZE"),)


class Group:
    """A process group of this process: its communicator, and how many operations it had when we last looked."""

    __slots__ = ("comm", "count", "data_parallel", "device", "issuing", "pg", "rank", "timed")

    def __init__(self, pg: Any, comm: Comm, rank: int, timed: bool = False) -> None:
        self.pg = weakref.ref(pg)
        self.comm = comm
        self.device: Comm | None = None  # what runs on a GPU has a communicator of its own
        self.rank = rank
        self.timed = timed  # the program has set a deadline after which its operations end with an error
        self.data_parallel = False  # DistributedDataParallel issues all-reduces of this group from C++
        self.issuing = 0  # calls that are issuing an operation now: the count may tell of it, or not yet
        self.count = _count(pg)


groups: dict[int, Group] = {}
_scope = ""  # the world that init_process_group makes, so that ranks of two worlds are not taken for each other


def group_of(pg: Any) -> Group | None:
    """What is known of a process group; None for one that torch.distributed did not make."""
    found = groups.get(id(pg))
    return found if found is not None and found.pg() is pg else None


def wrap(module: ModuleType) -> None:
    """Wrap distributed_c10d, when its own code has run."""
    recording.after_fork.append(groups.clear)
    recording.hidden.append(backward_operations)
    kind = module.ProcessGroup
    for name in OPERATIONS:
        if hasattr(kind, name):
            setattr(kind, name, _operation(name, getattr(kind, name)))
    for name in P2P:
        if hasattr(kind, name):
            setattr(kind, name, _p2p(name, getattr(kind, name)))
    torch_works.wrap(module)
    if hasattr(kind, "_end_coalescing"):
        kind._end_coalescing = torch_works.coalesced(kind._end_coalescing)
    _wrap_init(module)
    _wrap_new_group(module)
    expected = recording.expected_rank(TORCH_RANK)
    if expected is not None:
        recording.join(_scope_of(None, None), *expected, firm=False)


# --- what is called on a group ------------------------------------------------------------------------------------


def _operation(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    op = OPERATIONS[name].name
    blocks = name == "monitored_barrier"  # the one that returns no Work

    @shielded(original)
    def method(original: Any, self: Any, *arguments: Any, **named: Any) -> Any:
        group = group_of(self)
        if group is None:
            return original(self, *arguments, **named)
        recording_ = recording.current()
        look_for_unseen(group)
        site = call_site(recording_.recorder)
        need, root, size = describe(name, arguments, named, group.rank)
        if group.timed and need in (Need.ALL, Need.ROOT):
            need = Need.TIMED
        if on_device(arguments):
            _launch(recording_, group, op, size)
            return _issued(group, op, original, self, arguments, named)
        if blocks:
            seq, text = recording_.begin(group.comm, op, size, need, root, site)
            try:
                return _issued(group, op, original, self, arguments, named)
            finally:
                recording_.leave(group.comm, seq, text)
        seq, text = recording_.recorder.post(group.comm, op, size, need, root, site), recording_.recorder.string(op)
        work = _issued(group, op, original, self, arguments, named)
        torch_works.note(work, group.comm, seq, text, need, root, 0)
        return work

    return method


def _p2p(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    op = "send" if name == "send" else "recv"
    # gloo may take a message before anybody wants it: a send is never known to wait.
    sure = Need.NOBODY if op == "send" else Need.RECV

    @shielded(original)
    def method(original: Any, self: Any, *arguments: Any, **named: Any) -> Any:
        group = group_of(self)
        if group is None:
            return original(self, *arguments, **named)
        recording_ = recording.current()
        look_for_unseen(group)
        site = call_site(recording_.recorder)
        need = Need.NOBODY if group.timed else sure
        if name == "recv_anysource":
            peer, tag = -1, named.get("tag", arguments[1] if len(arguments) > 1 else 0)
        else:
            peer = named.get("dstRank" if op == "send" else "srcRank", arguments[1] if len(arguments) > 1 else -1)
            tag = named.get("tag", arguments[2] if len(arguments) > 2 else 0)
        if on_device(arguments):
            return _issued(group, op, original, self, arguments, named)
        seq = recording_.recorder.post_p2p(group.comm, op, need, peer, tag, -1, site)
        work = _issued(group, op, original, self, arguments, named)
        torch_works.note(work, group.comm, seq, recording_.recorder.string(op), need, peer, tag)
        return work

    return method


def _issued(group: Group, op: str, original: Callable[..., Any], pg: Any, arguments: Any, named: Any) -> Any:
    """Issue it, and bring the count up to date.

    One that fails to be issued may or may not have been counted by the others.
    """
    group.issuing += 1
    try:
        return original(pg, *arguments, **named)
    except BaseException:
        recording.opaque(f"{op} of {group.comm.key} raised when it was issued")
        raise
    finally:
        group.count = _count(pg)
        group.issuing -= 1


def _launch(recording_: Recording, group: Group, op: str, size: int) -> None:
    """A collective is handed to the GPU. It has no breadcrumb, so the stream counts as running from now on."""
    if group.device is None:
        kind, _, name = group.comm.key.partition(":")
        group.device = recording_.recorder.comm(
            "nccl" if kind == "gloo" else kind, name, group.comm.members, device="cuda", scope=_scope
        )
    torch_works.launched(recording_, group.device, op, size)


def look_for_unseen(mine: Group | None = None) -> None:
    """Whether C++ has issued operations since, on any group: a wait on one may depend on what was posted on another."""
    for group in list(groups.values()):
        pg = group.pg()
        if pg is None:
            continue
        count = _count(pg)
        unseen, group.count = count - group.count, count
        if unseen <= 0:
            continue
        if group.data_parallel:
            recorder = recording.current().recorder
            for _ in range(unseen):
                recorder.post(group.comm, DATA_PARALLEL)
        else:
            recording.opaque(f"operations of {group.comm.key} were issued from C++")


DATA_PARALLEL = "all_reduce (DistributedDataParallel)"


def backward_operations() -> list[tuple[int, int, str, str]]:
    """What DistributedDataParallel has issued in a backward pass that a thread is in now, before an event tells of it.

    Asked from another thread. While one stands in the engine's C++ no wrapper of ours is at work on that thread.
    """
    frames = [f for f in sys._current_frames().values() if f.f_code.co_name == "_engine_run_backward"]
    place = outside(frames[0]) if len(frames) == 1 else None
    if place is None:
        return []
    found: list[tuple[int, int, str, str]] = []
    for group in list(groups.values()):
        pg = group.pg()
        if pg is not None and group.data_parallel and not group.issuing and (unseen := _count(pg) - group.count) > 0:
            found.append((group.comm.id, unseen, DATA_PARALLEL, site_text(*place)))
    return found


def _count(pg: Any) -> int:
    try:
        return int(pg._get_sequence_number_for_group())
    except RuntimeError:  # a backend that does not count
        return 0


# --- groups that come and go --------------------------------------------------------------------------------------


def _wrap_init(module: ModuleType) -> None:
    original = module.init_process_group
    signature = inspect.signature(original)

    @shielded(original)
    def init_process_group(original: Any, *arguments: Any, **named: Any) -> Any:
        global _scope
        try:
            given = signature.bind(*arguments, **named).arguments
            place = _place(given)
        except TypeError:
            place = None  # torch says what is wrong with the arguments
        if place is None:
            return original(*arguments, **named)
        rank, world = place
        _scope = _scope_of(given.get("store"), given.get("init_method"))
        recording.join(_scope, rank, world)
        recording_ = recording.current()
        _tell_version(recording_)
        backend = _backend(given.get("backend"))
        comm = recording_.recorder.comm(backend, WORLD, range(world), scope=_scope)
        _pending.append((comm, rank))
        # Whether ranks wait for each other here is up to the backend: gloo connects at once, NCCL when it is used.
        need = Need.COME if "gloo" in backend else Need.NOBODY
        seq, text = recording_.begin(comm, "init", -1, need, -1, call_site(recording_.recorder))
        try:
            return original(*arguments, **named)
        finally:
            recording_.leave(comm, seq, text)
            _pending.clear()

    module.init_process_group = init_process_group  # type: ignore[attr-defined]


def _tell_version(recording_: Recording) -> None:
    """Which gloo this is: what its operations do with one another is known of versions that were measured."""
    version = str(sys.modules["torch"].__version__).partition("+")[0]
    recording_.recorder.environment({"library:gloo": f"gloo {version}"})


_pending: list[tuple[Comm, int]] = []  # the world's communicator, announced before its group exists


def _wrap_new_group(module: ModuleType) -> None:
    """Every group is made here, the world's too."""
    original = module._new_process_group_helper
    signature = inspect.signature(original)

    @shielded(original)
    def helper(original: Any, *arguments: Any, **named: Any) -> Any:
        try:
            given = signature.bind(*arguments, **named).arguments
        except TypeError:
            return original(*arguments, **named)
        if _pending:
            comm, rank = _pending[0]
            made = original(*arguments, **named)
            _add(made, comm, rank, _is_short(given.get("timeout")))
            return made
        members = [int(rank) for rank in given["global_ranks_in_group"]]
        mine = given["group_rank"]
        if not _scope or mine is None or not 0 <= mine < len(members):
            return original(*arguments, **named)  # this process is no member, or its world is not known
        recording_ = recording.current()
        backend = _backend(given.get("backend"))
        name = str(given.get("group_desc") or f"group {given['group_name']}")
        comm = recording_.recorder.comm(backend, _unique(name, str(given["group_name"])), members, scope=_scope)
        site = call_site(recording_.recorder)
        need = Need.ALL if "gloo" in backend else Need.NOBODY
        seq, text = recording_.begin(comm, "new_group", -1, need, -1, site)
        try:
            made = original(*arguments, **named)
        finally:
            recording_.leave(comm, seq, text)
        _add(made, comm, mine, _is_short(given.get("timeout")))
        return made

    module._new_process_group_helper = helper  # type: ignore[attr-defined]


def _is_short(timeout: Any) -> bool:
    """Whether a timeout is a deadline that the program means, and not the library's own of many minutes."""
    return timeout is not None and timeout.total_seconds() < SHORT_S


def _add(made: Any, comm: Comm, rank: int, timed: bool) -> None:
    pg = made[0] if isinstance(made, tuple) else made
    if hasattr(pg, "_get_sequence_number_for_group"):
        groups[id(pg)] = Group(pg, comm, rank, timed)


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
