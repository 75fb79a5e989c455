"""The engine core of a data-parallel rank on threads: waves, zero-token steps, pause and resume, drafts, generation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lockstep.engines.minimal.base.protocols import Step, StepOutput
from lockstep.engines.minimal.data_parallel.drafter import Drafter
from lockstep.engines.minimal.data_parallel.engine_core import DpEngineCore
from lockstep.engines.minimal.data_parallel.inbox import Inbox
from lockstep.engines.minimal.serving.generation import Generation
from lockstep.engines.minimal.spec.settings import Settings
from tests.engine.support import (
    ListPool,
    Log,
    Stuck,
    TableDevice,
    ThreadCommunicator,
    context_of,
    following,
    on_groups,
    settings,
)
from tests.engine.test_control_flow import plain

DP: dict[str, Any] = {
    "parallel": {"tp": 2, "ep": 2, "attention_dp": True},
    "config.cuda_graph_config": None,
    "config.data_parallel_backend": "mp",
}
PAUSED_TOGETHER = [
    {"kind": "pause"},
    {"kind": "add_request", "ranks": [0], "request": 0},
    {"kind": "start_wave", "ranks": [1]},
    {"kind": "update_weights", "ranks": [0]},
    {"kind": "update_weights", "ranks": [1], "step": 1},
    {"kind": "resume"},
]
PAUSED_ALONE = [
    {"kind": "pause", "ranks": [1]},
    {"kind": "add_request", "ranks": [0], "request": 0},
    {"kind": "start_wave", "ranks": [1]},
    {"kind": "pause", "ranks": [0], "step": 3},
    {"kind": "update_weights", "step": 3},
    {"kind": "resume"},
]


@dataclass
class Ran:
    """What one rank did."""

    settings: Settings
    log: Log
    core: DpEngineCore
    pool: ListPool
    device: TableDevice
    tokens: dict[str, list[int]]


def decode(changes: dict[str, Any], stuck_s: float = 5.0) -> list[Any]:
    """Decode on two ranks; what each did, or what it raised."""

    def run(tp: ThreadCommunicator, core: ThreadCommunicator, world: ThreadCommunicator, data: ThreadCommunicator) -> Ran:
        mine = settings({**DP, **changes}, tp.rank, 2)
        log, device = Log(), TableDevice(data, mine.drafts.length)
        pool = ListPool(int(mine.kv.amount), mine.kv.tokens_per_block)
        context = context_of(mine, tp, log, device, world=world, pool=pool)
        drafter = Drafter(context, tp) if mine.drafts.length else None
        found = DpEngineCore(context, core, Inbox(list(mine.workload.messages)), drafter)
        return Ran(mine, log, found, pool, device, found.run())

    return on_groups(2, ("tp", "core", "world", "data"), run, stuck_s)


def check(ranks: list[Any]) -> None:
    """Every request was decoded, once, to its plain tokens, and every block came back."""
    assert not [rank for rank in ranks if isinstance(rank, Exception)]
    assert {ident: tokens for rank in ranks for ident, tokens in rank.tokens.items()} == plain(ranks[0].settings)
    assert all(rank.core.context.manager.free_blocks == rank.core.context.manager.blocks for rank in ranks)


def stuck_in(ranks: list[Any]) -> list[str]:
    """The communicator in which each rank waits for ever."""
    assert {type(rank) for rank in ranks} == {Stuck}
    return [str(rank) for rank in ranks]


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("interval", [1, 7, 32])
def test_a_rank_without_work_runs_on_with_its_peer(asynchronous: bool, interval: int) -> None:
    """Whatever the lengths and however seldom ranks agree, all requests are decoded and all ranks have as many steps."""
    lengths = {"requests": 5, "new_tokens": [1, 9, 4, 2, 7], "prompt_tokens": 5}
    changes = {"config.async_scheduling": asynchronous, "config.dp_sync_interval": interval, "workload": lengths}
    ranks = decode({**changes, "config.max_batch_size": 2})
    check(ranks)
    assert ranks[0].core.total == ranks[1].core.total
    assert not ranks[0].core.total % interval


def test_a_skipped_step_without_tokens_ends_one_step_apart() -> None:
    """The rank that skipped comes to the agreement while its peer is still in a step before."""
    changes: dict[str, Any] = {
        "config.async_scheduling": True,
        "config.max_batch_size": 1,
        "workload": {"requests": 3, "new_tokens": [3, 8, 3], "prompt_tokens": 5},
        "guards": {"zero_token_step": "by-backend"},
    }
    assert stuck_in(decode(changes, stuck_s=1.0)) == ["core", "tp"]


@pytest.mark.parametrize(
    ("habit", "messages", "ends"),
    [
        ("always", PAUSED_TOGETHER, ["world", "tp"]),
        ("always", PAUSED_ALONE, []),
        ("unless-paused", PAUSED_TOGETHER, []),
        ("unless-paused", PAUSED_ALONE, ["tp", "world"]),
        ("two-phase", PAUSED_TOGETHER, []),
        ("two-phase", PAUSED_ALONE, []),
    ],
)
def test_a_late_start(habit: str, messages: list[dict[str, Any]], ends: list[str]) -> None:
    """A start that comes while a rank is paused: harmful if all are, needed if one is; in two phases all is well."""
    workload = {"requests": 1, "new_tokens": 8, "prompt_tokens": 5, "messages": messages}
    changes = {"config.dp_sync_interval": 1, "workload": workload, "guards": {"start_wave": habit}}
    ranks = decode(changes, stuck_s=1.0 if ends else 5.0)
    if ends:
        assert stuck_in(ranks) == ends
    else:
        check(ranks)


STEP = st.integers(0, 5)


@given(STEP, STEP, STEP, STEP, st.booleans(), st.booleans(), st.sampled_from([1, 3, 8]), st.integers(1, 2))
@hypothesis_settings(deadline=None, max_examples=15)
def test_in_two_phases_no_order_of_messages_does_harm(
    added: int, paused: int, started: int, paused_too: int, first: bool, first_too: bool, interval: int, requests: int
) -> None:
    """Whenever each rank hears of a request, a wave and a pause, all requests are decoded in the end."""
    mine = [
        {"kind": "add_request", "ranks": [0], "request": 0, "step": added},
        {"kind": "pause", "ranks": [0], "step": paused},
    ]
    other: list[dict[str, Any]] = [
        {"kind": "start_wave", "ranks": [1], "step": started},
        {"kind": "pause", "ranks": [1], "step": paused_too},
    ]
    messages = [*mine[:: 1 if first else -1], *other[:: 1 if first_too else -1]]
    messages += [{"kind": "update_weights"}, {"kind": "resume"}, {"kind": "resume"}]
    workload = {"requests": requests, "new_tokens": 8, "prompt_tokens": 5, "messages": messages}
    check(decode({"config.dp_sync_interval": interval, "workload": workload}))


def test_sleeping_ranks_agree_without_a_forward() -> None:
    """While the KV cache sleeps a pause is agreed upon, and no forward runs."""
    messages = [{"kind": "sleep"}, {"kind": "pause"}, {"kind": "wake_up"}]
    workload = {"requests": 0, "messages": messages}
    ranks = decode({"config.dp_sync_interval": 4, "workload": workload})
    check(ranks)
    assert all(rank.pool.there and not rank.device.shapes for rank in ranks)
    assert [rank.core.total for rank in ranks] == [4, 4]


def test_drafts_that_are_right_are_taken() -> None:
    """The drafter is the model itself: each step after the first gives all its drafts and one token more."""
    changes: dict[str, Any] = {
        "config.speculative_config": {"decoding_type": "MTP", "num_nextn_predict_layers": 3},
        "workload": {"requests": 2, "new_tokens": 9, "prompt_tokens": 5},
        "config.dp_sync_interval": 3,
    }
    ranks = decode(changes)
    check(ranks)
    assert [rank.core.total for rank in ranks] == [3, 3]


@pytest.mark.parametrize(("habit", "ends"), [("when-fitting", ["core", "tp"]), ("always", [])])
def test_a_drafter_near_the_longest_sequence(habit: str, ends: list[str]) -> None:
    """A rank whose request has no room for drafts leaves its peer in the drafter's forward, unless it pads."""
    changes: dict[str, Any] = {
        "config.max_seq_len": 16,
        "config.speculative_config": {"decoding_type": "MTP", "num_nextn_predict_layers": 3},
        "workload": {"requests": 2, "new_tokens": [11, 2], "prompt_tokens": 5},
        "config.dp_sync_interval": 1,
        "guards": {"drafter": habit},
    }
    ranks = decode(changes, stuck_s=1.0 if ends else 5.0)
    if ends:
        assert stuck_in(ranks) == ends
    else:
        check(ranks)


