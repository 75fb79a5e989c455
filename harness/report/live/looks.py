"""What is seen of a run that goes on: plan, lines, and the answers of cases in flight, asked when somebody looks."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lockstep.harness.report import files
from lockstep.harness.report.line import Line
from lockstep.harness.report.questions import Question, in_flight, read_object
from lockstep.harness.report.store import LEFT_OUT

ASK_S = 2.0  # between two questions to one case
REST = 10  # ... or so many times what the last answer took, so that asking is a small part of what a watchdog does
AWAIT_S = 1.5  # for answers, before what is known is shown
POLL_S = 0.1
MOST = 16  # cases that are asked at once
FIELDS = frozenset(field.name for field in dataclasses.fields(Line))


@dataclass(frozen=True, slots=True)
class Going:
    """A case in flight. `answer`: the last that its watchdog told; empty: nothing yet. `asked_s`: how long it is asked."""

    slug: str
    answer: Mapping[str, Any]
    age_s: float = 0.0
    asked_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Look:
    """A run at one moment. `lines`: by slug, of the cases that were judged. `left_out`: slugs of those that are not run."""

    run: Mapping[str, Any]
    going: tuple[Going, ...]
    lines: Mapping[str, Line]
    left_out: frozenset[str]
    begun: frozenset[str]  # cases that have a folder


@dataclass(slots=True)
class _Asked:
    """A case in flight and what was asked of it."""

    question: Question | None = None
    put_s: float = 0.0
    due_s: float = 0.0
    answer: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    told_s: float = 0.0


class Looks:
    """At the run in a folder, in any thread, one at a time. `close` takes back what nobody waits for any more."""

    def __init__(self, run: Path) -> None:
        self._path = run
        self._run = read_object(run / "run.json")
        self._asked: dict[Path, _Asked] = {}
        self._lines: dict[str, Line] = {}
        self._read: tuple[int, int] = (0, 0)  # size and time of the file of lines, as it was read
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def look(self) -> Look:
        """Ask what is due, wait a moment for the answers, and tell what is known."""
        with self._lock:
            cases = [] if self._closed.is_set() else in_flight(self._path)
            self._forget({*self._asked} - {*cases})
            deadline = time.monotonic() + AWAIT_S
            for case in cases[:MOST]:
                self._ask(case)
            while sum(not self._take(one) for one in self._asked.values()) and time.monotonic() < deadline:
                if self._closed.wait(POLL_S):
                    break
            now = time.monotonic()
            return Look(
                self._run,
                tuple(self._going(case, now) for case in cases),
                self._judged(),
                frozenset(str(row.get("slug")) for row in files.read_lines(self._path / LEFT_OUT)),
                frozenset(path.name for path in (self._path / "cases").glob("*")),
            )

    def close(self) -> None:
        """Ask nothing any more, and leave nothing of what was asked."""
        self._closed.set()
        with self._lock:
            self._forget({*self._asked})

    def _ask(self, case: Path) -> None:
        asked, now = self._asked.setdefault(case, _Asked()), time.monotonic()
        if asked.question is None and now >= asked.due_s:
            asked.question, asked.put_s = Question.put(case), now

    def _take(self, asked: _Asked) -> bool:
        """Whether nothing is awaited of it any more."""
        if asked.question is None:
            return True
        answer = asked.question.answer()
        if answer is None:
            return False
        now = time.monotonic()
        asked.answer, asked.told_s, asked.due_s = answer, now, now + max(ASK_S, REST * (now - asked.put_s))
        asked.question.forget()
        asked.question = None
        return True

    def _going(self, case: Path, now_s: float) -> Going:
        asked = self._asked.get(case) or _Asked()
        waits_s = now_s - asked.put_s if asked.question else 0.0
        return Going(case.name, asked.answer, now_s - asked.told_s if asked.answer else 0.0, waits_s)

    def _forget(self, cases: set[Path]) -> None:
        for case in cases:
            asked = self._asked.pop(case)
            if asked.question is not None:
                asked.question.forget()

    def _judged(self) -> Mapping[str, Line]:
        """By slug; a line that another version wrote is left out."""
        path = self._path / "cases.jsonl"
        if not path.exists():
            return {}
        now = (path.stat().st_size, path.stat().st_mtime_ns)
        if now != self._read:
            rows = (row for row in files.read_lines(path) if row.keys() == FIELDS)
            self._lines, self._read = {str(row["slug"]): Line(**row) for row in rows}, now
        return dict(self._lines)
