"""Findings: what rides on any outcome, success included. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from lockstep.harness.judge import words
from lockstep.harness.judge.differing_data import differing_data
from lockstep.harness.judge.leftovers import leftovers
from lockstep.harness.judge.snapshot import CaseSnapshot
from lockstep.harness.judge.verdict import Finding
from lockstep.harness.vocabulary import FindingKind


def findings(case: CaseSnapshot) -> tuple[Finding, ...]:
    """All findings of a case, in a fixed order."""
    return (
        *_mispaired(case),
        *differing_data(case),
        *_graphs(case),
        *_divergent(case),
        *_skipped(case),
        *_wrong(case),
        *_lost(case),
        *_unseen(case),
        *_left_behind(case),
        *leftovers(case),
    )


def _mispaired(case: CaseSnapshot) -> list[Finding]:
    found: list[Finding] = []
    for mispair in case.mispairs:
        kind, name = case.comms.get(mispair.comm, ("", mispair.comm))
        groups: dict[str, list[int]] = defaultdict(list)
        for rank, entry in sorted(mispair.entries.items()):
            root = f" with root {entry.root}" if entry.root >= 0 and entry.site else ""
            groups[words.entry_words(entry) + root + (f" at {entry.site}" if entry.site else "")].append(rank)
        text = f"collective {mispair.seq} of {kind} {name} was entered as " + "; ".join(
            f"{what} by {words.ranks_text(ranks)}" for what, ranks in groups.items()
        )
        found.append(Finding(FindingKind.MISPAIRED, text, {"comm": mispair.comm, "seq": mispair.seq, "as": dict(groups)}))
    return found


def _graphs(case: CaseSnapshot) -> list[Finding]:
    mismatch = case.graph_mismatch
    if mismatch is None:
        return []
    facts = {"number": mismatch.number, "graphs": mismatch.groups}
    captured = "; ".join(f"{what} on {words.ranks_text(ranks)}" for what, ranks in mismatch.groups.items())
    text = f"captured graph {mismatch.number} differs: {captured}"
    return [Finding(FindingKind.GRAPH_MISMATCH, text, facts)]


def _divergent(case: CaseSnapshot) -> list[Finding]:
    split = case.first_split
    if split is None:
        return []
    facts: dict[str, Any] = {"site": split.site, "key": split.key, "choices": split.choices}
    facts["details"] = {str(rank): detail for rank, detail in split.details.items() if detail}
    choices = "; ".join(f"{choice} on {words.ranks_text(ranks)}" for choice, ranks in split.choices.items())
    return [Finding(FindingKind.DIVERGENT_DECISION, f"{split.site} {split.key}: {choices}", facts)]


def _unseen(case: CaseSnapshot) -> list[Finding]:
    """Why nothing is proved: what of a program could not be seen. Of one that came to an end it does not matter."""
    if case.limit is None or not case.unseen:
        return []
    text = "not all that the program does can be seen: " + "; ".join(case.unseen)
    return [Finding(FindingKind.NOT_VISIBLE, text, {"reasons": list(case.unseen)})]


def _left_behind(case: CaseSnapshot) -> list[Finding]:
    """What a command had forgotten."""
    text = "was still there when the command had ended, and was ended"
    return [Finding(FindingKind.LEAK, f"{what} {text}", {"process": what}) for what in case.left_behind]


def _skipped(case: CaseSnapshot) -> list[Finding]:
    """Shapes of the warm-up that ranks report to have left out: they are met for the first time in service."""
    found: list[Finding] = []
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for rank, history in sorted(case.histories.items()):
        for phase, shapes in (history.result or {}).get("skipped", {}).items():
            if shapes:
                groups[phase, ", ".join(map(str, shapes))].append(rank)
    for (phase, shapes), ranks in sorted(groups.items()):
        text = f"{phase} was never run for {shapes} on {words.ranks_text(ranks)}"
        found.append(Finding(FindingKind.SKIPPED_SHAPE, text, {"phase": phase, "shapes": shapes, "ranks": ranks}))
    return found


def _wrong(case: CaseSnapshot) -> list[Finding]:
    """Checks that a rank reports as false, and requests to which ranks give different tokens."""
    found: list[Finding] = []
    tokens: dict[str, dict[int, Any]] = defaultdict(dict)
    for rank, history in sorted(case.histories.items()):
        result = history.result or {}
        failed = sorted(name for name, good in result.get("checks", {}).items() if good is False)
        if failed:
            text = f"rank {rank} reports that these checks failed: {', '.join(failed)}"
            found.append(Finding(FindingKind.WRONG_RESULT, text, {"rank": rank, "checks": failed}))
        for request, value in result.get("tokens", {}).items():
            tokens[request][rank] = value
    for request, by_rank in sorted(tokens.items()):
        if len({str(value) for value in by_rank.values()}) > 1:
            facts = {"request": request, "tokens": {str(rank): value for rank, value in by_rank.items()}}
            text = f"ranks {sorted(by_rank)} give different tokens for request {request}"
            found.append(Finding(FindingKind.WRONG_RESULT, text, facts))
    return found


def _lost(case: CaseSnapshot) -> list[Finding]:
    lost = {rank: state.lost for rank, state in case.states.items() if state.lost}
    cut = {rank: h.missing - lost.get(rank, 0) for rank, h in case.histories.items() if h.missing > lost.get(rank, 0)}
    found: list[Finding] = []
    if lost:
        text = "events were overwritten before they were read: " + ", ".join(f"{n} of rank {r}" for r, n in lost.items())
        found.append(Finding(FindingKind.EVIDENCE_LOST, text, {"lost": {str(rank): n for rank, n in lost.items()}}))
    if cut:
        # One sentence: at a thousand ranks it is the same for all of them.
        text = (
            f"{sum(cut.values())} events of {words.ranks_text(cut)} were not kept in memory, and were not compared; "
            "all are in the event logs"
        )
        found.append(Finding(FindingKind.EVIDENCE_LOST, text, {"cut": {str(rank): n for rank, n in cut.items()}}))
    return found
