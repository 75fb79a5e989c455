"""What other tools say of the same hang, beside our verdict: NCCL's RAS counts launches, PyTorch's Flight Recorder keeps the
last collectives. Pure; both see NCCL alone, and neither is part of any proof."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lockstep.harness.judge import words
from lockstep.harness.judge.flight_dump import group_of, number_of, text_of
from lockstep.harness.judge.verdict import Blame, Finding
from lockstep.harness.vocabulary import FindingKind


def opinions(
    status: Mapping[str, Any], flights: Mapping[int, Mapping[str, Any]], ranks_by_pid: Mapping[int, int], blame: Blame | None
) -> list[Finding]:
    """Both opinions, as far as there are any. A dump that is not as its tool writes it has none: the verdict stands."""
    found: list[Finding | None] = []
    asked: list[Callable[[], Finding | None]] = [
        lambda: ras_opinion(status, ranks_by_pid, blame),
        lambda: flight_opinion(flights, blame),
    ]
    for opinion in asked:
        with contextlib.suppress(AttributeError, ArithmeticError, LookupError, TypeError, ValueError, RecursionError):
            found.append(opinion())
    return [finding for finding in found if finding is not None]


def ras_opinion(status: Mapping[str, Any], ranks_by_pid: Mapping[int, int], blame: Blame | None) -> Finding | None:
    """From RAS's JSON: on each communicator the ranks that have launched fewest, are not initialised, or do not answer."""
    lines: list[str] = []
    named: set[int] = set()
    for communicator in status.get("communicators", []):
        seen: dict[str, list[int]] = defaultdict(list)
        launched: dict[int, int] = {}
        unmade: set[int] = set()
        for entry in communicator.get("ranks", []):
            rank = ranks_by_pid.get(entry.get("pid", 0), entry["rank"])
            seen[_ras_state(entry)].append(rank)
            launched[rank] = sum(entry.get("collective_counts", {}).values())
            unmade |= {rank} if entry.get("status", {}).get("init_state", 0) else set()
        silent = {ranks_by_pid.get(entry.get("pid", 0), entry["rank"]) for entry in communicator.get("missing_ranks", [])}
        if silent:
            seen["no answer"] += sorted(silent)
        lines.append(f"communicator of {communicator.get('size')}: " + _groups(seen))
        named |= _behind(launched) | silent
        named |= unmade if len(unmade) < len(launched) else set()
    return _finding("NCCL RAS", lines, named, blame) if lines else None


def flight_opinion(dumps: Mapping[int, Mapping[str, Any]], blame: Blame | None) -> Finding | None:
    """From the Flight Recorders of the ranks: on each process group the last collective that each has handed to NCCL."""
    last: dict[str, dict[int, tuple[int, str]]] = defaultdict(dict)
    for rank, dump in sorted(dumps.items()):
        for group in dump.get("pg_config", ()):  # a rank without entries is a member all the same
            if group:  # gloo's one has no name, and nothing is ever entered in it
                last[text_of(group, "pg_config")][rank] = (0, "nothing")
        for entry in dump.get("entries", ()):
            group = group_of(entry, "entries")[0]
            number = number_of(entry.get("collective_seq_id", entry.get("seq_id", 0)), "collective_seq_id")
            if number >= last[group].get(rank, (-1, ""))[0]:
                name, state = (text_of(entry.get(key, "?"), key) for key in ("profiling_name", "state"))
                last[group][rank] = (number, f"{name} #{number} {state}")
    lines: list[str] = []
    named: set[int] = set()
    for group, by_rank in sorted(last.items()):
        seen: dict[str, list[int]] = defaultdict(list)
        for rank, (_, text) in by_rank.items():
            seen[text].append(rank)
        lines.append(f"group {group}: " + _groups(seen))
        named |= _behind({rank: number for rank, (number, _) in by_rank.items()})
    return _finding("PyTorch's Flight Recorder", lines, named, blame) if lines else None


def _ras_state(entry: Mapping[str, Any]) -> str:
    counts = {name: count for name, count in entry.get("collective_counts", {}).items() if count}
    state = entry.get("status", {}).get("init_state", 0)
    listed = ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "no collective counted"
    return listed if state == 0 else f"{listed}, initialisation state {state}"


def _groups(seen: Mapping[str, Sequence[int]]) -> str:
    return "; ".join(f"{what} on {words.ranks_text(ranks)}" for what, ranks in seen.items())


def _behind(counts: Mapping[int, int]) -> set[int]:
    """The ranks with the lowest count, where counts differ. A larger group proves nothing: of two ranks each is one."""
    if len(set(counts.values())) < 2:
        return set()
    lowest = min(counts.values())
    return {rank for rank, count in counts.items() if count == lowest}


def _finding(tool: str, lines: Sequence[str], named: set[int], blame: Blame | None) -> Finding:
    blamed = set(blame.ranks) if blame else set()
    if not named:
        compared = "it tells no rank apart"
    elif named == blamed:
        compared = "it points to the blamed ranks too"
    else:
        compared = f"it points to {words.ranks_text(named)}, the verdict does not"
    facts = {"tool": tool, "ranks": sorted(named), "agrees": named == blamed}
    return Finding(FindingKind.SECOND_OPINION, f"{tool}: {'; '.join(lines)} ({compared})", facts)
