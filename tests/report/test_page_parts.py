"""The parts of a case's page, which are pure: the graph and its drawing, two ranks side by side, stacks, the timeline."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from lockstep.harness.judge.verdict import Blame, RankEnd, Verdict, WaitLine
from lockstep.harness.report.pages import wait_graph as graphs
from lockstep.harness.report.pages.columns import columns
from lockstep.harness.report.pages.layout import drawing
from lockstep.harness.report.pages.shapes import ROWS, box
from lockstep.harness.report.pages.stack_tree import stack_tree
from lockstep.harness.report.pages.timeline import LABEL, WIDTH, timelines
from lockstep.harness.report.pages.tracks import Track, groups
from lockstep.harness.report.pages.wait_graph import Node, wait_graph
from lockstep.harness.report.width import wrapped
from lockstep.harness.vocabulary import Cause, Outcome

from .page_samples import STACK, hung

RANKS = st.integers(0, 5)


def wait(rank: int, comm: str, seq: int, lacks: frozenset[int]) -> WaitLine:
    """A rank in a barrier."""
    return WaitLine(rank, f"mpi:{comm}#1", "mpi", comm, "barrier", seq, "p", "", tuple(sorted(lacks - {rank})))


LINES = st.builds(wait, RANKS, st.sampled_from(["a", "b"]), st.integers(1, 2), st.frozensets(RANKS, min_size=1))
KNOTS = st.lists(LINES, min_size=1, max_size=8)


def verdict(knot: list[WaitLine], blamed: tuple[int, ...] = ()) -> Verdict:
    """A hang with this knot."""
    ends = tuple(RankEnd(rank, "blocked") for rank in range(6))
    blame = Blame(blamed, "collective", "x") if blamed else None
    return Verdict(Outcome.HANG, Cause.DEADLOCK, proved=True, knot=tuple(knot), blame=blame, ranks=ends)


def ranks_of(title: str) -> set[int]:
    """`Ranks 0-2,5`."""
    spans = [part.split("-") for part in title.split()[1].split(",")]
    return {rank for span in spans for rank in range(int(span[0]), int(span[-1]) + 1)}


@given(KNOTS)
def test_the_graph_says_what_the_knot_says(knot: list[WaitLine]) -> None:
    """Who waits in what, and whom that needs, is the same in the graph as in the knot, however ranks are put together."""
    graph = wait_graph(verdict(knot))
    waits: set[tuple[int, str]] = set()
    needs: set[tuple[int, str]] = set()
    for link in graph.links:
        ends = graph.nodes[link.source], graph.nodes[link.target]
        who, what = reversed(ends) if link.needs else ends
        assert what.library and not who.library
        for rank in ranks_of(who.title):
            (needs if link.needs else waits).add((rank, what.title))
    title = {line: f"mpi {line.name} barrier #{line.seq}" for line in knot}
    assert not graph.merged
    assert waits == {(line.rank, title[line]) for line in knot}
    assert needs == {(rank, title[line]) for line in knot for rank in line.lacks}


@given(KNOTS, st.booleans())
@settings(deadline=None)
def test_nothing_is_drawn_upon_another(knot: list[WaitLine], across: bool) -> None:
    """No two nodes overlap, all lie in the drawing, and every link has its arrow."""
    graph = wait_graph(verdict(knot, (knot[0].rank,)))
    drawn = drawing(graph, across, 40)
    for one in drawn.boxes:
        assert one.left >= 0 and one.top >= 0
        assert one.left + one.width <= drawn.width and one.top + one.height <= drawn.height
    for one, other in combinations(drawn.boxes, 2):
        apart_x = one.left + one.width <= other.left or other.left + other.width <= one.left
        apart_y = one.top + one.height <= other.top or other.top + other.height <= one.top
        assert apart_x or apart_y, (one.title, other.title)
    assert len(drawn.arrows) == len(graph.links)
    assert all(arrow.path.startswith("M") for arrow in drawn.arrows)


def test_a_ring_of_many_is_put_together() -> None:
    """512 ranks, each waiting for the next one's message, are two nodes and a circle."""
    knot = tuple(
        WaitLine(rank, "mpi:w#1", "mpi", "w", "recv", 1, "", "", ((rank + 1) % 512,), site="a.py:3 in f")
        for rank in range(512)
    )
    ends = tuple(RankEnd(rank, "blocked") for rank in range(512))
    graph = wait_graph(Verdict(Outcome.HANG, Cause.DEADLOCK, proved=True, knot=knot, ranks=ends))
    assert graph.merged
    assert [node.title for node in graph.nodes] == ["Ranks 0-511", "mpi recv"]
    assert {(link.source, link.target, link.needs) for link in graph.links} == {(0, 1, False), (1, 0, True)}
    for across in (False, True):
        assert len({arrow.path for arrow in drawing(graph, across, 40).arrows}) == 2


