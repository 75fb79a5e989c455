"""Whom to blame where ranks of a program log no decisions: who first left the common path, by operations and lines. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from lockstep.harness.judge import words
from lockstep.harness.judge.flight import diagnose
from lockstep.harness.judge.graph import Stuck
from lockstep.harness.judge.history import Entry
from lockstep.harness.judge.matching import Mispair
from lockstep.harness.judge.mismatch import is_message
from lockstep.harness.judge.names import group_name
from lockstep.harness.judge.omitted import omitted
from lockstep.harness.judge.pairing import token
from lockstep.harness.judge.program_order import Course, Order, Step, first_shift
from lockstep.harness.judge.snapshot import CaseSnapshot
from lockstep.harness.judge.unbuffered import unbuffered
from lockstep.harness.judge.verdict import Blame
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import STREAM_WAITER, Status


def hang_blame(case: CaseSnapshot, mismatch: bool) -> Blame | None:
    """By where ranks first left the common path: at another line of what still paired, in what did not, or by not coming."""
    if not mismatch and (apart := _named_apart(case)):
        return apart
    course = Course(case.histories)
    shift = first_shift(case.histories, course)
    if shift is not None:
        return _by_entries(case, shift.comm, shift.seq, shift.entries, shift.left)
    return _mismatch_blame(case, course) if mismatch else _knot_blame(case, course)


def _mismatch_blame(case: CaseSnapshot, course: Course) -> Blame | None:
    """By the first collective that members entered as different ones, with both sides' lines."""
    found = [mispair for mispair in case.mispairs if _waited_in(case, mispair)] or list(case.mispairs)
    if not found:
        return None
    first = min(found, key=lambda mispair: min(entry.at for entry in mispair.entries.values()))
    blamed = _who_left(course, _groups(first.entries), first.entries)
    return _by_entries(case, first.comm, first.seq, first.entries, blamed)


def _by_entries(case: CaseSnapshot, comm: str, seq: int, entries: Mapping[int, Entry], blamed: Sequence[int]) -> Blame:
    """Who entered one collective as what, and where."""
    listed = {_entry_words(entry): ranks for entry, ranks in _groups(entries)}
    text = words.mispaired_text(f"{group_name(case, comm)} #{seq}", listed)
    entry = entries[blamed[0]]
    site = f"{case.comms.get(comm, ('', comm))[1]}.{entry.op}"
    return Blame(tuple(blamed), "collective", text, site=site, choice=entry.op, choices=listed)


def _waited_in(case: CaseSnapshot, mispair: Mispair) -> bool:
    """Whether somebody waits in its communicator still: what was mispaired elsewhere has come to an end."""
    return any(
        wait.comm == mispair.comm
        for rank in mispair.entries
        if case.states[rank].status is Status.RUNNING
        for _, wait in case.states[rank].waits()
    )


def _groups(entries: Mapping[int, Entry]) -> list[tuple[Entry, list[int]]]:
    """Ranks that entered it as the same, at the same line."""
    found: dict[object, list[int]] = defaultdict(list)
    for rank, entry in sorted(entries.items()):
        found[token(entry), entry.op, entry.size, entry.data, entry.site].append(rank)
    return [(entries[ranks[0]], ranks) for ranks in found.values()]


def _who_left(course: Course, groups: Sequence[tuple[Entry, list[int]]], entries: Mapping[int, Entry]) -> list[int]:
    """The fewest that entered it as one; of as many, who stands behind the others' line; else all."""
    by_token: dict[object, list[int]] = defaultdict(list)
    for entry, ranks in groups:
        by_token[token(entry), entry.size if len({e.op for e, _ in groups}) == 1 else -1] += ranks
    sides = sorted(by_token.values(), key=len)
    least = [side for side in sides if len(side) == len(sides[0])]
    if len(least) == 1 and len(sides) > 1:
        return sorted(least[0])

    def beyond(side: Sequence[int]) -> Order:
        mine = course.at(side[0], entries[side[0]])
        others = [other for other in least if other is not side]
        return max(course.stands(o[0], course.at(o[0], entries[o[0]]), side[0], mine) for o in others)

    guilty = {side[0]: beyond(side) for side in least}
    most = max(guilty.values())
    chosen = [side for side in least if guilty[side[0]] is most and most > Order.UNKNOWN]
    return sorted(chosen[0]) if len(chosen) == 1 else sorted(rank for side in least for rank in side)


def _entry_words(entry: Entry) -> str:
    root = f" with root {entry.root}" if entry.root >= 0 else ""
    blocking = "non-blocking " if entry.posted and entry.comm.startswith("mpi:") else ""
    return f"{blocking}{words.entry_words(entry)}{root}" + (f" at {entry.site}" if entry.site else "")


