"""The page of a case: what it says, at any number of ranks, and that nothing in a case can make it do anything."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from lockstep.harness.report.evidence import evidence_in
from lockstep.harness.report.pages.case_page import case_page
from lockstep.harness.report.pages.make import PAGE, make_case_page, make_pages

from .page_samples import Page, case_folder, is_safe, tampered

HOSTILE = "</title></style><script>alert(1)</script><img src=x onerror=alert(2)>\"'{{ 7*7 }}\u202e\x00&lt;"


@pytest.mark.parametrize("ranks", [2, 8, 512, 4096])
def test_a_page_at_any_number_of_ranks(tmp_path: Path, ranks: int) -> None:
    """Who, what, where and what next stand on a page that stays small however many ranks there are."""
    _, folder = case_folder(tmp_path, ranks)
    started = time.monotonic()
    text = case_page(folder)
    seconds = time.monotonic() - started
    page = Page(text)
    is_safe(page)
    assert len(text) < 150_000
    assert seconds < 20  # a few tenths, and nothing that grows with the square of the ranks
    others = "Rank 0" if ranks == 2 else f"Ranks 0,2-{ranks - 1}"
    for words in (
        "hang · deadlock · proved",
        "Rank 1 left out capture.request bs=32; the others chose run.",
        f"Rank 1 of {ranks} on node-1",
        "train.py:41 in clock",
        others,
        "mpi tp allgather #7",
        "mpi world barrier #3",
        "capture.request bs=32 → none",
        "lockstep run again",
        "hello from 1",
    ):
        assert words in page.text, words
    assert "\x1b" not in page.text
    assert page.tags.count("svg") >= 3  # the graph for wide and for narrow screens, and the timeline


def test_the_same_line_first(tmp_path: Path) -> None:
    """Where a rank stands begins with the same line in the head and in the list of stacks: not with a wrapper of its own."""
    _, folder = case_folder(tmp_path, 3)
    path = folder / "stacks" / "rank-1.txt"
    wrapper, place = "    allgather (/home/u/comm/mpi.py:63)", "/home/u/warmup/warm_up.py:169"
    path.write_text(path.read_text().replace("    clock (/home/u/train.py:41)", f"{wrapper}\n    clock ({place})"))
    page = Page(case_page(folder)).text
    assert "Stands now at" in page
    assert "warmup/warm_up.py:169 in clock, in comm/mpi.py:63 in allgather" in page
    stands = page.partition("Where each stands")[2]
    assert "Rank 1 /home/u/warmup/warm_up.py:169 in clock, in /home/u/comm/mpi.py:63 in allgather" in stands
    raw = json.loads((folder / "verdict.json").read_text())
    for wait in raw["knot"]:
        wait["site"] = "comm/mpi.py:63 in Comm.allgather" if wait["rank"] == 1 else ""
    (folder / "verdict.json").write_text(json.dumps(raw))
    page = Page(case_page(folder)).text
    assert "comm/mpi.py:63 in Comm.allgather" in page.partition("Where each stands")[0]
    assert "Rank 1 /home/u/comm/mpi.py:63 in allgather" in page.partition("Where each stands")[2]


def test_what_next_is_told_once(tmp_path: Path) -> None:
    """Advice without a command stands in the head or in the list below the graph, and not in both."""
    _, folder = case_folder(tmp_path, 3)
    case = json.loads((folder / "case.json").read_text())
    (folder / "case.json").write_text(json.dumps({**case, "scenario": "watch", "path": ""}))
    page = Page(case_page(folder))
    assert page.text.count("Let all ranks make this choice together") == 1
    assert "Run it again: lockstep run again" in page.text


@pytest.mark.parametrize(
    ("more", "links"),
    [
        ({"reports": ["a/b#1", "a/b#2"], "source": "https://github.com/a/b/pull/1"}, ["pull/1", "issues/2"]),
        ({"reports": ["a/b#1-followup", "c/d#2"], "source": "https://github.com/a/b/pull/1"}, ["pull/1", "issues/2"]),
        ({"reports": ["a/b#1"], "source": ""}, ["issues/1"]),
        ({"reports": [], "source": "https://github.com/a/b/pull/1"}, ["pull/1"]),
        ({"reports": [], "source": "a paper"}, []),
    ],
)
def test_reported_upstream(tmp_path: Path, more: dict[str, object], links: list[str]) -> None:
    """The first link is the page that the scenario names as its source, a pull request too; others are issues' pages."""
    _, folder = case_folder(tmp_path, 2)
    case = json.loads((folder / "case.json").read_text())
    (folder / "case.json").write_text(json.dumps({**case, **more}))
    found = [link for link in Page(case_page(folder)).links() if link.startswith("https://")]
    assert ["/".join(link.split("/")[-2:]) for link in found] == links


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    """Whatever stands in verdict, case, logs and stacks, it is shown and does nothing."""
    _, folder = case_folder(tmp_path, 4)
    tampered(folder, HOSTILE)
    page = Page(case_page(folder))
    is_safe(page)
    assert "<script>alert(1)</script>" in page.text
    assert "{{ 7*7 }}" in page.text


def test_links_lead_to_files_that_are_there(tmp_path: Path) -> None:
    """The run's page leads to the case's, that back, and to its evidence, all by relative links."""
    store, folder = case_folder(tmp_path, 2)
    assert make_pages(store) == store.path / PAGE
    for path in (store.path / PAGE, folder / PAGE):
        links = [link for link in Page(path.read_text()).links() if not link.startswith("https://")]
        assert links
        for link in links:
            assert (path.parent / link).is_file(), link


@pytest.mark.parametrize("broken", ["verdict.json", "case.json", "rank-0.events", "stacks/rank-0.txt", "rank-1.log"])
def test_a_page_that_cannot_be_made_costs_nothing(tmp_path: Path, broken: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is damaged or no file at all leads to a page without it or to one sentence on stderr; never to an error."""
    _, folder = case_folder(tmp_path, 2)
    for content in (b"", b"\x00\xff{", b"[]", b'{"schema": 3}', None):
        (folder / broken).unlink()
        (folder / PAGE).unlink(missing_ok=True)
        if content is not None:
            (folder / broken).write_bytes(content)
        made = make_case_page(folder)
        said = capsys.readouterr().err
        assert (made is None) == said.startswith(f"lockstep: no page of {folder.name}: ")
        assert (made is not None) == (folder / PAGE).is_file()
        if content is None:
            (folder / broken).write_bytes(b"")


def test_a_page_is_no_evidence(tmp_path: Path) -> None:
    """A verdict that is written again does not list the page of the one before."""
    store, folder = case_folder(tmp_path, 2)
    make_pages(store)
    assert PAGE not in evidence_in(folder)
