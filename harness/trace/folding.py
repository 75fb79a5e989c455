"""How each kind of event changes a rank's state. No clock, no I/O."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from lockstep.harness.trace.communicator import CommInfo
from lockstep.harness.trace.event import Kind, Need, Record, Took
from lockstep.harness.trace.lane import Lane
from lockstep.harness.trace.runs import MOST
from lockstep.harness.trace.wait import Join, Status, Wait

if TYPE_CHECKING:
    from lockstep.harness.trace.state import RankState

_NEEDS = dict(enumerate(Need))
String = Callable[[int], str]


def _comm(state: RankState, record: Record, string: String) -> None:
    try:
        info = CommInfo.parse(string(record.a), state.rank_of)
    except ValueError:
        state.opaque.append("it announced a communicator of which nothing is known")
        return
    state.comms[record.comm] = info
    state.entered.setdefault(info.key, 0)
    if info.device:
        state.lanes[info.key] = Lane(info.key, info.device)


def _enter(state: RankState, record: Record, string: String) -> None:
    wait = _wait(state, record, string)
    if record.kind == Kind.PART:
        state.parts.setdefault(record.thread, []).append(wait)
    elif record.kind == Kind.ENTER:
        state.waiters[record.thread] = wait


def _wait(state: RankState, record: Record, string: String) -> Wait:
    """The wait that an ENTER, a POST or a PART tells of, counted. LookupError where it names what was never announced."""
    op, need = string(record.a), _NEEDS[record.b]
    place = (record.time_ns, state.phase, state.shape)
    site = string(record.site) if record.site else ""
    if need is Need.HOLDERS:
        return Wait("", 0, op, need, -1, 0, *place, site=site, end=string(record.c))
    if need in (Need.STREAM, Need.EITHER, Need.EVERY):
        parts = tuple(state.parts.pop(record.thread, ()))
        if need is not Need.STREAM and not len(parts) == record.size > 0:
            raise LookupError("some of its parts were lost")
        return Wait("", 0, op, need, state.rank if need is Need.STREAM else -1, 0, *place, site=site, parts=parts)
    info = state.comms[record.comm]
    peer = info.members[record.c] if record.c >= 0 else -1
    if peer < 0 and need in (Need.ROOT, Need.SSEND):
        raise LookupError("it waits for nobody")
    verb = op.partition(" ")[0]
    if verb in ("send", "recv"):
        # The wait for one that was posted comes after others may have been posted: the count never goes back.
        counts, key = state.sent if verb == "send" else state.received, (info.key, peer, record.tag)
        if record.seq > counts.get(key, 0):
            counts[key] = record.seq
            _begun(state, record, verb, key)
    elif need is not Need.PROBE:
        state.entered[info.key] = max(state.entered.get(info.key, 0), record.seq)
    limit_s = state.limits.pop(record.thread, 0) if need is Need.TIMED and record.kind == Kind.ENTER else 0
    return Wait(info.key, record.seq, op, need, peer, record.tag, *place, site=site, limit_s=limit_s)


def _begun(state: RankState, record: Record, verb: str, key: tuple[str, int, int]) -> None:
    """A message's order among all of its rank; one that is waited for again was begun before."""
    if verb == "send":
        state.order.send(*key, record.thread)
    else:
        state.order.receive(*key, record.seq, record.thread)


def _launch(state: RankState, record: Record, string: String) -> None:
    info = state.comms.get(record.comm)
    if info is not None and not info.device:  # nothing tells when the device enters it; it cannot have done so before
        state.entered[info.key] = max(state.entered.get(info.key, 0), record.seq)
    elif info is not None:
        graph = str(json.loads(string(record.a))["graph"]) if record.c else ""
        state.lanes[info.key].launch(record.seq, graph, state.phase, state.shape)


def _exit(state: RankState, record: Record, string: String) -> None:
    state.waiters[record.thread] = None
    state.exits += 1
    if record.b:
        _took(state, record, string)


