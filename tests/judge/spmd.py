"""Programs in which all ranks run the same lines, but for one that leaves some out or takes others; and how far they come.

Written without a look at the judge: a collective ends when all members have entered it as the same, and never otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lockstep.harness.judge.graph import Stuck, stuck
from lockstep.harness.judge.history import Entry, History
from lockstep.harness.judge.mismatch import hopeless, mismatches
from lockstep.harness.judge.program_rules import ProgramRules
from lockstep.harness.judge.snapshot import CaseSnapshot, Limit, Process
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import CommInfo, RankState, Status, Wait

VERSIONS = {"gloo": "gloo 2.13.0"}


@dataclass(frozen=True)
class Call:
    """A collective of a group, at a line."""

    group: int
    op: str
    line: int

    @property
    def site(self) -> str:
        """As the recorder writes it."""
        return f"train.py:{self.line} in main"


@dataclass
class Run:
    """What each rank entered, and which of it has ended."""

    groups: Sequence[tuple[int, ...]]
    calls: Sequence[Sequence[Call]]  # of each rank, in order
    entered: list[int] = field(default_factory=list)  # how many calls each has entered
    inside: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.entered, self.inside = [0] * len(self.calls), [False] * len(self.calls)

    def number(self, rank: int, call: int) -> int:
        """The number of a rank's call on its group, from 1."""
        group = self.calls[rank][call].group
        return sum(other.group == group for other in self.calls[rank][: call + 1])

    def op_at(self, rank: int, group: int, number: int) -> str | None:
        """As what a rank has entered a number of a group; None: not yet."""
        mine = [call.op for call in self.calls[rank][: self.entered[rank]] if call.group == group]
        return mine[number - 1] if len(mine) >= number else None

    def may_end(self, rank: int) -> bool:
        """Whether all members have entered the rank's call as what it is."""
        at = self.entered[rank] - 1
        call, number = self.calls[rank][at], self.number(rank, at)
        return all(self.op_at(member, call.group, number) == call.op for member in self.groups[call.group])

    def moves(self) -> list[int]:
        """The ranks that can make a step."""
        return [
            rank
            for rank, calls in enumerate(self.calls)
            if (self.inside[rank] and self.may_end(rank)) or (not self.inside[rank] and self.entered[rank] < len(calls))
        ]

    def step(self, rank: int) -> None:
        """One step of a rank that can make one."""
        if self.inside[rank]:
            self.inside[rank] = False
        else:
            self.entered[rank] += 1
            self.inside[rank] = True

    def finish(self) -> set[int]:
        """Run on as far as anybody can go; the ranks that wait then, for ever."""
        while ready := self.moves():
            self.step(ready[0])
        return {rank for rank, inside in enumerate(self.inside) if inside}

    # --- as the judge sees it -------------------------------------------------------------------------------------

    def histories(self) -> dict[int, History]:
        """What each rank has entered."""
        infos = {g: CommInfo(f"gloo:g{g}", "gloo", f"g{g}", members) for g, members in enumerate(self.groups)}
        found: dict[int, History] = {}
        for rank, calls in enumerate(self.calls):
            history = found[rank] = History(rank)
            history.comms = {info.key: info for info in infos.values() if rank in info.members}
            history.entries = [
                Entry(at, f"gloo:g{call.group}", self.number(rank, at), call.op, "", "", -1, call.site)
                for at, call in enumerate(calls[: self.entered[rank]])
            ]
        return found

    def states(self) -> dict[int, RankState]:
        """Where each rank stands."""
        found: dict[int, RankState] = {}
        for rank, calls in enumerate(self.calls):
            state = found[rank] = RankState(rank, number=1)
            for at, call in enumerate(calls[: self.entered[rank]]):
                state.entered[f"gloo:g{call.group}"] = self.number(rank, at)
            state.waiters[0] = None
            if self.inside[rank]:
                at = self.entered[rank] - 1
                call = calls[at]
                state.waiters[0] = Wait(
                    f"gloo:g{call.group}", self.number(rank, at), call.op, Need.ALL, -1, 0, 0, "", "", site=call.site
                )
            elif self.entered[rank] == len(calls):
                state.status = Status.RETURNED
        return found

    def knot(self) -> list[Stuck]:
        """What the judge says can never end."""
        states, members = self.states(), {f"gloo:g{g}": m for g, m in enumerate(self.groups)}
        entered = {
            rank: {(entry.comm, entry.seq): entry for entry in history.entries} for rank, history in self.histories().items()
        }
        found = mismatches(states, entered, members)
        ranks = range(len(self.calls))
        lost = hopeless(states, found, members, dict.fromkeys(ranks, VERSIONS), dict.fromkeys(ranks, "host"))
        return stuck(states, members, hopeless=lost)

    def case(self, limit: Limit | None = None) -> CaseSnapshot:
        """All of it, for a verdict."""
        histories = self.histories()
        return CaseSnapshot(
            states=self.states(), histories=histories, processes={r: Process("host", r, None) for r in histories},
            comms={f"gloo:g{g}": ("gloo", f"g{g}") for g, _ in enumerate(self.groups)}, knot=[] if limit else self.knot(),
            limit=limit, advancing=False, last_block_to_verdict_s=None, start_to_verdict_s=1.0, snapshots_judged=1,
            candidates_refuted=0, rules=ProgramRules(),
        )  # fmt: skip


def spmd(
    groups: Sequence[tuple[int, ...]], lines: Sequence[tuple[int, str]], ranks: int, rounds: int = 1
) -> list[list[Call]]:
    """Every rank's calls where all run the same lines `rounds` times: each line is a collective, of one group of each kind.

    `groups`: one group of several that split the world is meant by its first number; a rank calls the one it is in.
    """
    found: list[list[Call]] = [[] for _ in range(ranks)]
    for _ in range(rounds):
        for line, (kind, op) in enumerate(lines, 10):
            for rank in range(ranks):
                mine = kind if rank in groups[kind] else kind + 1
                if rank in groups[mine]:
                    found[rank].append(Call(mine, op, line))
    return found
