"""Guards over an in-process communicator: what each mode does for every way in which ranks may differ."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.engines.minimal.base.batch import Attempt, Batch
from lockstep.engines.minimal.warmup.variants.guard import GUARDS
from lockstep.harness.trace import Recorder
from tests.engine.support import ThreadCommunicator, on_ranks


def ask(mode: str, have: list[bool]) -> list[Any]:
    """What each rank's guard says when the ranks of `have` have a batch."""

    def work(comm: ThreadCommunicator) -> bool:
        attempt = Attempt(Batch() if have[comm.rank] else None, 10 + comm.rank, 32, 128)
        return GUARDS[mode]("general", comm, comm, Recorder.attach({})).should_run("bs=32", attempt)

    return on_ranks(len(have), work)


@given(st.lists(st.booleans(), min_size=2, max_size=4))
def test_none_lets_each_rank_decide(have: list[bool]) -> None:
    """Without a guard a rank runs exactly if it has a batch."""
    assert ask("none", have) == have


@given(st.lists(st.booleans(), min_size=2, max_size=4))
def test_sync_skip_runs_only_together(have: list[bool]) -> None:
    """sync-skip runs everywhere or nowhere, and raises never."""
    assert ask("sync-skip", have) == [all(have)] * len(have)


@pytest.mark.parametrize("mode", ["assert", "agree"])
@given(have=st.lists(st.booleans(), min_size=2, max_size=4))
def test_assert_and_agree_raise_on_every_rank(mode: str, have: list[bool]) -> None:
    """When ranks differ, every rank raises the same error with every rank's figures; else they run or skip together."""
    answers = ask(mode, have)
    if all(have) or not any(have):
        assert answers == have
        return
    assert {type(answer) for answer in answers} == {RuntimeError}
    assert len({str(answer) for answer in answers}) == 1
    for rank in range(len(have)):
        assert f"rank {rank}: " in str(answers[0])
        assert f"({10 + rank}, 32, 128)" in str(answers[0])


@given(have=st.lists(st.booleans(), min_size=1, max_size=4))
def test_fail_stop_needs_a_batch_everywhere(have: list[bool]) -> None:
    """fail-stop runs with a batch on every rank, and raises everywhere otherwise, also where no rank can have one."""
    answers = ask("fail-stop", have)
    assert answers == [True] * len(have) if all(have) else {type(answer) for answer in answers} == {RuntimeError}
