"""Runs as pandas frames: their cases, and of a case the events, decisions and waits of all ranks on one clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lockstep.harness.report.alignment import begins_s, logs_in, merged
from lockstep.harness.report.find_case import find_case
from lockstep.harness.report.frame import cases_frame
from lockstep.harness.report.store import RunStore
from lockstep.harness.trace.event import RECORD, Kind, Record
from lockstep.harness.trace.log import read_log

EVENTS = (
    "rank", "number", "time_s", "kind", "thread", "phase", "shape", "comm", "name", "op", "seq", "need", "peer", "tag",
    "size", "site", "text",
)  # fmt: skip
DECISIONS = ("rank", "time_s", "phase", "shape", "site", "key", "choice", "detail", "deviates")
WAITS = (
    "rank", "thread", "begin_s", "end_s", "seconds", "library", "comm", "name", "op", "seq", "need", "peer", "phase",
    "shape", "site",
)  # fmt: skip


def cases(run: Path) -> pd.DataFrame:
    """The judged cases of a run's folder, one row each; columns as of cases.jsonl, docs/frames.md."""
    return cases_frame(run)


def case_folder(run: Path, name: str) -> Path:
    """The folder of one case of a run, by its id or a part of it. Raises ScenarioError."""
    store = RunStore.open(run)
    return store.path / "cases" / find_case(store, name).slug


def events(case: Path) -> pd.DataFrame:
    """All events of all ranks of a case's folder, in the order of their times."""
    return pd.DataFrame(merged(case), columns=list(EVENTS))


def decisions(case: Path) -> pd.DataFrame:
    """Each choice that a rank made: where, which, and by which figures."""
    frame = pd.DataFrame(_decisions(case), columns=list(DECISIONS))
    return frame.sort_values("time_s", kind="stable", ignore_index=True)


def waits(case: Path) -> pd.DataFrame:
    """Each operation in which a rank blocked; `end_s` and `seconds` are missing where it never ended."""
    frame = pd.DataFrame(_waits(case), columns=list(WAITS)).astype({"end_s": float, "seconds": float})
    return frame.sort_values("begin_s", kind="stable", ignore_index=True)


def _decisions(case: Path) -> Iterator[dict[str, Any]]:
    logs = logs_in(case)
    for rank, begin_s in begins_s(logs).items():
        records, strings, _ = read_log(logs[rank])
        texts = dict(enumerate(strings))
        phase = shape = ""
        first_ns = -1
        for record in map(Record._make, RECORD.iter_unpack(records)):
            first_ns = record.time_ns if first_ns < 0 else first_ns
            if record.kind == Kind.PHASE:
                phase, shape = texts.get(record.a, ""), ""
            elif record.kind == Kind.SHAPE:
                shape = texts.get(record.a, "")
            elif record.kind == Kind.DECISION:
                yield {
                    "rank": rank,
                    "time_s": begin_s + (record.time_ns - first_ns) / 1e9,
                    "phase": phase,
                    "shape": shape,
                    "site": texts.get(record.a, ""),
                    "key": texts.get(record.b, ""),
                    "choice": texts.get(record.c, ""),
                    "detail": texts.get(record.size, ""),
                    "deviates": record.seq == 1,
                }


def _waits(case: Path) -> Iterator[dict[str, Any]]:
    begun: dict[tuple[int, int], Mapping[str, Any]] = {}
    for event in merged(case):
        place = event["rank"], event["thread"]
        if event["kind"] == "enter":
            begun[place] = event
        elif event["kind"] == "exit" and (enter := begun.pop(place, None)):
            yield _wait(enter, event["time_s"])
    for enter in begun.values():
        yield _wait(enter, None)


def _wait(enter: Mapping[str, Any], end_s: float | None) -> dict[str, Any]:
    seconds = None if end_s is None else end_s - enter["time_s"]
    row = {name: enter.get(name) for name in WAITS}
    library = str(enter["comm"] or "").partition(":")[0]
    return {**row, "begin_s": enter["time_s"], "end_s": end_s, "seconds": seconds, "library": library}
