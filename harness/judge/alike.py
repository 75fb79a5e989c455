"""Ranks that did the same: the judge compares each two kinds of ranks once, and not each two ranks. Pure.

Where ten thousand ranks run one program there are few kinds of them; every comparison of two ranks depends on their kinds,
and on where they meet, alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

from lockstep.harness.judge.history import History


class Alike:
    """Kinds of ranks. Two ranks are of one kind if they did the same in the same communicators, at the same places."""

    def __init__(self, histories: Mapping[int, History]) -> None:
        self._histories = histories
        self._member_of: dict[int, set[str]] = defaultdict(set)
        for key, members in {key: info.members for h in histories.values() for key, info in h.comms.items()}.items():
            for member in members:
                self._member_of[member].add(key)
        self._numbers: dict[Hashable, int] = {}
        self._did: dict[int, int] = {}
        self._kinds: dict[int, int] = {}
        self._peers: dict[int, dict[int, tuple[int, ...]]] = {}

    def pairs(self, waits: Iterable[tuple[int, Sequence[int]]]) -> Iterator[tuple[int, int]]:
        """Of all pairs that are alike the first, the lower rank first. `waits`: ranks, each with those that it lacks."""
        lists: set[tuple[int, int]] = set()
        kept: list[Sequence[int]] = []  # so that no other list gets the same identity
        kinds: set[tuple[int, int]] = set()
        meetings: set[Hashable] = set()
        for rank, lacks in waits:
            if rank not in self._histories:
                continue
            if (mark := (self._kind(rank), id(lacks))) in lists:
                continue
            lists.add(mark)
            kept.append(lacks)
            for peer in lacks:
                if peer == rank or peer not in self._histories:
                    continue
                one, two = min(rank, peer), max(rank, peer)
                both = (self._kind(one), self._kind(two))
                if both in kinds:
                    continue
                kinds.add(both)
                if (meeting := self._meeting(one, two)) not in meetings:
                    meetings.add(meeting)
                    yield one, two

    def _number(self, thing: Hashable) -> int:
        return self._numbers.setdefault(thing, len(self._numbers))

    def _done(self, rank: int) -> int:
        """What a rank did, whatever its communicators are called and whomever it exchanged messages with."""
        if rank not in self._did:
            history = self._histories[rank]
            place = {key: number for number, key in enumerate(history.comms)}
            entries = tuple((e.at, place.get(e.comm, -1), e.seq, e.token, e.size) for e in history.entries)
            decisions = tuple((d.at, d.site, d.key, d.choice, d.deviates) for d in history.decisions)
            messages = tuple(
                (m.at, place.get(m.comm, -1), m.sends, m.peer < 0, m.tag, m.seq, m.what, m.posted, m.phase, m.shape)
                for m in history.messages
            )
            self._did[rank] = self._number((entries, decisions, messages, history.ended_at, history.gap))
        return self._did[rank]

    def _kind(self, rank: int) -> int:
        if rank not in self._kinds:
            history = self._histories[rank]
            alone = rank if history.messages else -1
            where = (tuple(history.comms), frozenset(self._member_of[rank]))
            self._kinds[rank] = self._number((self._done(rank), where, alone))
        return self._kinds[rank]

    def _meeting(self, one: int, two: int) -> Hashable:
        """All that a comparison of two ranks depends on."""
        mine, other = self._histories[one], self._histories[two]
        shared = (mine.comms.keys() & self._member_of[two]) | (other.comms.keys() & self._member_of[one])
        first, second = list(mine.comms), list(other.comms)
        places = sorted((_at(first, key), _at(second, key)) for key in shared)
        messages = (self._with(one).get(two, ()), self._with(two).get(one, ()))
        return (self._done(one), self._done(two), tuple(places), messages)

    def _with(self, rank: int) -> dict[int, tuple[int, ...]]:
        """The numbers of a rank's messages, by peer."""
        if rank not in self._peers:
            found: dict[int, list[int]] = defaultdict(list)
            for number, message in enumerate(self._histories[rank].messages):
                found[message.peer].append(number)
            self._peers[rank] = {peer: tuple(numbers) for peer, numbers in found.items()}
        return self._peers[rank]


def _at(keys: Sequence[str], key: str) -> int:
    return keys.index(key) if key in keys else -1
