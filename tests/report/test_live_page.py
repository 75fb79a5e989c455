"""Pages from what watchdogs tell of ranks of which nothing is proved: no process, no socket."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from lockstep.harness.report.line import not_judged
from lockstep.harness.report.live.looks import Going, Look
from lockstep.harness.report.pages.case_page import case_page
from lockstep.harness.report.pages.live_page import ROWS, live_page
from tests.report.page_samples import Page, case_folder, is_safe
from tests.report.test_case_page import HOSTILE


def entry(name: str) -> dict[str, Any]:
    """A case of a plan."""
    return {"id": name, "slug": name, "scenario": name, "path": f"{name}.yaml"}


def rank(number: int, lacks: list[int], **values: Any) -> dict[str, Any]:
    """A rank in an all-reduce, as a watchdog answers it."""
    wait = {
        "comm": "nccl:tp", "kind": "nccl", "name": "tp", "op": "all_reduce", "seq": 7, "tag": 0,
        "site": "serve.py:41 in step", "phase": "warmup", "stream": False, "for": lacks,
    }  # fmt: skip
    waits = [{**wait, **values}] if lacks else []
    told = {"rank": number, "status": "running", "host": "a", "pid": 10 + number, "phase": "warmup", "shape": "bs=8"}
    return {**told, "events": 9, "waits": waits, "line": "serve.py:90 in main"}


def answer(*ranks: dict[str, Any], text: str = "ranks 0-2 wait") -> dict[str, Any]:
    """What `lockstep peek` prints."""
    return {"case": "a", "since_start_s": 12.0, "still_s": 3.0, "text": text, "ranks": list(ranks)}


def look(*going: Going, **values: Any) -> Look:
    """Of a run of three cases."""
    run = {"run": "r1", "plan": [entry(name) for name in "abc"], "started": "2026-11-30T18:00:00"}
    return replace(Look(run, going, {}, frozenset(), frozenset()), **values)


def test_who_waits_for_whom() -> None:
    """Ranks alike are one row and one node, each with its operation, its line, and whom it waits for."""
    told = answer(*(rank(number, [3]) for number in range(3)), rank(3, []))
    page = Page(live_page(look(Going("a", told)), Path("r1")))
    for words in (
        "Ranks 0-2",
        "nccl tp all_reduce #7",
        "rank 3",
        "serve.py:41 in step",
        "serve.py:90 in main",
        "warmup bs=8",
    ):
        assert words in page.text
    assert page.tags.count("svg") >= 2
    assert "in no known wait" in page.text  # the rank that is waited for


def test_states() -> None:
    """Each case of the plan says how it stands, and what is not as expected comes in full; a judged one is not in flight."""
    failed = replace(
        not_judged(entry("b"), "no host"), differences="outcome: expected success, got hang", rerun="lockstep run b"
    )
    seen = look(Going("b", answer(rank(0, []))), lines={"b": failed}, begun=frozenset({"b", "c"}))
    page = Page(live_page(seen, Path("r1")))
    assert "1 not as expected, 1 of 3 judged, 1 running" in page.text
    for words in ("outcome: expected success, got hang", "lockstep run b", "starting, c", "· a"):
        assert words in " ".join(page.text.split())
    assert "serve.py:90" not in page.text


def test_ended_meanwhile() -> None:
    """Of a case whose evidence is gathered the verdict stands there already."""
    page = Page(live_page(look(Going("a", {"case": "a", "ended": "hang", "text": "Rank 1 never came."})), Path("r1")))
    assert "hang: gathering evidence" in page.text
    assert "Rank 1 never came." in page.text


def test_no_answer_yet() -> None:
    """It is said that a watchdog is being asked, and for how long where that is long."""
    assert "its watchdog is being asked" in live_page(look(Going("a", {})), Path("r1"))
    assert "has been asked for 30 s" in live_page(look(Going("a", {}, asked_s=30.0)), Path("r1"))


def test_hostile_texts() -> None:
    """What a program calls its operations and lines is text on the page."""
    told = answer(rank(0, [1], op=HOSTILE, site=HOSTILE, name=HOSTILE), rank(1, []), text=HOSTILE)
    made = live_page(look(Going("a", told)), Path("r1"))
    assert "<script>alert" not in made
    assert Page(made).tags.count("script") == 1


def test_thousands_of_ranks() -> None:
    """No page is longer than can be read: 4,096 ranks, each at a line of its own, are some rows and the rest by number."""
    ranks = [rank(number, [4096], site=f"a.py:{number}") for number in range(4096)]
    made = live_page(look(Going("a", answer(*ranks))), Path("r1"))
    assert len(made) < 200_000
    assert f"{4096 - ROWS} more groups" in Page(made).text


def test_who_waits_where_nothing_is_proved(tmp_path: Path) -> None:
    """The graph of a hang without a proof is that of its waits.json, and says so; any other file is none."""
    _, folder = case_folder(tmp_path, 4)
    raw = json.loads((folder / "verdict.json").read_text())
    raw |= {"proved": False, "cause": "stall", "knot": [], "blame": None}
    (folder / "verdict.json").write_text(json.dumps(raw))
    assert "Who waits for whom" not in case_page(folder)
    told = answer(*(rank(number, [3], op=HOSTILE) for number in range(3)), rank(3, []))
    (folder / "waits.json").write_text(json.dumps(told))
    page = Page(case_page(folder))
    is_safe(page)
    for words in ("Who waits for whom", "Ranks 0-2", "in no known wait", "Nothing of this is proved"):
        assert words in page.text
    for text in (
        "[]",
        "{",
        json.dumps({"ranks": [{"rank": "x"}, 3]}),
        json.dumps({"ranks": [{**rank(0, [1]), "waits": 3}]}),
    ):
        (folder / "waits.json").write_text(text)
        assert "Who waits for whom" not in case_page(folder)
