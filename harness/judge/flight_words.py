"""Sentences of a diagnosis from Flight Recorder dumps. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from lockstep.harness.judge import words
from lockstep.harness.judge.diagnosis import Diagnosis
from lockstep.harness.judge.flight_dump import FlightDump
from lockstep.harness.judge.verdict import WaitLine

NO_PEER_CALLS = ("gloo", "ucc")  # backends that write down no point-to-point operation


def text(found: Diagnosis) -> str:
    """Sentences for people."""
    parts: list[str] = []
    if found.mismatches and not found.mismatches[0].ended:
        parts.append(f"First difference, in {found.mismatches[0].text}.")
    if found.waits:
        parts.append(f"If the dumps held together, {words.knot_text(found.waits)}, for ever.")
    told = {(line.rank, line.comm) for line in found.waits}
    parted = {(one.group, one.seq) for one in found.mismatches[:1] if not one.ended}
    rest = [line for line in found.unfinished if (line.rank, line.comm) not in told]
    silent = set(found.absent)
    parts += _standing_text(
        [line for line in rest if (line.name, line.seq) not in parted or silent & set(line.lacks)], found.absent
    )
    behind = found.mismatches[0].missing if found.mismatches and not found.mismatches[0].ended else ()
    busy = set(behind) - {line.rank for line in found.unfinished}
    if busy:
        parts.append(
            f"{words.ranks_text(busy).capitalize()} stood in no recorded operation: whether they still come is not known."
        )
    if found.absent:
        parts.append(f"No dump of {words.ranks_text(found.absent)}: whether they still come is not known.")
    return " ".join(parts) or "All ranks entered the same collectives, and all have ended; nothing points to a hang."


def _standing_text(lines: Sequence[WaitLine], absent: Sequence[int]) -> list[str]:
    """Who stands where, ranks in the same operation together, and who has not come to it."""
    groups: dict[tuple[str, tuple[int, ...]], list[int]] = defaultdict(list)
    for line in lines:
        at = f" at {line.site}" if line.site else ""
        groups[f"{line.op} #{line.seq} of {line.name}{at}", line.lacks].append(line.rank)
    return [
        _sentence(words.ranks_text(ranks), len(ranks) == 1, where, lacks, absent) for (where, lacks), ranks in groups.items()
    ]


def _sentence(who: str, one: bool, where: str, lacks: Sequence[int], absent: Sequence[int]) -> str:
    who = who[0].upper() + who[1:]
    stands, waits = ("stands", "waits") if one else ("stand", "wait")
    if not lacks:
        return f"{who} {stands} in {where}; nobody is known to be missing from it, and whether it ends is not known."
    gave = ", which gave no dump" if set(lacks) <= set(absent) else ""
    return f"{who} {waits} in {where} for {words.ranks_text(lacks)}{gave}."


def limits(
    dumps: Mapping[int, FlightDump],
    entered: Mapping[str, Mapping[int, int | None]],
    absent: Sequence[int],
    names: Mapping[str, str],
) -> tuple[str, ...]:
    """What the dumps cannot tell."""
    found = [
        "dumps are not taken at one moment: a rank may have gone on since",
        "MPI, replayed graphs and stores are not in them",
    ]
    if any(dump.calls and not dump.says for dump in dumps.values()):
        found.append("their backend does not say which collectives have ended")
    if any(dump.peer_calls for dump in dumps.values()):
        found.append("point-to-point operations are not followed")
    backends = {calls[-1].name.partition(":")[0] for dump in dumps.values() for calls in dump.calls.values()}
    silent = sorted(backends & set(NO_PEER_CALLS))
    if silent:
        found.append(f"{' and '.join(silent)} records no point-to-point operation: a rank may stand in a send or receive")
    for group, reached in sorted(entered.items()):
        forgot = [rank for rank, last in reached.items() if last is None]
        if forgot:
            found.append(f"the rings no longer hold how far {words.ranks_text(forgot)} came in {names.get(group, group)}")
    if absent:
        found.append(f"there is no dump of {words.ranks_text(absent)}")
    return tuple(found)
