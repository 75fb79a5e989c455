"""The registry: every supervisor that has said hello, where it runs, when it was last heard, and what it has answered.
No sockets, no clock.
"""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lockstep.harness.channel.to_watchdog import Hello
from lockstep.harness.judge import words


@dataclass(slots=True)
class SupervisorEntry:
    """One supervisor."""

    hello: Hello  # what it said of itself
    heard_s: float  # on the clock of the time in which the watchdog listened
    answered: int = 0  # the last call that it has answered
    said_bye: bool = False
    launcher_lost: str = ""  # the daemon that had started it, when that is gone
    closed: bool = False  # its connection is gone, and with it the supervisor
    longest_s: float = 0.0  # between two messages

    @property
    def host(self) -> str:
        """The name that its host gives itself."""
        return self.hello.host

    @property
    def machine(self) -> str:
        """What tells its host from others."""
        return self.hello.machine

    @property
    def pid(self) -> int:
        """Of what it has started."""
        return self.hello.pid

    @property
    def supervisor(self) -> int:
        """Its own process."""
        return self.hello.supervisor


class Registry:
    """The supervisors of a case, by the number that the launcher gave them.

    Over the size we keep: each method is one question about the same entries, and keeps nothing of its own.
    """

    def __init__(self, world: int) -> None:
        self.world = world
        self.listened_s = 0.0  # the time in which the watchdog has listened
        self._entries: dict[int, SupervisorEntry] = {}
        self._numbers: list[int] = []  # in order

    def __getitem__(self, number: int) -> SupervisorEntry:
        return self._entries[number]

    def __contains__(self, number: int) -> bool:
        return number in self._entries

    def __iter__(self) -> Iterator[tuple[int, SupervisorEntry]]:
        return ((number, self._entries[number]) for number in self._numbers)

    def join(self, number: int, hello: Hello, now_s: float) -> None:
        """A supervisor said hello."""
        if number not in self._entries:
            insort(self._numbers, number)
        self._entries[number] = SupervisorEntry(hello, now_s)

    def heard(self, number: int, now_s: float) -> SupervisorEntry:
        """A message of a supervisor came."""
        entry = self._entries[number]
        entry.longest_s = max(entry.longest_s, now_s - entry.heard_s)
        entry.heard_s = now_s
        return entry

    def complete(self) -> bool:
        """Whether all supervisors have said hello."""
        return len(self._entries) == self.world

    def missing(self) -> list[int]:
        """The supervisors that have not said hello."""
        return sorted(set(range(self.world)) - set(self._entries))

    def present(self, call: int) -> bool:
        """Whether everybody has answered this call, or has said bye."""
        return self.complete() and all(entry.answered >= call or entry.said_bye for _, entry in self)

    def silent(self, silence_s: float) -> list[int]:
        """Who has said nothing for too long."""
        return [number for number, e in self if self.listened_s - e.heard_s > silence_s and not e.said_bye]

    def closed(self) -> list[int]:
        """Whose connection is gone without a bye."""
        return [number for number, entry in self if entry.closed and not entry.said_bye]

    def without_launcher(self) -> dict[int, str]:
        """Whose daemon of the launcher is gone, and what that was."""
        return {number: entry.launcher_lost for number, entry in self if entry.launcher_lost}

    def gone(self, silence_s: float) -> bool:
        """Whether nobody is left: each has said bye, has gone, or has been silent for too long."""
        lost = {*self.silent(silence_s), *self.closed()}
        return all(entry.said_bye or number in lost for number, entry in self)

    def machines(self) -> dict[str, list[int]]:
        """The supervisors of each host, in the order of their numbers."""
        found: dict[str, list[int]] = defaultdict(list)
        for number, entry in self:
            found[entry.machine].append(number)
        return found

    def places(self) -> dict[int, tuple[str, str]]:
        """Of each supervisor, the name of its host and what tells that one from others."""
        return {number: (entry.host, entry.machine) for number, entry in self}

    def where(self, numbers: Iterable[int]) -> str:
        """`node2 (ranks 2-3), node3 (rank 4)`."""
        by_host: dict[str, list[int]] = defaultdict(list)
        for number in numbers:
            by_host[self._entries[number].host].append(number)
        return ", ".join(f"{host} ({words.ranks_text(found)})" for host, found in by_host.items())
