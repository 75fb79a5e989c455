"""A run and a rank's events as pandas data frames."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pandas as pd

from lockstep.harness.report.files import read_lines
from lockstep.harness.report.line import Line
from lockstep.harness.trace.log import describe


def cases_frame(run_dir: Path) -> pd.DataFrame:
    """The judged cases of a run, one row each, in the order of their verdicts; a torn last line is left out."""
    return pd.DataFrame(read_lines(run_dir / "cases.jsonl"), columns=[field.name for field in fields(Line)])


def events_frame(case_dir: Path, rank: int) -> pd.DataFrame:
    """A rank's events, one row each; columns as `lockstep.harness.trace.log.describe` gives them."""
    return pd.DataFrame(describe(case_dir / f"rank-{rank}.events"))
