"""The page of many nights: every case against the last runs, with its rate of failure and the time to its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from lockstep.harness.rates import interval, percent
from lockstep.harness.report.pages.rendering import render
from lockstep.harness.report.pages.run_page import SIGNS, WORDS
from lockstep.harness.report.result import GREEN, STANDINGS

RUNS = 14  # the last ones
CASES = 1000
WRONG = ("unexpected", "waived")  # what counts for a rate, as in `lockstep history`


@dataclass(frozen=True, slots=True)
class Night:
    """A run, as the head of a column."""

    run: str
    day: str
    link: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A case in one night; without a sign it was not part of it."""

    sign: str = ""
    standing: str = ""
    words: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A case over the nights. `low`, `rate`, `high` in percent, for the drawing."""

    case: str
    cells: tuple[Cell, ...]
    failed: int
    launches: int
    rate: float
    low: float
    high: float
    words: str
    latest_s: float | None
    median_s: float | None
    signatures: int

    @property
    def gravity(self) -> tuple[int, float, str]:
        """The order of rows: what was wrong when it was last run, then the rate."""
        newest = next((cell.standing for cell in self.cells if cell.standing not in ("", "not-run")), "")
        return (newest in (*GREEN, ""), -self.rate, self.case)


def history_page(root: Path, frame: pd.DataFrame, runs: int = RUNS) -> str:
    """Of the rows of the index of all runs (`history_frame`), of which `root` is the folder."""
    names = list(dict.fromkeys(frame.run))[-runs:][::-1]  # the newest first: a narrow screen shows it
    nights = [_night(root, name, frame) for name in names]
    kept = frame[frame.run.isin(names)]
    called = kept.case.where(kept.program == "", kept.program)
    rows = sorted((_row(root, str(case), group, names) for case, group in kept.groupby(called, sort=False)),
                  key=lambda row: row.gravity)  # fmt: skip
    shown = {cell.standing for row in rows for cell in row.cells}
    return render(
        "history.html",
        nights=nights,
        rows=rows[:CASES],
        more=max(0, len(rows) - CASES),
        signs=[(SIGNS[name], WORDS[name], name) for name in STANDINGS if name in shown],
        wrong=sum(not row.gravity[0] for row in rows),
    )


def _night(root: Path, run: str, frame: pd.DataFrame) -> Night:
    started = str(frame.started[frame.run == run].iloc[0])
    link = f"{run}/report.html" if (root / run / "report.html").is_file() else ""
    day, alike = started[5:10], frame.run[frame.started.astype(str).str[5:10] == started[5:10]].nunique()
    return Night(run, f"{day} {started[11:16]}" if alike > 1 else day, link)


def _row(root: Path, case: str, group: pd.DataFrame, names: Sequence[str]) -> Row:
    judged = group[~group.standing.isin(("invalid", "not-run"))]
    wrong = judged[judged.standing.isin(WRONG)]
    low, high = interval(len(wrong), len(judged))
    rate = len(wrong) / len(judged) if len(judged) else 0.0
    words = f"{len(wrong)} of {len(judged)}" + (f" ({percent(low)} to {percent(high)})" if len(judged) else "")
    times = [float(value) for value in judged.verdict_after_s.dropna()]
    return Row(
        case,
        tuple(_cell(root, run, group[group.run == run]) for run in names),
        len(wrong),
        len(judged),
        100 * rate,
        100 * low,
        100 * high,
        words,
        times[-1] if times else None,
        median(times) if times else None,
        int(wrong.signature[wrong.signature != ""].nunique()),
    )


def _cell(root: Path, run: str, rows: pd.DataFrame) -> Cell:
    if not len(rows):
        return Cell()
    standings = list(rows.standing)
    failed, clean = any(one in WRONG for one in standings), "expected" in standings
    standing = "flaky" if failed and clean else min(standings, key=STANDINGS.index)
    worst = rows[rows.standing.isin(WRONG)].iloc[0] if failed else rows.iloc[0]
    link = f"{run}/cases/{worst.slug}/report.html"
    return Cell(SIGNS[standing], standing, f"{run}: {_words(worst)}", link if (root / link).is_file() else "")


def _words(row: Any) -> str:
    return " ".join(filter(None, (str(row.outcome), str(row.cause), f"rank {row.blame}" if row.blame else "")))
