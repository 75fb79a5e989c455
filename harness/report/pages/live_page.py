"""The page of a run that goes on: what is in flight with who waits for whom, what is not as expected so far, all cases."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lockstep.harness.judge.verdict import WaitLine
from lockstep.harness.judge.words import capital, ranks_text
from lockstep.harness.report.line import Line
from lockstep.harness.report.live.looks import Going, Look
from lockstep.harness.report.pages.layout import drawing
from lockstep.harness.report.pages.rendering import render
from lockstep.harness.report.pages.run_page import SIGNS, WORDS
from lockstep.harness.report.pages.shapes import Drawing
from lockstep.harness.report.pages.situation_graph import situation_graph, wait_lines
from lockstep.harness.report.pages.wait_graph import WaitGraph, short

EVERY_S = 3  # the page is renewed
WIDE, NARROW = 46, 34  # characters of a line in the graph
ROWS, SHOWN, WRONG = 40, 12, 50  # groups of ranks in a table, cases in flight and cases that failed that are told in full
TEXT = 1200  # characters of a sentence
LATE_S = 5.0  # an answer that takes so long is told
GREEN = ("expected", "waived")


@dataclass(frozen=True, slots=True)
class Row:
    """Ranks that stand alike."""

    who: str
    standing: str
    phase: str
    operation: str
    needs: str
    line: str


@dataclass(frozen=True, slots=True)
class Told:
    """A case in flight, as it is shown."""

    case: str
    badge: str
    text: str
    since: str
    rows: tuple[Row, ...] = ()
    more: int = 0
    graph: WaitGraph | None = None
    across: Drawing | None = None
    down: Drawing | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """A case of the plan."""

    case: str
    standing: str
    sign: str
    word: str


def live_page(look: Look, path: Path) -> str:
    """Of a run as it was seen. `path`: its folder."""
    ids = {str(entry["slug"]): _name(entry) for entry in look.run.get("plan") or ()}
    going = [one for one in look.going if one.slug not in look.lines]
    cases = [_standing(slug, name, look, {one.slug for one in going}) for slug, name in ids.items()]
    wrong = [line for line in look.lines.values() if line.standing not in (*GREEN, "not-run")]
    return render(
        "live.html",
        live=True,
        run=look.run.get("run", path.name),
        standing=standing_text(cases),
        now=time.strftime("%H:%M:%S"),
        started=str(look.run.get("started", ""))[:19].replace("T", " "),
        every=EVERY_S,
        unread="" if look.run else "run.json cannot be read",
        going=[_told(one, ids.get(one.slug, one.slug)) for one in going[:SHOWN]],
        more_going=max(0, len(going) - SHOWN),
        wrong=wrong[:WRONG],
        more_wrong=max(0, len(wrong) - WRONG),
        cases=sorted(cases, key=lambda one: ORDER.index(one.standing)),
        page=str(path.resolve() / "report.html"),
    )


ORDER = ("running", "starting", "unexpected", "invalid", "waived", "expected", "not-run", "waiting")


def standing_text(cases: Sequence[Standing]) -> str:
    """How far the run is: what is wrong first."""
    count = Counter(one.standing for one in cases)
    wrong = count["unexpected"] + count["invalid"]
    judged = sum(count[name] for name in ("unexpected", "invalid", "waived", "expected"))
    parts = [f"{wrong} not as expected" if wrong else "", f"{judged} of {len(cases)} judged"]
    running = count["running"] + count["starting"]
    return ", ".join(filter(None, [*parts, f"{running} running" if running else ""]))


def _name(entry: Mapping[str, Any]) -> str:
    number = entry.get("repetition", 1)
    return f"{entry['id']}, repetition {number}" if number != 1 else str(entry["id"])


def _standing(slug: str, name: str, look: Look, going: set[str]) -> Standing:
    line: Line | None = look.lines.get(slug)
    if line is not None:
        return Standing(name, line.standing, SIGNS[line.standing], f"{line.outcome},")
    if slug in going:
        return Standing(name, "running", "▶", "running,")
    if slug in look.left_out:
        return Standing(name, "not-run", SIGNS["not-run"], f"{WORDS['not-run']},")
    return Standing(name, "starting", "▷", "starting,") if slug in look.begun else Standing(name, "waiting", "·", "")


def _told(going: Going, name: str) -> Told:
    answer = going.answer
    late = f"its watchdog has been asked for {going.asked_s:.0f} s" if going.asked_s > LATE_S else ""
    if "ended" in answer:
        return Told(name, f"{answer['ended'] or 'ended'}: gathering evidence", str(answer["text"]), late)
    if not answer:
        return Told(name, "running", "", late or "its watchdog is being asked")
    ranks: list[Mapping[str, Any]] = list(answer.get("ranks") or ())
    phases = list(dict.fromkeys(str(rank["phase"]) for rank in ranks if rank["phase"]))
    graph = situation_graph(ranks)
    rows = _rows(ranks)
    since = f"{answer['since_start_s']:.0f} s after its start, {answer['still_s']:.0f} s since anything moved"
    told = f"{since}; told {going.age_s:.0f} s ago" + (f"; {late}" if late else "")
    return Told(
        name,
        f"running · {', '.join(phases[:3])}" if phases else "running",
        _cut(str(answer["text"])),
        told,
        tuple(rows[:ROWS]),
        max(0, len(rows) - ROWS),
        graph,
        drawing(graph, True, WIDE) if graph.nodes else None,
        drawing(graph, False, NARROW) if graph.nodes else None,
    )


def _cut(text: str) -> str:
    text = capital(text)
    return text if len(text) <= TEXT else f"{text[:TEXT].rpartition(' ')[0]} ..."


def _rows(ranks: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Ranks alike together, in the order of the first of each."""
    alike: dict[Hashable, list[int]] = {}
    rows: dict[Hashable, Row] = {}
    for rank in ranks:
        waits = wait_lines(rank)
        operations = dict.fromkeys(" ".join(filter(None, (_library(one), one.name, one.op))) + _number(one) for one in waits)
        needs = sorted({lack for one in waits for lack in one.lacks if lack != one.rank})
        line = next((one.site for one in waits if one.site), "") or str(rank["line"])
        row = Row(
            "",
            "waits" if waits else str(rank["status"]),
            " ".join(filter(None, (str(rank["phase"]), str(rank["shape"])))),
            " and ".join(operations),
            ranks_text(needs) if needs else "",
            short(line),
        )
        alike.setdefault(row, []).append(int(rank["rank"]))
        rows[row] = row
    return [
        Row(capital(ranks_text(who)), row.standing, row.phase, row.operation, row.needs, row.line)
        for key, who in alike.items()
        for row in (rows[key],)
    ]


def _library(wait: WaitLine) -> str:
    return "" if wait.kind == "process" else wait.kind


def _number(wait: WaitLine) -> str:
    return f" #{wait.seq}" if wait.comm and wait.seq else ""
