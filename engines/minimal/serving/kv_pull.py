"""KV pull: a replica decodes requests whose prompts a neighbour has computed, and reads the blocks there by their ids.

Source: vllm-project/vllm#46106. A descriptor numbers the blocks of all parts of a rank's memory in one row, so that it
depends on how many blocks that rank has; a reader that takes each replica to be as large as the first reads elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lockstep.engines.minimal.base.batch import Batch, Row
from lockstep.engines.minimal.base.block_manager import BlockManager
from lockstep.engines.minimal.base.own_address import own_address
from lockstep.engines.minimal.base.protocols import Communicator, KvCache, StepOutput
from lockstep.engines.minimal.base.requests import Request
from lockstep.engines.minimal.forward.model_engine import ModelEngine
from lockstep.engines.minimal.serving.kv_agent import KvAgent, Region, fetch
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.trace import Recorder

Prompt = tuple[list[int], StepOutput]  # the blocks in which a neighbour has it, and what came of it


@dataclass(slots=True)
class KvPull:
    """What this rank has computed for its neighbour, and may read of the other one."""

    settings: Settings
    engine: ModelEngine
    manager: BlockManager
    pool: KvCache
    tp: Communicator
    recorder: Recorder
    regions: list[Region] = field(default_factory=list)
    served: list[int] = field(default_factory=list)  # blocks that a neighbour reads
    ready: dict[int, Prompt] = field(default_factory=dict)

    def prefill(self, prompts: list[list[int]]) -> KvAgent:
        """Every rank computes those of the prompts that its neighbour pulls. All ranks must call it."""
        agent = KvAgent(self.manager.blocks, self._at, own_address())
        self.regions = self.tp.allgather(agent.region, "kv regions")
        for ident, prompt in enumerate(prompts):
            if ident not in self.settings.workload.pulled:
                continue
            owner = ident % self.tp.size
            mine = self._computer(owner) == self.tp.rank
            blocks = self.manager.allocate(len(prompt)) if mine else [self.engine.scratch_block]
            if blocks is None:
                raise MemoryError(f"{self.manager.free_blocks} free blocks do not hold prompt {ident}")
            row = Row(list(prompt), 0, blocks, False) if mine else Row([0], 0, blocks, True)
            output = self.engine.forward(Batch([row]))
            self.served += blocks if mine else []
            found = self.tp.allgather((blocks, output), "computed prompt")
            if owner == self.tp.rank:
                self.ready[ident] = found[self._computer(owner)]
        return agent

    def pull(self, requests: list[Request]) -> None:
        """Read what a neighbour has computed into the blocks of requests that have just been scheduled."""
        for request in requests:
            if request.ident in self.ready:
                blocks, output = self.ready.pop(request.ident)
                self._read(request, blocks)
                request.accept(output.next_tokens, output.drafts)

    def finish(self, agent: KvAgent) -> None:
        """When every rank has read all: nobody needs the blocks any more."""
        self.tp.barrier()
        agent.close()
        self.manager.free(self.served)

    def _read(self, request: Request, blocks: list[int]) -> None:
        region = self.regions[self._computer(self.tp.rank)]
        first = self.settings.habits.remote_blocks == "first"
        size = self.regions[0].blocks if first else region.blocks
        detail = f"blocks={size} registered={region.blocks} highest={max(blocks)}"
        self.recorder.decision("decode.kv_pull", f"request={request.ident}", "read", detail)
        for mine, theirs in zip(request.blocks, blocks, strict=False):
            parts = fetch(region, [part * size + theirs for part in range(self.pool.parts)])
            self.pool.write_parts(mine, parts)

    def _computer(self, owner: int) -> int:
        return (owner + 1) % self.tp.size

    def _at(self, descriptor: int) -> object:
        part, block = divmod(descriptor, self.manager.blocks)
        if part >= self.pool.parts:
            last = self.pool.parts * self.manager.blocks - 1
            raise IndexError(f"descriptor {descriptor} is beyond the last one that is registered, {last}")
        return self.pool.read_part(block, part)