def test_more_than_can_be_read_is_left_out() -> None:
    """Where even what is alike is too much, some is left out and counted."""
    knot = [
        WaitLine(rank, f"mpi:{rank}#1", "mpi", str(rank), f"op{rank}", 1, "", "", ((rank + 1) % 40,)) for rank in range(40)
    ]
    ends = tuple(RankEnd(rank, "blocked") for rank in range(40))
    graph = wait_graph(Verdict(Outcome.HANG, Cause.DEADLOCK, proved=True, knot=tuple(knot), ranks=ends))
    assert len(graph.nodes) == graphs.MOST
    assert graph.left_out == 80 - graphs.MOST
    assert all(max(link.source, link.target) < graphs.MOST for link in graph.links)


@given(st.text(max_size=200), st.text(max_size=200), st.integers(20, 60))
@example("Rank 3", "generation_capture bs=32 draft=3 greedy advanced", 34)
def test_the_texts_of_a_node(title: str, line: str, most: int) -> None:
    """No row is wider, and no word is broken that has room in one, unless a text is longer than its rows."""
    made = box(Node(title, (line,)), (0.0, 0.0), most)
    rows = (made.title, *made.lines)
    assert all(cell_len(row) <= most for row in rows)
    assert len(rows) <= 2 * ROWS
    if len(wrapped(title, most)) <= ROWS and len(wrapped(line, most)) <= ROWS:
        told = {word for row in rows for word in row.split()}
        assert all(word in told for word in (*title.split(), *line.split()) if cell_len(word) <= most)


def event(kind: str, number: int, **more: Any) -> dict[str, Any]:
    """An event as `describe` gives it."""
    empty = dict.fromkeys(("comm", "name", "op", "seq", "need", "peer", "tag", "size", "site", "text"))
    return {"number": number, "time_s": number / 10, "kind": kind, "thread": 0, "phase": "", "shape": "", **empty, **more}


def track(rank: int, ops: str, open_last: bool = False) -> Track:
    """A rank that did these operations, one letter each."""
    events: list[dict[str, Any]] = []
    for at, op in enumerate(ops):
        events.append(event("enter", 2 * at + 1, comm="mpi:w#1@ab", op=op, seq=at + 1))
        if not (open_last and at == len(ops) - 1):
            events.append(event("exit", 2 * at + 2, comm="mpi:w#1@ab", op=op, seq=at + 1))
    return Track(rank, (rank,), events)


@given(st.text("abc", max_size=30), st.text("abc", max_size=30))
def test_two_ranks_side_by_side(left: str, right: str) -> None:
    """Each side's operations stand in their order; all before the row that is marked is the same, and it is not."""
    compared = columns(verdict([], (0,)), [track(0, left), track(1, right)])
    if left == right:
        assert compared is None
        return
    assert compared is not None
    assert (compared.left, compared.right) == (0, 1)
    common = next(
        (at for at, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]), min(len(left), len(right))
    )
    for side, ops in (("left", left), ("right", right)):
        shown = [getattr(row, side).what[-1] for row in compared.rows if getattr(row, side)]
        rest = iter(ops)
        assert all(op in rest for op in shown)
    (first,) = [row for row in compared.rows if row.mark == "first"]
    before = compared.rows[: compared.rows.index(first)]
    assert all(row.mark == "same" and row.left and row.right and row.left.key == row.right.key for row in before)
    assert len(before) <= common
    assert f"#{common + 1}" in {step.number for step in (first.left, first.right) if step}


