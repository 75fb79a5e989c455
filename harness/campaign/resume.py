"""Continuing a run: whether what would be run now is what that run had planned, on the same software. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lockstep.harness.launch.commit import DIRTY
from lockstep.harness.report.plan import PlannedCase

SHOWN = 5  # cases of a kind that are named


def plan_differences(planned: Sequence[Mapping[str, Any]], now: Sequence[PlannedCase]) -> list[str]:
    """In what the plan of a run, as it stands in run.json, differs from the one made now; sentences."""
    old = {entry["slug"]: entry for entry in planned}
    new = {one.slug: one.to_json() for one in now}
    changed = [slug for slug in old if slug in new and old[slug].get("digest") != new[slug]["digest"]]
    same = [slug for slug in old if slug in new and slug not in changed]
    marked = [slug for slug in same if _marks(old[slug]) != _marks(new[slug])]
    moved = [slug for slug in same if old[slug].get("nodes", new[slug]["nodes"]) != new[slug]["nodes"]]
    other = [slug for slug in same if _commit(old[slug]) != _commit(new[slug]) and "engine_commit" in old[slug]]
    return [
        *_named("is planned and would not be run now", [_name(old[slug]) for slug in old if slug not in new]),
        *_named("was not planned", [_name(new[slug]) for slug in new if slug not in old]),
        *_named("has changed since (what its ranks get, its limits or its expectation)", [_name(old[s]) for s in changed]),
        *_named("has another waive, or another mark as planted", [_name(old[slug]) for slug in marked]),
        *_named("would be dealt to hosts in another way", [_name(old[slug]) for slug in moved]),
        *_named("is of another commit of its engine now", [_name(old[slug]) for slug in other]),
    ]


def environment_differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """In what the software and the kind of machine differ; its name and its memory may."""
    before, after = _facts(then), _facts(now)
    differs = [
        f"{key}: {before.get(key, 'none')} then, {after.get(key, 'none')} now"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]
    old, new = _hosts(then), _hosts(now)
    others = sorted(kind for kind in {*old, *new} if old[kind] != new[kind])
    return [*differs, *(f"hosts with {kind}: {old[kind]} then, {new[kind]} now" for kind in others)]


def _marks(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    waive = entry.get("waive") or {}
    # Whether it has expired was settled when the run began.
    return entry.get("planted"), {key: value for key, value in waive.items() if key != "kind"}


def _commit(entry: Mapping[str, Any]) -> str:
    return str(entry.get("engine_commit", "")).removesuffix(DIRTY)


def _facts(environment: Mapping[str, Any]) -> dict[str, str]:
    libraries = {f"library {name}": version for name, version in (environment.get("libraries") or {}).items()}
    mpi = environment.get("mpi") or {}
    gpus = [gpu["name"] for gpu in environment.get("gpus") or ()]
    found = {key: environment.get(key) for key in ("lockstep", "python", "commit")}
    launcher = f"{mpi.get('launcher')} {mpi.get('version')}" if mpi else None
    every = {**found, **libraries, "launcher": launcher, "gpus": ", ".join(gpus) or None}
    return {key: str(value) for key, value in every.items() if value is not None}


def _hosts(environment: Mapping[str, Any]) -> Counter[str]:
    """How many of the hosts that a run was given are of each kind."""
    kinds = ({"gpus": "none", **_facts(host)} for host in environment.get("hosts") or ())
    return Counter(", ".join(f"{key} {value}" for key, value in sorted(kind.items())) for kind in kinds)


def _name(entry: Mapping[str, Any]) -> str:
    repetition = entry.get("repetition", 1)
    return str(entry["id"]) + (f", repetition {repetition}," if repetition > 1 else "")


def _named(what: str, names: Sequence[str]) -> list[str]:
    more = [f"and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return [f"{name} {what}" for name in names[:SHOWN]] + more
