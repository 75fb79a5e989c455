"""A run as people watch it: one progress bar on a terminal, one line a case elsewhere. All on stderr."""

from __future__ import annotations

import enum
import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from lockstep.harness.report.line import Line
from lockstep.harness.scenario.case import Case
from lockstep.harness.terminal import clean
from lockstep.harness.vocabulary import Cause
from lockstep.harness.watchdog.ranks.rank_table import RankTable

REFRESH_S = 0.2
NOTICE_CHARACTERS = 400
MARKS = {"expected": "ok", "waived": "waived", "not-run": "not run"} | dict.fromkeys(
    ("unexpected", "invalid"), "NOT AS EXPECTED"
)


class Detail(enum.Enum):
    """How much is said of each case as it is judged."""

    LESS = "-q"  # nothing of those that are as expected
    USUAL = ""
    MORE = "-v"  # the verdict's sentence of each


def why(line: Line) -> list[str]:
    """Of a case that is not as it should be: in what it differs, its verdict's sentence, and how to run it again."""
    if line.standing in ("expected", "not-run"):
        return []
    told = [line.differences, *line.text.splitlines(), f"again: {line.rerun}" if line.rerun else ""]
    return [row for row in told if row.strip()]


class Bar:
    """For a terminal: cases done of all, and what the ranks of the present one are doing."""

    def __init__(self, total: int, quiet: bool = False, detail: Detail = Detail.USUAL) -> None:
        """`quiet`: not a word, of any case."""
        console = Console(stderr=True)
        self._terminal = console.is_terminal and not quiet
        self._quiet = quiet
        self._detail = detail
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[now]}", markup=False),
            console=console,
            disable=not self._terminal,
            transient=True,
        )
        self._task = self._progress.add_task("cases", total=total, now="")
        self._shown_s = 0.0

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._progress.stop()

    def skip(self, cases: int) -> None:
        """So many cases were done before."""
        self._progress.advance(self._task, cases)

    def begin(self, case: Case) -> None:
        """A case is being launched."""
        self._progress.update(self._task, now=clean(f"{case.id}: starting {case.ranks} ranks"))

    def tick(self, case: Case, ranks: RankTable) -> None:
        """Show where the slowest rank is."""
        now = time.monotonic()
        if not self._terminal or now - self._shown_s < REFRESH_S:
            return
        self._shown_s = now
        states = ranks.states().values()
        phases = sorted({state.phase for state in states if state.phase}) or ["starting"]
        self._progress.update(self._task, now=clean(f"{case.id}: {', '.join(phases)}"))

    def notice(self, case: Case, text: str) -> None:
        """One line, cut: `lockstep peek` tells the whole."""
        text = f"{case.id}: {text}"
        self._print(
            text if len(text) <= NOTICE_CHARACTERS else f"{text[:NOTICE_CHARACTERS]} ... (`lockstep peek` tells more)"
        )

    def end(self, case: Case, line: Line) -> None:
        """One line for a judged case."""
        self._progress.advance(self._task)
        if self._quiet or (self._detail is Detail.LESS and line.standing == "expected"):
            return
        mark = "interrupted" if line.cause == Cause.INTERRUPTED.value else MARKS[line.standing]
        text = f"{mark:15} {case.id}: {line.outcome}" + (f" ({line.cause})" if line.cause else "")
        text += f", repetition {line.repetition}" if line.repetition > 1 else ""
        text += f", after {line.attempts} attempts" if line.attempts > 1 else ""
        more = why(line) or ([line.text] if self._detail is Detail.MORE else [])
        self._print("\n".join([text, *(f"    {row}" for row in more)]))

    def _print(self, text: str) -> None:
        if self._terminal:
            self._progress.console.print(clean(text), markup=False, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)
