"""The pace: how often what is done, so that one watchdog can serve thousands of supervisors. Standard library, no clock.

Whatever is done later because of it is only done later: nothing that is judged depends on how soon it is told,
but for whose end came first where a program fails, which is given more (`NOTICED_NS` of judge/program_rules).
"""

from __future__ import annotations

from dataclasses import dataclass

# What the watchdog is given, with something to spare; docs/scale.md has measured figures.
MESSAGE_S = 150e-6  # to read a message of a supervisor
ROUND_S = 5e-6  # for each supervisor, to look at all that is known
SUPERVISORS_A_CORE = 8  # that may look a hundred times a second; more of them would take the cores from the ranks
MOST_ROUND_S = 0.05  # one round of reading; then it looks whether there is a verdict, whatever is still to be read
BUSY = 0.01  # of all supervisors with news in one round: there is much else to do
FORWARDING = 0.02  # of a core that a supervisor may take for telling what ranks do that communicate without a pause
STREAM = 50  # times in a row that there was news: ranks that have communicated without a pause for so long go on so
STREAMING = 0.004  # ... and then; most of what it costs them is that somebody is woken on their core
MOST_GATHER_S = 0.05  # then: so much later the last of what they did is known
LAPSE_S = 0.25  # a round that takes longer is one in which the watchdog did not listen


def beat_s(peers: int, silence_s: float) -> float:
    """How often both ends show that they are there: every second; less often where beats would keep the watchdog busy."""
    return min(max(1.0, peers / 2000), silence_s / 3)


def gather_s(peers: int) -> float:
    """How long a supervisor that has sent something gathers events before it sends more, so that all find a reader."""
    return min(1.0, peers * MESSAGE_S)


def rest_s(spent_s: float, in_a_row: int = 1) -> float:
    """How long to gather after forwarding that took `spent_s` of CPU: where much happens, it is told less often.

    Each look wakes somebody up on a core that the ranks keep busy, and costs them more than the CPU that it takes.
    `in_a_row`: so many times there was news, the last look included.
    """
    return min(MOST_GATHER_S, spent_s / (FORWARDING if in_a_row < STREAM else STREAMING))


def crowding(supervisors: int, cores: int) -> float:
    """By how much less often the supervisors of one host look for news, so that they leave the cores to the ranks."""
    return max(1.0, supervisors / (SUPERVISORS_A_CORE * max(1, cores)))


def round_s(peers: int) -> float:
    """How long the watchdog reads at least before it looks at all that it knows."""
    return min(MOST_ROUND_S, peers * ROUND_S) if peers > 500 else 0.0


@dataclass(slots=True)
class Listening:
    """A clock that goes only while the watchdog has taken all that had come. It tells who is silent.

    A watchdog that was stopped, or that is behind with reading, has not listened: nobody is silent because of that.
    """

    listened_s: float = 0.0
    behind_s: float = 0.0  # since all that had come was last taken, counted likewise
    _then_s: float | None = None

    def round(self, now_s: float, drained: bool) -> None:
        """A round of reading has ended. `drained`: nothing was left to read."""
        passed = 0.0 if self._then_s is None else min(now_s - self._then_s, LAPSE_S)
        self._then_s = now_s
        if drained:
            self.listened_s += passed
            self.behind_s = 0.0
        else:
            self.behind_s += passed

    @property
    def drained(self) -> bool:
        """Whether all that had come was taken in the last round."""
        return self.behind_s == 0.0


@dataclass(slots=True)
class Share:
    """A costly thing that may take half of the time when there is little else to do, and a fifth when there is much."""

    _ended_s: float = 0.0
    _took_s: float = 0.0

    def due(self, now_s: float, busy: bool) -> bool:
        """Whether it may be done now."""
        return now_s >= self._ended_s + self._took_s * (4 if busy else 1)

    def took(self, began_s: float, ended_s: float) -> None:
        """It was done."""
        self._ended_s, self._took_s = ended_s, ended_s - began_s