def test_with_whom_a_rank_is_compared() -> None:
    """With the waiting peer that did most of the same: ranks of other parts differ from the first operation on."""
    lines = [WaitLine(rank, "mpi:w#1", "mpi", "w", "x", 9, "", "", (0,)) for rank in (1, 2, 3)]
    tracks = [track(0, "aab"), track(1, "caax"), track(2, "aaax"), track(3, "abx")]
    compared = columns(verdict(lines, (0,)), tracks)
    assert compared is not None
    assert compared.right == 2
    assert not compared.decided


def test_no_columns_without_the_beginning() -> None:
    """What begins in the middle is not compared: the first difference may lie before it."""
    assert columns(verdict([], (0,)), [replace(track(0, "ab"), left_out=3), track(1, "ac")]) is None


@given(st.lists(st.text("ab", max_size=12), min_size=1, max_size=4))
def test_the_timeline_stays_inside(ops: list[str]) -> None:
    """Bars and marks lie between the names of the lanes and the right edge, each lane below the one before."""
    tracks = [track(rank, one, open_last=True) for rank, one in enumerate(ops)]
    for drawn in timelines(verdict([]), tracks, columns(verdict([], (0,)), tracks)):
        tops = [lane.y for lane in drawn.lanes]
        assert tops == sorted(set(tops))
        for lane in drawn.lanes:
            for bar in (*lane.phases, *lane.open):
                assert bar.x >= LABEL and bar.x + bar.width <= WIDTH + 3
        assert all(LABEL <= x <= WIDTH for x, _ in drawn.ticks)
        assert len(drawn.ticks) <= 10


def test_stacks_are_put_together() -> None:
    """Ranks with one stack are one leaf; the program's innermost line is told; common outer lines stand once."""
    texts = {
        f"rank-{rank}": STACK.format(pid=rank, function="f" if rank < 5 else "g", line=int(rank < 5)) for rank in range(6)
    }
    found = stack_tree(texts, "/home/u")
    assert [(leaf.who, leaf.site, leaf.ranks) for leaf in found.leaves] == [
        ("Ranks 0-4", "train.py:1 in f", (0, 1, 2, 3, 4)),
        ("Rank 5", "train.py:0 in g", (5,)),
    ]
    assert [place for place, _, _ in found.shared] == ["train.py:90 in main"]


@pytest.mark.parametrize("ranks", [2, 512])
def test_groups_hold_every_rank_once(ranks: int) -> None:
    """Ranks alike are together, the blamed ones first and apart."""
    found = groups(hung(ranks))
    assert found[0] == (1,)
    assert sorted(rank for group in found for rank in group) == list(range(ranks))
    assert len(found) == 2


def test_the_device_has_a_row_of_its_own() -> None:
    """What was handed to the device is ticks; a stream that stands in a collective is a bar from when it was handed over."""
    events = [event("launch", at, comm="nccl:tp#1@ab", op="all_reduce", seq=at) for at in (1, 2, 3)]
    events.append(event("enter", 4, comm=None, op="synchronize", seq=1))
    line = WaitLine(0, "nccl:tp#1@ab", "nccl", "tp", "all_reduce", 2, "p", "", (1,), stream=True)
    (drawn,) = timelines(verdict([line]), [Track(0, (0,), events)], None)
    (lane,) = drawn.lanes
    assert lane.launches.count("M") == 3
    (stream,) = lane.streams
    assert stream.kind == "lib-nccl"
    assert f"M{stream.x:.0f} " in lane.launches
    assert stream.x + stream.width <= WIDTH


def test_the_decision_that_is_blamed_is_the_one_that_is_marked() -> None:
    """Ranks may differ in earlier decisions that did no harm: the row of the one that is blamed is marked."""

    def choices(rank: int, *made: str) -> Track:
        events = [event("decision", at, text=f"s k={at}: {choice} (free=1)") for at, choice in enumerate(made, 1)]
        return Track(rank, (rank,), events)

    blame = Blame((0,), "decision", "x", site="s", shape="k=2", choices={"wait": [0], "go": [1]})
    compared = columns(replace(verdict([]), blame=blame), [choices(0, "wait", "wait", "go"), choices(1, "go", "go", "go")])
    assert compared is not None and compared.decided
    (marked,) = [row for row in compared.rows if row.mark == "first"]
    assert marked.left and marked.right
    assert (marked.left.what, marked.left.choice, marked.right.choice) == ("s k=2", "wait", "go")
    assert compared.parted_s == marked.left.time_s
