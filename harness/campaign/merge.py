"""One night made of its shards, or of the artifacts of several machines: their verdicts in one run. Nothing is launched.

A case that several runs have judged (each shard brings the planted hangs) stands there once for each, as a repetition: one
that was missed anywhere is missed. One that only some have judged stands there as these have.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lockstep.harness.regular_file import NOT_REGULAR
from lockstep.harness.report import files, names
from lockstep.harness.report.line import NOT_RUN, Line
from lockstep.harness.report.store import LEFT_OUT, SCHEMA, RunStore, new_folder
from lockstep.harness.scenario.errors import ScenarioError

ALL_BUT = "all but "
Part = tuple[RunStore, dict[str, Any], Line]  # a run, an entry of its plan, and what became of it


def merge(stores: Sequence[RunStore], root: Path, run_id: str | None, argv: Sequence[str]) -> tuple[RunStore, list[str]]:
    """The new run below `root`, and what is to be said of it. Raises ScenarioError for runs that are not of one night."""
    if len({store.path for store in stores}) < len(stores):
        raise ScenarioError("lockstep merge: one of these runs is named twice")
    _check_each_once(stores)
    parts = _parts(stores)
    _check(stores, parts)
    options, said = _options(stores)
    for _, (store, entry, _) in _numbered(parts):
        _check_files(store.path / "cases" / entry["slug"])
    path = new_folder(root, run_id, "choose another name")
    plan = []
    for number, (store, entry, line) in _numbered(parts):
        slug = names.slug(entry["id"], number)
        plan.append({**entry, "repetition": number, "slug": slug, "origin": store.id})
        _take(store, entry["slug"], line, path, slug, number)
    first = stores[0].run
    run = {
        "schema": SCHEMA,
        "run": path.name,
        "argv": list(argv),
        "started": min(store.run["started"] for store in stores),
        "environment": {**first["environment"], **_hosts(stores)},
        "options": options,
        "plan": plan,
        "merged": [store.id for store in stores],
        "launched": [list(launched) for store in stores for launched in sorted(_launched(store))],
    }
    files.replace_json(path / "run.json", run)
    names.point(root / "latest", path.name)
    made = RunStore.open(path)
    made.repair()
    return made, said


def _launched(store: RunStore) -> set[tuple[str, str]]:
    """Name and start of the runs whose launches a run has: its own, or those that it was made of."""
    told = store.run.get("launched") or [[name, ""] for name in store.run.get("merged") or ()]
    return {(str(name), str(started)) for name, started in told or [[store.id, store.run["started"]]]}


def _check_each_once(stores: Sequence[RunStore]) -> None:
    """Raise ScenarioError where a launch would count twice: a shard beside a night that was made of it, or a copy of it."""
    for number, store in enumerate(stores):
        for other in stores[:number]:
            for name, _ in sorted(_launched(store) & _launched(other)):
                whole = f"{store.id} and {other.id} both have" if store.id != other.id else "two of these runs have"
                raise ScenarioError(f"lockstep merge: {whole} the launches of {name}; leave one of them out")


def _parts(stores: Sequence[RunStore]) -> dict[str, list[Part]]:
    """By case; those that were judged, where any was."""
    found: dict[str, list[Part]] = {}
    for store in stores:
        lines = {line.slug: line for line in store.lines}
        for entry in store.run["plan"]:
            found.setdefault(entry["id"], []).append((store, entry, lines[entry["slug"]]))
    return {ident: [part for part in parts if part[2].judged] or parts[:1] for ident, parts in found.items()}


def _check(stores: Sequence[RunStore], parts: Mapping[str, Sequence[Part]]) -> None:
    """Raise ScenarioError where the runs cannot be one: other code, or other cases under one name."""
    commits = {store.id: str(store.run["environment"].get("commit") or "") for store in stores}
    if len(set(commits.values())) > 1:
        listed = "; ".join(f"{name}: {commit[:12] or 'not known'}" for name, commit in commits.items())
        raise ScenarioError(f"lockstep merge: these runs are of several commits of Lockstep ({listed}); merge those of one")
    for ident, those in parts.items():
        if len({entry.get("digest") for _, entry, _ in those}) > 1:
            runs = ", ".join(sorted({store.id for store, _, _ in those}))
            why = "another device, or another scenario"
            raise ScenarioError(f"lockstep merge: {ident} is not the same case in {runs} ({why}); merge each by itself")


def _check_files(folder: Path) -> None:
    """Raise ScenarioError where evidence is something that cannot be copied: a pipe would never begin."""
    for place, folders, names_inside in os.walk(folder):
        for name in (*folders, *names_inside):
            mode = Path(place, name).lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
                raise ScenarioError(f"lockstep merge: {Path(place, name)}: {NOT_REGULAR}; remove it to merge this run")


def _numbered(parts: Mapping[str, Sequence[Part]]) -> list[tuple[int, Part]]:
    """Each with its repetition, from 1."""
    return [(number, part) for those in parts.values() for number, part in enumerate(those, 1)]


def _options(stores: Sequence[RunStore]) -> tuple[dict[str, Any], list[str]]:
    """Those of the whole: no shard where all are there, so that a comparison misses what is gone."""
    options = dict(stores[0].run.get("options") or {})
    shards = [str(shard) for store in stores if (shard := (store.run.get("options") or {}).get("shard"))]
    missing = sorted(set().union(*map(_all_of, shards)) - set().union(*map(_present, shards))) if shards else []
    options["shard"] = f"{ALL_BUT}{', '.join(missing)}" if missing else None
    return options, [f"shard {', '.join(missing)} is missing: this is a part of the night"] if missing else []


def _all_of(shard: str) -> set[str]:
    """Every shard of the deal that one is of."""
    count = int(shard.rpartition("/")[2])
    return {f"{number}/{count}" for number in range(1, count + 1)}


def _present(shard: str) -> set[str]:
    """What a run has: a shard, or what an earlier merge had."""
    listed = shard.removeprefix(ALL_BUT)
    return {shard} if listed == shard else _all_of(shard) - set(listed.split(", "))


def _hosts(stores: Sequence[RunStore]) -> dict[str, Any]:
    """Every host of any of them, once."""
    hosts = {host["name"]: host for store in stores for host in store.run["environment"].get("hosts") or ()}
    return {"hosts": list(hosts.values())} if hosts else {}


def _take(store: RunStore, old: str, line: Line, path: Path, slug: str, number: int) -> None:
    """A case's folder as it is, but for the number of its repetition."""
    source, folder = store.path / "cases" / old, path / "cases" / slug
    if source.is_dir():
        shutil.copytree(source, folder, symlinks=True)
    if line.outcome == NOT_RUN:
        files.append_line(path / LEFT_OUT, {"slug": slug, "why": line.text})
    verdict = folder / "verdict.json"
    if line.judged:
        files.replace_json(verdict, {**files.read_object(verdict), "repetition": number})
