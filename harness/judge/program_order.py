"""The order in which ranks of a program come to its lines: who has passed one by that others wait at. Pure.

Ranks run one program, so that what a rank begins, operation and line, comes in one order on all of them. Who waits at a line
to which another has not come may be early; who stands behind it without having been there left the common path. Where the
order cannot be told from what ranks did, lines of one function are taken to be run from above to below.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from lockstep.harness.judge.history import Entry, History, Message
from lockstep.harness.judge.pairing import operation

EARLIER = 3  # times that are looked back at


class Step(NamedTuple):
    """What a rank began: the operation, the line, and for the how manieth time."""

    operation: str
    site: str
    time: int


class Order(enum.IntEnum):
    """How a rank stands to a line that another waits at; the higher, the surer."""

    BEHIND = -1  # it has not come to it yet
    UNKNOWN = 0
    BELOW = 1  # it stands further down in the same function
    AHEAD = 2  # it is where the waiting rank has not been yet
    PASSED = 3  # on other ranks its place comes after that line


class Course:
    """The steps of all ranks."""

    def __init__(self, histories: Mapping[int, History]) -> None:
        self._places: dict[int, dict[Step, int]] = {}
        self._counts: dict[int, Counter[tuple[str, str]]] = {}
        self._last: dict[int, Step] = {}
        self._steps: dict[tuple[int, int], Step] = {}  # rank, place of the event
        for rank, history in histories.items():
            counts: Counter[tuple[str, str]] = Counter()
            places = self._places[rank] = {}
            for begun in _begun(history):
                what = _what(begun)
                counts[what] += 1
                self._last[rank] = Step(*what, counts[what])
                places[self._last[rank]] = len(places)
                self._steps[rank, begun.at] = self._last[rank]
            self._counts[rank] = counts
        self._now = Counter(self._last.values())

    def last(self, rank: int) -> Step | None:
        """What a rank began last."""
        return self._last.get(rank)

    def at(self, rank: int, entry: Entry | Message) -> Step:
        """What one of its entries is, counted."""
        return self._steps.get((rank, entry.at)) or Step(*_what(entry), 1)

    def stands(self, waiter: int, at: Step, other: int, now: Step) -> Order:
        """How `other`, which is at `now`, stands to what `waiter` waits at."""
        others = [places for rank, places in self._places.items() if rank not in (waiter, other)]
        found = _votes(others, at, now)
        if found is Order.UNKNOWN and now in self._places.get(waiter, ()) and now != at:
            return Order.BEHIND
        # As it was the times before, on any rank.
        for earlier in range(1, min(at.time, now.time, EARLIER)):
            if found is Order.UNKNOWN:
                found = _votes(self._places.values(), _before(at, earlier), _before(now, earlier))
        if found is not Order.UNKNOWN:
            return found
        # Weaker signs are none against more ranks than those that wait.
        more = self._now[at] - self._now[now]
        if more < 0:
            return Order.UNKNOWN
        if (at.time > 1 or more) and 0 < self._counts.get(waiter, Counter())[now.operation, now.site] < now.time:
            return Order.AHEAD
        return _by_line(at.site, now.site) or self._left_a_round(waiter, at, other, now)

    def _left_a_round(self, waiter: int, at: Step, other: int, now: Step) -> Order:
        """By rounds, where the lines are in different functions: what `waiter` does again `other` has done as often before,
        and is now where `waiter` has never been.
        """
        known, place = self._counts.get(other, Counter()), (at.operation, at.site)
        again = 0 < known[place] == at.time - 1 and not self._counts.get(waiter, Counter())[now.operation, now.site]
        lines = _line(at.site), _line(now.site)
        return Order.BELOW if again and None not in lines and at.site != now.site else Order.UNKNOWN


def _before(step: Step, times: int) -> Step:
    return step._replace(time=step.time - times)


def _votes(ranks: Iterable[Mapping[Step, int]], at: Step, now: Step) -> Order:
    """In which order most of those came to two steps that came to both."""
    votes = Counter(places[at] < places[now] for places in ranks if at in places and now in places and at != now)
    if votes[True] == votes[False]:
        return Order.UNKNOWN
    return Order.PASSED if votes[True] > votes[False] else Order.BEHIND


def _by_line(at: str, now: str) -> Order:
    """By the lines, where both are in one function of one file."""
    one, other = _line(at), _line(now)
    if one is None or other is None or one[:2] != other[:2] or one[2] == other[2]:
        return Order.UNKNOWN
    return Order.BELOW if other[2] > one[2] else Order.BEHIND


def _line(site: str) -> tuple[str, str, int] | None:
    place, _, function = site.partition(" in ")
    file, _, line = place.rpartition(":")
    return (file, function, int(line)) if file and line.isdigit() else None


def _begun(history: History) -> list[Entry | Message]:
    """Collectives and messages in the order of their beginning; a wait for a posted one is no beginning."""
    seen: set[tuple[str, int]] = set()
    found: list[Entry | Message] = []
    for entry in history.entries:
        if (entry.comm, entry.seq) not in seen:
            seen.add((entry.comm, entry.seq))
            found.append(entry)
    began: set[tuple[str, bool, int, int, int]] = set()
    for message in history.messages:
        key = (message.comm, message.sends, message.peer, message.tag, message.seq)
        if key not in began:
            began.add(key)
            found.append(message)
    return sorted(found, key=lambda begun: begun.at)


def _what(begun: Entry | Message) -> tuple[str, str]:
    if isinstance(begun, Entry):
        return operation(begun), begun.site
    return ("send" if begun.sends else "recv"), begun.site


class Shift(NamedTuple):
    """A collective that all members entered as the same, but some at another line: from there on they are out of step."""

    comm: str
    seq: int
    entries: dict[int, Entry]
    left: tuple[int, ...]  # who is ahead there


def first_shift(histories: Mapping[int, History], course: Course) -> Shift | None:
    """The earliest, in program order, of all communicators.

    A line that only some ranks ever run is a branch of theirs, and no shift: the line of who is ahead must be one that the
    others run too.
    """
    found: list[tuple[int, Shift]] = []
    for comm, entered in _by_comm(histories).items():
        runs = {rank: {entry.site for entry in entries.values()} for rank, entries in entered.items()}
        for seq in sorted({seq for entries in entered.values() for seq in entries}):
            here = {rank: entries[seq] for rank, entries in entered.items() if seq in entries}
            if len({entry.site for entry in here.values()}) < 2:
                continue
            if left := _ahead(here, runs, course):
                others = [entry.at for rank, entry in here.items() if rank not in left]
                found.append((min(others), Shift(comm, seq, here, left)))
                break
    return min(found, key=lambda one: one[0])[1] if found else None


def _by_comm(histories: Mapping[int, History]) -> dict[str, dict[int, dict[int, Entry]]]:
    found: dict[str, dict[int, dict[int, Entry]]] = {}
    for rank, history in histories.items():
        for entry in history.entries:
            if entry.site and (history.gap is None or entry.at < history.gap):
                found.setdefault(entry.comm, {}).setdefault(rank, {}).setdefault(entry.seq, entry)
    return found


def _ahead(here: Mapping[int, Entry], runs: Mapping[int, set[str]], course: Course) -> tuple[int, ...]:
    """Of members that entered one number at different lines, those that are ahead of most others; of two, the one."""
    lines: dict[str, list[int]] = {}
    for rank, entry in here.items():
        lines.setdefault(entry.site, []).append(rank)
    common = max(lines.values(), key=len)
    fewer = [ranks for ranks in lines.values() if ranks is not common]
    if all(len(ranks) < len(common) for ranks in fewer):
        of_others = [runs[rank] for rank in common]
        left = [r for ranks in fewer for r in ranks if any(here[r].site in known for known in of_others)]
        return tuple(sorted(left))
    if len(lines) != 2:
        return ()
    one, other = (ranks[0] for ranks in lines.values())
    if here[one].site not in runs[other] and here[other].site not in runs[one]:
        return ()
    first = course.stands(one, course.at(one, here[one]), other, course.at(other, here[other]))
    second = course.stands(other, course.at(other, here[other]), one, course.at(one, here[one]))
    if first == second:
        return ()
    return tuple(sorted(lines[here[other].site] if first > second else lines[here[one].site]))
