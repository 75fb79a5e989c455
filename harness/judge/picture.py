"""All that is known of a case at the moment of its verdict. Plain data that the watchdog fills in."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lockstep.harness.judge.clock import Time
from lockstep.harness.judge.graph import Stuck
from lockstep.harness.judge.history import History
from lockstep.harness.trace.state import RankOf, RankState


class Limit(enum.Enum):
    """The limit of time that was reached where no proof was found."""

    DEADLINE = "deadline"
    LIVELOCK = "livelock"


@dataclass(frozen=True, slots=True)
class Process:
    """One rank's engine process: where it ran and how it ended (negative: by that signal; None: alive)."""

    host: str
    pid: int
    exit_code: int | None
    ended_ns: int = 0  # when it was seen to be gone, by its host's clock
    oom_killed: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception that ended a process that is no rank: a launcher, or who started the ranks."""

    pid: int
    error: tuple[str, str, str]  # type, message, traceback
    time: Time


@dataclass(frozen=True, slots=True)
class Picture:
    """What `decide` judges. `knot` is confirmed; `advancing`: a milestone was reached within the last window."""

    states: Mapping[int, RankState]
    histories: Mapping[int, History]
    processes: Mapping[int, Process]
    comms: Mapping[str, tuple[str, str]]  # key -> kind, name
    knot: Sequence[Stuck]
    limit: Limit | None
    advancing: bool
    last_block_to_verdict_s: float | None
    start_to_verdict_s: float
    snapshots_judged: int
    candidates_refuted: int
    # of a program that knows nothing of us
    attached: bool = False
    roots: Sequence[int | None] = ()  # exit statuses of the launched commands, in order
    failures: Sequence[Failure] = ()  # of processes that are no ranks, in the order of time
    unseen: Sequence[str] = ()  # what could not be seen of it
    rank_of: RankOf | None = None

    def died(self, rank: int) -> Time:
        """When a rank's process was seen to be gone."""
        return Time(self.processes[rank].ended_ns, self.histories[rank].clock)

    def ended(self, rank: int) -> Time:
        """When a rank's program ended: when it said so, or else when its process was seen to be gone."""
        history = self.histories[rank]
        return history.ended if history.ended_ns else self.died(rank)

    def failed_or_ended(self, rank: int) -> Time:
        """When a rank told its first error, or else when it ended."""
        history = self.histories[rank]
        return history.failed if history.failed_ns else self.ended(rank)
