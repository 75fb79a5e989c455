"""Compares a verdict with what a scenario expects. Pure; the verdict comes as the JSON of its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lockstep.harness.scenario.case import Expectation

NOTHING = "nothing"  # where a blame has no such thing
NO_ERROR = "no-error"  # of `error` in an expectation: no exception is known
FAULTS = ("wrong-result", "leak")  # a success with one of these is not the expected success


def differences(expect: Expectation, verdict: Mapping[str, Any]) -> list[str]:
    """Sentences that say in what the verdict differs; none when it is as expected. Another outcome stands alone: what else
    differs follows from it."""
    found = _plain(expect, verdict)
    if verdict["outcome"] != expect.outcome:
        return found[:1]
    blame = verdict["blame"] or {}
    if expect.blame is not None and sorted(blame.get("ranks", ())) != sorted(expect.blame):
        found.append(f"blame: expected ranks {sorted(expect.blame)}, got {sorted(blame.get('ranks', ()))}")
    if expect.decision is not None:
        found += _decision(expect.decision, blame)
    if expect.error is not None:
        found += _errors(expect.error, verdict)
    if expect.skipped is not None:
        found += _skipped(expect.skipped, verdict["ranks"])
    kinds = {finding["kind"] for finding in verdict["findings"]}
    unwanted = set(expect.absent_findings or ()) | (set(FAULTS) - set(expect.findings or ()))
    found += [f"finding {kind} is missing" for kind in sorted(set(expect.findings or ()) - kinds)]
    found += [f"finding {kind} is not expected" for kind in sorted(kinds & unwanted)]
    return found


def _plain(expect: Expectation, verdict: Mapping[str, Any]) -> list[str]:
    wanted = {"outcome": expect.outcome, "cause": expect.cause, "proved": expect.proved, "launch": expect.launch}
    return [
        f"{name}: expected {value}, got {verdict[name]}"
        for name, value in wanted.items()
        if value is not None and verdict[name] != value
    ]


def _decision(wanted: Mapping[str, Any], blame: Mapping[str, Any]) -> list[str]:
    """Phase, site and choice must be equal; the shape must hold all words; each figure of `detail` must be there."""
    found = [
        f"decision {name}: expected {wanted[name]}, got {blame.get(name) or NOTHING}"
        for name in ("phase", "site", "choice")
        if name in wanted and blame.get(name) != wanted[name]
    ]
    missing = set(str(wanted.get("shape", "")).split()) - set(str(blame.get("shape", "")).split())
    if missing:
        found.append(f"decision shape: expected {wanted['shape']}, got {blame.get('shape') or NOTHING}")
    figures = dict(word.partition("=")[::2] for word in str(blame.get("detail", "")).split())
    for name, value in wanted.get("detail", {}).items():
        if figures.get(name) != str(value):
            found.append(f"decision {name}: expected {value}, got {figures.get(name, NOTHING)}")
    return found


def _errors(wanted: str, verdict: Mapping[str, Any]) -> list[str]:
    """An abort tears connections, so that its peers may raise before they are killed: then only the blamed ranks' count."""
    blamed = set((verdict["blame"] or {}).get("ranks", ())) if verdict["cause"] == "abort" else set()
    ranks = [rank for rank in verdict["ranks"] if not blamed or rank["rank"] in blamed]
    types = {rank["error_type"] for rank in ranks if rank["error_type"]}
    return (
        []
        if types == {wanted} or (wanted == NO_ERROR and not types)
        else [f"error: expected {wanted}, got {', '.join(sorted(types)) or NO_ERROR}"]
    )


def _skipped(wanted: Mapping[str, list[int | str]], ranks: Sequence[Mapping[str, Any]]) -> list[str]:
    found: list[str] = []
    for rank in ranks:
        skipped = (rank["result"] or {}).get("skipped", {})
        for phase, sizes in wanted.items():
            own = sorted(skipped.get(phase, ()), key=str)
            if own != sorted(sizes, key=str):
                found.append(f"rank {rank['rank']} skipped {own} in {phase}, expected {sizes}")
    return found
