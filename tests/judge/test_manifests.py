"""Graph manifests: what ranks captured is compared, and a difference is found before anything hangs."""

from __future__ import annotations

import pytest

from lockstep.harness.judge.history import CapturedGraph, History
from lockstep.harness.judge.manifests import NOTHING, graph_mismatch
from lockstep.harness.trace.state import CommInfo

KEY = "nccl:ep#1@x"


def history(rank: int, graphs: list[tuple[str, int]], left: bool = True, key: str = KEY) -> History:
    """A rank that captured graphs of so many all-to-alls each, and has or has not left the phase."""
    found = History(rank)
    found.comms = {key: CommInfo(key, "nccl", "ep", (0, 1))}
    found.phases = [(0, "capture"), *([(99, "decode")] if left else [])]
    found.graphs = [
        CapturedGraph(at, name, "capture", ((key, "all_to_all x", -1),) * count)
        for at, (name, count) in enumerate(graphs, 1)
    ]
    return found


def test_equal_graphs_are_no_finding() -> None:
    """Ranks that captured the same have nothing to report."""
    assert graph_mismatch({rank: history(rank, [("32", 4), ("16", 4)]) for rank in range(3)}) is None


@pytest.mark.parametrize(
    ("other", "number"),
    [([("16", 4)], 1), ([("32", 4), ("16", 2)], 2), ([("32", 4)], 2), ([("32", 4), ("16", 4), ("8", 4)], 3)],
)
def test_first_difference_is_named(other: list[tuple[str, int]], number: int) -> None:
    """Another graph, another count of collectives, one fewer or one more: the first graph that differs."""
    found = graph_mismatch({0: history(0, [("32", 4), ("16", 4)]), 1: history(1, other)})
    assert found is not None
    assert found.number == number
    assert sorted(rank for ranks in found.groups.values() for rank in ranks) == [0, 1]


def test_capture_in_progress_is_no_difference() -> None:
    """A rank that is still capturing may capture the rest yet; one that has left the phase will not."""
    ranks = {0: history(0, [("32", 4), ("16", 4)]), 1: history(1, [("32", 4)], left=False)}
    assert graph_mismatch(ranks) is None
    ranks[1].phases.append((50, ""))
    found = graph_mismatch(ranks)
    assert found is not None
    assert found.groups[NOTHING] == [1]


def test_strangers_may_differ() -> None:
    """Ranks without a common communicator in their graphs may capture what they like."""
    assert graph_mismatch({0: history(0, [("32", 4)]), 1: history(1, [("16", 4)], key="nccl:ep#1@y")}) is None


def test_a_capture_is_over_with_the_next_phase() -> None:
    """That came after it: one that had come before, or the capture itself again, says nothing."""
    first = history(0, [("32", 4), ("16", 4)])
    other = history(1, [("32", 4)], left=False)
    for phases, over in (
        ([(0, "load"), (5, "capture")], False),
        ([(0, "load"), (5, "capture"), (9, "capture")], False),
        ([(5, "capture"), (6, "decode")], True),
        ([(0, "load")], False),
    ):
        other.phases = phases
        assert (graph_mismatch({0: first, 1: other}) is not None) is over


def test_graphs_in_words() -> None:
    """How many collectives of which kind, of which size where all have one."""
    first, other = history(0, [("32", 2)]), history(1, [("32", 0)])
    sized = (KEY, "all_reduce y", 0)
    first.graphs = [CapturedGraph(1, "32", "capture", (*first.graphs[0].collectives, sized))]
    found = graph_mismatch({0: first, 1: other})
    assert found is not None
    assert found.groups["32 (no collectives)"] == [1]
    other.graphs = [CapturedGraph(1, "32", "capture", (sized,))]
    found = graph_mismatch({0: first, 1: other})
    assert found is not None
    assert found.groups == {
        "32 (2 nccl:ep all_to_all, 1 nccl:ep all_reduce of 0)": [0],
        "32 (1 nccl:ep all_reduce of 0)": [1],
    }
