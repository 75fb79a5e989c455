"""Stacks that are taken while a case goes on: whose are awaited, and what has come. One round at a time. No clock."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from lockstep.harness.channel.to_supervisor import TakeStacks
from lockstep.harness.channel.to_watchdog import Stacks
from lockstep.harness.channel.watchdog_end import Head
from lockstep.harness.judge.snapshot import Collected
from lockstep.harness.watchdog.ranks.process_table import ProcessRecord
from lockstep.harness.watchdog.ranks.rank_table import RankTable
from lockstep.harness.watchdog.stack_sampling import sample


@dataclass(slots=True)
class StackRound:
    """`number`: of the round, from 1. What belongs to an earlier one is left out."""

    ranks: RankTable
    number: int = 0
    awaited: set[int] = field(default_factory=set)  # supervisors
    stacks: dict[int, str] = field(default_factory=dict)  # by rank
    others: dict[int, str] = field(default_factory=dict)  # of processes that are no ranks, by process id
    errors: dict[str, str] = field(default_factory=dict)  # by name of the process: why there are none

    def begin(self, end: Head) -> None:
        """Ask for them: of all processes below a command, of some engines where they are many."""
        self.number += 1
        self.stacks, self.others, self.errors = {}, {}, {}
        if self.ranks.open:
            self.awaited = set(self.ranks.processes.commands)
        else:
            alive = [rank for rank, record in self.ranks if record.exit_code is None]
            self.awaited = set(sample(self.ranks.states(), alive, ()))
        end.send_to(sorted(self.awaited), TakeStacks(self.number))

    def take(self, record: ProcessRecord | None, message: Stacks) -> None:
        """The stacks of one process."""
        if message.number != self.number:
            return
        ranked = record is not None and record.rank is not None
        number = record.rank if record is not None and record.rank is not None else message.pid
        if message.text:
            (self.stacks if ranked else self.others)[number] = message.text
        if message.error:
            self.errors[f"rank-{number}" if ranked else f"process-{number}"] = message.error

    def done(self, supervisor: int, number: int) -> None:
        """A supervisor has sent all."""
        if number == self.number:
            self.awaited.discard(supervisor)

    def added_to(self, collected: Collected) -> Collected:
        """What the judge takes, with these stacks."""
        return replace(collected, stacks=dict(self.stacks), others=dict(self.others))

    def files(self) -> dict[str, str]:
        """By name of a process: its stacks, or why there are none."""
        found = {f"rank-{rank}": text for rank, text in self.stacks.items()}
        found |= {f"process-{pid}": text for pid, text in self.others.items()}
        return found | {name: f"{found.get(name, '')}\n[{error}]\n" for name, error in self.errors.items()}
