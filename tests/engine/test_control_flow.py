"""The control flow on ranks that are threads, over a device without tensors: neither torch nor MPI takes part."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace
from typing import Any

import pytest

from lockstep.engines.minimal.base.out_of_step import OutOfStepError
from lockstep.engines.minimal.spec.model import VOCABULARY
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.engines.minimal.warmup.autotuner import Autotuner
from lockstep.engines.minimal.warmup.autotuner_pipeline import CacheHandOff
from lockstep.engines.minimal.warmup.warm_up import WarmUp
from tests.engine.support import (
    Log,
    Stuck,
    TableDevice,
    ThreadCommunicator,
    alone,
    context_of,
    executor_of,
    following,
    on_groups,
    settings,
)

DRAFTS = 3
DEP = {"tp": 4, "ep": 4, "attention_dp": True}
MTP = {"decoding_type": "MTP", "num_nextn_predict_layers": DRAFTS}
ISSUE_14986: dict[str, Any] = {
    "parallel": DEP,
    "config.max_batch_size": 32,
    "config.max_seq_len": 256,
    "config.kv_cache_config": {"tokens_per_block": 32},
    "config.cuda_graph_config": {"batch_sizes": [1, 2, 4, 8, 16, 32]},
    "config.speculative_config": MTP,
    "config.guided_decoding_backend": "xgrammar",
    "kv_capacity": {"blocks": [96, 96, 96, 24]},
    "guards": {"preset": "trtllm-14126"},
}


@dataclass
class Ran:
    """What one rank did."""

    settings: Settings
    log: Log
    device: TableDevice
    tp: ThreadCommunicator
    warm_up: WarmUp
    tokens: dict[str, list[int]]
    equal: bool
    decoded: list[tuple[str, int]]  # how each forward after the warm-up ran, and its tokens


def launch(changes: dict[str, Any], world: int = 4, stuck_s: float = 5.0) -> list[Any]:
    """Warm up and decode on every rank; what each did, or what it raised."""

    def run(tp: ThreadCommunicator, everybody: ThreadCommunicator, data: ThreadCommunicator) -> Ran:
        mine = settings(changes, tp.rank, world)
        log, device = Log(), TableDevice(data, mine.drafts.length)
        context = context_of(mine, tp, log, device, world=everybody)
        warm_up = WarmUp(context, CacheHandOff(mine, alone(), log), Autotuner(mine, device, tp, log))
        warm_up.run()
        executor = executor_of(replace(context, world=tp))
        before = len(device.shapes)
        tokens = executor.run()
        return Ran(mine, log, device, tp, warm_up, tokens, executor.equal, device.shapes[before:])

    return on_groups(world, ("tp", "world", "data"), run, stuck_s)


def plain(mine: Settings) -> dict[str, list[int]]:
    """The tokens of every request, decoded one by one from the same prompts."""
    workload = mine.workload
    chance = random.Random(workload.seed)
    found: dict[str, list[int]] = {}
    for ident in range(workload.requests):
        prompt = [chance.randrange(VOCABULARY) for _ in range(workload.prompt_tokens)]
        token, output = prompt[-1], []
        for position in range(workload.prompt_tokens - 1, workload.prompt_tokens - 1 + workload.new_tokens[ident]):
            token = following(token, position)
            output.append(token)
        found[str(ident)] = output
    return found


def check_decoded(ranks: list[Any]) -> None:
    """Every request was decoded, once, to its plain tokens, and graphs gave what eager gives."""
    assert not [rank for rank in ranks if isinstance(rank, Exception)]
    found = {ident: tokens for rank in ranks for ident, tokens in rank.tokens.items()}
    assert found == plain(ranks[0].settings)
    assert all(rank.equal for rank in ranks)


def test_a_skipped_capture_hangs_later_and_elsewhere() -> None:
    """The short rank meets its peers' forwards with its own next ones; they end in tp, it ends in world."""
    answers = launch(ISSUE_14986, stuck_s=1.0)
    assert [str(answer) for answer in answers] == ["tp", "tp", "tp", "world"]
    assert {type(answer) for answer in answers} == {Stuck}


