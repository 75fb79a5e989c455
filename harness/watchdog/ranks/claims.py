"""Which process of a program is which rank: the numbers that worlds give, and who claims them. No sockets, no clock.

A process is a rank when it has joined a world of ranks (an MPI world, a world of torch.distributed). Its number is the one
that it has there, if no other process has it: a program may hold several worlds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lockstep.harness.judge.words import BOTH
from lockstep.harness.trace.state import Status
from lockstep.harness.trace.wait import NOBODY_YET, Join
from lockstep.harness.watchdog.ranks.process_table import ProcessRecord

FAILED = (Status.RAISED, Status.DEAD, Status.ABORTED)


@dataclass(slots=True)
class Claims:
    """`ranks`: the table of those who have one, by our numbers, which is kept up to date."""

    ranks: dict[int, ProcessRecord]
    restarts: int = 0  # ranks whose process has ended and whose place another has taken
    contested: list[str] = field(default_factory=list)  # ranks that more than one living process claims to be
    _numbers: dict[tuple[str, int], int] = field(default_factory=dict)  # scope, rank in it -> our number of it
    _holders: dict[tuple[str, int], tuple[ProcessRecord, bool]] = field(default_factory=dict)  # ... -> who; whether firmly

    def rank_of(self, scope: str, rank: int) -> int:
        """Our number of a rank of a world. One whose process is not known gets a number that nobody has."""
        key = (scope, rank)
        if key not in self._numbers:
            taken = set(self._numbers.values())
            self._numbers[key] = rank if rank not in taken else _fresh(NOBODY_YET, taken)
        return self._numbers[key]

    def claim(self, record: ProcessRecord, join: Join) -> bool:
        """A process says that it is a rank; whether numbers that events were read by have changed.

        Who has come stands above who only may; who lives, above who has ended.
        """
        key = (join.scope, join.rank)
        holder, firm = self._holders.get(key, (None, False))
        if holder is record:
            self._holders[key] = (record, firm or join.firm)
        elif holder is None or not holder.alive or (join.firm and not firm):
            if holder is not None and holder.rank is not None:
                self.restarts += join.firm and firm
                self.ranks.pop(holder.rank, None)
                holder.rank = None
            self._holders[key] = (record, join.firm)
        elif join.firm:
            record.state.opaque.append(f"another process is rank {join.rank} of {join.scope} already")
            both = f"processes {holder.pid} and {record.pid} {BOTH}"
            self.contested.append(f"{both} rank {join.rank} of {join.scope}")
            return False
        else:
            return False  # a helper that was started with a rank's environment
        return self._number(record, key, self._left_by(record, join) if record.rank is None else None)

    def _left_by(self, record: ProcessRecord, join: Join) -> int | None:
        """The number of a rank in whose place this one was started: of an earlier round, in which it has ended."""
        for (scope, rank), (holder, firm) in self._holders.items():
            before = rank == join.rank and scope.partition(" ")[0] == join.scope.partition(" ")[0]
            if not before or holder.rank is None or holder.alive:
                continue
            if _round(scope) < _round(join.scope) or (record.origin.repeats(holder.origin) and self._failed(scope)):
                self.restarts += firm
                number, holder.rank = holder.rank, None
                self.ranks.pop(number, None)
                return number
        return None

    def _failed(self, world: str) -> bool:
        """Whether all processes of a world have ended, and one of them has failed."""
        found = [holder for (scope, _), (holder, _) in self._holders.items() if scope == world]
        return not any(one.alive for one in found) and any(one.state.status in FAILED for one in found)

    def _number(self, record: ProcessRecord, key: tuple[str, int], left: int | None) -> bool:
        number = self.rank_of(*key)
        if record.rank is None and left is not None:
            record.rank = left
        elif record.rank is None:
            if number >= NOBODY_YET:
                taken = {n for n in self._numbers.values() if n < NOBODY_YET} | set(self.ranks)
                number = _fresh(max(taken, default=-1) + 1, taken)
            record.rank = number
        changed = self._numbers[key] != record.rank  # it has a number from another world
        self._numbers[key] = record.rank
        record.state.rank = record.rank
        self.ranks[record.rank] = record
        return changed


def _round(scope: str) -> int:
    """How often the ranks of a world of torch.distributed were started anew, which its name ends with; 0 of any other."""
    last = scope.rpartition(" ")[2]
    return int(last) if scope.startswith("torch ") and last.isdecimal() else 0


def _fresh(first: int, taken: set[int]) -> int:
    return next(number for number in range(first, first + len(taken) + 1) if number not in taken)
