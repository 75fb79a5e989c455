"""How a scenario deals its ranks to nodes: all that adds up is taken, and nothing else."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.scenario.frame import Frame
from lockstep.harness.scenario.load import load
from lockstep.harness.scenario.nodes import node_counts, wrong_nodes
from tests.scenario.support import changed, write

GIVEN = Frame.model_validate({"name": "a", "source": "b", "summary": "c", "expect": [{"outcome": "success"}]})


@given(
    st.none() | st.integers(1, 6),
    st.none() | st.integers(1, 6) | st.lists(st.integers(1, 6), min_size=1, max_size=4),
    st.integers(1, 12),
)
def test_what_is_not_wrong_deals_every_rank_once(count: int | None, each: int | list[int] | None, ranks: int) -> None:
    """A mapping without complaint adds up to the ranks and is what the keys say; one that could not be has a complaint."""
    frame = GIVEN.model_copy(update={"nodes": count, "ranks_per_node": each})
    if count is None and each is None:
        assert (list(wrong_nodes(frame, ranks)), node_counts(frame, ranks)) == ([], ())
        return
    if isinstance(each, list):
        candidates = [each]
    else:
        sizes = range(1, ranks + 1) if each is None else [each]
        candidates = [[size] * number for size in sizes for number in range(1, ranks + 1)]
    meant = [dealt for dealt in candidates if sum(dealt) == ranks and count in (None, len(dealt))]
    wrong = list(wrong_nodes(frame, ranks))
    assert len(wrong) == (not meant)
    if meant:
        assert [list(node_counts(frame, ranks))] == meant


def test_cases_know_their_nodes(tmp_path: Path) -> None:
    """Also where the matrix says, and where only one host will do."""
    text = changed(
        ("{tp: 2}", "{tp: 4}"),
        ("expect:\n", "matrix:\n  ranks_per_node: [[3, 1], 2, 4]\nexpect:\n"),
    )
    assert [case.nodes for case in load(write(tmp_path, text))] == [(3, 1), (2, 2), (4,)]
    text = changed(("guards: {preset: trtllm-main}", "guards: {preset: trtllm-main, step_broadcast: checked}"))
    assert [case.nodes for case in load(write(tmp_path, text))] == [(2,)]
    assert [case.nodes for case in load(write(tmp_path, changed()))] == [()]
