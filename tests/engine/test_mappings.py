"""One forward over several prompts: every mapping of the model to ranks gives the tokens of one rank, greedy and sampled."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
import torch

from lockstep.engines.minimal.base.batch import Batch, Row
from lockstep.engines.minimal.base.protocols import StepOutput
from lockstep.engines.minimal.comm.data_plane import Hooks
from lockstep.engines.minimal.device.cpu import CpuDevice
from lockstep.engines.minimal.device.kv_pool import KvPool
from lockstep.engines.minimal.forward.model_engine import ModelEngine
from lockstep.engines.minimal.model.decoder import Model, shard
from tests.engine.support import LocalPlane, Log, ThreadCommunicator, on_groups, settings

SEED = 7
torch.set_num_threads(1)
PROMPTS = [[random.Random(number).randrange(128) for _ in range(3 + number)] for number in range(8)]


class ThreadPlane(LocalPlane):
    """The data plane of ranks that are threads."""

    def __init__(self, data: ThreadCommunicator) -> None:
        super().__init__()
        self.data = data

    def all_reduce(self, tensor: torch.Tensor, place: str) -> None:
        """Sum, in the order of the ranks."""
        tensor.copy_(torch.stack(self.data.allgather(tensor.clone())).sum(0))

    def all_to_all(
        self, output: torch.Tensor, source: torch.Tensor, outgoing: Sequence[int], incoming: Sequence[int], place: str
    ) -> None:
        """Rows to every rank and back."""
        parts = self.data.allgather(torch.split(source, list(outgoing)))
        output.copy_(torch.cat([part[self.data.rank] for part in parts]))


class ThreadHeads:
    """The ranks of an attention group, as a part of the ranks of a data plane."""

    def __init__(self, data: ThreadCommunicator, size: int) -> None:
        first = data.rank // size * size
        self.data, self.members = data, slice(first, first + size)

    def all_reduce(self, tensor: torch.Tensor, place: str) -> None:
        """Sum over the group. All groups have as many sums to make."""
        tensor.copy_(torch.stack(self.data.allgather(tensor.clone())[self.members]).sum(0))


def forward(ranks: int, attention_dp: bool, sampling: str, group: int = 1) -> list[tuple[int, ...]]:
    """Each prompt's next tokens and drafts, on `ranks` ranks that are threads, `group` of them to an attention group."""
    parallel = {"tp": ranks, "ep": ranks, "attention_dp": attention_dp, "attention_tp": group}

    def work(tp: ThreadCommunicator, data: ThreadCommunicator) -> dict[int, tuple[int, ...]]:
        mine = settings({"parallel": parallel, "device": "cpu"}, tp.rank, ranks)

        with torch.no_grad():
            part = shard(tp.rank, ranks, ranks, attention_dp, attention_tp=group)
            plane = ThreadPlane(data)
            if group > 1:
                plane.heads = ThreadHeads(data, group)
            device = CpuDevice(plane, Log())
            device.model = Model(part, 3, SEED, device, Hooks())
            device.pool = KvPool(mine, part)
            engine = ModelEngine(mine, tp, device, Log(), scratch_block=64)
            own = [n for n in range(len(PROMPTS)) if not attention_dp or n % (ranks // group) == tp.rank // group]
            rows = [Row(PROMPTS[n], 0, [4 * at, 4 * at + 1, 4 * at + 2], False) for at, n in enumerate(own)]
            output = engine.forward(Batch(rows), sampling)
        return dict(zip(own, _by_row(output, rows), strict=True))

    found: dict[int, tuple[int, ...]] = {}
    for result in on_groups(ranks, ("tp", "data"), work):
        assert isinstance(result, dict), result
        found.update(result)
    return [found[number] for number in range(len(PROMPTS))]


def _by_row(output: StepOutput, rows: Sequence[Row]) -> list[tuple[int, ...]]:
    ends = [sum(len(row.tokens) for row in rows[: number + 1]) for number in range(len(rows))]
    return [(output.next_tokens[end - 1], *output.drafts[end - 1]) for end in ends]


@pytest.mark.parametrize("attention_dp", [False, True])
@pytest.mark.parametrize("ranks", [2, 4])
@pytest.mark.parametrize("sampling", ["greedy", "advanced"])
def test_every_mapping_gives_the_tokens_of_one_rank(ranks: int, attention_dp: bool, sampling: str) -> None:
    """Heads and experts dealt out, or prompts and experts: the same tokens and drafts."""
    assert forward(ranks, attention_dp, sampling) == forward(1, False, sampling)


@pytest.mark.parametrize("group", [2, 4])
def test_attention_groups_give_the_tokens_of_one_rank(group: int) -> None:
    """Under attention DP, with heads dealt within groups of ranks that share prompts."""
    assert forward(4, True, "greedy", group) == forward(1, False, "greedy")


def test_advanced_sampling_is_another_path() -> None:
    """Sampled tokens differ from greedy ones, and are the same every time."""
    sampled = forward(1, False, "advanced")
    assert sampled != forward(1, False, "greedy")
    assert sampled == forward(1, False, "advanced")
