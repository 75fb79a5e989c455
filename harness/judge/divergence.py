"""Where ranks parted: the first differing decision that leads into a knot. Pure.

Ranks may differ in many decisions that do no harm. The one to blame is the last on which two ranks differ before their
collectives stop matching; what follows (mis-paired collectives that complete, a block phases later on another
communicator) is its consequence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lockstep.harness.judge import clock
from lockstep.harness.judge.alike import Alike
from lockstep.harness.judge.clock import Time
from lockstep.harness.judge.history import Decision, Entry, History
from lockstep.harness.judge.matching import first_mismatch


@dataclass(frozen=True, slots=True)
class Split:
    """A decision on which ranks differ: its site and key, and which ranks made which choice."""

    site: str
    key: str
    phase: str
    choices: dict[str, list[int]]
    details: dict[int, str]
    deviating: tuple[int, ...]
    order: int  # its place among the decisions of the first deviating rank


def split_before(a: History, b: History) -> tuple[str, str, int] | None:
    """The decision (site, key, occurrence) that parted two ranks: the last on which they differ before the mismatch.

    Between the last matching collective and the mismatch there may be several; the first of them counts, since the
    others follow from it. When there is none, a choice counts that only one of the two had to make there and that leaves
    the common path (what it does about an error of its own, say); and at last the nearest earlier difference.
    """
    place = first_mismatch(a, b)
    if place is None:
        return None
    by_a, by_b = a.named_decisions, b.named_decisions
    last_match = _last_before(a, b.rank, place[0])
    differing = [
        (decision.at, name)
        for name, decision in by_a.items()
        if name in by_b and by_b[name].choice != decision.choice and decision.at < place[0] and by_b[name].at < place[1]
    ]
    after = [name for at, name in differing if at > last_match]
    if after:
        return after[0]
    alone = _alone(by_a, by_b, last_match, place[0])
    if alone is None:
        alone = _alone(by_b, by_a, _last_before(b, a.rank, place[1]), place[1])
    if alone is not None:
        return alone
    return differing[-1][1] if differing else None


def _last_before(history: History, peer: int, place: int) -> int:
    """Where a rank last entered a collective, or began a message with `peer`, before a place; -1 if never."""
    entered = [entry.at for entry in history.entries if entry.at < place]
    begun = [message.at for message in history.messages if message.peer == peer and message.at < place]
    return max((*entered, *begun), default=-1)


Name = tuple[str, str, int]


def _alone(mine: Mapping[Name, Decision], other: Mapping[Name, Decision], after: int, before: int) -> Name | None:
    """The first deviating decision between two places that the other rank did not make."""
    found = [
        (decision.at, name)
        for name, decision in mine.items()
        if name not in other and decision.deviates and after < decision.at < before
    ]
    return min(found)[1] if found else None


def parting(histories: Mapping[int, History], waits: Iterable[tuple[int, Sequence[int]]]) -> Split | None:
    """The decision that parted the ranks that wait from those that they lack: the earliest in program order."""
    found: dict[tuple[str, str, int], int] = {}
    for pair in Alike(histories).pairs(waits):
        name = split_before(histories[pair[0]], histories[pair[1]])
        if name is not None and name not in found:
            made = [histories[rank].named_decisions for rank in pair]
            found[name] = min(decisions[name].at for decisions in made if name in decisions)
    if not found:
        return None
    return split(histories, min(found, key=lambda name: (found[name], name)))


def split(histories: Mapping[int, History], name: tuple[str, str, int]) -> Split:
    """How all ranks chose at one decision."""
    made = {rank: history.named_decisions.get(name) for rank, history in sorted(histories.items())}
    choices: dict[str, list[int]] = defaultdict(list)
    for rank, decision in made.items():
        if decision is not None:
            choices[decision.choice].append(rank)
    taken = {rank: decision for rank, decision in made.items() if decision is not None}
    deviating = tuple(rank for rank, decision in taken.items() if decision.deviates)
    first = taken[deviating[0] if deviating else min(taken)]
    details = {rank: decision.detail for rank, decision in taken.items()}
    return Split(name[0], name[1], first.phase, dict(choices), details, deviating, first.at)


def first_split(histories: Mapping[int, History]) -> Split | None:
    """The first decision on which any ranks differ, harmless or not."""
    names = _splits(histories)
    return split(histories, min(names, key=lambda name: (names[name], name))) if names else None


def last_split(histories: Mapping[int, History]) -> Split | None:
    """The last decision on which any ranks differ: what a guard raised over, when collectives still matched."""
    names = _splits(histories)
    return split(histories, max(names, key=lambda name: (names[name], name))) if names else None


def own_split(histories: Mapping[int, History]) -> Split | None:
    """What the rank that failed first decided right before: its last decision, if that leaves the common path and neither a
    collective nor another shape came after it. The same choice of ranks that failed later is a consequence, or luck.

    None where ranks of different hosts failed so close together that their clocks cannot tell which came first.
    """
    failed = clock.first({rank: h.failed for rank, h in histories.items() if h.failed_at is not None})
    if len(failed) != 1 or not histories[failed[0]].decisions:
        return None
    first = histories[failed[0]]
    last = first.decisions[-1]
    if (
        not last.deviates
        or (last.phase, last.shape) != first.failed_in
        or any(entry.at > last.at for entry in first.entries)
    ):
        return None
    return Split(
        last.site, last.key, last.phase, {last.choice: [first.rank]}, {first.rank: last.detail}, (first.rank,), last.at
    )


def not_there(histories: Mapping[int, History], rank: int) -> tuple[Entry, list[int]] | None:
    """The last collective of a rank that failed, and the members that had not entered it by then; None: all may have.

    Collectives of a replayed graph, and those on a device, are no matter of the host's time.
    """
    failed = histories[rank]
    if not failed.entries or not failed.entries[-1].ns:
        return None
    last = failed.entries[-1]
    late = [
        member
        for member in failed.comms[last.comm].members
        if member in histories
        and not any(
            e.comm == last.comm and e.seq == last.seq and not failed.failed.before(Time(e.ns, histories[member].clock))
            for e in histories[member].entries
        )
    ]
    return (last, late) if late else None


def _splits(histories: Mapping[int, History]) -> dict[tuple[str, str, int], int]:
    """Every decision on which ranks differ, and its place in some rank's events."""
    found: dict[tuple[str, str, int], int] = {}
    chosen: dict[tuple[str, str, int], str] = {}
    for history in histories.values():
        for name, decision in history.named_decisions.items():
            if chosen.setdefault(name, decision.choice) != decision.choice:
                found[name] = min(decision.at, found.get(name, decision.at))
    return found


def most_repeated_veto(histories: Mapping[int, History], tail: int = 200) -> Split | None:
    """For a livelock: the site whose deviating choice recurs most in the last decisions of any rank."""
    count: dict[tuple[str, int], int] = defaultdict(int)
    last: dict[tuple[str, int], Decision] = {}
    for rank, history in histories.items():
        for decision in history.decisions[-tail:]:
            if decision.deviates:
                count[decision.site, rank] += 1
                last[decision.site, rank] = decision
    if not count:
        return None
    site, rank = max(count, key=lambda key: (count[key], key))
    decision = last[site, rank]
    ranks = tuple(sorted(r for s, r in count if s == site))
    details = {r: last[s, r].detail for s, r in count if s == site}
    return Split(site, decision.key, decision.phase, {decision.choice: list(ranks)}, details, ranks, decision.at)
