"""All that is known of a case at the moment of its verdict, and the rules by which it is judged. Plain data."""

from __future__ import annotations

import enum
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from lockstep.harness.judge.clock import Time
from lockstep.harness.judge.divergence import Split, first_split, parting
from lockstep.harness.judge.graph import Stuck
from lockstep.harness.judge.history import Entry, History
from lockstep.harness.judge.kernel_calls import Program
from lockstep.harness.judge.lacking import Holders
from lockstep.harness.judge.manifests import GraphMismatch, graph_mismatch
from lockstep.harness.judge.matching import Mispair, mispaired
from lockstep.harness.judge.verdict import Blame, RankEnd, WaitLine
from lockstep.harness.trace.state import RankState, Wait
from lockstep.harness.vocabulary import Cause, Outcome


class Limit(enum.Enum):
    """The limit of time that was reached where no proof was found."""

    DEADLINE = "deadline"
    LIVELOCK = "livelock"
    UNBUFFERED = "unbuffered"  # all wait, some of them in sends that nobody has begun to receive, and nobody has moved since
    INTERRUPTED = "interrupted"  # somebody asked for the end of it
    LOST = "lost"  # a rank has died, and nobody has moved since
    TIMED = "timed"  # all wait for each other until a library ends one of the waits, and nobody has moved for some seconds
    ASLEEP = "asleep"  # all sleep for each other, and nobody has moved for some seconds, but others may act who are not seen
    MISMATCH = "mismatch"  # all have come, to different operations, and nobody has moved for some seconds


@dataclass(frozen=True, slots=True)
class Process:
    """One rank's engine process: where it ran and how it ended (negative: by that signal; None: alive)."""

    host: str
    pid: int
    exit_code: int | None
    ended_ns: int = 0  # when it was seen to be gone, by its host's clock
    oom_killed: bool = False
    left: Wait | None = None  # the wait in which it was when it ended
    above: Sequence[int] = ()  # the processes of its command that stand above it, by id


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception that ended a process that is no rank: a launcher, or who started the ranks."""

    pid: int
    error: tuple[str, str, str]  # type, message, traceback
    time: Time


@dataclass(frozen=True, slots=True)
class Collected:
    """What was collected beside the events. None of it is part of a proof."""

    stacks: Mapping[int, str] = field(default_factory=dict)  # of ranks
    others: Mapping[int, str] = field(default_factory=dict)  # stacks of processes that are no ranks, by process id
    output: Mapping[int, str] = field(default_factory=dict)  # the last that the command of a rank printed
    command: str = ""  # the last that the first launched command printed that has failed
    shared: Collection[int] = ()  # ranks whose command has others too: what it printed may be theirs
    flights: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)  # Flight Recorders of ranks
    folder: str = ""  # that the program was started in


class Rules(Protocol):
    """How cases of one kind are judged: all in which an engine that writes our events differs from a program that does not
    know of us. What is the same for both never asks which kind it is.
    """

    @property
    def decisions_logged(self) -> bool:
        """Whether ranks write down their choices, so that these, and not what they did, are to blame."""

    def classify(self, case: CaseSnapshot) -> tuple[Outcome, Cause]:
        """Outcome and cause of a case that has come to its end."""

    def overdue(self, case: CaseSnapshot) -> tuple[Outcome, Cause]:
        """Outcome and cause at the deadline."""

    def token(self, entry: Entry) -> Hashable:
        """What must be the same on all members that enter one collective."""

    def blame(self, case: CaseSnapshot, outcome: Outcome, cause: Cause) -> Blame | None:
        """Whom to blame where this kind of case tells it in a way of its own; None: as all others."""

    def first_waits(self, case: CaseSnapshot, waits: Sequence[Stuck]) -> Sequence[Stuck]:
        """Of waits that lack equally few, those that may have been the first."""

    def first_failures(self, case: CaseSnapshot, ranks: Sequence[int]) -> Sequence[int]:
        """Of ranks that have ended, those that did so by themselves, and not because of others among them."""

    def with_same_error(self, case: CaseSnapshot, ranks: Sequence[int], first: int) -> Sequence[int]:
        """Of ranks that raised, those that are to blame with the first of them."""

    def signature_ends(self, blame: Blame | None, ends: Sequence[RankEnd]) -> Sequence[RankEnd]:
        """The ranks whose errors belong to a signature."""

    def verdict_text(
        self,
        case: CaseSnapshot,
        outcome: Outcome,
        cause: Cause,
        knot: Sequence[WaitLine],
        blame: Blame | None,
        ends: Sequence[RankEnd],
    ) -> str:
        """The verdict in one or two sentences."""


@dataclass(frozen=True)
class CaseSnapshot:
    """What `decide` judges. `knot` is confirmed, but at a limit; `advancing`: a milestone was reached in the last window.

    What is derived from it is computed when it is first asked for, and once.
    """

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
    rules: Rules
    # of a program that knows nothing of us
    roots: Sequence[int | None] = ()  # exit statuses of the launched commands, in order
    failures: Sequence[Failure] = ()  # of processes that are no ranks, in the order of time
    unseen: Sequence[str] = ()  # what could not be seen of it
    stopped_by: str = ""  # what asked for its end, where that is the limit
    left_behind: Sequence[str] = ()  # processes that were still there when the commands had ended in order
    collected: Collected = Collected()
    asleep: Mapping[int, RankState] = field(default_factory=dict)  # ranks, with what their other threads sleep in
    knot_beside: Sequence[Stuck] = ()  # of processes that are no ranks, where no rank is left in the knot
    knot_processes: Sequence[Stuck] = ()  # the processes that are no ranks of whatever knot there is
    beside: Mapping[int, RankState] = field(default_factory=dict)  # processes that are no ranks and sleep, by their numbers
    programs: Mapping[int, Program] = field(default_factory=dict)  # what processes run that are no ranks, by their numbers
    restless: Mapping[int, str] = field(default_factory=dict)  # processes that are no ranks and may not sleep: why, by id
    holders: Holders = field(default_factory=dict)  # of things that threads sleep for: who holds the other ends

    @cached_property
    def members(self) -> Mapping[str, Sequence[int]]:
        """The members of each communicator."""
        return {key: info.members for history in self.histories.values() for key, info in history.comms.items()}

    @cached_property
    def mispairs(self) -> Sequence[Mispair]:
        """Of each communicator the first collective that its members entered as different ones."""
        return mispaired(self.histories, self.rules.token)

    @cached_property
    def graph_mismatch(self) -> GraphMismatch | None:
        """The first captured graph in which ranks differ."""
        return graph_mismatch(self.histories)

    @cached_property
    def first_split(self) -> Split | None:
        """The first decision on which any ranks differ, harmless or not."""
        return first_split(self.histories)

    @cached_property
    def parting(self) -> Split | None:
        """The decision after which the communication of any two ranks stopped matching."""
        everybody = list(self.histories)
        return parting(self.histories, ((rank, everybody) for rank in everybody))

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
