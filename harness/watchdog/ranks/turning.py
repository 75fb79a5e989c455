"""Threads of one process that turn in a loop whose waits end by themselves: seen at one line again, and woken meanwhile.

That is no proof, and no progress either: who computes, or sleeps once for long, is none of them. No sockets, no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

TURNS = 2  # that a thread has been woken so often between two looks


class Loop(NamedTuple):
    """One thread in a wait with a limit of time."""

    thread: int
    op: str
    site: str  # the program's line; empty: not known
    text: str  # what is doubted of it
    steps: int  # how often it has been switched away from
    turns: bool  # whether only those of the job could end its wait sooner

    @staticmethod
    def read(told: Any) -> Loop | None:
        """As a supervisor tells it; None for what makes no sense."""
        try:
            steps = sum(map(int, told["steps"]))
            return Loop(
                int(told["thread"]), str(told["op"]), str(told["site"]), str(told["text"]), steps, told["turns"] is True
            )
        except (LookupError, TypeError, ValueError):
            return None


@dataclass(slots=True)
class Turning:
    """`loops`: the threads that have turned. `only`: whether nothing else is awake. `number`: of its last event."""

    loops: tuple[Loop, ...] = ()
    only: bool = False
    number: int = -1
    _last: Mapping[int, Loop] = field(default_factory=dict)

    @property
    def all_turn(self) -> bool:
        """Whether all of it that is awake turns in loops."""
        return self.only and bool(self.loops) and len(self.loops) == len(self._last)

    def take(self, told: Iterable[Any], number: int, doubts: Sequence[str]) -> None:
        """What was told of its threads in such waits, and all that was doubted of it."""
        found = [loop for one in told if (loop := Loop.read(one)) is not None]
        last = self._last if number == self.number else {}
        self.loops = tuple(one for one in found if one.thread in last and _turned(last[one.thread], one))
        self.only = set(doubts) <= {one.text for one in found}
        self.number, self._last = number, {one.thread: one for one in found}


def _turned(before: Loop, now: Loop) -> bool:
    return now.turns and (before.op, before.site) == (now.op, now.site) and now.steps - before.steps >= TURNS