def _took(state: RankState, record: Record, string: String) -> None:
    info = state.comms[record.comm]
    kind, key = Took(record.b), (info.key, info.members[record.c], record.tag)
    _count(state.taken.all, key)
    if kind is not Took.NAMED:
        _count(state.taken.wild, key)
    asked = info.members[record.site - 1] if record.site else -1
    if kind is Took.WILD:
        _count(state.taken.open, (info.key, asked, record.size))
    if kind is Took.PROBED:
        state.order.probed(info.key, asked, record.size, key[1:], record.thread)
    else:
        state.order.took(info.key, (asked, record.size, record.seq), key[1:])


def _cancel(state: RankState, record: Record, string: String) -> None:
    info = state.comms[record.comm]
    peer = info.members[record.c] if record.c >= 0 else -1
    _count(state.taken.cancelled, (info.key, peer, record.tag), 1 if record.b else -1)
    state.order.cancel(info.key, (peer, record.tag, record.seq), bool(record.b))


def _count(counts: dict[tuple[str, int, int], int], key: tuple[str, int, int], more: int = 1) -> None:
    counts[key] = counts.get(key, 0) + more


def _decision(state: RankState, record: Record, string: String) -> None:
    state.decisions += 1


def _phase(state: RankState, record: Record, string: String) -> None:
    state.phase = string(record.a)
    state.shape = ""


def _shape(state: RankState, record: Record, string: String) -> None:
    state.shape = string(record.a)


def _milestone(state: RankState, record: Record, string: String) -> None:
    state.milestones += 1
    state.milestone_ns = record.time_ns


def _waiter(state: RankState, record: Record, string: String) -> None:
    state.waiters[record.thread] = None
    state.kernel_ids[record.size] = record.thread


def _waiter_end(state: RankState, record: Record, string: String) -> None:
    state.waiters.pop(record.thread, None)


def _raised(state: RankState, record: Record, string: String) -> None:
    _end(state, Status.RAISED)
    state.device_lost = bool(record.seq)


def _returned(state: RankState, record: Record, string: String) -> None:
    _end(state, Status.RETURNED)


def _end(state: RankState, status: Status) -> None:
    """After an abort nothing counts: MPI_Abort may come back, and how far the program still gets is chance."""
    if not state.aborting:
        state.status = status


def _abort(state: RankState, record: Record, string: String) -> None:
    if state.status is not Status.RAISED:  # who aborts because of an error has raised it
        state.status = Status.ABORTED
    state.aborting = True


def _unable(state: RankState, record: Record, string: String) -> None:
    state.status = Status.UNABLE


def _parked(state: RankState, record: Record, string: String) -> None:
    state.parked = True


def _join(state: RankState, record: Record, string: String) -> None:
    join = Join(**json.loads(string(record.a)))
    if not isinstance(join.scope, str) or not 0 <= join.rank < join.world <= MOST:
        raise ValueError("no place in a world")
    state.joins.append(join)


def _error(state: RankState, record: Record, string: String) -> None:
    state.failed = True


def _opaque(state: RankState, record: Record, string: String) -> None:
    reason = string(record.a)
    if reason not in state.opaque:
        state.opaque.append(reason)


def _status(state: RankState, record: Record, string: String) -> None:
    state.exit_status = record.a


def _limit(state: RankState, record: Record, string: String) -> None:
    state.limits[record.thread] = max(record.size, 0)


def _leaving(state: RankState, record: Record, string: String) -> None:
    state.leaving_ns = record.time_ns


HANDLERS: dict[int, Callable[[RankState, Record, String], None]] = {
    Kind.COMM: _comm,
    Kind.ENTER: _enter,
    Kind.POST: _enter,
    Kind.PART: _enter,
    Kind.TOOK: _took,
    Kind.CANCEL: _cancel,
    Kind.EXIT: _exit,
    Kind.LAUNCH: _launch,
    Kind.DECISION: _decision,
    Kind.PHASE: _phase,
    Kind.SHAPE: _shape,
    Kind.MILESTONE: _milestone,
    Kind.WAITER: _waiter,
    Kind.WAITER_END: _waiter_end,
    Kind.RAISED: _raised,
    Kind.RETURNED: _returned,
    Kind.ABORT: _abort,
    Kind.UNABLE: _unable,
    Kind.PARKED: _parked,
    Kind.JOIN: _join,
    Kind.ERROR: _error,
    Kind.OPAQUE: _opaque,
    Kind.STATUS: _status,
    Kind.LEAVING: _leaving,
    Kind.LIMIT: _limit,
}