@pytest.mark.parametrize(
    ("habit", "requests", "good"),
    [("eos", 2, False), ("max-length", 2, True), ("synced", 2, True), ("max-length", 1, False), ("synced", 1, True)],
)
def test_generation(habit: str, requests: int, good: bool) -> None:
    """Who leaves early, or has no prompt, is missed in a forward of the others, unless lengths are equal or all run on."""
    changes: dict[str, Any] = {
        "parallel": {"tp": 2, "ep": 1, "attention_dp": True},
        "config.zero_optimization": {"stage": 3},
        "config.cuda_graph_config": None,
        "device": "cpu",
        "workload": {"requests": requests, "new_tokens": [2, 5][:requests], "prompt_tokens": 5},
        "guards": {"generate_end": habit},
    }

    class Gathering(TableDevice):
        """Every forward meets all ranks, as gathers of parameters do, however many tokens each has."""

        def eager(self, step: Step, how: str = "eager") -> StepOutput:
            """What ranks guess of each other's counts plays no part."""
            self.data.allgather(None)
            tokens = [following(token, position) for token, position in zip(step.tokens, step.positions, strict=True)]
            return StepOutput(tuple(tokens), ((),) * len(tokens))

    def run(tp: ThreadCommunicator, world: ThreadCommunicator, data: ThreadCommunicator) -> dict[str, list[int]]:
        mine = settings(changes, tp.rank, 2)
        context = context_of(mine, tp, Log(), Gathering(data, 0), world=world)
        tokens = Generation(context).run()
        assert context.manager.free_blocks == context.manager.blocks
        return tokens

    ranks = on_groups(2, ("tp", "world", "data"), run, 5.0 if good else 1.0)
    assert {type(rank) for rank in ranks} == ({dict} if good else {Stuck})
    if good:
        lengths = [5, 5] if habit == "max-length" else [2, 5]
        assert [len(tokens) for rank in ranks for tokens in rank.values()] == lengths[:requests]