def test_values_of_another_step_are_told_as_such() -> None:
    """Ranks that are one forward apart in one phase get lists where they count: the words are ours, not Python's."""
    guards = {"preset": "trtllm-14126", "general": "none", "generation_capture": "sync-skip"}
    changes = {"parallel": {"tp": 2, "ep": 2, "attention_dp": True}, "kv_capacity": {"blocks": [96, 4]}, "guards": guards}
    ranks = launch({**ISSUE_14986, "config.guided_decoding_backend": None, **changes}, 2, stuck_s=2.0)
    errors = [rank for rank in ranks if isinstance(rank, OutOfStepError)]
    assert errors, ranks
    assert all(
        re.match(r"the all-gather of (padding|graph|tokens) brought values of another step \(", str(error))
        for error in errors
    )


@pytest.mark.parametrize("guard", ["assert", "agree"])
def test_a_guarded_capture_raises_everywhere(guard: str) -> None:
    """All ranks raise the same error, with the figures of the short one."""
    answers = launch({**ISSUE_14986, "guards": {"preset": "trtllm-14126", "generation_capture": guard}})
    assert {type(answer) for answer in answers} == {RuntimeError}
    assert len({str(answer) for answer in answers}) == 1
    assert "(24, 32, 128)" in str(answers[3])


@pytest.mark.parametrize("blocks", [[96, 96, 96, 24], 24, 96])
def test_capturing_together_decodes(blocks: Any) -> None:
    """Sync-skip, or equal capacity, leaves every rank with the same graphs, and decoding gives the right tokens."""
    guards = {"preset": "trtllm-14126", "generation_capture": "sync-skip"}
    ranks = launch({**ISSUE_14986, "kv_capacity": {"blocks": blocks}, "guards": guards})
    check_decoded(ranks)
    without = [] if blocks == 96 else [32]
    assert {str(rank.warm_up.skipped) for rank in ranks} == {str({"generation_capture": without})}


def test_host_collectives_of_a_forward_are_in_upstreams_order() -> None:
    """Padding and graph choice each gather [may use a graph, rows]; then come the token counts."""
    ranks = launch({"parallel": {"tp": 2, "ep": 2, "attention_dp": True}, "guards": {"preset": "trtllm-before-14126"}}, 2)
    check_decoded(ranks)
    capture = ranks[0].tp.given.index([True, 8])
    assert ranks[0].tp.given[capture : capture + 6] == [[True, 8], [True, 8], 8, [True, 4], [True, 4], 4]


def test_phases_are_in_upstreams_order() -> None:
    """Attention, general, autotuner, generation capture, prefill capture, memory pool, clock."""
    compiled = {"enable_piecewise_cuda_graph": True, "capture_num_tokens": [8, 16]}
    ranks = launch({"parallel": {"tp": 1}, "config.torch_compile_config": compiled, "guards": {"preset": "trtllm-main"}}, 1)
    check_decoded(ranks)
    expected = ["attention", "general", "autotuner", "generation_capture", "prefill_capture", "memory_pool", "clock"]
    assert ranks[0].log.phases == expected


def test_guided_decoding_leaves_the_attention_phase_empty() -> None:
    """A guided decoder takes away the generation row, and turns off the flag under which the prompt runs."""
    guided = {"config.guided_decoding_backend": "xgrammar", "guards": {"preset": "trtllm-main"}, "parallel": {"tp": 1}}
    ranks = launch(guided, 1)
    check_decoded(ranks)
    assert not [site for site, *_ in ranks[0].log.decisions if site.startswith("attention.")]


