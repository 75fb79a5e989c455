"""A run as people watch it: how it stands at the foot of a terminal, one line a case elsewhere. All on stderr."""

from __future__ import annotations

import enum
import queue
import sys
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TextIO, cast

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.text import Text

from lockstep.harness.campaign.live_rows import Count, case_rows, standing_rows
from lockstep.harness.campaign.rank_words import RankLooks, RankWords
from lockstep.harness.report.line import Line
from lockstep.harness.report.result import RED
from lockstep.harness.scenario.case import Case
from lockstep.harness.stop_signals import StopSignals
from lockstep.harness.terminal import CleanStream, clean
from lockstep.harness.vocabulary import Cause, Outcome
from lockstep.harness.watchdog.ranks.rank_table import RankTable

AGAIN = "again: "
REFRESHED = 4  # times a second
NOTICE_CHARACTERS = 400
SHORT_LOG = 20  # cases; in so short a log what was said as they were judged is still in sight
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
    told = [line.differences, *line.text.splitlines(), f"{AGAIN}{line.rerun}" if line.rerun else ""]
    return [row for row in told if row.strip()]


class Display:
    """Of a run, by all threads that watch its cases. On a terminal its foot is drawn anew by a thread apart."""

    def __init__(self, total: int, stop_signals: StopSignals, quiet: bool = False, detail: Detail = Detail.USUAL) -> None:
        """`quiet`: not a word, of any case."""
        self._stop_signals = stop_signals
        self._heard: queue.SimpleQueue[str] = queue.SimpleQueue()  # which a signal's handler may fill at any moment
        # The terminal itself: what cleans texts would show the sequences by which the foot is drawn, and ours are clean.
        console = self._console = Console(file=getattr(sys.stderr, "rich_proxied_file", sys.stderr))
        self._terminal = console.is_terminal and not console.is_dumb_terminal and not quiet
        self._quiet = quiet
        self._detail = detail
        self._begun_s = time.monotonic()
        self._lock = threading.Lock()
        self._count = Count(total)
        # By thread: each watches one case at a time, and repetitions of one case have one name.
        self._going: dict[int, tuple[str, RankWords]] = {}
        self._looks: dict[int, RankLooks] = {}
        self._live = Live(
            console=console,
            get_renderable=self._foot,
            refresh_per_second=REFRESHED,
            transient=True,
            vertical_overflow="crop",
        )

    def __enter__(self) -> Display:
        if self._terminal:
            self._stop_signals.tell = self._heard.put  # what else is written there would break the foot
            threading.Thread(target=self._tell, name="tells of signals", daemon=True).start()
            self._live.start()
            sys.stderr = cast(TextIO, CleanStream(sys.stderr))  # what others say meanwhile goes above the foot, clean too
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._live.stop()
        self._heard.put("")

    def skip(self, cases: int, wrong: int = 0) -> None:
        """So many cases were done before."""
        self._count = Count(self._count.total, cases, wrong)

    def begin(self, case: Case) -> None:
        """A case is being launched."""
        thread = threading.get_ident()
        with self._lock:
            self._going[thread] = (case.id, RankWords(f"starting {case.ranks} ranks"))
            self._looks[thread] = RankLooks()

    def tick(self, case: Case, ranks: RankTable) -> None:
        """Now and then, for who looks: where its ranks are."""
        thread = threading.get_ident()
        looks = self._looks.get(thread) if self._terminal else None
        if looks is not None and (words := looks.look(ranks)) is not None:
            self._going[thread] = (case.id, words)

    def notice(self, case: Case, text: str) -> None:
        """One line, cut: `lockstep peek` tells the whole."""
        text = f"{case.id}: {text}"
        self._print(
            text if len(text) <= NOTICE_CHARACTERS else f"{text[:NOTICE_CHARACTERS]} ... (`lockstep peek` tells more)"
        )

    def end(self, case: Case, line: Line) -> None:
        """One line for a judged case; of one that hung, or is not as expected, the verdict's sentence too."""
        with self._lock:
            self._going.pop(threading.get_ident(), None)
            self._looks.pop(threading.get_ident(), None)
            count = self._count
            self._count = Count(count.total, count.judged + 1, count.wrong + (line.standing in RED))
        if self._quiet or (self._detail is Detail.LESS and line.standing == "expected"):
            return
        mark = "interrupted" if line.cause == Cause.INTERRUPTED.value else MARKS[line.standing]
        text = f"{mark:15} {case.id}: {line.outcome}" + (f" ({line.cause})" if line.cause else "")
        text += f", repetition {line.repetition}" if line.repetition > 1 else ""
        text += f", after {line.attempts} attempts" if line.attempts > 1 else ""
        told = self._detail is Detail.MORE or line.outcome == Outcome.HANG.value
        more = why(line) or ([line.text] if told else [])
        self._print(text, more)

    def recall(self, lines: Sequence[Line]) -> None:
        """At the end, each case that is not as expected once more, where what was said of it stands far above."""
        if not self._quiet and len(lines) > (1 if self._terminal else SHORT_LOG):
            for line in lines:
                if line.standing in RED and line.judged:
                    self._print(f"{MARKS[line.standing]:15} {line.case}: {line.words}", why(line))

    def _print(self, text: str, more: Sequence[str] = ()) -> None:
        """`more`: rows below it. What is long is folded between words on a terminal, but never a command."""
        if not self._terminal:
            print("\n".join([text, *(f"    {row}" for row in more)]), file=sys.stderr, flush=True)
            return
        console = self._console
        console.print(Text(clean(text)))
        for row in more:
            if row.startswith(AGAIN):
                console.print(Text(f"    {clean(row)}"), soft_wrap=True)
            else:
                console.print(Padding(Text(clean(row)), (0, 0, 0, 4)))

    def _tell(self) -> None:
        for text in iter(self._heard.get, ""):
            self._print(text)

    def _foot(self) -> Group:
        """How the run stands, then its cases in flight: as many as leave half of the screen to what was said."""
        with self._lock:
            going, count = list(self._going.values()), self._count
        columns, lines = self._console.size
        columns = max(1, columns - 1)  # a full row makes some terminals begin another
        standing = standing_rows(count, len(going), time.monotonic() - self._begun_s, columns)
        style = "bold red" if count.wrong else "bold"
        rows = [Text(row, style, no_wrap=True) for row in standing]
        rows += [Text(row, no_wrap=True) for row in case_rows(going, columns, max(1, lines // 2 - len(standing)))]
        return Group(*rows)
