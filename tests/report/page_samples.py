"""Folders of cases for pages: real event logs and stacks of any number of ranks, without a process."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from lockstep.harness.judge.verdict import Blame, RankEnd, Verdict, WaitLine
from lockstep.harness.judge.words import verdict_text
from lockstep.harness.report.record import CaseRecord
from lockstep.harness.report.store import RunStore
from lockstep.harness.trace.log import EventLogWriter
from lockstep.harness.trace.recorder import Recorder
from lockstep.harness.trace.ring import Ring
from lockstep.harness.vocabulary import Cause, Outcome

from .samples import ENVIRONMENT, case, hang

VOID = ("meta", "input", "br", "link", "img", "hr")
ALLOWED = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "main",
        "nav",
        "section",
        "article",
        "h1",
        "h2",
        "h3",
        "p",
    ),
    *(
        "span",
        "b",
        "i",
        "em",
        "small",
        "code",
        "pre",
        "a",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "div",
        "table",
        "thead",
        "tbody",
    ),
    *("tr", "th", "td", "details", "summary", "figure", "form", "fieldset", "legend", "label", "input"),
    *("svg", "defs", "marker", "path", "g", "rect", "text"),
}


class Page(HTMLParser):
    """What a page holds: its elements, and what they lead to. Every element is closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID and not self.get_starttag_text().endswith("/>"):  # type: ignore[union-attr]
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """It ends."""
        if self.rawdata and (self._open and self._open[-1] != tag):
            raise AssertionError(f"</{tag}> inside of <{self._open[-1]}>")
        self._open.pop()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element without content."""
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        """What is read."""
        if not self._open or self._open[-1] != "style":
            self.text += data

    def links(self) -> list[str]:
        """Where one can go from here."""
        return [value for tag, name, value in self.attributes if (tag, name) == ("a", "href")]


def is_safe(page: Page) -> None:
    """Holds that nothing is run, fetched or styled by what was read, and that links lead to files beside it or by https."""
    assert set(page.tags) <= ALLOWED
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), (tag, name)
        assert name not in ("src", "style", "srcset", "action", "formaction", "xlink:href", "background"), (tag, name)
        if name == "href":
            assert tag == "a"
            assert value.startswith("https://") or ":" not in value.partition("/")[0], value
    policy = next(value for _, name, value in page.attributes if name == "content" and "default-src" in value)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


def hung(ranks: int, blamed: Sequence[int] = (1,)) -> Verdict:
    """A proved hang of so many ranks: one leaves a collective out, and waits for the others in another."""
    everybody = range(ranks)
    others = tuple(rank for rank in everybody if rank not in blamed)
    knot = tuple(
        WaitLine(rank, "mpi:world#1@ab", "mpi", "world", "barrier", 3, "clock", "", others)
        if rank in blamed
        else WaitLine(rank, "mpi:tp#1@ab", "mpi", "tp", "allgather", 7, "capture", "bs=32", tuple(blamed))
        for rank in everybody
    )
    blame = Blame(
        tuple(blamed), "decision",
        "Rank 1 left out capture.request bs=32 (free_blocks=24 needed_blocks=32); the others chose run",
        "capture.request", "capture", "bs=32", "none", "free_blocks=24 needed_blocks=32",
        {"run": list(others), "none": list(blamed)},
    )  # fmt: skip
    ends = tuple(RankEnd(rank, "blocked", "clock" if rank in blamed else "capture", host="node-1") for rank in everybody)
    text = verdict_text(Outcome.HANG, Cause.DEADLOCK, knot, blame, ends)
    return replace(hang(), text=text, knot=knot, blame=blame, ranks=ends, findings=())


def write_events(folder: Path, rank: int, ranks: int, deviates: bool) -> None:
    """The log of one rank that hung: as of `hung`."""
    ring = Ring(rank=rank, world=ranks, capacity=256)
    recorder = Recorder(ring.memory, ring.capacity, rank=rank)
    tp, world = recorder.comm("mpi", "tp", range(ranks)), recorder.comm("mpi", "world", range(ranks))
    with recorder.phase("general"):
        for _ in range(3):
            with recorder.collective(tp, "allgather"):
                pass
    with recorder.phase("capture"):
        recorder.shape("bs=32")
        figures = "free_blocks=24 needed_blocks=32" if deviates else "free_blocks=96 needed_blocks=32"
        recorder.decision("capture.request", "bs=32", "none" if deviates else "run", figures, deviates)
        if not deviates:
            recorder.collective(tp, "allgather")
    if deviates:
        with recorder.phase("clock"):
            recorder.collective(world, "barrier")
    delta = ring.read()
    with EventLogWriter(folder / f"rank-{rank}.events", rank=rank, world=ranks, clock_offset_ns=5) as log:
        log.append(delta.records, delta.strings, delta.lost)
    ring.close()


STACK = """Process {pid}
Python v3.12.1

Thread {pid} (active): "MainThread"
    barrier (/opt/venv/lib/python3.12/site-packages/mpi/comm.py:8)  # self.Barrier()
    {function} (/home/u/train.py:{line})  # {function}()
    main (/home/u/train.py:90)
"""


def case_folder(root: Path, ranks: int, blamed: Sequence[int] = (1,), logged: int = 64) -> tuple[RunStore, Path]:
    """A run with one case that hung, with logs of the first ranks."""
    one = replace(case("capture[guards.capture=none]"), ranks=ranks)
    store = RunStore.create(root, "one", ["lockstep", "run"], ENVIRONMENT, [one])
    folder = store.case_dir(one)
    (folder / "stacks").mkdir()
    for rank in range(min(ranks, logged)):
        write_events(folder, rank, ranks, rank in blamed)
        text = STACK.format(pid=100 + rank, function="clock" if rank in blamed else "capture", line=40 + (rank in blamed))
        (folder / "stacks" / f"rank-{rank}.txt").write_text(text)
        (folder / f"rank-{rank}.log").write_text(f"hello from {rank}\n\x1b[31mred\x1b[0m\n")
    store.record(CaseRecord(one, hung(ranks, blamed), True, [], "lockstep run again", 4.5))
    return store, folder


def tampered(folder: Path, text: str) -> None:
    """Put a text into every string of a case that people or programs choose."""
    for name in ("verdict.json", "case.json"):
        raw = json.loads((folder / name).read_text())
        kept = ("schema", "outcome", "cause", "kind", "status", "path")
        (folder / name).write_text(json.dumps(_with(raw, text, kept)))
    for path in (*folder.glob("*.log"), *folder.glob("stacks/*.txt")):
        path.write_text(path.read_text().replace("hello", text).replace("clock", text).replace("capture", text))


def _with(value: object, text: str, kept: Sequence[str], name: str = "") -> object:
    if isinstance(value, dict):
        return {key: _with(one, text, kept, key) for key, one in value.items()}
    if isinstance(value, list):
        return [_with(one, text, kept, name) for one in value]
    return value + text if isinstance(value, str) and name not in kept else value
