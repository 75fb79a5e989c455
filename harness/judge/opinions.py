"""What other tools say of the same hang, beside our verdict: NCCL's RAS counts launches, PyTorch's Flight Recorder keeps the
last collectives. Pure; both see NCCL alone, and neither is part of any proof."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.judge import words
from harness.judge.verdict import Blame, Finding, FindingKind


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
        with contextlib.suppress(AttributeError, KeyError, TypeError, ValueError):
            found.append(opinion())
    return [finding for finding in found if finding is not None]


def ras_opinion(status: Mapping[str, Any], ranks_by_pid: Mapping[int, int], blame: Blame | None) -> Finding | None:
    """From RAS's JSON: on each communicator the ranks whose launch counts, or whose state, are others' not."""
    lines: list[str] = []
    named: set[int] = set()
    for communicator in status.get("communicators", []):
        seen: dict[str, list[int]] = defaultdict(list)
        for entry in communicator.get("ranks", []):
            seen[_ras_state(entry)].append(ranks_by_pid.get(entry.get("pid", 0), entry["rank"]))
        for entry in communicator.get("missing_ranks", []):
            seen["no answer"].append(ranks_by_pid.get(entry.get("pid", 0), entry["rank"]))
        lines.append(f"communicator of {communicator.get('size')}: " + _groups(seen))
        named |= _fewest(seen)
    return _finding("NCCL RAS", lines, named, blame) if lines else None


def flight_opinion(dumps: Mapping[int, Mapping[str, Any]], blame: Blame | None) -> Finding | None:
    """From the Flight Recorders of the ranks: on each process group the last collective that each has handed to NCCL."""
    last: dict[str, dict[int, tuple[int, str]]] = defaultdict(dict)
    for rank, dump in sorted(dumps.items()):
        for entry in dump.get("entries", ()):
            group = str((entry.get("process_group") or ("?",))[0])
            number = int(entry.get("collective_seq_id", entry.get("seq_id", 0)))
            if number >= last[group].get(rank, (-1, ""))[0]:
                last[group][rank] = (number, f"{entry.get('profiling_name', '?')} #{number} {entry.get('state', '?')}")
    lines: list[str] = []
    named: set[int] = set()
    for group, by_rank in sorted(last.items()):
        seen: dict[str, list[int]] = defaultdict(list)
        for rank, (_, text) in by_rank.items():
            seen[text].append(rank)
        lines.append(f"group {group}: " + _groups(seen))
        fewest = min(number for number, _ in by_rank.values())
        if any(number != fewest for number, _ in by_rank.values()):
            named |= {rank for rank, (number, _) in by_rank.items() if number == fewest}
    return _finding("PyTorch's Flight Recorder", lines, named, blame) if lines else None


def _ras_state(entry: Mapping[str, Any]) -> str:
    counts = {name: count for name, count in entry.get("collective_counts", {}).items() if count}
    state = entry.get("status", {}).get("init_state", 0)
    listed = ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "no collective counted"
    return listed if state == 0 else f"{listed}, initialisation state {state}"


def _groups(seen: Mapping[str, Sequence[int]]) -> str:
    return "; ".join(f"{what} on {words.ranks_text(ranks)}" for what, ranks in seen.items())


def _fewest(seen: Mapping[str, Sequence[int]]) -> set[int]:
    """The ranks in the smallest group, where there is more than one group."""
    return set(min(seen.values(), key=lambda ranks: len(list(ranks)))) if len(seen) > 1 else set()


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
