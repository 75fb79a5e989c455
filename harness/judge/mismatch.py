"""All have come, to different operations: members of a communicator that entered one number as something else. Pure.

A collective that a member has entered under a number stays what it is: where two never pair, neither ever ends, whatever
anybody still does. That needs no snapshot that held together.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lockstep.harness.judge.datatypes import sizes_differ
from lockstep.harness.judge.history import NO_OPERATION, Entry, entry_of
from lockstep.harness.judge.limits import SOON_S
from lockstep.harness.judge.pairing import SLOTS, never_pair, token
from lockstep.harness.trace.event import RECORD, Kind, Need, Record
from lockstep.harness.trace.state import CommInfo, RankState

LIBRARY = "library:"  # before the kind of communicator, in what a rank tells of its environment
TAIL = 4096  # events of a rank that are looked through: what it waits in stands among the last

Place = tuple[str, int]  # communicator, number
Entered = Mapping[int, Mapping[Place, Entry]]  # by rank


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One collective as those that have come to it entered it. `waits`: ranks that are in it."""

    comm: str
    seq: int
    entries: dict[int, Entry]
    waits: tuple[int, ...]


def is_message(op: str) -> bool:
    """Whether an operation is point-to-point."""
    return op.partition(" ")[0] in ("send", "recv", "probe")


def recent(records: bytes | bytearray, text: Callable[[int], str], comms: Mapping[int, CommInfo]) -> dict[Place, Entry]:
    """The collectives among a rank's last events. Of one that was posted and is waited for, the posting counts."""
    found: dict[Place, Entry] = {}
    begin = max(0, len(records) - TAIL * RECORD.size)
    for at, fields in enumerate(RECORD.iter_unpack(memoryview(records)[begin:])):
        if fields[1] not in (Kind.ENTER, Kind.POST):
            continue
        record = Record._make(fields)
        info = comms.get(record.comm)
        op = text(record.a)
        if info is None or record.b in NO_OPERATION or is_message(op):
            continue
        site, data = (text(ident) if ident else "" for ident in (record.site, record.data))
        found.setdefault((info.key, record.seq), entry_of(at, record, info, op, "", "", site, data))
    return found


def libraries(records: bytes | bytearray, text: Callable[[int], str]) -> dict[str, str]:
    """The libraries of a rank and their versions, by the kind of communicator, as its first events tell."""
    found: dict[str, str] = {}
    for fields in RECORD.iter_unpack(memoryview(records)[: TAIL * RECORD.size]):
        if fields[1] == Kind.ENVIRONMENT:
            with contextlib.suppress(ValueError, TypeError, RecursionError):
                told = dict(json.loads(text(fields[5])))
                found |= {key.removeprefix(LIBRARY): str(told[key]) for key in told if key.startswith(LIBRARY)}
    return found


def mismatches(states: Mapping[int, RankState], entered: Entered, members: Mapping[str, Sequence[int]]) -> list[Mismatch]:
    """Every collective that somebody waits in and that members entered as different ones."""
    waits: dict[Place, list[int]] = {}
    for rank, state in sorted(states.items()):
        for _, wait in state.waits():
            # Messages have numbers of their own.
            if not is_message(wait.op) and (wait.comm, wait.seq) in entered.get(rank, ()):
                waits.setdefault((wait.comm, wait.seq), []).append(rank)
    found: list[Mismatch] = []
    for place, ranks in sorted(waits.items()):
        entries = {
            member: entered[member][place]
            for member in members.get(place[0], ())
            if member in entered and place in entered[member]
        }
        if len({token(entry) for entry in entries.values()}) > 1 or sizes_differ(entries.values()):
            found.append(Mismatch(*place, entries, tuple(ranks)))
    return found


def hopeless(
    states: Mapping[int, RankState],
    found: Sequence[Mismatch],
    members: Mapping[str, Sequence[int]],
    versions: Mapping[int, Mapping[str, str]],
    hosts: Mapping[int, str],
) -> dict[tuple[int, str, int], tuple[int, ...]]:
    """The waits that surely never end, and the members that came to something else.

    `versions`: of each rank's libraries, as it tells them; `hosts`: where each runs.
    """
    lost: dict[tuple[int, str, int], tuple[int, ...]] = {}
    for mismatch in found:
        group = members[mismatch.comm]
        one_host = len({hosts.get(member, "") for member in group}) == 1
        at = (mismatch.comm, mismatch.seq)
        for rank in mismatch.waits:
            needs = {
                wait.need: wait
                for _, wait in states[rank].waits()
                if (wait.comm, wait.seq) == at and not is_message(wait.op)
            }
            wait = needs.get(Need.ALL) or needs.get(Need.ROOT)
            # A prefix needs those below, by MPI's promise; that it never ends beside another operation is measured for any
            # rank. One of Python's objects tells no datatype: it is a chain of messages, which a later prefix could meet.
            if mismatch.entries[rank].data:
                wait = wait or needs.get(Need.BELOW)
            if wait is None or states[rank].kept_out:  # there it is at the first of several calls of MPI, which may pair
                continue
            asked = [wait.peer] if wait.need is Need.ROOT else [member for member in group if member != rank]
            others = tuple(
                member
                for member in asked
                if member in mismatch.entries
                and versions.get(rank) == versions.get(member)
                and never_pair(
                    versions.get(rank, {}), mismatch.entries[rank], mismatch.entries[member], rank, member, group, one_host
                )
            )
            if others:
                lost[rank, mismatch.comm, mismatch.seq] = others
    return _of_those_who_stay(lost, states)


def _of_those_who_stay(
    lost: dict[tuple[int, str, int], tuple[int, ...]], states: Mapping[int, RankState]
) -> dict[tuple[int, str, int], tuple[int, ...]]:
    """Those whose member stands in the other operation in turn, or has ended.

    MPI's libraries tell collectives apart by their operation, not by their number: a member that leaves the other one may
    enter the matching one later, by mistake, and end the wait. Where messages carry both there is no such second chance.
    """
    left: dict[tuple[int, str, int], tuple[int, ...]] = {}
    for (rank, comm, seq), others in lost.items():
        numbered = comm.partition(":")[0] in SLOTS
        stay = others if numbered else tuple(m for m in others if states[m].gone or (m, comm, seq) in lost)
        if stay:
            left[rank, comm, seq] = stay
    return left if left == lost else _of_those_who_stay(left, states)


def standing(found: Sequence[Mismatch], states: Mapping[int, RankState], inside: Sequence[int]) -> Mismatch | None:
    """The first that may be judged without a proof: whoever has come to it waits in it, and nobody may go on by himself.

    `inside`: ranks that are known to be in it though no event says so.
    """
    for mismatch in found:
        at = (mismatch.comm, mismatch.seq)
        timed = any(
            wait.need is Need.TIMED and (wait.comm, wait.seq) == at and wait.limit_s <= SOON_S
            for rank in mismatch.waits
            for _, wait in states[rank].waits()
        )
        blind = any(states[rank].blind or states[rank].opaque for rank in mismatch.entries)
        if not timed and not blind and not any(s.runs for rank, s in states.items() if rank not in inside):
            return mismatch
    return None
