"""What dumps of PyTorch's Flight Recorder tell of a hang, all process groups of all ranks in one wait-for graph. Pure.

Dumps are taken one after the other, by processes that may have gone on meanwhile, and of torch.distributed alone: nothing
that follows from them is ever called proved.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lockstep.harness.judge import flight_words
from lockstep.harness.judge.diagnosis import Diagnosis
from lockstep.harness.judge.flight_difference import mismatches
from lockstep.harness.judge.flight_dump import DEFAULT, UNDESCRIBED, Call, FlightDump, parse
from lockstep.harness.judge.graph import stuck
from lockstep.harness.judge.verdict import WaitLine
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import RankState, Wait

FAR = 1 << 64  # a rank of which it is not known how far it has come keeps nobody waiting
FORGOTTEN = "a collective that its ring no longer holds"


def diagnose(raw: Mapping[int, Mapping[str, Any]]) -> Diagnosis:
    """From the dump of each rank. Raises ValueError for a dump that is not as PyTorch writes it, and where all are empty."""
    dumps = _placed({rank: parse(rank, dump) for rank, dump in sorted(raw.items())})
    if not any(dump.calls or dump.peer_calls or dump.status or dump.unplaced for dump in dumps.values()):
        raise ValueError("the dumps hold no operation at all; run with TORCH_FR_BUFFER_SIZE=2000 to have them recorded")
    members = _members(dumps)
    names = _names(dumps)
    absent = tuple(sorted({rank for ranks in members.values() for rank in ranks} - set(dumps)))
    entered = {
        group: {rank: dumps[rank].entered(group) for rank in ranks if rank in dumps} for group, ranks in members.items()
    }
    open_calls = {rank: _open_calls(dump) for rank, dump in dumps.items()}
    states = {rank: _state(dump, open_calls[rank], members, entered) for rank, dump in dumps.items()}
    waits = tuple(_line(found.rank, found.wait, found.lacks, names) for found in stuck(states, members))
    unfinished = _unfinished(dumps, open_calls, members, entered, names)
    standing = {group: {rank: calls[group].seq for rank, calls in open_calls.items() if group in calls} for group in members}
    parted = tuple(mismatches(dumps, members, entered, standing, names))
    lacked = tuple(sorted({rank for line in unfinished for rank in line.lacks} & set(absent)))
    blame = parted[0].blame if parted and not parted[0].ended else lacked
    found = Diagnosis("", False, tuple(dumps), absent, waits, parted, blame, (), unfinished)
    return replace(found, text=flight_words.text(found), limits=flight_words.limits(dumps, entered, absent, names))


def _placed(dumps: dict[int, FlightDump]) -> dict[int, FlightDump]:
    """The dumps, with what is known of the default group where its entries are forgotten: each process makes it first."""
    defaults = {group for dump in dumps.values() for group, described in dump.descriptions.items() if described == DEFAULT}
    if len(defaults) != 1:
        return dumps
    (default,) = defaults
    for rank, dump in dumps.items():
        if "0" in dump.unplaced and default not in dump.status:
            rest = {number: status for number, status in dump.unplaced.items() if number != "0"}
            dumps[rank] = replace(dump, status={**dump.status, default: dump.unplaced["0"]}, unplaced=rest)
    return dumps


def _members(dumps: Mapping[int, FlightDump]) -> dict[str, tuple[int, ...]]:
    """The members of each group: as configured, else those that used it; of the default group every rank."""
    found: dict[str, set[int]] = defaultdict(set)
    seen: set[tuple[str, int]] = set()
    for dump in dumps.values():
        for group, ranks in dump.members.items():
            if (group, id(ranks)) not in seen:  # every rank writes down the same long lists
                seen.add((group, id(ranks)))
                found[group] |= set(ranks)
    configured = {group for group, ranks in found.items() if ranks}
    for rank, dump in dumps.items():
        for group in {*dump.calls, *dump.status, *(call.group for call in dump.peer_calls)}:
            found[group].add(rank)
    world = {rank for dump in dumps.values() for rank in dump.world}
    for dump in dumps.values():
        for group, described in dump.descriptions.items():
            if described == DEFAULT and group not in configured:  # gloo does not say who the members of a group are
                found[group] |= world or set(range(max(dumps) + 1))
    return {group: tuple(sorted(ranks)) for group, ranks in found.items() if ranks}


def _names(dumps: Mapping[int, FlightDump]) -> dict[str, str]:
    """What each group is called. Groups of one description, as the tensor-parallel ones of a job, are told apart."""
    described: dict[str, str] = {}
    for dump in dumps.values():
        for group, text in dump.descriptions.items():
            if text not in UNDESCRIBED:
                described.setdefault(group, text)
    often = Counter(described.values())
    groups = {group for dump in dumps.values() for group in dump.descriptions}
    return {
        group: f"group {group}" if group not in described
        else described[group] if often[described[group]] == 1
        else f"{described[group]} (group {group})"
        for group in groups
    }  # fmt: skip


def _open_calls(dump: FlightDump) -> dict[str, Call]:
    """By group the first collective from which the rank has not come out.

    A rank whose backend never says that a collective has ended is taken to be in the last one only.
    """
    waiting = [call for calls in dump.calls.values() for call in calls if not call.done]
    if not dump.says:
        waiting = [max(waiting, key=lambda call: call.time_ns)] if waiting else []
    found: dict[str, Call] = {}
    for call in waiting:
        found.setdefault(call.group, call)
    for group, status in dump.status.items():
        listed = max((call.seq for call in dump.calls.get(group, ())), default=0)
        if group not in found and status.enqueued > max(status.completed, listed, 0):
            found[group] = Call(group, status.enqueued, FORGOTTEN, "", False, 0, "")
    return found


def _state(
    dump: FlightDump,
    waiting: Mapping[str, Call],
    members: Mapping[str, Sequence[int]],
    entered: Mapping[str, Mapping[int, int | None]],
) -> RankState:
    """The rank as its dump shows it: what it entered, and in which of its groups it has not come out again."""
    state = RankState(dump.rank)
    for group in members:
        reached = entered[group].get(dump.rank, 0)
        state.entered[group] = FAR if reached is None else reached
    for number, call in enumerate(waiting.values()):
        state.waiters[number] = _wait(call)
    if not state.waiters:
        state.waiters[0] = None  # it was doing something else
    return state


def _wait(call: Call) -> Wait:
    return Wait(call.group, call.seq, call.name, Need.ALL, -1, 0, call.time_ns, "", "", site=call.site)


def _line(rank: int, wait: Wait, lacks: tuple[int, ...], names: Mapping[str, str]) -> WaitLine:
    return WaitLine(
        rank=rank, comm=wait.comm, kind="torch", name=names.get(wait.comm, wait.comm), op=wait.op, seq=wait.seq, phase="",
        shape="", lacks=lacks, site=wait.site,
    )  # fmt: skip


def _unfinished(
    dumps: Mapping[int, FlightDump],
    open_calls: Mapping[int, Mapping[str, Call]],
    members: Mapping[str, Sequence[int]],
    entered: Mapping[str, Mapping[int, int | None]],
    names: Mapping[str, str],
) -> tuple[WaitLine, ...]:
    """Each operation that a rank has begun and not ended, with the members that are not known to have come to it."""
    lacking: dict[tuple[str, int], tuple[int, ...]] = {}

    def lacks(group: str, seq: int) -> tuple[int, ...]:
        if (group, seq) not in lacking:
            reached = {rank: entered[group].get(rank, 0) for rank in members[group]}
            lacking[group, seq] = tuple(rank for rank, last in reached.items() if last is not None and last < seq)
        return lacking[group, seq]

    found = [
        _line(rank, _wait(call), lacks(call.group, call.seq), names)
        for rank, calls in open_calls.items()
        for call in calls.values()
    ]
    peers = [
        _line(rank, _wait(call), (), names)
        for rank, dump in dumps.items()
        if (call := next((call for call in dump.peer_calls if not call.done), None))
    ]
    return (*found, *peers)
