"""Where ranks parted in a process group, as their Flight Recorders tell: entered otherwise, or not come to. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lockstep.harness.judge import words
from lockstep.harness.judge.flight_dump import Call, FlightDump

SAME_SIZE = ("all_reduce", "broadcast", "reduce")  # operations on as many elements on every member


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The first collective of a group that its members did not all enter, or entered as different ones."""

    group: str
    seq: int
    entered: dict[str, list[int]]  # as what, by whom; empty: no ring holds it any more
    missing: tuple[int, ...]  # members that had not come to it
    time_ns: int
    parted: bool = False  # its members stand in different operations of this number
    ended: bool = False  # it differed, and nobody stands in it

    @property
    def text(self) -> str:
        """For people."""
        listed = [f"{words.ranks_text(ranks)} entered {what}" for what, ranks in self.entered.items()]
        listed = listed or ["no ring holds any more who entered it"]
        gone = [f"{words.ranks_text(self.missing)} had not come to it"] if self.missing else []
        return f"{self.group} #{self.seq}: {'; '.join(listed + gone)}"

    @property
    def blame(self) -> tuple[int, ...]:
        """Who had not come; else the smallest group."""
        if self.missing:
            return self.missing
        return min((len(ranks), tuple(ranks)) for ranks in self.entered.values())[1]


def token(call: Call) -> str:
    """What of a call must be the same on every member."""
    return f"{call.name} of {call.size}" if call.name.rpartition(":")[2] in SAME_SIZE else call.name


def mismatches(
    dumps: Mapping[int, FlightDump],
    members: Mapping[str, Sequence[int]],
    entered: Mapping[str, Mapping[int, int | None]],
    standing: Mapping[str, Mapping[int, int]],
    names: Mapping[str, str],
) -> list[Mismatch]:
    """Of each group the first. What a rank's ring no longer holds is not held against it.

    `entered`: how far each rank has come in each group, None where that is not known; `standing`: in which collective of a
    group a rank stands.
    """
    found: list[Mismatch] = []
    for group, ranks in sorted(members.items()):
        by_seq = _by_seq(dumps, group, ranks)
        reached = {rank: entered[group][rank] for rank in ranks if rank in dumps}
        stands = set(standing.get(group, {}).values())
        parted = _parted(by_seq)
        open_seq = min(stands & set(parted), default=None)
        # Who is behind where nobody waits for it is late, and no more than that.
        behind_seq = _left_behind(reached) if stands else None
        seq = min((seq for seq in (open_seq, behind_seq) if seq is not None), default=next(iter(parted), None))
        if seq is not None:
            behind = tuple(rank for rank, last in sorted(reached.items()) if last is not None and last < seq)
            times = [call.time_ns for number, calls in by_seq.items() if number >= seq for call in calls.values()]
            ended = seq not in (open_seq, behind_seq)
            found.append(
                Mismatch(
                    names.get(group, group), seq, _entered(by_seq.get(seq, {})), behind, min(times, default=0),
                    open_seq is not None, ended,
                )
            )  # fmt: skip
    return sorted(found, key=lambda mismatch: (mismatch.ended, mismatch.time_ns))


def _by_seq(dumps: Mapping[int, FlightDump], group: str, ranks: Sequence[int]) -> dict[int, dict[int, Call]]:
    """The calls of a group by number and rank. Only numbers that somebody holds: between two there may be very many."""
    found: dict[int, dict[int, Call]] = defaultdict(dict)
    for rank in ranks:
        for call in dumps[rank].calls.get(group, ()) if rank in dumps else ():
            found[call.seq][rank] = call
    return found


def _parted(by_seq: Mapping[int, Mapping[int, Call]]) -> list[int]:
    """The numbers at which ranks entered different operations."""
    return sorted(seq for seq, calls in by_seq.items() if len({token(call) for call in calls.values()}) > 1)


def _left_behind(reached: Mapping[int, int | None]) -> int | None:
    """The first number that somebody has not come to though another has."""
    known = [last for last in reached.values() if last is not None]
    return min(known) + 1 if known and min(known) < max(known) else None


def _entered(calls: Mapping[int, Call]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for rank, call in sorted(calls.items()):
        found[token(call) + (f" at {call.site}" if call.site else "")].append(rank)
    return dict(found)