def _knot_blame(case: CaseSnapshot, course: Course) -> Blame | None:
    """Of ranks that others wait for, by the one that has passed what they wait in; None where the order tells nothing."""
    best: tuple[Order, int, Stuck] | None = None
    for stuck in case.knot:
        step = _step(case, course, stuck)
        if stuck.thread >= STREAM_WAITER or step is None:
            continue
        for peer in stuck.lacks:
            now = course.last(peer) if peer in case.histories else None
            if now is None or peer == stuck.rank or case.states[peer].status is not Status.RUNNING:
                continue
            order = course.stands(stuck.rank, step, peer, now)
            if order > Order.UNKNOWN and (best is None or (order, -len(stuck.lacks)) > best[:2]):
                best = (order, -len(stuck.lacks), stuck)
    if best is None:
        return None
    stuck = best[2]
    step = _step(case, course, stuck)
    now_at = {peer: now for peer in stuck.lacks if (now := course.last(peer)) is not None}
    ahead = [peer for peer, now in now_at.items() if step and course.stands(stuck.rank, step, peer, now) > Order.UNKNOWN]
    return _never_came(case, stuck, tuple(ahead))


def _step(case: CaseSnapshot, course: Course, stuck: Stuck) -> Step | None:
    if stuck.wait.need is Need.STREAM or is_message(stuck.wait.op):
        return None  # who sends runs other lines than who receives
    history = case.histories[stuck.rank]
    at = (stuck.wait.comm, stuck.wait.seq)
    entry = next((entry for entry in reversed(history.entries) if (entry.comm, entry.seq) == at), None)
    first = next((entry for entry in history.entries if (entry.comm, entry.seq) == at), entry)
    return course.at(stuck.rank, first) if first is not None else None


def _never_came(case: CaseSnapshot, stuck: Stuck, ranks: tuple[int, ...]) -> Blame:
    wait, state = stuck.wait, case.states[ranks[0]]
    name = group_name(case, wait.comm)
    what = f"{name} {wait.op} #{wait.seq}" + (f" (at {wait.site})" if wait.site else "")
    text = words.missing_text(ranks, what, wait.phase)
    site = f"{case.comms[wait.comm][1]}.{wait.op}"
    return Blame(ranks, "collective", text, site=site, phase=state.phase, shape=state.shape)


def _named_apart(case: CaseSnapshot) -> Blame | None:
    """Ranks that make one group under two names, and so wait for each other in the making of it."""
    waits: dict[tuple[tuple[int, ...], str], list[Stuck]] = defaultdict(list)
    for stuck in case.knot:
        group = tuple(sorted(case.histories[stuck.rank].comms[stuck.wait.comm].members)) if stuck.wait.comm else ()
        if stuck.wait.op == "new_group":
            waits[group, stuck.wait.site].append(stuck)
    for (group, site), found in waits.items():
        names = {stuck.wait.comm: stuck.rank for stuck in found}
        if len(names) > 1:
            listed = "; ".join(f"{case.comms[comm][1]} on {_on(found, comm)}" for comm in names)
            place = f" at {site}" if site else ""
            text = f"The group of {words.ranks_text(group)} is made{place} under different names: {listed}"
            return Blame(tuple(sorted(names.values())), "collective", text, site="new_group")
    return None


def _on(found: Sequence[Stuck], comm: str) -> str:
    return words.ranks_text(stuck.rank for stuck in found if stuck.wait.comm == comm)


def stall_blame(case: CaseSnapshot) -> Blame | None:
    """What nothing proves: by a mismatch that somebody still waits in, by messages that nobody receives, by what
    Flight Recorders say of operations that no event tells of, or by who has called fewer collectives than the others."""
    failed = (Status.RAISED, Status.ABORTED, Status.DEAD)
    if any(state.status in failed for state in case.states.values()):
        return None
    if any(_waited_in(case, mispair) for mispair in case.mispairs):
        return hang_blame(case, mismatch=True)
    return unreceived_blame(case) or _flight_blame(case) or omitted(case)


def unreceived_blame(case: CaseSnapshot) -> Blame | None:
    """By sends that wait, and that their receivers, which wait too, have not asked for."""
    found = [stuck for stuck in unbuffered(case.states, case.members) if stuck.wait.op.partition(" ")[0] == "send"]
    if not found:
        return None
    parts = [
        f"rank {stuck.rank} waits in send #{stuck.wait.seq} of tag {stuck.wait.tag} to rank {stuck.wait.peer}"
        + (f" at {stuck.wait.site}" if stuck.wait.site else "")
        for stuck in found
    ]
    text = f"Messages that nobody has begun to receive: {'; '.join(parts)}"
    ranks = tuple(sorted({stuck.rank for stuck in found}))
    name = case.comms[found[0].wait.comm][1]
    return Blame(ranks, "message", text, site=f"{name}.send")


def _flight_blame(case: CaseSnapshot) -> Blame | None:
    """By PyTorch's own record, which holds what C++ and compiled graphs issue too."""
    if not case.collected.flights:
        return None
    try:
        told = diagnose(case.collected.flights)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):  # no dump as PyTorch writes it: it tells nothing
        return None
    if not told.mismatches or not told.blame:
        return None
    return Blame(
        tuple(told.blame), "collective", f"By PyTorch's Flight Recorder: {told.text.rstrip('.')}", site="flight-recorder"
    )