@pytest.mark.parametrize("seed", range(4))
def test_prefill_graphs_with_prompts_beside_generation(seed: int) -> None:
    """A rank that runs a prefill graph while its peer cannot does not go into a forward of its own."""
    changes = {
        "parallel": {"tp": 2, "ep": 2, "attention_dp": True},
        "config.max_batch_size": 2,
        "config.cuda_graph_config": {"batch_sizes": [1, 2]},
        "config.speculative_config": MTP,
        "config.torch_compile_config": {"enable_piecewise_cuda_graph": True, "capture_num_tokens": [8, 16]},
        "workload": {"requests": 12, "prompt_tokens": 5, "new_tokens": 10, "seed": seed},
    }
    ranks = launch(changes, 2, stuck_s=1.0)
    check_decoded(ranks)
    assert any(("replay", 16) in rank.decoded for rank in ranks)


@pytest.mark.parametrize("attention_dp", [False, True])
def test_padding_uses_the_next_graph(attention_dp: bool) -> None:
    """With padding on, three rows run the graph of four."""
    changes = {
        "parallel": {"tp": 1, "attention_dp": attention_dp},
        "config.cuda_graph_config": {"batch_sizes": [1, 4], "enable_padding": True},
        "workload.requests": 3,
    }
    (rank,) = ranks = launch(changes, 1)
    check_decoded(ranks)
    assert ("replay", 4) in rank.decoded


@pytest.mark.parametrize("padding", [False, True])
def test_drafts_are_off_above_max_concurrency(padding: bool) -> None:
    """Where one rank has more requests than that, every rank leaves drafts out."""
    changes = {
        "parallel": {"tp": 2, "ep": 2, "attention_dp": True},
        "config.speculative_config": {**MTP, "max_concurrency": 2},
        "config.cuda_graph_config": {"batch_sizes": [1, 2, 3, 4, 8], "enable_padding": padding},
        "workload.requests": 5,
    }
    ranks = launch(changes, 2, stuck_s=1.0)
    check_decoded(ranks)
    how = "replay" if padding else "eager"  # unequal batches have no graph
    assert (how, 3) in ranks[0].decoded
    assert (how, 3 if padding else 2) in ranks[1].decoded
    few = launch({**changes, "workload.requests": 4}, 2, stuck_s=1.0)
    check_decoded(few)
    assert ("replay", 2 * (1 + DRAFTS)) in few[0].decoded


def test_equal_numbers_of_tokens_are_not_equal_graphs() -> None:
    """Eight rows of one token and two rows of four have a graph each."""
    changes = {"parallel": {"tp": 1}, "config.speculative_config": {**MTP, "max_concurrency": 2}}
    (rank,) = launch(changes, 1)
    captured = [tokens for how, tokens in rank.device.shapes if how == "capture"]
    assert captured == [32, 8, 16, 4, 8, 2, 4, 1] * 2


class GaveUp(Exception):
    """A rank has seen enough."""


class Patient(Log):
    """A log that ends its rank after so many decisions."""

    def decision(self, site: str, key: str, choice: str, detail: str = "", deviates: bool = False) -> None:
        """Keep the decision."""
        super().decision(site, key, choice, detail, deviates)
        if len(self.decisions) == 20:
            raise GaveUp


def test_a_rank_that_never_has_room_vetoes_for_ever() -> None:
    """The short rank says `wait` with its figures, step after step, and no rank decodes anything."""
    short = {
        "parallel": {"tp": 2, "ep": 2, "attention_dp": True},
        "kv_capacity": {"blocks": [64, 3]},
        "config.cuda_graph_config": None,
    }
    logs = [Patient(), Patient()]

    def run(tp: ThreadCommunicator, data: ThreadCommunicator) -> None:
        mine, log = settings(short, tp.rank, 2), logs[tp.rank]
        executor_of(context_of(mine, tp, log, TableDevice(data, mine.drafts.length))).run()

    assert {type(answer) for answer in on_groups(2, ("tp", "data"), run)} == {GaveUp}
    assert {what[2:] for what in logs[0].decisions} == {("queue", "free_blocks=56 needed_blocks=0")}
    assert {what[2:] for what in logs[1].decisions} == {("wait", "free_blocks=3 needed_blocks=4")}
