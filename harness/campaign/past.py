"""What an earlier run found, from its folder or from a baseline file: one record a case, all repetitions together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

from lockstep.harness.regular_file import read_text
from lockstep.harness.report import baseline
from lockstep.harness.report.find_case import open_run
from lockstep.harness.report.store import ROOT
from lockstep.harness.scenario.errors import ScenarioError

PARTS = {"shard": "--shard", "words": "-k", "tag": "--tag", "case": "--case"}  # options that leave cases out


@dataclass(slots=True)
class Found:
    """What was found of a case. One entry a repetition; what was not judged has none but in `missing`."""

    device: str = ""
    outcomes: list[str] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    proved: list[bool | None] = field(default_factory=list)
    expected: list[bool] = field(default_factory=list)
    waived: list[bool] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)  # from what was expected; earlier baselines do not tell
    signatures: list[str] = field(default_factory=list)
    blames: list[tuple[str, str]] = field(default_factory=list)  # ranks, and why in few words
    seconds: list[float] = field(default_factory=list)  # the whole case
    latencies: list[float] = field(default_factory=list)  # from the last block to the verdict
    memory: list[int] = field(default_factory=list)  # of a device
    host_memory: list[int] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)  # why a repetition has no judgement

    def add(self, row: Mapping[str, Any]) -> None:
        """Take a repetition from its entry in a baseline. Raises KeyError and TypeError for what is none."""
        self.device = row["device"]
        if row["outcome"] in ("invalid", "not run"):
            self.missing.append(f"{row['outcome']} ({row['cause']})" if row["cause"] else row["outcome"])
            return
        self.outcomes.append(row["outcome"])
        self.causes.append(row["cause"])
        self.proved.append(row["proved"])
        self.expected.append(bool(row["as_expected"]))
        self.waived.append(bool(row.get("waived")))
        self.differences.append(str(row.get("differences") or ""))
        self.signatures.append(row["signature"])
        self.blames.append((row["blame"], row["by"]))
        for values, key in (
            (self.seconds, "seconds"), (self.latencies, "last_block_to_verdict_s"), (self.memory, "memory_bytes"),
            (self.host_memory, "host_memory_bytes"),
        ):  # fmt: skip
            if row.get(key) is not None:
                values.append(row[key])


@dataclass(frozen=True, slots=True)
class Past:
    """A run as it is remembered."""

    name: str
    environment: Mapping[str, Any]
    argv: Sequence[str]
    cases: Mapping[str, Found]
    options: Mapping[str, Any] = field(default_factory=dict)  # by which its plan was made; empty: not known

    @property
    def part(self) -> str:
        """By which option it is a part of its scenarios by its own plan; empty: it is the whole of them."""
        for name, flag in PARTS.items():
            if self.options.get(name):
                return flag
        words = {word.partition("=")[0] for word in self.argv} if not self.options else set()
        return next((flag for flag in PARTS.values() if flag in words), "")

    @property
    def scenarios(self) -> tuple[str, ...] | None:
        """Which scenarios were meant; empty: all; None: not known."""
        return None if not self.options else tuple(sorted(self.options.get("scenarios") or ()))

    def timings(self) -> dict[str, float]:
        """Mean seconds of each case that was judged."""
        return {ident: mean(found.seconds) for ident, found in self.cases.items() if found.seconds}


def read_past(name: str, root: Path = ROOT) -> Past:
    """From a baseline file, the folder of a run, or a run id below `root`. Raises ScenarioError for anything else."""
    if Path(name).is_file():
        return _from_file(Path(name))
    store = open_run(name, root)
    rows = [baseline.entry(line) for line in store.lines]
    return Past(store.id, store.run["environment"], store.run["argv"], _found(rows), store.run.get("options", {}))


def _from_file(path: Path) -> Past:
    try:
        raw = json.loads(read_text(path, links=True))
        if not isinstance(raw, dict) or raw.get("schema") != baseline.SCHEMA:
            raise ScenarioError(f"{path}: not a baseline: its schema is not {baseline.SCHEMA!r}")
        return Past(str(path), raw["environment"], raw["argv"], _found(raw["cases"]))
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        text = "give a run, or what `lockstep report --format baseline` has printed"
        raise ScenarioError(f"{path}: not a baseline: this is no JSON; {text}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise ScenarioError(f"{path}: not a whole baseline: {type(error).__name__}: {error}; make it anew") from error


def _found(rows: Sequence[Mapping[str, Any]]) -> dict[str, Found]:
    cases: dict[str, Found] = {}
    for row in rows:
        cases.setdefault(row["case"], Found()).add(row)
    return cases
