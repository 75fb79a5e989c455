"""Makes the pages of a run where it lies. A page that cannot be made is a sentence on stderr: it costs no verdict."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lockstep.harness.report import files
from lockstep.harness.report.store import RunStore

if TYPE_CHECKING:
    import pandas as pd

PAGE = "report.html"
HISTORY_PAGE = "history.html"


def _to_stderr(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def make_case_page(folder: Path, tell: Callable[[str], None] = _to_stderr) -> Path | None:
    """Of a case that was judged; None where it could not be made, which is told."""
    try:
        from lockstep.harness.report.pages.case_page import case_page  # here, so that only who makes pages pays for it

        files.replace(folder / PAGE, case_page(folder), durable=False)
    except Exception as error:  # whatever lies in the folder: the verdict stands
        tell(f"lockstep: no page of {folder.name}: {_why(error)}")
        return None
    return folder / PAGE


def make_run_page(store: RunStore, tell: Callable[[str], None] = _to_stderr) -> Path | None:
    """Of a run as it is on disk now; None where it could not be made."""
    try:
        from lockstep.harness.report.pages.run_page import run_page

        files.replace(store.path / PAGE, run_page(store.path, store.run, store.lines), durable=False)
    except Exception as error:
        tell(f"lockstep: no page of run {store.id}: {_why(error)}")
        return None
    return store.path / PAGE


def make_pages(store: RunStore, tell: Callable[[str], None] = _to_stderr) -> Path | None:
    """Of all cases of a run that were judged, and of the run, whose page it gives."""
    for folder in _judged(store):
        make_case_page(folder, tell)
    return make_run_page(store, tell)


def make_history_page(root: Path, frame: pd.DataFrame, tell: Callable[[str], None] = _to_stderr) -> Path | None:
    """Of all runs below `root`, from the rows of their index."""
    try:
        from lockstep.harness.report.pages.history_page import history_page

        files.replace(root / HISTORY_PAGE, history_page(root, frame), durable=False)
    except Exception as error:
        tell(f"lockstep: no page of the history: {_why(error)}")
        return None
    return root / HISTORY_PAGE


def make_bisection_page(folder: Path, report: Mapping[str, Any], tell: Callable[[str], None] = _to_stderr) -> Path | None:
    """Of a bisection, from its report.json."""
    try:
        from lockstep.harness.report.pages.bisection_page import bisection_page

        files.replace(folder / PAGE, bisection_page(report), durable=False)
    except Exception as error:
        tell(f"lockstep: no page of the bisection: {_why(error)}")
        return None
    return folder / PAGE


def _why(error: Exception) -> str:
    """What is wrong with a file is a sentence already; anything else is told with its kind."""
    return str(error) if isinstance(error, (OSError, ValueError)) else f"{type(error).__name__}: {error}"


def _judged(store: RunStore) -> Iterable[Path]:
    return (store.path / "cases" / line.slug for line in store.lines if line.judged)
