"""What rides on any outcome, finding by finding. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lockstep.harness.judge.findings import findings
from lockstep.harness.judge.history import Entry, History
from lockstep.harness.judge.names import group_name, wait_name
from lockstep.harness.judge.snapshot import CaseSnapshot, Limit
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import CommInfo, RankState
from lockstep.harness.trace.wait import Wait
from lockstep.harness.vocabulary import FindingKind
from tests.judge.test_standing import WORLD, case


def ranks(*histories: History) -> CaseSnapshot:
    """Of a program."""
    return case({rank: RankState(rank) for rank in range(len(histories))}, dict(enumerate(histories)))


def of(whole: CaseSnapshot, kind: FindingKind) -> list[str]:
    """Their words."""
    return [finding.text for finding in findings(whole) if finding.kind is kind]


def test_events_that_are_missing() -> None:
    """Those that were overwritten by rank; those that were only not kept in memory in one sum."""
    whole = ranks(History(0, missing=7), History(1, missing=2), History(2, missing=4), History(3))
    whole.states[0].lost, whole.states[1].lost = 5, 2
    assert of(whole, FindingKind.EVIDENCE_LOST) == [
        "events were overwritten before they were read: 5 of rank 0, 2 of rank 1",
        "6 events of ranks 0,2 were not kept in memory, and were not compared; all are in the event logs",
    ]
    assert of(ranks(History(0)), FindingKind.EVIDENCE_LOST) == []


def test_what_could_not_be_seen_is_told_where_it_matters() -> None:
    """At a limit of time, where nothing was proved because of it."""
    whole = replace(ranks(History(0)), unseen=("rank 0 uses RPC",))
    assert of(whole, FindingKind.NOT_VISIBLE) == []
    text = "not all that the program does can be seen: rank 0 uses RPC"
    assert of(replace(whole, limit=Limit.DEADLINE), FindingKind.NOT_VISIBLE) == [text]
    assert of(replace(whole, limit=Limit.DEADLINE, unseen=()), FindingKind.NOT_VISIBLE) == []


def test_roots_and_lines_of_what_was_mispaired() -> None:
    """Ranks that entered it as the same together."""
    one = Entry(1, WORLD.key, 4, "bcast", "", "", -1, "a.py:3 in f", root=0)
    other = one._replace(root=1)
    whole = ranks(*(History(rank, entries=[one if rank else other]) for rank in range(3)))
    assert of(whole, FindingKind.MISPAIRED) == [
        "collective 4 of mpi world was entered as bcast with root 1 at a.py:3 in f by rank 0; "
        "bcast with root 0 at a.py:3 in f by ranks 1-2"
    ]


def test_results_that_are_wrong() -> None:
    """Checks that failed, tokens that differ, shapes that were left out."""
    results: tuple[dict[str, Any], ...] = (
        {"checks": {"a": False, "b": True, "c": None}, "tokens": {"r1": [1, 2], "r2": [3]}, "skipped": {"warm-up": [8, 4]}},
        {"tokens": {"r1": [1, 3], "r2": [3]}, "skipped": {"warm-up": [8, 4], "capture": []}},
    )
    whole = ranks(*(History(rank, result=result) for rank, result in enumerate(results)))
    assert of(whole, FindingKind.WRONG_RESULT) == [
        "rank 0 reports that these checks failed: a",
        "ranks [0, 1] give different tokens for request r1",
    ]
    assert of(whole, FindingKind.SKIPPED_SHAPE) == ["warm-up was never run for 8, 4 on ranks 0-1"]


def test_names_of_groups_and_waits() -> None:
    """A name that is a hash, or that several groups have, says who its members are; a wait has its line."""
    hashed = CommInfo("gloo:h", "gloo", "0123456789abcdef", (0, 1))
    other = CommInfo("gloo:world", "gloo", "world", (0,))
    whole = ranks(History(0), History(1))
    for info in (hashed, other):
        whole.histories[0].comms[info.key] = info
    whole = replace(whole, comms={info.key: (info.kind, info.name) for info in (WORLD, hashed, other)})
    assert group_name(whole, hashed.key) == "gloo group of ranks 0-1"
    assert group_name(whole, WORLD.key) == "mpi world of ranks 0-1"
    assert group_name(replace(whole, comms={WORLD.key: ("mpi", "world")}), WORLD.key) == "mpi world"
    wait = Wait(hashed.key, 3, "barrier", Need.ALL, -1, 0, 0, "", "", site="a.py:3 in f")
    assert wait_name(whole, wait) == "gloo group of ranks 0-1 barrier #3 at a.py:3 in f"
    assert wait_name(whole, wait._replace(comm="", op="acquire", site="")) == "acquire"
