"""Decoding alone, on ranks that are threads: the executor over a device and a KV pool without tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from lockstep.engines.minimal.base.block_manager import BlockManager
from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.control.pipeline import Pipeline
from lockstep.engines.minimal.control.request_feed import RequestFeed
from lockstep.engines.minimal.failure.faults import Faults
from lockstep.engines.minimal.forward.model_engine import ModelEngine
from lockstep.engines.minimal.serving.executor import Executor
from lockstep.engines.minimal.spec.settings import Settings
from tests.engine.support import Log, TableDevice, ThreadCommunicator, alone, on_groups, settings

SHARED = {"tp": 2, "ep": 2}  # ranks that have the same requests
APART = {"tp": 2, "ep": 2, "attention_dp": True}


class ListPool:
    """A KV pool that holds a number a block, and notes what is read and written."""

    def __init__(self, blocks: int, tokens_per_block: int) -> None:
        self.blocks, self.tokens_per_block, self.bytes = blocks, tokens_per_block, 0
        self.content: dict[int, object] = {}
        self.written: list[int] = []
        self.there = True

    def discard(self) -> None:
        """What it holds is gone."""
        self.content, self.there = {}, False

    def restore(self) -> None:
        """Room again."""
        self.there = True

    def read(self, block: int) -> object:
        """What it holds."""
        return self.content.get(block)

    parts = 1

    def read_part(self, block: int, part: int) -> object:
        """What it holds."""
        return self.content.get(block)

    def write_parts(self, block: int, contents: Sequence[object]) -> None:
        """Put something in."""
        self.write(block, contents[0])

    def write(self, block: int, content: object) -> None:
        """Put something in."""
        self.content[block] = content
        self.written.append(block)


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
        quota = min(everybody.allgather(pool.blocks)) if mine.habits.kv_quota == "min" else pool.blocks
        manager = BlockManager(quota, mine.kv.tokens_per_block)
        engine = ModelEngine(mine, tp, device, log, scratch_block=pool.blocks)
        faults = Faults(mine.rank, mine.faults, log, lambda code: None, manager)
        executor = Executor(mine, engine, manager, tp, log, faults, Pipeline(mine, alone(), log, device))
        executor.world, executor.pool = everybody, pool
        if mine.parallel.attention_tp > 1:
            executor.feed = RequestFeed(mine, cast(Communicator, InGroup(tp, mine.parallel.attention_tp)))
        return Decoded(mine, log, device, manager, pool, executor.run())

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
