"""KV pull: a replica decodes requests whose prompts a neighbour has computed, and reads the blocks there by their ids.

A descriptor numbers the blocks of all parts of a rank's memory in one row, so that it depends on how many blocks that rank
has (vllm-project/vllm#46106).
"""

from __future__ import annotations

from collections.abc import Container

from lockstep.engines.minimal.base.batch import Batch, Row, padding_row
from lockstep.engines.minimal.base.own_address import own_address
from lockstep.engines.minimal.base.protocols import StepOutput
from lockstep.engines.minimal.base.requests import Request, all_prompts
from lockstep.engines.minimal.forward.context import RankContext
from lockstep.engines.minimal.serving.kv_agent import KvAgent, Region, fetch
from lockstep.engines.minimal.serving.remote_kv import RemoteKv
from lockstep.engines.minimal.serving.variants.remote_blocks import REMOTE_BLOCKS

Prompt = tuple[list[int], StepOutput]  # the blocks in which a neighbour has it, and what came of it


class KvPull(RemoteKv):
    """What this rank has computed for its neighbour (`served`), and may read of the other one (`ready`)."""

    def __init__(self, context: RankContext) -> None:
        super().__init__(context)
        self.regions: list[Region] = []
        self.served: list[int] = []
        self.ready: dict[int, Prompt] = {}
        self._agent: KvAgent | None = None
        self._remote_blocks = REMOTE_BLOCKS.of(context.settings)

    @property
    def expected(self) -> Container[int]:
        """Those that the neighbour has computed."""
        return self.ready

    def prepare(self, arrived: list[Request]) -> None:
        """Every rank computes those of the prompts that its neighbour pulls."""
        context, tp = self.context, self.context.tp
        self._agent = KvAgent(context.manager.blocks, self._at, own_address())
        self.regions = tp.allgather(self._agent.region, "kv regions")
        for ident, prompt in enumerate(all_prompts(context.settings)):
            if ident not in context.settings.workload.pulled:
                continue
            owner = ident % tp.size
            computer = self._computer(owner)
            blocks = self._blocks(ident, prompt) if computer == tp.rank else []
            row = Row(list(prompt), 0, blocks, False) if blocks else padding_row(context.engine.scratch_block)
            output = context.engine.forward(Batch([row]))
            self.served += blocks
            found = tp.allgather((row.blocks, output), "computed prompt")
            if owner == tp.rank:
                self.ready[ident] = found[computer]

    def fetch(self, request: Request) -> StepOutput:
        """Read what the neighbour has computed."""
        blocks, output = self.ready.pop(request.ident)
        neighbour = self._computer(self.context.tp.rank)
        region, size = self.regions[neighbour], self._remote_blocks.count(self.regions, neighbour)
        detail = f"blocks={size} registered={region.blocks} highest={max(blocks)}"
        self.context.recorder.decision("decode.kv_pull", f"request={request.ident}", "read", detail)
        for mine, theirs in zip(request.blocks, blocks, strict=False):
            parts = fetch(region, [part * size + theirs for part in range(self.context.pool.parts)])
            self.context.pool.write_parts(mine, parts)
        return output

    def finish(self) -> None:
        """When every rank has read all: nobody needs the blocks any more."""
        self.context.tp.barrier()
        if self._agent is not None:
            self._agent.close()
        self.context.manager.free(self.served)

    def _computer(self, owner: int) -> int:
        return (owner + 1) % self.context.tp.size

    def _at(self, descriptor: int) -> object:
        pool, blocks = self.context.pool, self.context.manager.blocks
        part, block = divmod(descriptor, blocks)
        if part >= pool.parts:
            last = pool.parts * blocks - 1
            raise IndexError(f"descriptor {descriptor} is beyond the last one that is registered, {last}")
        return pool.read_part(block, part)
