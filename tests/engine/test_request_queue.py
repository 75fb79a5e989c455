"""What happens to requests before they are scheduled: time-outs, grammars, and who tells whom of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.decoding import APART, SHARED, all_decoded, decode
from tests.engine.support import Stuck

LATE: dict[str, Any] = {
    "parallel": SHARED,
    "config.max_batch_size": 1,
    "workload": {"requests": 2, "new_tokens": 3, "waiting_timeout_s": 300},
    "faults": [{"kind": "clock", "rank": 1, "phase": "decode", "shape": "step=2", "seconds": 600}],
}


def test_one_clock_decides_for_all() -> None:
    """A rank whose clock runs ahead aborts nothing by itself, but says so."""
    ranks = decode(LATE)
    all_decoded(ranks)
    assert [set(rank.choices("decode.time_out")) for rank in ranks] == [{"keep"}, {"keep", "abort 1"}]


def test_the_first_clock_aborts_on_every_rank() -> None:
    """The request that waits is gone everywhere, the one that runs is not."""
    faults = [{**LATE["faults"][0], "rank": 0}]
    ranks = decode({**LATE, "faults": faults})
    assert [sorted(rank.tokens) for rank in ranks] == [["0"], ["0"]]


def test_own_clocks_part_the_ranks() -> None:
    """The rank that has aborted alone is done; its peer runs the request by itself, for ever."""
    first, second = decode({**LATE, "guards.request_clock": "own"}, stuck_s=1.0)
    assert isinstance(first, Stuck)
    assert sorted(second.tokens) == ["0"]


@pytest.mark.parametrize("parallel", [SHARED, APART])
def test_structured_requests_are_decoded(parallel: dict[str, Any]) -> None:
    """A request with a grammar is decoded like any other, once its grammar is there."""
    all_decoded(decode({"parallel": parallel, "workload": {"requests": 3, "grammars": [0, 2]}}))


def test_grammars_over_the_global_group() -> None:
    """Under attention DP only the owner of a structured request comes to the global group."""
    changes = {"parallel": APART, "workload": {"requests": 2, "grammars": [1]}, "guards.grammar_sync": "global-group"}
    answers = decode(changes, stuck_s=1.0)
    assert [str(answer) for answer in answers] == ["tp", "world"]


GROUPS = {"tp": 4, "ep": 4, "attention_dp": True, "attention_tp": 2}


def test_an_attention_group_shares_its_requests() -> None:
    """Requests are dealt to groups; both ranks of a group decode them."""
    ranks = decode({"parallel": GROUPS, "workload.requests": 4})
    all_decoded(ranks)
    assert [sorted(rank.tokens) for rank in ranks] == [["0", "2"], ["0", "2"], ["1", "3"], ["1", "3"]]


def test_a_rank_in_its_group_is_no_rank_among_all() -> None:
    """In the second group nobody is the source: both wait for a message, and the first group for them."""
    answers = decode({"parallel": GROUPS, "workload.requests": 4, "guards.feed_rank": "local"}, stuck_s=1.0)
    assert {type(answer) for answer in answers} == {Stuck}
