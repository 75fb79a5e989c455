"""Decoding alone, on ranks that are threads: the executor over a device and a KV pool without tensors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

from lockstep.engines.minimal.base.block_manager import BlockManager
from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.kv.variants.quota import KV_QUOTA
from lockstep.engines.minimal.spec.settings import Settings
from tests.engine.support import (
    ListPool,
    Log,
    TableDevice,
    ThreadCommunicator,
    alone,
    context_of,
    executor_of,
    on_groups,
    settings,
)

SHARED = {"tp": 2, "ep": 2}  # ranks that have the same requests
APART = {"tp": 2, "ep": 2, "attention_dp": True}


class SameRequests(TableDevice):
    """A device of ranks that have the same requests: a forward of all of them together, of equal numbers of tokens."""

    def eager(self, step: Any, how: str = "eager") -> Any:
        """Meet, and check that every rank runs as many tokens."""
        tokens = self.data.allgather(len(step.tokens), "tokens of a forward")
        if len(set(tokens)) > 1:
            raise RuntimeError(f"ranks run forwards of {tokens} tokens")
        self.data, data = alone(), self.data
        try:
            return super().eager(replace(step, counts=(len(step.tokens),)), how)
        finally:
            self.data = data


@dataclass
class Decoded:
    """What one rank did."""

    settings: Settings
    log: Log
    device: TableDevice
    manager: BlockManager
    pool: ListPool
    tokens: dict[str, list[int]]

    def choices(self, site: str) -> list[str]:
        """What it chose at a program point, in order."""
        return [choice for where, _, choice, _ in self.log.decisions if where == site]


def decode(changes: dict[str, Any], stuck_s: float = 2.0) -> list[Any]:
    """Decode on every rank; what each did, or what it raised."""
    world = changes["parallel"]["tp"]

    def run(tp: ThreadCommunicator, everybody: ThreadCommunicator, data: ThreadCommunicator, *groups: Any) -> Decoded:
        mine = settings({"config.cuda_graph_config": None, "device": "cpu", **changes}, tp.rank, world)
        apart = mine.parallel.attention_dp
        log, device = Log(), (TableDevice if apart else SameRequests)(data, mine.drafts.length)
        pool = ListPool(int(mine.kv.amount), mine.kv.tokens_per_block)
        quota = KV_QUOTA.of(mine).blocks(pool.blocks, everybody, "kv quota")
        context = context_of(mine, tp, log, device, world=everybody, pool=pool, blocks=quota)
        size = mine.parallel.attention_tp
        group = cast(Communicator, InGroup(tp, size)) if size > 1 else None
        return Decoded(mine, log, device, context.manager, pool, executor_of(context, group).run())

    return on_groups(world, ("tp", "world", "data"), run, stuck_s)


class InGroup:
    """An attention group as a part of the communicator of all ranks: messages only."""

    def __init__(self, tp: ThreadCommunicator, size: int) -> None:
        self.tp, self.rank, self.size = tp, tp.rank % size, size
        self.first = tp.rank - self.rank

    def send(self, value: object, to: int, what: str) -> None:
        """To a member."""
        self.tp.send(value, self.first + to, what)

    def recv(self, source: int, what: str) -> Any:
        """From a member."""
        return self.tp.recv(self.first + source, what)


def all_decoded(ranks: list[Any]) -> None:
    """No rank raised, all have the same tokens for the same request, and every block came back."""
    assert not [rank for rank in ranks if isinstance(rank, Exception)], ranks
    found: dict[str, list[int]] = {}
    for rank in ranks:
        assert rank.manager.free_blocks == rank.manager.blocks
        for ident, tokens in rank.tokens.items():
            assert found.setdefault(ident, tokens) == tokens
    assert len(found) == ranks[0].settings.workload.requests
