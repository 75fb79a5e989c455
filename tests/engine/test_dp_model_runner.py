"""Which graph a data-parallel rank picks: all ranks the same one, unless a habit leaves an agreement out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lockstep.engines.minimal.base.batch import Row
from lockstep.engines.minimal.base.protocols import Graph, Step, StepOutput
from lockstep.engines.minimal.data_parallel.model_runner import DpModelRunner
from lockstep.engines.minimal.spec.settings import Settings
from tests.engine.support import Log, ThreadCommunicator, context_of, on_groups, settings

GENERATION, PREFILL = (1, 2, 8), (4, 16)
Work = tuple[str, int]  # prompt of so many tokens, generation of so many rows, or idle


class Recorded:
    """A device, and each of its graphs, that notes how it ran and with how many tokens."""

    out_of_memory: type[Exception] = MemoryError

    def __init__(self) -> None:
        self.ran: list[tuple[str, int, tuple[int, ...]]] = []

    def eager(self, step: Step) -> StepOutput:
        """Note it."""
        self.ran.append(("eager", len(step.tokens), step.counts))
        return _nothing(step)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"nobody needs {name} here")


class RecordedGraph:
    """A graph of that device."""

    def __init__(self, device: Recorded, name: str) -> None:
        self.device, self.name = device, name

    def replay(self, step: Step) -> StepOutput:
        """Note it."""
        self.device.ran.append((self.name, len(step.tokens), step.counts))
        return _nothing(step)


def _nothing(step: Step) -> StepOutput:
    return StepOutput((0,) * len(step.tokens), ((),) * len(step.tokens))


@cache
def settings_of(ranks: int, **guards: str) -> Settings:
    """Those of any rank: here nothing goes by its number."""
    return settings({"parallel": {"tp": ranks, "ep": ranks, "attention_dp": True}, "guards": guards}, 0, ranks)


def forward(work: Sequence[Work], guards: dict[str, str]) -> list[tuple[str, int, tuple[int, ...]]]:
    """How each rank runs its work: what, with how many tokens, told which counts."""

    def run(tp: ThreadCommunicator) -> tuple[str, int, tuple[int, ...]]:
        device = Recorded()
        context = context_of(settings_of(len(work), **guards), tp, Log(), device)
        engine = context.engine
        generation: dict[Any, Graph] = {
            ("generation", size, 1, "greedy"): RecordedGraph(device, "generation") for size in GENERATION
        }
        engine.graphs = generation | {("prefill", size, 0, "greedy"): RecordedGraph(device, "prefill") for size in PREFILL}
        runner = DpModelRunner(context)
        kind, size = work[tp.rank]
        if kind == "idle":
            runner.dummy_run("step")
        elif kind == "prompt":
            assert len(runner.execute_model([Row([1] * size, 0, [0, 1, 2, 3], False)], "step").next_tokens) == size
        else:
            assert len(runner.execute_model([Row([1], 3, [row], True) for row in range(size)], "step").next_tokens) == size
        (ran,) = device.ran
        return ran

    return on_groups(len(work), ("tp",), run)


WORK = st.one_of(
    st.tuples(st.just("prompt"), st.integers(1, 16)),
    st.tuples(st.just("generation"), st.integers(1, 9)),
    st.just(("idle", 1)),
)


@given(st.sampled_from([2, 4]).flatmap(lambda ranks: st.lists(WORK, min_size=ranks, max_size=ranks)))
@hypothesis_settings(deadline=None)
def test_all_ranks_run_the_same_mode_and_size(work: list[Work]) -> None:
    """With both agreements ranks replay one graph or none, and know each other's tokens."""
    ran = forward(work, {})
    assert len({how for how, _, _ in ran}) == 1
    assert len({counts for _, _, counts in ran}) == 1
    if ran[0][0] != "eager":
        assert len({tokens for _, tokens, _ in ran}) == 1
        assert ran[0][1] >= max(size for _, size in work)
    else:
        assert [tokens for _, tokens, _ in ran] == list(ran[0][2])


@pytest.mark.parametrize(
    ("guards", "work", "how"),
    [
        ({"dp_exchange": "tokens"}, [("prompt", 3), ("generation", 2)], ["prefill", "generation"]),
        ({"dp_exchange": "tokens"}, [("generation", 9), ("generation", 1)], ["eager", "eager"]),
        ({"dp_exchange": "nothing"}, [("generation", 9), ("generation", 1)], ["eager", "generation"]),
        ({"dp_exchange": "mode"}, [("generation", 9), ("generation", 1)], ["eager", "eager"]),
        ({"request_counts": "local"}, [("generation", 3), ("prompt", 4)], ["generation", "prefill"]),
        ({"sparse_prefill": "sum-len"}, [("prompt", 4), ("idle", 1)], ["prefill", "eager"]),
        ({"sparse_prefill": "max-len"}, [("prompt", 4), ("idle", 1)], ["prefill", "prefill"]),
        ({"sparse_prefill": "eager"}, [("prompt", 4), ("idle", 1)], ["eager", "eager"]),
    ],
)
def test_what_a_habit_leaves_out(guards: dict[str, str], work: list[Work], how: list[str]) -> None:
    """Ranks that are told less than all part where their batches do."""
    assert [name for name, _, _ in forward(work, guards)] == how


def test_an_unpadded_dummy_replays_a_smaller_graph() -> None:
    """The dummy of one token takes the graph of one, beside a peer that takes that of eight."""
    ran = forward([("generation", 5), ("idle", 1)], {"dummy_graph": "unpadded"})
    assert [tokens for _, tokens, _ in ran] == [8, 1]
